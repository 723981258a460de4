//! `/api/v1/stream`: what happens, as server-sent events.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::response::sse::{Event, KeepAlive};
use axum::response::{IntoResponse, Response, Sse};
use futures::StreamExt;
use futures::stream::once;
use http::HeaderMap;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::application::changes::notice::{Changed, Notice};
use crate::http::caller::Known;
use crate::http::problem::Problem;
use crate::http::state::HttpState;

/// How often a comment keeps the connection from looking idle.
const COMMENT_EVERY: Duration = Duration::from_secs(15);
/// A reader comes back after this long and proves anew who it is.
const LONGEST: Duration = Duration::from_secs(15 * 60);
/// How soon a reader comes back after the stream has ended.
const RETRY: Duration = Duration::from_secs(1);

pub fn routes() -> OpenApiRouter<HttpState> {
    OpenApiRouter::new().routes(routes!(stream))
}

/// The data of an event of the stream.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    /// What happened.
    #[serde(rename = "type")]
    #[schema(example = "PirepSubmitted")]
    kind: &'static str,
    /// What it happened to.
    id: Uuid,
    /// Its version after that.
    version: i32,
    /// Position in the log.
    position: i64,
}

/// Follow what happens
///
/// Server-sent events: `pirep` and `user`, each with a `Change` as data, and `reset` when the reader has
/// to start over. Each event comes only to those who may read what it is about. Resume by `Last-Event-ID`.
/// At most 20 streams are open at once for each user or key.
#[utoipa::path(get, path = "/stream", operation_id = "stream", tag = "live",
    params(("Last-Event-ID" = Option<String>, Header, description = "Id of the last event that was received")),
    responses((status = 200, description = "The stream", body = Change, content_type = "text/event-stream")))]
async fn stream(
    State(state): State<HttpState>,
    known: Known,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let gauge = state.metrics().streams.clone();
    let open = state.streams().open(known.identity.caller(), gauge)?;
    let changes = &state.airline().changes;
    let notices = changes.subscribe(known.identity, resume(&headers)).await?;
    let begin = once(async { Event::default().retry(RETRY).comment("open") });
    let events = begin
        .chain(notices.map(event))
        .take_until(state.shutdown().clone().cancelled_owned())
        .take_until(tokio::time::sleep(LONGEST))
        .map(move |event| {
            // Counted as open for as long as the stream lives.
            let _open = &open;
            Ok::<_, Infallible>(event)
        });
    let alive = KeepAlive::new().interval(COMMENT_EVERY);
    Ok(Sse::new(events).keep_alive(alive).into_response())
}

fn event_id(epoch: Uuid, position: i64) -> String {
    format!("{epoch}:{position}")
}

/// Epoch and position of the last event that the reader has; an id that is none of ours is too old.
fn resume(headers: &HeaderMap) -> Option<(Uuid, i64)> {
    let id = headers.get("last-event-id")?;
    let known = id.to_str().ok().and_then(|id| {
        let (epoch, position) = id.split_once(':')?;
        Some((Uuid::try_parse(epoch).ok()?, position.parse().ok()?))
    });
    Some(known.unwrap_or((Uuid::nil(), 0)))
}

fn event(notice: Notice) -> Event {
    match notice {
        Notice::Reset => Event::default().event("reset").data("{}"),
        Notice::Changed(changed) => changed_event(&changed),
    }
}

fn changed_event(changed: &Changed) -> Event {
    let data = Change {
        kind: changed.kind,
        id: changed.id,
        version: changed.version,
        position: changed.position,
    };
    let event = Event::default()
        .event(changed.topic)
        .id(event_id(changed.epoch, changed.position));
    match event.json_data(data) {
        Ok(event) => event,
        Err(error) => {
            tracing::error!(%error, "a change cannot be written");
            Event::default().event("reset").data("{}")
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn resumed(id: &[u8]) -> Option<(Uuid, i64)> {
        let id = HeaderValue::from_bytes(id).ok()?;
        resume(&HeaderMap::from_iter([(
            http::header::HeaderName::from_static("last-event-id"),
            id,
        )]))
    }

    #[test]
    fn who_names_no_event_resumes_none() {
        assert_eq!(resume(&HeaderMap::new()), None);
    }

    proptest! {
        #[test]
        fn a_reader_resumes_where_it_was(epoch in any::<[u8; 16]>(), position in any::<i64>()) {
            let epoch = Uuid::from_bytes(epoch);
            let id = event_id(epoch, position);
            prop_assert_eq!(resumed(id.as_bytes()), Some((epoch, position)));
        }

        #[test]
        fn an_id_that_is_none_of_ours_is_too_old(id in any::<Vec<u8>>(), position in any::<String>()) {
            let too_old = Some((Uuid::nil(), 0));
            if let Some(resumed) = resumed(&id) {
                prop_assert_eq!(Some(resumed), too_old);
            }
            let id = format!("{}:{position}", Uuid::max());
            if position.parse::<i64>().is_err() && let Some(resumed) = resumed(id.as_bytes()) {
                prop_assert_eq!(Some(resumed), too_old);
            }
        }
    }
}
