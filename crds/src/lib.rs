//! The Kubernetes API of Albatross: the Tenant and ApiKey resources, their rules, and nothing that talks to a server.

pub mod admission;
pub mod api_key;
pub mod conditions;
pub mod definitions;
pub mod duration;
pub mod manifest;
pub mod quantity;
pub mod rules;
pub mod schema;
pub mod scope;
pub mod syntax;
pub mod tenant;
pub mod validation;
pub mod violation;

pub use api_key::{ApiKey, ApiKeySpec, ApiKeyStatus};
pub use scope::Scope;
pub use tenant::{Tenant, TenantSpec, TenantStatus};
pub use violation::Violation;

/// API group of both resources.
pub const GROUP: &str = "albatross.aero";
/// The served and stored version of both resources.
pub const VERSION: &str = "v1alpha1";
/// What the namespace of a tenant's own objects starts with.
pub const NAMESPACE_PREFIX: &str = "albatross-";
/// Label that names the tenant an object belongs to.
pub const TENANT_LABEL: &str = "albatross.aero/tenant";

/// Secrets that the operator keeps in a tenant's namespace.
pub const OPERATOR_SECRETS: [&str; 5] = [
    "albatross-admin-links",
    "albatross-api",
    "albatross-ca",
    "albatross-erased",
    "albatross-migrate",
];

/// The namespace that holds the objects of the tenant `name`.
pub fn tenant_namespace(name: &str) -> String {
    format!("{NAMESPACE_PREFIX}{name}")
}
