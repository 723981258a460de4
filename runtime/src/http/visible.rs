//! Lets a read wait until what its caller has written is visible.

use axum::extract::FromRequestParts;
use http::request::Parts;
use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, Type};

use crate::http::preconditions::AtPosition;
use crate::http::problem::Problem;
use crate::http::state::HttpState;

/// The read model has reached the position that the request names, if it names one.
pub struct Visible;

impl FromRequestParts<HttpState> for Visible {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &HttpState) -> Result<Self, Problem> {
        if let AtPosition(Some(position)) = AtPosition::from_request_parts(parts, state).await? {
            state.airline().wait_for(position).await?;
        }
        Ok(Self)
    }
}

/// The same for a route that shows people only.
pub struct PeopleVisible;

impl FromRequestParts<HttpState> for PeopleVisible {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &HttpState) -> Result<Self, Problem> {
        if let AtPosition(Some(position)) = AtPosition::from_request_parts(parts, state).await? {
            state.airline().wait_for_people(position).await?;
        }
        Ok(Self)
    }
}

impl IntoParams for Visible {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let schema = ObjectBuilder::new().schema_type(Type::Integer);
        vec![
            ParameterBuilder::new()
                .name("Albatross-Position")
                .parameter_in(ParameterIn::Header)
                .description(Some(
                    "Waits until this log position, as a write answered it, is visible",
                ))
                .schema(Some(schema))
                .build(),
        ]
    }
}
