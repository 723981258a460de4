//! An airline as a library, with pilots who have keys.

use std::sync::Arc;

use albatross::adapters::Stores;
use albatross::application::airline::Airline;
use albatross::application::api_keys::NewKey;
use albatross::application::identity::Identity;
use albatross::application::pireps::FilePirep;
use albatross::application::users::Register;
use albatross::application::write::WriteOptions;
use albatross::domain::actor::Person;
use albatross::domain::pirep::{Intent, Plan, Source, SourceKind};
use albatross::domain::roles::{Role, Scope, Scopes};
use albatross_tests::parts::parts;
use secrecy::ExposeSecret;

/// The airline over this storage, its tables made ready.
pub async fn over(stores: &Stores) -> Arc<Airline> {
    let airline = Airline::new(parts(stores), stores.schema_version);
    airline.prepare().await.unwrap();
    Arc::new(airline)
}

/// Somebody who has just registered.
pub async fn pilot(airline: &Airline, name: &str) -> Identity {
    let new = Register {
        email: format!("{name}@skyways.example"),
        display_name: name.to_owned(),
        password: Some("correct horse battery staple".to_owned().into()),
    };
    let registered = airline.users.register(None, new, WriteOptions::default());
    let id = registered.await.unwrap().entity.user.id;
    Identity {
        person: Person {
            id,
            roles: Role::Pilot.into(),
            key: None,
        },
        suspended: false,
        session: None,
    }
}

/// Staff who decide flights.
pub async fn reviewer(airline: &Airline, name: &str) -> Identity {
    let mut identity = pilot(airline, name).await;
    identity.person.roles = Role::Reviewer.into();
    identity
}

/// A key with which the pilot's programs file flights.
pub async fn key(airline: &Airline, pilot: &Identity) -> String {
    let new = NewKey {
        name: "bench".to_owned(),
        scopes: Scopes::from([Scope::PirepsRead, Scope::PirepsWrite]),
        expires_at: None,
    };
    let keys = &airline.api_keys;
    let issued = keys.issue(pilot, pilot.person.id, new, WriteOptions::default());
    issued.await.unwrap().entity.key.expose_secret().to_owned()
}

/// A flight as an ACARS client prefiles it.
pub fn flight() -> FilePirep {
    let text = |text: &str| Some(text.to_owned());
    FilePirep {
        intent: Intent::Prefile,
        source: Source {
            kind: SourceKind::Acars,
            client: text("bench 1.0"),
        },
        plan: Plan {
            flight_number: text("SKY1"),
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
