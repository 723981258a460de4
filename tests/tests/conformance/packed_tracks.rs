//! Packed tracks: the same samples whatever the form, and none lost on the way from one to the other.

use std::collections::BTreeSet;

use albatross::adapters::{Stores, open};
use albatross::ports::event_store::Undecodable;
use albatross::ports::track_store::{Extent, Sample, Stored, TrackError, TrackStore};
use futures::future::{join_all, try_join_all};
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use rstest::rstest;
use sqlx::{AssertSqlSafe, Connection, PgConnection, SqliteConnection};
use uuid::Uuid;

use crate::fixture::*;

/// Seven hours at one a second.
const SAMPLES: i32 = 25_200;

fn sample(sequence: i32) -> Sample {
    Sample {
        sequence,
        time: time(1_700_000_000_000_001 + i64::from(sequence) * 999_983),
        latitude_e7: 418_002_222 - sequence * 7_001,
        longitude_e7: -1_799_999_999 + sequence * 9_001,
        altitude_ft: (sequence % 5 != 0).then_some(sequence),
        heading_deg: Some((sequence % 360) as i16),
        ground_speed_kt: Some(447),
        indicated_airspeed_kt: None,
        vertical_speed_fpm: Some(-1_850 + sequence % 100),
        fuel_kg: Some(100_000 - sequence),
        phase: (sequence % 3 != 0).then(|| format!("P{}", sequence / 5_000)),
    }
}

pub fn samples(sequences: impl IntoIterator<Item = i32>) -> Vec<Sample> {
    sequences.into_iter().map(sample).collect()
}

async fn store(
    tracks: &dyn TrackStore,
    flight: Uuid,
    batch: Uuid,
    sequences: impl IntoIterator<Item = i32>,
) -> Result<Stored, TrackError> {
    let samples = samples(sequences);
    tracks.store(flight, batch, [1; 32], time(5), samples).await
}

async fn all(tracks: &dyn TrackStore, flight: Uuid) -> Vec<Sample> {
    tracks.samples(flight, None, 100_000).await.unwrap()
}

async fn is_packed(tracks: &dyn TrackStore, flight: Uuid) -> bool {
    !tracks.unpacked().await.unwrap().contains(&flight)
}

#[rstest]
#[tokio::test]
async fn a_packed_flight_reads_as_before(#[values(Memory, Sqlite, Postgres)] adapter: Adapter) {
    let storage = storage(adapter).await;
    let tracks = &*storage.tracks;
    let [flight, other, empty] = std::array::from_fn(|_| Uuid::new_v4());
    store(tracks, flight, Uuid::new_v4(), (0..300).chain([700]))
        .await
        .unwrap();
    store(tracks, other, Uuid::new_v4(), [3]).await.unwrap();
    store(tracks, empty, Uuid::new_v4(), []).await.unwrap();
    let unpacked: BTreeSet<Uuid> = tracks.unpacked().await.unwrap().into_iter().collect();
    assert_eq!(unpacked, BTreeSet::from([flight, other]));

    assert!(tracks.pack(flight).await.unwrap());
    assert_eq!(tracks.unpacked().await.unwrap(), [other]);
    assert_eq!(all(tracks, flight).await, samples((0..300).chain([700])));
    let page = tracks.samples(flight, Some(297), 3).await.unwrap();
    assert_eq!(page, samples([298, 299, 700]));
    assert!(
        tracks
            .samples(flight, Some(700), 3)
            .await
            .unwrap()
            .is_empty()
    );
    let extent = Extent {
        count: 301,
        last_sequence: Some(700),
        last_received_at: Some(time(5)),
    };
    assert_eq!(tracks.extents(&[flight]).await.unwrap()[&flight], extent);
    assert_eq!(all(tracks, other).await, samples([3]));
    for nothing in [flight, empty, Uuid::new_v4()] {
        assert!(!tracks.pack(nothing).await.unwrap());
    }
    assert_eq!(all(tracks, flight).await.len(), 301);
}

#[rstest]
#[tokio::test]
async fn late_samples_join_a_packed_flight(#[values(Memory, Sqlite, Postgres)] adapter: Adapter) {
    let storage = storage(adapter).await;
    let tracks = &*storage.tracks;
    let (flight, first) = (Uuid::new_v4(), Uuid::new_v4());
    let answer = store(tracks, flight, first, 0..100).await.unwrap();
    for round in 1..4 {
        assert!(tracks.pack(flight).await.unwrap());
        // A batch that is known changes nothing, and is answered as the first time.
        assert_eq!(store(tracks, flight, first, 0..100).await.unwrap(), answer);
        assert!(is_packed(tracks, flight).await);
        let reused = store(tracks, Uuid::new_v4(), first, 0..100).await;
        assert!(matches!(reused, Err(TrackError::BatchReused)), "{reused:?}");

        let late = store(tracks, flight, Uuid::new_v4(), 50 * round..100 + 50 * round).await;
        let expected = Stored {
            stored: 50,
            duplicates: 50,
            count: i64::from(100 + 50 * round),
            last_sequence: Some(99 + 50 * round),
        };
        assert_eq!(late.unwrap(), expected);
        assert!(!is_packed(tracks, flight).await);
        assert_eq!(all(tracks, flight).await, samples(0..100 + 50 * round));
    }
    assert!(tracks.pack(flight).await.unwrap());
    assert_eq!(all(tracks, flight).await, samples(0..250));
}

#[rstest]
#[tokio::test]
async fn the_first_of_two_samples_with_one_number_stays_packed_or_not(
    #[values(Memory, Sqlite, Postgres)] adapter: Adapter,
) {
    let storage = storage(adapter).await;
    let tracks = &*storage.tracks;
    let flight = Uuid::new_v4();
    store(tracks, flight, Uuid::new_v4(), [1]).await.unwrap();
    tracks.pack(flight).await.unwrap();
    let mut changed = sample(1);
    changed.altitude_ft = Some(9);
    let again = tracks.store(flight, Uuid::new_v4(), [2; 32], time(6), vec![changed]);
    assert_eq!(again.await.unwrap().duplicates, 1);
    assert_eq!(all(tracks, flight).await, samples([1]));
}

/// Twice, out of order, from two replicas, each of which packs now and then what is there.
#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn seven_hours_arrive_in_batches_twice_and_are_stored_once(
    #[values(Memory, Sqlite, Postgres)] adapter: Adapter,
) {
    let storage = storage(adapter).await;
    let replicas: Vec<Stores> = match adapter {
        // Memory is one process's.
        Memory => vec![storage.stores.clone(), storage.stores.clone()],
        _ => try_join_all([open(&storage.url), open(&storage.url)])
            .await
            .unwrap(),
    };
    let seed = rand::random();
    println!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let flight = Uuid::new_v4();
    let mut batches = Vec::new();
    let mut begin = 0;
    while begin < SAMPLES {
        let end = SAMPLES.min(begin + random.random_range(100..=500));
        batches.push((Uuid::new_v4(), begin..end));
        begin = end;
    }
    let senders = replicas.iter().map(|replica| {
        let mut order = batches.clone();
        order.shuffle(&mut random);
        send(&*replica.tracks, flight, order)
    });
    let answers = join_all(senders.collect::<Vec<_>>()).await;
    let mut first = answers[0].clone();
    let mut second = answers[1].clone();
    first.sort_by_key(|(batch, _)| *batch);
    second.sort_by_key(|(batch, _)| *batch);
    assert_eq!(first, second, "both replicas are answered alike");
    let stored: usize = first.iter().map(|(_, answer)| answer.stored).sum();
    assert_eq!(stored, SAMPLES as usize);

    let expected = samples(0..SAMPLES);
    assert_eq!(all(&*replicas[0].tracks, flight).await, expected);
    storage.tracks.pack(flight).await.unwrap();
    assert!(is_packed(&*replicas[1].tracks, flight).await);
    assert_eq!(all(&*replicas[1].tracks, flight).await, expected);
}

/// Sends every batch, and packs after every fourth part of them.
async fn send(
    tracks: &dyn TrackStore,
    flight: Uuid,
    batches: Vec<(Uuid, std::ops::Range<i32>)>,
) -> Vec<(Uuid, Stored)> {
    let mut answers = Vec::new();
    for part in batches.chunks(batches.len().div_ceil(4)) {
        for (batch, sequences) in part {
            let answer = store(tracks, flight, *batch, sequences.clone()).await;
            answers.push((*batch, answer.unwrap()));
        }
        tracks.pack(flight).await.unwrap();
        let read = all(tracks, flight).await;
        assert!(read.iter().all(|read| *read == sample(read.sequence)));
        let sent = answers.iter().map(|(_, answer)| answer.stored).sum();
        assert!(read.len() >= sent);
    }
    answers
}

/// Each step of packing in turn does not happen: everything is as it was, and the next attempt succeeds.
#[rstest]
#[case::the_value_is_not_written(Sqlite, "BEFORE INSERT ON packed", "RAISE(ABORT, 'stopped')")]
#[case::the_rows_do_not_go(Sqlite, "BEFORE DELETE ON positions", "RAISE(ABORT, 'stopped')")]
#[case::the_value_is_not_written(Postgres, "BEFORE INSERT ON track.packed", "")]
#[case::the_rows_do_not_go(Postgres, "BEFORE DELETE ON track.positions", "")]
#[tokio::test]
async fn a_step_that_fails_loses_nothing(
    #[case] adapter: Adapter,
    #[case] step: &str,
    #[case] raise: &str,
) {
    let storage = storage(adapter).await;
    let flight = Uuid::new_v4();
    let tracks = &*storage.tracks;
    store(tracks, flight, Uuid::new_v4(), 0..600).await.unwrap();
    let (create, drop) = match adapter {
        Postgres => (
            format!(
                "CREATE FUNCTION stop() RETURNS trigger LANGUAGE plpgsql \
                 AS $$ BEGIN RAISE EXCEPTION 'stopped'; END $$; \
                 CREATE TRIGGER stop {step} FOR EACH ROW EXECUTE FUNCTION stop()"
            ),
            "DROP FUNCTION stop CASCADE",
        ),
        _ => (
            format!("CREATE TRIGGER stop {step} BEGIN SELECT {raise}; END"),
            "DROP TRIGGER stop",
        ),
    };
    execute(&storage, &create).await;
    let stopped = tracks.pack(flight).await.unwrap_err();
    assert!(stopped.to_string().contains("stopped"), "{stopped}");
    assert!(!is_packed(tracks, flight).await);
    assert_eq!(all(tracks, flight).await, samples(0..600));
    execute(&storage, drop).await;
    assert!(tracks.pack(flight).await.unwrap());
    assert_eq!(all(tracks, flight).await, samples(0..600));
}

/// The value is read back before the rows go.
#[rstest]
#[case(
    Sqlite,
    "CREATE TRIGGER garble AFTER INSERT ON packed BEGIN \
     UPDATE packed SET samples = x'0178' WHERE flight = new.flight; END"
)]
#[case(
    Postgres,
    "CREATE FUNCTION garble() RETURNS trigger LANGUAGE plpgsql \
     AS $$ BEGIN new.samples = '\\x0178'; RETURN new; END $$; \
     CREATE TRIGGER garble BEFORE INSERT ON track.packed FOR EACH ROW EXECUTE FUNCTION garble()"
)]
#[tokio::test]
async fn a_value_that_does_not_read_keeps_its_rows(#[case] adapter: Adapter, #[case] garble: &str) {
    let storage = storage(adapter).await;
    let flight = Uuid::new_v4();
    let tracks = &*storage.tracks;
    store(tracks, flight, Uuid::new_v4(), 0..600).await.unwrap();
    execute(&storage, garble).await;
    let refused = tracks.pack(flight).await.unwrap_err();
    assert!(refused.to_string().contains("damaged"), "{refused}");
    assert!(!is_packed(tracks, flight).await);
    assert_eq!(all(tracks, flight).await, samples(0..600));
}

/// A damaged value is an error that says so: late samples do not replace what it held.
#[rstest]
#[case(Sqlite, "UPDATE packed SET samples = x'0178'")]
#[case(Postgres, "UPDATE track.packed SET samples = '\\x0178'")]
#[tokio::test]
async fn a_damaged_value_is_never_taken_for_an_empty_one(
    #[case] adapter: Adapter,
    #[case] damage: &str,
) {
    let storage = storage(adapter).await;
    let flight = Uuid::new_v4();
    let tracks = &*storage.tracks;
    store(tracks, flight, Uuid::new_v4(), 0..600).await.unwrap();
    tracks.pack(flight).await.unwrap();
    execute(&storage, damage).await;
    let refused = tracks.samples(flight, None, 10).await.unwrap_err();
    assert!(refused.to_string().contains("damaged"), "{refused}");
    assert!(refused.is::<Undecodable>(), "{refused:?}");
    let late = store(tracks, flight, Uuid::new_v4(), 600..700).await;
    let corrupt = matches!(&late, Err(TrackError::Unavailable(error)) if error.is::<Undecodable>());
    assert!(corrupt, "{late:?}");
    assert!(is_packed(tracks, flight).await);
}

async fn execute(storage: &Storage, sql: &str) {
    let sql = AssertSqlSafe(sql.to_owned());
    if let Some(directory) = storage.url.strip_prefix("sqlite:") {
        let url = format!("sqlite:{directory}/track.db");
        let mut connection = SqliteConnection::connect(&url).await.unwrap();
        sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    } else {
        let mut owner = PgConnection::connect(&storage.url).await.unwrap();
        sqlx::raw_sql(sql).execute(&mut owner).await.unwrap();
    }
}
