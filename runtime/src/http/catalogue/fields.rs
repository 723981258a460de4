//! `/api/v1/pirep-fields`: what PIREPs hold beside the usual.

use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::application::views::TenantView;
use crate::domain::catalogue as domain;
use crate::domain::catalogue::FieldKind;
use crate::http::airline::declared;
use crate::http::caller::{Known, Write};
use crate::http::extract::Body;
use crate::http::problem::Problem;
use crate::http::respond::Entity;
use crate::http::state::HttpState;
use crate::http::visible::{PeopleVisible, Visible};

pub fn routes() -> OpenApiRouter<HttpState> {
    OpenApiRouter::new().routes(routes!(list_pirep_fields, set_pirep_fields))
}

/// A field that the airline adds to its PIREPs.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PirepField {
    /// Names it in `customFields` of a PIREP.
    #[schema(example = "gate", pattern = "^[A-Za-z][A-Za-z0-9_-]{0,31}$")]
    pub key: String,
    /// What people see.
    #[schema(example = "Arrival gate", min_length = 1, max_length = 100)]
    pub label: String,
    pub kind: FieldKind,
    /// What a `Choice` is made among; no other field has any.
    #[serde(default)]
    #[schema(max_items = 50)]
    pub choices: Vec<String>,
    /// A report that is typed in is not submitted without it; one that was measured only warns.
    #[serde(default)]
    pub required: bool,
}

/// All fields of the airline's own.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PirepFieldList {
    #[schema(max_items = 50)]
    pub items: Vec<PirepField>,
}

impl From<TenantView> for PirepFieldList {
    fn from(tenant: TenantView) -> Self {
        let fields = tenant.entity.pirep_fields.into_iter();
        let fields = fields.map(|field| PirepField {
            key: field.key,
            label: field.label,
            kind: field.kind,
            choices: field.choices,
            required: field.required,
        });
        Self {
            items: fields.collect(),
        }
    }
}

impl From<PirepField> for domain::PirepField {
    fn from(field: PirepField) -> Self {
        Self {
            key: field.key,
            label: field.label,
            kind: field.kind,
            choices: field.choices,
            required: field.required,
        }
    }
}

/// List the fields that PIREPs hold beside the usual
#[utoipa::path(get, path = "/pirep-fields", operation_id = "listPirepFields", tag = "catalogue",
    params(Visible), responses((status = 200, description = "All fields", body = PirepFieldList)))]
async fn list_pirep_fields(
    State(state): State<HttpState>,
    _visible: PeopleVisible,
) -> Result<Entity<PirepFieldList>, Problem> {
    let tenant = declared(&state).await?;
    let version = tenant.version;
    Ok(Entity::read(tenant.into(), version))
}

/// Replace the fields that PIREPs hold beside the usual
///
/// PIREPs keep the values of fields that are gone.
#[utoipa::path(put, path = "/pirep-fields", operation_id = "setPirepFields", tag = "catalogue",
    request_body = PirepFieldList,
    params(("If-Match" = String, Header, description = "ETag of the version that was seen"), Write),
    responses((status = 200, description = "All fields", body = PirepFieldList)))]
async fn set_pirep_fields(
    State(state): State<HttpState>,
    known: Known,
    write: Write,
    Body { value, bytes }: Body<PirepFieldList>,
) -> Result<Entity<PirepFieldList>, Problem> {
    let fields = value.items.into_iter().map(domain::PirepField::from);
    let options = write.versioned(&bytes)?;
    let lists = &state.airline().lists;
    let written = lists
        .set_pirep_fields(&known.identity, fields.collect(), options)
        .await?;
    Ok(Entity::written(written.map(PirepFieldList::from)))
}
