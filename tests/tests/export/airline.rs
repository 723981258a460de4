//! An airline that has been lived in, over a storage of the test's own, and the executable's word on it.

use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::Arc;

use albatross::adapters::{Stores, migrate, open};
use albatross::application::airline::Airline;
use albatross::application::api_keys::NewKey;
use albatross::application::flight_logs::Line;
use albatross::application::identity::Identity;
use albatross::application::pireps::{Accept, FilePirep, Submit};
use albatross::application::users::Register;
use albatross::application::write::WriteOptions;
use albatross::domain::actor::Person;
use albatross::domain::ids::{PirepId, UserId};
use albatross::domain::pirep::{Credit, Intent, Plan, Source, SourceKind};
use albatross::domain::roles::{Role, Scope, Scopes};
use albatross::ports::track_store::Sample;
use albatross_tests::parts::{PEPPER, TENANT_ID, TENANT_KEY, parts};
use albatross_tests::processes::run;
use albatross_tests::servers::servers;
use base64::prelude::{BASE64_STANDARD, Engine};
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row, SqliteConnection};
use tempfile::TempDir;
use uuid::Uuid;

pub const PASSWORD: &str = "correct horse battery staple";
/// Samples of each flight.
pub const FLOWN: i32 = 120;

#[derive(Clone, Copy, Debug)]
pub enum Adapter {
    Sqlite,
    Postgres,
}

pub use Adapter::{Postgres, Sqlite};

/// A database or a directory of the test's own, with a schema and nothing in it.
pub struct Place {
    pub url: String,
    pub folder: TempDir,
}

impl Place {
    pub async fn new(adapter: Adapter) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = match adapter {
            Sqlite => format!("sqlite:{}", folder.path().join("data").display()),
            Postgres => servers().await.database().await.url,
        };
        migrate(&url).await.unwrap();
        Self { url, folder }
    }

    pub async fn stores(&self) -> Stores {
        open(&self.url).await.unwrap()
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// `albatross export` of this place into a file.
    pub fn export(&self, name: &str) -> PathBuf {
        let file = self.file(name);
        let path = file.to_str().unwrap();
        succeeded(&run(&["export", "--database-url", &self.url, path]));
        file
    }

    /// `albatross import` of a file into this place.
    pub fn import(&self, file: &Path, more: &[&str]) -> Output {
        let (id, key) = (TENANT_ID.to_string(), BASE64_STANDARD.encode(TENANT_KEY));
        self.import_as(&id, &key, file, more)
    }

    pub fn import_as(&self, id: &str, key: &str, file: &Path, more: &[&str]) -> Output {
        let more = [&[file.to_str().unwrap()], more].concat();
        self.run_as(id, key, "import", &more)
    }

    /// A subcommand that wants the airline's id and keys.
    pub fn run(&self, subcommand: &str, more: &[&str]) -> Output {
        let (id, key) = (TENANT_ID.to_string(), BASE64_STANDARD.encode(TENANT_KEY));
        self.run_as(&id, &key, subcommand, more)
    }

    fn run_as(&self, id: &str, key: &str, subcommand: &str, more: &[&str]) -> Output {
        let pepper = BASE64_STANDARD.encode(PEPPER);
        let mut arguments = vec![
            subcommand,
            "--tenant",
            "skyways",
            "--tenant-id",
            id,
            "--tenant-key",
            key,
            "--pepper",
            &pepper,
            "--database-url",
            &self.url,
        ];
        arguments.extend(more);
        run(&arguments)
    }

    /// The rows of a query, each as one text, sorted.
    pub async fn rows(&self, sqlite: &str, postgres: &str) -> Vec<String> {
        let mut rows: Vec<String> = match self.url.strip_prefix("sqlite:") {
            Some(directory) => {
                let url = format!("sqlite:{directory}/log.db");
                let mut connection = SqliteConnection::connect(&url).await.unwrap();
                let query = sqlx::query(AssertSqlSafe(sqlite.to_owned()));
                let rows = query.fetch_all(&mut connection).await.unwrap();
                rows.iter().map(|row| row.get(0)).collect()
            }
            None => {
                let mut connection = PgConnection::connect(&self.url).await.unwrap();
                let query = sqlx::query(AssertSqlSafe(postgres.to_owned()));
                let rows = query.fetch_all(&mut connection).await.unwrap();
                rows.iter().map(|row| row.get(0)).collect()
            }
        };
        rows.sort();
        rows
    }
}

/// What the executable printed.
///
/// # Panics
/// When it failed.
pub fn succeeded(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// Why the executable failed, in one line.
///
/// # Panics
/// When it did not.
pub fn refused(output: &Output) -> String {
    assert!(!output.status.success(), "{output:?}");
    let said = String::from_utf8(output.stderr.clone()).unwrap();
    // A line of the log begins with its time: a machine that is busy may be told to be slow.
    let is_log = |line: &&str| line.starts_with(|first: char| first.is_ascii_digit());
    let errors: Vec<&str> = said.lines().filter(|line| !is_log(line)).collect();
    assert_eq!(errors.len(), 1, "{said}");
    errors[0].to_owned()
}

pub fn verify(what: &[&str]) -> Output {
    run(&[&["verify"], what].concat())
}

pub async fn airline(stores: &Stores) -> Arc<Airline> {
    let airline = Arc::new(Airline::new(parts(stores), stores.schema_version));
    airline.prepare().await.unwrap();
    airline.catch_up().await.unwrap();
    airline
}

/// Who and what is in an airline that has been lived in.
pub struct Lived {
    pub airline: Arc<Airline>,
    pub stores: Stores,
    pub bob: Identity,
    pub rita: Identity,
    /// Accepted, its track packed.
    pub accepted: PirepId,
    /// Under way.
    pub airborne: PirepId,
    /// Secrets that no export may hold.
    pub secrets: Vec<SecretString>,
}

pub fn somebody(id: UserId, roles: &[Role]) -> Identity {
    Identity {
        person: Person {
            id,
            roles: roles.iter().copied().collect(),
            key: None,
        },
        suspended: false,
        session: None,
    }
}

/// People with passwords, keys and links, one of them suspended; flights with tracks, one of them accepted.
pub async fn live(place: &Place) -> Lived {
    let stores = place.stores().await;
    let airline = airline(&stores).await;
    let setup = &airline.admin_setup;
    let declared = setup.declare("Skyways".to_owned(), "SKY".to_owned());
    declared.await.unwrap();
    let link = setup.link("ada@skyways.example", "Adelaide").await.unwrap();
    let host = somebody(UserId(Uuid::nil()), &[Role::TenantAdmin]);
    let bob = register(&airline, "Bartholomew").await;
    let rita = register(&airline, "Rita").await;
    let eve = register(&airline, "Eve").await;
    let roles = [Role::Reviewer, Role::Pilot];
    let changed = airline.users.set_roles(
        &host,
        rita.user(),
        roles.into_iter().collect(),
        WriteOptions::default(),
    );
    changed.await.unwrap();
    let rita = somebody(rita.user(), &roles);
    let reason = "no flight in a year".to_owned();
    let suspended = airline
        .users
        .suspend(&host, eve.user(), reason, WriteOptions::default());
    suspended.await.unwrap();
    let new = NewKey {
        name: "laptop".to_owned(),
        scopes: Scopes::from([Scope::PirepsRead, Scope::TrackWrite]),
        expires_at: None,
    };
    let issued = airline
        .api_keys
        .issue(&bob, bob.user(), new, WriteOptions::default());
    let key = issued.await.unwrap().entity.key;

    let accepted = fly(&airline, &bob, "SKY1").await;
    let submitted =
        airline
            .pireps
            .submit(&bob, accepted, Submit::default(), WriteOptions::default());
    let seen = WriteOptions {
        if_match: Some(submitted.await.unwrap().version),
        ..WriteOptions::default()
    };
    let accept = Accept {
        credit: Credit::Full,
        comment: Some("Well flown".to_owned()),
    };
    let decided = airline.pireps.accept(&rita, accepted, accept, seen);
    decided.await.unwrap();
    airline.catch_up().await.unwrap();
    assert_eq!(airline.tracks.pack_decided().await.unwrap(), 1);
    let airborne = fly(&airline, &bob, "SKY2").await;
    airline.catch_up().await.unwrap();
    Lived {
        airline,
        stores,
        bob,
        rita,
        accepted,
        airborne,
        secrets: vec![link, key, PASSWORD.to_owned().into()],
    }
}

pub async fn register(airline: &Airline, name: &str) -> Identity {
    let registered = airline
        .users
        .register(None, new(name), WriteOptions::default());
    let id = registered.await.unwrap().entity.user.id;
    airline.catch_up().await.unwrap();
    somebody(id, &[Role::Pilot])
}

pub fn new(name: &str) -> Register {
    Register {
        email: format!("{}@skyways.example", name.to_lowercase()),
        display_name: name.to_owned(),
        password: Some(PASSWORD.to_owned().into()),
    }
}

async fn fly(airline: &Airline, pilot: &Identity, number: &str) -> PirepId {
    let text = |text: &str| Some(text.to_owned());
    let filed = FilePirep {
        intent: Intent::Prefile,
        source: Source {
            kind: SourceKind::Acars,
            client: text("test 1.0"),
        },
        plan: Plan {
            flight_number: text(number),
            departure: text("LIRF"),
            arrival: text("LLBG"),
            aircraft_type: text("B744"),
            ..Plan::default()
        },
        report: None,
        remarks: text("Smooth."),
        custom_fields: None,
        bid: None,
        scheduled_flight: None,
    };
    let filed = airline.pireps.create(pilot, filed, WriteOptions::default());
    let id = filed.await.unwrap().entity.id;
    let stored = airline.tracks.store(pilot, id, Uuid::new_v4(), track());
    stored.await.unwrap();
    let logged = airline.flight_logs.store(pilot, id, lines(0..12));
    logged.await.unwrap();
    id
}

pub fn lines(numbers: std::ops::Range<i32>) -> Vec<Line> {
    let line = |sequence: i32| Line {
        sequence,
        time: Timestamp::from_microsecond(1_777_000_000_000_001 + i64::from(sequence)).unwrap(),
        text: format!("Bartholomew was here {sequence} times").into(),
    };
    numbers.map(line).collect()
}

pub fn track() -> Vec<Sample> {
    let sample = |sequence: i32| Sample {
        sequence,
        time: Timestamp::from_microsecond(1_777_000_000_000_001 + i64::from(sequence) * 1_000_003)
            .unwrap(),
        latitude_e7: 418_002_222 - sequence * 13_711,
        longitude_e7: 122_389_000 + sequence * 18_113,
        altitude_ft: Some(sequence * 29),
        heading_deg: Some(118),
        ground_speed_kt: Some(300),
        indicated_airspeed_kt: None,
        vertical_speed_fpm: Some(-64),
        fuel_kg: Some(61_000 - sequence),
        phase: Some("ENR".to_owned()),
    };
    (0..FLOWN).map(sample).collect()
}

/// Whether any of the secrets, or its part behind the last separator, is among these bytes.
pub fn shows(bytes: &[u8], secrets: &[SecretString]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    secrets.iter().any(|secret| {
        let secret = secret.expose_secret();
        let last = secret.rsplit(['#', '_']).next().unwrap_or(secret);
        text.contains(secret) || text.contains(last)
    })
}
