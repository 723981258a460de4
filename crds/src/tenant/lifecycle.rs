//! Where a tenant's data lives, how it begins, rests and ends.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::schema::{DNS_LABEL, UUID};

/// Names of servers in the operator's configuration. Once set, a name cannot be changed or removed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Placement {
    /// PostgreSQL server. Left out: the operator chooses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = DNS_LABEL))]
    pub postgres: Option<String>,
    /// RabbitMQ server. Left out: the operator chooses; where none is configured there is no feed for outside consumers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = DNS_LABEL))]
    pub rabbitmq: Option<String>,
    /// Redis server. Left out: the operator chooses; where none is configured each pod caches for itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = DNS_LABEL))]
    pub redis: Option<String>,
}

/// What a new tenant starts from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Bootstrap {
    /// Takes back a retained tenant: the tenantId that its status showed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 36, max = 36), regex(pattern = UUID))]
    pub adopt: Option<String>,
}

/// Whether and when a tenant is scaled to zero, its data kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Hibernate {
    #[default]
    Never,
    WhenLanded,
    Now,
}

/// Whether the operator acts on a tenant or only says what it would do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Mode {
    #[default]
    Apply,
    Observe,
}

/// What becomes of a tenant's data when the resource is deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum DeletionPolicy {
    #[default]
    Retain,
    Delete,
}
