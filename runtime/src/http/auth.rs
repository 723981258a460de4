//! `/api/v1/auth`: logging in, by password or one-time link, and out.

use axum::Json;
use axum::extract::State;
use axum_extra::extract::CookieJar;
use http::StatusCode;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::application::auth::LoggedIn;
use crate::application::error::ServiceError;
use crate::http::caller::{ClientAddress, Known};
use crate::http::extract::Body;
use crate::http::problem::{Problem, kind};
use crate::http::site::Site;
use crate::http::state::HttpState;
use crate::http::users::dto::User;

pub fn routes() -> OpenApiRouter<HttpState> {
    OpenApiRouter::new()
        .routes(routes!(log_in))
        .routes(routes!(log_in_by_link))
        .routes(routes!(log_out))
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LogIn {
    #[schema(example = "ada@skyways.example")]
    email: String,
    #[schema(value_type = String, format = Password)]
    password: SecretString,
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LogInByLink {
    /// What follows `#` in the link.
    #[schema(value_type = String, example = "0123456789ab_0123456789abcdefghijABCDEFGHIJ")]
    token: SecretString,
}

#[derive(Serialize, ToSchema)]
pub struct Session {
    user: User,
}

/// Log in with e-mail address and password
///
/// The answer sets a session cookie. Who registered and has yet to be approved is answered 403 `awaiting-approval`.
#[utoipa::path(post, path = "/auth/login", operation_id = "logIn", tag = "auth",
    request_body = LogIn, responses((status = 200, description = "Logged in", body = Session)))]
async fn log_in(
    State(state): State<HttpState>,
    ClientAddress(client): ClientAddress,
    jar: CookieJar,
    Body { value, .. }: Body<LogIn>,
) -> Result<(CookieJar, Json<Session>), Problem> {
    let log_in = state
        .airline()
        .auth
        .log_in(&value.email, value.password, client);
    Ok(begin(state.site(), jar, log_in.await.map_err(rejected)?))
}

/// Log in with a one-time link
///
/// The link is used up. The answer sets a session cookie.
#[utoipa::path(post, path = "/auth/link", operation_id = "logInByLink", tag = "auth",
    request_body = LogInByLink, responses((status = 200, description = "Logged in", body = Session)))]
async fn log_in_by_link(
    State(state): State<HttpState>,
    ClientAddress(client): ClientAddress,
    jar: CookieJar,
    Body { value, .. }: Body<LogInByLink>,
) -> Result<(CookieJar, Json<Session>), Problem> {
    let log_in = state
        .airline()
        .auth
        .log_in_with_link(value.token.expose_secret(), client);
    Ok(begin(state.site(), jar, log_in.await.map_err(rejected)?))
}

/// Log out
///
/// Ends the session and makes the browser forget its cookie.
#[utoipa::path(post, path = "/auth/logout", operation_id = "logOut", tag = "auth",
    responses((status = 204, description = "Logged out")))]
async fn log_out(
    State(state): State<HttpState>,
    known: Known,
    jar: CookieJar,
) -> Result<(StatusCode, CookieJar), Problem> {
    state.airline().auth.log_out(&known.identity).await?;
    let forget = state.site().cookie(String::new());
    Ok((StatusCode::NO_CONTENT, jar.add(forget)))
}

/// Answers with the session's cookie.
pub fn begin(site: &Site, jar: CookieJar, logged_in: LoggedIn) -> (CookieJar, Json<Session>) {
    let cookie = site.cookie(logged_in.cookie.expose_secret().to_owned());
    let session = Session {
        user: logged_in.user.into(),
    };
    (jar.add(cookie), Json(session))
}

/// Here it is the credentials that are refused, not a request without any.
fn rejected(error: ServiceError) -> Problem {
    match error {
        ServiceError::Unauthenticated => kind::INVALID_CREDENTIALS.into(),
        other => other.into(),
    }
}
