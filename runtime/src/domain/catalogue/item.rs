//! The life of whatever the catalogue lists: it is added, changed, archived and restored, and never removed.

use std::fmt::Debug;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::domain::aggregate::{Aggregate, Context};
use crate::domain::ids::UserId;
use crate::domain::refusal::{Faults, Refusal};

/// What is said of one kind of thing.
pub trait Details: Clone + Debug + PartialEq + Send + Sync + 'static {
    /// What it is called in messages: "aircraft".
    const NAME: &'static str;
    /// What tells one from another, for people.
    const UNIQUE: &'static str;
    /// What an event is called after it was added, changed, archived, restored.
    const EVENTS: [&'static str; 4];

    /// Trimmed, codes in capitals, empty text as absent.
    #[must_use]
    fn tidied(&self) -> Self;

    /// Faults of what is there.
    fn check(&self, faults: &mut Faults);

    /// The same of this one: no two have it in common that are not archived.
    fn unique(&self) -> String;
}

/// A thing of the catalogue.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Item<D> {
    pub details: D,
    pub added_at: Timestamp,
    /// Since when nothing new is begun with it.
    pub archived_at: Option<Timestamp>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum ItemCommand<D> {
    Add(D),
    /// Replaces all that is said of it.
    Change(D),
    Archive,
    Restore,
}

#[derive(Clone, Debug, PartialEq)]
pub enum ItemEvent<D> {
    Added(D),
    Changed(D),
    Archived,
    Restored,
}

impl<D: Details> ItemEvent<D> {
    pub fn name(&self) -> &'static str {
        let [added, changed, archived, restored] = D::EVENTS;
        match self {
            Self::Added(_) => added,
            Self::Changed(_) => changed,
            Self::Archived => archived,
            Self::Restored => restored,
        }
    }
}

impl<D: Details> Item<D> {
    /// The unique fact that it holds while it is not archived.
    pub fn claim(&self) -> Option<Vec<u8>> {
        let live = self.archived_at.is_none();
        live.then(|| claim(&self.details))
    }
}

/// The unique fact that such a thing is in the catalogue.
pub fn claim<D: Details>(details: &D) -> Vec<u8> {
    format!("{}:{}", D::NAME, details.unique()).into_bytes()
}

impl<D: Details> Aggregate for Item<D> {
    type Command = ItemCommand<D>;
    type Event = ItemEvent<D>;
    type Facts = ();

    const NAME: &'static str = D::NAME;

    fn decide(
        state: Option<&Self>,
        command: &ItemCommand<D>,
        context: &Context<()>,
    ) -> Result<Vec<ItemEvent<D>>, Refusal> {
        use ItemCommand as C;
        if !context.actor.keeps_catalogue() {
            return Err(Refusal::forbidden(
                "not-an-admin",
                "Only a TenantAdmin changes the catalogue.",
            ));
        }
        match (command, state) {
            (C::Add(details), None) => Ok(vec![ItemEvent::Added(checked(details)?)]),
            (C::Add(_), Some(_)) => Err(Refusal::conflict(
                "already-added",
                format!("There is such {} already.", D::NAME),
            )),
            (_, None) => Err(Refusal::not_found(D::NAME)),
            (C::Change(_), Some(item)) if item.archived_at.is_some() => Err(Refusal::illegal(
                format!("Restore this {} before it is changed.", D::NAME),
                vec!["restore"],
            )),
            (C::Change(details), Some(item)) => {
                let details = checked(details)?;
                let differs = details != item.details;
                Ok(only_if(differs, ItemEvent::Changed(details)))
            }
            (C::Archive, Some(item)) => {
                Ok(only_if(item.archived_at.is_none(), ItemEvent::Archived))
            }
            (C::Restore, Some(item)) => {
                Ok(only_if(item.archived_at.is_some(), ItemEvent::Restored))
            }
        }
    }

    fn evolve(state: Option<Self>, event: &ItemEvent<D>, at: Timestamp) -> Option<Self> {
        if let ItemEvent::Added(details) = event {
            return Some(state.unwrap_or_else(|| Self {
                details: details.clone(),
                added_at: at,
                archived_at: None,
            }));
        }
        let mut item = state?;
        match event {
            ItemEvent::Added(_) => {}
            ItemEvent::Changed(details) => item.details = details.clone(),
            ItemEvent::Archived => item.archived_at = Some(at),
            ItemEvent::Restored => item.archived_at = None,
        }
        Some(item)
    }

    fn subject(&self, _stream: Uuid) -> Option<UserId> {
        None
    }
}

fn checked<D: Details>(details: &D) -> Result<D, Refusal> {
    let details = details.tidied();
    let mut faults = Faults::default();
    details.check(&mut faults);
    faults.finish()?;
    Ok(details)
}

fn only_if<D>(changes: bool, event: ItemEvent<D>) -> Vec<ItemEvent<D>> {
    if changes { vec![event] } else { Vec::new() }
}
