//! Erasing a person: what goes, what stays, and that nothing brings it back.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use albatross::adapters::memory::{self, MemoryReadModel};
use albatross::application::error::ServiceError;
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
use albatross::ports::erasures::Erasures;
use albatross::ports::event_store::StoreError;
use albatross::ports::read_model::Row;
use async_trait::async_trait;
use uuid::Uuid;

use crate::faulty_log::FaultyLog;
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
        Self::on(Stage::new().await).await
    }

    /// The same over a log with faults.
    async fn with_faults() -> (Self, Arc<FaultyLog>) {
        let stores = memory::open();
        let log = FaultyLog::new(stores.events.clone());
        let stage = Stage::over(stores, log.clone()).await;
        (Self::on(stage).await, log)
    }

    async fn on(stage: Stage) -> Self {
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
    ledger.note([bob.0].into()).await.unwrap();
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
async fn an_erasure_is_noted_although_nobody_waits_for_it() {
    let (cast, log) = Cast::with_faults().await;
    let (erasure, bob) = (&cast.stage.airline.erasure, cast.bob.user());
    log.given_up(erasure.erase(&cast.admin, bob, WriteOptions::default()))
        .await;
    let ledger = cast.stage.stores.erasures.as_ref().unwrap();
    soon(async || ledger.all().await.unwrap() == [bob.0].into()).await;
}

#[tokio::test]
async fn whom_the_ledger_names_is_erased_again_though_an_event_of_people_cannot_be_read() {
    let (cast, log) = Cast::with_faults().await;
    let (airline, stores) = (&cast.stage.airline, &cast.stage.stores);
    let second = cast.stage.person("Zoe", &[Role::TenantAdmin]).await;
    let (ada, bob) = (cast.admin.user(), cast.bob.user());
    let ledger = stores.erasures.as_ref().unwrap();
    let named = BTreeSet::from([ada.0, bob.0]);
    ledger.note(named.clone()).await.unwrap();
    let poisoned = log.inner.head().await.unwrap().position + 1;
    log.poisoned.store(poisoned, Ordering::Relaxed);
    let eve = Register {
        email: email("Eve"),
        display_name: "Eve".to_owned(),
        password: Some(secret(PASSWORD)),
    };
    let options = WriteOptions::default();
    let eve = airline.users.register(None, eve, options).await.unwrap();
    assert!(eve.position >= poisoned);

    airline.erasure.replay([]).await.unwrap();
    let stopped = airline.catch_up().await;
    assert!(
        matches!(stopped, Err(ServiceError::Corrupt(_))),
        "{stopped:?}"
    );
    let key_of = async |user: Uuid| stores.events.subject_keys(&[user]).await.unwrap().pop();
    assert_eq!(key_of(bob.0).await, None);
    assert!(
        key_of(ada.0).await.is_some(),
        "whether another admin is left cannot be told"
    );
    assert_eq!(ledger.all().await.unwrap(), named, "and nobody else");

    log.poisoned.store(0, Ordering::Relaxed);
    airline.erasure.replay([]).await.unwrap();
    airline.catch_up().await.unwrap();
    for erased in [ada, bob] {
        let read = airline.users.get(&second, erased).await.unwrap();
        assert_eq!(read.entity.status, UserStatus::Erased);
    }
    assert_eq!(ledger.all().await.unwrap(), named);
}

/// A ledger that counts how often it is written.
struct Counted {
    inner: Arc<dyn Erasures>,
    written: AtomicUsize,
}

#[async_trait]
impl Erasures for Counted {
    async fn note(&self, subjects: BTreeSet<Uuid>) -> Result<(), StoreError> {
        self.written.fetch_add(1, Ordering::Relaxed);
        self.inner.note(subjects).await
    }

    async fn all(&self) -> Result<BTreeSet<Uuid>, StoreError> {
        self.inner.all().await
    }
}

#[tokio::test]
async fn a_ledger_is_written_once_for_whom_it_lacks_and_never_for_whom_it_names() {
    let mut stores = memory::open();
    let ledger = Arc::new(Counted {
        inner: stores.erasures.take().unwrap(),
        written: AtomicUsize::new(0),
    });
    stores.erasures = Some(ledger.clone());
    let events = stores.events.clone();
    let cast = Cast::on(Stage::over(stores, events).await).await;
    let written = || ledger.written.swap(0, Ordering::Relaxed);
    cast.erase().await;
    assert_eq!(written(), 1);
    let erasure = &cast.stage.airline.erasure;
    let unknown = [1, 2, 3].map(Uuid::from_u128);
    for times in [1, 0] {
        erasure.replay(unknown).await.unwrap();
        assert_eq!(written(), times);
    }
    let all = ledger.all().await.unwrap();
    assert_eq!(all.len(), 4);
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
