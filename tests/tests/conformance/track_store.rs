//! What every track store promises.

use albatross::ports::track_store::{Extent, Sample, Stored, TrackError, TrackStore};
use futures::future::join_all;
use rstest::rstest;
use uuid::Uuid;

use crate::fixture::*;

fn sample(sequence: i32) -> Sample {
    Sample {
        sequence,
        time: time(1_700_000_000_000_001 + i64::from(sequence)),
        latitude_e7: 418_002_222,
        longitude_e7: -1_799_999_999,
        altitude_ft: Some(-12),
        heading_deg: Some(359),
        ground_speed_kt: Some(447),
        indicated_airspeed_kt: None,
        vertical_speed_fpm: Some(-1_850),
        fuel_kg: Some(100_000),
        phase: (sequence % 2 == 0).then(|| "Cruise".to_owned()),
    }
}

fn samples(sequences: impl IntoIterator<Item = i32>) -> Vec<Sample> {
    sequences.into_iter().map(sample).collect()
}

async fn store(
    tracks: &dyn TrackStore,
    flight: Uuid,
    sequences: impl IntoIterator<Item = i32>,
) -> Result<Stored, TrackError> {
    let batch = Uuid::new_v4();
    tracks
        .store(flight, batch, [1; 32], time(5), samples(sequences))
        .await
}

#[rstest]
#[tokio::test]
async fn batches_come_in_any_order_and_overlap(
    #[values(Memory, Sqlite, Postgres)] adapter: Adapter,
) {
    let storage = storage(adapter).await;
    let tracks = &*storage.tracks;
    let (flight, other) = (Uuid::new_v4(), Uuid::new_v4());
    let answer = |stored, duplicates, count, last_sequence| Stored {
        stored,
        duplicates,
        count,
        last_sequence,
    };
    assert_eq!(
        store(tracks, flight, []).await.unwrap(),
        answer(0, 0, 0, None)
    );
    assert_eq!(
        store(tracks, flight, 300..600).await.unwrap(),
        answer(300, 0, 300, Some(599))
    );
    assert_eq!(
        store(tracks, flight, 0..310).await.unwrap(),
        answer(300, 10, 600, Some(599))
    );
    assert_eq!(
        store(tracks, flight, [5, 700, 700]).await.unwrap(),
        answer(1, 2, 601, Some(700))
    );
    assert_eq!(
        store(tracks, other, [3]).await.unwrap(),
        answer(1, 0, 1, Some(3))
    );

    let all = tracks.samples(flight, None, 10_000).await.unwrap();
    assert_eq!(all, samples((0..600).chain([700])));
    let page = tracks.samples(flight, Some(597), 3).await.unwrap();
    assert_eq!(page, samples([598, 599, 700]));
    assert!(
        tracks
            .samples(Uuid::new_v4(), None, 10)
            .await
            .unwrap()
            .is_empty()
    );
}

#[rstest]
#[tokio::test]
async fn the_first_of_two_samples_with_one_number_stays(
    #[values(Memory, Sqlite, Postgres)] adapter: Adapter,
) {
    let storage = storage(adapter).await;
    let flight = Uuid::new_v4();
    store(&*storage.tracks, flight, [1]).await.unwrap();
    let mut changed = sample(1);
    changed.altitude_ft = Some(9);
    let batch = Uuid::new_v4();
    let stored = storage
        .tracks
        .store(flight, batch, [2; 32], time(6), vec![changed])
        .await;
    assert_eq!(stored.unwrap().duplicates, 1);
    let all = storage.tracks.samples(flight, None, 10).await.unwrap();
    assert_eq!(all, [sample(1)]);
}

#[rstest]
#[tokio::test]
async fn a_batch_is_answered_as_the_first_time(
    #[values(Memory, Sqlite, Postgres)] adapter: Adapter,
) {
    let storage = storage(adapter).await;
    let tracks = &storage.tracks;
    let (flight, batch) = (Uuid::new_v4(), Uuid::new_v4());
    let send = |flight, digest, sequences: std::ops::Range<i32>| {
        tracks.store(flight, batch, digest, time(5), samples(sequences))
    };
    let first = send(flight, [1; 32], 0..5).await.unwrap();
    store(&**tracks, flight, 5..9).await.unwrap();
    assert_eq!(send(flight, [1; 32], 0..5).await.unwrap(), first);
    for reused in [
        send(flight, [2; 32], 0..5).await,
        send(Uuid::new_v4(), [1; 32], 0..5).await,
    ] {
        assert!(matches!(reused, Err(TrackError::BatchReused)), "{reused:?}");
    }
    assert_eq!(tracks.samples(flight, None, 100).await.unwrap().len(), 9);
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn rivals_that_send_the_same_flight_store_it_once(
    #[values(Memory, Sqlite, Postgres)] adapter: Adapter,
) {
    let storage = storage(adapter).await;
    let flight = Uuid::new_v4();
    let shuffled: Vec<i32> = (0..400).map(|n| n * 7 % 400).collect();
    let rivals = (0..8).map(|n| {
        let mut order = shuffled.clone();
        order.rotate_left(n * 50);
        store(&*storage.tracks, flight, order)
    });
    let answers: Vec<Stored> = join_all(rivals)
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect();
    assert_eq!(
        answers.iter().map(|answer| answer.stored).sum::<usize>(),
        400
    );
    assert!(answers.iter().all(|answer| answer.count == 400));
    let all = storage.tracks.samples(flight, None, 1_000).await.unwrap();
    assert_eq!(all, samples(0..400));
}

#[rstest]
#[tokio::test]
async fn extents_are_those_of_flights_with_samples(
    #[values(Memory, Sqlite, Postgres)] adapter: Adapter,
) {
    let storage = storage(adapter).await;
    let tracks = &*storage.tracks;
    let [long, short, empty, unknown] = std::array::from_fn(|_| Uuid::new_v4());
    store(tracks, long, 0..300).await.unwrap();
    store(tracks, long, 250..400).await.unwrap();
    store(tracks, short, [7]).await.unwrap();
    store(tracks, empty, []).await.unwrap();
    let extents = tracks
        .extents(&[long, short, empty, unknown])
        .await
        .unwrap();
    let extent = |count, last| Extent {
        count,
        last_sequence: Some(last),
    };
    assert_eq!(extents.len(), 2, "{extents:?}");
    assert_eq!(extents[&long], extent(400, 399));
    assert_eq!(extents[&short], extent(1, 7));
    assert!(tracks.extents(&[]).await.unwrap().is_empty());
}
