//! `albatross erase`: who is erased from the command line is gone, and nothing brings them back.

use albatross::application::desired::model::DesiredState;
use albatross::application::projections::tables;
use albatross::domain::pirep::PirepState;
use albatross::domain::roles::Role;
use albatross::domain::user::UserStatus;
use albatross::ports::read_model::Query;
use albatross_tests::servers::{connect_to_redis, servers};
use redis::AsyncCommands;
use rstest::rstest;
use secrecy::ExposeSecret;
use serde_json::json;
use uuid::Uuid;

use crate::airline::*;

/// Every row of the read model as it is stored, whatever a process that opens it would make of the log.
async fn shown(place: &Place) -> String {
    let read_model = place.stores().await.read_model;
    let mut shown = String::new();
    for table in tables::ALL {
        let query = Query {
            table,
            filters: Vec::new(),
            order_by: "id",
            descending: false,
            after: None,
            limit: 1_000,
        };
        shown += &format!("{:?}", read_model.list(query).await.unwrap());
    }
    shown
}

async fn is_gone(place: &Place, lived: &Lived) {
    let shown = shown(place).await;
    for text in ["Bartholomew", "bartholomew", "Smooth."] {
        assert!(!shown.contains(text), "{text} is in {shown}");
    }
    assert!(shown.contains("Rita"), "nobody else is touched");
    let airline = airline(&place.stores().await).await;
    let host = somebody(Uuid::nil().into(), &[Role::TenantAdmin]);
    let bob = airline.users.get(&host, lived.bob.user()).await.unwrap();
    assert_eq!(bob.entity.status, UserStatus::Erased);
    let flight = airline.pireps.get(&host, lived.accepted).await.unwrap();
    assert_eq!(flight.pirep.state, PirepState::Accepted, "flights stay");
    assert_eq!((flight.pilot_name, flight.pirep.remarks), (None, None));
}

#[rstest]
#[tokio::test]
async fn whoever_is_erased_from_the_command_line_is_gone_and_stays_gone(
    #[values(Sqlite, Postgres)] adapter: Adapter,
) {
    let place = Place::new(adapter).await;
    let lived = live(&place).await;
    assert!(shown(&place).await.contains("Bartholomew"));
    let address = "Bartholomew@Skyways.example";
    let said = succeeded(&place.run("erase", &[address, "--yes"]));
    let id = lived.bob.user().to_string();
    assert_eq!(said, format!("{id} is erased\n"));
    is_gone(&place, &lived).await;
    succeeded(&verify(&["--database-url", &place.url]));
    succeeded(&place.run("rebuild", &[]));
    is_gone(&place, &lived).await;

    // Erasing again changes nothing; the address is nobody's any more.
    let before = lived.stores.events.head().await.unwrap();
    assert_eq!(succeeded(&place.run("erase", &[&id, "--yes"])), said);
    let unknown = refused(&place.run("erase", &[address, "--yes"]));
    assert!(unknown.contains("no account of skyways"), "{unknown}");
    assert_eq!(lived.stores.events.head().await.unwrap(), before);
    if let Some(ledger) = &lived.stores.erasures {
        let noted = ledger.all().await.unwrap();
        assert_eq!(noted.into_iter().collect::<Vec<_>>(), [lived.bob.user().0]);
    }
}

/// Else they would believe a key for a minute.
#[tokio::test]
async fn pods_hear_through_redis_who_is_erased() {
    let place = Place::new(Postgres).await;
    let lived = live(&place).await;
    let user = servers().await.redis_user().await;
    let person = lived.bob.user().to_string();
    let shared = ["--redis-url", &user.url, "--redis-prefix", &user.prefix];
    let more = [&[&*person, "--yes"][..], &shared].concat();
    succeeded(&place.run("erase", &more));
    let [_, key, _] = &lived.secrets[..] else {
        panic!("a link, Bob's key and a password");
    };
    let name = format!(
        "{}cache:api-key:{}",
        user.prefix,
        &key.expose_secret()[5..17]
    );
    let mut connection = connect_to_redis(&user.url).await.unwrap();
    let entry: String = connection.get(name).await.unwrap();
    assert!(entry.starts_with('t'), "it is a tombstone: {entry}");
}

#[rstest]
#[tokio::test]
async fn nobody_is_erased_by_mistake(#[values(Sqlite, Postgres)] adapter: Adapter) {
    let place = Place::new(adapter).await;
    let lived = live(&place).await;
    let [ada, bob] = ["ada@skyways.example", "bartholomew@skyways.example"];
    let last = refused(&place.run("erase", &[ada, "--yes"]));
    assert!(last.contains("The last TenantAdmin cannot be"), "{last}");
    let flight = lived.accepted.to_string();
    for stranger in ["eve@nordwind.example", &Uuid::nil().to_string(), &flight] {
        refused(&place.run("erase", &[stranger, "--yes"]));
    }
    let unasked = refused(&place.run("erase", &[bob]));
    assert!(unasked.contains("--yes erases bartholomew@"), "{unasked}");

    let declared = json!({
        "number": 1,
        "tenant": {"displayName": "Skyways", "icaoCode": "SKY", "publicUrl": "http://skyways.localhost:8080"},
        "admins": [{"email": "carl@skyways.example", "displayName": "Carl", "role": "TenantAdmin"}],
    });
    let declared: DesiredState = serde_json::from_value(declared).unwrap();
    lived.airline.desired.apply(declared).await.unwrap();
    let managed = refused(&place.run("erase", &["carl@skyways.example", "--yes"]));
    assert!(managed.contains("take it out of the manifest"), "{managed}");

    lived.airline.catch_up().await.unwrap();
    let shown = shown(&place).await;
    for name in ["Adelaide", "Bartholomew", "Carl"] {
        assert!(shown.contains(name), "{name} is not in {shown}");
    }
    if let Some(ledger) = &lived.stores.erasures {
        assert!(ledger.all().await.unwrap().is_empty());
    }
}
