//! Who was erased is in no later export, and no earlier one brings them back.

use albatross::application::write::WriteOptions;
use albatross::domain::personal::Personal;
use albatross::domain::pirep::PirepState;
use albatross::domain::roles::Role;
use albatross::domain::user::UserStatus;
use rstest::rstest;
use uuid::Uuid;

use crate::airline::*;

#[rstest]
#[tokio::test]
async fn exports_before_and_after_an_erasure_bring_nobody_back(
    #[values(Sqlite, Postgres)] from: Adapter,
    #[values(Sqlite, Postgres)] to: Adapter,
) {
    let source = Place::new(from).await;
    let lived = live(&source).await;
    let before = source.export("before.export");
    let host = somebody(Uuid::nil().into(), &[Role::TenantAdmin]);
    let bob = lived.bob.user();
    let erasure = &lived.airline.erasure;
    let until = lived
        .stores
        .events
        .head()
        .await
        .unwrap()
        .position
        .to_string();
    let erased = erasure.erase(&host, bob, WriteOptions::default()).await;
    erased.unwrap();
    let after = source.export("after.export");
    let said = succeeded(&verify(&[after.to_str().unwrap()]));
    assert!(said.contains("3 keys and 2 tracks"), "{said}");
    let text = std::fs::read_to_string(&after).unwrap();
    let keys = text.lines().filter(|line| line.starts_with("{\"key\""));
    let named = keys.filter(|line| line.contains(&bob.to_string()));
    assert_eq!(named.count(), 0, "the key is in no later export");

    let ledger = source.file("ledger");
    std::fs::write(&ledger, format!("{bob}\n")).unwrap();
    let named = ["--erased", ledger.to_str().unwrap()];
    let until = ["--until", &until];
    for (export, more) in [
        (&after, &[][..]),
        (&after, &until[..]),
        (&before, &named[..]),
    ] {
        let target = Place::new(to).await;
        succeeded(&target.import(export, more));
        let airline = airline(&target.stores().await).await;
        let user = airline.users.get(&host, bob).await.unwrap();
        assert_eq!(user.entity.status, UserStatus::Erased);
        assert_eq!(user.entity.display_name.text(), None);
        let flight = airline.pireps.get(&host, lived.accepted).await.unwrap();
        assert_eq!(flight.pirep.state, PirepState::Accepted);
        assert_eq!((flight.pilot_name, flight.pirep.remarks), (None, None));
        let log = airline.flight_logs.open(&host, lived.accepted).await;
        let lines = log.unwrap().lines(None).await;
        let mut lines = lines.unwrap().into_iter();
        assert!(lines.all(|line| line.text == Personal::Erased));
        let again = airline
            .users
            .register(None, new("Bartholomew"), WriteOptions::default());
        again.await.unwrap();
        succeeded(&verify(&["--database-url", &target.url]));
    }
}

/// The ledger beside the log of an airline survives the log.
#[tokio::test]
async fn the_ledger_in_place_is_replayed_on_an_import() {
    let place = Place::new(Sqlite).await;
    let lived = live(&place).await;
    let export = place.export("before.export");
    let host = somebody(Uuid::nil().into(), &[Role::TenantAdmin]);
    let bob = lived.bob.user();
    let erasure = &lived.airline.erasure;
    erasure
        .erase(&host, bob, WriteOptions::default())
        .await
        .unwrap();
    lived.stores.close().await;
    let directory = place.folder.path().join("data");
    for file in std::fs::read_dir(&directory).unwrap() {
        let path = file.unwrap().path();
        if path.file_name().unwrap() != "erased" {
            std::fs::remove_file(path).unwrap();
        }
    }
    succeeded(&place.import(&export, &[]));
    let airline = airline(&place.stores().await).await;
    let user = airline.users.get(&host, bob).await.unwrap();
    assert_eq!(user.entity.status, UserStatus::Erased);
}
