//! How entities are answered: with their version as ETag and the log position of the write.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::header::{ETAG, LOCATION};
use http::{HeaderName, HeaderValue, StatusCode};
use serde::Serialize;

use crate::application::write::{Outcome, Written};
use crate::http::preconditions::ALBATROSS_POSITION;

/// An entity and where it stands.
pub struct Entity<T> {
    status: StatusCode,
    body: T,
    version: Option<i32>,
    position: Option<i64>,
    location: Option<String>,
}

impl<T> Entity<T> {
    /// What a read found.
    pub fn read(body: T, version: i32) -> Self {
        Self {
            status: StatusCode::OK,
            body,
            version: Some(version),
            position: None,
            location: None,
        }
    }

    /// What a write left: 201 when it created something, as often as it is asked again by its name; else 200.
    pub fn written(written: Written<T>) -> Self {
        Self {
            status: match written.outcome {
                Outcome::Created | Outcome::CreatedBefore => StatusCode::CREATED,
                Outcome::Changed | Outcome::Repeated => StatusCode::OK,
            },
            body: written.entity,
            version: Some(written.version),
            position: Some(written.position),
            location: None,
        }
    }

    /// What a write left that can only create: 201, on a repeat as well.
    pub fn created(written: Written<T>) -> Self {
        Self {
            status: StatusCode::CREATED,
            ..Self::written(written)
        }
    }

    /// Where it can be read.
    pub fn at(mut self, location: String) -> Self {
        self.location = Some(location);
        self
    }
}

impl<T: Serialize> IntoResponse for Entity<T> {
    fn into_response(self) -> Response {
        let created = self.status == StatusCode::CREATED;
        let mut response = (self.status, Json(self.body)).into_response();
        let headers = response.headers_mut();
        let mut set = |name: HeaderName, value: Option<String>| {
            if let Some(value) = value.and_then(|value| HeaderValue::from_str(&value).ok()) {
                headers.insert(name, value);
            }
        };
        set(ETAG, self.version.map(|version| format!("\"{version}\"")));
        set(LOCATION, self.location.filter(|_| created));
        set(
            HeaderName::from_static(ALBATROSS_POSITION),
            self.position.map(|position| position.to_string()),
        );
        response
    }
}

/// A write that leaves nothing to show.
pub struct Done {
    pub position: Option<i64>,
}

impl IntoResponse for Done {
    fn into_response(self) -> Response {
        let mut response = StatusCode::NO_CONTENT.into_response();
        if let Some(position) = self.position {
            response
                .headers_mut()
                .insert(ALBATROSS_POSITION, HeaderValue::from(position));
        }
        response
    }
}
