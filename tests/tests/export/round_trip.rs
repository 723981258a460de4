//! An airline goes on where its export ends, on whatever storage, and nobody's credentials go with it.

use albatross::adapters::chain;
use albatross::application::flight_logs::Line;
use albatross::application::write::WriteOptions;
use albatross::domain::pirep::{PirepCommand, PirepState};
use albatross::domain::roles::Role;
use albatross::ports::event_store::{ChainLink, RecordedEvent};
use albatross_tests::parts::{TENANT_ID, TENANT_KEY};
use rstest::rstest;
use uuid::Uuid;

use crate::airline::*;

const CLAIMS: [&str; 2] = [
    "SELECT lower(hex(claim)) || ' ' || lower(hex(owner)) FROM claims",
    "SELECT encode(claim, 'hex') || ' ' || replace(owner::text, '-', '') FROM log.claims",
];
const PRINCIPALS: [&str; 2] = [
    "SELECT id || data FROM credentials WHERE kind = 5",
    "SELECT id || data::text FROM log.credentials WHERE kind = 5",
];
/// Passwords, key digests, links, sessions.
const CREDENTIALS: [&str; 2] = [
    "SELECT lower(hex(verifier)) FROM credentials WHERE kind <> 5",
    "SELECT encode(verifier, 'hex') FROM log.credentials WHERE kind <> 5",
];
const KEYS: [&str; 2] = [
    "SELECT lower(hex(subject)) || ' ' || lower(hex(wrapped)) FROM subject_keys",
    "SELECT replace(subject::text, '-', '') || ' ' || encode(wrapped, 'hex') FROM log.subject_keys",
];

async fn rows(place: &Place, [sqlite, postgres]: [&str; 2]) -> Vec<String> {
    place.rows(sqlite, postgres).await
}

async fn log(place: &Place) -> (Vec<RecordedEvent>, Vec<ChainLink>) {
    let events = place.stores().await.events;
    (
        events.read_after(0, 10_000).await.unwrap(),
        events.chain_after(0, 10_000).await.unwrap(),
    )
}

#[rstest]
#[tokio::test]
async fn an_airline_goes_on_where_its_export_ends(
    #[values(Sqlite, Postgres)] from: Adapter,
    #[values(Sqlite, Postgres)] to: Adapter,
) {
    let (source, target) = (Place::new(from).await, Place::new(to).await);
    let lived = live(&source).await;
    let logs = &lived.airline.flight_logs;
    for numbers in [12..500, 500..1_000, 1_000..1_500] {
        let more = logs.store(&lived.bob, lived.airborne, lines(numbers));
        more.await.unwrap();
    }
    let file = source.export("skyways.export");
    let said = succeeded(&verify(&[file.to_str().unwrap()]));
    assert!(said.contains("4 keys and 2 tracks"), "{said}");
    let said = succeeded(&target.import(&file, &[]));
    assert!(said.contains("2 tracks are imported"), "{said}");

    assert_eq!(log(&target).await, log(&source).await);
    for table in [CLAIMS, PRINCIPALS, KEYS] {
        let rows = rows(&target, table).await;
        assert_eq!(rows, self::rows(&source, table).await);
        assert_eq!(rows.len(), 4, "{rows:?}");
    }
    assert!(!rows(&source, CREDENTIALS).await.is_empty());
    assert!(rows(&target, CREDENTIALS).await.is_empty());
    let stores = target.stores().await;
    let (before, after) = (lived.stores.events.head(), stores.events.head());
    let (before, after) = (before.await.unwrap(), after.await.unwrap());
    assert_eq!(before.position, after.position);
    assert_ne!(before.epoch, after.epoch, "cursors are void");
    let verified = succeeded(&verify(&["--database-url", &target.url]));
    assert_eq!(
        verified,
        succeeded(&verify(&["--database-url", &source.url]))
    );

    // It goes on: everything reads as before, addresses are taken, flights are flown.
    let airline = airline(&stores).await;
    let (bob, rita) = (&lived.bob, &lived.rita);
    for id in [lived.accepted, lived.airborne] {
        let expected = lived.airline.pireps.get(bob, id).await.unwrap();
        assert_eq!(airline.pireps.get(bob, id).await.unwrap(), expected);
        assert_eq!(airline.tracks.all(id).await.unwrap(), track());
        let opened = airline.flight_logs.open(bob, id).await.unwrap();
        let mut logged = Vec::new();
        loop {
            let last = logged.last().map(|line: &Line| line.sequence);
            let more = opened.lines(last).await.unwrap();
            if more.is_empty() {
                break;
            }
            logged.extend(more);
        }
        let count = if id == lived.accepted { 12 } else { 1_500 };
        assert_eq!(logged, lines(0..count));
        let history = airline.history.of(rita, id).await.unwrap();
        assert_eq!(history, lived.airline.history.of(rita, id).await.unwrap());
    }
    let taken = airline
        .users
        .register(None, new("Bartholomew"), WriteOptions::default());
    let taken = taken.await.map(|_| ()).unwrap_err().to_string();
    assert!(taken.contains("e-mail"), "{taken}");
    let options = WriteOptions::default;
    let paused = airline
        .pireps
        .act(bob, lived.airborne, PirepCommand::Pause, options());
    let paused = paused.await.unwrap();
    assert_eq!(paused.entity.pirep.state, PirepState::Paused);
    let late = airline
        .tracks
        .store(bob, lived.accepted, Uuid::new_v4(), track());
    assert_eq!(late.await.unwrap().duplicates, FLOWN as usize);
    let verified = chain::verify(&*stores.events).await.unwrap();
    assert_eq!(verified.events, before.position + 1);
    // A second administrator's link, as the printed hint says.
    let link = airline
        .admin_setup
        .link("ada@skyways.example", "Adelaide")
        .await;
    link.unwrap();
}

#[tokio::test]
async fn an_export_shows_no_credential_and_nothing_personal() {
    let place = Place::new(Sqlite).await;
    let lived = live(&place).await;
    let bytes = std::fs::read(place.export("skyways.export")).unwrap();
    assert!(!shows(&bytes, &lived.secrets));
    let text = String::from_utf8(bytes).unwrap();
    let verifiers = rows(&place, CREDENTIALS).await;
    assert!(verifiers.len() >= 5, "{verifiers:?}");
    let base64 = |bytes: &[u8]| {
        use base64::prelude::{BASE64_STANDARD, Engine};
        BASE64_STANDARD.encode(bytes)
    };
    for verifier in verifiers {
        let bytes: Vec<u8> = (0..verifier.len() / 2)
            .map(|n| u8::from_str_radix(&verifier[2 * n..2 * n + 2], 16).unwrap())
            .collect();
        let raw = String::from_utf8_lossy(&bytes);
        for form in [&verifier, &base64(&bytes), &*raw] {
            assert!(!text.contains(form), "{form}");
        }
    }
    // Neither in the lines nor in the payloads within them.
    let words = [
        "Bartholomew",
        "Adelaide",
        "skyways.example",
        "Smooth",
        "Well flown",
        "laptop",
        "no flight",
    ];
    let payloads = log(&place).await.0;
    for word in words {
        assert!(!text.contains(word), "{word}");
        let mut payloads = payloads.iter().map(|event| &event.payload);
        let found = payloads.any(|it| it.windows(word.len()).any(|it| it == word.as_bytes()));
        assert!(!found, "{word}");
    }
}

/// At every position, on SQLite: what came after it is left out, with all that followed from it.
#[rstest]
#[tokio::test]
async fn an_import_ends_at_the_last_commit_before_a_position(
    #[values(Sqlite, Postgres)] to: Adapter,
) {
    let source = Place::new(Sqlite).await;
    let lived = live(&source).await;
    let file = source.export("skyways.export");
    let (events, links) = log(&source).await;
    let promoted = events
        .iter()
        .find(|event| event.stream_id == lived.rita.user().0 && event.kind == 203)
        .unwrap();
    // Bob's registration is one commit of two events: a position within it is rounded down.
    let bobs = events
        .iter()
        .position(|event| event.stream_id == lived.bob.user().0)
        .unwrap() as i64
        + 1;
    let told = [bobs, promoted.position - 1, promoted.position];
    let all: Vec<i64> = match to {
        Sqlite => (links[0].position..=events.len() as i64).collect(),
        _ => told.to_vec(),
    };
    for until in all {
        let target = Place::new(to).await;
        let expected: Vec<_> = links.iter().filter(|it| it.position <= until).collect();
        let end = expected.last().unwrap().position;
        let said = succeeded(&target.import(&file, &["--until", &until.to_string()]));
        assert!(said.contains(&format!("up to position {end}\n")), "{said}");
        let (imported, chain) = log(&target).await;
        assert_eq!(imported, events[..end as usize]);
        assert_eq!(chain.iter().collect::<Vec<_>>(), expected);
        succeeded(&verify(&["--database-url", &target.url]));
        if !told.contains(&until) {
            continue;
        }

        let stores = target.stores().await;
        let airline = airline(&stores).await;
        let known = rows(&target, CLAIMS).await.len();
        assert_eq!(known, rows(&target, KEYS).await.len());
        if until == bobs {
            assert!(end < until);
            assert_eq!(known, 1, "Ada alone");
            register(&airline, "Bartholomew").await;
        } else {
            assert_eq!(known, 4);
            let rita = somebody(lived.rita.user(), &[Role::TenantAdmin]);
            let roles = airline.users.get(&rita, lived.rita.user()).await.unwrap();
            let roles = roles.entity.roles;
            let reviewer = until == promoted.position;
            assert_eq!(roles.contains(Role::Reviewer), reviewer);
            let principal = format!(
                "{}{}",
                lived.rita.user(),
                serde_json::json!({"roles": roles, "status": "Active"})
            );
            assert!(rows(&target, PRINCIPALS).await.contains(&principal));
        }
    }
}

#[rstest]
#[tokio::test]
async fn an_import_begins_a_log_and_never_joins_one(#[values(Sqlite, Postgres)] to: Adapter) {
    let (source, target) = (Place::new(Sqlite).await, Place::new(to).await);
    live(&source).await;
    let file = source.export("skyways.export");
    let refusal = refused(&target.import(&file, &["--until", "0"]));
    assert!(refusal.contains("nothing to import"), "{refusal}");
    succeeded(&target.import(&file, &["--until", "3"]));
    let before = log(&target).await;
    let epoch = target.stores().await.events.head().await.unwrap().epoch;
    let refusal = refused(&target.import(&file, &[]));
    assert!(refusal.contains("the log is not empty"), "{refusal}");
    assert_eq!(log(&target).await, before);
    let head = target.stores().await.events.head().await.unwrap();
    assert_eq!(head.epoch, epoch);
}

#[tokio::test]
async fn an_export_of_an_empty_log_holds_and_begins_nothing() {
    let place = Place::new(Sqlite).await;
    let file = place.export("empty.export");
    let said = succeeded(&verify(&[file.to_str().unwrap()]));
    assert!(said.starts_with("0 events in 0 commits"), "{said}");
    let refusal = refused(&place.import(&file, &[]));
    assert!(refusal.contains("it holds no event"), "{refusal}");
}

#[tokio::test]
async fn another_tenants_export_is_refused() {
    use base64::prelude::{BASE64_STANDARD, Engine};
    let source = Place::new(Sqlite).await;
    live(&source).await;
    let file = source.export("skyways.export");
    let target = Place::new(Sqlite).await;
    let key = BASE64_STANDARD.encode(TENANT_KEY);
    let id = Uuid::from_u128(1).to_string();
    let refusal = refused(&target.import_as(&id, &key, &file, &[]));
    assert!(refusal.contains("it is the log of tenant"), "{refusal}");
    let other = BASE64_STANDARD.encode([1; 32]);
    let refusal = refused(&target.import_as(&TENANT_ID.to_string(), &other, &file, &[]));
    assert!(refusal.contains("another tenant key"), "{refusal}");
    assert!(log(&target).await.0.is_empty());
}

/// An export is whole or not there, and never replaces another.
#[tokio::test]
async fn an_export_is_a_file_of_its_own() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new(Sqlite).await;
    live(&place).await;
    let file = place.export("skyways.export");
    let mode = std::fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let before = std::fs::read(&file).unwrap();
    let arguments = [
        "export",
        "--database-url",
        &place.url,
        file.to_str().unwrap(),
    ];
    let refusal = refused(&albatross_tests::processes::run(&arguments));
    assert!(refusal.contains("exists already"), "{refusal}");
    assert_eq!(std::fs::read(&file).unwrap(), before);

    let piped = albatross_tests::processes::run(&["export", "--database-url", &place.url, "-"]);
    assert!(piped.status.success());
    // The first line holds the time of the export, and the digests cover it.
    let lines = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap().lines().count();
    assert_eq!(lines(&piped.stdout), lines(&before));
    let copy = place.file("copy.export");
    std::fs::write(&copy, piped.stdout).unwrap();
    succeeded(&verify(&[copy.to_str().unwrap()]));
    assert!(!place.file("skyways.export.partial").exists());
}
