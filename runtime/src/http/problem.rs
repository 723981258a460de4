//! Errors as `application/problem+json` (RFC 9457): the one shape in which this API refuses.

pub mod kind;

use std::any::Any;

use axum::response::{IntoResponse, Response};
use http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderName, HeaderValue, StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use kind::Kind;

/// Media type of every error's body.
pub const MEDIA_TYPE: &str = "application/problem+json";

/// What is wrong with one member of the request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FieldError {
    /// JSON pointer (RFC 6901) into the body; absent for a query parameter.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[schema(example = "/plan/departure")]
    pub pointer: Option<String>,
    /// Name of the query parameter; absent for a member of the body.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub parameter: Option<String>,
    /// Machine-readable reason.
    #[schema(example = "missing")]
    pub code: String,
    /// The reason for people.
    pub detail: String,
}

impl FieldError {
    pub fn at(pointer: impl Into<String>, code: &str, detail: impl Into<String>) -> Self {
        Self {
            pointer: Some(pointer.into()),
            parameter: None,
            code: code.to_owned(),
            detail: detail.into(),
        }
    }

    pub fn parameter(name: impl Into<String>, code: &str, detail: impl Into<String>) -> Self {
        Self {
            pointer: None,
            parameter: Some(name.into()),
            code: code.to_owned(),
            detail: detail.into(),
        }
    }
}

/// A refusal on its way out. The envelope layer turns it into a [`Document`], which knows the request.
#[derive(Clone, Debug)]
pub struct Problem(Box<Refused>);

#[derive(Clone, Debug)]
struct Refused {
    kind: Kind,
    code: Option<&'static str>,
    detail: Option<String>,
    errors: Vec<FieldError>,
    allowed: Option<Vec<String>>,
    decision: Option<serde_json::Value>,
    applied: Option<u64>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

/// The body of a problem, as it is sent.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Problem)]
#[serde(rename_all = "camelCase")]
pub struct Document {
    /// A page that explains this kind of problem.
    #[serde(rename = "type")]
    #[schema(format = "uri-reference", example = "/problems/validation")]
    pub kind: String,
    #[schema(example = "The request is understood but not valid")]
    pub title: String,
    #[schema(example = 422, minimum = 400, maximum = 599)]
    pub status: u16,
    /// The reason for programs, where the type alone does not tell it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[schema(example = "last-admin")]
    pub code: Option<String>,
    /// What is wrong with this very request.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub detail: Option<String>,
    /// The members that are wrong.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub errors: Vec<FieldError>,
    /// After an illegal transition: what the state allows.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub allowed: Option<Vec<String>>,
    /// After a stale `If-Match` on a decision: the decision that stands.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[schema(value_type = Option<Object>)]
    pub decision: Option<serde_json::Value>,
    /// After an outdated desired state: the number that was applied last.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[schema(ignore)]
    pub applied: Option<u64>,
    /// Finds this request in the service's log.
    pub request_id: String,
}

impl Problem {
    pub fn new(kind: Kind) -> Self {
        let mut headers = Vec::new();
        if kind.status == StatusCode::UNAUTHORIZED {
            headers.push((
                WWW_AUTHENTICATE,
                HeaderValue::from_static("Bearer realm=\"albatross\""),
            ));
        }
        Self(Box::new(Refused {
            kind,
            code: None,
            detail: None,
            errors: Vec::new(),
            allowed: None,
            decision: None,
            applied: None,
            headers,
        }))
    }

    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// A narrower reason than the kind; left out where it says the same.
    pub fn code(mut self, code: &'static str) -> Self {
        self.0.code = Some(code).filter(|code| *code != self.0.kind.code);
        self
    }

    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.0.detail = Some(detail.into());
        self
    }

    pub fn errors(mut self, errors: Vec<FieldError>) -> Self {
        self.0.errors = errors;
        self
    }

    /// One wrong member; its reason is the detail as well.
    pub fn error(self, error: FieldError) -> Self {
        let detail = error.detail.clone();
        self.errors(vec![error]).detail(detail)
    }

    pub fn allowed(mut self, allowed: Vec<String>) -> Self {
        self.0.allowed = Some(allowed);
        self
    }

    pub fn decision(mut self, decision: Option<serde_json::Value>) -> Self {
        self.0.decision = decision;
        self
    }

    pub fn applied(mut self, number: u64) -> Self {
        self.0.applied = Some(number);
        self
    }

    /// Asks the client to come back after this many seconds.
    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.0
            .headers
            .push((RETRY_AFTER, HeaderValue::from(seconds)));
        self
    }

    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers.push((name, value));
        self
    }

    /// The body for the request with this id.
    pub fn document(&self, request_id: &str) -> Document {
        Document {
            kind: format!("/problems/{}", self.0.kind.code),
            title: self.0.kind.title.to_owned(),
            status: self.0.kind.status.as_u16(),
            code: self.0.code.map(str::to_owned),
            detail: self.0.detail.clone(),
            errors: self.0.errors.clone(),
            allowed: self.0.allowed.clone(),
            decision: self.0.decision.clone(),
            applied: self.0.applied,
            request_id: request_id.to_owned(),
        }
    }

    pub fn not_found() -> Self {
        Self::new(kind::NOT_FOUND)
    }

    pub fn unavailable() -> Self {
        Self::new(kind::UNAVAILABLE).retry_after(2)
    }

    /// The address exists, for other methods.
    pub fn method_not_allowed(methods: &str) -> Self {
        let problem = Self::new(kind::METHOD_NOT_ALLOWED).detail(format!("allowed: {methods}"));
        match HeaderValue::from_str(methods) {
            Ok(methods) => problem.header(ALLOW, methods),
            Err(_) => problem,
        }
    }
}

impl From<Kind> for Problem {
    fn from(kind: Kind) -> Self {
        Self::new(kind)
    }
}

/// Carries the problem in the extensions: only the envelope layer knows the request id.
impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.0.kind.status.into_response();
        for (name, value) in &self.0.headers {
            response.headers_mut().insert(name.clone(), value.clone());
        }
        response
            .headers_mut()
            .insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        response.extensions_mut().insert(self);
        response
    }
}

/// What a panic is answered with; its own message goes to standard error alone.
pub fn panicked(_: Box<dyn Any + Send>) -> Response {
    tracing::error!("a handler panicked");
    Problem::new(kind::INTERNAL).into_response()
}
