//! The stored format: golden bytes, round trips, erasure, hostile payloads.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use albatross::codec::{
    DataKey, DecodeError, Decoded, EncodeError, Encoded, KEY_LENGTH, KeyRing, TenantKey, decode,
    encode, open_log_line, seal_log_line,
};
use albatross::domain::actor::RecordedActor;
use albatross::domain::catalogue::CustomFields;
use albatross::domain::event::DomainEvent;
use albatross::domain::ids::UserId;
use albatross::domain::personal::Personal;
use albatross::domain::pirep::{Edit, PirepEvent};
use albatross::domain::user::UserEvent;
use albatross_proto::v1::{EventKind, PirepEdited, Sealed};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::select;
use prost::Message;
use uuid::Uuid;

use crate::drawn;
use crate::samples::{SUBJECT, samples};

const GOLDEN: &str = include_str!("golden.txt");
const DATA_KEY: [u8; KEY_LENGTH] = [0xDA; KEY_LENGTH];
const TENANT_KEY: [u8; KEY_LENGTH] = [0x7E; KEY_LENGTH];

fn ring() -> KeyRing {
    let mut ring = KeyRing::default();
    ring.insert(SUBJECT, Arc::new(DataKey::new(&DATA_KEY)));
    ring
}

fn event_id(name: &str) -> Uuid {
    Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    let digits = text.as_bytes().chunks(2);
    digits
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

fn stored(name: &str, event: &DomainEvent) -> Encoded {
    encode(event, event_id(name), Some(SUBJECT), &ring()).unwrap()
}

fn read(name: &str, stored: &Encoded, keys: &KeyRing) -> Result<Decoded, DecodeError> {
    let Encoded {
        kind,
        schema,
        payload,
    } = stored;
    decode(*kind, *schema, event_id(name), payload, keys)
}

/// The corpus: `name kind schema payload`. Lines are never changed or removed.
fn golden() -> BTreeMap<&'static str, Encoded> {
    corpus(GOLDEN)
}

fn corpus(text: &str) -> BTreeMap<&str, Encoded> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let columns: Vec<&str> = line.split(' ').collect();
            let [name, kind, schema, payload] = columns[..] else {
                panic!("not a golden line: {line}");
            };
            let stored = Encoded {
                kind: kind.parse().unwrap(),
                schema: schema.parse().unwrap(),
                payload: unhex(payload.trim_matches('-')),
            };
            (name, stored)
        })
        .collect()
}

#[test]
fn every_golden_event_still_reads_as_what_was_written() {
    let golden = golden();
    let samples: BTreeMap<&str, DomainEvent> = samples().into_iter().collect();
    let names: BTreeSet<&&str> = golden.keys().collect();
    assert_eq!(names, samples.keys().collect::<BTreeSet<_>>());
    for (name, stored) in golden {
        let decoded = read(name, &stored, &ring()).unwrap();
        assert_eq!(decoded.event, samples[name], "{name}");
        assert!(decoded.missing.is_empty(), "{name}");
    }
}

/// During a rolling update both run beside each other. `tests/previous-release` runs this in the release before, with the
/// corpus of the tree that is to follow it.
#[test]
fn what_the_next_release_writes_is_read() {
    #[allow(clippy::disallowed_methods, reason = "a test is configured by it")]
    let next = std::env::var("ALBATROSS_NEXT_GOLDEN");
    let next = next.map_or_else(
        |_| GOLDEN.to_owned(),
        |path| std::fs::read_to_string(path).unwrap(),
    );
    for (name, stored) in corpus(&next) {
        let read = read(name, &stored, &ring());
        assert!(read.is_ok(), "{name}: {}", read.unwrap_err());
    }
}

#[test]
fn every_event_is_still_written_as_its_golden_bytes() {
    let golden = golden();
    let mut changed = Vec::new();
    for (name, event) in samples() {
        let now = stored(name, &event);
        let released = golden.get(name);
        // What an earlier schema wrote is read for ever, and written no more.
        if released.is_some_and(|released| released.schema < now.schema) {
            continue;
        }
        if released != Some(&now) {
            let Encoded {
                kind,
                schema,
                payload,
            } = now;
            changed.push(format!(
                "{name} {kind} {schema} {}",
                if payload.is_empty() {
                    "-".into()
                } else {
                    hex(&payload)
                }
            ));
        }
    }
    assert!(
        changed.is_empty(),
        "new lines for golden.txt, or a stored format that must not change:\n{}",
        changed.join("\n")
    );
}

#[test]
fn the_corpus_holds_every_version_of_every_kind_of_event() {
    let golden = golden();
    let covered: BTreeSet<(i16, i16)> = golden
        .values()
        .map(|stored| (stored.kind, stored.schema))
        .collect();
    let current: BTreeMap<i16, i16> = samples()
        .iter()
        .map(|(name, event)| stored(name, event))
        .map(|stored| (stored.kind, stored.schema))
        .collect();
    let known = (1..=i16::MAX).filter(|kind| EventKind::try_from(i32::from(*kind)).is_ok());
    let versions = known.flat_map(|kind| (1..=current[&kind]).map(move |schema| (kind, schema)));
    assert_eq!(covered, versions.collect());
}

#[test]
fn without_the_key_every_text_is_erased_and_nothing_fails() {
    for (name, event) in samples() {
        let with_key = stored(name, &event);
        let decoded = read(name, &with_key, &KeyRing::default()).unwrap();
        let known = format!("{event:?}").contains("Known(");
        assert_eq!(decoded.missing.contains(&SUBJECT), known, "{name}");
        assert!(!format!("{:?}", decoded.event).contains("Known("), "{name}");
    }
}

#[test]
fn personal_texts_are_not_in_the_stored_bytes() {
    let words = [
        "ada@",
        "Ada",
        "SKY1",
        "laptop",
        "Smooth",
        "runway",
        "Runway",
        "flown",
        "hard",
        "sensor",
        "crashed",
        "Roma",
        "airline-clients",
    ];
    for (name, event) in samples() {
        let text = String::from_utf8_lossy(&stored(name, &event).payload).into_owned();
        for word in words {
            assert!(!text.contains(word), "{name} shows {word}");
        }
    }
}

#[test]
fn nothing_can_be_written_about_somebody_without_a_key() {
    let event: DomainEvent = UserEvent::Suspended {
        reason: "late".into(),
    }
    .into();
    let none = KeyRing::default();
    assert_eq!(
        encode(&event, event_id("x"), Some(SUBJECT), &none),
        Err(EncodeError::MissingKey(SUBJECT))
    );
    assert_eq!(
        encode(&event, event_id("x"), None, &ring()),
        Err(EncodeError::NoSubject)
    );
    let impersonal: DomainEvent = UserEvent::Reinstated.into();
    assert!(encode(&impersonal, event_id("x"), Some(SUBJECT), &none).is_ok());
}

#[test]
fn a_text_moved_to_another_event_does_not_open() {
    let event: DomainEvent = UserEvent::Suspended {
        reason: "late".into(),
    }
    .into();
    let moved = read("there", &stored("here", &event), &ring());
    assert_eq!(moved, Err(DecodeError::Tampered("reason")));
}

#[test]
fn a_text_moved_to_another_field_does_not_open() {
    let event: DomainEvent = UserEvent::Suspended {
        reason: "late".into(),
    }
    .into();
    let mut moved = stored("here", &event);
    // The messages of a suspension's reason and a comment's text have the same shape.
    moved.kind = EventKind::PirepCommented as i16;
    assert_eq!(
        read("here", &moved, &ring()),
        Err(DecodeError::Tampered("comment"))
    );
}

#[test]
fn any_flipped_bit_of_a_sealed_text_is_noticed_or_changes_nothing_personal() {
    let event: DomainEvent = UserEvent::Suspended {
        reason: "late".into(),
    }
    .into();
    let good = stored("here", &event);
    for bit in 0..good.payload.len() * 8 {
        let mut bad = good.clone();
        bad.payload[bit / 8] ^= 1 << (bit % 8);
        if let Ok(decoded) = read("here", &bad, &ring()) {
            assert!(
                !format!("{:?}", decoded.event).contains("Known"),
                "bit {bit} went unnoticed"
            );
        }
    }
}

#[test]
fn equal_texts_look_different_in_different_events() {
    let event: DomainEvent = UserEvent::Suspended {
        reason: "late".into(),
    }
    .into();
    assert_ne!(stored("a", &event).payload, stored("b", &event).payload);
    assert_eq!(stored("a", &event).payload, stored("a", &event).payload);
}

#[test]
fn a_wrapped_key_opens_only_with_its_tenant_for_its_subject() {
    let tenant = TenantKey::new(&TENANT_KEY);
    let wrapped = tenant.wrap(SUBJECT, &DATA_KEY).unwrap();
    assert_eq!(wrapped.len(), 1 + 12 + 32 + 16);

    let mut unwrapped = KeyRing::default();
    let key = tenant.unwrap(SUBJECT, &wrapped).unwrap();
    unwrapped.insert(SUBJECT, Arc::new(key));
    let text: DomainEvent = PirepEvent::Asked {
        question: "Which runway?".into(),
    }
    .into();
    let decoded = read("x", &stored("x", &text), &unwrapped).unwrap();
    assert_eq!(decoded.event, text);

    let other = UserId(Uuid::from_u128(9));
    let foreign = TenantKey::new(&[1; KEY_LENGTH]);
    assert!(tenant.unwrap(other, &wrapped).is_err());
    assert!(foreign.unwrap(SUBJECT, &wrapped).is_err());
    for length in 0..wrapped.len() {
        assert!(tenant.unwrap(SUBJECT, &wrapped[..length]).is_err());
    }
    for byte in 0..wrapped.len() {
        let mut changed = wrapped.clone();
        changed[byte] ^= 1;
        assert!(tenant.unwrap(SUBJECT, &changed).is_err());
    }
}

#[test]
fn a_wrapped_key_of_the_first_release_still_opens() {
    let golden = concat!(
        "01669beb612e1534208ee517a40e6329bd6aabd9b9abf6e9e1d0cc9bd7",
        "3812678669c9523908f40d1eadfe6af9a133cb3016fc2c28559aa24f26b7cb1b",
    );
    let tenant = TenantKey::new(&TENANT_KEY);
    assert_eq!(hex(&tenant.wrap(SUBJECT, &DATA_KEY).unwrap()), golden);
    assert!(tenant.unwrap(SUBJECT, &unhex(golden)).is_ok());
}

#[test]
fn unknown_types_and_versions_are_errors() {
    for kind in [
        0,
        -1,
        1,
        99,
        199,
        214,
        399,
        499,
        599,
        699,
        701,
        i16::MIN,
        i16::MAX,
    ] {
        let unknown = decode(kind, 1, event_id("x"), &[], &ring());
        assert_eq!(unknown, Err(DecodeError::UnknownKind(kind)));
    }
    for schema in [0, -1, 2, i16::MAX] {
        let unknown = decode(206, schema, event_id("x"), &[], &ring());
        assert_eq!(
            unknown,
            Err(DecodeError::UnknownSchema { kind: 206, schema })
        );
    }
}

#[test]
fn debug_output_shows_no_key() {
    let shown = format!("{:?} {:?}", ring(), TenantKey::new(&TENANT_KEY));
    assert!(!shown.contains("218") && !shown.contains("126"), "{shown}");
}

fn kind() -> impl Strategy<Value = i16> {
    let kinds: Vec<i16> = golden().values().map(|stored| stored.kind).collect();
    prop_oneof![9 => select(kinds), 1 => any::<i16>()]
}

/// Reading must return, whatever it says.
fn survives(kind: i16, payload: &[u8]) {
    let read = decode(kind, 1, event_id("x"), payload, &ring());
    std::hint::black_box(read.is_ok());
}

proptest! {
    #[test]
    fn what_is_written_is_what_is_read_of_every_kind(events in drawn::each()) {
        for (kind, event) in drawn::kinds().zip(&events) {
            let stored = stored("any", event);
            prop_assert_eq!(stored.kind, kind as i16);
            let decoded = read("any", &stored, &ring()).unwrap();
            prop_assert_eq!(&decoded.event, event);
            prop_assert!(decoded.missing.is_empty());
        }
    }

    #[test]
    fn random_bytes_are_survived(kind in kind(), payload in vec(any::<u8>(), 0..300)) {
        survives(kind, &payload);
    }

    #[test]
    fn a_released_event_cut_or_mangled_is_survived(
        name in select(golden().into_keys().collect::<Vec<_>>()),
        schema in prop_oneof![Just(1), any::<i16>()],
        cut in any::<prop::sample::Index>(),
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
    ) {
        let mut stored = golden().remove(name).unwrap();
        stored.schema = schema;
        let length = stored.payload.len();
        for (at, byte) in changes.iter().filter(|_| length > 0) {
            stored.payload[at.index(length)] = *byte;
        }
        std::hint::black_box(read(name, &stored, &ring()).is_ok());
        stored.payload.truncate(cut.index(length + 1));
        std::hint::black_box(read(name, &stored, &ring()).is_ok());
    }

    #[test]
    fn hostile_wrapped_keys_and_actors_are_survived(
        wrapped in vec(any::<u8>(), 0..80),
        actor in prop_oneof![any::<String>(), "(user|system):[0-9a-f-]{0,40}(/key:)?.{0,14}"],
    ) {
        prop_assert!(TenantKey::new(&TENANT_KEY).unwrap(SUBJECT, &wrapped).is_err());
        std::hint::black_box(RecordedActor::parse(&actor).kind());
    }

    #[test]
    fn truncated_and_mangled_events_are_survived(
        event in drawn::event(),
        kind in kind(),
        cut in any::<prop::sample::Index>(),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let mut payload = stored("x", &event).payload;
        survives(kind, &payload);
        payload.truncate(cut.index(payload.len() + 1));
        survives(kind, &payload);
        if !payload.is_empty() {
            let at = at.index(payload.len());
            payload[at] = byte;
        }
        survives(kind, &payload);
    }
}

/// A text of this field sealed as an event's is, whatever its bytes are.
fn sealed(event: &str, field: &str, text: &[u8]) -> Sealed {
    let subject = SUBJECT.0.as_bytes().as_slice();
    let aad = [
        b"albatross sealed text v1".as_slice(),
        event_id(event).as_bytes().as_slice(),
        subject,
        field.as_bytes(),
    ]
    .concat();
    let (nonce, ciphertext) = DataKey::new(&DATA_KEY).seal(&aad, text).unwrap();
    Sealed {
        subject: subject.to_vec(),
        nonce: nonce.to_vec(),
        ciphertext,
    }
}

proptest! {
    /// Behind the seal the bytes are read once more.
    #[test]
    fn whatever_was_sealed_is_survived(
        text in prop_oneof![
            vec(any::<u8>(), 0..60),
            "\\{(\"[a-z]{1,3}\":(\"[a-z]{0,3}\"|[0-9]{1,3}|null|\\{\\}),?){0,3}\\}".prop_map(String::into_bytes),
            btree_map(any::<String>(), any::<String>(), 0..3).prop_map(|it| serde_json::to_vec(&it).unwrap()),
        ],
    ) {
        let payload = PirepEdited {
            custom_fields: Some(sealed("x", "custom_fields", &text)),
            remarks: Some(sealed("x", "remarks", b"all right")),
            ..PirepEdited::default()
        };
        let kind = EventKind::PirepEdited as i16;
        let read = decode(kind, 1, event_id("x"), &payload.encode_to_vec(), &ring());
        let read = read.map(|decoded| decoded.event);
        let fields = serde_json::from_slice::<CustomFields>(&text);
        prop_assert_eq!(read, match fields {
            Ok(fields) => Ok(PirepEvent::Edited(Edit {
                remarks: Some("all right".into()),
                custom_fields: Some(fields.into()),
                ..Edit::default()
            }).into()),
            Err(_) => Err(DecodeError::Invalid("custom_fields")),
        });
    }
}

const FLIGHT: Uuid = Uuid::from_u128(0xF11);

fn open(sealed: &[u8], keys: &KeyRing) -> Result<Personal<String>, DecodeError> {
    open_log_line(FLIGHT, 3, SUBJECT, sealed, keys)
}

#[test]
fn a_line_of_a_log_opens_where_it_was_written_and_nowhere_else() {
    let sealed = seal_log_line(FLIGHT, 3, SUBJECT, "Flaps 5", &ring()).unwrap();
    assert_eq!(open(&sealed, &ring()).unwrap(), Personal::from("Flaps 5"));
    let mut same_key = ring();
    let pilot = UserId(Uuid::from_u128(9));
    same_key.insert(pilot, Arc::new(DataKey::new(&DATA_KEY)));
    for (flight, sequence, of) in [
        (FLIGHT, 4, SUBJECT),
        (Uuid::from_u128(2), 3, SUBJECT),
        (FLIGHT, 3, pilot),
    ] {
        let moved = open_log_line(flight, sequence, of, &sealed, &same_key);
        assert!(matches!(moved, Err(DecodeError::Tampered(_))), "{moved:?}");
    }
}

#[test]
fn a_line_of_a_log_of_the_first_release_still_opens() {
    let golden = "014519d3618b13fde929a9693197632002365bce42957fb1fa5374e8063f6f50965c4dca";
    let sealed = seal_log_line(FLIGHT, 3, SUBJECT, "Flaps 5", &ring()).unwrap();
    assert_eq!(hex(&sealed), golden);
}

proptest! {
    #[test]
    fn a_line_of_a_log_opens_with_its_key_and_as_it_was_sealed_only(
        text in any::<String>(),
        at in any::<prop::sample::Index>(),
        change in 1..=u8::MAX,
        other in any::<[u8; KEY_LENGTH]>(),
    ) {
        let sealed = seal_log_line(FLIGHT, 3, SUBJECT, &text, &ring()).unwrap();
        prop_assert_eq!(open(&sealed, &ring()), Ok(Personal::Known(text)));
        prop_assert_eq!(open(&sealed, &KeyRing::default()), Ok(Personal::Erased));

        let refused = Err(DecodeError::Tampered("log line"));
        let mut foreign = KeyRing::default();
        foreign.insert(SUBJECT, Arc::new(DataKey::new(&other)));
        prop_assert_eq!(open(&sealed, &foreign), refused.clone());
        let at = at.index(sealed.len());
        let mut changed = sealed.clone();
        changed[at] ^= change;
        prop_assert_eq!(open(&changed, &ring()), refused.clone());
        prop_assert_eq!(open(&sealed[..at], &ring()), refused);
    }

    #[test]
    fn whatever_is_said_to_be_a_line_of_a_log_is_refused(
        version in prop_oneof![Just(1), any::<u8>()],
        rest in vec(any::<u8>(), 0..80),
    ) {
        let refused = Err(DecodeError::Tampered("log line"));
        prop_assert_eq!(open(&[vec![version], rest].concat(), &ring()), refused.clone());
        prop_assert_eq!(open(&[], &ring()), refused);
    }
}

/// Sealed by whoever has the key, and no text.
#[test]
fn a_line_of_a_log_that_is_no_text_is_an_error() {
    let aad = [
        b"albatross log line v1".as_slice(),
        FLIGHT.as_bytes().as_slice(),
        &3_i32.to_be_bytes(),
        SUBJECT.0.as_bytes(),
    ]
    .concat();
    let (nonce, ciphertext) = DataKey::new(&DATA_KEY).seal(&aad, &[0xFF]).unwrap();
    let sealed = [&[1], nonce.as_slice(), &ciphertext].concat();
    assert_eq!(
        open(&sealed, &ring()),
        Err(DecodeError::Invalid("log line"))
    );
}
