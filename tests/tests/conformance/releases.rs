//! Two releases of the program on one database, whose tables differ. Not in memory, which no two of them share.

use albatross::adapters::{Stores, open};
use albatross::ports::read_model::{Change, Checkpoint, Row, Table, Value};
use rstest::rstest;
use sqlx::{Connection, Executor, PgConnection, SqliteConnection, raw_sql};
use uuid::Uuid;

use crate::fixture::*;
use crate::read_model::{FLIGHTS, FLIGHTS_CHANGED, PILOTS, at, filled, row};
use Change::Upsert;

static EARLIER: &[&Table] = &[&FLIGHTS, &PILOTS];
static LATER: &[&Table] = &[&FLIGHTS_CHANGED, &PILOTS];
const NEVER: Checkpoint = Checkpoint {
    epoch: Uuid::nil(),
    position: 0,
};
/// So many looks end what nobody uses.
const LOOKS: usize = 1_000;

/// A process of a release on the same database.
async fn process(storage: &Storage, tables: &[&'static Table]) -> Stores {
    let stores = open(&storage.url).await.unwrap();
    stores.read_model.prepare(tables).await.unwrap();
    stores
}

fn later(n: u128) -> Change {
    let text = Value::Text("later".to_owned());
    let changed = Row {
        values: vec![text],
        ..row(n, None, None)
    };
    Upsert(&FLIGHTS_CHANGED, changed)
}

async fn commit(stores: &Stores, changes: Vec<Change>, position: i64) {
    let lane = stores.read_model.lock_lane("flights").await.unwrap();
    lane.unwrap().commit(changes, at(position)).await.unwrap();
}

async fn state(stores: &Stores, table: &'static Table) -> (i64, Checkpoint) {
    let count = stores.read_model.count(table, vec![]).await.unwrap();
    let checkpoint = stores.read_model.checkpoint("flights").await.unwrap();
    (count, checkpoint)
}

async fn look(stores: &Stores, times: usize) {
    for _ in 0..times {
        stores.read_model.keep().await.unwrap();
    }
}

#[rstest]
#[tokio::test]
async fn each_has_rows_and_a_checkpoint_of_its_own(#[values(Sqlite, Postgres)] adapter: Adapter) {
    let earlier = filled(adapter).await;
    let later_process = process(&earlier, LATER).await;
    assert_eq!(state(&earlier, &FLIGHTS).await, (7, at(7)), "as it was");
    assert_eq!(state(&later_process, &FLIGHTS_CHANGED).await, (0, NEVER));
    // Each goes on, and neither waits for the other.
    let held = later_process.read_model.lock_lane("flights").await.unwrap();
    let next = row(8, Some("earlier"), None);
    commit(&earlier, vec![Upsert(&FLIGHTS, next.clone())], 8).await;
    let pilot = Row {
        values: vec![],
        ..row(1, None, None)
    };
    let changes = vec![later(1), later(2), Upsert(&PILOTS, pilot)];
    held.unwrap().commit(changes, at(5)).await.unwrap();
    let pilots = earlier.read_model.count(&PILOTS, vec![]).await.unwrap();
    assert_eq!(pilots, 0, "the other tables of the lane are two as well");
    // Whoever comes later finds what is its release's: after a start, and after a downgrade.
    let again = process(&earlier, LATER).await;
    assert_eq!(state(&again, &FLIGHTS_CHANGED).await, (2, at(5)));
    let downgraded = process(&earlier, EARLIER).await;
    assert_eq!(state(&downgraded, &FLIGHTS).await, (8, at(8)));
    let found = downgraded.read_model.get(&FLIGHTS, next.id).await.unwrap();
    assert_eq!(found, Some(next));
    let guard = downgraded.read_model.lock_lane("flights").await.unwrap();
    let reset = guard.unwrap().reset(EARLIER, at(0).epoch);
    reset.await.unwrap();
    assert_eq!(state(&again, &FLIGHTS_CHANGED).await, (2, at(5)));
}

#[rstest]
#[tokio::test]
async fn a_table_more_in_a_lane_begins_that_lane_beside(
    #[values(Sqlite, Postgres)] adapter: Adapter,
) {
    static MORE: Table = Table {
        name: "more",
        lane: "flights",
        revision: 1,
        columns: &[],
    };
    let earlier = filled(adapter).await;
    let more = process(&earlier, &[&FLIGHTS, &PILOTS, &MORE]).await;
    assert_eq!(state(&more, &FLIGHTS).await, (0, NEVER));
    assert_eq!(state(&earlier, &FLIGHTS).await, (7, at(7)));
    // A lane without tables, as a relay's cursor, belongs to all releases.
    let relay = earlier.read_model.lock_lane("relay").await.unwrap();
    relay.unwrap().commit(vec![], at(3)).await.unwrap();
    assert_eq!(more.read_model.checkpoint("relay").await.unwrap(), at(3));
}

/// An earlier release would drop what it does not know of them.
#[rstest]
#[tokio::test]
async fn other_documents_in_the_same_columns_begin_a_lane_beside(
    #[values(Sqlite, Postgres)] adapter: Adapter,
) {
    static REVISED: Table = Table {
        name: "pilots",
        lane: "flights",
        revision: 2,
        columns: &[],
    };
    let earlier = filled(adapter).await;
    let revised = process(&earlier, &[&FLIGHTS, &REVISED]).await;
    assert_eq!(state(&revised, &FLIGHTS).await, (0, NEVER));
    assert_eq!(state(&earlier, &FLIGHTS).await, (7, at(7)), "as it was");
    let again = process(&earlier, EARLIER).await;
    assert_eq!(state(&again, &FLIGHTS).await, (7, at(7)));
}

#[rstest]
#[tokio::test]
async fn a_rebuild_takes_the_place_of_its_own_releases_tables(
    #[values(Sqlite, Postgres)] adapter: Adapter,
) {
    let earlier = filled(adapter).await;
    let later_process = process(&earlier, LATER).await;
    let begun = later_process.read_model.rebuild("flights", LATER).await;
    let mut rebuild = begun.unwrap().unwrap();
    rebuild.write((1..=9).map(later).collect()).await.unwrap();
    let other = earlier.read_model.rebuild("flights", EARLIER).await;
    assert!(other.unwrap().is_none(), "one at a time all the same");
    rebuild.index().await.unwrap();
    assert_eq!(rebuild.lock_lane().await.unwrap(), NEVER);
    rebuild.swap(at(9)).await.unwrap();
    assert_eq!(state(&later_process, &FLIGHTS_CHANGED).await, (9, at(9)));
    assert_eq!(state(&earlier, &FLIGHTS).await, (7, at(7)));
    commit(&later_process, vec![later(10)], 10).await;

    let mut rebuild = earlier.read_model.rebuild("flights", EARLIER).await;
    while matches!(rebuild, Ok(None)) {
        rebuild = earlier.read_model.rebuild("flights", EARLIER).await;
    }
    let mut rebuild = rebuild.unwrap().unwrap();
    rebuild.index().await.unwrap();
    rebuild.lock_lane().await.unwrap();
    rebuild.swap(at(11)).await.unwrap();
    assert_eq!(state(&earlier, &FLIGHTS).await, (0, at(11)));
    assert_eq!(state(&later_process, &FLIGHTS_CHANGED).await, (10, at(10)));
}

#[rstest]
#[tokio::test]
async fn tables_stay_for_as_long_as_one_process_uses_them_among_many_others(
    #[values(Sqlite, Postgres)] adapter: Adapter,
) {
    let earlier = filled(adapter).await;
    let mut later_processes = Vec::new();
    for _ in 0..9 {
        later_processes.push(process(&earlier, LATER).await);
    }
    commit(&later_processes[0], vec![later(1)], 7).await;
    let others_look = async |times: usize| {
        let looks = later_processes.iter().map(|it| look(it, times / 9));
        futures::future::join_all(looks).await;
    };
    others_look(LOOKS - 1).await;
    look(&earlier, 1).await;
    others_look(LOOKS - 1).await;
    // A start is a use as well.
    let again = process(&earlier, EARLIER).await;
    others_look(9).await;
    assert_eq!(state(&again, &FLIGHTS).await, (7, at(7)));
    assert_eq!(state(&earlier, &FLIGHTS).await, (7, at(7)));
}

/// A laptop that runs for minutes a day.
#[rstest]
#[tokio::test]
async fn looks_count_whichever_process_looked_and_whatever_became_of_it(
    #[values(Sqlite, Postgres)] adapter: Adapter,
) {
    let earlier = filled(adapter).await;
    for _ in 0..5 {
        let later_process = process(&earlier, LATER).await;
        look(&later_process, (LOOKS - 1) / 5).await;
        later_process.close().await;
    }
    let [one, other] = [
        process(&earlier, LATER).await,
        process(&earlier, LATER).await,
    ];
    look(&one, (LOOKS - 1) % 5).await;
    assert_eq!(state(&earlier, &FLIGHTS).await, (7, at(7)), "not yet");
    // Both would be the last.
    tokio::join!(look(&one, 1), look(&other, 1));
    assert!(earlier.read_model.count(&FLIGHTS, vec![]).await.is_err());
}

/// Who cannot wait for that long says so, as docs/operating.md tells.
#[tokio::test]
async fn tables_go_at_the_next_look_once_somebody_says_that_nobody_uses_them() {
    let document = include_str!("../../../docs/operating.md");
    let statement = document
        .lines()
        .find(|line| line.starts_with("UPDATE read.checkpoints"));
    let earlier = filled(Postgres).await;
    let later_process = process(&earlier, LATER).await;
    look(&later_process, 1).await;
    let mut owner = PgConnection::connect(&earlier.url).await.unwrap();
    owner.execute(statement.unwrap()).await.unwrap();
    assert_eq!(state(&earlier, &FLIGHTS).await, (7, at(7)), "not yet");
    look(&later_process, 1).await;
    assert!(earlier.read_model.count(&FLIGHTS, vec![]).await.is_err());
    assert_eq!(state(&later_process, &FLIGHTS_CHANGED).await, (0, NEVER));
}

#[rstest]
#[tokio::test]
async fn tables_that_nobody_uses_go_and_who_comes_back_begins_anew(
    #[values(Sqlite, Postgres)] adapter: Adapter,
) {
    let earlier = filled(adapter).await;
    let later_process = process(&earlier, LATER).await;
    commit(&later_process, vec![later(1)], 7).await;
    look(&later_process, LOOKS - 1).await;
    assert_eq!(state(&earlier, &FLIGHTS).await, (7, at(7)), "not yet");
    look(&later_process, 1).await;
    assert!(earlier.read_model.count(&FLIGHTS, vec![]).await.is_err());
    assert_eq!(state(&later_process, &FLIGHTS_CHANGED).await, (1, at(7)));

    // A process that was silent for so long, and one that starts after a downgrade.
    look(&earlier, 1).await;
    assert_eq!(state(&earlier, &FLIGHTS).await, (0, NEVER));
    commit(&earlier, vec![Upsert(&FLIGHTS, row(1, None, None))], 7).await;
    let downgraded = process(&earlier, EARLIER).await;
    assert_eq!(state(&downgraded, &FLIGHTS).await, (1, at(7)));
    assert_eq!(state(&later_process, &FLIGHTS_CHANGED).await, (1, at(7)));
}

/// Something of somebody else's is made of a table: it stays, and goes once nothing is made of it any more.
#[rstest]
#[case::by_a_view(
    Postgres,
    "CREATE VIEW theirs AS SELECT id FROM read.flights",
    "DROP VIEW theirs"
)]
#[case::by_a_foreign_key(
    Sqlite,
    "CREATE TABLE theirs (id BLOB REFERENCES flights (id)); INSERT INTO theirs SELECT id FROM flights",
    "DROP TABLE theirs"
)]
#[tokio::test]
async fn a_table_that_cannot_be_dropped_keeps_no_other(
    #[case] adapter: Adapter,
    #[case] hold: &'static str,
    #[case] let_go: &'static str,
) {
    static LAST: Table = Table {
        name: "pilots",
        lane: "flights",
        revision: 2,
        columns: &[],
    };
    let earlier = filled(adapter).await;
    let later_process = process(&earlier, LATER).await;
    commit(&later_process, vec![later(1)], 7).await;
    execute(&earlier, hold).await;
    let last = process(&earlier, &[&FLIGHTS, &LAST]).await;
    look(&last, LOOKS - 1).await;
    // The lane whose table is held is the first that is looked at.
    let refused = last.read_model.keep().await.unwrap_err().to_string();
    let reason = match adapter {
        Postgres => "depend on it",
        _ => "FOREIGN KEY constraint failed",
    };
    assert!(refused.contains(reason), "{refused}");
    assert_eq!(state(&earlier, &FLIGHTS).await, (7, at(7)), "held");
    let other = later_process.read_model.count(&FLIGHTS_CHANGED, vec![]);
    assert!(other.await.is_err(), "nobody held it");
    // As often as somebody looks.
    assert!(last.read_model.keep().await.is_err());
    assert_eq!(state(&earlier, &FLIGHTS).await, (7, at(7)), "held");

    execute(&earlier, let_go).await;
    look(&last, 1).await;
    assert!(earlier.read_model.count(&FLIGHTS, vec![]).await.is_err());
    assert_eq!(state(&last, &FLIGHTS).await, (0, NEVER));
}

/// By somebody else than the program.
async fn execute(storage: &Storage, sql: &'static str) {
    if let Some(directory) = storage.url.strip_prefix("sqlite:") {
        let url = format!("sqlite:{directory}/read.db");
        let mut file = SqliteConnection::connect(&url).await.unwrap();
        raw_sql(sql).execute(&mut file).await.unwrap();
        file.close().await.unwrap();
    } else {
        let mut owner = PgConnection::connect(&storage.url).await.unwrap();
        raw_sql(sql).execute(&mut owner).await.unwrap();
    }
}

#[rstest]
#[tokio::test]
async fn a_rebuild_whose_tables_went_meanwhile_is_refused(
    #[values(Sqlite, Postgres)] adapter: Adapter,
) {
    let earlier = filled(adapter).await;
    let later_process = process(&earlier, LATER).await;
    let begun = later_process.read_model.rebuild("flights", LATER).await;
    let mut rebuild = begun.unwrap().unwrap();
    look(&earlier, LOOKS).await;
    let swapped = async {
        rebuild.index().await?;
        rebuild.lock_lane().await?;
        rebuild.swap(at(9)).await
    };
    assert!(swapped.await.is_err());
    look(&later_process, 1).await;
    assert_eq!(state(&later_process, &FLIGHTS_CHANGED).await, (0, NEVER));
    assert_eq!(state(&earlier, &FLIGHTS).await, (7, at(7)));
}
