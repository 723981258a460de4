//! Events from a later release: an error that says where and what, and nothing is skipped.

use albatross::application::error::ServiceError;
use albatross::application::write::WriteOptions;
use albatross::ports::event_store::{Append, NewEvent};
use jiff::Timestamp;
use rstest::rstest;
use uuid::Uuid;

use crate::stage::*;

/// What a later release appends to a stream of its own.
fn later(kind: i16, schema: i16) -> Append {
    Append {
        command_id: Uuid::new_v4(),
        stream_id: Uuid::new_v4(),
        expected_version: 0,
        events: vec![NewEvent {
            event_id: Uuid::new_v4(),
            kind,
            schema,
            payload: vec![0xff; 9],
        }],
        causation_id: None,
        correlation_id: None,
        actor: "operator".to_owned(),
        recorded_at: Timestamp::UNIX_EPOCH,
        claims: Vec::new(),
        request: None,
        credentials: Vec::new(),
        subject_keys: Vec::new(),
    }
}

#[rstest]
#[case::unknown_type(399, 1, "event type 399 is not known to this release")]
#[case::unknown_aggregate(999, 1, "event type 999 is not known to this release")]
#[case::future_schema(301, 2, "event type 301 has no schema version 2 in this release")]
#[case::malformed(301, 1, "type 301 in schema version 1: the payload is not the message")]
#[tokio::test]
async fn an_event_of_a_later_release_stops_its_lane_and_is_named(
    #[case] kind: i16,
    #[case] schema: i16,
    #[case] named: &str,
) {
    let stage = Stage::new().await;
    let bob = stage.pilot("Bob").await;
    let before = stage.prefiled(&bob).await.entity.id;
    let later = stage
        .stores
        .events
        .append(later(kind, schema))
        .await
        .unwrap();
    let stopped = stage.airline.catch_up().await.unwrap_err();
    assert!(matches!(stopped, ServiceError::Corrupt(_)), "{stopped:?}");
    let error = stopped.to_string();
    let position = format!("position {}", later.position);
    assert!(
        error.contains(&position) && error.contains(named),
        "{error}"
    );

    // Nothing behind it is projected, nothing before it is lost, and writing goes on.
    let pireps = &stage.airline.pireps;
    let after = pireps.create(&bob, flight("SKY2"), WriteOptions::default());
    let after = after.await.unwrap().entity.id;
    assert!(stage.airline.catch_up().await.is_err());
    assert!(pireps.get(&bob, before).await.is_ok());
    assert!(pireps.get(&bob, after).await.is_err());
    let lanes = stage.airline.lanes().await.unwrap();
    let flights = lanes.iter().find(|lane| lane.lane == "flights");
    assert_eq!(flights.unwrap().position, later.position - 1);
}
