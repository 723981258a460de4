//! Whole flights, uploaded at once: what was measured on the way, and how much of them is received and read at a time.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::extract::{DefaultBodyLimit, Request};
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;
use utoipa_axum::router::OpenApiRouter;

use crate::application::error::ServiceError;
use crate::application::flight_logs;
use crate::application::identity::Identity;
use crate::application::tracks::MAX_WHOLE;
use crate::application::views::PirepView;
use crate::application::write::Written;
use crate::domain::ids::{PirepId, UserId};
use crate::domain::refusal::RefusalKind;
use crate::domain::roles::Scope;
use crate::http::caller::Caller;
use crate::http::extract;
use crate::http::pireps::input::FilePirep;
use crate::http::pireps::sample::samples;
use crate::http::problem::{Problem, kind};
use crate::http::state::HttpState;
use crate::ports::track_store::Sample;

/// Seven hours at one position a second take 6 MiB, with every member written out; 1,000 lines of a log 2 MiB.
const MAX_BODY_BYTES: usize = 8 * 1024 * 1024;
/// What all of them together take in this process before they are read, in bytes.
static ROOM: Semaphore = Semaphore::const_new(6 * MAX_BODY_BYTES);
/// So many are read at a time in this process: each takes up to four times its size while it is.
static READ: Semaphore = Semaphore::const_new(4);
/// Who uploads one: of each user one is received at a time, so that nobody keeps others waiting, however slow they send.
static RECEIVED: Mutex<BTreeMap<UserId, Arc<Semaphore>>> = Mutex::new(BTreeMap::new());
/// Whoever has no turn by then is told to ask again.
const PATIENCE: Duration = Duration::from_secs(5);

/// Lets these routes take the body of a whole flight.
pub fn takes_whole_flights(routes: OpenApiRouter<HttpState>) -> OpenApiRouter<HttpState> {
    routes
        .layer(from_fn(by_turns))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
}

/// A body of the usual size waits for nobody, and of a larger one all is there before it has a turn.
async fn by_turns(caller: Caller, request: Request, next: Next) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let usual = extract::MAX_BODY_BYTES as u64;
    if body.size_hint().exact().is_some_and(|size| size <= usual) {
        return Ok(next.run(Request::from_parts(parts, body)).await);
    }
    let of_user = caller.identity.map(|it| receives(it.user()));
    let _receives = match &of_user {
        Some(turns) => Some(turn(turns, 1).await?),
        None => None,
    };
    let (body, _room) = receive(body).await?;
    let _reads = match body.len() > extract::MAX_BODY_BYTES {
        true => Some(turn(&READ, 1).await?),
        false => None,
    };
    let request = Request::from_parts(parts, Body::from(body));
    Ok(next.run(request).await)
}

/// The whole body, and the room that it takes. Who has sent no more than a usual body takes none; who has, takes all at
/// once: of many who had a part each, none would come to an end.
async fn receive(body: Body) -> Result<(Bytes, Option<SemaphorePermit<'static>>), Problem> {
    let longest = body.size_hint().upper().unwrap_or(u64::MAX);
    let longest = longest.min(MAX_BODY_BYTES as u64) as u32;
    let mut chunks = body.into_data_stream();
    let (mut received, mut room) = (BytesMut::new(), None);
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|_| extract::incomplete())?;
        let size = received.len() + chunk.len();
        if size > MAX_BODY_BYTES {
            return Err(kind::BODY_TOO_LARGE.into());
        }
        if size > extract::MAX_BODY_BYTES && room.is_none() {
            let granted = turn(&ROOM, longest).await;
            if granted.is_err() {
                // Whoever is cut off in the middle of sending may not read why.
                while let Some(Ok(_)) = chunks.next().await {}
            }
            room = Some(granted?);
            // At once: a buffer that grows takes twice its size while it does.
            received.reserve(longest as usize - received.len());
        }
        received.extend_from_slice(&chunk);
    }
    Ok((received.freeze(), room))
}

async fn turn(turns: &Semaphore, permits: u32) -> Result<SemaphorePermit<'_>, ServiceError> {
    match timeout(PATIENCE, turns.acquire_many(permits)).await {
        Ok(Ok(turn)) => Ok(turn),
        _ => Err(ServiceError::Busy {
            retry_after: PATIENCE,
        }),
    }
}

/// The user's turns; those of others are forgotten with their requests.
fn receives(user: UserId) -> Arc<Semaphore> {
    let mut users = RECEIVED.lock().unwrap_or_else(PoisonError::into_inner);
    users.retain(|_, turns| Arc::strong_count(turns) > 1);
    let turns = users.entry(user);
    turns.or_insert_with(|| Arc::new(Semaphore::new(1))).clone()
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
            flight_logs::check("/log", flight_logs::MAX_WHOLE, &lines)?;
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
        let id = filed.entity.id;
        self.keep(state, identity, id).await?;
        let entity = state.airline().pireps.current(identity, id).await?;
        Ok(Written {
            version: entity.version,
            position: entity.position,
            entity,
            ..filed
        })
    }

    /// Stores it with a flight whose plan and report were refused, as they are after a verdict; answers why they were.
    pub async fn store_beside(
        self,
        state: &HttpState,
        identity: &Identity,
        id: PirepId,
        refused: ServiceError,
    ) -> ServiceError {
        use RefusalKind as R;
        let ServiceError::Refused(refusal) = &refused else {
            return refused;
        };
        match refusal.kind {
            R::IllegalTransition | R::Conflict | R::LimitReached => {}
            R::Forbidden | R::NotFound | R::Invalid { .. } => return refused,
        }
        match self.keep(state, identity, id).await {
            // It may be another's flight.
            Ok(()) | Err(ServiceError::Refused(_)) => refused,
            Err(error) => error,
        }
    }

    async fn keep(
        self,
        state: &HttpState,
        identity: &Identity,
        id: PirepId,
    ) -> Result<(), ServiceError> {
        let airline = state.airline();
        if !self.samples.is_empty() {
            let tracks = &airline.tracks;
            tracks.store_whole(identity, id, self.samples).await?;
        }
        if !self.lines.is_empty() {
            let logs = &airline.flight_logs;
            logs.store_whole(identity, id, self.lines).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::routing::post;
    use http::StatusCode;
    use tower::ServiceExt;

    use super::*;
    use crate::http::authorisation::decision::Reach;

    #[tokio::test(start_paused = true)]
    async fn a_large_body_waits_while_so_many_are_read_and_others_do_not() {
        let caller = Caller {
            identity: None,
            reach: Reach::Own,
            flight: None,
        };
        let routes = Router::new().route("/", post(|| async {}));
        let routes = routes.layer(from_fn(by_turns));
        let routes = routes.layer(DefaultBodyLimit::max(MAX_BODY_BYTES));
        let send = async |size: usize| {
            let request = Request::post("/").extension(caller.clone());
            let request = request.body(Body::from(vec![b' '; size])).unwrap();
            routes.clone().oneshot(request).await.unwrap().status()
        };
        let all = READ.acquire_many(4).await.unwrap();
        let (usual, large) = (extract::MAX_BODY_BYTES, extract::MAX_BODY_BYTES + 1);
        assert_eq!(send(usual).await, StatusCode::OK);
        assert_eq!(send(large).await, StatusCode::SERVICE_UNAVAILABLE);
        drop(all);
        assert_eq!(send(large).await, StatusCode::OK);
    }
}
