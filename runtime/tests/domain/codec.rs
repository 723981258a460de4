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
use albatross::domain::ids::{BidId, ScheduledFlightId, UserId};
use albatross::domain::personal::Personal;
use albatross::domain::pirep::{
    Credit, Edit, Filing, PirepEvent, Plan, Report, Source, SourceKind,
};
use albatross::domain::roles::{Role, Roles, Scope};
use albatross::domain::user::{ApiKeyGrant, Registration, UserEvent};
use albatross_proto::v1::EventKind;
use jiff::Timestamp;
use proptest::collection::{btree_map, btree_set, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use uuid::Uuid;

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

fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[ -~]{0,40}", any::<String>()]
}

fn personal() -> impl Strategy<Value = Personal<String>> {
    prop_oneof![
        9 => text().prop_map(Personal::Known),
        1 => Just(Personal::Erased),
    ]
}

fn time() -> impl Strategy<Value = Timestamp> {
    let least = Timestamp::MIN.as_microsecond();
    let most = Timestamp::MAX.as_microsecond();
    (least..=most).prop_map(|microseconds| Timestamp::from_microsecond(microseconds).unwrap())
}

fn key_id() -> impl Strategy<Value = albatross::domain::ids::KeyId> {
    "[0-9A-Za-z]{12}".prop_map(|id| albatross::domain::ids::KeyId::parse(&id).unwrap())
}

fn roles() -> impl Strategy<Value = Roles> {
    subsequence(Role::ALL.to_vec(), 0..=4).prop_map(|roles| roles.into_iter().collect())
}

fn plan() -> impl Strategy<Value = Plan> {
    let texts = vec(option::of(text()), 9);
    let times = (option::of(time()), option::of(time()));
    (texts, times, vec(option::of(any::<i32>()), 4)).prop_map(|(texts, times, numbers)| {
        let mut texts = texts.into_iter();
        let mut text = || texts.next().flatten();
        Plan {
            flight_number: text(),
            callsign: text(),
            departure: text(),
            arrival: text(),
            alternate: text(),
            aircraft_type: text(),
            registration: text(),
            network: text(),
            route: text(),
            planned_off_block_at: times.0,
            planned_on_block_at: times.1,
            cruise_level_ft: numbers[0],
            fuel_planned_kg: numbers[1],
            passengers: numbers[2],
            cargo_kg: numbers[3],
        }
    })
}

fn report() -> impl Strategy<Value = Report> {
    let times = vec(option::of(time()), 4);
    let numbers = vec(option::of(any::<i32>()), 7);
    (times, option::of(text()), numbers).prop_map(|(times, actual_arrival, numbers)| Report {
        off_block_at: times[0],
        take_off_at: times[1],
        landing_at: times[2],
        on_block_at: times[3],
        actual_arrival,
        block_time_min: numbers[0],
        flight_time_min: numbers[1],
        distance_centi_nmi: numbers[2],
        fuel_used_kg: numbers[3],
        zero_fuel_weight_kg: numbers[4],
        landing_rate_fpm: numbers[5],
        g_force_milli: numbers[6],
    })
}

fn fields() -> impl Strategy<Value = Option<Personal<CustomFields>>> {
    let known = btree_map(text(), text(), 0..4).prop_map(Personal::Known);
    option::of(prop_oneof![9 => known, 1 => Just(Personal::Erased)])
}

fn filing() -> impl Strategy<Value = Filing> {
    let kind = select(vec![SourceKind::Manual, SourceKind::Acars]);
    let source = (kind, option::of(text()));
    let content = (plan(), report(), option::of(personal()), fields());
    let flown = (option::of(any::<u128>()), option::of(any::<u128>()));
    (any::<u128>(), source, content, flown).prop_map(|(pilot, (kind, client), content, flown)| {
        let (plan, report, remarks, custom_fields) = content;
        Filing {
            pilot: UserId(Uuid::from_u128(pilot)),
            source: Source { kind, client },
            plan,
            report,
            remarks,
            custom_fields,
            bid: flown.0.map(|id| BidId(Uuid::from_u128(id))),
            scheduled_flight: flown.1.map(|id| ScheduledFlightId(Uuid::from_u128(id))),
        }
    })
}

fn credit() -> impl Strategy<Value = Credit> {
    select(vec![Credit::Full, Credit::Hours, Credit::None])
}

fn by() -> impl Strategy<Value = Option<UserId>> {
    option::of(any::<u128>().prop_map(|id| UserId(Uuid::from_u128(id))))
}

fn user_event() -> impl Strategy<Value = DomainEvent> {
    let names = (option::of(personal()), personal(), option::of(personal()));
    let registered = (names, roles(), any::<[bool; 3]>()).prop_map(|(names, roles, flags)| {
        UserEvent::Registered(Registration {
            email: names.0,
            display_name: names.1,
            callsign: names.2,
            roles,
            managed: flags[0],
            machine: flags[1],
            pending: flags[2],
        })
    });
    let scopes = btree_set(select(Scope::ALL.to_vec()), 0..=12);
    let issued = (
        key_id(),
        personal(),
        scopes,
        option::of(time()),
        any::<bool>(),
    )
        .prop_map(|(key_id, name, scopes, expires_at, managed)| {
            UserEvent::ApiKeyIssued(ApiKeyGrant {
                key_id,
                name,
                scopes,
                expires_at,
                managed,
            })
        });
    prop_oneof![
        registered,
        issued,
        roles().prop_map(|roles| UserEvent::RolesChanged { roles }),
        personal().prop_map(|reason| UserEvent::Suspended { reason }),
        (key_id(), time()).prop_map(|(link_id, expires_at)| UserEvent::LoginLinkIssued {
            link_id,
            expires_at
        }),
    ]
    .prop_map(DomainEvent::from)
}

fn pirep_event() -> impl Strategy<Value = DomainEvent> {
    let edited = (
        option::of(plan()),
        option::of(report()),
        option::of(personal()),
        option::of(personal()),
        fields(),
    )
        .prop_map(|(plan, report, remarks, reason, custom_fields)| {
            PirepEvent::Edited(Edit {
                plan,
                report,
                remarks,
                reason,
                custom_fields,
            })
        });
    prop_oneof![
        filing().prop_map(PirepEvent::Drafted),
        filing().prop_map(PirepEvent::Prefiled),
        edited,
        (report(), option::of(any::<i32>()), any::<bool>()).prop_map(
            |(report, last_sequence, held)| PirepEvent::Submitted {
                report,
                last_sequence,
                held
            }
        ),
        (by(), credit(), option::of(personal())).prop_map(|(by, credit, comment)| {
            PirepEvent::Accepted {
                by,
                credit,
                comment,
            }
        }),
        (by(), personal(), credit()).prop_map(|(by, reason, credit)| PirepEvent::Rejected {
            by,
            reason,
            credit
        }),
        personal().prop_map(|question| PirepEvent::Asked { question }),
    ]
    .prop_map(DomainEvent::from)
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
    fn what_is_written_is_what_is_read(event in prop_oneof![user_event(), pirep_event()]) {
        let stored = stored("any", &event);
        let decoded = read("any", &stored, &ring()).unwrap();
        prop_assert_eq!(&decoded.event, &event);
        prop_assert!(decoded.missing.is_empty());
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
        event in prop_oneof![user_event(), pirep_event()],
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

#[test]
fn a_line_of_a_log_opens_where_it_was_written_and_nowhere_else() {
    let [flight, other] = [1, 2].map(Uuid::from_u128);
    let sealed = seal_log_line(flight, 3, SUBJECT, "Flaps 5", &ring()).unwrap();
    let open = |flight, sequence| open_log_line(flight, sequence, SUBJECT, &sealed, &ring());
    assert_eq!(open(flight, 3).unwrap(), Personal::from("Flaps 5"));
    for (flight, sequence) in [(flight, 4), (other, 3)] {
        let moved = open(flight, sequence);
        assert!(matches!(moved, Err(DecodeError::Tampered(_))), "{moved:?}");
    }
}
