//! How long a request may take.

use std::pin::pin;
use std::time::Duration;

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use crate::http::problem::{Problem, kind};

/// From the head of a request to the head of its answer, its body included; from the end of that for a whole flight.
pub const TIMEOUT: Duration = Duration::from_secs(30);

/// When the request is given up that carries it.
#[derive(Clone)]
pub struct Deadline(watch::Sender<Instant>);

impl Deadline {
    pub fn after(patience: Duration) -> Self {
        Self(watch::Sender::new(Instant::now() + patience))
    }

    /// Another one, counted from now.
    pub fn set(&self, patience: Duration) {
        self.0.send_replace(Instant::now() + patience);
    }

    async fn passes(&self) {
        let mut moved = self.0.subscribe();
        loop {
            let until = *moved.borrow_and_update();
            tokio::select! {
                () = sleep_until(until) => return,
                // It does not end before `self`, which holds the other end.
                _ = moved.changed() => {}
            }
        }
    }
}

/// Gives up a request that has no answer by its deadline.
pub async fn in_time(mut request: Request, next: Next) -> Response {
    let deadline = Deadline::after(TIMEOUT);
    request.extensions_mut().insert(deadline.clone());
    let mut answer = pin!(next.run(request));
    tokio::select! {
        biased;
        answer = &mut answer => answer,
        () = deadline.passes() => Problem::new(kind::TIMEOUT).into_response(),
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::middleware::from_fn;
    use axum::routing::get;
    use axum::{Extension, Router};
    use http::StatusCode;
    use tokio::time::sleep;
    use tower::ServiceExt;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn a_request_has_until_its_deadline_wherever_that_was_set() {
        let receives_long = async |Extension(deadline): Extension<Deadline>| {
            deadline.set(TIMEOUT * 4);
            sleep(TIMEOUT * 3).await;
        };
        let and_answers_never = async |Extension(deadline): Extension<Deadline>| {
            deadline.set(TIMEOUT * 4);
            sleep(TIMEOUT).await;
            deadline.set(TIMEOUT);
            sleep(TIMEOUT + SECOND).await;
        };
        let router = Router::new()
            .route("/soon", get(async || sleep(TIMEOUT - SECOND).await))
            .route("/late", get(async || sleep(TIMEOUT + SECOND).await))
            .route("/long", get(receives_long))
            .route("/never", get(and_answers_never))
            .layer(from_fn(in_time));
        for (path, status) in [
            ("/soon", StatusCode::OK),
            ("/late", StatusCode::GATEWAY_TIMEOUT),
            ("/long", StatusCode::OK),
            ("/never", StatusCode::GATEWAY_TIMEOUT),
        ] {
            let request = Request::get(path).body(Body::empty()).unwrap();
            let answer = router.clone().oneshot(request).await.unwrap();
            assert_eq!(answer.status(), status, "{path}");
        }
    }
}
