//! From what is declared, and what there is, to a plan that every later step can trust; or to a refusal that says why.

use std::collections::BTreeMap;

use albatross_crds::Tenant;
use albatross_crds::conditions::Reason;
use albatross_crds::tenant::{Amounts, Resources as DeclaredResources};
use albatross_crds::validation::{ValidatedExposure, ValidatedTenant, headroom, validate_tenant};
use albatross_crds::violation::summary;
use k8s_openapi::api::core::v1::ResourceRequirements;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use kube::ResourceExt;

use crate::config::{
    OperatorConfig, Peers, PlatformAdmin, PostgresServer, RabbitmqServer, RedisServer,
};
use crate::context::record::{PlacedOn, TenantRecord};
use crate::context::servers::ServerRef;
use crate::names;
use crate::tenant::connections::connections_of;
use crate::tenant::dereference::{Surroundings, World};
use crate::tenant::refusal::{Refusal, refuse};
use crate::tenant::{identity, image};

/// A tenant as it is going to be.
#[derive(Debug, Clone)]
pub struct Plan {
    pub tenant: ValidatedTenant,
    pub namespace: String,
    pub api_resources: ResourceRequirements,
    pub worker_resources: ResourceRequirements,
    pub servers: Placement,
    pub image: String,
    pub ingress_class: Option<String>,
    /// CIDRs, with commas between them; empty when nobody is trusted.
    pub trusted_proxies: String,
    /// Who may ask the pods for metrics.
    pub metrics_from: Vec<Peers>,
    pub platform_admins: Vec<PlatformAdmin>,
    /// URL at which the airline answers, as others in the cluster or outside use it.
    pub endpoint: String,
    /// Origin of the web page, of cookies and of log-in links.
    pub public_url: String,
    /// Most connections that the runtime holds to its database.
    pub connections: i32,
}

/// The configured servers that the tenant is on.
#[derive(Debug, Clone)]
pub struct Placement {
    pub postgres: PostgresServer,
    pub rabbitmq: Option<RabbitmqServer>,
    pub redis: Option<RedisServer>,
}

impl Placement {
    pub fn names(&self) -> PlacedOn {
        PlacedOn {
            postgres: self.postgres.name.clone(),
            rabbitmq: self.rabbitmq.as_ref().map(|server| server.name.clone()),
            redis: self.redis.as_ref().map(|server| server.name.clone()),
        }
    }

    /// The servers whose certificates are checked by authorities of the platform's own, and the file in which pods find them.
    pub fn authorities(&self) -> Vec<(&'static str, ServerRef<'_>)> {
        let postgres = &self.postgres;
        let postgres = postgres.ca_secret.as_ref().map(|_| {
            let server = ServerRef::Postgres(&postgres.name);
            (names::POSTGRES_AUTHORITY, server)
        });
        let rabbitmq = self.rabbitmq.as_ref().filter(|it| it.ca_secret.is_some());
        let rabbitmq =
            rabbitmq.map(|it| (names::RABBITMQ_AUTHORITY, ServerRef::Rabbitmq(&it.name)));
        let redis = self.redis.as_ref().filter(|it| it.ca_secret.is_some());
        let redis = redis.map(|it| (names::REDIS_AUTHORITY, ServerRef::Redis(&it.name)));
        postgres.into_iter().chain(rabbitmq).chain(redis).collect()
    }
}

/// Checks the declaration against its rules, the configuration, and what others have.
pub fn validate(tenant: &Tenant, world: &World, config: &OperatorConfig) -> Result<Plan, Refusal> {
    let name = tenant.name_any();
    let valid = validate_tenant(&tenant.spec, &name)
        .map_err(|violations| refuse(Reason::InvalidSpec, summary(&violations)))?;
    check_quota(&valid, config)?;
    let record = identity::record(tenant, world)?;
    check_surroundings(&valid, &world.surroundings)?;
    let connections = connections_of(&tenant.spec);
    let servers = place(&valid, record, &world.surroundings, config, connections)?;
    let image = image::choose(
        valid.version.as_deref(),
        &config.defaults.image,
        record.and_then(|record| record.images.migrated.as_deref()),
    )?;
    let endpoint = endpoint(&valid);
    Ok(Plan {
        namespace: valid.namespace(),
        api_resources: resources(valid.api.resources.as_ref(), config),
        worker_resources: resources(valid.worker.resources.as_ref(), config),
        servers,
        image,
        ingress_class: config.defaults.ingress_class.clone(),
        trusted_proxies: config.defaults.trusted_proxies.join(","),
        metrics_from: config.metrics_from.clone(),
        platform_admins: config.platform_admins.clone(),
        public_url: public_url(&valid, &endpoint),
        endpoint,
        connections,
        tenant: valid,
    })
}

/// Pods that declare nothing of their own need the configured room.
fn check_quota(tenant: &ValidatedTenant, config: &OperatorConfig) -> Result<(), Refusal> {
    let Some(quota) = &tenant.quota else {
        return Ok(());
    };
    let default = default_resources(config);
    let violations = headroom(quota, &tenant.api, &tenant.worker, Some(&default));
    if violations.is_empty() {
        return Ok(());
    }
    Err(refuse(Reason::InvalidSpec, summary(&violations)))
}

/// The configured ones, as a Tenant would declare them.
fn default_resources(config: &OperatorConfig) -> DeclaredResources {
    let amounts = |map: &BTreeMap<String, String>| {
        let amount = |name| map.get(name).cloned().map(Quantity);
        Some(Amounts {
            cpu: amount("cpu"),
            memory: amount("memory"),
        })
    };
    let default = &config.defaults.resources;
    DeclaredResources {
        requests: amounts(&default.requests),
        limits: amounts(&default.limits),
    }
}

fn check_surroundings(tenant: &ValidatedTenant, around: &Surroundings) -> Result<(), Refusal> {
    if let Some(other) = &around.host_taken_by {
        return Err(refuse(
            Reason::HostConflict,
            format!(
                "spec.host: must be no other tenant's, given \"{}\", which tenant {other} has",
                tenant.host
            ),
        ));
    }
    if around.namespace_is_foreign {
        return Err(refuse(
            Reason::NamespaceConflict,
            format!(
                "namespace {} exists and was not made for this tenant; it is left alone",
                tenant.namespace()
            ),
        ));
    }
    Ok(())
}

/// A tenant stays where its data is; a new one goes where it is told, else to the default, else where most room is.
fn place(
    tenant: &ValidatedTenant,
    record: Option<&TenantRecord>,
    around: &Surroundings,
    config: &OperatorConfig,
    connections: i32,
) -> Result<Placement, Refusal> {
    let declared = &tenant.placement;
    let default = &config.defaults.placement;
    let servers = &config.servers;
    let placed = record.map(|record| &record.servers);
    let room = |server: &PostgresServer| {
        server.connection_budget - around.reserved.get(&server.name).copied().unwrap_or(0)
    };
    let roomiest = servers.postgres.iter().max_by_key(|server| room(server));
    let chosen = Chosen {
        postgres: choose(
            "postgres",
            placed.map(|on| Some(on.postgres.as_str())),
            declared.postgres.as_deref(),
            default.postgres.as_deref(),
            roomiest.map(|server| server.name.as_str()),
        )?,
        rabbitmq: choose(
            "rabbitmq",
            placed.map(|on| on.rabbitmq.as_deref()),
            declared.rabbitmq.as_deref(),
            default.rabbitmq.as_deref(),
            servers.rabbitmq.first().map(|server| server.name.as_str()),
        )?,
        redis: choose(
            "redis",
            placed.map(|on| on.redis.as_deref()),
            declared.redis.as_deref(),
            default.redis.as_deref(),
            servers.redis.first().map(|server| server.name.as_str()),
        )?,
    };
    let postgres = servers
        .postgres_named(chosen.postgres)
        .ok_or_else(|| unknown("postgres", chosen.postgres))?;
    if connections > held(record, connections) && room(postgres) < connections {
        return Err(refuse(
            Reason::ServerFull,
            format!(
                "PostgreSQL server {} has {} connections left in its budget for this tenant, {connections} are needed; \
                 declare fewer pods, or raise the server's connectionBudget",
                postgres.name,
                room(postgres).max(0)
            ),
        ));
    }
    let rabbitmq = servers.rabbitmq_named(chosen.rabbitmq);
    if chosen.rabbitmq.is_some() && rabbitmq.is_none() {
        return Err(unknown("rabbitmq", chosen.rabbitmq));
    }
    let redis = servers.redis_named(chosen.redis);
    if chosen.redis.is_some() && redis.is_none() {
        return Err(unknown("redis", chosen.redis));
    }
    Ok(Placement {
        postgres: postgres.clone(),
        rabbitmq: rabbitmq.cloned(),
        redis: redis.cloned(),
    })
}

/// Connections that the tenant has already. One whose record is of an earlier version has what it declares.
fn held(record: Option<&TenantRecord>, declared: i32) -> i32 {
    match record.filter(|record| record.retained_at.is_none()) {
        Some(record) => record.connections.unwrap_or(declared),
        None => 0,
    }
}

struct Chosen<'a> {
    postgres: Option<&'a str>,
    rabbitmq: Option<&'a str>,
    redis: Option<&'a str>,
}

/// `placed` is where the data is: nothing before there is any, `Some(None)` if it was made without such a server.
fn choose<'a>(
    system: &str,
    placed: Option<Option<&'a str>>,
    declared: Option<&'a str>,
    default: Option<&'a str>,
    any: Option<&'a str>,
) -> Result<Option<&'a str>, Refusal> {
    match (placed, declared) {
        (Some(Some(placed)), Some(declared)) if placed != declared => Err(refuse(
            Reason::PlacementConflict,
            format!(
                "spec.placement.{system}: must be {placed}, where the data is, given \"{declared}\""
            ),
        )),
        (Some(Some(placed)), _) => Ok(Some(placed)),
        (Some(None), declared) => Ok(declared),
        (None, declared) => Ok(declared.or(default).or(any)),
    }
}

fn unknown(system: &str, name: Option<&str>) -> Refusal {
    refuse(
        Reason::UnknownServer,
        format!(
            "spec.placement.{system}: must be a configured server, given \"{}\"",
            name.unwrap_or_default()
        ),
    )
}

fn resources(
    declared: Option<&DeclaredResources>,
    config: &OperatorConfig,
) -> ResourceRequirements {
    let default = &config.defaults.resources;
    let quantities = |map: &BTreeMap<String, String>| {
        (!map.is_empty()).then(|| {
            map.iter()
                .map(|(name, amount)| (name.clone(), Quantity(amount.clone())))
                .collect()
        })
    };
    match declared {
        Some(declared) => declared.to_requirements(),
        None => ResourceRequirements {
            requests: quantities(&default.requests),
            limits: quantities(&default.limits),
            ..ResourceRequirements::default()
        },
    }
}

fn endpoint(tenant: &ValidatedTenant) -> String {
    match &tenant.exposure {
        ValidatedExposure::None => format!(
            "http://{}.{}.svc:{}",
            names::API,
            tenant.namespace(),
            names::HTTP_PORT
        ),
        ValidatedExposure::Ingress(ingress) => {
            let scheme = match ingress.tls_secret_name {
                Some(_) => "https",
                None => "http",
            };
            format!("{scheme}://{}", tenant.host)
        }
        ValidatedExposure::Gateway(_) => format!("https://{}", tenant.host),
    }
}

/// Without an exposure people come through a forwarded port, under the airline's own host name.
fn public_url(tenant: &ValidatedTenant, endpoint: &str) -> String {
    match &tenant.exposure {
        ValidatedExposure::None => format!("http://{}:{}", tenant.host, names::HTTP_PORT),
        ValidatedExposure::Ingress(_) | ValidatedExposure::Gateway(_) => endpoint.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::{Value, json};

    use super::*;
    use crate::tenant::dereference::Record;
    use crate::tenant::fixtures;

    fn refusal(tenant: &Tenant, world: &World) -> Refusal {
        validate(tenant, world, &fixtures::config()).unwrap_err()
    }

    #[test]
    fn a_new_tenant_goes_where_most_room_is() {
        let mut world = fixtures::world(Record::Absent);
        let tenant = fixtures::tenant(json!({}));
        let plan = validate(&tenant, &world, &fixtures::config()).unwrap();
        assert_eq!(plan.servers.postgres.name, "main");
        world.surroundings.reserved.insert("main".to_owned(), 60);
        let plan = validate(&tenant, &world, &fixtures::config()).unwrap();
        assert_eq!(plan.servers.postgres.name, "spare");
        assert_eq!(plan.servers.names().rabbitmq.as_deref(), Some("main"));
    }

    #[test]
    fn a_placed_tenant_stays_whatever_the_configuration_prefers() {
        let tenant = fixtures::tenant(json!({}));
        let mut record = fixtures::record(&fixtures::plan(json!({})));
        record.servers.postgres = "spare".to_owned();
        record.servers.redis = None;
        let world = fixtures::world(Record::Present(Box::new(record)));
        let plan = validate(&tenant, &world, &fixtures::config()).unwrap();
        assert_eq!(plan.servers.postgres.name, "spare");
        assert!(plan.servers.redis.is_none());
    }

    #[test]
    fn a_placed_tenant_has_what_it_has_and_grows_only_into_room() {
        let tenant = fixtures::tenant(json!({"api": {"replicas": 2}}));
        let mut record = fixtures::record(&fixtures::plan(json!({})));
        let mut answer = |connections, retained: bool, reserved| {
            record.connections = connections;
            record.retained_at = retained.then(|| fixtures::NOW.to_owned());
            let mut tenant = tenant.clone();
            if retained {
                let adopt = json!({"adopt": record.tenant_id});
                tenant.spec.bootstrap = serde_json::from_value(adopt).unwrap();
            }
            let mut world = fixtures::world(Record::Present(Box::new(record.clone())));
            let reserved = ("main".to_owned(), reserved);
            world.surroundings.reserved.extend([reserved]);
            let answer = validate(&tenant, &world, &fixtures::config());
            answer.map(|_| ()).map_err(|refusal| refusal.reason)
        };
        assert_eq!(answer(Some(24), false, 64), Ok(()));
        assert_eq!(answer(Some(24), false, 65), Err(Reason::ServerFull));
        // What runs already, on a server whose budget was lowered, or before it was counted.
        assert_eq!(answer(Some(36), false, 90), Ok(()));
        assert_eq!(answer(None, false, 90), Ok(()));
        assert_eq!(answer(Some(36), true, 90), Err(Reason::ServerFull));
    }

    #[rstest]
    #[case(json!({"placement": {"postgres": "nowhere"}}), Reason::UnknownServer, "nowhere")]
    #[case(json!({"placement": {"redis": "nowhere"}}), Reason::UnknownServer, "nowhere")]
    #[case(json!({"icaoCode": "SKY", "admins": []}), Reason::InvalidSpec, "spec.admins")]
    #[case(json!({"api": {"replicas": 9}}), Reason::ServerFull, "120 are needed")]
    #[case(json!({"quota": {"requests": {"cpu": "59m"}}}), Reason::InvalidSpec, "must be at least 60m")]
    fn a_refusal_says_what_is_wrong(
        #[case] change: Value,
        #[case] reason: Reason,
        #[case] message: &str,
    ) {
        let found = refusal(&fixtures::tenant(change), &fixtures::world(Record::Absent));
        assert_eq!(found.reason, reason);
        assert!(found.message.contains(message), "{}", found.message);
    }

    #[test]
    fn what_others_have_is_refused() {
        let tenant = fixtures::tenant(json!({}));
        let mut world = fixtures::world(Record::Absent);
        world.surroundings.namespace_is_foreign = true;
        assert_eq!(refusal(&tenant, &world).reason, Reason::NamespaceConflict);
        world.surroundings.host_taken_by = Some("older".to_owned());
        assert_eq!(refusal(&tenant, &world).reason, Reason::HostConflict);
    }

    #[rstest]
    #[case(json!({}), "http://api.albatross-skyways.svc:8080", "http://skyways.example:8080")]
    #[case(json!({"exposure": {"ingress": {}}}), "http://skyways.example", "http://skyways.example")]
    #[case(json!({"exposure": {"ingress": {"tlsSecretName": "t"}}}), "https://skyways.example", "https://skyways.example")]
    #[case(json!({"exposure": {"gateway": {"parentRef": {"name": "edge"}}}}), "https://skyways.example", "https://skyways.example")]
    fn urls_follow_the_exposure(
        #[case] change: Value,
        #[case] endpoint: &str,
        #[case] public: &str,
    ) {
        let plan = fixtures::plan(change);
        assert_eq!(plan.endpoint, endpoint);
        assert_eq!(plan.public_url, public);
    }
}
