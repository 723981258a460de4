//! The feed's message for an event: what happened, in JSON, with nothing personal in the clear.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde::Serialize;
use uuid::Uuid;

use crate::ports::event_bus::FeedMessage;
use crate::ports::event_store::RecordedEvent;

/// Tells the aggregate and the name of a persisted type id: `("Pirep", "PirepSubmitted")`.
pub type EventNames = fn(i16) -> Option<(&'static str, &'static str)>;

/// The body of a message. `payload` is the persisted protobuf message, its personal fields encrypted.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Envelope<'event> {
    epoch: Uuid,
    position: i64,
    stream_id: Uuid,
    version: i32,
    r#type: &'event str,
    schema: i16,
    event_id: Uuid,
    #[serde(skip_serializing_if = "Option::is_none")]
    causation_id: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    correlation_id: Option<Uuid>,
    recorded_at: Timestamp,
    actor: &'event str,
    /// Base64, standard alphabet.
    payload: String,
}

/// Consumers deduplicate by the id, `epoch:position`; another epoch says that the log was restored.
pub fn message(epoch: Uuid, event: &RecordedEvent, names: EventNames) -> FeedMessage {
    let unknown = format!("Unknown{}", event.kind);
    // A newer release may have written it: passed on under its number rather than held back.
    let (aggregate, name) = names(event.kind).unwrap_or(("Unknown", &unknown));
    let envelope = Envelope {
        epoch,
        position: event.position,
        stream_id: event.stream_id,
        version: event.version,
        r#type: name,
        schema: event.schema,
        event_id: event.event_id,
        causation_id: event.causation_id,
        correlation_id: event.correlation_id,
        recorded_at: event.recorded_at,
        actor: &event.actor,
        payload: STANDARD.encode(&event.payload),
    };
    FeedMessage {
        id: format!("{epoch}:{}", event.position),
        routing_key: routing_key(aggregate, name),
        content_type: "application/json",
        body: serde_json::json!(envelope).to_string().into(),
    }
}

/// `("Pirep", "PirepSubmitted")` is `pirep.submitted`, `("User", "ApiKeyIssued")` is `user.api-key-issued`.
fn routing_key(aggregate: &str, name: &str) -> String {
    let event = name
        .strip_prefix(aggregate)
        .filter(|event| !event.is_empty())
        .unwrap_or(name);
    format!("{}.{}", kebab_case(aggregate), kebab_case(event))
}

fn kebab_case(name: &str) -> String {
    let mut words = String::with_capacity(name.len() + 4);
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !words.is_empty() {
            words.push('-');
        }
        words.push(letter.to_ascii_lowercase());
    }
    words
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::{Value, json};
    use uuid::Uuid;

    use super::{message, routing_key};
    use crate::ports::event_store::RecordedEvent;

    fn recorded(kind: i16) -> RecordedEvent {
        RecordedEvent {
            position: 12,
            stream_id: Uuid::from_u128(2),
            version: 3,
            kind,
            schema: 1,
            event_id: Uuid::from_u128(4),
            command_id: Uuid::from_u128(5),
            causation_id: None,
            correlation_id: None,
            actor: "user:6".to_owned(),
            recorded_at: "2026-11-23T10:00:00.000001Z".parse().unwrap(),
            payload: vec![0xff, 0x00],
        }
    }

    #[test]
    fn a_message_says_what_happened_where_and_when() {
        let message = message(Uuid::from_u128(1), &recorded(7), |kind| {
            (kind == 7).then_some(("Pirep", "PirepSubmitted"))
        });
        assert_eq!(message.id, "00000000-0000-0000-0000-000000000001:12");
        assert_eq!(message.routing_key, "pirep.submitted");
        let body: Value = serde_json::from_slice(&message.body).unwrap();
        assert_eq!(
            body,
            json!({
                "epoch": "00000000-0000-0000-0000-000000000001",
                "position": 12,
                "streamId": "00000000-0000-0000-0000-000000000002",
                "version": 3,
                "type": "PirepSubmitted",
                "schema": 1,
                "eventId": "00000000-0000-0000-0000-000000000004",
                "recordedAt": "2026-11-23T10:00:00.000001Z",
                "actor": "user:6",
                "payload": "/wA=",
            })
        );
    }

    #[test]
    fn an_event_of_a_newer_release_is_passed_on_under_its_number() {
        let message = message(Uuid::from_u128(1), &recorded(99), |_| None);
        assert_eq!(message.routing_key, "unknown.99");
    }

    #[rstest]
    #[case("Pirep", "PirepPrefiled", "pirep.prefiled")]
    #[case("User", "ApiKeyIssued", "user.api-key-issued")]
    #[case("Pirep", "Commented", "pirep.commented")]
    #[case("Tenant", "Tenant", "tenant.tenant")]
    fn the_routing_key_does_not_say_the_aggregate_twice(
        #[case] aggregate: &str,
        #[case] name: &str,
        #[case] key: &str,
    ) {
        assert_eq!(routing_key(aggregate, name), key);
    }
}
