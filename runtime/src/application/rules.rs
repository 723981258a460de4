//! An airline's review rules: read, changed, and tried out on what was flown before.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;

use crate::application::career::Career;
use crate::application::commands::Order;
use crate::application::error::ServiceError;
use crate::application::identity::Identity;
use crate::application::projections::entities::document;
use crate::application::projections::lane::Lane;
use crate::application::projections::tables::PIREPS;
use crate::application::shared::Shared;
use crate::application::track_facts;
use crate::application::tracks::Tracks;
use crate::application::views::{StoredPirep, TenantView};
use crate::application::write::{WriteOptions, Written};
use crate::domain::ids::{PirepId, UserId};
use crate::domain::pirep::PirepState;
use crate::domain::refusal::Faults;
use crate::domain::review::{Answer, Review, Rule, Rules, TrackInputs, check};
use crate::domain::tenant::{STALE_RULES, Tenant, TenantCommand};
use crate::ports::read_model::{Filter, Query, Value};
use crate::ports::track_store::Extent;

/// Most flights of a dry run.
pub const MAX_FLIGHTS: usize = 500;

pub struct ReviewRules {
    shared: Arc<Shared>,
    tracks: Arc<Tracks>,
}

/// What rules would have made of a flight.
#[derive(Clone, Debug, PartialEq)]
pub struct TriedFlight {
    pub id: PirepId,
    pub flight_number: Option<String>,
    pub submitted_at: Option<Timestamp>,
    pub state: PirepState,
    pub review: Review,
}

impl TriedFlight {
    /// Whether it stands otherwise than these rules would have left it.
    pub fn differs(&self) -> bool {
        let left = match self.review.answer {
            Answer::Accept => PirepState::Accepted,
            Answer::Hold => PirepState::Submitted,
            Answer::Reject => PirepState::Rejected,
        };
        self.state != left
    }
}

impl ReviewRules {
    pub fn new(shared: Arc<Shared>, tracks: Arc<Tracks>) -> Self {
        Self { shared, tracks }
    }

    /// The rules that stand, as current as the log.
    pub async fn get(&self) -> Result<Rules, ServiceError> {
        Ok(self.airline().await?.rules)
    }

    async fn airline(&self) -> Result<Tenant, ServiceError> {
        let tenant: Option<TenantView> = self.shared.load(self.shared.tenant.0).await?;
        let tenant = tenant.ok_or_else(|| ServiceError::not_found("airline"))?;
        Ok(tenant.entity)
    }

    /// The version that was seen is required: it is the rules' own, since others write to the airline's stream.
    pub async fn change(
        &self,
        identity: &Identity,
        rules: Vec<Rule>,
        options: WriteOptions,
    ) -> Result<Written<Rules>, ServiceError> {
        let Some(seen) = options.if_match else {
            return Err(ServiceError::PreconditionRequired);
        };
        let id = self.shared.tenant.0;
        let command = TenantCommand::ChangeRules { rules, seen };
        let order = Order::<Tenant>::new(id, command, identity.actor(), ())
            .requested(options.idempotency.map(|named| named.request(false)))
            .correlated(options.correlation_id);
        let done = self.shared.commands.execute(order).await;
        let answered: Result<Written<TenantView>, _> = self.shared.answer(id, done).await;
        match answered {
            Err(ServiceError::Refused(refusal)) if refusal.code == STALE_RULES => {
                let actual = self.get().await?.version;
                Err(ServiceError::Stale { actual })
            }
            answered => {
                let written = answered?.map(|tenant| tenant.entity.rules);
                Ok(Written {
                    version: written.entity.version,
                    ..written
                })
            }
        }
    }

    /// What these rules would have made of the flights that were submitted last. Writes nothing.
    ///
    /// # Errors
    /// When a rule is not valid, a store is unavailable, or the list of flights is not as far as the log.
    pub async fn try_out(
        &self,
        rules: Vec<Rule>,
        flights: usize,
    ) -> Result<Vec<TriedFlight>, ServiceError> {
        let airline = self.airline().await?;
        let mut faults = Faults::default();
        check(&mut faults, &rules, &airline.ranks);
        if !(1..=MAX_FLIGHTS).contains(&flights) {
            let detail = format!("Must be between 1 and {MAX_FLIGHTS}.");
            faults.add("/flights", "out-of-range", detail);
        }
        faults.finish()?;
        let version = airline.rules.version + 1;
        let rules = Rules { version, rules };
        // A list that lags would show a pilot with too few hours.
        let head = self.shared.events.head().await?;
        let projections = &self.shared.projections;
        projections
            .wait_for(&[Lane::Flights], head.position)
            .await?;
        let last = self.last_submitted(flights).await?;
        let ids: Vec<_> = last.iter().map(|flight| flight.id.0).collect();
        let extents = self.shared.tracks.extents(&ids).await?;
        let mut careers: HashMap<UserId, Career> = HashMap::new();
        let mut tried = Vec::with_capacity(last.len());
        for flight in last {
            let extent = extents.get(&flight.id.0).copied().unwrap_or_default();
            let track = self.track_of(&flight, extent, &rules).await?;
            let last = flight.entity.last_sequence;
            let from = self.tracks.counted_from(flight.id, extent.count, last);
            let from = from.await?;
            let pirep = flight.entity;
            if rules.read_pilot() && !careers.contains_key(&pirep.pilot) {
                let career = Career::of(&self.shared, pirep.pilot).await?;
                careers.insert(pirep.pilot, career);
            }
            let career = careers.get(&pirep.pilot);
            let pilot = career.map(|it| it.before(pirep.submitted_at, &airline.ranks));
            tried.push(TriedFlight {
                id: flight.id,
                review: rules.review(&pirep.inputs(track, from, pilot)),
                flight_number: pirep.plan.flight_number,
                submitted_at: pirep.submitted_at,
                state: pirep.state,
            });
        }
        Ok(tried)
    }

    async fn last_submitted(&self, flights: usize) -> Result<Vec<StoredPirep>, ServiceError> {
        use PirepState::{Accepted, Rejected, Submitted};
        let states = [Submitted, Accepted, Rejected];
        let states = states.map(|state| Value::Text(state.as_str().to_owned()));
        let query = Query {
            table: &PIREPS,
            filters: vec![Filter::OneOf("state", states.to_vec())],
            order_by: "submitted_at",
            descending: true,
            after: None,
            limit: flights,
        };
        let rows = self.shared.read_model.list(query).await?;
        rows.into_iter().map(|row| document(&PIREPS, row)).collect()
    }

    /// The track is read only if a rule looks at it, and nobody has since the last position came.
    async fn track_of(
        &self,
        flight: &StoredPirep,
        extent: Extent,
        rules: &Rules,
    ) -> Result<TrackInputs, ServiceError> {
        let positions = extent.count;
        let known = flight.entity.review.as_ref().map(|it| &it.inputs.track);
        if let Some(known) = known.filter(|known| known.positions == positions) {
            return Ok(known.clone());
        }
        if positions == 0 || !rules.read_track() {
            return Ok(TrackInputs {
                positions,
                ..TrackInputs::default()
            });
        }
        Ok(track_facts::inputs(&self.tracks.all(flight.id).await?))
    }
}
