//! `/api/v1/me`: what concerns the caller alone.

use axum::Json;
use axum::extract::State;
use axum_extra::extract::CookieJar;
use http::StatusCode;
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::domain::roles::Scope;
use crate::http::airline::declared;
use crate::http::caller::{Known, Write};
use crate::http::extract::Body;
use crate::http::problem::Problem;
use crate::http::respond::Done;
use crate::http::state::HttpState;
use crate::http::users::dto::User;

pub fn routes() -> OpenApiRouter<HttpState> {
    OpenApiRouter::new()
        .routes(routes!(get_me, erase_me))
        .routes(routes!(change_password))
}

/// The caller, and what the page needs to know at its start.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Me {
    user: User,
    /// What the API key may do; null for a session, which may do all that the roles permit.
    scopes: Option<Vec<Scope>>,
    /// Null when an API key was used.
    session: Option<SessionInfo>,
    tenant: TenantInfo,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SessionInfo {
    /// When it ends unless it is used before.
    expires_at: Timestamp,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TenantInfo {
    #[schema(example = "skyways")]
    name: String,
    #[schema(example = "Skyways Virtual")]
    display_name: String,
    #[schema(example = "SKY")]
    icao_code: String,
    #[schema(example = "#0e7490")]
    accent_color: Option<String>,
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChangePassword {
    /// Not needed while no password is set, after a log-in by link.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = Password)]
    current_password: Option<SecretString>,
    #[schema(value_type = String, format = Password, min_length = 12)]
    new_password: SecretString,
}

/// Who am I?
#[utoipa::path(get, path = "/me", operation_id = "getMe", tag = "me",
    responses((status = 200, description = "The caller", body = Me)))]
async fn get_me(State(state): State<HttpState>, known: Known) -> Result<Json<Me>, Problem> {
    let identity = known.identity;
    let user = state.airline().users.me(&identity).await?;
    let tenant = declared(&state).await?.entity;
    Ok(Json(Me {
        user: user.into(),
        scopes: identity
            .scopes()
            .map(|scopes| scopes.iter().copied().collect()),
        session: identity.session.map(|session| SessionInfo {
            expires_at: session.expires_at,
        }),
        tenant: TenantInfo {
            name: tenant.name,
            display_name: tenant.profile.display_name,
            icao_code: tenant.profile.icao_code,
            accent_color: tenant.settings.accent_color,
        },
    }))
}

/// Erase myself
///
/// Name, address, sessions, keys and all texts on the caller's flights are gone for good; the flights stay. The last
/// admin, and users that the hosting platform manages, cannot be erased.
#[utoipa::path(delete, path = "/me", operation_id = "eraseMe", tag = "me", params(Write),
    responses((status = 204, description = "Erased")))]
async fn erase_me(
    State(state): State<HttpState>,
    known: Known,
    write: Write,
    jar: CookieJar,
) -> Result<(CookieJar, Done), Problem> {
    let user = known.identity.user();
    let erasure = &state.airline().erasure;
    let erased = erasure
        .erase(&known.identity, user, write.options(b""))
        .await?;
    let forget = state.site().cookie(String::new());
    let position = Some(erased.position);
    Ok((jar.add(forget), Done { position }))
}

/// Change the password
///
/// Every session of the caller ends; the answer sets the cookie of a new one.
#[utoipa::path(put, path = "/me/password", operation_id = "changePassword", tag = "me",
    request_body = ChangePassword, responses((status = 204, description = "Changed")))]
async fn change_password(
    State(state): State<HttpState>,
    known: Known,
    jar: CookieJar,
    Body { value, .. }: Body<ChangePassword>,
) -> Result<(StatusCode, CookieJar), Problem> {
    let auth = &state.airline().auth;
    let logged_in = auth
        .change_password(&known.identity, value.current_password, value.new_password)
        .await?;
    let cookie = state
        .site()
        .cookie(logged_in.cookie.expose_secret().to_owned());
    Ok((StatusCode::NO_CONTENT, jar.add(cookie)))
}
