//! Telemetry of flights: received in batches, stored once, read as a whole.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use moka::future::Cache as Recent;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::application::commands::{CommandError, Order};
use crate::application::error::ServiceError;
use crate::application::flight::Flight;
use crate::application::identity::Identity;
use crate::application::pirep_queries::PirepQueries;
use crate::application::projections::entities::document;
use crate::application::projections::tables::PIREPS;
use crate::application::shared::Shared;
use crate::application::telemetry;
use crate::application::track_facts::{self, Passed};
use crate::application::views::StoredPirep;
use crate::domain::ids::PirepId;
use crate::domain::pirep::{Milestone, Milestones, Pirep, PirepCommand, PirepFacts, PirepState};
use crate::domain::refusal::Faults;
use crate::domain::time;
use crate::ports::track_store::{Extent, Sample, Stored};

/// Most samples of one batch.
pub const MAX_BATCH: usize = 500;
/// Most samples that are uploaded at once: seven hours at one a second.
pub const MAX_WHOLE: usize = 25_200;
/// Most samples of one flight, whose numbers are less: a day at one a second.
pub const MAX_SAMPLES: usize = 86_400;
const MAX_PHASE_CHARS: usize = 16;
/// So many flights under way are remembered.
const FLIGHTS: u64 = 10_000;
/// The phase in which a flight is interrupted.
const PAUSED_PHASE: &str = "PSD";

pub struct Tracks {
    shared: Arc<Shared>,
    queries: Arc<PirepQueries>,
    /// What this process has read of flights under way: however their batches arrive, each sample is read once.
    passed: Recent<PirepId, Passed>,
}

impl Tracks {
    pub fn new(shared: Arc<Shared>, queries: Arc<PirepQueries>) -> Self {
        Self {
            shared,
            queries,
            passed: Recent::new(FLIGHTS),
        }
    }

    /// Stores a batch of the owner's, in whatever state the PIREP is, unless there is no room. A flight that moves after it was
    /// paused is resumed; what it reaches is noted. A client that gets no answer asks again, and so does whatever follows.
    pub async fn store(
        &self,
        identity: &Identity,
        flight: impl Into<Flight>,
        batch_id: Uuid,
        samples: Vec<Sample>,
    ) -> Result<Stored, ServiceError> {
        check("/positions", MAX_BATCH, &samples)?;
        let flight = telemetry::admit(&self.shared, identity, flight).await?;
        let samples = samples.into_iter().map(to_microseconds).collect();
        let (stored, news) = self.keep(&flight, batch_id, samples).await?;
        self.act_on(identity, &flight, news).await?;
        Ok(stored)
    }

    /// Stores a whole track at once. Its batches are named by what they hold, so that the same track, or one that has
    /// grown, may be sent again.
    pub async fn store_whole(
        &self,
        identity: &Identity,
        flight: impl Into<Flight>,
        samples: Vec<Sample>,
    ) -> Result<(), ServiceError> {
        check("/track", MAX_WHOLE, &samples)?;
        let flight = telemetry::admit(&self.shared, identity, flight).await?;
        let mut news = News::default();
        for batch in samples.chunks(MAX_BATCH) {
            let batch: Vec<_> = batch.iter().cloned().map(to_microseconds).collect();
            let batch_id = Uuid::new_v5(&flight.id.0, &digest(&batch));
            let (_, more) = self.keep(&flight, batch_id, batch).await?;
            news.moves |= more.moves;
            news.progress |= more.progress;
        }
        self.act_on(identity, &flight, news).await
    }

    async fn keep(
        &self,
        flight: &Flight,
        batch_id: Uuid,
        samples: Vec<Sample>,
    ) -> Result<(Stored, News), ServiceError> {
        let last = samples.iter().map(|sample| sample.sequence).max();
        let phases = samples.iter().filter_map(|sample| sample.phase.clone());
        let phases: BTreeSet<String> = phases.collect();
        let pirep = flight.pirep();
        // What was recorded before the pause may arrive after it.
        let paused = pirep.filter(|pirep| pirep.state == PirepState::Paused);
        let paused_at = paused.and_then(|pirep| pirep.paused_at);
        let moves = samples.iter().any(|sample| {
            sample.phase.as_deref() != Some(PAUSED_PHASE)
                && paused_at.is_some_and(|paused_at| sample.time > paused_at)
        });
        let (digest, received_at) = (digest(&samples), self.shared.now());
        let tracks = &self.shared.tracks;
        let stored = tracks
            .store(flight.id.0, batch_id, digest, received_at, samples)
            .await?;
        let is_late = stored.last_sequence > last;
        let news = News {
            moves: moves && stored.stored > 0,
            progress: pirep.is_some_and(|pirep| may_reach(pirep, &phases, is_late)),
        };
        Ok((stored, news))
    }

    async fn act_on(
        &self,
        identity: &Identity,
        flight: &Flight,
        news: News,
    ) -> Result<(), ServiceError> {
        if news.progress {
            let command = PirepCommand::Reach(self.certain(flight.id).await?);
            self.note(identity, flight, command).await?;
        }
        if news.moves {
            self.note(identity, flight, PirepCommand::Resume).await?;
        }
        Ok(())
    }

    /// The milestones that the track shows up to the first sample that is missing.
    async fn certain(&self, pirep: PirepId) -> Result<Milestones, ServiceError> {
        let mut passed = self.passed.get(&pirep).await.unwrap_or_default();
        loop {
            let tracks = &self.shared.tracks;
            let samples = tracks.samples(pirep.0, passed.last(), MAX_BATCH).await?;
            if passed.follow(&samples) < MAX_BATCH {
                break;
            }
        }
        let certain = passed.certain();
        self.passed.insert(pirep, passed).await;
        Ok(certain)
    }

    /// How much has arrived of the track of a PIREP that the caller may read.
    pub async fn visible(
        &self,
        identity: &Identity,
        pirep: PirepId,
    ) -> Result<Extent, ServiceError> {
        Ok(self.queries.get(identity, pirep).await?.track)
    }

    /// The whole track, in order.
    pub async fn all(&self, pirep: PirepId) -> Result<Vec<Sample>, ServiceError> {
        let tracks = &self.shared.tracks;
        Ok(tracks.samples(pirep.0, None, MAX_SAMPLES).await?)
    }

    /// How much of it has arrived.
    pub async fn extent(&self, pirep: PirepId) -> Result<Extent, ServiceError> {
        let extents = self.shared.tracks.extents(&[pirep.0]).await?;
        Ok(extents.get(&pirep.0).copied().unwrap_or_default())
    }

    /// The number from which the client counts, 0 or 1. It is looked up where it tells whether the track is whole.
    pub async fn counted_from(
        &self,
        pirep: PirepId,
        positions: i64,
        last_sequence: Option<i32>,
    ) -> Result<i32, ServiceError> {
        if last_sequence.is_none_or(|last| positions > i64::from(last)) {
            return Ok(0);
        }
        let first = self.shared.tracks.samples(pirep.0, None, 1).await?;
        Ok(track_facts::counted_from(&first))
    }

    /// Packs the tracks of decided flights; answers how many. One that cannot be packed stays as it is.
    pub async fn pack_decided(&self) -> Result<usize, ServiceError> {
        let mut packed = 0;
        for flight in self.shared.tracks.unpacked().await? {
            if !self.is_decided(flight).await? {
                continue;
            }
            match self.shared.tracks.pack(flight).await {
                Ok(true) => packed += 1,
                Ok(false) => {}
                Err(error) => tracing::error!(%flight, error, "track cannot be packed"),
            }
        }
        Ok(packed)
    }

    async fn is_decided(&self, flight: Uuid) -> Result<bool, ServiceError> {
        let row = self.shared.read_model.get(&PIREPS, flight).await?;
        let stored = row.map(|row| document::<StoredPirep>(&PIREPS, row));
        let state = stored.transpose()?.map(|stored| stored.entity.state);
        Ok(state.is_some_and(|state| {
            use PirepState::{Accepted, Cancelled, Rejected};
            matches!(state, Accepted | Rejected | Cancelled)
        }))
    }

    /// Whether somebody was first does not matter: the samples are stored. Where others were first again and again it has
    /// yet to be done: clients send again what is unavailable, and take a conflict for the last word.
    async fn note(
        &self,
        identity: &Identity,
        flight: &Flight,
        command: PirepCommand,
    ) -> Result<(), ServiceError> {
        let facts = PirepFacts::default();
        let order = Order::<Pirep>::new(flight.id, command, identity.actor(), facts)
            .having_read(flight.read.clone());
        match self.shared.commands.execute(order).await {
            Ok(_) | Err(CommandError::Refused(_)) => Ok(()),
            Err(error @ CommandError::Contended) => Err(ServiceError::Unavailable(error.into())),
            Err(error) => Err(error.into()),
        }
    }
}

/// What batches say of their flight.
#[derive(Clone, Copy, Default)]
struct News {
    /// It goes on after a pause.
    moves: bool,
    /// It may have reached what has not been noted.
    progress: bool,
}

/// Whether the track is worth a look for milestones: when a later one than was noted begins, or when what comes late may be
/// the sample that was missing before one.
fn may_reach(pirep: &Pirep, phases: &BTreeSet<String>, is_late: bool) -> bool {
    let last = pirep.milestones.keys().next_back();
    let begins = |milestone: Milestone| milestone.phases().iter().any(|it| phases.contains(*it));
    let mut missing = Milestone::ALL
        .into_iter()
        .filter(|milestone| !pirep.milestones.contains_key(milestone));
    let news = |milestone| is_late || (Some(&milestone) > last && begins(milestone));
    pirep.state.is_under_way() && missing.any(news)
}

/// Faults of samples that stand at `at` of a request.
///
/// # Errors
/// When any of them is not valid, or there are none or more than `most`.
pub fn check(at: &str, most: usize, samples: &[Sample]) -> Result<(), ServiceError> {
    let mut faults = Faults::default();
    if samples.is_empty() || samples.len() > most {
        let detail = format!("Must be 1 to {most} positions.");
        faults.add(at, "out-of-range", detail);
    }
    for (index, sample) in samples.iter().enumerate().take(most) {
        let mut check = |valid: bool, member: &str, detail: &str| {
            if !valid {
                let pointer = format!("{at}/{index}/{member}");
                faults.add(pointer, "out-of-range", detail);
            }
        };
        let (latitude, longitude) = (sample.latitude_e7, sample.longitude_e7);
        check(
            usize::try_from(sample.sequence).is_ok_and(|sequence| sequence < MAX_SAMPLES),
            "sequence",
            "Must be from 0 to 86399.",
        );
        check(
            latitude.abs() <= 900_000_000,
            "lat",
            "Must be from -90 to 90.",
        );
        check(
            longitude.abs() <= 1_800_000_000,
            "lon",
            "Must be from -180 to 180.",
        );
        check(
            sample.time >= Timestamp::UNIX_EPOCH,
            "time",
            "Must not be before 1970.",
        );
        let phase = sample.phase.as_deref().unwrap_or_default();
        check(phase.len() <= MAX_PHASE_CHARS, "phase", "Is too long.");
        check(!time::is_too_late(sample.time), "time", time::TOO_LATE);
    }
    Ok(faults.finish()?)
}

fn to_microseconds(sample: Sample) -> Sample {
    Sample {
        time: time::to_microsecond(sample.time),
        ..sample
    }
}

/// Tells a repeated batch from another one under the same id.
fn digest(samples: &[Sample]) -> [u8; 32] {
    let mut digest = Sha256::new();
    let mut number = |value: Option<i64>| {
        digest.update([u8::from(value.is_some())]);
        digest.update(value.unwrap_or_default().to_be_bytes());
    };
    for sample in samples {
        number(Some(sample.sequence.into()));
        number(Some(sample.time.as_microsecond()));
        number(Some(sample.latitude_e7.into()));
        number(Some(sample.longitude_e7.into()));
        number(sample.altitude_ft.map(i64::from));
        number(sample.heading_deg.map(i64::from));
        number(sample.ground_speed_kt.map(i64::from));
        number(sample.indicated_airspeed_kt.map(i64::from));
        number(sample.vertical_speed_fpm.map(i64::from));
        number(sample.fuel_kg.map(i64::from));
        let phase = sample.phase.as_deref();
        number(phase.map(|phase| i64::from(crc32fast::hash(phase.as_bytes()))));
    }
    digest.finalize().into()
}
