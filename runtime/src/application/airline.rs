//! One airline: all of its services, put together.

use std::sync::Arc;

use prometheus_client::registry::Registry;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::application::admin_setup::AdminSetup;
use crate::application::api_keys::ApiKeys;
use crate::application::auth::Auth;
use crate::application::auth::accounts::Accounts;
use crate::application::auth::keys::KeyCheck;
use crate::application::bidding::Bidding;
use crate::application::catalogue::Catalogue;
use crate::application::catalogue::lists::Lists;
use crate::application::changes::Changes;
use crate::application::declared::declared;
use crate::application::desired::Desired;
use crate::application::erasure::Erasure;
use crate::application::error::ServiceError;
use crate::application::flight_logs::FlightLogs;
use crate::application::history::History;
use crate::application::pirep_queries::PirepQueries;
use crate::application::pireps::Pireps;
use crate::application::projections::LaneStatus;
use crate::application::projections::entities::document;
use crate::application::projections::lane::Lane;
use crate::application::projections::rebuild::{RebuildError, Watch};
use crate::application::projections::tables::{PIREPS, TENANTS};
use crate::application::reactions::policy::Policy;
use crate::application::reactions::{ReactionParts, Reactions};
use crate::application::readiness::Readiness;
use crate::application::review_policy::ReviewPolicy;
use crate::application::rules::ReviewRules;
use crate::application::shared::{Parts, Shared};
use crate::application::tracks::Tracks;
use crate::application::users::Users;
use crate::application::views::TenantView;
use crate::domain::catalogue::{Aircraft, ScheduledFlight};
use crate::domain::ids::TenantId;
use crate::domain::pirep::PirepState;
use crate::domain::user::GRACE;
use crate::ports::read_model::{Filter, Value};
use crate::ports::supervisor::Supervisor;

/// One tenant's services.
pub struct Airline {
    pub auth: Auth,
    pub users: Users,
    pub erasure: Erasure,
    pub api_keys: ApiKeys,
    pub pireps: Pireps,
    pub tracks: Arc<Tracks>,
    pub flight_logs: FlightLogs,
    pub history: History,
    pub aircraft: Catalogue<Aircraft>,
    pub schedule: Catalogue<ScheduledFlight>,
    pub lists: Lists,
    pub bidding: Arc<Bidding>,
    pub desired: Desired,
    pub changes: Changes,
    pub admin_setup: AdminSetup,
    pub reactions: Reactions,
    pub rules: ReviewRules,
    readiness: Readiness,
    shared: Arc<Shared>,
}

impl Airline {
    /// `schema_version`: the highest migration that the storage has seen.
    pub fn new(parts: Parts, schema_version: i64) -> Self {
        let shared = Shared::new(parts);
        let keys = Arc::new(KeyCheck::new(shared.clone()));
        let accounts = Arc::new(Accounts {
            shared: shared.clone(),
            keys: keys.clone(),
        });
        let queries = Arc::new(PirepQueries::new(shared.clone()));
        let tracks = Arc::new(Tracks::new(shared.clone(), queries.clone()));
        let policies: Vec<Box<dyn Policy>> =
            vec![Box::new(ReviewPolicy::new(shared.clone(), tracks.clone()))];
        let reactions = Reactions::new(ReactionParts::of(&shared), policies);
        let bidding = Arc::new(Bidding::new(shared.clone()));
        Self {
            auth: Auth::new(shared.clone(), accounts.clone(), keys),
            users: Users::new(shared.clone(), accounts.clone()),
            erasure: Erasure::new(shared.clone(), accounts.clone()),
            api_keys: ApiKeys::new(shared.clone(), accounts.clone()),
            pireps: Pireps::new(
                shared.clone(),
                queries.clone(),
                tracks.clone(),
                bidding.clone(),
            ),
            rules: ReviewRules::new(shared.clone(), tracks.clone()),
            tracks,
            flight_logs: FlightLogs::new(shared.clone()),
            history: History::new(shared.clone(), queries),
            aircraft: Catalogue::new(shared.clone()),
            schedule: Catalogue::new(shared.clone()),
            lists: Lists::new(shared.clone()),
            bidding,
            desired: Desired::new(shared.clone(), accounts.clone(), schema_version),
            admin_setup: AdminSetup::new(shared.clone(), accounts),
            changes: Changes::new(shared.clone()),
            reactions,
            readiness: Readiness::default(),
            shared,
        }
    }

    pub fn id(&self) -> TenantId {
        self.shared.tenant
    }

    /// The name that it is declared under.
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// Origin under which browsers reach it.
    pub fn public_url(&self) -> &str {
        &self.shared.public_url
    }

    /// What is known about the airline itself; none before it was declared.
    pub async fn tenant(&self) -> Result<Option<TenantView>, ServiceError> {
        let id = self.shared.tenant.0;
        let row = self.shared.read_model.get(&TENANTS, id).await?;
        row.map(|row| document(&TENANTS, row)).transpose()
    }

    /// Creates the tables of the read model that are missing.
    pub async fn prepare(&self) -> Result<(), ServiceError> {
        self.shared.projections.prepare().await?;
        self.reactions.prepare().await
    }

    /// Keeps those tables while another release shares the database, and drops the other's once nobody uses them.
    /// For about once a minute.
    pub async fn keep_tables(&self) -> Result<(), ServiceError> {
        Ok(self.shared.read_model.keep().await?)
    }

    /// Brings the read model to where the log is, for a process that serves at once.
    ///
    /// # Errors
    /// When a store is unavailable. An event that cannot be read is none: what comes before it is shown.
    pub async fn begin(&self) -> Result<(), ServiceError> {
        self.shared.projections.begin().await
    }

    /// Follows the log with the read model until it is cancelled.
    pub async fn project(&self, supervisor: &Supervisor, cancel: &CancellationToken) {
        self.shared.projections.run(supervisor, cancel).await;
    }

    /// Projects all that is in the log now.
    pub async fn catch_up(&self) -> Result<(), ServiceError> {
        self.shared.projections.catch_up().await
    }

    /// Projects what is known about the airline and its people, of all that is in the log now.
    pub async fn catch_up_with_people(&self) -> Result<(), ServiceError> {
        self.shared.projections.catch_up_lane(Lane::People).await
    }

    /// Builds one lane's tables anew from the whole log, and swaps them; answers up to where.
    ///
    /// # Errors
    /// When another rebuild runs, a store is unavailable, or an event cannot be read. Nothing has changed then.
    pub async fn rebuild(&self, lane: Lane, watch: Watch<'_>) -> Result<i64, RebuildError> {
        self.shared.projections.rebuild(lane, watch).await
    }

    /// Waits until everything up to `position` can be seen by queries.
    ///
    /// # Errors
    /// `NotYetVisible` after two seconds, and at once for what is not in the log.
    pub async fn wait_for(&self, position: i64) -> Result<(), ServiceError> {
        let projections = &self.shared.projections;
        projections.wait_for_named(&Lane::ALL, position).await
    }

    /// The same for queries about people only, whatever becomes of flights.
    pub async fn wait_for_people(&self, position: i64) -> Result<(), ServiceError> {
        let projections = &self.shared.projections;
        projections.wait_for_named(&[Lane::People], position).await
    }

    /// How many flights are under way, interrupted ones included, by all that is in the log now.
    ///
    /// # Errors
    /// When the lane of flights cannot get there: a number that may be too low is not told.
    pub async fn airborne(&self) -> Result<i64, ServiceError> {
        let shared = &self.shared;
        shared.projections.catch_up_lane(Lane::Flights).await?;
        let states = [PirepState::InProgress, PirepState::Paused];
        let states = states.map(|state| Value::Text(state.as_str().to_owned()));
        let under_way = vec![Filter::OneOf("state", states.to_vec())];
        Ok(shared.read_model.count(&PIREPS, under_way).await?)
    }

    /// How far each lane is.
    pub async fn lanes(&self) -> Result<Vec<LaneStatus>, ServiceError> {
        self.shared.projections.status().await
    }

    /// Makes `registry` show how the projections do, and how much room there is.
    pub fn register_metrics(&self, registry: &mut Registry) {
        self.shared.projections.metrics.register(registry);
        self.shared.room.register(registry);
    }

    /// Whether requests may be sent here, and what is degraded all the same.
    ///
    /// # Errors
    /// While the log cannot be read, or a part of the read model has yet to catch up: one line that names it.
    pub async fn ready(&self) -> Result<Vec<String>, String> {
        let lanes = self.lanes().await.map_err(|error| error.to_string())?;
        self.readiness.judge(&lanes, Instant::now())
    }

    /// Finds out how much room the data takes and how much it may; until then the last answer counts.
    pub async fn measure(&self) -> Result<(), ServiceError> {
        let limits = declared(&self.shared).await?.limits;
        Ok(self.shared.room.measure(limits.storage_bytes).await?)
    }

    /// Removes credentials that have expired and serve no flight any more; returns how many.
    pub async fn sweep(&self) -> Result<u64, ServiceError> {
        let now = self.shared.now();
        let horizon = now.saturating_sub(GRACE).unwrap_or(now);
        Ok(self.shared.credentials.sweep(horizon).await?)
    }
}
