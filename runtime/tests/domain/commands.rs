//! The executor on a real (in-memory) log: retries, preconditions, repeats, erasure.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use albatross::adapters::memory::MemoryLog;
use albatross::application::commands::{Beside, CommandError, Commands, Done, Order};
use albatross::application::events::EventReader;
use albatross::application::subject_keys::SubjectKeys;
use albatross::codec::TenantKey;
use albatross::domain::actor::{Actor, RecordedActor};
use albatross::domain::event::DomainEvent;
use albatross::domain::ids::UserId;
use albatross::domain::personal::Personal;
use albatross::domain::pirep::{
    Intent, Milestones, NewPirep, Pirep, PirepCommand, PirepEvent, PirepFacts, PirepState, Report,
    Source, SourceKind,
};
use albatross::domain::roles::Role;
use albatross::domain::user::{NewUser, User, UserCommand, UserFacts};
use albatross::ports::clock::{Clock, Entropy};
use albatross::ports::credentials::{Credential, CredentialChange, CredentialKind, Credentials};
use albatross::ports::event_store::{
    Append, AppendError, Appended, ChainLink, ClaimChange, ClientRequest, EventStore, Head,
    NewEvent, RecordedEvent, RecordedRequest, StoreError, SubjectKey,
};
use albatross_proto::v1::EventKind;
use async_trait::async_trait;
use jiff::Timestamp;
use tokio::sync::watch;
use uuid::Uuid;

use crate::given::{PILOT, STREAM, now, pilot};
use crate::life_cycle::plan;

struct FixedClock;

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        now()
    }
}

#[derive(Default)]
struct Counter(AtomicU64);

impl Entropy for Counter {
    fn fill(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let count = self.0.fetch_add(1, Ordering::Relaxed).to_be_bytes();
            chunk.copy_from_slice(&count[8 - chunk.len()..]);
        }
    }
}

/// A log beside which somebody else is at work: may write first, and may erase everybody.
struct Shared {
    log: MemoryLog,
    /// How many of the next appends are overtaken by somebody else's.
    overtaken: AtomicUsize,
    erased: AtomicBool,
}

impl Shared {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            log: MemoryLog::new(Uuid::from_u128(1)),
            overtaken: AtomicUsize::new(0),
            erased: AtomicBool::new(false),
        })
    }

    /// The next `times` appends find that somebody else has just paused the flight.
    fn overtake(&self, times: usize) {
        self.overtaken.store(times, Ordering::SeqCst);
    }

    fn somebody_elses(append: &Append, number: usize) -> Append {
        let number = number as u128;
        Append {
            command_id: Uuid::from_u128(0xC0 + number),
            events: vec![NewEvent {
                event_id: Uuid::from_u128(0xE0 + number),
                kind: EventKind::FlightPaused as i16,
                schema: 1,
                payload: Vec::new(),
            }],
            actor: Actor::Operator.to_string(),
            ..append.clone()
        }
    }
}

#[async_trait]
impl EventStore for Shared {
    async fn append(&self, append: Append) -> Result<Appended, AppendError> {
        let left = self.overtaken.load(Ordering::SeqCst);
        if left > 0 {
            self.overtaken.store(left - 1, Ordering::SeqCst);
            let other = Self::somebody_elses(&append, left);
            self.log.append(other).await.unwrap();
        }
        self.log.append(append).await
    }

    async fn read_stream(&self, id: Uuid, after: i32) -> Result<Vec<RecordedEvent>, StoreError> {
        self.log.read_stream(id, after).await
    }

    async fn read_after(&self, after: i64, limit: usize) -> Result<Vec<RecordedEvent>, StoreError> {
        self.log.read_after(after, limit).await
    }

    async fn head(&self) -> Result<Head, StoreError> {
        self.log.head().await
    }

    async fn chain_after(&self, after: i64, limit: usize) -> Result<Vec<ChainLink>, StoreError> {
        self.log.chain_after(after, limit).await
    }

    async fn request(&self, key: &[u8; 32]) -> Result<Option<RecordedRequest>, StoreError> {
        self.log.request(key).await
    }

    async fn claim_owner(&self, claim: &[u8]) -> Result<Option<Uuid>, StoreError> {
        self.log.claim_owner(claim).await
    }

    async fn subject_keys(&self, subjects: &[Uuid]) -> Result<Vec<SubjectKey>, StoreError> {
        if self.erased.load(Ordering::SeqCst) {
            return Ok(Vec::new());
        }
        self.log.subject_keys(subjects).await
    }

    fn appended(&self) -> watch::Receiver<Head> {
        self.log.appended()
    }

    fn hint(&self, position: i64) {
        self.log.hint(position);
    }
}

fn keys(store: &Arc<Shared>) -> Arc<SubjectKeys> {
    let tenant_key = TenantKey::new(&[7; 32]);
    let keys = SubjectKeys::new(store.clone(), tenant_key, Arc::new(FixedClock));
    Arc::new(keys)
}

fn commands(store: &Arc<Shared>) -> Commands {
    let entropy = Arc::new(Counter::default());
    Commands::new(store.clone(), keys(store), Arc::new(FixedClock), entropy)
}

fn register() -> Order<User> {
    let user = NewUser {
        email: Some("ada@skyways.example".into()),
        display_name: "Ada".into(),
        callsign: None,
        roles: Role::Pilot.into(),
        machine: false,
        with_password: true,
    };
    Order::new(
        PILOT,
        UserCommand::Register(user),
        Actor::Anonymous,
        UserFacts::default(),
    )
}

fn order(command: PirepCommand) -> Order<Pirep> {
    Order::new(STREAM, command, pilot(), PirepFacts::default())
}

fn prefile() -> Order<Pirep> {
    order(PirepCommand::File(NewPirep {
        intent: Intent::Prefile,
        pilot: PILOT,
        source: Source {
            kind: SourceKind::Acars,
            client: None,
        },
        plan: plan(),
        report: None,
        remarks: Some("hello".into()),
        custom_fields: None,
        bid: None,
        scheduled_flight: None,
    }))
}

fn submit() -> Order<Pirep> {
    order(PirepCommand::Submit {
        report: Some(Report {
            landing_rate_fpm: Some(-180),
            ..Report::default()
        }),
        remarks: Some("smooth".into()),
        custom_fields: None,
        last_sequence: Some(9),
        milestones: Milestones::new(),
    })
}

fn comment(text: &str) -> Order<Pirep> {
    order(PirepCommand::Comment {
        comment: text.into(),
    })
}

/// A pilot with a flight under way.
async fn flight(store: &Arc<Shared>) -> Commands {
    let commands = commands(store);
    commands.execute(register()).await.unwrap();
    commands.execute(prefile()).await.unwrap();
    commands
}

fn request(body: u8) -> ClientRequest {
    ClientRequest {
        key: [1; 32],
        body_digest: [body; 32],
        secret: false,
    }
}

#[tokio::test]
async fn a_command_writes_events_keys_claims_and_credentials_at_once() {
    let store = Shared::new();
    let order = register().beside(|user, events| {
        assert_eq!(events.len(), 2);
        assert!(user.has_password);
        Beside {
            claims: vec![ClaimChange::Take {
                claim: b"ada".to_vec(),
                owner: PILOT.0,
            }],
            credentials: vec![CredentialChange::Put(Credential {
                kind: CredentialKind::Principal,
                id: PILOT.to_string(),
                subject: PILOT.0,
                verifier: Vec::new(),
                data: serde_json::json!({ "roles": user.roles }),
                created_at: now(),
                expires_at: None,
                last_used_at: None,
            })],
        }
    });
    let done: Done<User> = commands(&store).execute(order).await.unwrap();
    assert_eq!((done.version, done.position), (2, 2));

    let recorded = store.read_stream(PILOT.0, 0).await.unwrap();
    let reader = EventReader::new(keys(&store));
    assert_eq!(reader.decode(&recorded).await.unwrap(), done.events);
    assert_eq!(done.events[0].who(), RecordedActor::Anonymous);
    assert_eq!(done.events[0].event.name(), "UserRegistered");

    assert_eq!(store.claim_owner(b"ada").await.unwrap(), Some(PILOT.0));
    assert_eq!(store.subject_keys(&[PILOT.0]).await.unwrap().len(), 1);
    let principal = store
        .log
        .credential(CredentialKind::Principal, &PILOT.to_string())
        .await
        .unwrap();
    assert_eq!(
        principal.unwrap().data,
        serde_json::json!({ "roles": ["Pilot"] })
    );

    let loaded = commands(&store).load::<User>(PILOT).await.unwrap();
    assert_eq!(loaded.state, Some(done.state));
    assert_eq!((loaded.version, loaded.position), (2, 2));
}

#[tokio::test]
async fn a_claim_of_somebody_elses_refuses_the_whole_command() {
    let store = Shared::new();
    let claimed = |owner: UserId| {
        move |_: &User, _: &[_]| Beside {
            claims: vec![ClaimChange::Take {
                claim: b"ada".to_vec(),
                owner: owner.0,
            }],
            credentials: Vec::new(),
        }
    };
    let commands = commands(&store);
    let first = register().beside(claimed(UserId(Uuid::from_u128(99))));
    commands.execute(first).await.unwrap();
    let second = Order::new(
        Uuid::from_u128(5),
        UserCommand::Register(NewUser {
            email: Some("ada@skyways.example".into()),
            display_name: "Imposter".into(),
            callsign: None,
            roles: Role::Pilot.into(),
            machine: false,
            with_password: false,
        }),
        Actor::Anonymous,
        UserFacts::default(),
    )
    .beside(claimed(UserId(Uuid::from_u128(5))));
    let refused = commands.execute(second).await.unwrap_err();
    assert!(
        matches!(refused, CommandError::ClaimTaken { owner, .. } if owner == Uuid::from_u128(99))
    );
    assert_eq!(store.head().await.unwrap().position, 2);
}

#[tokio::test]
async fn a_conflict_is_tried_again_on_the_newer_state() {
    let store = Shared::new();
    let commands = flight(&store).await;
    store.overtake(2);
    let done = commands.execute(comment("still here")).await.unwrap();
    assert_eq!(
        done.version, 4,
        "one event, two by somebody else, then ours"
    );
    let recorded = store.read_stream(STREAM, 3).await.unwrap();
    assert_eq!(recorded.len(), 1);
    assert_eq!(done.events[0].position, recorded[0].position);
}

#[tokio::test]
async fn a_stream_that_never_rests_is_given_up() {
    let store = Shared::new();
    let commands = flight(&store).await;
    store.overtake(4);
    let given_up = commands.execute(comment("me too")).await.unwrap_err();
    assert!(matches!(given_up, CommandError::Contended), "{given_up}");
}

#[tokio::test]
async fn an_expected_version_is_never_tried_again() {
    let store = Shared::new();
    let commands = flight(&store).await;
    let stale = commands.execute(comment("old").expecting(7)).await;
    assert!(matches!(stale, Err(CommandError::Stale { actual: 1 })));
    store.overtake(1);
    let overtaken = commands.execute(comment("late").expecting(1)).await;
    assert!(matches!(overtaken, Err(CommandError::Stale { actual: 2 })));
    let fresh = commands.execute(comment("now").expecting(2)).await;
    assert_eq!(fresh.unwrap().version, 3);
}

#[tokio::test]
async fn a_repeated_request_is_told_apart_before_it_is_decided() {
    let store = Shared::new();
    let commands = flight(&store).await;
    let first = commands.execute(submit().requested(request(1))).await;
    let first = first.unwrap();
    assert_eq!(first.state.state, PirepState::Submitted);
    assert_eq!(first.events.len(), 2);

    let again = commands.execute(submit().requested(request(1))).await;
    match again.unwrap_err() {
        CommandError::Repeated(before) => {
            assert_eq!(before.version, first.version);
            assert_eq!(before.position, first.position);
            assert_eq!(before.stream_id, STREAM);
        }
        other => panic!("{other}"),
    }
    let other_body = commands.execute(submit().requested(request(2))).await;
    assert!(matches!(other_body, Err(CommandError::RequestReused)));
    let unnamed = commands.execute(submit()).await.unwrap_err();
    assert!(
        matches!(unnamed, CommandError::Refused(refusal) if refusal.code == "illegal-transition")
    );
}

#[tokio::test]
async fn a_command_that_changes_nothing_writes_nothing() {
    let store = Shared::new();
    let commands = flight(&store).await;
    let head = store.head().await.unwrap();
    let same = order(PirepCommand::Merge {
        plan: Some(plan()),
        report: None,
        remarks: Some("hello".into()),
        custom_fields: None,
        last_sequence: None,
    });
    let done = commands.execute(same).await.unwrap();
    assert!(done.events.is_empty());
    assert_eq!((done.version, done.position), (1, head.position));
    assert_eq!(store.head().await.unwrap(), head);
}

#[tokio::test]
async fn an_id_of_something_else_is_refused_not_misread() {
    let store = Shared::new();
    let commands = flight(&store).await;
    let foreign: Order<Pirep> =
        Order::new(PILOT, PirepCommand::Pause, pilot(), PirepFacts::default());
    let refused = commands.execute(foreign).await.unwrap_err();
    assert!(matches!(refused, CommandError::Refused(refusal) if refusal.code == "id-taken"));
}

#[tokio::test]
async fn an_erased_person_reads_as_erased_and_cannot_be_written_about() {
    let store = Shared::new();
    flight(&store).await;
    store.erased.store(true, Ordering::SeqCst);
    let commands = commands(&store);
    let loaded = commands.load::<Pirep>(STREAM).await.unwrap();
    let pirep = loaded.state.unwrap();
    assert_eq!(pirep.remarks, Some(Personal::Erased));
    assert_eq!(pirep.plan, plan());

    let refused = commands.execute(comment("hello?")).await.unwrap_err();
    assert!(matches!(refused, CommandError::Refused(refusal) if refusal.code == "erased"));
    let wordless = commands.execute(order(PirepCommand::Pause)).await.unwrap();
    assert_eq!(wordless.state.state, PirepState::Paused);
}

#[tokio::test]
async fn an_event_from_the_future_is_reported_with_its_position() {
    let store = Shared::new();
    let commands = flight(&store).await;
    let mut recorded = store.read_after(0, 10).await.unwrap();
    recorded[1].kind = 399;
    let reader = EventReader::new(keys(&store));
    let error = reader.decode(&recorded).await.unwrap_err();
    let position = recorded[1].position;
    assert!(error.to_string().contains(&format!("position {position}")));
    drop(commands);
}

#[tokio::test]
async fn readers_load_the_keys_of_everybody_in_a_batch() {
    let store = Shared::new();
    flight(&store).await;
    let recorded = store.read_after(0, 10).await.unwrap();
    let events = EventReader::new(keys(&store))
        .decode(&recorded)
        .await
        .unwrap();
    let remarks: BTreeSet<String> = events
        .into_iter()
        .filter_map(|event| match event.event {
            DomainEvent::Pirep(pirep) => match *pirep {
                PirepEvent::Prefiled(filing) => filing.remarks?.into_known(),
                _ => None,
            },
            _ => None,
        })
        .collect();
    assert_eq!(remarks, BTreeSet::from(["hello".to_owned()]));
}
