//! Erasing a person: what goes, what stays, and that nothing brings it back.

use std::sync::Arc;

use albatross::adapters::memory::MemoryReadModel;
use albatross::application::events::EventReader;
use albatross::application::identity::Identity;
use albatross::application::pireps::{FilePirep, Reject};
use albatross::application::projections::Projections;
use albatross::application::projections::lane::Lane;
use albatross::application::subject_keys::SubjectKeys;
use albatross::application::users::Register;
use albatross::application::write::{Outcome, WriteOptions};
use albatross::codec::TenantKey;
use albatross::domain::ids::PirepId;
use albatross::domain::pirep::Credit;
use albatross::domain::refusal::RefusalKind;
use albatross::domain::roles::Role;
use albatross::domain::user::UserStatus;
use albatross::ports::credentials::CredentialKind;
use albatross::ports::read_model::Row;

use crate::stage::*;

const REMARKS: &str = "my knee hurts again";
const CALLSIGN: &str = "KNEEBOB";
const ROUTE: &str = "DCT PAST MY HOUSE DCT";
const REASON: &str = "landed beside the runway, as Bob does";

struct Cast {
    stage: Stage,
    admin: Identity,
    rita: Identity,
    bob: Identity,
    flight: PirepId,
}

impl Cast {
    /// Bob has filed a flight with remarks, which was rejected with a reason.
    async fn new() -> Self {
        let stage = Stage::new().await;
        let admin = stage.person("Ada", &[Role::TenantAdmin]).await;
        let rita = stage.person("Rita", &[Role::Reviewer]).await;
        let bob = stage.pilot("Bob").await;
        let pireps = &stage.airline.pireps;
        let mut new = FilePirep {
            remarks: Some(REMARKS.to_owned()),
            ..flight("SKY1")
        };
        new.plan.callsign = Some(CALLSIGN.to_owned());
        new.plan.route = Some(ROUTE.to_owned());
        let filed = pireps.create(&bob, new, WriteOptions::default()).await;
        let flight = filed.unwrap().entity.id;
        let submit = albatross::application::pireps::Submit::default();
        let submitted = pireps.submit(&bob, flight, submit, WriteOptions::default());
        let version = submitted.await.unwrap().version;
        let reject = Reject {
            reason: REASON.to_owned(),
            credit: Credit::None,
        };
        pireps
            .reject(&rita, flight, reject, seen(version))
            .await
            .unwrap();
        stage.airline.catch_up().await.unwrap();
        Self {
            stage,
            admin,
            rita,
            bob,
            flight,
        }
    }

    async fn erase(&self) -> Outcome {
        let erasure = &self.stage.airline.erasure;
        let options = WriteOptions::default();
        let erased = erasure.erase(&self.admin, self.bob.user(), options).await;
        let erased = erased.unwrap();
        assert_eq!(erased.entity.entity.status, UserStatus::Erased);
        erased.outcome
    }

    async fn rows(&self) -> Vec<(&'static str, Row)> {
        rows(&*self.stage.stores.read_model).await
    }
}

fn says(rows: &[(&'static str, Row)], text: &str) -> bool {
    let text = text.to_lowercase();
    let mut rows = rows.iter();
    rows.any(|(_, row)| format!("{row:?}").to_lowercase().contains(&text))
}

#[tokio::test]
async fn what_a_person_was_is_gone_from_every_row_and_the_log_stays_whole() {
    let cast = Cast::new().await;
    let before = cast.rows().await;
    let personal = [
        "bob@skyways.example",
        "Bob",
        REMARKS,
        REASON,
        CALLSIGN,
        ROUTE,
    ];
    assert!(
        personal.iter().all(|text| says(&before, text)),
        "{before:?}"
    );
    assert_eq!(cast.erase().await, Outcome::Changed);
    cast.stage.airline.catch_up().await.unwrap();
    let after = cast.rows().await;
    for text in personal {
        assert!(!says(&after, text), "{text} is in {after:?}");
    }
    assert_eq!(after.len(), before.len(), "accounts and flights stay");
    assert!(
        says(&after, "ada@skyways.example"),
        "nobody else is touched"
    );
    let stores = &cast.stage.stores;
    albatross::adapters::chain::verify(&*stores.events)
        .await
        .unwrap();
    let bob = cast.bob.user();
    assert!(
        stores
            .events
            .subject_keys(&[bob.0])
            .await
            .unwrap()
            .is_empty()
    );
    for kind in [
        CredentialKind::Password,
        CredentialKind::Session,
        CredentialKind::ApiKey,
    ] {
        let left = stores
            .credentials
            .credentials_of(kind, bob.0)
            .await
            .unwrap();
        assert!(left.is_empty(), "{left:?}");
    }
}

#[tokio::test]
async fn nothing_that_is_shown_of_a_flight_afterwards_says_what_its_pilot_wrote() {
    let cast = Cast::new().await;
    let airline = &cast.stage.airline;
    let shown = async || {
        let history = airline.history.of(&cast.rita, cast.flight).await.unwrap();
        // As the log says, which is how an answer to staff shows it.
        let current = airline.pireps.current(&cast.rita, cast.flight).await;
        format!("{history:?} {:?}", current.unwrap())
    };
    let written = [REMARKS, REASON, CALLSIGN, ROUTE];
    let before = shown().await;
    assert!(written.iter().all(|text| before.contains(text)), "{before}");
    cast.erase().await;
    airline.catch_up().await.unwrap();
    let after = shown().await;
    for text in written {
        assert!(!after.contains(text), "{text} is in {after}");
    }
}

#[tokio::test]
async fn a_rebuild_afterwards_gives_the_same_rows() {
    let cast = Cast::new().await;
    cast.erase().await;
    let airline = &cast.stage.airline;
    airline.catch_up().await.unwrap();
    let living = cast.rows().await;
    for lane in Lane::ALL {
        airline.rebuild(lane, &mut |_, _| {}).await.unwrap();
    }
    assert_eq!(cast.rows().await, living);
    // Nor does it matter how the log is split, or what a process still knew.
    let events = cast.stage.stores.events.clone();
    let clock = cast.stage.clock.clone();
    let keys = SubjectKeys::new(events.clone(), TenantKey::new(&[9; 32]), clock.clone());
    let reader = EventReader::new(Arc::new(keys));
    for batch in [1, 3, 1_000] {
        let fresh = Arc::new(MemoryReadModel::new());
        let projections = Projections::new(
            events.clone(),
            reader.clone(),
            fresh.clone(),
            clock.clone(),
            Arc::new(Randomness),
        );
        let projections = projections.with_batch(batch);
        projections.prepare().await.unwrap();
        projections.catch_up().await.unwrap();
        assert_eq!(rows(&*fresh).await, living);
    }
}

#[tokio::test]
async fn nothing_more_is_written_about_them_and_the_address_is_free() {
    let cast = Cast::new().await;
    let resubmitted = cast.stage.submitted(&cast.bob).await.entity;
    assert_eq!(cast.erase().await, Outcome::Changed);
    assert_eq!(cast.erase().await, Outcome::Repeated);
    let airline = &cast.stage.airline;
    airline.catch_up().await.unwrap();
    let reject = Reject {
        reason: REASON.to_owned(),
        credit: Credit::None,
    };
    let options = seen(resubmitted.version);
    let rejected = airline
        .pireps
        .reject(&cast.rita, resubmitted.id, reject, options);
    let (code, _) = refused(rejected.await);
    assert_eq!(code, "erased");
    let read = airline.pireps.get(&cast.rita, cast.flight).await.unwrap();
    assert_eq!((read.pilot_name, read.pirep.remarks), (None, None));
    let again = Register {
        email: email("Bob"),
        display_name: "Another Bob".to_owned(),
        password: Some(secret(PASSWORD)),
    };
    let options = WriteOptions::default();
    let another = airline.users.register(None, again, options).await.unwrap();
    assert_ne!(another.entity.user.id, cast.bob.user());
}

#[tokio::test]
async fn the_last_admin_and_whoever_is_no_admin_are_refused() {
    let cast = Cast::new().await;
    let erasure = &cast.stage.airline.erasure;
    let (admin, options) = (cast.admin.user(), WriteOptions::default);
    let last = erasure.erase(&cast.admin, admin, options()).await;
    let (code, kind) = refused(last);
    assert_eq!(code, "last-admin");
    assert!(matches!(kind, RefusalKind::Conflict));
    let other = erasure.erase(&cast.rita, cast.bob.user(), options()).await;
    assert_eq!(refused(other).0, "not-an-admin");
    let ledger = cast.stage.stores.erasures.as_ref().unwrap();
    assert!(ledger.all().await.unwrap().is_empty(), "nobody was erased");
}

#[tokio::test]
async fn the_ledger_erases_again_whom_a_restored_log_brings_back() {
    let cast = Cast::new().await;
    let bob = cast.bob.user();
    let ledger = cast.stage.stores.erasures.as_ref().unwrap();
    // As after a restore: the log does not know of it, the ledger does.
    ledger.note(bob.0).await.unwrap();
    let airline = &cast.stage.airline;
    airline.erasure.replay([]).await.unwrap();
    airline.catch_up().await.unwrap();
    assert!(!says(&cast.rows().await, "bob@skyways.example"));
    let head = cast.stage.stores.events.head().await.unwrap();
    airline.erasure.replay([]).await.unwrap();
    assert_eq!(
        cast.stage.stores.events.head().await.unwrap(),
        head,
        "once is enough"
    );
    // A ledger that is lost is written anew from the log; a second admin lets the first one go.
    let second = cast.stage.person("Zoe", &[Role::TenantAdmin]).await;
    let ada = cast.admin.user();
    airline.erasure.replay([ada.0]).await.unwrap();
    assert_eq!(ledger.all().await.unwrap(), [bob.0, ada.0].into());
    airline.catch_up().await.unwrap();
    let read = airline.users.get(&second, ada).await.unwrap();
    assert_eq!(read.entity.status, UserStatus::Erased);
}

#[tokio::test]
async fn the_erased_are_listed_page_by_page() {
    let cast = Cast::new().await;
    cast.erase().await;
    let zoe = cast.stage.pilot("Zoe").await;
    let erasure = &cast.stage.airline.erasure;
    let options = WriteOptions::default();
    let erased = erasure.erase(&cast.admin, zoe.user(), options).await;
    erased.unwrap();
    let mut expected = [cast.bob.user().0, zoe.user().0];
    expected.sort();
    let whole = erasure.erased(None, 2).await.unwrap();
    assert_eq!((whole.items.as_slice(), whole.next), (&expected[..], None));
    let [first, second] = expected;
    let page = erasure.erased(None, 1).await.unwrap();
    assert_eq!((page.items, page.next), (vec![first], Some(first)));
    let page = erasure.erased(Some(first), 1).await.unwrap();
    assert_eq!((page.items, page.next), (vec![second], None));
}
