//! Whole flights, uploaded at once: what was measured on the way, and how many of them are read at a time.

use axum::extract::{DefaultBodyLimit, Request};
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use http::HeaderMap;
use http::header::CONTENT_LENGTH;
use tokio::sync::Semaphore;
use utoipa_axum::router::OpenApiRouter;

use crate::application::flight_logs;
use crate::application::identity::Identity;
use crate::application::tracks::MAX_WHOLE;
use crate::application::views::PirepView;
use crate::application::write::Written;
use crate::domain::roles::Scope;
use crate::http::extract;
use crate::http::pireps::input::FilePirep;
use crate::http::pireps::sample::samples;
use crate::http::problem::{Problem, kind};
use crate::http::state::HttpState;
use crate::ports::track_store::Sample;

/// Seven hours at one position a second take 6 MiB, with every member written out.
const MAX_BODY_BYTES: usize = 8 * 1024 * 1024;
/// So many are read at a time in this process: each takes up to four times its size while it is.
static TURNS: Semaphore = Semaphore::const_new(4);

/// Lets these routes take the body of a whole flight.
pub fn takes_whole_flights(routes: OpenApiRouter<HttpState>) -> OpenApiRouter<HttpState> {
    routes
        .layer(from_fn(by_turns))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
}

/// A body of the usual size waits for nobody.
async fn by_turns(request: Request, next: Next) -> Response {
    let usual = announced(request.headers()).is_some_and(|size| size <= extract::MAX_BODY_BYTES);
    let _turn = match usual {
        true => None,
        // Nobody closes it, so that there is always a turn.
        false => TURNS.acquire().await.ok(),
    };
    next.run(request).await
}

fn announced(headers: &HeaderMap) -> Option<usize> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// What was measured in a flight, as it was uploaded with its report.
pub struct Telemetry {
    samples: Vec<Sample>,
    lines: Vec<flight_logs::Line>,
}

impl Telemetry {
    /// Takes it out of the body, checked before anything is filed.
    pub fn of(body: &mut FilePirep, identity: &Identity) -> Result<Self, Problem> {
        let (track, log) = (
            std::mem::take(&mut body.track),
            std::mem::take(&mut body.log),
        );
        let any = !(track.is_empty() && log.is_empty());
        let may = |scope| identity.scopes().is_none_or(|held| held.contains(&scope));
        if any && !may(Scope::TrackWrite) {
            let detail = format!("this takes a key with the scope {}", Scope::TrackWrite);
            return Err(Problem::new(kind::SCOPE_MISSING).detail(detail));
        }
        let lines: Vec<_> = log.into_iter().map(Into::into).collect();
        if !lines.is_empty() {
            flight_logs::check("/log", &lines)?;
        }
        let samples = match track.is_empty() {
            true => Vec::new(),
            false => samples(track, "/track", MAX_WHOLE)?,
        };
        Ok(Self { samples, lines })
    }

    /// Stores it with the flight that was filed, which is answered as it is then. A client that gets no answer asks again,
    /// and what is there already is not stored twice.
    pub async fn store(
        self,
        state: &HttpState,
        identity: &Identity,
        filed: Written<PirepView>,
    ) -> Result<Written<PirepView>, Problem> {
        if self.samples.is_empty() && self.lines.is_empty() {
            return Ok(filed);
        }
        let (airline, id) = (state.airline(), filed.entity.id);
        if !self.samples.is_empty() {
            let tracks = &airline.tracks;
            tracks.store_whole(identity, id, self.samples).await?;
        }
        if !self.lines.is_empty() {
            let logs = &airline.flight_logs;
            logs.store(identity, id, "/log", self.lines).await?;
        }
        let entity = airline.pireps.current(identity, id).await?;
        Ok(Written {
            version: entity.version,
            position: entity.position,
            entity,
            ..filed
        })
    }
}
