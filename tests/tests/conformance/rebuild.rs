//! What every rebuild of a lane's tables promises.

use albatross::ports::read_model::{
    Change, Checkpoint, LaneGuard, Query, Rebuild, Row, Table, Value,
};
use albatross_tests::wait::within;
use rstest::rstest;
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

use crate::fixture::*;
use crate::read_model::{FLIGHTS, PILOTS, at, filled, row};
use Change::{Delete, Upsert};

static TABLES: &[&Table] = &[&FLIGHTS, &PILOTS];

/// A rebuild, as soon as one that was dropped before it has been rolled back.
async fn begin(storage: &Storage) -> Box<dyn Rebuild> {
    within("the rebuild", async {
        loop {
            let begun = storage.read_model.rebuild("flights", TABLES).await;
            if let Some(rebuild) = begun.unwrap() {
                return rebuild;
            }
            tokio::task::yield_now().await;
        }
    })
    .await
}

async fn lock(storage: &Storage) -> Option<Box<dyn LaneGuard>> {
    storage.read_model.lock_lane("flights").await.unwrap()
}

async fn living(storage: &Storage) -> Vec<Row> {
    let query = Query {
        table: &FLIGHTS,
        filters: Vec::new(),
        order_by: "filed_at",
        descending: true,
        after: None,
        limit: 100,
    };
    storage.read_model.list(query).await.unwrap()
}

fn numbers(rows: &[Row]) -> Vec<u128> {
    rows.iter().map(|row| row.id.as_u128()).collect()
}

fn upsert(n: u128, text: &str) -> Change {
    Upsert(&FLIGHTS, row(n, Some(text), Some(n as i64)))
}

#[rstest]
#[tokio::test]
async fn it_takes_the_place_of_the_living_tables_at_once(
    #[values(Memory, Sqlite, Postgres)] adapter: Adapter,
) {
    let storage = filled(adapter).await;
    let before = living(&storage).await;
    // Again and again: nothing of one is in the way of the next.
    for round in 1..4 {
        let mut rebuild = begin(&storage).await;
        let text = format!("round {round}");
        let rows = (1..=300).map(|n| upsert(n, &text)).collect();
        rebuild.write(rows).await.unwrap();
        let pilot = Row {
            values: vec![],
            ..row(7, None, None)
        };
        rebuild
            .write(vec![Upsert(&PILOTS, pilot.clone())])
            .await
            .unwrap();
        rebuild.index().await.unwrap();
        if round == 1 {
            assert_eq!(living(&storage).await, before, "served meanwhile");
        }
        // The lane goes on until it is held.
        let lane = lock(&storage).await.unwrap();
        lane.commit(vec![], at(10 * round)).await.unwrap();
        assert_eq!(rebuild.lock_lane().await.unwrap(), at(10 * round));
        assert!(lock(&storage).await.is_none(), "nobody advances it now");
        let known = rebuild.rows(&FLIGHTS, &[Uuid::from_u128(5)]).await.unwrap();
        assert_eq!(known, [row(5, Some(&text), Some(5))]);
        rebuild.write(vec![upsert(301, &text)]).await.unwrap();
        rebuild.swap(at(10 * round + 1)).await.unwrap();
        let after = living(&storage).await;
        let expected: Vec<u128> = (202..=301).rev().collect();
        assert_eq!(numbers(&after), expected);
        assert_eq!(after[0], row(301, Some(&text), Some(301)));
        let pilots = storage.read_model.rows(&PILOTS, &[pilot.id]).await.unwrap();
        assert_eq!(pilots, [pilot]);
        let checkpoint = storage.read_model.checkpoint("flights").await.unwrap();
        assert_eq!(checkpoint, at(10 * round + 1));
    }
    // It is a table like any other.
    let lane = lock(&storage).await.unwrap();
    let changes = vec![upsert(400, "live"), Delete(&FLIGHTS, Uuid::from_u128(1))];
    lane.commit(changes, at(99)).await.unwrap();
    let count = storage.read_model.count(&FLIGHTS, vec![]).await.unwrap();
    assert_eq!(count, 301);
}

#[rstest]
#[tokio::test]
async fn rows_are_replaced_and_removed_in_whatever_order_they_come(
    #[values(Memory, Sqlite, Postgres)] adapter: Adapter,
) {
    let storage = filled(adapter).await;
    let mut rebuild = begin(&storage).await;
    rebuild
        .write((50..60).map(|n| upsert(n, "first")).collect())
        .await
        .unwrap();
    rebuild
        .write((60..70).map(|n| upsert(n, "first")).collect())
        .await
        .unwrap();
    rebuild
        .write((40..65).map(|n| upsert(n, "second")).collect())
        .await
        .unwrap();
    let id = Uuid::from_u128;
    let changes = vec![
        upsert(41, "third"),
        Delete(&FLIGHTS, id(42)),
        Delete(&FLIGHTS, id(43)),
        upsert(43, "back"),
        Upsert(&FLIGHTS, row(80, None, None)),
        Delete(&FLIGHTS, id(99)),
    ];
    rebuild.write(changes).await.unwrap();
    rebuild.index().await.unwrap();
    rebuild.lock_lane().await.unwrap();
    rebuild.swap(at(7)).await.unwrap();
    let found = living(&storage).await;
    let mut expected: Vec<u128> = (40..70).rev().filter(|n| *n != 42).collect();
    expected.push(80);
    assert_eq!(numbers(&found), expected);
    let text = |n: u128| found.iter().find(|row| row.id == id(n)).unwrap().values[0].clone();
    let expected = ["third", "back", "second", "first"].map(|text| Value::Text(text.to_owned()));
    assert_eq!([41, 43, 64, 65].map(text), expected);
    assert_eq!(found.last(), Some(&row(80, None, None)));
}

#[rstest]
#[tokio::test]
async fn one_at_a_time_and_one_that_is_given_up_changes_nothing(
    #[values(Memory, Sqlite, Postgres)] adapter: Adapter,
) {
    let storage = filled(adapter).await;
    let before = living(&storage).await;
    let mut given_up = begin(&storage).await;
    let second = storage.read_model.rebuild("flights", TABLES).await;
    assert!(second.unwrap().is_none(), "another one is under way");
    given_up.write(vec![upsert(100, "given up")]).await.unwrap();
    given_up.index().await.unwrap();
    given_up.lock_lane().await.unwrap();
    given_up.write(vec![upsert(101, "given up")]).await.unwrap();
    drop(given_up);
    let mut rebuild = begin(&storage).await;
    assert_eq!(living(&storage).await, before);
    let left = rebuild
        .rows(&FLIGHTS, &[Uuid::from_u128(100)])
        .await
        .unwrap();
    assert_eq!(left, [], "what was left is gone");
    rebuild.write(vec![upsert(1, "whole")]).await.unwrap();
    rebuild.index().await.unwrap();
    assert_eq!(rebuild.lock_lane().await.unwrap(), at(7));
    rebuild.swap(at(8)).await.unwrap();
    assert_eq!(numbers(&living(&storage).await), [1]);
}

#[rstest]
#[tokio::test]
async fn nothing_is_swapped_while_the_lane_may_go_on(
    #[values(Memory, Sqlite, Postgres)] adapter: Adapter,
) {
    let storage = filled(adapter).await;
    let before = living(&storage).await;
    let mut rebuild = begin(&storage).await;
    rebuild.index().await.unwrap();
    let refused = rebuild.swap(at(8)).await.unwrap_err();
    assert!(refused.to_string().contains("not held"), "{refused}");
    assert_eq!(living(&storage).await, before);
}

/// Whoever reads the living tables for long holds up the swap, and nobody who reads them for a moment.
#[tokio::test]
async fn a_dump_holds_up_the_swap_and_no_reader() {
    let storage = filled(Postgres).await;
    let before = living(&storage).await;
    let mut dump = PgConnection::connect(&storage.url).await.unwrap();
    let mut dump = dump.begin().await.unwrap();
    let read = sqlx::query("SELECT count(*) FROM read.flights");
    read.execute(&mut *dump).await.unwrap();
    let mut rebuild = begin(&storage).await;
    rebuild.write(vec![upsert(1, "new")]).await.unwrap();
    rebuild.index().await.unwrap();
    rebuild.lock_lane().await.unwrap();
    let swap = rebuild.swap(Checkpoint {
        position: 8,
        ..at(8)
    });
    let mut swap = tokio::spawn(swap);
    let mut observer = PgConnection::connect(&storage.url).await.unwrap();
    let waits = "SELECT count(*) FROM pg_locks WHERE NOT granted AND mode = 'AccessExclusiveLock' \
         AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    let (mut waited, mut served) = (0, 0);
    while waited < 3 || served < 50 {
        let waiting: i64 = sqlx::query_scalar(waits)
            .fetch_one(&mut observer)
            .await
            .unwrap();
        waited += waiting;
        let rows = within("a reader", living(&storage)).await;
        assert_eq!(rows, before);
        served += 1;
        assert!(!swap.is_finished(), "the dump still reads");
    }
    dump.rollback().await.unwrap();
    within("the swap", &mut swap).await.unwrap().unwrap();
    assert_eq!(numbers(&living(&storage).await), [1]);
}
