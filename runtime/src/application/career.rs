//! What of a pilot's decided flights counts towards a rank, as far as it is projected.

use jiff::Timestamp;

use crate::application::error::ServiceError;
use crate::application::paging::sort_value;
use crate::application::projections::entities::document;
use crate::application::projections::tables::PIREPS;
use crate::application::shared::Shared;
use crate::application::views::StoredPirep;
use crate::domain::catalogue::Rank;
use crate::domain::ids::UserId;
use crate::domain::pirep::{Credit, Pirep, PirepState};
use crate::domain::review::PilotInputs;
use crate::ports::read_model::{Filter, Query, Value};

const PAGE: usize = 500;

/// When each flight was submitted, and its minutes.
pub struct Career(Vec<(Timestamp, i64)>);

impl Career {
    /// # Errors
    /// When the read model is unavailable.
    pub async fn of(shared: &Shared, pilot: UserId) -> Result<Self, ServiceError> {
        // A rejected flight may count all the same.
        let decided = [PirepState::Accepted, PirepState::Rejected];
        let decided = decided.map(|state| Value::Text(state.as_str().to_owned()));
        let mut query = Query {
            table: &PIREPS,
            filters: vec![
                Filter::Equals("pilot", Value::Uuid(pilot.0)),
                Filter::OneOf("state", decided.to_vec()),
            ],
            order_by: "submitted_at",
            descending: false,
            after: None,
            limit: PAGE,
        };
        let mut flights = Vec::new();
        loop {
            let rows = shared.read_model.list(query.clone()).await?;
            let is_last = rows.len() < PAGE;
            query.after = rows.last().map(|row| (sort_value(&query, row), row.id));
            for row in rows {
                let stored: StoredPirep = document(&PIREPS, row)?;
                flights.extend(counted(&stored.entity));
            }
            if is_last {
                return Ok(Self(flights));
            }
        }
    }

    /// How the pilot stood when a flight was submitted: by those that were submitted before it.
    pub fn before(&self, submitted_at: Option<Timestamp>, ranks: &[Rank]) -> PilotInputs {
        let earlier = |(at, _): &&(Timestamp, i64)| submitted_at.is_none_or(|end| *at < end);
        let minutes = self.0.iter().filter(earlier).map(|(_, minutes)| minutes);
        PilotInputs::of(minutes.sum(), ranks)
    }
}

/// Flight time, or else block time, of what counts in full.
fn counted(pirep: &Pirep) -> Option<(Timestamp, i64)> {
    let decision = pirep.decision.as_ref();
    decision.filter(|it| it.credit == Credit::Full)?;
    let report = &pirep.report;
    let minutes = report.flight_time_min.or(report.block_time_min)?;
    Some((pirep.submitted_at?, i64::from(minutes)))
}
