//! Large answers on their way out: whoever does not take one holds neither it nor its room for ever.

use std::io;
use std::pin::pin;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures::stream::{Stream, StreamExt, unfold};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::application::error::ServiceError;
use crate::http::room::FREE;

/// Whoever does not take the next part for so long gets no more.
const IDLE: Duration = Duration::from_secs(30);
/// Nor does who has not taken all by then.
const LONGEST: Duration = Duration::from_secs(10 * 60);
/// A client that does not read pins no more than some parts.
const PART: usize = 64 * 1024;

/// What is there already, and what is `held` until it is sent.
pub fn whole(mut bytes: Bytes, held: impl Send + 'static) -> Body {
    if bytes.len() <= FREE {
        return Body::from(bytes);
    }
    let parts = std::iter::from_fn(move || {
        let part = bytes.split_to(PART.min(bytes.len()));
        // A copy: a part of it would pin the whole.
        (!part.is_empty()).then(|| Ok(Bytes::copy_from_slice(&part)))
    });
    in_parts(futures::stream::iter(parts), held)
}

/// What is read while it is sent. A body whose parts end with an error, or are not taken in time, ends with an error too.
pub fn in_parts(
    parts: impl Stream<Item = Result<Bytes, ServiceError>> + Send + 'static,
    held: impl Send + 'static,
) -> Body {
    let (sender, receiver) = mpsc::channel(1);
    tokio::spawn(async move {
        let _held = held;
        let sent = timeout(LONGEST, hand_over(parts, sender)).await;
        if !matches!(sent, Ok(Ok(()))) {
            tracing::debug!("an answer was not taken to its end");
        }
    });
    let taken = unfold(Some(receiver), async |receiver| {
        let mut receiver = receiver?;
        match receiver.recv().await {
            Some(Some(part)) => Some((Ok(part), Some(receiver))),
            Some(None) => None,
            None => Some((Err(io::Error::from(io::ErrorKind::TimedOut)), None)),
        }
    });
    // Whatever compresses it asks again after the end.
    Body::from_stream(taken.fuse())
}

/// One part after the other, and nothing after the last.
async fn hand_over(
    parts: impl Stream<Item = Result<Bytes, ServiceError>>,
    sender: mpsc::Sender<Option<Bytes>>,
) -> Result<(), NotTaken> {
    let parts = parts.map(Some).chain(futures::stream::iter([None]));
    let mut parts = pin!(parts);
    while let Some(part) = parts.next().await {
        let part = part.transpose().map_err(|error| {
            tracing::warn!(%error, "the rest of an answer cannot be read");
            NotTaken
        })?;
        match timeout(IDLE, sender.send(part)).await {
            Ok(Ok(())) => {}
            _ => return Err(NotTaken),
        }
    }
    Ok(())
}

struct NotTaken;

#[cfg(test)]
mod tests {
    use futures::stream::iter;
    use http_body_util::BodyExt;
    use tokio::time::{Instant, sleep};
    use uuid::Uuid;

    use super::*;
    use crate::domain::ids::TenantId;
    use crate::http::room::Room;

    const AIRLINE: TenantId = TenantId(Uuid::nil());
    const SIZE: usize = 40 * PART;

    /// All the room that there is, and an answer that takes it.
    async fn answer(room: &'static Room) -> Body {
        let taken = room.take(AIRLINE, SIZE).await;
        let taken = taken.map_err(|_| "no room").unwrap();
        whole(Bytes::from(vec![b'x'; SIZE]), taken)
    }

    async fn is_free(room: &'static Room) -> bool {
        room.take(AIRLINE, SIZE).await.is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_taken_slowly_comes_whole() {
        static ROOM: Room = Room::new(SIZE, SIZE);
        let mut body = answer(&ROOM).await;
        let mut size = 0;
        while let Some(frame) = body.frame().await {
            size += frame.unwrap().into_data().unwrap().len();
            sleep(IDLE / 3).await;
        }
        assert_eq!(size, SIZE);
        assert!(body.frame().await.is_none());
        assert!(is_free(&ROOM).await);
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_reads_no_more_gives_its_room_back_and_is_cut_off() {
        static ROOM: Room = Room::new(SIZE, SIZE);
        let mut body = answer(&ROOM).await;
        body.frame().await.unwrap().unwrap();
        assert!(!is_free(&ROOM).await);
        sleep(IDLE).await;
        assert!(is_free(&ROOM).await);
        assert!(body.collect().await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_reads_in_drops_is_cut_off_too() {
        static ROOM: Room = Room::new(SIZE, SIZE);
        let (mut body, begun) = (answer(&ROOM).await, Instant::now());
        while let Some(Ok(_)) = body.frame().await {
            sleep(IDLE - Duration::from_secs(1)).await;
        }
        // One part was on its way, and one waited to be taken.
        assert!(begun.elapsed() < LONGEST + IDLE * 2);
        assert!(is_free(&ROOM).await);
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_goes_away_gives_its_room_back_at_once() {
        static ROOM: Room = Room::new(SIZE, SIZE);
        let (mut body, begun) = (answer(&ROOM).await, Instant::now());
        body.frame().await.unwrap().unwrap();
        drop(body);
        assert!(is_free(&ROOM).await);
        assert!(begun.elapsed() < IDLE);
    }

    #[tokio::test]
    async fn a_part_that_cannot_be_read_is_no_end() {
        let broken = Err(ServiceError::Corrupt("damaged".to_owned()));
        let body = in_parts(iter([Ok(Bytes::from("begin")), broken]), ());
        assert!(body.collect().await.is_err());
        let body = in_parts(iter([Ok(Bytes::from("begin"))]), ());
        assert_eq!(body.collect().await.unwrap().to_bytes(), "begin");
    }
}
