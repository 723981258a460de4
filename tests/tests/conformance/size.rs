//! How much room an airline's data takes: every store grows by what is put into it, and says so.

use albatross::ports::event_store::{Append, NewEvent};
use rstest::rstest;
use uuid::Uuid;

use crate::fixture::*;
use crate::packed_tracks::samples;

const EVENTS: usize = 40;
const PAYLOAD: usize = 200_000;

/// Bytes that no store makes smaller.
fn incompressible() -> Vec<u8> {
    let bytes = std::iter::repeat_with(Uuid::new_v4).flat_map(|id| *id.as_bytes());
    bytes.take(PAYLOAD).collect()
}

async fn fill(storage: &Storage) {
    for _ in 0..EVENTS {
        let event = NewEvent {
            payload: incompressible(),
            ..new_event()
        };
        let append = Append {
            events: vec![event],
            ..append(Uuid::new_v4(), 0, 1)
        };
        storage.events.append(append).await.unwrap();
    }
}

#[rstest]
#[tokio::test]
async fn events_take_about_what_they_hold(#[values(Memory, Sqlite, Postgres)] adapter: Adapter) {
    let storage = storage(adapter).await;
    let before = storage.storage.size().await.unwrap();
    fill(&storage).await;
    let grown = storage.storage.size().await.unwrap() - before;
    let put = (EVENTS * PAYLOAD) as u64;
    // SQLite keeps a copy in the write-ahead log until it is emptied.
    assert!((put..4 * put).contains(&grown), "{put} took {grown}");
}

#[rstest]
#[tokio::test]
async fn positions_count(#[values(Memory, Sqlite, Postgres)] adapter: Adapter) {
    let storage = storage(adapter).await;
    let before = storage.storage.size().await.unwrap();
    let track = samples(0..5_000);
    for batch in track.chunks(500) {
        let (flight, id) = (Uuid::new_v4(), Uuid::new_v4());
        let stored = storage
            .tracks
            .store(flight, id, [0; 32], time(0), batch.to_vec());
        stored.await.unwrap();
    }
    let after = storage.storage.size().await.unwrap();
    assert!(after >= before + 100_000, "{before} became {after}");
}

#[rstest]
#[tokio::test]
async fn an_airline_without_a_flight_is_far_from_the_least_limit(
    #[values(Memory, Sqlite, Postgres)] adapter: Adapter,
) {
    let storage = storage(adapter).await;
    let size = storage.storage.size().await.unwrap();
    assert!(size < 32 << 20, "{size}");
}
