//! A draft that is flown and thrown away at the same moment: whichever comes first holds, and no position is hidden.

use std::collections::{HashMap, HashSet};
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use albatross::application::airline::Airline;
use albatross::application::error::ServiceError;
use albatross::application::identity::Identity;
use albatross::application::pireps::FilePirep;
use albatross::application::shared::Parts;
use albatross::application::users::Register;
use albatross::application::write::WriteOptions;
use albatross::domain::actor::Person;
use albatross::domain::ids::PirepId;
use albatross::domain::pirep::{Intent, PirepCommand, PirepState, Plan, Source, SourceKind};
use albatross::domain::refusal::RefusalKind;
use albatross::domain::roles::Role;
use albatross::ports::event_store::{
    Append, AppendError, Appended, ChainLink, EventStore, Head, RecordedEvent, RecordedRequest,
    StoreError, SubjectKey,
};
use albatross::ports::track_store::{Extent, LogLine, Sample, Stored, TrackError, TrackStore};
use albatross_tests::parts::parts;
use async_trait::async_trait;
use jiff::Timestamp;
use rstest::rstest;
use tokio::sync::watch;
use uuid::Uuid;

use crate::fixture::*;

type Doing = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What somebody else does, once.
#[derive(Default)]
struct Meanwhile(Mutex<Option<Doing>>);

impl Meanwhile {
    fn set(&self, what: impl Future<Output = ()> + Send + 'static) {
        *self.0.lock().unwrap() = Some(Box::pin(what));
    }

    async fn pass(&self) {
        let what = self.0.lock().unwrap().take();
        if let Some(what) = what {
            what.await;
        }
    }
}

/// A log that lets somebody else go first just before an append.
struct WatchedLog {
    inner: Arc<dyn EventStore>,
    before: Meanwhile,
}

#[async_trait]
impl EventStore for WatchedLog {
    async fn append(&self, append: Append) -> Result<Appended, AppendError> {
        self.before.pass().await;
        self.inner.append(append).await
    }

    async fn read_stream(
        &self,
        stream_id: Uuid,
        after_version: i32,
    ) -> Result<Vec<RecordedEvent>, StoreError> {
        self.inner.read_stream(stream_id, after_version).await
    }

    async fn read_after(
        &self,
        position: i64,
        limit: usize,
    ) -> Result<Vec<RecordedEvent>, StoreError> {
        self.inner.read_after(position, limit).await
    }

    async fn head(&self) -> Result<Head, StoreError> {
        self.inner.head().await
    }

    async fn chain_after(&self, position: i64, limit: usize) -> Result<Vec<ChainLink>, StoreError> {
        self.inner.chain_after(position, limit).await
    }

    async fn request(&self, key: &[u8; 32]) -> Result<Option<RecordedRequest>, StoreError> {
        self.inner.request(key).await
    }

    async fn claim_owner(&self, claim: &[u8]) -> Result<Option<Uuid>, StoreError> {
        self.inner.claim_owner(claim).await
    }

    async fn subject_keys(&self, subjects: &[Uuid]) -> Result<Vec<SubjectKey>, StoreError> {
        self.inner.subject_keys(subjects).await
    }

    fn appended(&self) -> watch::Receiver<Head> {
        self.inner.appended()
    }

    fn hint(&self, position: i64) {
        self.inner.hint(position);
    }
}

/// Tracks that let somebody else go first just before a batch is stored.
struct WatchedTracks {
    inner: Arc<dyn TrackStore>,
    before: Meanwhile,
}

#[async_trait]
impl TrackStore for WatchedTracks {
    async fn store(
        &self,
        flight: Uuid,
        batch_id: Uuid,
        digest: [u8; 32],
        received_at: Timestamp,
        samples: Vec<Sample>,
    ) -> Result<Stored, TrackError> {
        self.before.pass().await;
        let stored = self
            .inner
            .store(flight, batch_id, digest, received_at, samples);
        stored.await
    }

    async fn samples(
        &self,
        flight: Uuid,
        after: Option<i32>,
        limit: usize,
    ) -> Result<Vec<Sample>, StoreError> {
        self.inner.samples(flight, after, limit).await
    }

    async fn extents(&self, flights: &[Uuid]) -> Result<HashMap<Uuid, Extent>, StoreError> {
        self.inner.extents(flights).await
    }

    async fn store_log(&self, flight: Uuid, lines: Vec<LogLine>) -> Result<usize, StoreError> {
        self.inner.store_log(flight, lines).await
    }

    async fn log(
        &self,
        flight: Uuid,
        after: Option<i32>,
        limit: usize,
    ) -> Result<Vec<LogLine>, StoreError> {
        self.inner.log(flight, after, limit).await
    }

    async fn with_logs(&self, flights: &[Uuid]) -> Result<HashSet<Uuid>, StoreError> {
        self.inner.with_logs(flights).await
    }

    async fn unpacked(&self) -> Result<Vec<Uuid>, StoreError> {
        self.inner.unpacked().await
    }

    async fn pack(&self, flight: Uuid) -> Result<bool, StoreError> {
        self.inner.pack(flight).await
    }
}

/// Two processes over one storage, the first of them watched, and a draft of a pilot's.
struct Cast {
    storage: Storage,
    watched: Arc<Airline>,
    other: Arc<Airline>,
    log: Arc<WatchedLog>,
    tracks: Arc<WatchedTracks>,
    pilot: Identity,
    draft: PirepId,
}

impl Cast {
    async fn new(adapter: Adapter) -> Self {
        let storage = storage(adapter).await;
        let log = Arc::new(WatchedLog {
            inner: storage.events.clone(),
            before: Meanwhile::default(),
        });
        let tracks = Arc::new(WatchedTracks {
            inner: storage.tracks.clone(),
            before: Meanwhile::default(),
        });
        let watched = Parts {
            events: log.clone(),
            tracks: tracks.clone(),
            ..parts(&storage)
        };
        let watched = Arc::new(Airline::new(watched, storage.schema_version));
        let other = Arc::new(Airline::new(parts(&storage), storage.schema_version));
        other.prepare().await.unwrap();
        let pilot = pilot(&other).await;
        let filed = other.pireps.create(&pilot, draft(), options()).await;
        let draft = filed.unwrap().entity.id;
        Self {
            storage,
            watched,
            other,
            log,
            tracks,
            pilot,
            draft,
        }
    }

    /// What the other process does: the pilot throws the draft away.
    fn discarded(
        &self,
        check: fn(Result<(), ServiceError>),
    ) -> impl Future<Output = ()> + Send + use<> {
        let (airline, pilot, draft) = (self.other.clone(), self.pilot.clone(), self.draft);
        async move { check(discard(&airline, &pilot, draft).await) }
    }

    async fn is_there_with_its_position(&self) {
        self.other.catch_up().await.unwrap();
        let pirep = self.other.pireps.get(&self.pilot, self.draft).await;
        assert_eq!(pirep.unwrap().pirep.state, PirepState::Draft);
        let track = self.other.tracks.all(self.draft).await;
        assert_eq!(track.unwrap(), [sample()]);
    }
}

async fn pilot(airline: &Airline) -> Identity {
    let new = Register {
        email: "bob@skyways.example".to_owned(),
        display_name: "Bob".to_owned(),
        password: Some("correct horse battery staple".to_owned().into()),
    };
    let registered = airline.users.register(None, new, options()).await;
    let id = registered.unwrap().entity.user.id;
    airline.catch_up().await.unwrap();
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

fn options() -> WriteOptions {
    WriteOptions::default()
}

fn draft() -> FilePirep {
    FilePirep {
        intent: Intent::Draft,
        source: Source {
            kind: SourceKind::Manual,
            client: None,
        },
        plan: Plan::default(),
        report: None,
        remarks: None,
        custom_fields: None,
        bid: None,
        scheduled_flight: None,
    }
}

fn sample() -> Sample {
    Sample {
        sequence: 0,
        time: time(1_777_000_000_000_000),
        latitude_e7: 418_002_222,
        longitude_e7: 122_389_000,
        altitude_ft: None,
        heading_deg: None,
        ground_speed_kt: None,
        indicated_airspeed_kt: None,
        vertical_speed_fpm: None,
        fuel_kg: None,
        phase: None,
    }
}

async fn discard(airline: &Airline, pilot: &Identity, draft: PirepId) -> Result<(), ServiceError> {
    let discarded = airline
        .pireps
        .act(pilot, draft, PirepCommand::Discard, options());
    discarded.await.map(drop)
}

async fn fly(airline: &Airline, pilot: &Identity, draft: PirepId) -> Result<(), ServiceError> {
    let stored = airline
        .tracks
        .store(pilot, draft, Uuid::new_v4(), vec![sample()]);
    stored.await.map(drop)
}

fn refused(answer: Result<(), ServiceError>, kind: &RefusalKind) {
    match answer {
        Err(ServiceError::Refused(refusal)) => assert_eq!(refusal.kind, *kind),
        other => panic!("not refused: {other:?}"),
    }
}

fn is_kept(answer: Result<(), ServiceError>) {
    refused(answer, &RefusalKind::IllegalTransition);
}

#[rstest]
#[tokio::test]
async fn a_draft_is_kept_whose_first_position_comes_while_it_is_thrown_away(
    #[values(Memory, Sqlite, Postgres)] adapter: Adapter,
) {
    let cast = Cast::new(adapter).await;
    let (airline, pilot, draft) = (cast.other.clone(), cast.pilot.clone(), cast.draft);
    cast.log
        .before
        .set(async move { fly(&airline, &pilot, draft).await.unwrap() });
    is_kept(discard(&cast.watched, &cast.pilot, cast.draft).await);
    cast.is_there_with_its_position().await;
}

#[rstest]
#[tokio::test]
async fn a_draft_is_kept_that_is_thrown_away_while_its_first_position_is_stored(
    #[values(Memory, Sqlite, Postgres)] adapter: Adapter,
) {
    let cast = Cast::new(adapter).await;
    cast.tracks.before.set(cast.discarded(is_kept));
    fly(&cast.watched, &cast.pilot, cast.draft).await.unwrap();
    cast.is_there_with_its_position().await;
}

#[rstest]
#[tokio::test]
async fn no_position_is_taken_for_a_draft_that_is_thrown_away_just_before(
    #[values(Memory, Sqlite, Postgres)] adapter: Adapter,
) {
    let cast = Cast::new(adapter).await;
    cast.log.before.set(cast.discarded(|gone| gone.unwrap()));
    let late = fly(&cast.watched, &cast.pilot, cast.draft).await;
    refused(late, &RefusalKind::NotFound);
    let stored = cast.storage.tracks.extents(&[cast.draft.0]).await;
    assert!(stored.unwrap().is_empty());
}

/// By an earlier release, or from an export of one.
#[rstest]
#[tokio::test]
async fn a_draft_is_kept_whose_positions_were_stored_before_drafts_said_so(
    #[values(Memory, Sqlite, Postgres)] adapter: Adapter,
) {
    let cast = Cast::new(adapter).await;
    let (draft, batch, received_at) = (cast.draft.0, Uuid::new_v4(), time(1_777_000_000_000_000));
    let tracks = &cast.storage.tracks;
    let stored = tracks.store(draft, batch, [0; 32], received_at, vec![sample()]);
    stored.await.unwrap();
    is_kept(discard(&cast.other, &cast.pilot, cast.draft).await);
    cast.is_there_with_its_position().await;
}
