//! Reading PIREPs: who may see which, with the names and tracks that belong to them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use moka::future::Cache as Recent;

use crate::application::contact::contact;
use crate::application::declared::{KNOWN_FOR, declared};
use crate::application::error::ServiceError;
use crate::application::identity::Identity;
use crate::application::paging::{Listed, Page};
use crate::application::projections::entities::document;
use crate::application::projections::tables::{PIREPS, USERS};
use crate::application::queries::{self, Sort};
use crate::application::shared::Shared;
use crate::application::views::{PirepView, StoredPirep, UserView, Warning};
use crate::domain::catalogue::{PirepField, custom_fields};
use crate::domain::ids::{PirepId, UserId};
use crate::domain::personal::Personal;
use crate::domain::pirep::{Pirep, PirepState};
use crate::domain::user::UserStatus;
use crate::ports::read_model::{Filter, Value};
use crate::ports::track_store::Extent;

pub struct PirepQueries {
    shared: Arc<Shared>,
    /// Those who file.
    pilots: Recent<UserId, People>,
}

/// So many pilots are kept.
const PILOTS: u64 = 10_000;

/// Which PIREPs are listed; all of it must hold.
#[derive(Clone, Debug, Default)]
pub struct PirepFilter {
    /// Any of these; all when empty.
    pub states: Vec<PirepState>,
    pub pilot: Option<UserId>,
    /// Part of flight number, callsign, airports, aircraft type or registration.
    pub search: Option<String>,
    pub sort: PirepSort,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PirepSort {
    #[default]
    NewestFirst,
    OldestFirst,
    LastSubmittedFirst,
    FirstSubmittedFirst,
}

impl PirepQueries {
    pub fn new(shared: Arc<Shared>) -> Self {
        let pilots = Recent::builder().max_capacity(PILOTS);
        Self {
            pilots: pilots.time_to_live(KNOWN_FOR).build(),
            shared,
        }
    }

    pub async fn get(&self, identity: &Identity, id: PirepId) -> Result<PirepView, ServiceError> {
        let row = self.shared.read_model.get(&PIREPS, id.0).await?;
        let stored = row.map(|row| document::<StoredPirep>(&PIREPS, row));
        let stored = stored.transpose()?;
        let visible = stored.filter(|stored| {
            let pirep = &stored.entity;
            may_read(identity, pirep.pilot, pirep.state)
        });
        let visible = visible.ok_or_else(|| ServiceError::not_found(PIREP))?;
        self.complete(shown_to(identity, visible)).await
    }

    pub async fn list(
        &self,
        identity: &Identity,
        filter: PirepFilter,
        page: Page,
    ) -> Result<Listed<PirepView>, ServiceError> {
        let read_model = &*self.shared.read_model;
        let whose = if identity.reads_every_pirep() {
            None
        } else {
            Some(identity.user())
        };
        let list = format!("pireps {filter:?} {whose:?}");
        let alternatives = alternatives(whose, &filter);
        let sort = filter.sort.sort();
        let found = queries::page(read_model, &PIREPS, alternatives, sort, &list, &page).await?;
        let items = found.items.into_iter();
        let items = items.map(|stored| shown_to(identity, stored)).collect();
        Ok(Listed {
            items: self.complete_all(items).await?,
            next: found.next,
        })
    }

    /// A PIREP with the names and the extent of the track that belong to it.
    pub async fn complete(&self, stored: StoredPirep) -> Result<PirepView, ServiceError> {
        let mut views = self.complete_all(vec![stored]).await?;
        views.pop().ok_or_else(|| ServiceError::not_found(PIREP))
    }

    /// The same for one that was filed just now: it has no track and no decision, and its pilot is known.
    pub async fn filed(&self, stored: StoredPirep) -> Result<PirepView, ServiceError> {
        let people = self.pilot(stored.entity.pilot).await?;
        let fields = declared(&self.shared).await?.fields;
        let now = self.shared.now();
        Ok(view(stored, Extent::default(), &people, &fields, now))
    }

    async fn complete_all(&self, all: Vec<StoredPirep>) -> Result<Vec<PirepView>, ServiceError> {
        let ids: Vec<_> = all.iter().map(|stored| stored.id.0).collect();
        let extents = self.shared.tracks.extents(&ids).await?;
        let people = self.people(&all).await?;
        let fields = declared(&self.shared).await?.fields;
        let now = self.shared.now();
        let views = all.into_iter().map(|stored| {
            let extent = extents.get(&stored.id.0).copied().unwrap_or_default();
            view(stored, extent, &people, &fields, now)
        });
        Ok(views.collect())
    }

    /// As was read not long ago: a program files many flights for one pilot.
    async fn pilot(&self, pilot: UserId) -> Result<People, ServiceError> {
        if let Some(known) = self.pilots.get(&pilot).await {
            return Ok(known);
        }
        let known = People::of(&self.shared, BTreeSet::from([pilot])).await?;
        self.pilots.insert(pilot, known.clone()).await;
        Ok(known)
    }

    async fn people(&self, all: &[StoredPirep]) -> Result<People, ServiceError> {
        let people = all.iter().flat_map(|stored| {
            let decision = stored.entity.decision.as_ref();
            [Some(stored.entity.pilot), decision.and_then(|it| it.by)]
        });
        People::of(&self.shared, people.flatten().collect()).await
    }
}

/// What it is called in messages.
const PIREP: &str = "PIREP";

/// Staff read all; a pilot their own, and what counts of others. Nobody reads what was thrown away.
pub fn may_read(identity: &Identity, pilot: UserId, state: PirepState) -> bool {
    let own = pilot == identity.user();
    let public = state == PirepState::Accepted;
    let discarded = state == PirepState::Discarded;
    !discarded && (own || public || identity.reads_every_pirep())
}

/// Whether the caller reads what its pilot and staff say to each other.
pub fn is_party(identity: &Identity, pilot: UserId) -> bool {
    pilot == identity.user() || identity.reads_every_pirep()
}

/// A verdict is for everybody who reads the flight, its words are not.
fn shown_to(identity: &Identity, mut stored: StoredPirep) -> StoredPirep {
    if !is_party(identity, stored.entity.pilot)
        && let Some(decision) = &mut stored.entity.decision
    {
        decision.reason = None;
    }
    stored
}

/// What is shown of some users beside their flights.
#[derive(Clone, Debug, Default)]
pub struct People {
    names: BTreeMap<UserId, String>,
    erased: BTreeSet<UserId>,
}

impl People {
    pub async fn of(shared: &Shared, users: BTreeSet<UserId>) -> Result<Self, ServiceError> {
        let ids: Vec<_> = users.into_iter().map(|user| user.0).collect();
        let mut people = Self::default();
        for row in shared.read_model.rows(&USERS, &ids).await? {
            let view: UserView = document(&USERS, row)?;
            if view.entity.status == UserStatus::Erased {
                people.erased.insert(view.id);
            }
            if let Some(name) = view.entity.display_name.into_known() {
                people.names.insert(view.id, name);
            }
        }
        Ok(people)
    }

    /// What others call a user; whoever is erased has no name.
    pub fn name(&self, user: UserId) -> Option<String> {
        self.names.get(&user).cloned()
    }

    /// A flight without what its pilot wrote, if that pilot is erased.
    pub fn show(&self, mut pirep: Pirep) -> Pirep {
        if self.erased.contains(&pirep.pilot) {
            pirep.erase();
        }
        pirep
    }
}

impl PirepSort {
    fn sort(self) -> Sort {
        let (column, descending) = match self {
            Self::NewestFirst => ("created_at", true),
            Self::OldestFirst => ("created_at", false),
            Self::LastSubmittedFirst => ("submitted_at", true),
            Self::FirstSubmittedFirst => ("submitted_at", false),
        };
        Sort { column, descending }
    }
}

/// One query for whoever reads everything; for others their own, and the accepted ones of all.
fn alternatives(whose: Option<UserId>, filter: &PirepFilter) -> Vec<Vec<Filter>> {
    let mut common = Vec::new();
    if let Some(pilot) = filter.pilot {
        common.push(Filter::Equals("pilot", Value::Uuid(pilot.0)));
    }
    if let Some(search) = &filter.search {
        common.push(Filter::Contains("search", search.trim().to_lowercase()));
    }
    let wanted = |state: &PirepState| filter.states.is_empty() || filter.states.contains(state);
    let states = PirepState::ALL.into_iter().filter(wanted);
    let states: Vec<Value> = states
        .filter(|state| *state != PirepState::Discarded)
        .map(text)
        .collect();
    let any = [common.clone(), vec![Filter::OneOf("state", states.clone())]].concat();
    let Some(user) = whose else {
        return vec![any];
    };
    let own = [any, vec![Filter::Equals("pilot", Value::Uuid(user.0))]].concat();
    let accepted = text(PirepState::Accepted);
    let mut alternatives = vec![own];
    if states.contains(&accepted) {
        common.push(Filter::Equals("state", accepted));
        alternatives.push(common);
    }
    alternatives
}

fn text(state: PirepState) -> Value {
    Value::Text(state.as_str().to_owned())
}

fn view(
    stored: StoredPirep,
    track: Extent,
    people: &People,
    fields: &[PirepField],
    now: Timestamp,
) -> PirepView {
    let pirep = people.show(stored.entity).as_reported(now);
    let decider = pirep.decision.as_ref().and_then(|decision| decision.by);
    PirepView {
        id: stored.id,
        version: stored.version,
        position: stored.position,
        pilot_name: people.name(pirep.pilot),
        decider_name: decider.and_then(|user| people.name(user)),
        warnings: warnings(&pirep, track, fields),
        contact: contact(pirep.state, track, now),
        track,
        pirep,
    }
}

fn warnings(pirep: &Pirep, track: Extent, fields: &[PirepField]) -> Vec<Warning> {
    let mut warnings = Vec::new();
    let (planned, actual) = (&pirep.plan.arrival, &pirep.report.actual_arrival);
    if let (Some(planned), Some(actual)) = (planned, actual)
        && planned != actual
    {
        warnings.push(Warning {
            pointer: "/report/actualArrival".into(),
            code: "diversion",
            detail: format!("Planned to {planned}, flown to {actual}."),
        });
    }
    let expected = pirep.last_sequence.map_or(0, |last| i64::from(last) + 1);
    // Whoever counts from 1 sends one less, which is not looked up for a list.
    if track.count + 1 < expected || track.last_sequence < pirep.last_sequence {
        warnings.push(Warning {
            pointer: "/track/positions".into(),
            code: "track-incomplete",
            detail: format!("{} of {expected} positions have arrived.", track.count),
        });
    }
    if pirep.bid.is_some() && pirep.scheduled_flight.is_none() {
        warnings.push(Warning {
            pointer: "/bid".into(),
            code: "bid-not-open",
            detail: "The pilot held no such bid when it was filed.".to_owned(),
        });
    }
    warnings.extend(warnings_of_fields(pirep, fields));
    warnings
}

/// Programs know nothing of an airline's own fields, and are not kept from filing.
fn warnings_of_fields(pirep: &Pirep, fields: &[PirepField]) -> Vec<Warning> {
    let warning = |key: &str, code, detail| Warning {
        pointer: custom_fields::pointer(key).into(),
        code,
        detail,
    };
    let values = pirep.custom_fields.as_ref();
    if values.is_some_and(|values| *values == Personal::Erased) {
        return Vec::new();
    }
    let values = values.and_then(Personal::known);
    let declared = |key: &String| fields.iter().any(|field| field.key == *key);
    let unknown = values.into_iter().flat_map(BTreeMap::keys);
    let unknown = unknown.filter(|key| !declared(key)).map(|key| {
        let detail = "The airline declares no such field.".to_owned();
        warning(key, "unknown-field", detail)
    });
    let submitted = pirep.submitted_at.is_some();
    let missing = custom_fields::missing(fields, values).filter(|_| submitted);
    let missing = missing.map(|field| {
        let detail = format!("{} is missing.", field.label);
        warning(&field.key, "field-missing", detail)
    });
    unknown.chain(missing).collect()
}
