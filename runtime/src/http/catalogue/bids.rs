//! `/api/v1/bids`: the flights that the caller has booked.

use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::application::bidding::BidView;
use crate::http::caller::{Known, Write};
use crate::http::catalogue::flight::ScheduledFlight;
use crate::http::extract::{Body, Path};
use crate::http::problem::Problem;
use crate::http::respond::{Done, Entity};
use crate::http::state::HttpState;
use crate::http::visible::Visible;

pub fn routes() -> OpenApiRouter<HttpState> {
    OpenApiRouter::new()
        .routes(routes!(list_bids, make_bid))
        .routes(routes!(withdraw_bid))
}

/// A booked flight. It ends when a PIREP that names it is submitted or cancelled.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Bid {
    pub id: Uuid,
    pub flight: ScheduledFlight,
    pub made_at: Timestamp,
    /// 48 hours after it was made.
    pub expires_at: Timestamp,
}

/// The caller's bids that wait to be flown, the oldest first.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BidList {
    pub items: Vec<Bid>,
}

/// A flight to be booked.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MakeBid {
    /// Id of the flight of the schedule.
    pub flight: Uuid,
}

impl From<BidView> for Bid {
    fn from(view: BidView) -> Self {
        Self {
            id: view.id.0,
            flight: view.flight.into(),
            made_at: view.made_at,
            expires_at: view.expires_at,
        }
    }
}

/// List one's own bids
#[utoipa::path(get, path = "/bids", operation_id = "listBids", tag = "catalogue",
    params(Visible), responses((status = 200, description = "The bids that wait to be flown", body = BidList)))]
async fn list_bids(
    State(state): State<HttpState>,
    known: Known,
    _visible: Visible,
) -> Result<Json<BidList>, Problem> {
    let bids = state.airline().bidding.list(&known.identity).await?;
    Ok(Json(BidList {
        items: bids.into_iter().map(Bid::from).collect(),
    }))
}

/// Book a flight
///
/// A pilot books a flight once, and at most 20 at a time; several pilots may book the same.
#[utoipa::path(post, path = "/bids", operation_id = "makeBid", tag = "catalogue",
    request_body = MakeBid,
    params(Write),
    responses((status = 201, description = "Booked", body = Bid)))]
async fn make_bid(
    State(state): State<HttpState>,
    known: Known,
    write: Write,
    Body { value, bytes }: Body<MakeBid>,
) -> Result<Entity<Bid>, Problem> {
    let bidding = &state.airline().bidding;
    let made = bidding
        .make(&known.identity, value.flight.into(), write.options(&bytes))
        .await?;
    Ok(Entity::created(made.map(Bid::from)))
}

/// Withdraw a bid
#[utoipa::path(delete, path = "/bids/{id}", operation_id = "withdrawBid", tag = "catalogue",
    params(("id" = Uuid, Path, description = "Id of the bid"), Write),
    responses((status = 204, description = "Withdrawn")))]
async fn withdraw_bid(
    State(state): State<HttpState>,
    known: Known,
    write: Write,
    Path(id): Path<Uuid>,
) -> Result<Done, Problem> {
    let bidding = &state.airline().bidding;
    let position = bidding
        .withdraw(&known.identity, id.into(), write.options(b""))
        .await?;
    Ok(Done {
        position: Some(position),
    })
}
