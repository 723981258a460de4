//! What things are called: labels, annotations, objects, and the external names that a tenant's identity yields.
//!
//! Rights that the operator needs, besides those of `OPERATOR_TENANT_ROLE` and `OPERATOR_CLIENT_ROLE`:
//! cluster-wide get/list/watch on tenants, apikeys (patch too, patch on their status, update on their finalizers), namespaces
//! (create, patch, delete too), rolebindings (create, patch too), deployments, horizontalpodautoscalers, jobs, services, serviceaccounts, resourcequotas,
//! limitranges, networkpolicies, poddisruptionbudgets, ingresses, httproutes; `bind` on the three fixed roles; create and patch on events; in
//! its own namespace everything on secrets, and get, create, update, patch on leases.

pub use albatross_crds::TENANT_LABEL;
use albatross_crds::tenant_namespace;
use uuid::Uuid;

/// Owner of every field that the operator applies.
pub const FIELD_MANAGER: &str = "albatross-operator";
/// Holds the number of pods that an autoscaler starts from.
pub const REPLICAS_MANAGER: &str = "albatross-replicas";
/// Keeps a deleted Tenant or ApiKey until its traces are gone.
pub const FINALIZER: &str = "albatross.aero/finalizer";
/// Which part of a tenant a pod is: `api`, `worker` or `migrate`.
pub const COMPONENT_LABEL: &str = "albatross.aero/component";
/// Says on every object that it is the operator's.
pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// Namespaces in which the operator may bind itself and write Secrets carry this label with the value `true`.
pub const MANAGED_LABEL: &str = "albatross.aero/managed";
/// Identity of the tenant that an object belongs to.
pub const TENANT_ID_ANNOTATION: &str = "albatross.aero/tenant-id";
/// Digest of the whole object as it was last applied.
pub const DIGEST_ANNOTATION: &str = "albatross.aero/applied-digest";
/// Digest of the Secrets that a pod was started with.
pub const SECRETS_ANNOTATION: &str = "albatross.aero/secrets-digest";
/// `namespace/name` of the ApiKey that a Secret was written for.
pub const API_KEY_ANNOTATION: &str = "albatross.aero/api-key";
/// UID of that ApiKey.
pub const API_KEY_UID_ANNOTATION: &str = "albatross.aero/api-key-uid";
/// Type of the Secrets that hold the keys of one ApiKey each.
pub const KEY_RING_TYPE: &str = "albatross.aero/api-key";
/// When a tenant's record was left behind by a deleted Tenant (RFC 3339).
pub const RETAINED_ANNOTATION: &str = "albatross.aero/retained-at";

/// Name of the operator, of its ServiceAccount and of the label of its pods.
pub const OPERATOR: &str = "albatross-operator";
/// The Lease by which replicas of the operator agree.
pub const LEASE: &str = "albatross-operator";
/// ClusterRole that the operator binds to itself in a tenant's namespace: all verbs on the kinds of `build`, Secrets included.
pub const OPERATOR_TENANT_ROLE: &str = "albatross-operator-tenant";
/// ClusterRole that the operator binds to itself where ApiKeys of others live: get, create, update, patch, delete on Secrets,
/// delete on the binding itself.
pub const OPERATOR_CLIENT_ROLE: &str = "albatross-operator-client";
/// ClusterRole that owners of a tenant get in its namespace.
pub const OWNER_ROLE: &str = "albatross-tenant-owner";

/// Deployment, HorizontalPodAutoscaler, Service, PodDisruptionBudget, Ingress, HTTPRoute and ServiceAccount of the pods that serve the airline.
pub const API: &str = "api";
/// Service of the same pods before they are ready: by it the operator tells them what they wait for.
pub const STARTING: &str = "api-starting";
/// Deployment of the pods that project and relay.
pub const WORKER: &str = "worker";
/// Component of the migration Job.
pub const MIGRATE: &str = "migrate";
/// Copy of the credentials of `api` and `worker`, as environment.
pub const API_SECRET: &str = "albatross-api";
/// Variable of that Secret: the number of the state that a pod must know before it is ready.
pub const REQUIRED_DESIRED: &str = "ALBATROSS_REQUIRED_DESIRED";
/// Copy of the ledger of the erased, once somebody is.
pub const ERASED_SECRET: &str = "albatross-erased";
/// Its one key.
pub const ERASED: &str = "erased";
/// Variables in which pods find the URLs of their servers.
pub const DATABASE_URL: &str = "DATABASE_URL";
pub const AMQP_URL: &str = "AMQP_URL";
pub const REDIS_URL: &str = "REDIS_URL";
/// Copies of the certificates by which pods check their servers, where there are others than the system's.
pub const AUTHORITIES_SECRET: &str = "albatross-ca";
/// Where pods find them, one file a kind of server.
pub const AUTHORITIES_DIRECTORY: &str = "/etc/albatross/ca";
pub const POSTGRES_AUTHORITY: &str = "postgres.crt";
pub const RABBITMQ_AUTHORITY: &str = "rabbitmq.crt";
pub const REDIS_AUTHORITY: &str = "redis.crt";
/// Copy of the credentials of the migration Job, as environment.
pub const MIGRATE_SECRET: &str = "albatross-migrate";
/// One-time log-in links of the admins.
pub const ADMIN_LINKS_SECRET: &str = "albatross-admin-links";
/// One-time log-in links of the hosting team, in the operator's namespace: the tenant's owners do not see them.
pub fn platform_links_secret(tenant: &str) -> String {
    format!("platform-links-{tenant}")
}
/// ServiceAccount (without a token) of every pod of a tenant.
pub const RUNTIME_ACCOUNT: &str = "runtime";
/// ResourceQuota and LimitRange.
pub const LIMITS: &str = "albatross";

/// Port of the REST API and the web page.
pub const HTTP_PORT: i32 = 8080;
/// Port of the operator's calls.
pub const INTERNAL_PORT: i32 = 8081;
/// Port of probes and metrics.
pub const PROBE_PORT: i32 = 8082;

/// The authoritative Secret of the tenant, in the operator's namespace.
pub fn record_secret(tenant: &str) -> String {
    format!("tenant-{tenant}")
}

/// The Secret with the tenant's account on a Redis server whose accounts somebody else makes, in the operator's namespace.
pub fn redis_account_secret(tenant: &str) -> String {
    format!("redis-account-{tenant}")
}

/// The Secret that holds an ApiKey's key before it is published, in the operator's namespace.
pub fn pending_secret(api_key_uid: &str) -> String {
    format!("apikey-{api_key_uid}")
}

/// Where the internal API of a tenant's runtime is, behind one of its Services.
pub fn runtime_url(template: &str, tenant: &str, service: &str, cluster_ip: &str) -> String {
    template
        .replace("{service}", service)
        .replace("{namespace}", &tenant_namespace(tenant))
        .replace("{tenant}", tenant)
        .replace("{clusterIP}", cluster_ip)
}

/// What is made for a tenant outside the cluster. Derived once, then kept in the authoritative Secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExternalNames {
    pub database: String,
    pub owner_role: String,
    pub migrate_role: String,
    pub app_role: String,
    pub vhost: String,
    pub broker_user: String,
    pub cache_user: String,
    pub cache_prefix: String,
}

impl ExternalNames {
    /// Opaque names: who lists databases does not learn who the tenants are.
    pub fn of(tenant_id: Uuid) -> Self {
        let id = tenant_id.simple().to_string();
        let base = format!("alb_{}", &id[..16]);
        Self {
            owner_role: format!("{base}_owner"),
            migrate_role: format!("{base}_migrate"),
            app_role: format!("{base}_app"),
            vhost: base.clone(),
            broker_user: base.clone(),
            cache_user: base.clone(),
            cache_prefix: format!("{base}:"),
            database: base,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn external_names_are_opaque_and_fit_postgresql() {
        let id = Uuid::parse_str("0190b5a2-7c3e-4d11-8f00-aabbccddeeff").unwrap();
        let names = ExternalNames::of(id);
        assert_eq!(names.database, "alb_0190b5a27c3e4d11");
        assert_eq!(names.migrate_role, "alb_0190b5a27c3e4d11_migrate");
        assert_eq!(names.cache_prefix, "alb_0190b5a27c3e4d11:");
        assert!(names.migrate_role.len() <= 63);
    }

    #[test]
    fn the_runtime_is_found_by_name_or_address() {
        assert_eq!(
            runtime_url(
                "http://{service}.{namespace}.svc:8081",
                "skyways",
                "api",
                "10.96.0.9"
            ),
            "http://api.albatross-skyways.svc:8081"
        );
        assert_eq!(
            runtime_url("http://{clusterIP}:8081", "skyways", "api", "10.96.0.9"),
            "http://10.96.0.9:8081"
        );
    }
}
