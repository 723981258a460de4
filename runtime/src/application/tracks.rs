//! Telemetry of flights: received in batches, stored once, read as a whole.

use std::sync::Arc;

use jiff::Timestamp;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::application::commands::Order;
use crate::application::error::ServiceError;
use crate::application::flight::Flight;
use crate::application::identity::Identity;
use crate::application::limits;
use crate::application::pirep_queries::PirepQueries;
use crate::application::projections::entities::document;
use crate::application::projections::tables::PIREPS;
use crate::application::shared::Shared;
use crate::application::views::StoredPirep;
use crate::domain::ids::PirepId;
use crate::domain::pirep::{Pirep, PirepCommand, PirepFacts, PirepState};
use crate::domain::refusal::{Faults, Refusal};
use crate::ports::track_store::{Sample, Stored};

/// Most samples of one batch.
pub const MAX_BATCH: usize = 500;
/// Most samples of one flight, numbered from 0: a day at one a second.
pub const MAX_SAMPLES: usize = 86_400;
const MAX_PHASE_CHARS: usize = 16;
/// The phase in which a flight is interrupted.
const PAUSED_PHASE: &str = "PSD";

pub struct Tracks {
    shared: Arc<Shared>,
    queries: Arc<PirepQueries>,
}

impl Tracks {
    pub fn new(shared: Arc<Shared>, queries: Arc<PirepQueries>) -> Self {
        Self { shared, queries }
    }

    /// Stores a batch of the owner's, in whatever state the PIREP is, unless there is no room. A flight that moves after it was
    /// paused is resumed.
    pub async fn store(
        &self,
        identity: &Identity,
        flight: impl Into<Flight>,
        batch_id: Uuid,
        mut samples: Vec<Sample>,
    ) -> Result<Stored, ServiceError> {
        check(&samples)?;
        for sample in &mut samples {
            sample.time = to_microsecond(sample.time);
        }
        let flight = self.shared.read_flight(flight).await?;
        let owner = flight.owner();
        let owner = owner.ok_or_else(|| ServiceError::not_found("PIREP"))?;
        if owner.pilot != identity.user() {
            let detail = "Only the pilot's own programs send positions.";
            return Err(Refusal::forbidden("not-yours", detail).into());
        }
        self.find_room(&flight).await?;
        self.keep_draft(identity, &flight).await?;
        // What was recorded before the pause may arrive after it.
        let paused_at = flight.pirep().and_then(|pirep| pirep.paused_at);
        let moves = samples.iter().any(|sample| {
            sample.phase.as_deref() != Some(PAUSED_PHASE)
                && paused_at.is_some_and(|paused_at| sample.time > paused_at)
        });
        let digest = digest(&samples);
        let received_at = self.shared.now();
        let tracks = &self.shared.tracks;
        let answer = tracks
            .store(flight.id.0, batch_id, digest, received_at, samples)
            .await?;
        let paused = flight
            .pirep()
            .is_some_and(|pirep| pirep.state == PirepState::Paused);
        if paused && moves && answer.stored > 0 {
            self.resume(identity, flight).await?;
        }
        Ok(answer)
    }

    /// There is always room for a flight that is being flown, or that was and awaits its review.
    async fn find_room(&self, flight: &Flight) -> Result<(), ServiceError> {
        use PirepState::{InProgress, Paused, Submitted};
        let state = flight.pirep().map(|pirep| pirep.state);
        if matches!(state, Some(InProgress | Paused | Submitted)) {
            return Ok(());
        }
        match limits::full(&self.shared).await {
            Some(refusal) => Err(refusal.into()),
            None => Ok(()),
        }
    }

    /// Said in the draft's stream before the first of its positions is stored: whoever discards it at the same moment comes
    /// before that, and there is no draft any more, or after it, and is refused. No position is kept that nobody sees.
    async fn keep_draft(&self, identity: &Identity, flight: &Flight) -> Result<(), ServiceError> {
        let pirep = flight.pirep();
        if !pirep.is_some_and(|it| it.state == PirepState::Draft && !it.tracked) {
            return Ok(());
        }
        let (command, facts) = (PirepCommand::StartTrack, PirepFacts::default());
        let order = Order::<Pirep>::new(flight.id, command, identity.actor(), facts)
            .having_read(flight.read.clone());
        self.shared.commands.execute(order).await?;
        Ok(())
    }

    /// The whole track of a PIREP that the caller may read, in order.
    pub async fn samples(
        &self,
        identity: &Identity,
        pirep: PirepId,
    ) -> Result<Vec<Sample>, ServiceError> {
        let visible = self.queries.get(identity, pirep).await?;
        self.all(visible.id).await
    }

    /// The whole track, in order.
    pub async fn all(&self, pirep: PirepId) -> Result<Vec<Sample>, ServiceError> {
        let tracks = &self.shared.tracks;
        Ok(tracks.samples(pirep.0, None, MAX_SAMPLES).await?)
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

    /// Whether somebody paused or resumed it meanwhile does not matter: the samples are stored.
    async fn resume(&self, identity: &Identity, flight: Flight) -> Result<(), ServiceError> {
        let facts = PirepFacts::default();
        let order = Order::<Pirep>::new(flight.id, PirepCommand::Resume, identity.actor(), facts)
            .having_read(flight.read);
        match self
            .shared
            .commands
            .execute(order)
            .await
            .map_err(ServiceError::from)
        {
            Ok(_) | Err(ServiceError::Refused(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

fn check(samples: &[Sample]) -> Result<(), ServiceError> {
    let mut faults = Faults::default();
    if samples.is_empty() || samples.len() > MAX_BATCH {
        let detail = format!("A batch has 1 to {MAX_BATCH} positions.");
        faults.add("/positions", "out-of-range", detail);
    }
    for (index, sample) in samples.iter().enumerate().take(MAX_BATCH) {
        let mut check = |valid: bool, member: &str, detail: &str| {
            let pointer = format!("/positions/{index}/{member}");
            faults.check(valid, &pointer, "out-of-range", detail);
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
    }
    Ok(faults.finish()?)
}

/// What every store keeps.
fn to_microsecond(time: Timestamp) -> Timestamp {
    Timestamp::from_microsecond(time.as_microsecond()).unwrap_or(time)
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
