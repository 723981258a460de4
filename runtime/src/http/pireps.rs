//! `/api/v1/pireps`: filing, flying, reading, changing and deciding pilot reports, and talking about them.

pub mod act;
pub mod decide;
pub mod edit;
pub mod entity;
pub mod file;
pub mod fly;
pub mod history;
pub mod input;
pub mod log;
pub mod plan;
pub mod read;
pub mod room;
pub mod sample;
pub mod talk;
pub mod track;
pub mod whole;

use utoipa_axum::router::OpenApiRouter;

use crate::http::state::HttpState;

pub fn routes() -> OpenApiRouter<HttpState> {
    OpenApiRouter::new()
        .merge(whole::takes_whole_flights(file::routes()))
        .merge(read::routes())
        .merge(edit::routes())
        .merge(fly::routes())
        .merge(log::routes())
        .merge(decide::routes())
        .merge(talk::routes())
}
