//! Who makes a request, as the gate found it, and how the request is to be written.

use std::convert::Infallible;
use std::net::IpAddr;

use axum::extract::FromRequestParts;
use http::request::Parts;
use utoipa::IntoParams;
use utoipa::openapi::Required;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use uuid::Uuid;

use crate::application::flight::Flight;
use crate::application::identity::Identity;
use crate::application::write::{Idempotency, WriteOptions};
use crate::domain::actor::Actor;
use crate::domain::ids::{PirepId, TenantId};
use crate::http::authorisation::decision::Reach;
use crate::http::envelope::RequestId;
use crate::http::extract::Path;
use crate::http::preconditions::{IdempotencyKey, IfMatch};
use crate::http::problem::{Problem, kind};
use crate::http::state::HttpState;

/// A caller whom the gate let through.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Whose API is called.
    pub airline: TenantId,
    /// None where nobody needs to be known.
    pub identity: Option<Identity>,
    /// How far the caller's right reaches on this route.
    pub reach: Reach,
    /// The flight that the path names, where the gate had to read it.
    pub flight: Option<Flight>,
}

impl Caller {
    pub fn actor(&self) -> Actor {
        self.identity
            .as_ref()
            .map_or(Actor::Anonymous, Identity::actor)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        // Only a route that bypasses the gate lacks it: then nobody gets in.
        let caller = parts.extensions.get::<Self>().cloned();
        caller.ok_or_else(|| kind::UNAUTHENTICATED.into())
    }
}

/// A caller who is known.
#[derive(Clone, Debug)]
pub struct Known {
    pub identity: Identity,
    pub reach: Reach,
}

impl<S: Send + Sync> FromRequestParts<S> for Known {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let caller = Caller::from_request_parts(parts, state).await?;
        match caller.identity {
            Some(identity) => Ok(Self {
                identity,
                reach: caller.reach,
            }),
            None => Err(kind::UNAUTHENTICATED.into()),
        }
    }
}

/// The flight that the path names, as the gate read it or not at all.
impl<S: Send + Sync> FromRequestParts<S> for Flight {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Path(id) = Path::<Uuid>::from_request_parts(parts, state).await?;
        let caller = parts.extensions.get::<Caller>();
        let read = caller.and_then(|caller| caller.flight.clone());
        Ok(read.unwrap_or_else(|| PirepId(id).into()))
    }
}

/// The address that the request comes from.
#[derive(Clone, Copy, Debug)]
pub struct ClientAddress(pub IpAddr);

impl FromRequestParts<HttpState> for ClientAddress {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &HttpState) -> Result<Self, Infallible> {
        let proxies = state.proxies();
        Ok(Self(
            proxies.client_address(&parts.headers, &parts.extensions),
        ))
    }
}

/// The headers of a write, and what names it for repeats.
#[derive(Clone, Debug)]
pub struct Write {
    pub key: IdempotencyKey,
    pub if_match: IfMatch,
    actor: Uuid,
    route: String,
    correlation_id: Option<Uuid>,
}

impl Write {
    /// How to write a request with this body.
    pub fn options(&self, body: &[u8]) -> WriteOptions {
        let idempotency = self
            .key
            .0
            .as_ref()
            .map(|key| Idempotency::new(self.actor, &self.route, key, body));
        WriteOptions {
            idempotency,
            if_match: self.if_match.0,
            correlation_id: self.correlation_id,
        }
    }

    /// The same, for calls that must be named: 400 without a key.
    pub fn named(&self, body: &[u8]) -> Result<WriteOptions, Problem> {
        self.key.clone().required()?;
        Ok(self.options(body))
    }

    /// The same, for decisions: 428 without the version that they are based on.
    pub fn versioned(&self, body: &[u8]) -> Result<WriteOptions, Problem> {
        self.if_match.required()?;
        Ok(self.options(body))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Write {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let caller = Caller::from_request_parts(parts, state).await?;
        let request_id = parts.extensions.get::<RequestId>();
        let correlation_id = request_id.and_then(|id| Uuid::try_parse(&id.0).ok());
        Ok(Self {
            key: IdempotencyKey::from_request_parts(parts, state).await?,
            if_match: IfMatch::from_request_parts(parts, state).await?,
            actor: caller
                .identity
                .map_or(Uuid::nil(), |identity| identity.user().0),
            route: format!("{} {}", parts.method, parts.uri.path()),
            correlation_id,
        })
    }
}

impl IntoParams for Write {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        vec![idempotency_key(Required::False)]
    }
}

/// The header of a write that must be named, for its description.
pub struct Named;

impl IntoParams for Named {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        vec![idempotency_key(Required::True)]
    }
}

fn idempotency_key(required: Required) -> Parameter {
    ParameterBuilder::new()
        .name("Idempotency-Key")
        .parameter_in(ParameterIn::Header)
        .required(required)
        .description(Some(
            "Names this request, so that a repeat takes effect once",
        ))
        .schema(Some(ObjectBuilder::new().schema_type(Type::String)))
        .build()
}
