//! `/api/v1/settings`: what an airline's own admins decide.

use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::application::views::TenantView;
use crate::domain::tenant::{self as domain, RegistrationPolicy};
use crate::http::airline::declared;
use crate::http::caller::{Known, Write};
use crate::http::extract::Body;
use crate::http::problem::Problem;
use crate::http::respond::Entity;
use crate::http::state::HttpState;
use crate::http::visible::{PeopleVisible, Visible};

pub fn routes() -> OpenApiRouter<HttpState> {
    OpenApiRouter::new().routes(routes!(get_settings, set_settings))
}

#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Settings {
    /// Staff may decide PIREPs of their own.
    pub self_review: bool,
    /// For the web page; null for the usual one.
    #[serde(default)]
    #[schema(example = "#0e7490", pattern = "^#[0-9A-Fa-f]{6}$")]
    pub accent_color: Option<String>,
    pub registration: RegistrationPolicy,
}

impl From<TenantView> for Settings {
    fn from(tenant: TenantView) -> Self {
        let settings = tenant.entity.settings;
        Self {
            self_review: settings.self_review,
            accent_color: settings.accent_color,
            registration: settings.registration,
        }
    }
}

/// Read the settings
#[utoipa::path(get, path = "/settings", operation_id = "getSettings", tag = "airline",
    params(Visible), responses((status = 200, description = "The settings", body = Settings)))]
async fn get_settings(
    State(state): State<HttpState>,
    _visible: PeopleVisible,
) -> Result<Entity<Settings>, Problem> {
    let tenant = declared(&state).await?;
    let version = tenant.version;
    Ok(Entity::read(tenant.into(), version))
}

/// Change the settings
///
/// All of them are replaced.
#[utoipa::path(put, path = "/settings", operation_id = "setSettings", tag = "airline",
    request_body = Settings,
    params(("If-Match" = String, Header, description = "ETag of the version that was seen"), Write),
    responses((status = 200, description = "The settings", body = Settings)))]
async fn set_settings(
    State(state): State<HttpState>,
    known: Known,
    write: Write,
    Body { value, bytes }: Body<Settings>,
) -> Result<Entity<Settings>, Problem> {
    let settings = domain::Settings {
        self_review: value.self_review,
        accent_color: value.accent_color,
        registration: value.registration,
    };
    let options = write.versioned(&bytes)?;
    let lists = &state.airline().lists;
    let written = lists
        .set_settings(&known.identity, settings, options)
        .await?;
    Ok(Entity::written(written.map(Settings::from)))
}
