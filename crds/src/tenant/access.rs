//! Who may do what in a tenant: its admins, its owners on the cluster, and where its ApiKeys may live.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    schema::{self, EMAIL, TRIMMED},
    scope::Scope,
};

/// A person who administers the airline (role TenantAdmin).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Admin {
    /// E-mail address, which is also the log-in name. Case does not matter.
    #[schemars(length(min = 3, max = 254), regex(pattern = EMAIL))]
    pub email: String,
    /// Name shown to others.
    #[schemars(length(min = 1, max = 100), regex(pattern = TRIMMED))]
    pub display_name: String,
}

/// What an owner is to Kubernetes.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum OwnerKind {
    User,
    Group,
}

impl OwnerKind {
    /// The `kind` of an RBAC subject.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "User",
            Self::Group => "Group",
        }
    }
}

/// A Kubernetes user or group that gets a fixed role in the tenant's namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Owner {
    /// User or Group, as the API server's authentication names them.
    pub kind: OwnerKind,
    /// Name of that user or group.
    #[schemars(length(min = 1, max = 253), regex(pattern = TRIMMED))]
    pub name: String,
}

/// Where ApiKeys of this tenant may live, and what they may do.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApiKeyAccess {
    /// An ApiKey is admitted if at least one entry allows its namespace, all its scopes and its user. Left out or
    /// empty: the tenant's own namespace, scopes that are not for staff, machine users only. An entry here replaces that.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub allow: Vec<ApiKeyAllowance>,
}

/// One way in which ApiKeys are admitted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApiKeyAllowance {
    /// Namespaces in which such ApiKeys may live, never those of other tenants; the empty selector means all others.
    #[schemars(schema_with = "schema::label_selector")]
    pub namespace_selector: LabelSelector,
    /// Scopes that such ApiKeys may hold: pireps:read, pireps:write, track:write, bids:write, catalogue:read, live:read,
    /// and for staff review, catalogue:write, users, settings, audit, webhooks. Nothing asks for live:read, audit and webhooks
    /// so far. Left out: those that are not for staff.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 12))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub scopes: Option<Vec<Scope>>,
    /// E-mail addresses of the users that such ApiKeys may act for. Left out: none of them, only a machine user of the key's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64), inner(length(min = 3, max = 254), regex(pattern = EMAIL)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub users: Option<Vec<String>>,
}
