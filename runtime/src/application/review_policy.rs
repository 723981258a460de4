//! Lets an airline's review rules look at every flight that is submitted, once its track has arrived.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use crate::application::career::Career;
use crate::application::commands::{CommandError, Order};
use crate::application::error::ServiceError;
use crate::application::events::DecodedEvent;
use crate::application::projections::lane::Lane;
use crate::application::reactions::due::{Cause, Timer};
use crate::application::reactions::policy::{Policy, Timing, settled};
use crate::application::shared::Shared;
use crate::application::track_facts;
use crate::application::tracks::Tracks;
use crate::domain::actor::Actor;
use crate::domain::aggregate::Aggregate;
use crate::domain::event::DomainEvent;
use crate::domain::pirep::{Pirep, PirepCommand, PirepEvent, PirepFacts};
use crate::domain::tenant::Tenant;

/// The policy's name, and the actor's.
pub const POLICY: &str = "review-rules";
/// So long rules wait for a whole track.
const WAIT: SignedDuration = SignedDuration::from_mins(15);
/// So often they look whether it has arrived: positions are telemetry, and no events.
const LOOK_EVERY: SignedDuration = SignedDuration::from_secs(15);
/// So often those that read the pilot look whether the list of flights has come as far.
const LIST_EVERY: SignedDuration = SignedDuration::from_secs(1);
/// How often it is tried against a flight that moves.
const ATTEMPTS: usize = 3;

pub struct ReviewPolicy {
    shared: Arc<Shared>,
    tracks: Arc<Tracks>,
}

/// A submission that nobody has answered yet.
struct Pending {
    pirep: Pirep,
    version: i32,
    submitted_at: Timestamp,
}

impl ReviewPolicy {
    pub fn new(shared: Arc<Shared>, tracks: Arc<Tracks>) -> Self {
        Self { shared, tracks }
    }

    /// Reviews the submission that `cause` is, or looks again later.
    async fn review(&self, cause: Cause, id: Uuid) -> Result<Option<Timing>, ServiceError> {
        let Some(tenant) = self.airline_at(cause.position).await? else {
            return Ok(None);
        };
        let rules = tenant.rules;
        if rules.rules.is_empty() {
            return Ok(None);
        }
        for _ in 0..ATTEMPTS {
            let events = self.shared.stream(id).await?;
            let Some(pending) = pending(&events, cause) else {
                return Ok(None);
            };
            let mut due_at = self.waits_until(&pending, id).await?;
            if due_at.is_none() && rules.read_pilot() && !self.is_listed(cause).await? {
                due_at = Some(later(self.shared.now(), LIST_EVERY));
            }
            if let Some(due_at) = due_at {
                return Ok(Some(Timing::Set(Timer {
                    policy: POLICY.to_owned(),
                    subject: id,
                    due_at,
                    cause,
                })));
            }
            let track = self.tracks.all(id.into()).await?;
            let pirep = &pending.pirep;
            let pilot = if rules.read_pilot() {
                let career = Career::of(&self.shared, pirep.pilot).await?;
                Some(career.before(pirep.submitted_at, &tenant.ranks))
            } else {
                None
            };
            let counted_from = track_facts::counted_from(&track);
            let inputs = pirep.inputs(track_facts::inputs(&track), counted_from, pilot);
            let command = PirepCommand::Review(Box::new(rules.review(&inputs)));
            let facts = PirepFacts::default();
            let order = Order::<Pirep>::new(id, command, Actor::System(POLICY), facts)
                .expecting(pending.version)
                .with_command_id(cause.command_id(POLICY))
                .caused_by(cause.event_id);
            match self.shared.commands.execute(order).await {
                Err(CommandError::Stale { .. }) => {}
                done => return settled(done).map(|()| None),
            }
        }
        Err(ServiceError::Unavailable(CommandError::Contended.into()))
    }

    /// The airline with the rules that stood when this position was written: what is submitted is judged by what could be
    /// known, and nothing is judged that came before the first rule.
    async fn airline_at(&self, position: i64) -> Result<Option<Tenant>, ServiceError> {
        let events = self.shared.stream(self.shared.tenant.0).await?;
        let before = events.iter().filter(|it| it.position < position);
        let before = before.filter_map(|it| match &it.event {
            DomainEvent::Tenant(event) => Some((event, it.recorded_at)),
            _ => None,
        });
        Ok(Tenant::fold(None, before))
    }

    /// Whether the list of flights shows all that was in the log at the submission: it may lag, or be built anew.
    async fn is_listed(&self, cause: Cause) -> Result<bool, ServiceError> {
        let lanes = self.shared.projections.status().await?;
        let mut flights = lanes.iter().filter(|it| it.lane == Lane::Flights.name());
        Ok(flights.all(|it| it.position >= cause.position))
    }

    /// When to look again; none when the track is whole, or has been waited for long enough.
    async fn waits_until(
        &self,
        pending: &Pending,
        id: Uuid,
    ) -> Result<Option<Timestamp>, ServiceError> {
        let Some(last) = pending.pirep.last_sequence else {
            return Ok(None);
        };
        let deadline = later(pending.submitted_at, WAIT);
        let now = self.shared.now();
        if now >= deadline {
            return Ok(None);
        }
        let extents = self.shared.tracks.extents(&[id]).await?;
        let positions = extents.get(&id).map_or(0, |extent| extent.count);
        let tracks = &self.tracks;
        let from = tracks
            .counted_from(id.into(), positions, Some(last))
            .await?;
        let is_whole = positions > i64::from(last - from);
        Ok((!is_whole).then(|| later(now, LOOK_EVERY).min(deadline)))
    }
}

#[async_trait]
impl Policy for ReviewPolicy {
    fn name(&self) -> &'static str {
        POLICY
    }

    fn reads(&self, event: &str) -> bool {
        event == "PirepSubmitted"
    }

    async fn react(&self, event: &DecodedEvent) -> Result<Option<Timing>, ServiceError> {
        self.review(event.into(), event.stream_id).await
    }

    async fn due(&self, timer: &Timer) -> Result<Option<Timing>, ServiceError> {
        self.review(timer.cause, timer.subject).await
    }
}

/// How the flight stands, if its last submission is the one that is meant and nobody has answered that.
fn pending(events: &[DecodedEvent], cause: Cause) -> Option<Pending> {
    use PirepEvent as E;
    let submission = events.iter().position(|it| it.event_id == cause.event_id)?;
    let mut state = None;
    for (index, envelope) in events.iter().enumerate() {
        let DomainEvent::Pirep(event) = &envelope.event else {
            return None;
        };
        let answers = !matches!(
            **event,
            E::Edited(_) | E::Merged { .. } | E::Reached { .. } | E::Commented { .. }
        );
        if index > submission && answers {
            return None;
        }
        state = Pirep::evolve(state, event, envelope.recorded_at);
    }
    Some(Pending {
        pirep: state?,
        version: events.last()?.version,
        submitted_at: events[submission].recorded_at,
    })
}

fn later(time: Timestamp, by: SignedDuration) -> Timestamp {
    time.saturating_add(by).unwrap_or(Timestamp::MAX)
}
