//! What queries answer: entities as their events add up, with where they stand in the log.

use std::borrow::Cow;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::application::contact::Contact;
use crate::domain::catalogue::Item;
use crate::domain::ids::{KeyId, PirepId, TenantId, UserId};
use crate::domain::pirep::Pirep;
use crate::domain::tenant::Tenant;
use crate::domain::user::{ApiKey, User};
use crate::ports::track_store::Extent;

/// An entity and where it stands; what read models keep as a row's document.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Standing<Id, T> {
    pub id: Id,
    /// Version of its stream.
    pub version: i32,
    /// Position of its last event.
    pub position: i64,
    pub entity: T,
}

pub type TenantView = Standing<TenantId, Tenant>;
pub type UserView = Standing<UserId, User>;
pub type StoredPirep = Standing<PirepId, Pirep>;
/// A thing of the catalogue.
pub type ItemView<D> = Standing<Uuid, Item<D>>;

/// A PIREP with what belongs to it elsewhere: names of people, extent of its track.
#[derive(Clone, Debug, PartialEq)]
pub struct PirepView {
    pub id: PirepId,
    pub version: i32,
    pub position: i64,
    pub pirep: Pirep,
    /// None once erased.
    pub pilot_name: Option<String>,
    /// Who decided; none without a decision, after a rule's, or once erased.
    pub decider_name: Option<String>,
    pub track: Extent,
    /// None of a flight that is not under way, or of which no position has ever come.
    pub contact: Option<Contact>,
    pub warnings: Vec<Warning>,
}

/// Something that looks wrong and blocks nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// JSON pointer into the PIREP.
    pub pointer: Cow<'static, str>,
    pub code: &'static str,
    pub detail: String,
}

/// What the read model keeps of a key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StoredApiKey {
    pub user: UserId,
    pub id: KeyId,
    pub key: ApiKey,
}

/// A key without its secret.
#[derive(Clone, Debug, PartialEq)]
pub struct ApiKeyView {
    pub id: KeyId,
    pub key: ApiKey,
    /// To the minute at most.
    pub last_used_at: Option<Timestamp>,
}
