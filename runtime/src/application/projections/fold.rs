//! What events add up to in a lane's tables: of one batch while it is followed, of the whole log in a rebuild.

use crate::application::error::ServiceError;
use crate::application::events::DecodedEvent;
use crate::application::projections::flights::Flights;
use crate::application::projections::people::People;
use crate::ports::read_model::{Change, LaneRows};

pub enum Fold {
    People(People),
    Flights(Flights),
}

impl Fold {
    /// Folds in more of the log. Whatever is not at hand of what the events continue is read from `rows`.
    ///
    /// # Errors
    /// When rows cannot be read.
    pub async fn project(
        &mut self,
        rows: &mut dyn LaneRows,
        events: &[DecodedEvent],
    ) -> Result<(), ServiceError> {
        match self {
            Self::People(people) => people.project(rows, events).await,
            Self::Flights(flights) => flights.project(rows, events).await,
        }
    }

    /// How many rows are at hand.
    pub fn count(&self) -> usize {
        match self {
            Self::People(people) => people.count(),
            Self::Flights(flights) => flights.count(),
        }
    }

    /// Lets go of all rows but about `keep` of each table, those whose last events are the latest: what is to be
    /// written of the others.
    ///
    /// # Errors
    /// Never in practice: when a row cannot be written as JSON.
    pub fn let_go(&mut self, keep: usize) -> Result<Vec<Change>, ServiceError> {
        match self {
            Self::People(people) => people.let_go(keep),
            Self::Flights(flights) => flights.let_go(keep),
        }
    }
}
