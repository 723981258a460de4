//! What rows hold as JSON: two releases share a lane's tables only while they write the same.

use std::collections::{BTreeMap, BTreeSet};

use albatross::application::projections::tables::{
    self, AIRCRAFT, BIDS, PIREPS, SCHEDULED_FLIGHTS, TENANTS, USER_API_KEYS, USERS,
};
use albatross::application::reactions::due::{Cause, DUE, Timer};
use albatross::application::views::{Standing, StoredApiKey};
use albatross::domain::aggregate::Aggregate;
use albatross::domain::bids::Bids;
use albatross::domain::catalogue::{Aircraft, Item, ScheduledFlight};
use albatross::domain::event::DomainEvent;
use albatross::domain::pirep::Pirep;
use albatross::domain::tenant::Tenant;
use albatross::domain::user::User;
use albatross::ports::read_model::Table;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::samples::{SUBJECT, samples};

/// Each table with the revision of its documents, and a digest of their members. When a digest is another one, raise the
/// table's `revision`, and write both here.
const DOCUMENTS: [(&str, u32, &str); 8] = [
    ("tenants", 2, "05368fa0"),
    ("users", 1, "fe765ced"),
    ("user_api_keys", 1, "f04a4a12"),
    ("pireps", 2, "b62be6c5"),
    ("aircraft", 1, "901ffc80"),
    ("scheduled_flights", 1, "3bebbf1d"),
    ("bids", 1, "be21e6a7"),
    ("due", 1, "57b016df"),
];

/// Paths of members.
type Members = BTreeSet<String>;

#[test]
fn a_table_whose_documents_have_changed_has_another_revision() {
    let members = members();
    let declared = tables::ALL.iter().copied().chain([&DUE]);
    let found = declared.map(|table| {
        let digest = digest(&members[table.name]);
        (table.name.to_owned(), table.revision, digest)
    });
    let pinned = DOCUMENTS.map(|(name, revision, digest)| (name.into(), revision, digest.into()));
    assert_eq!(found.collect::<Vec<_>>(), pinned, "{members:#?}");
}

#[test]
fn samples_show_what_is_left_out_while_it_is_empty() {
    let members = members();
    let pireps = &members["pireps"];
    for member in [
        "milestones/takeOff",
        "corrected/plan/route",
        "review/inputs/pilot/ranks",
    ] {
        assert!(pireps.contains(&format!("entity/{member}")), "{pireps:#?}");
    }
    assert!(members["tenants"].contains("entity/settings/registration"));
    assert!(members["users"].contains("entity/keys/*/scopes"));
}

/// Of whatever the samples of events add up to, one after the other.
fn members() -> BTreeMap<&'static str, Members> {
    let users = documents::<User>();
    let keys = users.iter().flat_map(|user| {
        let keys = user.entity.keys.iter();
        keys.map(|(id, key)| StoredApiKey {
            user: SUBJECT,
            id: id.clone(),
            key: key.clone(),
        })
    });
    let timer = Timer {
        policy: "review-rules".to_owned(),
        subject: Uuid::nil(),
        due_at: Timestamp::UNIX_EPOCH,
        cause: Cause {
            position: 1,
            event_id: Uuid::nil(),
        },
    };
    let of = |table: &Table, members: Members| (table.name, members);
    [
        of(&TENANTS, all(documents::<Tenant>())),
        of(&USER_API_KEYS, all(keys)),
        of(&USERS, all(&users)),
        of(&PIREPS, all(documents::<Pirep>())),
        of(&AIRCRAFT, all(documents::<Item<Aircraft>>())),
        of(
            &SCHEDULED_FLIGHTS,
            all(documents::<Item<ScheduledFlight>>()),
        ),
        of(&BIDS, all(documents::<Bids>())),
        of(&DUE, all([timer])),
    ]
    .into()
}

fn documents<A: Aggregate>() -> Vec<Standing<Uuid, A>>
where
    A::Event: TryFrom<DomainEvent>,
{
    let events = samples().into_iter();
    let events = events.filter_map(|(_, event)| A::Event::try_from(event).ok());
    let mut documents: Vec<Standing<Uuid, A>> = Vec::new();
    for event in events {
        let before = documents.last().map(|before| before.entity.clone());
        let entity = A::evolve(before, &event, Timestamp::UNIX_EPOCH);
        documents.extend(entity.map(|entity| Standing {
            id: Uuid::nil(),
            version: 1,
            position: 1,
            entity,
        }));
    }
    documents
}

fn all(documents: impl IntoIterator<Item = impl Serialize>) -> Members {
    let mut members = Members::new();
    for document in documents {
        note(&mut members, "", &serde_json::to_value(document).unwrap());
    }
    members
}

fn note(members: &mut Members, path: &str, value: &Value) {
    let mut at = |name: &str, value: &Value| {
        let path = if path.is_empty() {
            name.to_owned()
        } else {
            format!("{path}/{name}")
        };
        note(members, &path, value);
        members.insert(path);
    };
    match value {
        Value::Object(object) => {
            // Whose members have names of the airline's, or are ids.
            let open = path.ends_with("/keys") || path.ends_with("/custom_fields/Known");
            for (name, value) in object {
                at(if open { "*" } else { name }, value);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| at("*", item)),
        _ => {}
    }
}

fn digest(members: &Members) -> String {
    let lines: String = members.iter().map(|path| format!("{path}\n")).collect();
    let digest = Sha256::digest(lines);
    let [a, b, c, d, ..] = <[u8; 32]>::from(digest);
    format!("{:08x}", u32::from_be_bytes([a, b, c, d]))
}
