//! A flight's ACARS log: lines of free text, with the time at which they were written.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::stream::{Stream, try_unfold};
use http::header::CONTENT_TYPE;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::application::error::ServiceError;
use crate::application::flight::Flight;
use crate::application::flight_logs;
use crate::domain::personal::Personal;
use crate::http::caller::Known;
use crate::http::extract::Body;
use crate::http::problem::Problem;
use crate::http::send;
use crate::http::state::HttpState;

pub fn routes() -> OpenApiRouter<HttpState> {
    OpenApiRouter::new()
        .routes(routes!(send_log))
        .routes(routes!(get_log))
}

/// Lines of a flight's log, each stored once however often it is sent.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LogBatch {
    #[schema(min_items = 1, max_items = 500)]
    pub lines: Vec<LogLineInput>,
}

/// One line of a flight's log.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LogLineInput {
    /// The client's own number, from 0; unique within a flight's log.
    #[schema(minimum = 0, maximum = 4999, example = 3)]
    pub sequence: i32,
    pub time: Timestamp,
    #[schema(max_length = 500, example = "Flaps set to 5")]
    pub text: String,
}

/// What became of the lines.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LogStored {
    /// Lines that were new.
    stored: usize,
    /// Lines whose number was there already.
    duplicates: usize,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FlightLog {
    /// In order of sequence.
    items: Vec<LogLine>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LogLine {
    #[schema(example = 3)]
    sequence: i32,
    time: Timestamp,
    /// Null once the pilot was erased.
    #[schema(example = "Flaps set to 5")]
    text: Option<String>,
}

/// Send lines of a flight's log
///
/// A line whose number was sent before is not stored again. Accepted in every state. A flight has 5,000 lines at most.
#[utoipa::path(post, path = "/pireps/{id}/log", operation_id = "sendLog", tag = "pireps",
    request_body = LogBatch,
    params(("id" = Uuid, Path, description = "Id of the PIREP")),
    responses((status = 200, description = "Stored", body = LogStored)))]
async fn send_log(
    State(state): State<HttpState>,
    known: Known,
    flight: Flight,
    Body { value, .. }: Body<LogBatch>,
) -> Result<Json<LogStored>, Problem> {
    let lines = value.lines.into_iter().map(Into::into).collect();
    let logs = &state.airline().flight_logs;
    let stored = logs.store(&known.identity, flight, lines).await?;
    Ok(Json(LogStored {
        stored: stored.stored,
        duplicates: stored.duplicates,
    }))
}

/// Read a flight's log
///
/// For its pilot and staff. An answer that is not read for 30 seconds breaks off.
#[utoipa::path(get, path = "/pireps/{id}/log", operation_id = "getLog", tag = "pireps",
    params(("id" = Uuid, Path, description = "Id of the PIREP")),
    responses((status = 200, description = "The log", body = FlightLog)))]
async fn get_log(
    State(state): State<HttpState>,
    known: Known,
    flight: Flight,
) -> Result<Response, Problem> {
    let logs = &state.airline().flight_logs;
    let log = logs.open(&known.identity, flight).await?;
    let first = log.lines(None).await?;
    let parts = send::in_parts(written(log, first), ());
    Ok(([(CONTENT_TYPE, "application/json")], parts).into_response())
}

/// What is to be written of a log next.
enum Next {
    First(Vec<flight_logs::Line>),
    After(i32),
    Nothing,
}

/// A [`FlightLog`] as JSON, of which a page is read when the one before was taken: nobody holds the whole.
fn written(
    log: flight_logs::FlightLog,
    first: Vec<flight_logs::Line>,
) -> impl Stream<Item = Result<Bytes, ServiceError>> {
    try_unfold((log, Next::First(first)), async |(log, next)| {
        let (mut json, lines) = match next {
            Next::First(lines) => (br#"{"items":["#.to_vec(), lines),
            Next::After(sequence) => match log.lines(Some(sequence)).await? {
                none if none.is_empty() => (Vec::new(), none),
                lines => (b",".to_vec(), lines),
            },
            Next::Nothing => return Ok(None),
        };
        let last = lines.last().map(|line| line.sequence);
        let next = match last.filter(|_| lines.len() == flight_logs::PAGE) {
            Some(last) => Next::After(last),
            None => Next::Nothing,
        };
        for (index, line) in lines.into_iter().enumerate() {
            if index > 0 {
                json.push(b',');
            }
            let line = serde_json::to_vec(&LogLine::from(line));
            json.extend(line.map_err(|error| ServiceError::Corrupt(error.to_string()))?);
        }
        if matches!(next, Next::Nothing) {
            json.extend(b"]}");
        }
        Ok(Some((Bytes::from(json), (log, next))))
    })
}

impl From<flight_logs::Line> for LogLine {
    fn from(line: flight_logs::Line) -> Self {
        Self {
            sequence: line.sequence,
            time: line.time,
            text: line.text.into_known(),
        }
    }
}

impl From<LogLineInput> for flight_logs::Line {
    fn from(line: LogLineInput) -> Self {
        Self {
            sequence: line.sequence,
            time: line.time,
            text: Personal::Known(line.text),
        }
    }
}
