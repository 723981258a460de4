//! A declared key is replaced by another: both open for a while, and the old one expires without being revoked.

use albatross::application::desired::model::KeyState;
use albatross::application::error::ServiceError;
use albatross::ports::clock::Clock;
use albatross_proto::v1::EventKind;
use jiff::SignedDuration;
use secrecy::ExposeSecret;
use serde_json::json;

use crate::desired::{Operator, apply, state};
use crate::stage::*;

#[tokio::test]
async fn a_replaced_key_expires_after_the_overlap_and_its_flight_goes_on() {
    let stage = Stage::new().await;
    let (old, new) = (Operator::new(), Operator::new());
    let auth = &stage.airline.auth;
    apply(&stage, state(1, vec![], vec![old.key(json!({}))])).await;
    let program = old.open(&stage).await.unwrap();
    let flight = stage.prefiled(&program).await.entity.id;
    // The new one is registered before the old one gets an end.
    let both = vec![old.key(json!({})), new.key(json!({}))];
    apply(&stage, state(2, vec![], both)).await;
    let end = stage.clock.now() + SignedDuration::from_hours(2);
    let ending = || old.key(json!({"expiresAt": end.to_string()}));
    let overlap = |number| state(number, vec![], vec![ending(), new.key(json!({}))]);
    apply(&stage, overlap(3)).await;
    assert_eq!(old.open(&stage).await.unwrap(), program);
    assert_eq!(new.open(&stage).await.unwrap().user(), program.user());

    stage.clock.advance(SignedDuration::from_hours(2));
    let report = apply(&stage, overlap(3)).await;
    let states: Vec<KeyState> = report.api_keys.iter().map(|key| key.state).collect();
    assert_eq!(states.len(), 2);
    assert!(states.contains(&KeyState::Expired) && states.contains(&KeyState::Active));
    let closed = old.open(&stage).await;
    assert!(matches!(closed, Err(ServiceError::Unauthenticated)));
    let in_flight = auth.by_key_in_flight(old.key.expose_secret(), flight.0);
    assert_eq!(in_flight.await.unwrap(), program);

    // A day after that nothing is left to take away, and nothing is.
    stage.clock.advance(SignedDuration::from_hours(25));
    let report = apply(&stage, state(4, vec![], vec![new.key(json!({}))])).await;
    assert_eq!(report.api_keys.len(), 1);
    assert_eq!(report.api_keys[0].state, KeyState::Active);
    let recorded = stage.stores.events.read_stream(program.user().0, 0);
    let revoked = EventKind::ApiKeyRevoked as i16;
    let recorded = recorded.await.unwrap();
    assert!(recorded.iter().all(|event| event.kind != revoked));
}

/// What is not declared any more is revoked, with its flight: an end that is declared is another thing.
#[tokio::test]
async fn an_expired_key_that_is_not_declared_any_more_is_revoked_in_flight_too() {
    let stage = Stage::new().await;
    let (old, new) = (Operator::new(), Operator::new());
    apply(&stage, state(1, vec![], vec![old.key(json!({}))])).await;
    let program = old.open(&stage).await.unwrap();
    let flight = stage.prefiled(&program).await.entity.id;
    let ended = old.key(json!({"expiresAt": stage.clock.now().to_string()}));
    let both = vec![ended, new.key(json!({}))];
    apply(&stage, state(2, vec![], both)).await;
    let auth = &stage.airline.auth;
    let text = old.key.expose_secret();
    assert!(auth.by_key_in_flight(text, flight.0).await.is_ok());
    apply(&stage, state(3, vec![], vec![new.key(json!({}))])).await;
    assert!(auth.by_key_in_flight(text, flight.0).await.is_err());
    assert!(new.open(&stage).await.is_ok());
}
