//! The Tenant resource: one virtual airline.

mod access;
mod exposure;
mod lifecycle;
mod status;
mod workload;

use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

pub use access::{Admin, ApiKeyAccess, ApiKeyAllowance, Owner, OwnerKind};
pub use exposure::{Exposure, GatewayExposure, GatewayRef, IngressExposure, NoExposure};
pub use lifecycle::{Bootstrap, DeletionPolicy, Hibernate, Mode, Placement};
pub use status::{
    Action, ApiStatus, ExternalResource, ExternalResourceKind, MAX_PLANNED, MAX_PLANNED_FIELDS,
    PlannedChange, TenantStatus,
};
pub use workload::{Amounts, Api, Autoscaling, Limits, MAX_REPLICAS, Quota, Resources, Worker};

use crate::schema::{DNS_NAME, SEMVER, TRIMMED};

/// What the airline is, who runs it, and how it runs.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "albatross.aero",
    version = "v1alpha1",
    kind = "Tenant",
    plural = "tenants",
    shortname = "tnt",
    category = "albatross",
    status = "TenantStatus",
    derive = "PartialEq",
    doc = "A virtual airline: declared here, it gets an isolated runtime in a namespace of its own, `albatross-<name>`, with a database, a message broker vhost and a cache user that no other tenant can reach.",
    validation = Rule::new("self.metadata.name.size() <= 53 && self.metadata.name.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')")
        .message("metadata.name must be a DNS label of at most 53 characters (the tenant's namespace is albatross-<name>)"),
    scale(
        spec_replicas_path = ".spec.api.replicas",
        status_replicas_path = ".status.api.replicas",
        label_selector_path = ".status.selector"
    ),
    printcolumn = r#"{"name": "Ready", "type": "string", "jsonPath": ".status.conditions[?(@.type==\"Ready\")].status", "description": "Whether the airline is up and as declared"}"#,
    printcolumn = r#"{"name": "Reason", "type": "string", "jsonPath": ".status.conditions[?(@.type==\"Ready\")].reason", "description": "Why it is or is not ready"}"#,
    printcolumn = r#"{"name": "API", "type": "integer", "jsonPath": ".status.api.readyReplicas", "description": "Pods that serve the airline and are ready"}"#,
    printcolumn = r#"{"name": "Version", "type": "string", "jsonPath": ".status.version", "description": "Version of the runtime"}"#,
    printcolumn = r#"{"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}"#,
    printcolumn = r#"{"name": "Namespace", "type": "string", "jsonPath": ".status.namespace", "priority": 1, "description": "Where the tenant's objects are"}"#,
    printcolumn = r#"{"name": "Endpoint", "type": "string", "jsonPath": ".status.endpoint", "priority": 1, "description": "URL at which the airline answers"}"#,
    printcolumn = r#"{"name": "Database", "type": "string", "jsonPath": ".status.resources[?(@.kind==\"Database\")].name", "priority": 1, "description": "Name of the PostgreSQL database"}"#
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(oldSelf.placement) || !has(oldSelf.placement.postgres) || (has(self.placement) && has(self.placement.postgres) && self.placement.postgres == oldSelf.placement.postgres)")
        .message("placement.postgres is immutable"),
    validation = Rule::new("!has(oldSelf.placement) || !has(oldSelf.placement.rabbitmq) || (has(self.placement) && has(self.placement.rabbitmq) && self.placement.rabbitmq == oldSelf.placement.rabbitmq)")
        .message("placement.rabbitmq is immutable"),
    validation = Rule::new("!has(oldSelf.placement) || !has(oldSelf.placement.redis) || (has(self.placement) && has(self.placement.redis) && self.placement.redis == oldSelf.placement.redis)")
        .message("placement.redis is immutable"),
    validation = Rule::new("has(oldSelf.bootstrap) ? has(self.bootstrap) && self.bootstrap == oldSelf.bootstrap : !has(self.bootstrap)")
        .message("bootstrap is immutable: it is read when the tenant is created"),
)]
pub struct TenantSpec {
    /// Name of the airline, as people read it.
    #[schemars(length(min = 1, max = 100), regex(pattern = TRIMMED))]
    pub display_name: String,
    /// The airline's ICAO designator: three capital letters.
    #[schemars(length(min = 3, max = 3), regex(pattern = "^[A-Z]{3}$"))]
    pub icao_code: String,
    /// Host name at which the airline answers; no two tenants share one.
    #[schemars(length(min = 1, max = 253), regex(pattern = DNS_NAME))]
    pub host: String,
    /// People who administer the airline (at least one). Each gets a one-time log-in link in the Secret
    /// `albatross-admin-links` of the tenant's namespace; who is taken off the list loses the role.
    #[schemars(length(min = 1, max = 32))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["email".into()]))]
    pub admins: Vec<Admin>,
    /// Kubernetes users and groups that may look after the tenant's namespace.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["kind".into(), "name".into()]))]
    pub owners: Vec<Owner>,
    /// The pods that serve the airline.
    #[serde(default)]
    pub api: Api,
    /// Projections and the relay in pods of their own. Left out: they run inside the `api` pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worker: Option<Worker>,
    /// How the airline is reached from outside the cluster: exactly one of ingress, gateway, none. Left out: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exposure: Option<Exposure>,
    /// Servers that hold the tenant's data. What was chosen is in status.resources and does not change afterwards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub placement: Option<Placement>,
    /// What the pods of the tenant's namespace may use together. Left out: nothing bounds what pods use, and only the number of ApiKeys is bounded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quota: Option<Quota>,
    /// What the airline itself may grow to. Left out: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<Limits>,
    /// Where ApiKeys of this tenant may live, and what they may do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_keys: Option<ApiKeyAccess>,
    /// What the tenant starts from; read once, when it is created. Left out: an empty airline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bootstrap: Option<Bootstrap>,
    /// Version of the runtime to stay at: a tag in the repository of the operator's `config.defaults.image`. One that is lower
    /// than the last that has migrated the database is refused. Left out: the operator's rollout decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 5, max = 64), regex(pattern = SEMVER))]
    pub version: Option<String>,
    /// Stops the operator from changing anything for this tenant; status still tells the truth, and the airline keeps running.
    #[serde(default)]
    pub suspend: bool,
    /// Scales the tenant to zero, its data kept: Never, WhenLanded (once no flight is under way or paused) or Now. What
    /// is declared meanwhile is told to the airline when it wakes, which setting Never again does.
    #[serde(default)]
    pub hibernate: Hibernate,
    /// Apply, or Observe: write to status.plan what would be done, and change nothing. A Tenant that is created so claims
    /// nothing. Deleting it is no matter of this.
    #[serde(default)]
    pub mode: Mode,
    /// What becomes of the airline's data when this resource is deleted: Retain keeps database, vhost and credentials;
    /// Delete drops them.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,
    /// Refuses the deletion of this resource until it is set to false again, by an admission policy of the chart.
    #[serde(default)]
    pub deletion_protection: bool,
}
