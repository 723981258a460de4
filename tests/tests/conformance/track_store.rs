//! What every track store promises.

use std::collections::HashSet;

use albatross::ports::track_store::{Extent, LogLine, Sample, Stored, TrackError, TrackStore};
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
        last_received_at: Some(time(5)),
    };
    assert_eq!(extents.len(), 2, "{extents:?}");
    assert_eq!(extents[&long], extent(400, 399));
    assert_eq!(extents[&short], extent(1, 7));
    assert!(tracks.extents(&[]).await.unwrap().is_empty());
}

#[rstest]
#[tokio::test]
async fn a_flight_was_heard_of_when_its_last_new_batch_came(
    #[values(Memory, Sqlite, Postgres)] adapter: Adapter,
) {
    let storage = storage(adapter).await;
    let tracks = &*storage.tracks;
    let (flight, first) = (Uuid::new_v4(), Uuid::new_v4());
    let send = async |batch, at, sequence| {
        let stored = tracks.store(flight, batch, [1; 32], time(at), samples([sequence]));
        stored.await.unwrap();
        tracks.extents(&[flight]).await.unwrap()[&flight].last_received_at
    };
    assert_eq!(send(first, 500, 0).await, Some(time(500)));
    assert_eq!(send(Uuid::new_v4(), 900, 1).await, Some(time(900)));
    // A repeat, and what another replica received before.
    assert_eq!(send(first, 950, 0).await, Some(time(900)));
    assert_eq!(send(Uuid::new_v4(), 700, 2).await, Some(time(900)));
    assert!(tracks.pack(flight).await.unwrap());
    assert_eq!(send(Uuid::new_v4(), 990, 3).await, Some(time(990)));
}

fn line(sequence: i32, text: &str) -> LogLine {
    LogLine {
        sequence,
        time: time(1_700_000_000_000_001 + i64::from(sequence)),
        sealed: text.as_bytes().to_vec(),
    }
}

#[rstest]
#[tokio::test]
async fn lines_of_logs_are_stored_once_and_read_in_order(
    #[values(Memory, Sqlite, Postgres)] adapter: Adapter,
) {
    let storage = storage(adapter).await;
    let tracks = &*storage.tracks;
    let [flight, other, none] = std::array::from_fn(|_| Uuid::new_v4());
    let send = async |flight, lines: Vec<LogLine>| tracks.store_log(flight, lines).await.unwrap();
    assert_eq!(send(flight, vec![]).await, 0);
    let some: Vec<_> = (100..400).map(|n| line(n, "first")).collect();
    assert_eq!(send(flight, some).await, 300);
    let more: Vec<_> = (0..200).rev().map(|n| line(n, "second")).collect();
    assert_eq!(send(flight, more).await, 100);
    let twice = vec![line(7, "third"), line(900, "third"), line(900, "fourth")];
    assert_eq!(send(flight, twice).await, 1);
    assert_eq!(send(other, vec![line(7, "\0\u{fffd}")]).await, 1);

    let expected = (0..100).map(|n| line(n, "second"));
    let expected = expected.chain((100..400).map(|n| line(n, "first")));
    let expected: Vec<_> = expected.chain([line(900, "third")]).collect();
    assert_eq!(tracks.log(flight, None, 1_000).await.unwrap(), expected);
    let page = tracks.log(flight, Some(398), 1).await.unwrap();
    assert_eq!(page, [line(399, "first")]);
    assert_eq!(tracks.log(flight, Some(900), 9).await.unwrap(), []);
    assert_eq!(
        tracks.log(other, None, 9).await.unwrap(),
        [line(7, "\0\u{fffd}")]
    );
    let with_logs = tracks.with_logs(&[flight, none, other]).await.unwrap();
    assert_eq!(with_logs, HashSet::from([flight, other]));
    assert!(tracks.with_logs(&[]).await.unwrap().is_empty());
    assert!(tracks.extents(&[flight]).await.unwrap().is_empty());
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn rivals_that_send_the_same_lines_store_them_once(
    #[values(Memory, Sqlite, Postgres)] adapter: Adapter,
) {
    let storage = storage(adapter).await;
    let flight = Uuid::new_v4();
    let rivals = (0..8).map(|n| {
        let mut lines: Vec<_> = (0..200).map(|n| line(n * 7 % 200, "same")).collect();
        lines.rotate_left(n * 25);
        storage.tracks.store_log(flight, lines)
    });
    let stored = join_all(rivals).await.into_iter().map(Result::unwrap);
    assert_eq!(stored.sum::<usize>(), 200);
}
