//! Booking flights of the schedule, and which bids are open.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use jiff::Timestamp;
use uuid::Uuid;

use crate::application::commands::Order;
use crate::application::error::ServiceError;
use crate::application::identity::Identity;
use crate::application::limits;
use crate::application::projections::entities::document;
use crate::application::projections::tables::{BIDS, SCHEDULED_FLIGHTS};
use crate::application::shared::Shared;
use crate::application::views::{ItemView, Standing};
use crate::application::write::{WriteOptions, Written};
use crate::domain::bids::{Bid, BidCommand, BidFacts, Bids, stream_of};
use crate::domain::catalogue::{Item, ScheduledFlight};
use crate::domain::ids::{BidId, ScheduledFlightId, UserId};

pub struct Bidding {
    shared: Arc<Shared>,
}

/// A bid with the flight that it books.
#[derive(Clone, Debug, PartialEq)]
pub struct BidView {
    pub id: BidId,
    pub flight: ItemView<ScheduledFlight>,
    pub made_at: Timestamp,
    pub expires_at: Timestamp,
}

type StoredBids = Standing<Uuid, Bids>;

impl Bidding {
    pub fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// The caller's bids that wait to be flown, the oldest first.
    pub async fn list(&self, identity: &Identity) -> Result<Vec<BidView>, ServiceError> {
        let Some(stored) = self.projected(identity.user()).await? else {
            return Ok(Vec::new());
        };
        let open: Vec<&Bid> = stored.entity.open(self.shared.now()).collect();
        let ids: Vec<Uuid> = open.iter().map(|bid| bid.flight.0).collect();
        let mut flights = HashMap::new();
        for row in self
            .shared
            .read_model
            .rows(&SCHEDULED_FLIGHTS, &ids)
            .await?
        {
            flights.insert(row.id, document(&SCHEDULED_FLIGHTS, row)?);
        }
        let views = open.into_iter().filter_map(|bid| {
            let flight = flights.remove(&bid.flight.0)?;
            Some(view(bid, flight))
        });
        Ok(views.collect())
    }

    /// Books a flight for the caller.
    pub async fn make(
        &self,
        identity: &Identity,
        flight: ScheduledFlightId,
        options: WriteOptions,
    ) -> Result<Written<BidView>, ServiceError> {
        let bid = BidId(self.shared.new_id());
        let scheduled = self.scheduled(flight).await?;
        let facts = BidFacts {
            suspended: identity.suspended,
            scheduled: scheduled
                .as_ref()
                .is_some_and(|it| it.entity.archived_at.is_none()),
            ended: self.ended(identity.user()).await?,
        };
        let command = BidCommand::Make { bid, flight };
        let written = self.execute(identity, command, facts, options).await?;
        // What was made last, also by an earlier request of the same name.
        let made = written.entity.entity.bids.last();
        let made = made.zip(scheduled).map(|(bid, flight)| view(bid, flight));
        let made = made.ok_or_else(|| ServiceError::not_found("bid"))?;
        Ok(written.map(|_| made))
    }

    /// Gives up one of the caller's bids; answers where that is in the log.
    pub async fn withdraw(
        &self,
        identity: &Identity,
        bid: BidId,
        options: WriteOptions,
    ) -> Result<i64, ServiceError> {
        let facts = BidFacts {
            ended: self.ended(identity.user()).await?,
            ..BidFacts::default()
        };
        let command = BidCommand::Withdraw { bid };
        let written = self.execute(identity, command, facts, options).await?;
        Ok(written.position)
    }

    /// The flight that an open bid of this pilot's books.
    pub async fn booked(
        &self,
        pilot: UserId,
        bid: BidId,
    ) -> Result<Option<ScheduledFlightId>, ServiceError> {
        let bids = self.shared.load::<Uuid, Bids>(stream_of(pilot)).await?;
        let Some(bids) = bids else { return Ok(None) };
        let mut open = bids.entity.open(self.shared.now());
        let Some(flight) = open.find(|it| it.id == bid).map(|it| it.flight) else {
            return Ok(None);
        };
        let ended = self.ended(pilot).await?;
        Ok((!ended.contains(&bid)).then_some(flight))
    }

    /// A flight of the schedule, archived or not, as current as the log.
    pub async fn scheduled(
        &self,
        flight: ScheduledFlightId,
    ) -> Result<Option<ItemView<ScheduledFlight>>, ServiceError> {
        let loaded = self.shared.load::<Uuid, Item<ScheduledFlight>>(flight.0);
        match loaded.await {
            // Something else has this id.
            Err(ServiceError::Refused(_)) => Ok(None),
            loaded => loaded,
        }
    }

    async fn execute(
        &self,
        identity: &Identity,
        command: BidCommand,
        facts: BidFacts,
        options: WriteOptions,
    ) -> Result<Written<StoredBids>, ServiceError> {
        let stream = stream_of(identity.user());
        let (mut read, mut full) = (None, None);
        if let BidCommand::Make { .. } = command {
            let bids = self.shared.commands.load::<Bids>(stream).await?;
            let too_long = limits::too_long(bids.version, "A pilot's list of bids takes");
            full = limits::full(&self.shared).await.or(too_long);
            read = Some(bids);
        }
        let named = options.idempotency.as_ref();
        let order = Order::<Bids>::new(stream, command, identity.actor(), facts)
            .having_read(read)
            .requested(named.map(|named| named.request(false)))
            .correlated(options.correlation_id)
            .unless(full);
        let done = self.shared.commands.execute(order).await;
        self.shared.answer(stream, done).await
    }

    /// Those that PIREPs have ended, as far as queries know.
    async fn ended(&self, pilot: UserId) -> Result<BTreeSet<BidId>, ServiceError> {
        let stored = self.projected(pilot).await?;
        let bids = stored.into_iter().flat_map(|stored| stored.entity.bids);
        let ended = bids.filter(|bid| bid.ended);
        Ok(ended.map(|bid| bid.id).collect())
    }

    async fn projected(&self, pilot: UserId) -> Result<Option<StoredBids>, ServiceError> {
        let row = self.shared.read_model.get(&BIDS, stream_of(pilot)).await?;
        row.map(|row| document(&BIDS, row)).transpose()
    }
}

fn view(bid: &Bid, flight: ItemView<ScheduledFlight>) -> BidView {
    BidView {
        id: bid.id,
        flight,
        made_at: bid.made_at,
        expires_at: bid.expires_at,
    }
}
