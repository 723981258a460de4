//! The one gate in front of every route of the API: who calls, may they, and how often.

use std::net::IpAddr;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum_extra::extract::CookieJar;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use uuid::Uuid;

use crate::application::error::ServiceError;
use crate::application::flight::Flight;
use crate::application::identity::Identity;
use crate::domain::ids::PirepId;
use crate::domain::pirep::Pirep;
use crate::domain::roles::{Role, Roles};
use crate::http::authorisation::decision::{
    Reach, Relation, Shown, check_credential, check_relation, forbidden, reach,
};
use crate::http::authorisation::table::{Key, Need, Owner, Rule, find, methods};
use crate::http::caller::Caller;
use crate::http::failures::network;
use crate::http::problem::{Problem, kind};
use crate::http::rate_limit::{Headers, Policy};
use crate::http::state::HttpState;

/// Lets a request through to its handler, or answers it.
pub async fn gate(State(state): State<HttpState>, mut request: Request, next: Next) -> Response {
    match admit(&state, &mut request).await {
        Ok(headers) => {
            let mut response = next.run(request).await;
            headers.apply(&mut response);
            response
        }
        Err(problem) => problem.into_response(),
    }
}

async fn admit(state: &HttpState, request: &mut Request) -> Result<Headers, Problem> {
    let path = request.extensions().get::<MatchedPath>();
    let path = path.map(MatchedPath::as_str).unwrap_or_default().to_owned();
    let Some(rule) = find(request.method().as_str(), &path) else {
        return Err(match methods(&path) {
            // A route without a row: nobody gets in.
            none if none.is_empty() => Problem::not_found(),
            methods => Problem::method_not_allowed(&methods),
        });
    };
    let address = state
        .proxies()
        .client_address(request.headers(), request.extensions());
    let (headers, target) = (request.headers(), request.uri().path());
    let identity = identify(state, rule, target, headers, address).await?;
    let counted = count(
        state,
        rule,
        identity.as_ref(),
        address,
        request.uri().path(),
    )?;
    let authorised = authorise(state, rule, identity.as_ref(), request.uri().path()).await;
    if let (Err(_), Policy::Telemetry, Some(identity)) = (&authorised, rule.limit, &identity) {
        // Each flight has an allowance of its own, also one that is not there.
        state.limits().check(Policy::General, identity.caller())?;
    }
    let (reach, flight) = authorised?;
    request.extensions_mut().insert(Caller {
        airline: state.airline().id(),
        identity,
        reach,
        flight,
    });
    Ok(counted)
}

/// Who the caller proves to be: by key, else by cookie, else nobody. What proves nothing is counted by address.
async fn identify(
    state: &HttpState,
    rule: &Rule,
    path: &str,
    headers: &HeaderMap,
    address: IpAddr,
) -> Result<Option<Identity>, Problem> {
    let failed = |error: ServiceError| {
        if matches!(error, ServiceError::Unauthenticated) {
            state.failures().count(address);
        }
        Problem::from(error)
    };
    let write = rule.method != "GET";
    if let Some(key) = key(headers)? {
        state.failures().check(address)?;
        let auth = &state.airline().auth;
        let identity = match (rule.key, id_in(path)) {
            (Key::Flight(_), Some(flight)) => auth.by_key_in_flight(&key, flight).await,
            _ => auth.by_key(&key).await,
        };
        return identity.map(Some).map_err(failed);
    }
    let jar = CookieJar::from_headers(headers);
    let Some(cookie) = jar.get(state.site().cookie_name()) else {
        if write {
            // Nobody is logged in yet, but another site must not log anybody in either.
            state.site().check_origin(headers, false)?;
        }
        return Ok(None);
    };
    if write {
        state.site().check_origin(headers, true)?;
    }
    if !rule.is_public() {
        state.failures().check(address)?;
    }
    match state.airline().auth.by_session(cookie.value()).await {
        Ok(identity) => Ok(Some(identity)),
        // An outlived cookie must not keep anybody from logging in again: counted as nobody's request.
        Err(ServiceError::Unauthenticated) if rule.is_public() => Ok(None),
        Err(error) => Err(failed(error)),
    }
}

/// The API key, from either of the headers that may carry it.
fn key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let text = |value: &http::HeaderValue| {
        value
            .to_str()
            .map(|text| text.trim().to_owned())
            .map_err(|_| Problem::from(kind::UNAUTHENTICATED))
    };
    if let Some(value) = headers.get("x-api-key") {
        return text(value).map(Some);
    }
    let Some(value) = headers.get(AUTHORIZATION) else {
        return Ok(None);
    };
    let value = text(value)?;
    let (scheme, rest) = value.split_once(' ').unwrap_or((&value, ""));
    if scheme.eq_ignore_ascii_case("bearer") {
        Ok(Some(rest.trim().to_owned()))
    } else {
        Ok(None)
    }
}

fn count(
    state: &HttpState,
    rule: &Rule,
    identity: Option<&Identity>,
    address: IpAddr,
    path: &str,
) -> Result<Headers, Problem> {
    let caller = match (identity, &rule.limit) {
        (_, Policy::Credentials) | (None, _) => network(address).to_string(),
        // However the id is spelt, it is one flight.
        (Some(identity), Policy::Telemetry) => format!("{} {:?}", identity.user(), id_in(path)),
        (Some(identity), Policy::General) => identity.caller(),
    };
    state.limits().check(rule.limit, caller)
}

/// How far the caller's right reaches, and the flight that had to be read to know.
async fn authorise(
    state: &HttpState,
    rule: &Rule,
    identity: Option<&Identity>,
    path: &str,
) -> Result<(Reach, Option<Flight>), Problem> {
    let Some(identity) = identity else {
        return if rule.is_public() {
            Ok((Reach::Own, None))
        } else {
            Err(kind::UNAUTHENTICATED.into())
        };
    };
    let roles = effective(identity);
    let shown = match identity.scopes() {
        Some(scopes) => Shown::Key(scopes),
        None => Shown::Session,
    };
    if let Err(refused) = check_credential(rule, shown) {
        return if rule.is_public() {
            Ok((Reach::Own, None))
        } else {
            Err(refused)
        };
    }
    let own = match rule.owner {
        Owner::Caller => {
            let reach = reach(rule, &roles).ok_or_else(|| forbidden(rule, Relation::Own))?;
            return Ok((reach, None));
        }
        Owner::User => Some(identity.user().0) == id_in(path),
        Owner::Pilot | Owner::FuturePilot => {
            return authorise_flight(state, rule, identity, &roles, path).await;
        }
    };
    let relation = if own {
        Relation::Own
    } else {
        Relation::Others { published: false }
    };
    Ok((check_relation(rule, &roles, relation)?, None))
}

async fn authorise_flight(
    state: &HttpState,
    rule: &Rule,
    identity: &Identity,
    roles: &Roles,
    path: &str,
) -> Result<(Reach, Option<Flight>), Problem> {
    // Staff of this kind may, whosever it is: no need to look.
    if matches!(rule.others, Need::Role(role) if roles.cover(role)) {
        return Ok((Reach::All, None));
    }
    let id = id_in(path).ok_or_else(Problem::not_found)?;
    let flight = state.airline().pireps.read(PirepId(id)).await?;
    let own = |pirep: &Pirep| pirep.pilot == identity.user();
    let relation = match flight.owner() {
        // Also of a draft that was thrown away: who missed the answer to that is given it.
        _ if flight.pirep().is_some_and(own) => Relation::Own,
        None if rule.owner == Owner::FuturePilot => Relation::Own,
        None => return Err(Problem::not_found()),
        Some(owner) => Relation::Others {
            published: owner.published,
        },
    };
    Ok((check_relation(rule, roles, relation)?, Some(flight)))
}

/// A key narrows its owner's roles to those that its scopes need.
fn effective(identity: &Identity) -> Roles {
    let held = &identity.person.roles;
    match identity.scopes() {
        None => held.clone(),
        Some(scopes) => Roles::needed_for(scopes)
            .iter()
            .filter(|role: &Role| held.cover(*role))
            .collect(),
    }
}

/// The id of the thing that `/api/v1/<things>/<id>/…` is about.
fn id_in(path: &str) -> Option<Uuid> {
    let segment = path.split('/').nth(4)?;
    Uuid::try_parse(segment).ok()
}
