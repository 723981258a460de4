//! Filing, flying and deciding PIREPs.

use std::sync::Arc;

use uuid::Uuid;

use crate::application::auth::principal::Principal;
use crate::application::bidding::Bidding;
use crate::application::commands::{CommandError, Done, Loaded, Order};
use crate::application::contact::{Contact, contact};
use crate::application::declared::{Declared, declared};
use crate::application::error::ServiceError;
use crate::application::flight::Flight;
use crate::application::identity::Identity;
use crate::application::limits;
use crate::application::paging::{Listed, Page};
use crate::application::pirep_queries::{PirepFilter, PirepQueries, may_read};
use crate::application::projections::entities::document;
use crate::application::projections::tables::TENANTS;
use crate::application::shared::Shared;
use crate::application::track_facts;
use crate::application::tracks::Tracks;
use crate::application::views::{PirepView, StoredPirep, TenantView};
use crate::application::write::{Outcome, WriteOptions, Written};
use crate::domain::catalogue::CustomFields;
use crate::domain::ids::{BidId, PirepId, ScheduledFlightId};
use crate::domain::pirep::permission::may;
use crate::domain::pirep::{
    Action, Changes, Credit, Intent, Milestones, NewPirep, Pirep, PirepCommand, PirepFacts,
    PirepState, Plan, Report, Source, SourceKind,
};
use crate::domain::refusal::Refusal;
use crate::domain::user::UserStatus;

pub struct Pireps {
    shared: Arc<Shared>,
    queries: Arc<PirepQueries>,
    tracks: Arc<Tracks>,
    bidding: Arc<Bidding>,
}

/// A PIREP as its pilot files it.
#[derive(Clone, Debug)]
pub struct FilePirep {
    pub intent: Intent,
    pub source: Source,
    pub plan: Plan,
    pub report: Option<Report>,
    pub remarks: Option<String>,
    pub custom_fields: Option<CustomFields>,
    /// The pilot's booking that it flies.
    pub bid: Option<BidId>,
    /// The flight of the schedule that it flies.
    pub scheduled_flight: Option<ScheduledFlightId>,
}

/// The end of a flight.
#[derive(Clone, Debug, Default)]
pub struct Submit {
    pub report: Option<Report>,
    pub remarks: Option<String>,
    /// Added to those that are there.
    pub custom_fields: Option<CustomFields>,
    /// The last sequence number of the track.
    pub last_sequence: Option<i32>,
}

#[derive(Clone, Debug)]
pub struct Accept {
    pub credit: Credit,
    pub comment: Option<String>,
}

#[derive(Clone, Debug)]
pub struct Reject {
    pub reason: String,
    pub credit: Credit,
}

/// Whoever reads a flight's stream reads all of it: its history shows every change as it was and as it became.
const MOST_CHANGES: i32 = 1_000;
const MOST_BYTES: usize = 2 * 1024 * 1024;

type Answer = Result<Written<PirepView>, ServiceError>;

impl Pireps {
    pub fn new(
        shared: Arc<Shared>,
        queries: Arc<PirepQueries>,
        tracks: Arc<Tracks>,
        bidding: Arc<Bidding>,
    ) -> Self {
        Self {
            shared,
            queries,
            tracks,
            bidding,
        }
    }

    pub async fn get(&self, identity: &Identity, id: PirepId) -> Result<PirepView, ServiceError> {
        self.queries.get(identity, id).await
    }

    /// A flight as its stream says, unless the request has read it.
    pub async fn read(&self, flight: impl Into<Flight>) -> Result<Flight, ServiceError> {
        self.shared.read_flight(flight).await
    }

    /// A PIREP that the caller may read, as current as the log.
    pub async fn current(
        &self,
        identity: &Identity,
        id: PirepId,
    ) -> Result<PirepView, ServiceError> {
        let stored: Option<StoredPirep> = self.shared.load(id.0).await?;
        let readable = stored.filter(|stored| {
            let pirep = &stored.entity;
            may_read(identity, pirep.pilot, pirep.state)
        });
        let readable = readable.ok_or_else(|| ServiceError::not_found("PIREP"))?;
        self.queries.complete(readable).await
    }

    pub async fn list(
        &self,
        identity: &Identity,
        filter: PirepFilter,
        page: Page,
    ) -> Result<Listed<PirepView>, ServiceError> {
        self.queries.list(identity, filter, page).await
    }

    /// Files a PIREP under an id of the server's.
    pub async fn create(
        &self,
        identity: &Identity,
        new: FilePirep,
        options: WriteOptions,
    ) -> Answer {
        let id = PirepId(self.shared.new_id());
        self.file(identity, id.into(), new, options).await
    }

    /// Files a PIREP under the client's id, or adds to the one that is there.
    pub async fn put(
        &self,
        identity: &Identity,
        flight: impl Into<Flight>,
        new: FilePirep,
        options: WriteOptions,
    ) -> Answer {
        let mut flight = self.shared.read_flight(flight).await?;
        if flight.pirep().is_none() {
            let id = flight.id;
            let filed = self.file(identity, flight, new.clone(), options.clone());
            let filed = filed.await;
            if !matches!(filed, Err(ServiceError::Refused(_))) {
                return filed;
            }
            // A client that asks again may be faster than its first request, which is still under way. Then that is what
            // stands against this one: the id is taken, or the day's last flight has begun.
            flight = self.shared.read_flight(id).await?;
            if flight.pirep().is_none() {
                return filed;
            }
        }
        let Some(present) = flight.pirep() else {
            return Err(ServiceError::not_found("PIREP"));
        };
        stays("/bid", present.bid, new.bid)?;
        let (flown, named) = (present.scheduled_flight, new.scheduled_flight);
        stays("/scheduledFlight", flown, named)?;
        // What a program measured is added to; what a person wrote is replaced.
        let command = match present.source.kind {
            SourceKind::Acars => PirepCommand::Merge {
                plan: Some(new.plan),
                report: new.report,
                remarks: new.remarks,
                custom_fields: new.custom_fields,
                last_sequence: None,
            },
            SourceKind::Manual => PirepCommand::Edit(Changes {
                plan: Some(new.plan),
                report: new.report,
                remarks: new.remarks,
                custom_fields: new.custom_fields,
                reason: None,
                sent_whole: true,
            }),
        };
        let facts = PirepFacts {
            fields: self.declared().await.fields,
            ..PirepFacts::default()
        };
        self.change(identity, flight, command, facts, options).await
    }

    /// Hands it to staff. What the report leaves out is read off the track.
    pub async fn submit(
        &self,
        identity: &Identity,
        flight: impl Into<Flight>,
        submit: Submit,
        options: WriteOptions,
    ) -> Answer {
        let flight = self.shared.read_flight(flight).await?;
        let (mut report, mut milestones) = (submit.report, Milestones::new());
        if let Some(present) = flight.pirep()
            && self.ends(identity, &flight, Action::Submit).await?
        {
            let said = report.unwrap_or_default().tidied().over(&present.report);
            let track = self.tracks.all(flight.id).await?;
            report = Some(said.completed(&track_facts::report(&track), self.shared.now()));
            // More may come after it.
            let last_sequence = submit.last_sequence.max(present.last_sequence);
            milestones = track_facts::certain_milestones(&track, last_sequence);
        }
        let command = PirepCommand::Submit {
            report,
            remarks: submit.remarks,
            custom_fields: submit.custom_fields,
            last_sequence: submit.last_sequence,
            milestones,
        };
        let facts = PirepFacts {
            fields: self.declared().await.fields,
            ..pilot_facts(identity)
        };
        self.change(identity, flight, command, facts, options).await
    }

    /// Submits a flight whose client fell silent, by what its track tells, for its pilot or staff.
    pub async fn finish(
        &self,
        identity: &Identity,
        flight: impl Into<Flight>,
        options: WriteOptions,
    ) -> Answer {
        let flight = self.shared.read_flight(flight).await?;
        let present = flight.pirep();
        let present = present.ok_or_else(|| ServiceError::not_found("PIREP"))?;
        let track = match self.ends(identity, &flight, Action::Finish).await? {
            true => self.tracks.all(flight.id).await?,
            false => Vec::new(),
        };
        let report = present.report.clone();
        let command = PirepCommand::Finish {
            report: report.completed(&track_facts::finished(&track), self.shared.now()),
            last_sequence: track.last().map(|sample| sample.sequence),
            milestones: track_facts::milestones(&track),
        };
        let pilot = Principal::load(&*self.shared.credentials, present.pilot).await?;
        let facts = PirepFacts {
            pilot_suspended: pilot.is_some_and(|it| it.status == UserStatus::Suspended),
            ..self.facts(identity, &flight).await?
        };
        self.change(identity, flight, command, facts, options).await
    }

    /// Whether a submission or a finish may go on as the flight stands: it reads the whole track, for which its caller takes
    /// room before it. What is refused anyway reads nothing of it.
    pub async fn ends(
        &self,
        identity: &Identity,
        flight: &Flight,
        action: Action,
    ) -> Result<bool, ServiceError> {
        let Some(pirep) = flight.pirep() else {
            return Ok(false);
        };
        let facts = match action {
            Action::Finish => self.facts(identity, flight).await?,
            _ => pilot_facts(identity),
        };
        Ok(may(pirep, action, &identity.actor(), &facts))
    }

    /// The version that was seen is required.
    pub async fn accept(
        &self,
        identity: &Identity,
        flight: impl Into<Flight>,
        accept: Accept,
        options: WriteOptions,
    ) -> Answer {
        let command = PirepCommand::Accept {
            credit: accept.credit,
            comment: accept.comment,
        };
        self.act(identity, flight, command, options).await
    }

    /// The version that was seen is required.
    pub async fn reject(
        &self,
        identity: &Identity,
        flight: impl Into<Flight>,
        reject: Reject,
        options: WriteOptions,
    ) -> Answer {
        let command = PirepCommand::Reject {
            reason: reject.reason,
            credit: reject.credit,
        };
        self.act(identity, flight, command, options).await
    }

    /// Whatever else its owner or staff do to it. A decision requires the version that was seen.
    pub async fn act(
        &self,
        identity: &Identity,
        flight: impl Into<Flight>,
        command: PirepCommand,
        options: WriteOptions,
    ) -> Answer {
        if command.is_decision() && options.if_match.is_none() {
            return Err(ServiceError::PreconditionRequired);
        }
        let flight = self.shared.read_flight(flight).await?;
        let facts = self.facts(identity, &flight).await?;
        self.change(identity, flight, command, facts, options).await
    }

    async fn file(
        &self,
        identity: &Identity,
        flight: Flight,
        new: FilePirep,
        options: WriteOptions,
    ) -> Answer {
        let booked = match new.bid {
            Some(bid) => self.bidding.booked(identity.user(), bid).await?,
            None => None,
        };
        let scheduled = match new.scheduled_flight {
            Some(flight) => self.bidding.scheduled(flight).await?.is_some(),
            None => false,
        };
        let command = PirepCommand::File(NewPirep {
            intent: new.intent,
            pilot: identity.user(),
            source: new.source,
            plan: new.plan,
            report: new.report,
            remarks: new.remarks,
            custom_fields: new.custom_fields,
            bid: new.bid,
            scheduled_flight: new.scheduled_flight,
        });
        let facts = PirepFacts {
            flights_reached: self.flights_reached().await,
            fields: self.declared().await.fields,
            booked,
            scheduled,
            ..pilot_facts(identity)
        };
        self.change(identity, flight, command, facts, options).await
    }

    /// A read model that is away costs nobody a flight.
    async fn flights_reached(&self) -> Option<u32> {
        let reached = limits::flights_reached(&self.shared).await;
        reached.unwrap_or_else(|error| {
            tracing::warn!(%error, "today's flights cannot be counted: no limit is held");
            None
        })
    }

    /// The same.
    async fn declared(&self) -> Declared {
        let declared = declared(&self.shared).await;
        declared.unwrap_or_else(|error| {
            tracing::warn!(%error, "what the airline declares cannot be read: no field of its own is checked");
            Declared::default()
        })
    }

    async fn change(
        &self,
        identity: &Identity,
        flight: impl Into<Flight>,
        command: PirepCommand,
        facts: PirepFacts,
        options: WriteOptions,
    ) -> Answer {
        let flight: Flight = flight.into();
        let own = flight.owner().is_some_and(|it| it.pilot == identity.user());
        let Flight { id, read } = flight;
        let full = match &command {
            PirepCommand::File(_) => limits::full(&self.shared).await,
            command if prolongs(command) => too_long(read.as_ref()),
            // Its owner could go on for ever with this and a restoration; staff have to be able to.
            PirepCommand::Cancel { .. } => too_long(read.as_ref()).filter(|_| own),
            _ => None,
        };
        let named = options.idempotency.as_ref();
        let order = Order::<Pirep>::new(id, command, identity.actor(), facts)
            .having_read(read)
            .expecting(options.if_match)
            .requested(named.map(|named| named.request(false)))
            .correlated(options.correlation_id)
            .unless(full);
        let done = self.shared.commands.execute(order).await;
        self.answer(id, done).await
    }

    async fn answer(&self, id: PirepId, done: Result<Done<Pirep>, CommandError>) -> Answer {
        let written: Written<StoredPirep> = self.shared.answer(id.0, done).await?;
        let entity = match written.outcome {
            Outcome::Created => self.queries.filed(written.entity).await?,
            _ => self.queries.complete(written.entity).await?,
        };
        Ok(Written {
            entity,
            version: written.version,
            position: written.position,
            outcome: written.outcome,
        })
    }

    /// What is allowed goes by these. Settings speak of staff, a flight may have fallen silent, and a draft is kept for
    /// positions too that came before its stream said so.
    async fn facts(
        &self,
        identity: &Identity,
        flight: &Flight,
    ) -> Result<PirepFacts, ServiceError> {
        let state = flight.pirep().map(|pirep| pirep.state);
        let (mut has_track, mut silent) = (false, false);
        if let Some(state @ (PirepState::Draft | PirepState::InProgress)) = state {
            let track = self.tracks.extent(flight.id).await?;
            has_track = track.count > 0;
            silent = contact(state, track, self.shared.now()) == Some(Contact::Silent);
        }
        Ok(PirepFacts {
            self_review: identity.actor().reviews() && self.self_review().await?,
            has_track,
            silent,
            fields: self.declared().await.fields,
            ..PirepFacts::default()
        })
    }

    async fn self_review(&self) -> Result<bool, ServiceError> {
        let tenant: Uuid = self.shared.tenant.0;
        let row = self.shared.read_model.get(&TENANTS, tenant).await?;
        let tenant = row.map(|row| document::<TenantView>(&TENANTS, row));
        let tenant = tenant.transpose()?;
        Ok(tenant.is_some_and(|tenant| tenant.entity.settings.self_review))
    }
}

/// What could go on for ever.
fn prolongs(command: &PirepCommand) -> bool {
    use PirepCommand as C;
    matches!(
        command,
        C::Edit(_) | C::Merge { .. } | C::Comment { .. } | C::Pause | C::Withdraw
    )
}

/// A flight that had its changes can be finished all the same.
fn too_long(read: Option<&Loaded<Pirep>>) -> Option<Refusal> {
    read.filter(|read| read.version >= MOST_CHANGES || read.bytes >= MOST_BYTES)?;
    let detail = format!(
        "A PIREP takes {MOST_CHANGES} changes of {MOST_BYTES} bytes in all, and this one had them: submit or decide it as it is."
    );
    Some(Refusal::limit("too-many-changes", detail))
}

/// What a PIREP flies is said when it is filed.
fn stays<T: PartialEq>(
    pointer: &str,
    present: Option<T>,
    named: Option<T>,
) -> Result<(), ServiceError> {
    if named.is_none() || named == present {
        return Ok(());
    }
    let detail = "It is said when a PIREP is filed, and stays.";
    Err(ServiceError::invalid(pointer, "fixed", detail))
}

fn pilot_facts(identity: &Identity) -> PirepFacts {
    PirepFacts {
        pilot_suspended: identity.suspended,
        ..PirepFacts::default()
    }
}
