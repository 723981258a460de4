//! A stored event of any type and schema: decoded or refused, with its subject's key and without.
#![no_main]

use std::sync::{Arc, LazyLock};

use albatross::codec::{DataKey, KEY_LENGTH, KeyRing, decode};
use albatross::domain::ids::UserId;
use albatross_proto::v1::{EventKind, Sealed};
use libfuzzer_sys::fuzz_target;
use prost::Message;
use uuid::Uuid;

const EVENT: Uuid = Uuid::nil();
const SUBJECT: UserId = UserId(Uuid::nil());
const KEY: [u8; KEY_LENGTH] = [7; KEY_LENGTH];
/// What texts are sealed as.
const FIELDS: [&str; 10] = [
    "answer",
    "callsign",
    "comment",
    "custom_fields",
    "display_name",
    "email",
    "name",
    "question",
    "reason",
    "remarks",
];

/// What is of none is refused before its payload is looked at.
static KINDS: LazyLock<Vec<i16>> = LazyLock::new(|| {
    let is_known = |kind: &i16| EventKind::try_from(i32::from(*kind)).is_ok();
    (1..=i16::MAX).filter(is_known).collect()
});
static RING: LazyLock<KeyRing> = LazyLock::new(|| {
    let mut ring = KeyRing::default();
    ring.insert(SUBJECT, Arc::new(DataKey::new(&KEY)));
    ring
});

// Nobody thinks of what a key opens: behind the payload comes a field with a text that is sealed as an event's is.
fuzz_target!(|input: (u8, u8, &[u8], Option<(u8, u8, &[u8])>)| {
    let (kind, schema, payload, text) = input;
    let kind = KINDS[usize::from(kind) % KINDS.len()];
    let mut payload = payload.to_vec();
    if let Some((tag, field, text)) = text {
        let sealed = sealed(FIELDS[usize::from(field) % FIELDS.len()], text).encode_to_vec();
        // As protobuf writes a message with one of the first fields' tags.
        payload.push((tag % 8 + 1) << 3 | 2);
        prost::encode_length_delimiter(sealed.len(), &mut payload).unwrap();
        payload.extend(sealed);
    }
    for keys in [&KeyRing::default(), &*RING] {
        let _ = decode(kind, schema.into(), EVENT, &payload, keys);
    }
});

/// Bound to event, subject and field, as `runtime/src/codec/sealing.rs` says.
fn sealed(field: &str, text: &[u8]) -> Sealed {
    let (event, subject) = (EVENT.as_bytes().as_slice(), SUBJECT.0.as_bytes().as_slice());
    let label = b"albatross sealed text v1".as_slice();
    let aad = [label, event, subject, field.as_bytes()].concat();
    let (nonce, ciphertext) = DataKey::new(&KEY).seal(&aad, text).unwrap();
    Sealed {
        subject: subject.to_vec(),
        nonce: nonce.to_vec(),
        ciphertext,
    }
}
