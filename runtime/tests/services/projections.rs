//! Projections: the same rows however the log is delivered, and what happens when it cannot be read.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use albatross::adapters::memory::{self, MemoryReadModel};
use albatross::application::error::ServiceError;
use albatross::application::events::EventReader;
use albatross::application::pireps::{Accept, Reject, Submit};
use albatross::application::projections::{Projections, tables};
use albatross::application::subject_keys::SubjectKeys;
use albatross::application::write::WriteOptions;
use albatross::codec::TenantKey;
use albatross::domain::pirep::Credit;
use albatross::domain::roles::Role;
use albatross::ports::event_store::EventStore;
use albatross::ports::read_model::{Query, ReadModel, Row};
use proptest::prelude::*;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::faulty_log::FaultyLog;
use crate::stage::*;

/// Something that happens to one of a few flights of one of a few people.
type Step = (usize, usize);

async fn rows(read_model: &dyn ReadModel) -> Vec<(&'static str, Row)> {
    let mut all = Vec::new();
    for table in tables::ALL {
        let query = Query {
            table,
            filters: Vec::new(),
            order_by: "id",
            descending: false,
            after: None,
            limit: 10_000,
        };
        let rows = read_model.list(query).await.unwrap();
        all.extend(rows.into_iter().map(|row| (table.name, row)));
    }
    all
}

/// Projects a whole log into a read model of its own.
async fn rebuilt(
    stage: &Stage,
    events: Arc<dyn EventStore>,
    batch: usize,
) -> Vec<(&'static str, Row)> {
    let read_model = Arc::new(MemoryReadModel::new());
    let keys = SubjectKeys::new(
        events.clone(),
        TenantKey::new(&[9; 32]),
        stage.clock.clone(),
    );
    let reader = EventReader::new(Arc::new(keys));
    let projections = Projections::new(events, reader, read_model.clone(), Arc::new(Randomness));
    let projections = projections.with_batch(batch);
    projections.prepare().await.unwrap();
    projections.catch_up().await.unwrap();
    rows(&*read_model).await
}

/// Lives through the steps; what the rules refuse does not happen.
async fn live(stage: &Stage, steps: &[Step]) {
    let bob = stage.pilot("Bob").await;
    let eve = stage.pilot("Eve").await;
    let rita = stage.person("Rita", &[Role::Reviewer]).await;
    let pilots = [&bob, &eve];
    let mut flights = Vec::new();
    for pilot in pilots {
        for _ in 0..2 {
            flights.push((pilot, stage.prefiled(pilot).await.entity.id));
        }
    }
    let pireps = &stage.airline.pireps;
    for (action, flight) in steps {
        let (pilot, id) = flights[flight % flights.len()];
        let options = WriteOptions::default;
        let version = async || {
            stage.airline.catch_up().await.unwrap();
            pireps.get(pilot, id).await.unwrap().version
        };
        let done = match action % 7 {
            0 => pireps.pause(pilot, id, options()).await,
            1 => pireps.resume(pilot, id, options()).await,
            2 => pireps.submit(pilot, id, Submit::default(), options()).await,
            3 => {
                pireps
                    .cancel(pilot, id, Some("weather".to_owned()), options())
                    .await
            }
            4 => pireps.restore(pilot, id, options()).await,
            5 => {
                let accept = Accept {
                    credit: Credit::Full,
                    comment: None,
                };
                pireps
                    .accept(&rita, id, accept, seen(version().await))
                    .await
            }
            _ => {
                let reject = Reject {
                    reason: "no".to_owned(),
                    credit: Credit::None,
                };
                pireps
                    .reject(&rita, id, reject, seen(version().await))
                    .await
            }
        };
        assert!(
            matches!(done, Ok(_) | Err(ServiceError::Refused(_))),
            "{done:?}"
        );
    }
    stage.airline.catch_up().await.unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn live_is_any_batch_split_is_duplicated_delivery(
        steps in prop::collection::vec((0_usize..7, 0_usize..4), 0..40),
        batch in 1_usize..20,
        again in 0_i64..5,
    ) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let stage = Stage::new().await;
            live(&stage, &steps).await;
            let expected = rows(&*stage.stores.read_model).await;
            let log = stage.stores.events.clone();
            assert_eq!(rebuilt(&stage, log.clone(), 5_000).await, expected);
            assert_eq!(rebuilt(&stage, log.clone(), batch).await, expected);
            let twice = FaultyLog::new(log);
            twice.again.store(again, Ordering::Relaxed);
            assert_eq!(rebuilt(&stage, twice, batch).await, expected);
        });
    }
}

async fn faulty_stage() -> (Stage, Arc<FaultyLog>) {
    let stores = memory::open();
    let log = FaultyLog::new(stores.events.clone());
    (Stage::over(stores, log.clone()).await, log)
}

#[tokio::test]
async fn an_event_that_cannot_be_read_stops_its_lane_and_no_other() {
    let (stage, log) = faulty_stage().await;
    let bob = stage.pilot("Bob").await;
    let before = stage.prefiled(&bob).await.entity.id;
    let poisoned = log.inner.head().await.unwrap().position + 1;
    log.poisoned.store(poisoned, Ordering::Relaxed);
    let pireps = &stage.airline.pireps;
    let after = pireps
        .create(&bob, flight("SKY2"), WriteOptions::default())
        .await
        .unwrap();
    assert_eq!(after.position, poisoned);
    let stopped = stage.airline.catch_up().await;
    assert!(
        matches!(stopped, Err(ServiceError::Corrupt(_))),
        "{stopped:?}"
    );
    let lanes = stage.airline.lanes().await.unwrap();
    let stopped: Vec<_> = lanes
        .iter()
        .map(|lane| (lane.lane, lane.stopped_at, lane.behind))
        .collect();
    let expected = [("people", None, 0), ("flights", Some(poisoned - 1), 1)];
    assert_eq!(stopped, expected);
    // The old rows are still served, and writing goes on.
    assert!(pireps.get(&bob, before).await.is_ok());
    pireps
        .pause(&bob, before, WriteOptions::default())
        .await
        .unwrap();
    log.poisoned.store(0, Ordering::Relaxed);
    stage.airline.catch_up().await.unwrap();
    assert!(pireps.get(&bob, after.entity.id).await.is_ok());
    let lanes = stage.airline.lanes().await.unwrap();
    assert!(
        lanes
            .iter()
            .all(|lane| lane.stopped_at.is_none() && lane.behind == 0)
    );
}

#[tokio::test]
async fn a_restored_log_is_projected_from_its_start() {
    let (stage, log) = faulty_stage().await;
    let bob = stage.pilot("Bob").await;
    stage.prefiled(&bob).await;
    let expected = rows(&*stage.stores.read_model).await;
    let restored = Uuid::new_v4();
    *log.epoch.lock().unwrap() = Some(restored);
    stage.airline.catch_up().await.unwrap();
    assert_eq!(rows(&*stage.stores.read_model).await, expected);
    let checkpoint = stage
        .stores
        .read_model
        .checkpoint(tables::FLIGHTS)
        .await
        .unwrap();
    assert_eq!(checkpoint.epoch, restored);
}

#[tokio::test]
async fn a_reader_sees_its_own_write_as_soon_as_it_is_projected() {
    let stage = Stage::new().await;
    let bob = stage.pilot("Bob").await;
    let cancel = CancellationToken::new();
    let airline = stage.airline.clone();
    let following = tokio::spawn({
        let cancel = cancel.clone();
        async move { airline.project(cancel).await }
    });
    for _ in 0..20 {
        let pireps = &stage.airline.pireps;
        let filed = pireps
            .create(&bob, flight("SKY1"), WriteOptions::default())
            .await
            .unwrap();
        stage.airline.wait_for(filed.position).await.unwrap();
        assert_eq!(pireps.get(&bob, filed.entity.id).await.unwrap().version, 1);
    }
    cancel.cancel();
    following.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn waiting_for_what_is_not_projected_ends_after_two_seconds() {
    let stage = Stage::new().await;
    let waited = tokio::time::timeout(Duration::from_secs(3), stage.airline.wait_for(1_000)).await;
    assert!(matches!(waited.unwrap(), Err(ServiceError::NotYetVisible)));
}
