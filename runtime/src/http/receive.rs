//! Bodies on their way in, and the room that they take.

use std::time::Duration;

use axum::body::{Body, BodyDataStream, HttpBody};
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use tokio::time::{Instant, timeout_at};

use crate::domain::ids::TenantId;
use crate::http::problem::{Problem, kind};
use crate::http::room::{Room, Taken};

/// Whoever sends less than a part in so long is not waited for.
const IDLE: Duration = Duration::from_secs(30);
const PART: usize = 64 * 1024;
/// Whoever is refused is listened to for so long: who is cut off in the middle of sending may not read why.
const FAREWELL: Duration = Duration::from_secs(5);

/// How much of a kind of bodies is received.
pub struct Limits {
    /// So much comes before a body takes room.
    pub free: usize,
    /// Of one body, in bytes.
    pub most: usize,
    /// Of all of them.
    pub room: &'static Room,
}

/// The whole body, with the room that it takes for as long as it is there. Who has sent no more than is free takes none, so
/// that whoever merely begins keeps nobody waiting; who has, takes all at once: of many who had a part each, none would come
/// to an end.
pub async fn receive(airline: TenantId, body: Body, limits: &Limits) -> Result<Bytes, Problem> {
    let size = body.size_hint();
    let exact = size.exact();
    let longest = size.upper().and_then(|upper| usize::try_from(upper).ok());
    let longest = longest.unwrap_or(usize::MAX).min(limits.most);
    let mut chunks = body.into_data_stream();
    let (mut received, mut in_one, mut room) = (BytesMut::new(), None, None);
    let (mut until, mut wanted) = (Instant::now() + IDLE, PART);
    while let Some(chunk) = next(&mut chunks, until).await? {
        let size = received.len() + chunk.len();
        if size >= wanted {
            (until, wanted) = (Instant::now() + IDLE, size + PART);
        }
        if size > limits.most {
            return Err(kind::BODY_TOO_LARGE.into());
        }
        if size > limits.free && room.is_none() {
            let granted = limits.room.take(airline, longest).await;
            if granted.is_err() {
                let until = Instant::now() + FAREWELL;
                while let Ok(Some(_)) = next(&mut chunks, until).await {}
            }
            room = Some(granted?);
            until = Instant::now() + IDLE;
        }
        if exact == Some(chunk.len() as u64) {
            in_one = Some(chunk);
            continue;
        }
        if room.is_some() {
            // At once: a buffer that grows takes twice its size while it does.
            received.reserve(longest.saturating_sub(received.len()));
        }
        received.extend_from_slice(&chunk);
    }
    let bytes = in_one.unwrap_or_else(|| received.freeze());
    Ok(match room {
        Some(room) => Bytes::from_owner(InRoom { bytes, _room: room }),
        None => bytes,
    })
}

pub fn incomplete() -> Problem {
    Problem::new(kind::INVALID_REQUEST).detail("the body ended before it was complete")
}

async fn next(chunks: &mut BodyDataStream, until: Instant) -> Result<Option<Bytes>, Problem> {
    match timeout_at(until, chunks.next()).await {
        Ok(chunk) => chunk.transpose().map_err(|_| incomplete()),
        Err(_) => Err(kind::BODY_STALLED.into()),
    }
}

struct InRoom {
    bytes: Bytes,
    _room: Taken,
}

impl AsRef<[u8]> for InRoom {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures::stream::iter;
    use http::StatusCode;
    use uuid::Uuid;

    use super::*;

    const AIRLINE: TenantId = TenantId(Uuid::nil());

    /// In parts of three bytes, or in one.
    fn body(text: &'static str, in_parts: bool) -> Body {
        let parts = text.as_bytes().chunks(3).map(Ok::<_, Infallible>);
        match in_parts {
            true => Body::from_stream(iter(parts)),
            false => Body::from(text),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_small_takes_no_room_and_what_is_large_keeps_its_own() {
        static ROOM: Room = Room::new(20, 10);
        let limits = Limits {
            free: 4,
            most: 10,
            room: &ROOM,
        };
        for in_parts in [true, false] {
            let held = ROOM.take(AIRLINE, 10).await;
            let small = receive(AIRLINE, body("abcd", in_parts), &limits).await;
            assert_eq!(small.unwrap(), "abcd");
            let refused = receive(AIRLINE, body("abcde", in_parts), &limits).await;
            let refused = refused.unwrap_err().kind().status;
            assert_eq!(refused, StatusCode::SERVICE_UNAVAILABLE);
            drop(held);

            let large = receive(AIRLINE, body("abcdefghij", in_parts), &limits).await;
            let large = large.unwrap();
            assert_eq!(large, "abcdefghij");
            assert!(ROOM.take(AIRLINE, 1).await.is_err());
            drop(large);
            assert!(ROOM.take(AIRLINE, 10).await.is_ok());

            let too_large = receive(AIRLINE, body("abcdefghijk", in_parts), &limits).await;
            assert_eq!(too_large.unwrap_err().kind(), kind::BODY_TOO_LARGE);
        }
    }
}
