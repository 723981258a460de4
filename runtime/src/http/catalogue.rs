//! The catalogue: aircraft, the schedule and who booked it, ranks and fields of PIREPs.

pub mod aircraft;
pub mod bids;
pub mod fields;
pub mod flight;
pub mod flights;
pub mod merge_patch;
pub mod ranks;

use utoipa_axum::router::OpenApiRouter;

use crate::http::state::HttpState;

pub fn routes() -> OpenApiRouter<HttpState> {
    OpenApiRouter::new()
        .merge(aircraft::routes())
        .merge(flights::routes())
        .merge(ranks::routes())
        .merge(fields::routes())
        .merge(bids::routes())
}
