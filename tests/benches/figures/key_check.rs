//! What the check of a cached API key adds to a request.

use std::sync::Arc;
use std::time::Instant;

use albatross::adapters::memory::{self, MemoryCache};
use albatross::adapters::system::{SystemClock, SystemEntropy};
use albatross::application::airline::Airline;
use albatross::application::api_keys::NewKey;
use albatross::application::identity::Identity;
use albatross::application::passwords::Passwords;
use albatross::application::shared::Parts;
use albatross::application::users::Register;
use albatross::application::write::WriteOptions;
use albatross::domain::actor::Person;
use albatross::domain::ids::TenantId;
use albatross::domain::roles::{Role, Scope, Scopes};
use secrecy::ExposeSecret;
use uuid::Uuid;

use crate::Effort;
use crate::table::{Bar, Table, median};

const CHECKS: u32 = 20_000;

pub async fn measure(table: &mut Table, effort: Effort) {
    let airline = airline().await;
    let new = Register {
        email: "bob@skyways.example".to_owned(),
        display_name: "Bob".to_owned(),
        password: Some("correct horse battery staple".to_owned().into()),
    };
    let registered = airline.users.register(None, new, WriteOptions::default());
    let id = registered.await.unwrap().entity.user.id;
    let bob = Identity {
        person: Person {
            id,
            roles: Role::Pilot.into(),
            key: None,
        },
        session: None,
    };
    let new = NewKey {
        name: "bench".to_owned(),
        scopes: Scopes::from([Scope::PirepsRead]),
        expires_at: None,
    };
    let issued = airline
        .api_keys
        .issue(&bob, id, new, WriteOptions::default());
    let key = issued.await.unwrap().entity.key;
    let mut microseconds = Vec::new();
    for _ in 0..effort.rounds {
        let start = Instant::now();
        for _ in 0..CHECKS {
            airline.auth.by_key(key.expose_secret()).await.unwrap();
        }
        microseconds.push(start.elapsed().as_secs_f64() * 1e6 / f64::from(CHECKS));
    }
    table.figure(
        "check of a cached API key",
        median(microseconds),
        "µs",
        Bar::AtMost(20.0),
    );
}

async fn airline() -> Airline {
    let stores = memory::open();
    let parts = Parts {
        tenant: TenantId(Uuid::from_u128(1)),
        name: "skyways".to_owned(),
        public_url: "http://skyways.localhost".to_owned(),
        events: stores.events,
        credentials: stores.credentials,
        read_model: stores.read_model,
        tracks: stores.tracks,
        cache: Arc::new(MemoryCache::new()),
        clock: Arc::new(SystemClock),
        entropy: Arc::new(SystemEntropy),
        tenant_key: [9; 32],
        pepper: [7; 32],
        passwords: Arc::new(Passwords::new(2, Arc::new(SystemEntropy))),
    };
    let airline = Airline::new(parts, stores.schema_version);
    airline.prepare().await.unwrap();
    airline
}
