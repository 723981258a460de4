//! `/api/v1/ranks`: what pilots rise to.

use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::application::views::TenantView;
use crate::domain::catalogue as domain;
use crate::http::airline::declared;
use crate::http::caller::{Known, Write};
use crate::http::extract::Body;
use crate::http::problem::Problem;
use crate::http::respond::Entity;
use crate::http::state::HttpState;
use crate::http::visible::{PeopleVisible, Visible};

pub fn routes() -> OpenApiRouter<HttpState> {
    OpenApiRouter::new().routes(routes!(list_ranks, set_ranks))
}

#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rank {
    #[schema(example = "First Officer", min_length = 1, max_length = 100)]
    pub name: String,
    /// Flight hours from which on a pilot holds it.
    #[schema(example = 50, maximum = 1_000_000)]
    pub min_hours: u32,
}

/// All ranks, in the order in which pilots rise.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RankList {
    #[schema(max_items = 50)]
    pub items: Vec<Rank>,
}

impl From<TenantView> for RankList {
    fn from(tenant: TenantView) -> Self {
        let ranks = tenant.entity.ranks.into_iter().map(|rank| Rank {
            name: rank.name,
            min_hours: rank.min_hours,
        });
        Self {
            items: ranks.collect(),
        }
    }
}

/// List ranks
#[utoipa::path(get, path = "/ranks", operation_id = "listRanks", tag = "catalogue",
    params(Visible), responses((status = 200, description = "All ranks", body = RankList)))]
async fn list_ranks(
    State(state): State<HttpState>,
    _visible: PeopleVisible,
) -> Result<Entity<RankList>, Problem> {
    let tenant = declared(&state).await?;
    let version = tenant.version;
    Ok(Entity::read(tenant.into(), version))
}

/// Replace all ranks
///
/// A rank that a review rule names stays until that rule is changed.
#[utoipa::path(put, path = "/ranks", operation_id = "setRanks", tag = "catalogue",
    request_body = RankList,
    params(("If-Match" = String, Header, description = "ETag of the version that was seen"), Write),
    responses((status = 200, description = "All ranks", body = RankList)))]
async fn set_ranks(
    State(state): State<HttpState>,
    known: Known,
    write: Write,
    Body { value, bytes }: Body<RankList>,
) -> Result<Entity<RankList>, Problem> {
    let ranks = value.items.into_iter().map(|rank| domain::Rank {
        name: rank.name,
        min_hours: rank.min_hours,
    });
    let options = write.versioned(&bytes)?;
    let lists = &state.airline().lists;
    let written = lists
        .set_ranks(&known.identity, ranks.collect(), options)
        .await?;
    Ok(Entity::written(written.map(RankList::from)))
}
