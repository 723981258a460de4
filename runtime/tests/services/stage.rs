//! One airline in memory with people in it, and a clock that is moved by hand.

use std::sync::{Arc, Mutex};

use albatross::adapters::Stores;
use albatross::adapters::memory::{self, MemoryCache, MemoryWakeUps};
use albatross::application::airline::Airline;
use albatross::application::error::ServiceError;
use albatross::application::identity::Identity;
use albatross::application::passwords::Passwords;
use albatross::application::pireps::{FilePirep, Submit};
use albatross::application::projections::tables;
use albatross::application::shared::Parts;
use albatross::application::users::Register;
use albatross::application::views::PirepView;
use albatross::application::write::{WriteOptions, Written};
use albatross::codec::{self, KeyRing};
use albatross::domain::actor::Person;
use albatross::domain::event::DomainEvent;
use albatross::domain::ids::{PirepId, TenantId, UserId};
use albatross::domain::pirep::{Intent, Plan, Source, SourceKind};
use albatross::domain::refusal::RefusalKind;
use albatross::domain::roles::{Role, Roles};
use albatross::ports::clock::{Clock, Entropy};
use albatross::ports::event_bus::WakeUps;
use albatross::ports::event_store::{Append, EventStore, MAX_EVENTS_PER_APPEND, NewEvent};
use albatross::ports::read_model::{Query, ReadModel, Row};
use albatross::ports::supervisor::Supervisor;
use albatross::ports::track_store::Sample;
use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;
use uuid::Uuid;

pub const PASSWORD: &str = "correct horse battery staple";
pub const CLIENT: std::net::IpAddr = std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

/// Stands still until it is moved.
pub struct HandClock(Mutex<Timestamp>);

impl HandClock {
    pub fn advance(&self, by: SignedDuration) {
        let mut now = self.0.lock().unwrap();
        *now = now.checked_add(by).unwrap();
    }
}

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}

pub struct Randomness;

impl Entropy for Randomness {
    fn fill(&self, bytes: &mut [u8]) {
        rand::fill(bytes);
    }
}

pub fn supervisor() -> Supervisor {
    Supervisor::new(Arc::new(Randomness))
}

pub struct Stage {
    pub airline: Arc<Airline>,
    pub stores: Stores,
    pub clock: Arc<HandClock>,
    pub tenant: TenantId,
}

impl Stage {
    pub async fn new() -> Self {
        let stores = memory::open();
        let events = stores.events.clone();
        Self::over(stores, events).await
    }

    /// The same with a log of the test's own in front of the stored one.
    pub async fn over(stores: Stores, events: Arc<dyn EventStore>) -> Self {
        Self::beside(stores, events, Arc::new(MemoryWakeUps::new())).await
    }

    /// A process that hears the others through `wake_ups`.
    pub async fn beside(
        stores: Stores,
        events: Arc<dyn EventStore>,
        wake_ups: Arc<dyn WakeUps>,
    ) -> Self {
        let start = "2026-11-24T12:00:00Z".parse().unwrap();
        let clock = Arc::new(HandClock(Mutex::new(start)));
        let tenant = TenantId(Uuid::from_u128(0x5c1));
        let parts = Parts {
            tenant,
            name: "skyways".to_owned(),
            public_url: "http://skyways.localhost:8080".to_owned(),
            events,
            credentials: stores.credentials.clone(),
            read_model: stores.read_model.clone(),
            tracks: stores.tracks.clone(),
            storage: stores.storage.clone(),
            erasures: stores.erasures.clone(),
            cache: Arc::new(MemoryCache::new()),
            wake_ups,
            clock: clock.clone(),
            entropy: Arc::new(Randomness),
            tenant_key: [9; 32],
            pepper: [7; 32],
            passwords: Arc::new(Passwords::new(2, Arc::new(Randomness))),
        };
        let airline = Arc::new(Airline::new(parts, stores.schema_version));
        airline.prepare().await.unwrap();
        Self {
            airline,
            stores,
            clock,
            tenant,
        }
    }

    /// Somebody with exactly these roles, who has set a password.
    pub async fn person(&self, name: &str, roles: &[Role]) -> Identity {
        let new = Register {
            email: email(name),
            display_name: name.to_owned(),
            password: Some(secret(PASSWORD)),
        };
        let options = WriteOptions::default();
        let registered = self
            .airline
            .users
            .register(None, new, options)
            .await
            .unwrap();
        let id = registered.entity.user.id;
        self.airline.catch_up().await.unwrap();
        if roles != [Role::Pilot] {
            let host = somebody(UserId(Uuid::nil()), &[Role::TenantAdmin]);
            let roles: Roles = roles.iter().copied().collect();
            let users = &self.airline.users;
            let changed = users.set_roles(&host, id, roles, WriteOptions::default());
            changed.await.unwrap();
            self.airline.catch_up().await.unwrap();
        }
        somebody(id, roles)
    }

    pub fn airline_now(&self) -> Timestamp {
        self.clock.now()
    }

    pub async fn pilot(&self, name: &str) -> Identity {
        self.person(name, &[Role::Pilot]).await
    }

    /// A flight of this pilot's that is under way.
    pub async fn prefiled(&self, pilot: &Identity) -> Written<PirepView> {
        let pireps = &self.airline.pireps;
        let filed = pireps
            .create(pilot, flight("SKY1"), WriteOptions::default())
            .await;
        self.airline.catch_up().await.unwrap();
        filed.unwrap()
    }

    /// A flight of this pilot's that awaits staff.
    pub async fn submitted(&self, pilot: &Identity) -> Written<PirepView> {
        let filed = self.prefiled(pilot).await;
        let submitted = self
            .airline
            .pireps
            .submit(
                pilot,
                filed.entity.id,
                Submit::default(),
                WriteOptions::default(),
            )
            .await
            .unwrap();
        self.airline.catch_up().await.unwrap();
        submitted
    }

    /// Appends an event that holds nothing personal until its stream has so many, as somebody would who goes on for ever.
    pub async fn prolong(&self, stream: Uuid, event: impl Into<DomainEvent>, events: usize) {
        let log = &self.stores.events;
        let present = log.read_stream(stream, 0).await.unwrap().len();
        let encoded = codec::encode(&event.into(), Uuid::nil(), None, &KeyRing::default());
        let encoded = encoded.unwrap();
        for version in (present..events).step_by(MAX_EVENTS_PER_APPEND) {
            let new = || NewEvent {
                event_id: Uuid::new_v4(),
                kind: encoded.kind,
                schema: encoded.schema,
                payload: encoded.payload.clone(),
            };
            let count = MAX_EVENTS_PER_APPEND.min(events - version);
            let append = Append {
                command_id: Uuid::new_v4(),
                stream_id: stream,
                expected_version: i32::try_from(version).unwrap(),
                events: (0..count).map(|_| new()).collect(),
                causation_id: None,
                correlation_id: None,
                actor: "operator".to_owned(),
                recorded_at: self.clock.now(),
                claims: Vec::new(),
                request: None,
                credentials: Vec::new(),
                subject_keys: Vec::new(),
            };
            log.append(append).await.unwrap();
        }
        self.airline.catch_up().await.unwrap();
    }

    pub async fn positions(&self, pilot: &Identity, pirep: PirepId, samples: Vec<Sample>) {
        let tracks = &self.airline.tracks;
        tracks
            .store(pilot, pirep, Uuid::new_v4(), samples)
            .await
            .unwrap();
    }
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

pub fn email(name: &str) -> String {
    format!("{}@skyways.example", name.to_lowercase())
}

pub fn secret(text: &str) -> SecretString {
    text.to_owned().into()
}

pub fn seen(version: i32) -> WriteOptions {
    WriteOptions {
        if_match: Some(version),
        ..WriteOptions::default()
    }
}

/// Returns once it holds, by what others do meanwhile.
pub async fn soon(mut holds: impl AsyncFnMut() -> bool) {
    let held = async {
        while !holds().await {
            tokio::task::yield_now().await;
        }
    };
    let limit = std::time::Duration::from_secs(30);
    tokio::time::timeout(limit, held).await.unwrap();
}

/// A flight as an ACARS client prefiles it.
pub fn flight(number: &str) -> FilePirep {
    let text = |text: &str| Some(text.to_owned());
    FilePirep {
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
        remarks: None,
        custom_fields: None,
        bid: None,
        scheduled_flight: None,
    }
}

/// A position on the equator, a minute and a tenth of a degree after the one before.
pub fn sample(sequence: i32, speed: i16) -> Sample {
    Sample {
        sequence,
        time: Timestamp::from_second(1_700_000_000 + i64::from(sequence) * 60).unwrap(),
        latitude_e7: 0,
        longitude_e7: sequence * 1_000_000,
        altitude_ft: Some(35_000),
        heading_deg: Some(90),
        ground_speed_kt: Some(speed),
        indicated_airspeed_kt: None,
        vertical_speed_fpm: Some(0),
        fuel_kg: None,
        phase: None,
    }
}

/// The refusal's code, as clients see it.
pub fn refused<T: std::fmt::Debug>(answer: Result<T, ServiceError>) -> (&'static str, RefusalKind) {
    match answer {
        Err(ServiceError::Refused(refusal)) => (refusal.code, refusal.kind),
        other => panic!("not refused: {other:?}"),
    }
}

/// Every row of every table, in the order of tables and ids.
pub async fn rows(read_model: &dyn ReadModel) -> Vec<(&'static str, Row)> {
    let mut all = Vec::new();
    for table in tables::ALL {
        let query = Query {
            table,
            filters: Vec::new(),
            order_by: "id",
            descending: false,
            after: None,
            limit: 10_000,
        };
        let rows = read_model.list(query).await.unwrap();
        all.extend(rows.into_iter().map(|row| (table.name, row)));
    }
    all
}
