//! Exports that are not as they were written: named, refused, and nothing of them imported.

use std::io::BufReader;
use std::path::Path;

use albatross::adapters::archive::{ArchiveError, Reader};
use base64::prelude::{BASE64_STANDARD, Engine};
use proptest::prelude::*;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use rstest::rstest;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use sqlx::{AssertSqlSafe, Connection, PgConnection, SqliteConnection};

use crate::airline::*;

/// An export as text, and where it comes from.
async fn exported() -> (Place, String) {
    let place = Place::new(Sqlite).await;
    live(&place).await;
    let text = std::fs::read_to_string(place.export("whole.export")).unwrap();
    (place, text)
}

/// Reads it to its end.
fn read(bytes: &[u8]) -> Result<i64, ArchiveError> {
    let mut export = Reader::open(BufReader::new(bytes))?;
    while export.next_commit()?.is_some() {}
    Ok(export.verified().events)
}

/// The index of the n-th line that says so.
fn nth(lines: &[String], kind: &str, n: usize) -> usize {
    let begins = format!("{{\"{kind}\":");
    let mut of_kind = (0..lines.len()).filter(|index| lines[*index].starts_with(&begins));
    of_kind.nth(n).unwrap()
}

/// Changes members of the n-th line of a kind.
fn change(lines: &mut [String], kind: &str, n: usize, change: Value) {
    let line = &mut lines[nth(lines, kind, n)];
    let mut json: Value = serde_json::from_str(line).unwrap();
    for (member, value) in change.as_object().unwrap() {
        assert_ne!(json[kind][member], *value);
        json[kind][member] = value.clone();
    }
    *line = json.to_string();
}

type Damage = fn(&mut Vec<String>);

#[rstest]
#[case::first_line(
    |lines: &mut Vec<String>| change(lines, "export", 0, json!({"exportedAt": "2026-01-01T00:00:00Z"})),
    "behind position 0, is not as it was written: it does not cover"
)]
#[case::payload(
    |lines: &mut Vec<String>| change(lines, "event", 2, json!({"payload": "AAAA"})),
    "positions 3 to 3 are not as they were written"
)]
#[case::actor(
    |lines: &mut Vec<String>| change(lines, "event", 0, json!({"actor": "operator"})),
    "positions 1 to 1 are not as they were written"
)]
#[case::event_removed(
    |lines: &mut Vec<String>| { lines.remove(nth(lines, "event", 3)); },
    "position 4 is missing"
)]
#[case::events_swapped(
    |lines: &mut Vec<String>| { let at = nth(lines, "event", 3); lines.swap(at, at + 1); },
    "position 4 is missing"
)]
#[case::link(
    |lines: &mut Vec<String>| change(lines, "commit", 0, json!({"hash": BASE64_STANDARD.encode([0; 32])})),
    "positions 1 to 1 are not as they were written"
)]
#[case::link_of_another_length(
    |lines: &mut Vec<String>| change(lines, "commit", 0, json!({"hash": "AAAA"})),
    "a hash has 32 bytes"
)]
#[case::commit_removed(
    |lines: &mut Vec<String>| { lines.remove(nth(lines, "commit", 0)); },
    "positions 1 to 2 are not as they were written"
)]
#[case::key(
    |lines: &mut Vec<String>| change(lines, "key", 0, json!({"wrapped": "AAAA"})),
    "behind position 1, is not as it was written: it does not cover"
)]
#[case::key_removed(
    |lines: &mut Vec<String>| { lines.remove(nth(lines, "key", 0)); },
    "behind position 1, is not as it was written: it does not cover"
)]
#[case::track(
    |lines: &mut Vec<String>| change(lines, "track", 1, json!({"samples": "AXic"})),
    "the packed samples are damaged"
)]
#[case::track_of_another_flight(
    |lines: &mut Vec<String>| change(lines, "track", 0, json!({"flight": "00000000-0000-0000-0000-000000000001"})),
    "is not as it was written: it does not cover"
)]
#[case::log_of_another_flight(
    |lines: &mut Vec<String>| change(lines, "log", 0, json!({"flight": "00000000-0000-0000-0000-000000000001"})),
    "is not as it was written: it does not cover"
)]
#[case::log_emptied(
    |lines: &mut Vec<String>| change(lines, "log", 1, json!({"lines": []})),
    "is not as it was written: it does not cover"
)]
#[case::log_that_is_not_base64(
    |lines: &mut Vec<String>| {
        let line = json!({"sequence": 0, "time": "2026-01-01T00:00:00Z", "sealed": "?"});
        change(lines, "log", 0, json!({"lines": [line]}));
    },
    "is not as it was written: not base64"
)]
#[case::log_removed(
    |lines: &mut Vec<String>| { lines.remove(nth(lines, "log", 1)); },
    "is not as it was written: it does not cover"
)]
#[case::count(
    |lines: &mut Vec<String>| change(lines, "end", 0, json!({"tracks": 1})),
    "it counts otherwise"
)]
#[case::end(
    |lines: &mut Vec<String>| change(lines, "end", 0, json!({"file": BASE64_STANDARD.encode([0; 32])})),
    "it does not cover"
)]
#[case::end_removed(|lines: &mut Vec<String>| { lines.pop(); }, "the rest is missing")]
#[case::end_too_early(
    |lines: &mut Vec<String>| { let end = lines.pop().unwrap(); lines.pop(); lines.push(end); },
    "the last commit is missing"
)]
#[case::something_behind(|lines: &mut Vec<String>| lines.push("{}".to_owned()), "something follows the end")]
#[case::without_end(
    |lines: &mut Vec<String>| {
        let event = lines[1].clone();
        lines.splice(1..1, std::iter::repeat_n(event, 40_000));
    },
    "no commit holds so much"
)]
#[case::tracks_without_end(
    |lines: &mut Vec<String>| {
        let at = nth(lines, "track", 0);
        let track = lines[at].clone();
        lines.splice(at..at, std::iter::repeat_n(track, 300));
    },
    "no commit holds so much"
)]
#[case::unknown_line(
    |lines: &mut Vec<String>| lines.insert(3, r#"{"secret":{}}"#.to_owned()),
    "is not as it was written: unknown variant `secret`"
)]
#[case::unknown_member(
    |lines: &mut Vec<String>| change(lines, "event", 0, json!({"more": 1})),
    "is not as it was written: unknown field `more`"
)]
#[case::from_the_future(
    |lines: &mut Vec<String>| change(lines, "export", 0, json!({"version": 2, "more": {}})),
    "has format 2, this executable knows 1"
)]
#[case::another_file(|lines: &mut Vec<String>| lines.insert(0, "-- PostgreSQL dump".to_owned()), "no export of Albatross")]
#[tokio::test]
async fn what_was_changed_is_named_and_nothing_is_imported(
    #[case] damage: Damage,
    #[case] named: &str,
) {
    let (place, text) = exported().await;
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    damage(&mut lines);
    let file = place.file("changed.export");
    std::fs::write(&file, lines.join("\n") + "\n").unwrap();
    refuses(&place, &file, named);
}

/// As if it had been written so: what covers the lines before is reckoned anew.
fn sealed(lines: &[String]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for line in lines {
        let mut json: Value = serde_json::from_str(line).unwrap();
        for kind in ["commit", "end"] {
            if json.get(kind).is_some() {
                json[kind]["file"] = BASE64_STANDARD.encode(Sha256::digest(&bytes)).into();
            }
        }
        bytes.extend(format!("{json}\n").into_bytes());
    }
    bytes
}

/// Of 256 flights that begin in one commit, each with 5,000 lines, and no more.
#[tokio::test]
async fn a_commit_has_as_many_logs_as_are_written() {
    let (_place, text) = exported().await;
    let lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let with_logs = |count| {
        let mut lines = lines.clone();
        let at = nth(&lines, "log", 0);
        let log = lines[at].clone();
        lines.splice(at..=at, std::iter::repeat_n(log, count));
        read(&sealed(&lines))
    };
    assert_eq!(with_logs(1_280).unwrap(), read(text.as_bytes()).unwrap());
    let refusal = with_logs(1_281).unwrap_err().to_string();
    assert!(refusal.contains("no commit holds so much"), "{refusal}");
}

/// Both commands refuse it; the target is not even made.
fn refuses(place: &Place, file: &Path, named: &str) {
    let refusal = refused(&verify(&[file.to_str().unwrap()]));
    assert!(refusal.contains(named), "{refusal}");
    let target = Place {
        url: format!("sqlite:{}", place.file("nowhere").display()),
        folder: tempfile::tempdir().unwrap(),
    };
    for more in [&[][..], &["--until", "1"]] {
        let refusal = refused(&target.import(file, more));
        assert!(refusal.contains(named), "{refusal}");
    }
    assert!(!place.file("nowhere").exists());
}

#[tokio::test]
async fn a_file_that_was_cut_off_is_refused_wherever_it_was() {
    let (place, text) = exported().await;
    let whole = text.as_bytes();
    assert!(read(whole).unwrap() > 10);
    let ends = (0..whole.len()).filter(|index| whole[*index] == b'\n');
    let seed = rand::random();
    println!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let within: Vec<usize> = (0..200)
        .map(|_| random.random_range(0..whole.len()))
        .collect();
    for cut in ends
        .map(|end| end + 1)
        .filter(|end| *end < whole.len())
        .chain(within)
    {
        let cut_off = read(&whole[..cut]).unwrap_err();
        let expected = matches!(
            cut_off,
            ArchiveError::Truncated { .. } | ArchiveError::NotAnExport
        );
        assert!(expected, "at {cut}: {cut_off}");
    }
    let file = place.file("cut.export");
    std::fs::write(&file, &whole[..whole.len() - 1]).unwrap();
    refuses(&place, &file, "the rest is missing");
}

#[tokio::test]
async fn no_bit_of_an_export_can_be_flipped_unseen() {
    let (_place, text) = exported().await;
    let seed = rand::random();
    println!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    for _ in 0..500 {
        let mut bytes = text.clone().into_bytes();
        let bit = random.random_range(0..bytes.len() * 8);
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert!(read(&bytes).is_err(), "bit {bit}");
    }
}

proptest! {
    #[test]
    fn hostile_files_are_survived(
        head in prop_oneof![
            Just(r#"{"export":{"version":1,"epoch":"00000000-0000-0000-0000-000000000001","head":3,"exportedAt":"2026-01-01T00:00:00Z"}}"#.to_owned()),
            r#"\{"export":.{0,60}"#,
        ],
        lines in prop::collection::vec(prop_oneof![
            r#"\{"(event|key|track|log|commit|end|export)":\{("[a-z]{1,9}":[0-9a-z"]{1,9},?){0,4}\}\}"#,
            r#"\{"log":\{"flight":"0{8}-0000-0000-0000-0{11}[0-9]","lines":\[(\{"sequence":-?[0-9]{1,11},"time":"20[0-9]{2}-01-01T00:00:00Z","sealed":"([A-Za-z0-9+/]{4}){0,3}"\}){0,2}\]\}\}"#,
            r#"\{"commit":\{"position":-?[0-9]{1,19},"hash":"[A-Za-z0-9+/]{43}=","file":"[A-Za-z0-9+/]{43}="\}\}"#,
            any::<String>(),
        ], 0..6),
    ) {
        let text = [vec![head], lines].concat().join("\n");
        prop_assert!(read(text.as_bytes()).is_err());
    }
}

/// The storage fails in the middle, or at the end: the log stays empty, and the next attempt succeeds.
#[rstest]
#[case::middle(Sqlite, "BEFORE INSERT ON events WHEN new.position = 9")]
#[case::end(Sqlite, "BEFORE UPDATE ON log_epoch")]
#[case::middle(
    Postgres,
    "BEFORE INSERT ON log.events FOR EACH ROW WHEN (new.position = 9)"
)]
#[case::end(Postgres, "BEFORE UPDATE ON log.log_epoch")]
#[tokio::test]
async fn an_import_that_fails_leaves_an_empty_log(#[case] to: Adapter, #[case] step: &str) {
    let (source, _) = exported().await;
    let file = source.file("whole.export");
    let target = Place::new(to).await;
    let before = target.stores().await.events.head().await.unwrap();
    let (stop, go_on) = match to {
        Sqlite => (
            format!("CREATE TRIGGER stop {step} BEGIN SELECT RAISE(ABORT, 'stopped'); END"),
            "DROP TRIGGER stop",
        ),
        Postgres => (
            format!(
                "CREATE FUNCTION stop() RETURNS trigger LANGUAGE plpgsql \
                 AS $$ BEGIN RAISE EXCEPTION 'stopped'; END $$; \
                 CREATE TRIGGER stop {step} EXECUTE FUNCTION stop()"
            ),
            "DROP FUNCTION stop CASCADE",
        ),
    };
    execute(&target, &stop).await;
    let refusal = refused(&target.import(&file, &[]));
    assert!(refusal.contains("stopped"), "{refusal}");
    let stores = target.stores().await;
    assert_eq!(stores.events.head().await.unwrap(), before);
    assert!(stores.events.chain_after(0, 1).await.unwrap().is_empty());
    execute(&target, go_on).await;
    succeeded(&target.import(&file, &[]));
    let url = &target.url;
    let verified = succeeded(&verify(&["--database-url", url]));
    let source = succeeded(&verify(&["--database-url", &source.url]));
    assert_eq!(verified, source);
}

async fn execute(place: &Place, sql: &str) {
    let sql = AssertSqlSafe(sql.to_owned());
    if let Some(directory) = place.url.strip_prefix("sqlite:") {
        let url = format!("sqlite:{directory}/log.db");
        let mut connection = SqliteConnection::connect(&url).await.unwrap();
        sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    } else {
        let mut owner = PgConnection::connect(&place.url).await.unwrap();
        sqlx::raw_sql(sql).execute(&mut owner).await.unwrap();
    }
}
