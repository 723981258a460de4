//! Filing, flying and deciding PIREPs.

use std::sync::Arc;

use uuid::Uuid;

use crate::application::auth::principal::Principal;
use crate::application::commands::{CommandError, Done, Order};
use crate::application::error::ServiceError;
use crate::application::identity::Identity;
use crate::application::paging::{Listed, Page};
use crate::application::pirep_queries::{PirepFilter, PirepQueries, may_read};
use crate::application::projections::entities::document;
use crate::application::projections::tables::TENANTS;
use crate::application::shared::Shared;
use crate::application::track_facts;
use crate::application::tracks::Tracks;
use crate::application::views::{PirepView, StoredPirep, TenantView};
use crate::application::write::{WriteOptions, Written};
use crate::domain::ids::{PirepId, UserId};
use crate::domain::pirep::{
    Changes, Credit, Intent, NewPirep, Pirep, PirepCommand, PirepFacts, PirepState, Plan, Report,
    Source, SourceKind,
};
use crate::domain::user::UserStatus;

pub struct Pireps {
    shared: Arc<Shared>,
    queries: Arc<PirepQueries>,
    tracks: Arc<Tracks>,
}

/// Whose a PIREP is.
#[derive(Clone, Copy, Debug)]
pub struct Owner {
    pub pilot: UserId,
    /// Everybody who is known may read it.
    pub published: bool,
}

/// A PIREP as its pilot files it.
#[derive(Clone, Debug)]
pub struct FilePirep {
    pub intent: Intent,
    pub source: Source,
    pub plan: Plan,
    pub report: Option<Report>,
    pub remarks: Option<String>,
}

/// The end of a flight.
#[derive(Clone, Debug, Default)]
pub struct Submit {
    pub report: Option<Report>,
    pub remarks: Option<String>,
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

type Answer = Result<Written<PirepView>, ServiceError>;

impl Pireps {
    pub fn new(shared: Arc<Shared>, queries: Arc<PirepQueries>, tracks: Arc<Tracks>) -> Self {
        Self {
            shared,
            queries,
            tracks,
        }
    }

    pub async fn get(&self, identity: &Identity, id: PirepId) -> Result<PirepView, ServiceError> {
        self.queries.get(identity, id).await
    }

    /// Whose a PIREP is, as current as the log; none when there is no such PIREP.
    pub async fn owner(&self, id: PirepId) -> Result<Option<Owner>, ServiceError> {
        let stored: Option<StoredPirep> = self.shared.load(id.0).await?;
        let shown = stored.filter(|stored| stored.entity.state != PirepState::Discarded);
        Ok(shown.map(|stored| Owner {
            pilot: stored.entity.pilot,
            published: stored.entity.state == PirepState::Accepted,
        }))
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
        let done = self.file(identity, id, new, &options).await;
        self.answer(id, done).await
    }

    /// Files a PIREP under the client's id, or adds to the one that is there.
    pub async fn put(
        &self,
        identity: &Identity,
        id: PirepId,
        new: FilePirep,
        options: WriteOptions,
    ) -> Answer {
        let present: Option<StoredPirep> = self.shared.load(id.0).await?;
        let Some(present) = present else {
            let done = self.file(identity, id, new, &options).await;
            return self.answer(id, done).await;
        };
        // What a program measured is added to; what a person wrote is replaced.
        let command = match present.entity.source.kind {
            SourceKind::Acars => PirepCommand::Merge {
                plan: Some(new.plan),
                report: new.report,
                remarks: new.remarks,
                last_sequence: None,
            },
            SourceKind::Manual => PirepCommand::Edit(Changes {
                plan: Some(new.plan),
                report: new.report,
                remarks: new.remarks,
                reason: None,
            }),
        };
        self.change(identity, id, command, PirepFacts::default(), options)
            .await
    }

    /// Hands it to staff. What the report leaves out is read off the track.
    pub async fn submit(
        &self,
        identity: &Identity,
        id: PirepId,
        submit: Submit,
        options: WriteOptions,
    ) -> Answer {
        let present: Option<StoredPirep> = self.shared.load(id.0).await?;
        let mut report = submit.report;
        if let Some(present) = present {
            let given = report.unwrap_or_default().over(&present.entity.report);
            let track = self.tracks.all(id).await?;
            report = Some(given.over(&track_facts::report(&track)));
        }
        let command = PirepCommand::Submit {
            report,
            remarks: submit.remarks,
            last_sequence: submit.last_sequence,
        };
        let facts = self.pilot_facts(identity).await?;
        self.change(identity, id, command, facts, options).await
    }

    /// The version that was seen is required.
    pub async fn accept(
        &self,
        identity: &Identity,
        id: PirepId,
        accept: Accept,
        options: WriteOptions,
    ) -> Answer {
        let command = PirepCommand::Accept {
            credit: accept.credit,
            comment: accept.comment,
        };
        self.decide(identity, id, command, options).await
    }

    /// The version that was seen is required.
    pub async fn reject(
        &self,
        identity: &Identity,
        id: PirepId,
        reject: Reject,
        options: WriteOptions,
    ) -> Answer {
        let command = PirepCommand::Reject {
            reason: reject.reason,
            credit: reject.credit,
        };
        self.decide(identity, id, command, options).await
    }

    pub async fn pause(&self, identity: &Identity, id: PirepId, options: WriteOptions) -> Answer {
        let facts = PirepFacts::default();
        self.change(identity, id, PirepCommand::Pause, facts, options)
            .await
    }

    pub async fn resume(&self, identity: &Identity, id: PirepId, options: WriteOptions) -> Answer {
        let facts = PirepFacts::default();
        self.change(identity, id, PirepCommand::Resume, facts, options)
            .await
    }

    pub async fn cancel(
        &self,
        identity: &Identity,
        id: PirepId,
        reason: Option<String>,
        options: WriteOptions,
    ) -> Answer {
        let facts = self.staff_facts().await?;
        let command = PirepCommand::Cancel { reason };
        self.change(identity, id, command, facts, options).await
    }

    pub async fn restore(&self, identity: &Identity, id: PirepId, options: WriteOptions) -> Answer {
        let facts = self.staff_facts().await?;
        self.change(identity, id, PirepCommand::Restore, facts, options)
            .await
    }

    async fn file(
        &self,
        identity: &Identity,
        id: PirepId,
        new: FilePirep,
        options: &WriteOptions,
    ) -> Result<Done<Pirep>, CommandError> {
        let command = PirepCommand::File(NewPirep {
            intent: new.intent,
            pilot: identity.user(),
            source: new.source,
            plan: new.plan,
            report: new.report,
            remarks: new.remarks,
        });
        let facts = self.pilot_facts(identity).await;
        let facts = facts.map_err(|error| CommandError::Unavailable(error.into()))?;
        self.execute(identity, id, command, facts, options).await
    }

    async fn decide(
        &self,
        identity: &Identity,
        id: PirepId,
        command: PirepCommand,
        options: WriteOptions,
    ) -> Answer {
        if options.if_match.is_none() {
            return Err(ServiceError::PreconditionRequired);
        }
        let facts = self.staff_facts().await?;
        self.change(identity, id, command, facts, options).await
    }

    async fn change(
        &self,
        identity: &Identity,
        id: PirepId,
        command: PirepCommand,
        facts: PirepFacts,
        options: WriteOptions,
    ) -> Answer {
        let done = self.execute(identity, id, command, facts, &options).await;
        self.answer(id, done).await
    }

    async fn execute(
        &self,
        identity: &Identity,
        id: PirepId,
        command: PirepCommand,
        facts: PirepFacts,
        options: &WriteOptions,
    ) -> Result<Done<Pirep>, CommandError> {
        let named = options.idempotency.as_ref();
        let order = Order::<Pirep>::new(id, command, identity.actor(), facts)
            .expecting(options.if_match)
            .requested(named.map(|named| named.request(false)))
            .correlated(options.correlation_id);
        self.shared.commands.execute(order).await
    }

    async fn answer(&self, id: PirepId, done: Result<Done<Pirep>, CommandError>) -> Answer {
        let written: Written<StoredPirep> = self.shared.answer(id.0, done).await?;
        let entity = self.queries.complete(written.entity).await?;
        Ok(Written {
            entity,
            version: written.version,
            position: written.position,
            outcome: written.outcome,
        })
    }

    async fn pilot_facts(&self, identity: &Identity) -> Result<PirepFacts, ServiceError> {
        let principal = Principal::load(&*self.shared.credentials, identity.user()).await?;
        Ok(PirepFacts {
            pilot_suspended: principal.is_some_and(|it| it.status == UserStatus::Suspended),
            ..PirepFacts::default()
        })
    }

    async fn staff_facts(&self) -> Result<PirepFacts, ServiceError> {
        let tenant: Uuid = self.shared.tenant.0;
        let row = self.shared.read_model.get(&TENANTS, tenant).await?;
        let tenant = row.map(|row| document::<TenantView>(&TENANTS, row));
        let tenant = tenant.transpose()?;
        Ok(PirepFacts {
            self_review: tenant.is_some_and(|tenant| tenant.entity.settings.self_review),
            ..PirepFacts::default()
        })
    }
}
