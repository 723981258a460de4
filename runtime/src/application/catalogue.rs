//! Keeping and reading the catalogue: one service for whatever it lists.

pub mod lists;

use std::marker::PhantomData;
use std::sync::Arc;

use uuid::Uuid;

use crate::application::commands::{Beside, CommandError, Loaded, Logged, Order};
use crate::application::error::ServiceError;
use crate::application::identity::Identity;
use crate::application::limits;
use crate::application::paging::{Listed, Page};
use crate::application::projections::catalogue::Tabled;
use crate::application::projections::entities::document;
use crate::application::queries::{self, Sort};
use crate::application::shared::Shared;
use crate::application::views::ItemView;
use crate::application::write::{WriteOptions, Written};
use crate::domain::catalogue::{Item, ItemCommand, ItemEvent, item};
use crate::domain::refusal::Refusal;
use crate::ports::event_store::ClaimChange;
use crate::ports::read_model::{Filter, Value};

pub struct Catalogue<D> {
    shared: Arc<Shared>,
    kind: PhantomData<D>,
}

/// Which things are listed; all of it must hold.
#[derive(Clone, Debug, Default)]
pub struct ItemFilter {
    /// Part of what they are known by.
    pub search: Option<String>,
    /// Those that are archived instead of those that are not.
    pub archived: bool,
    /// Columns with the code that they must hold.
    pub codes: Vec<(&'static str, String)>,
}

impl<D: Tabled> Catalogue<D>
where
    Item<D>: Logged<Event = ItemEvent<D>, Command = ItemCommand<D>, Facts = ()>,
{
    pub fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            kind: PhantomData,
        }
    }

    pub async fn list(
        &self,
        filter: ItemFilter,
        page: Page,
    ) -> Result<Listed<ItemView<D>>, ServiceError> {
        let archived = Value::Integer(i64::from(filter.archived));
        let mut filters = vec![Filter::Equals("archived", archived)];
        if let Some(search) = &filter.search {
            filters.push(Filter::Contains("search", search.trim().to_lowercase()));
        }
        for (column, code) in &filter.codes {
            let code = Value::Text(code.trim().to_uppercase());
            filters.push(Filter::Equals(column, code));
        }
        let sort = Sort {
            column: D::ORDER,
            descending: false,
        };
        let list = format!("{} {filter:?}", D::TABLE.name);
        let read_model = &*self.shared.read_model;
        queries::page(read_model, D::TABLE, vec![filters], sort, &list, &page).await
    }

    /// As queries show it, archived or not.
    pub async fn get(&self, id: Uuid) -> Result<ItemView<D>, ServiceError> {
        let row = self.shared.read_model.get(D::TABLE, id).await?;
        let row = row.ok_or_else(|| ServiceError::not_found(D::NAME))?;
        document(D::TABLE, row)
    }

    /// As current as the log, for whoever is about to change it.
    pub async fn current(&self, id: Uuid) -> Result<ItemView<D>, ServiceError> {
        let item = self.shared.load::<Uuid, Item<D>>(id).await?;
        item.ok_or_else(|| ServiceError::not_found(D::NAME))
    }

    pub async fn add(
        &self,
        identity: &Identity,
        details: D,
        options: WriteOptions,
    ) -> Result<Written<ItemView<D>>, ServiceError> {
        let id = self.shared.new_id();
        let order = Order::new(id, ItemCommand::Add(details), identity.actor(), ());
        self.execute(order, None, options).await
    }

    /// Replaces what is said of it. The version that was seen is required.
    pub async fn change(
        &self,
        identity: &Identity,
        seen: ItemView<D>,
        details: D,
        options: WriteOptions,
    ) -> Result<Written<ItemView<D>>, ServiceError> {
        if options.if_match.is_none() {
            return Err(ServiceError::PreconditionRequired);
        }
        let held = seen.entity.claim();
        let order = Order::new(seen.id, ItemCommand::Change(details), identity.actor(), ());
        let order = order.having_read(Loaded {
            state: Some(seen.entity),
            version: seen.version,
            position: seen.position,
            bytes: 0,
        });
        self.execute(order, held, options).await
    }

    pub async fn archive(
        &self,
        identity: &Identity,
        id: Uuid,
        options: WriteOptions,
    ) -> Result<Written<ItemView<D>>, ServiceError> {
        let order = Order::new(id, ItemCommand::Archive, identity.actor(), ());
        self.execute(order, None, options).await
    }

    pub async fn restore(
        &self,
        identity: &Identity,
        id: Uuid,
        options: WriteOptions,
    ) -> Result<Written<ItemView<D>>, ServiceError> {
        let order = Order::new(id, ItemCommand::Restore, identity.actor(), ());
        self.execute(order, None, options).await
    }

    /// `held`: the claim that a change may give up, which is that of the very version it was decided on.
    async fn execute(
        &self,
        order: Order<Item<D>>,
        held: Option<Vec<u8>>,
        options: WriteOptions,
    ) -> Result<Written<ItemView<D>>, ServiceError> {
        let id = order.stream;
        let full = match &order.command {
            ItemCommand::Archive => None,
            _ => limits::full(&self.shared).await,
        };
        let named = options.idempotency.as_ref();
        let order = order
            .expecting(options.if_match)
            .requested(named.map(|named| named.request(false)))
            .correlated(options.correlation_id)
            .unless(full)
            .beside(move |item, _| Beside {
                claims: claims(item, held.clone(), id),
                ..Beside::default()
            });
        let done = self.shared.commands.execute(order).await;
        self.shared.answer(id, done.map_err(taken::<D>)).await
    }
}

/// Whatever is not archived holds its claim, and nothing else does.
fn claims<D: Tabled>(item: &Item<D>, held: Option<Vec<u8>>, owner: Uuid) -> Vec<ClaimChange> {
    let Some(claim) = item.claim() else {
        let claim = item::claim(&item.details);
        return vec![ClaimChange::Release { claim, owner }];
    };
    let given_up = held.filter(|held| *held != claim);
    let released = given_up.map(|claim| ClaimChange::Release { claim, owner });
    let taken = ClaimChange::Take { claim, owner };
    released.into_iter().chain([taken]).collect()
}

fn taken<D: Tabled>(error: CommandError) -> CommandError {
    match error {
        CommandError::ClaimTaken { .. } => CommandError::Refused(Refusal::conflict(
            "taken",
            format!("There is such {} already: {}.", D::NAME, D::UNIQUE),
        )),
        other => other,
    }
}
