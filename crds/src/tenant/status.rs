//! What the operator reports about a tenant.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::schema;

/// So many changes of a plan are listed.
pub const MAX_PLANNED: usize = 64;
/// So many fields of a planned change are listed.
pub const MAX_PLANNED_FIELDS: usize = 16;

/// What the operator last saw and did.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct TenantStatus {
    /// The metadata.generation that this status speaks about; -1 before the operator has seen the tenant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Identity of the tenant, generated once; bootstrap.adopt takes a retained tenant back by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 36))]
    pub tenant_id: Option<String>,
    /// Namespace of the tenant's own objects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub namespace: Option<String>,
    /// URL at which the airline answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    pub endpoint: Option<String>,
    /// Version of the runtime that runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub version: Option<String>,
    /// Version of the database's schema.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema_version: Option<i64>,
    /// What was made for the tenant outside the cluster, on which server and under which name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["kind".into(), "name".into()]))]
    pub resources: Vec<ExternalResource>,
    /// The pods that serve the airline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api: Option<ApiStatus>,
    /// Label selector of those pods, as text: what the scale subresource reports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub selector: Option<String>,
    /// What would be done to objects of the cluster if spec.mode were Apply; at most 64 of them. Empty unless it is Observe.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub plan: Vec<PlannedChange>,
    /// State in parts: Ready, Reconciling, Stalled, DatabaseReady, BrokerReady, CacheReady, SchemaReady,
    /// RuntimeAvailable, AdminsReady, Suspended, UpgradePending, DeletionBlocked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::conditions")]
    pub conditions: Vec<Condition>,
}

/// Number of pods of the Deployment `api`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApiStatus {
    /// Pods there are.
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub replicas: i32,
    /// Pods that are ready.
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub ready_replicas: i32,
}

/// What kind of thing was made outside the cluster.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum ExternalResourceKind {
    Database,
    DatabaseRole,
    Vhost,
    BrokerUser,
    CacheUser,
}

/// Something that was made for the tenant outside the cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExternalResource {
    /// Database, DatabaseRole, Vhost, BrokerUser or CacheUser.
    pub kind: ExternalResourceKind,
    /// Server of the operator's configuration on which it is.
    #[schemars(length(max = 63))]
    pub server: String,
    /// Its name there.
    #[schemars(length(max = 253))]
    pub name: String,
}

/// What would be done to an object.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum Action {
    Create,
    Change,
    Delete,
}

/// An object that is not as declared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlannedChange {
    /// Kind of the object.
    #[schemars(length(max = 63))]
    pub kind: String,
    /// Its name.
    #[schemars(length(max = 253))]
    pub name: String,
    /// Create, Change or Delete.
    pub action: Action,
    /// Paths of the fields that would be changed, at most 16, and never what they say. Empty when fields would only be
    /// taken away.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(max = 253)))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub fields: Vec<String>,
}
