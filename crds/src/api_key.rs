//! The ApiKey resource: a key to one tenant's API, issued into a Secret.

use jiff::SignedDuration;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    duration,
    schema::{self, DNS_LABEL, DNS_NAME, EMAIL},
    scope::Scope,
};

/// No rotation is more frequent: each is recorded for ever.
pub const LEAST_EVERY: SignedDuration = SignedDuration::from_hours(1);

/// Which tenant the key opens, for whom, what it may do, and until when.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "albatross.aero",
    version = "v1alpha1",
    kind = "ApiKey",
    plural = "apikeys",
    namespaced,
    shortname = "ak",
    category = "albatross",
    status = "ApiKeyStatus",
    derive = "PartialEq",
    doc = "A key to the REST API of one tenant. The key is written to a Secret of this namespace (key, keyId, endpoint, and previousKey while a key that was replaced is valid); the server keeps only a digest, and the key never appears in status, events or logs.",
    printcolumn = r#"{"name": "Ready", "type": "string", "jsonPath": ".status.conditions[?(@.type==\"Ready\")].status", "description": "Whether the key in the Secret works"}"#,
    printcolumn = r#"{"name": "KeyID", "type": "string", "jsonPath": ".status.keyId", "description": "Public part of the key"}"#,
    printcolumn = r#"{"name": "Expires", "type": "string", "jsonPath": ".status.expiresAt", "description": "When the key ends"}"#,
    printcolumn = r#"{"name": "NextRotation", "type": "string", "jsonPath": ".status.nextRotationAt", "description": "When the key is replaced"}"#,
    printcolumn = r#"{"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}"#,
    printcolumn = r#"{"name": "Reason", "type": "string", "jsonPath": ".status.conditions[?(@.type==\"Ready\")].reason", "priority": 1, "description": "Why it is or is not ready"}"#,
    printcolumn = r#"{"name": "Tenant", "type": "string", "jsonPath": ".spec.tenantRef.name", "priority": 1, "description": "Tenant that the key opens"}"#,
    printcolumn = r#"{"name": "Secret", "type": "string", "jsonPath": ".spec.secretName", "priority": 1, "description": "Secret that holds the key"}"#
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.ttl) != has(self.expiresAt)")
        .message("must set exactly one of ttl, expiresAt"),
    validation = Rule::new(format!("!has(self.ttl) || !has(self.rotation) || !has(self.rotation.every) || {} < {}", duration::cel_minutes("self.rotation.every"), duration::cel_minutes("self.ttl")))
        .message("must have rotation.every shorter than ttl"),
    validation = Rule::new("self.tenantRef == oldSelf.tenantRef").message("tenantRef is immutable"),
    validation = Rule::new("self.secretName == oldSelf.secretName").message("secretName is immutable"),
    validation = Rule::new("has(oldSelf.user) ? has(self.user) && self.user == oldSelf.user : !has(self.user)")
        .message("user is immutable: whom a key acts for is settled when it is created"),
    validation = Rule::new("!has(oldSelf.revoked) || !oldSelf.revoked || (has(self.revoked) && self.revoked)")
        .message("revoked cannot be taken back: create another ApiKey"),
)]
pub struct ApiKeySpec {
    /// The tenant that the key opens; it must allow this namespace (Tenant spec.apiKeys). Immutable.
    pub tenant_ref: TenantRef,
    /// E-mail address of the user that the key acts for, where the tenant allows it: an admin, or whom an admin has
    /// invited, since anybody can register an address. Left out: a machine user of the key's own. Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 3, max = 254), regex(pattern = EMAIL))]
    pub user: Option<String>,
    /// What the key may do, never more than the tenant allows: pireps:read, pireps:write, track:write, bids:write,
    /// catalogue:read, live:read, and for staff review, catalogue:write, users, settings, audit, webhooks. Nothing asks for
    /// live:read, audit and webhooks so far.
    #[schemars(length(min = 1, max = 12))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub scopes: Vec<Scope>,
    /// How long the key is valid from its issue: days (90d), hours (72h), minutes (30m) or hours and minutes (1h30m).
    /// Each rotation issues a key, with a life of its own. Exactly one of ttl and expiresAt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 16), regex(pattern = duration::PATTERN))]
    pub ttl: Option<String>,
    /// When the key ends (RFC 3339), whichever key it is by then: no rotation outlives it. Exactly one of ttl and
    /// expiresAt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::time")]
    pub expires_at: Option<Time>,
    /// Replaces the key from time to time; the old one stays valid for an overlap. Left out: never. A rotation waits
    /// while the runtime is away or does not take the new key, and the old one works on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotation: Option<Rotation>,
    /// Secret of this namespace that the key is written to. A Secret that another ApiKey owns is left alone. Immutable.
    #[schemars(length(min = 1, max = 253), regex(pattern = DNS_NAME))]
    pub secret_name: String,
    /// Ends the key at once and for good.
    #[serde(default)]
    pub revoked: bool,
}

/// A tenant by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TenantRef {
    /// metadata.name of the Tenant.
    #[schemars(length(min = 1, max = 53), regex(pattern = DNS_LABEL))]
    pub name: String,
}

/// When a key is replaced. During the overlap the old and the new key are both valid; the Secret holds the old one as
/// previousKey.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.every) || has(self.trigger)").message("must set every, trigger or both"),
    validation = Rule::new(format!("!has(self.every) || {} < {}", duration::cel_minutes("self.overlap"), duration::cel_minutes("self.every")))
        .message("must have overlap shorter than every"),
    validation = Rule::new(format!("!has(self.every) || {} >= {}", duration::cel_minutes("self.every"), LEAST_EVERY.as_mins()))
        .message("must have every of at least 1h"),
)]
pub struct Rotation {
    /// Time between two rotations, e.g. 30d or 720h; at least 1h, and shorter than the key's ttl.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 16), regex(pattern = duration::PATTERN))]
    pub every: Option<String>,
    /// How long the old key stays valid after the new one is in the Secret, e.g. 24h; shorter than every. A flight that
    /// was begun with the old key may be finished with it for 24 hours more.
    #[schemars(length(min = 2, max = 16), regex(pattern = duration::PATTERN))]
    pub overlap: String,
    /// Any text; a change rotates the key once. What it says when the ApiKey is created does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub trigger: Option<String>,
}

/// What the operator last saw and did.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApiKeyStatus {
    /// The metadata.generation that this status speaks about; -1 before the operator has seen the key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Public part of the key that the Secret holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub key_id: Option<String>,
    /// When that key was issued.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::time")]
    pub issued_at: Option<Time>,
    /// When that key ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::time")]
    pub expires_at: Option<Time>,
    /// When that key is replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::time")]
    pub next_rotation_at: Option<Time>,
    /// Public part of the key before it, while that is valid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub previous_key_id: Option<String>,
    /// When the key before it ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::time")]
    pub previous_expires_at: Option<Time>,
    /// The rotation.trigger that was last acted on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub rotation_trigger: Option<String>,
    /// State in parts: Ready, Reconciling, Stalled.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::conditions")]
    pub conditions: Vec<Condition>,
}
