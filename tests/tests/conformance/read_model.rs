//! What every read model promises.

use albatross::adapters::open;
use albatross::ports::read_model::{
    Change, Checkpoint, Column, ColumnKind, CommitError, Filter, LaneGuard, Query, Row, Table,
    Value,
};
use albatross_tests::wait::LIMIT;
use rstest::rstest;
use uuid::Uuid;

use crate::fixture::*;
use Change::{Delete, Upsert};

pub static FLIGHTS: Table = Table {
    name: "flights",
    lane: "flights",
    revision: 1,
    columns: &[
        Column {
            name: "order",
            kind: ColumnKind::Text,
        },
        Column {
            name: "filed_at",
            kind: ColumnKind::Integer,
        },
        Column {
            name: "pilot",
            kind: ColumnKind::Uuid,
        },
    ],
};
/// The same table after an update of the program.
pub static FLIGHTS_CHANGED: Table = Table {
    name: "flights",
    lane: "flights",
    revision: 1,
    columns: &[Column {
        name: "order",
        kind: ColumnKind::Text,
    }],
};
pub static PILOTS: Table = Table {
    name: "pilots",
    lane: "flights",
    revision: 1,
    columns: &[],
};

pub fn row(n: u128, text: Option<&str>, number: Option<i64>) -> Row {
    let id = Uuid::from_u128(n);
    Row {
        id,
        values: vec![
            text.map_or(Value::Null, |text| Value::Text(text.to_owned())),
            number.map_or(Value::Null, Value::Integer),
            Value::Uuid(Uuid::from_u128(n % 2)),
        ],
        document: format!(r#"{{"n": {n}, "text": "zero \u0000", "list": [1.5, null]}}"#),
    }
}

pub fn at(position: i64) -> Checkpoint {
    Checkpoint {
        epoch: Uuid::from_u128(77),
        position,
    }
}

async fn commit(storage: &Storage, changes: Vec<Change>, position: i64) {
    let lane = storage
        .read_model
        .lock_lane("flights")
        .await
        .unwrap()
        .unwrap();
    lane.commit(changes, at(position)).await.unwrap();
}

/// The lane, as soon as a dropped transaction has been rolled back.
async fn lock(storage: &Storage) -> Box<dyn LaneGuard> {
    let attempt = async {
        loop {
            if let Some(lane) = storage.read_model.lock_lane("flights").await.unwrap() {
                return lane;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LIMIT, attempt).await.unwrap()
}

/// Seven rows, two of them with nulls, two of them equal in text.
pub async fn filled(adapter: Adapter) -> Storage {
    let storage = storage(adapter).await;
    storage
        .read_model
        .prepare(&[&FLIGHTS, &PILOTS])
        .await
        .unwrap();
    let rows = [
        row(1, Some("ELY1747"), Some(100)),
        row(2, Some("ely 1748"), Some(-5)),
        row(3, Some("Ärger_100%"), Some(i64::MAX)),
        row(4, None, Some(7)),
        row(5, Some("ELY1747"), None),
        row(6, Some(""), Some(100)),
        row(7, None, None),
    ];
    let changes = rows.into_iter().map(|row| Upsert(&FLIGHTS, row)).collect();
    commit(&storage, changes, 7).await;
    storage
}

fn numbers(rows: &[Row]) -> Vec<u128> {
    rows.iter().map(|row| row.id.as_u128()).collect()
}

fn query(filters: Vec<Filter>) -> Query {
    Query {
        table: &FLIGHTS,
        filters,
        order_by: "id",
        descending: false,
        after: None,
        limit: 100,
    }
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

#[rstest]
#[tokio::test]
async fn rows_come_back_as_they_were(#[values(Memory, Sqlite, Postgres)] adapter: Adapter) {
    let storage = filled(adapter).await;
    for expected in [row(1, Some("ELY1747"), Some(100)), row(7, None, None)] {
        let found = storage.read_model.get(&FLIGHTS, expected.id).await.unwrap();
        assert_eq!(found, Some(expected));
    }
    let none = storage
        .read_model
        .get(&FLIGHTS, Uuid::from_u128(99))
        .await
        .unwrap();
    assert_eq!(none, None);
    // More than one statement of SQLite's takes, and some that are not there.
    let ids: Vec<_> = (1..200).map(Uuid::from_u128).collect();
    let mut found = storage.read_model.rows(&FLIGHTS, &ids).await.unwrap();
    found.sort_by_key(|row| row.id);
    let known: Vec<_> = found.iter().map(|row| row.id.as_u128()).collect();
    assert_eq!(known, [1, 2, 3, 4, 5, 6, 7]);
}

#[rstest]
#[tokio::test]
async fn filters_select(#[values(Memory, Sqlite, Postgres)] adapter: Adapter) {
    let storage = filled(adapter).await;
    let even = Value::Uuid(Uuid::from_u128(0));
    let cases: Vec<(Vec<Filter>, &[u128])> = vec![
        (vec![], &[1, 2, 3, 4, 5, 6, 7]),
        (vec![Filter::Equals("order", text("ELY1747"))], &[1, 5]),
        (vec![Filter::Equals("order", Value::Null)], &[4, 7]),
        (vec![Filter::Equals("pilot", even.clone())], &[2, 4, 6]),
        (
            vec![Filter::OneOf(
                "filed_at",
                vec![Value::Integer(7), Value::Integer(-5)],
            )],
            &[2, 4],
        ),
        (
            vec![Filter::OneOf(
                "filed_at",
                vec![Value::Null, Value::Integer(7)],
            )],
            &[4, 5, 7],
        ),
        (vec![Filter::OneOf("filed_at", vec![])], &[]),
        (
            vec![Filter::AtLeast("filed_at", Value::Integer(7))],
            &[1, 3, 4, 6],
        ),
        (
            vec![Filter::Below("filed_at", Value::Integer(100))],
            &[2, 4],
        ),
        (vec![Filter::AtLeast("filed_at", Value::Null)], &[]),
        (vec![Filter::Below("filed_at", Value::Null)], &[]),
        (vec![Filter::AtLeast("order", text("F"))], &[2, 3]),
        (vec![Filter::Contains("order", "Ly".into())], &[1, 2, 5]),
        (vec![Filter::Contains("order", "_100%".into())], &[3]),
        (vec![Filter::Contains("order", "%".into())], &[3]),
        (vec![Filter::Contains("order", "".into())], &[1, 2, 3, 5, 6]),
        (
            vec![
                Filter::Equals("pilot", even),
                Filter::AtLeast("filed_at", Value::Integer(0)),
            ],
            &[4, 6],
        ),
        (
            vec![Filter::Equals("id", Value::Uuid(Uuid::from_u128(3)))],
            &[3],
        ),
    ];
    for (filters, expected) in cases {
        let found = storage
            .read_model
            .list(query(filters.clone()))
            .await
            .unwrap();
        assert_eq!(numbers(&found), expected, "{filters:?}");
        let count = storage
            .read_model
            .count(&FLIGHTS, filters.clone())
            .await
            .unwrap();
        assert_eq!(count, expected.len() as i64, "{filters:?}");
    }
}

#[rstest]
#[case("filed_at", false, &[5, 7, 2, 4, 1, 6, 3])]
#[case("filed_at", true, &[3, 6, 1, 4, 2, 7, 5])]
#[case("order", false, &[4, 7, 6, 1, 5, 2, 3])]
#[case("order", true, &[3, 2, 5, 1, 6, 7, 4])]
#[case("pilot", true, &[7, 5, 3, 1, 6, 4, 2])]
#[case("id", true, &[7, 6, 5, 4, 3, 2, 1])]
#[tokio::test]
async fn pages_of_any_size_make_the_same_list(
    #[case] order_by: &'static str,
    #[case] descending: bool,
    #[case] expected: &[u128],
    #[values(Memory, Sqlite, Postgres)] adapter: Adapter,
) {
    let storage = filled(adapter).await;
    for size in 1..=8 {
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let page = Query {
                order_by,
                descending,
                after: after.take(),
                limit: size,
                ..query(vec![])
            };
            let page = storage.read_model.list(page).await.unwrap();
            let Some(last) = page.last() else { break };
            let value = match order_by {
                "order" => last.values[0].clone(),
                "filed_at" => last.values[1].clone(),
                "pilot" => last.values[2].clone(),
                _ => Value::Uuid(last.id),
            };
            after = Some((value, last.id));
            found.extend(numbers(&page));
        }
        assert_eq!(found, expected, "pages of {size}");
    }
}

#[rstest]
#[tokio::test]
async fn changes_of_a_commit_apply_in_order(#[values(Memory, Sqlite, Postgres)] adapter: Adapter) {
    let storage = filled(adapter).await;
    let id = Uuid::from_u128;
    let changes = vec![
        Upsert(&FLIGHTS, row(1, Some("first"), None)),
        Upsert(&FLIGHTS, row(1, Some("second"), Some(1))),
        Delete(&FLIGHTS, id(2)),
        Upsert(&FLIGHTS, row(8, None, None)),
        Delete(&FLIGHTS, id(8)),
        Delete(&FLIGHTS, id(3)),
        Upsert(&FLIGHTS, row(3, Some("back"), None)),
        Delete(&FLIGHTS, id(99)),
    ];
    commit(&storage, changes, 8).await;
    let left = storage.read_model.list(query(vec![])).await.unwrap();
    assert_eq!(numbers(&left), [1, 3, 4, 5, 6, 7]);
    assert_eq!(left[0], row(1, Some("second"), Some(1)));
    assert_eq!(left[1], row(3, Some("back"), None));
}

#[rstest]
#[tokio::test]
async fn many_rows_fit_into_one_commit(#[values(Memory, Sqlite, Postgres)] adapter: Adapter) {
    let storage = storage(adapter).await;
    storage.read_model.prepare(&[&FLIGHTS]).await.unwrap();
    let changes = (1..=1_000).map(|n| Upsert(&FLIGHTS, row(n, Some("many"), Some(n as i64))));
    commit(&storage, changes.collect(), 1_000).await;
    assert_eq!(
        storage.read_model.count(&FLIGHTS, vec![]).await.unwrap(),
        1_000
    );
    let deletes = (1..=999).map(|n| Delete(&FLIGHTS, Uuid::from_u128(n)));
    commit(&storage, deletes.collect(), 1_001).await;
    assert_eq!(storage.read_model.count(&FLIGHTS, vec![]).await.unwrap(), 1);
}

#[rstest]
#[tokio::test]
async fn one_holder_advances_a_lane(#[values(Memory, Sqlite, Postgres)] adapter: Adapter) {
    let storage = filled(adapter).await;
    let model = &storage.read_model;
    let mut lane = model.lock_lane("flights").await.unwrap().unwrap();
    assert_eq!(lane.checkpoint(), at(7));
    assert!(
        model.lock_lane("flights").await.unwrap().is_none(),
        "somebody holds it"
    );
    assert!(
        model.lock_lane("other").await.unwrap().is_some(),
        "another lane is free"
    );
    let ids = [Uuid::from_u128(1), Uuid::from_u128(99)];
    let known = lane.rows(&FLIGHTS, &ids).await.unwrap();
    assert_eq!(known, [row(1, Some("ELY1747"), Some(100))]);
    let changes = vec![Delete(&FLIGHTS, Uuid::from_u128(1))];
    lane.commit(changes, at(9)).await.unwrap();
    assert_eq!(model.checkpoint("flights").await.unwrap(), at(9));
    assert!(
        model.lock_lane("flights").await.unwrap().is_some(),
        "committed and free"
    );
}

#[rstest]
#[tokio::test]
async fn a_dropped_or_failed_lane_changes_nothing(
    #[values(Memory, Sqlite, Postgres)] adapter: Adapter,
) {
    let storage = filled(adapter).await;
    let model = &storage.read_model;
    drop(lock(&storage).await);
    let lane = lock(&storage).await;
    let mut broken = row(1, None, None);
    broken.values[0] = Value::Integer(3);
    let changes = vec![
        Delete(&FLIGHTS, Uuid::from_u128(2)),
        Upsert(&FLIGHTS, broken),
    ];
    assert!(lane.commit(changes, at(9)).await.is_err());
    assert_eq!(model.count(&FLIGHTS, vec![]).await.unwrap(), 7);
    // A server frees what a dropped lane held a moment later.
    drop(lock(&storage).await);
    drop(lock(&storage).await);
}

#[rstest]
#[tokio::test]
async fn a_reset_lane_starts_over(#[values(Memory, Sqlite, Postgres)] adapter: Adapter) {
    let storage = filled(adapter).await;
    let epoch = Uuid::from_u128(78);
    let lane = lock(&storage).await;
    lane.reset(&[&FLIGHTS], epoch).await.unwrap();
    let start = Checkpoint { epoch, position: 0 };
    assert_eq!(
        storage.read_model.checkpoint("flights").await.unwrap(),
        start
    );
    assert_eq!(storage.read_model.count(&FLIGHTS, vec![]).await.unwrap(), 0);
}

/// No lock of a file's lanes reaches other processes: whoever is overtaken changes nothing, and is told.
#[tokio::test]
async fn of_two_processes_on_a_file_one_advances_a_lane() {
    let storage = filled(Sqlite).await;
    let other = open(&storage.url).await.unwrap().read_model;
    other.prepare(&[&FLIGHTS, &PILOTS]).await.unwrap();
    let slow = async || other.lock_lane("flights").await.unwrap().unwrap();
    let before = slow().await;
    commit(&storage, vec![Upsert(&FLIGHTS, row(8, None, None))], 8).await;
    let late = before.commit(vec![Delete(&FLIGHTS, Uuid::from_u128(1))], at(9));
    assert!(matches!(late.await, Err(CommitError::Overtaken)));
    let before = slow().await;
    commit(&storage, vec![], 9).await;
    let late = before.reset(&[&FLIGHTS], Uuid::from_u128(78)).await;
    assert!(matches!(late, Err(CommitError::Overtaken)));
    assert_eq!(other.count(&FLIGHTS, vec![]).await.unwrap(), 8);
    let now = slow().await;
    assert_eq!(now.checkpoint(), at(9));
    now.commit(vec![], at(10)).await.unwrap();
}

#[rstest]
#[tokio::test]
async fn a_lane_that_never_ran_stands_at_the_start(
    #[values(Memory, Sqlite, Postgres)] adapter: Adapter,
) {
    let storage = storage(adapter).await;
    let start = Checkpoint {
        epoch: Uuid::nil(),
        position: 0,
    };
    assert_eq!(storage.read_model.checkpoint("new").await.unwrap(), start);
    let lane = storage.read_model.lock_lane("new").await.unwrap().unwrap();
    assert_eq!(lane.checkpoint(), start);
    lane.commit(vec![], at(3)).await.unwrap();
    assert_eq!(storage.read_model.checkpoint("new").await.unwrap(), at(3));
}

#[rstest]
#[tokio::test]
async fn preparing_again_keeps_rows(#[values(Memory, Sqlite, Postgres)] adapter: Adapter) {
    let storage = filled(adapter).await;
    let model = &storage.read_model;
    model.prepare(&[&FLIGHTS, &PILOTS]).await.unwrap();
    model.keep().await.unwrap();
    assert_eq!(model.count(&FLIGHTS, vec![]).await.unwrap(), 7);
    assert_eq!(model.checkpoint("flights").await.unwrap(), at(7));
}

#[rstest]
#[tokio::test]
async fn what_is_not_there_is_an_error(#[values(Memory, Sqlite, Postgres)] adapter: Adapter) {
    let storage = filled(adapter).await;
    let model = &storage.read_model;
    let no_column = query(vec![Filter::Equals("nothing", Value::Null)]);
    assert!(model.list(no_column).await.is_err());
    let wrong_kind = query(vec![Filter::Equals("order", Value::Integer(1))]);
    assert!(model.list(wrong_kind).await.is_err());
    let no_order = Query {
        order_by: "nothing",
        ..query(vec![])
    };
    assert!(model.list(no_order).await.is_err());
}
