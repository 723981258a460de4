//! Whole flights, uploaded at once: what was measured on the way, and how much of them is received and read at a time.

use std::time::Duration;

use axum::Extension;
use axum::body::{Body, HttpBody};
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use utoipa_axum::router::OpenApiRouter;

use crate::application::error::ServiceError;
use crate::application::flight_logs;
use crate::application::identity::Identity;
use crate::application::tracks::{self, MAX_WHOLE};
use crate::application::views::PirepView;
use crate::application::write::Written;
use crate::domain::ids::{PirepId, UserId};
use crate::domain::refusal::RefusalKind;
use crate::domain::roles::Scope;
use crate::http::caller::Caller;
use crate::http::deadline::{Deadline, TIMEOUT};
use crate::http::extract::{self, Received};
use crate::http::pireps::input::FilePirep;
use crate::http::pireps::sample::samples;
use crate::http::problem::{Problem, kind};
use crate::http::receive::{Limits, receive};
use crate::http::room::{Each, Room, turn};
use crate::http::state::HttpState;
use crate::ports::track_store::Sample;

/// Seven hours at one position a second take 6 MiB, with every member written out; 1,000 lines of a log 2 MiB.
const MAX_BODY_BYTES: usize = 8 * 1024 * 1024;
/// What all of them together take in this process before they are read, and those of one airline.
static ROOM: Room = Room::new(6 * MAX_BODY_BYTES, 2 * MAX_BODY_BYTES);
const LIMITS: Limits = Limits {
    free: extract::MAX_BODY_BYTES,
    most: MAX_BODY_BYTES,
    room: &ROOM,
};
/// So many are read at a time in this process: each takes up to four times its size while it is.
static READ: Semaphore = Semaphore::const_new(4);
/// Of each user one is received at a time, so that nobody keeps others waiting, however slow they send.
static RECEIVED: Each<UserId> = Each::new(1);
/// One that takes longer to come is not waited for, over however slow a line.
const LONGEST: Duration = Duration::from_secs(10 * 60);

/// Lets these routes take the body of a whole flight.
pub fn takes_whole_flights(routes: OpenApiRouter<HttpState>) -> OpenApiRouter<HttpState> {
    routes.layer(from_fn(by_turns))
}

/// A body of the usual size waits for nobody, and of a larger one all is there before it has a turn.
async fn by_turns(
    caller: Caller,
    Extension(deadline): Extension<Deadline>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let (mut parts, body) = request.into_parts();
    let usual = extract::MAX_BODY_BYTES as u64;
    if body.size_hint().exact().is_some_and(|size| size <= usual) {
        return Ok(next.run(Request::from_parts(parts, body)).await);
    }
    let _receives = match caller.identity {
        Some(it) => Some(turn(RECEIVED.of(it.user()).acquire_owned()).await?),
        None => None,
    };
    deadline.set(LONGEST + TIMEOUT);
    let received = timeout(LONGEST, receive(caller.airline, body, &LIMITS)).await;
    let body = received.unwrap_or_else(|_| Err(kind::BODY_STALLED.into()))?;
    deadline.set(TIMEOUT);
    let _reads = match body.len() > extract::MAX_BODY_BYTES {
        true => Some(turn(READ.acquire()).await?),
        false => None,
    };
    parts.extensions.insert(Received(body));
    let request = Request::from_parts(parts, Body::empty());
    Ok(next.run(request).await)
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
        if !samples.is_empty() {
            tracks::check("/track", MAX_WHOLE, &samples)?;
        }
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
    use std::convert::Infallible;

    use axum::Router;
    use axum::routing::post;
    use bytes::Bytes;
    use futures::StreamExt;
    use futures::stream::{iter, pending};
    use http::StatusCode;
    use tokio::sync::Mutex;
    use tokio::time::{Instant, sleep};
    use tower::ServiceExt;
    use uuid::Uuid;

    use super::*;
    use crate::domain::ids::TenantId;
    use crate::http::authorisation::decision::Reach;
    use crate::http::deadline::in_time;

    const USUAL: usize = extract::MAX_BODY_BYTES;
    const LARGE: usize = USUAL + 1;

    /// What they take is the process's, and whoever waits for it has waited long enough at once: time is paused.
    static TESTS: Mutex<()> = Mutex::const_new(());

    async fn send(airline: u128, body: Body) -> StatusCode {
        let caller = Caller {
            airline: TenantId(Uuid::from_u128(airline)),
            identity: None,
            reach: Reach::Own,
            flight: None,
        };
        let routes = Router::new().route("/", post(|| async {}));
        let routes = routes.layer(from_fn(by_turns)).layer(from_fn(in_time));
        let request = Request::post("/").extension(caller).body(body).unwrap();
        routes.oneshot(request).await.unwrap().status()
    }

    fn spaces(size: usize) -> Body {
        Body::from(vec![b' '; size])
    }

    /// Every so often some more, up to this size.
    fn slow(every: Duration, part: usize, size: usize) -> Body {
        let parts = iter(0..size.div_ceil(part)).then(move |_| async move {
            sleep(every).await;
            Ok::<_, Infallible>(Bytes::from(vec![b' '; part]))
        });
        Body::from_stream(parts)
    }

    #[tokio::test(start_paused = true)]
    async fn a_large_body_waits_while_so_many_are_read_and_others_do_not() {
        let _alone = TESTS.lock().await;
        let all = READ.acquire_many(4).await.unwrap();
        assert_eq!(send(1, spaces(USUAL)).await, StatusCode::OK);
        assert_eq!(
            send(1, spaces(LARGE)).await,
            StatusCode::SERVICE_UNAVAILABLE
        );
        drop(all);
        assert_eq!(send(1, spaces(LARGE)).await, StatusCode::OK);
    }

    #[tokio::test(start_paused = true)]
    async fn an_airline_whose_own_room_is_taken_keeps_no_other_waiting() {
        let _alone = TESTS.lock().await;
        let airline = TenantId(Uuid::from_u128(2));
        let held = ROOM.take(airline, 2 * MAX_BODY_BYTES).await;
        let held = held.map_err(|_| "no room").unwrap();
        assert_eq!(
            send(2, spaces(LARGE)).await,
            StatusCode::SERVICE_UNAVAILABLE
        );
        assert_eq!(send(3, spaces(LARGE)).await, StatusCode::OK);
        drop(held);
        assert_eq!(send(2, spaces(LARGE)).await, StatusCode::OK);
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_line_has_ten_minutes_and_a_silent_one_half_of_one() {
        let _alone = TESTS.lock().await;
        let (second, begun) = (Duration::from_secs(1), Instant::now());
        // 6 MiB at half a megabit a second.
        let phone = slow(second, 64 * 1024, 6 << 20);
        assert_eq!(send(4, phone).await, StatusCode::OK);
        assert!(begun.elapsed() > Duration::from_secs(90));

        let begun = Instant::now();
        let too_slow = slow(second * 29, 64 * 1024, 6 << 20);
        assert_eq!(send(4, too_slow).await, StatusCode::REQUEST_TIMEOUT);
        assert_eq!(begun.elapsed().as_secs(), 600);

        let begun = Instant::now();
        let trickles = slow(second, 1, LARGE);
        assert_eq!(send(4, trickles).await, StatusCode::REQUEST_TIMEOUT);
        assert_eq!(begun.elapsed().as_secs(), 30);

        let begun = Instant::now();
        let falls_silent = iter([Ok::<_, Infallible>(Bytes::from(vec![b' '; LARGE]))]);
        let falls_silent = Body::from_stream(falls_silent.chain(pending()));
        assert_eq!(send(4, falls_silent).await, StatusCode::REQUEST_TIMEOUT);
        assert_eq!(begun.elapsed().as_secs(), 30);
        // Neither holds any room.
        let airline = TenantId(Uuid::from_u128(4));
        assert!(ROOM.take(airline, 2 * MAX_BODY_BYTES).await.is_ok());
    }
}
