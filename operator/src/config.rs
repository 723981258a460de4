//! The operator's configuration: one YAML file, and the environment variables that say where it is.

mod args;
mod check;
mod servers;

use std::collections::BTreeMap;
use std::path::Path;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::core::{Selector, SelectorExt};
use serde::{Deserialize, Deserializer};

pub use args::{Args, Command};
pub use check::ConfigError;
pub use servers::{Acl, Peers, PostgresServer, RabbitmqServer, RedisServer, Servers, Tls};

use crate::config::check::{
    check_admins, check_cidrs, check_names, check_resources, check_url, invalid,
};

/// The configuration file.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OperatorConfig {
    pub servers: Servers,
    #[serde(default)]
    pub defaults: Defaults,
    #[serde(default)]
    pub rollout: Rollout,
    /// The hosting team; becomes PlatformAdmin in every tenant.
    #[serde(default)]
    pub platform_admins: Vec<PlatformAdmin>,
    /// Who may ask tenants' pods for metrics.
    #[serde(default)]
    pub metrics_from: Vec<Peers>,
    /// How many tenants, and how many API keys, are worked on at once.
    #[serde(default = "default_concurrency")]
    pub concurrency: u16,
    #[serde(default)]
    pub leader_election: LeaderElection,
    /// Filter of the log, e.g. `info` or `albatross_operator=debug,info`.
    #[serde(default = "default_log")]
    pub log: String,
    /// The collector that traces are sent to, by OTLP over HTTP: `http://host:4318`.
    #[serde(default)]
    pub otlp: Option<String>,
    /// Where a tenant's internal API is. `{service}` (of pods that serve, or of pods that start), its `{clusterIP}`,
    /// `{namespace}` and `{tenant}` are filled in; outside the cluster, where its DNS does not reach, use
    /// `http://{clusterIP}:8081`.
    #[serde(default = "default_runtime_url")]
    pub runtime_url: String,
}

/// What a Tenant gets where it says nothing.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Defaults {
    pub placement: DefaultPlacement,
    pub resources: Resources,
    pub image: String,
    pub ingress_class: Option<String>,
    /// Networks of the proxies in front of the airlines, whose word on a client's address is believed: limits are kept by
    /// address. Without one, all who come through an ingress count as one client.
    pub trusted_proxies: Vec<String>,
}

/// How tenants without a version of their own are moved to another `defaults.image`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Rollout {
    /// So many are moved at once.
    pub max_concurrent: u16,
    /// Labels of the Tenants that are moved before all others.
    #[serde(deserialize_with = "selector")]
    pub canary_selector: Option<Selector>,
}

/// Names of servers.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct DefaultPlacement {
    pub postgres: Option<String>,
    pub rabbitmq: Option<String>,
    pub redis: Option<String>,
}

/// Requests and limits of a container, as Kubernetes quantities.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Resources {
    pub requests: BTreeMap<String, String>,
    pub limits: BTreeMap<String, String>,
}

/// A member of the hosting team.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PlatformAdmin {
    pub email: String,
    pub display_name: String,
}

/// How replicas of the operator agree on which one acts.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct LeaderElection {
    /// Seconds that a Lease is honoured after its last renewal.
    pub lease_seconds: u16,
    /// Seconds between renewals.
    pub renew_seconds: u16,
}

impl OperatorConfig {
    /// Reads and checks the file.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|cause| ConfigError::Unreadable {
            path: path.display().to_string(),
            cause,
        })?;
        Self::parse(&text)
    }

    /// Parses and checks the text of the file.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let config: Self = serde_yaml_ng::from_str(text)?;
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<(), ConfigError> {
        let Servers {
            postgres,
            rabbitmq,
            redis,
        } = &self.servers;
        if postgres.is_empty() {
            return Err(invalid("servers.postgres", "at least one server is needed"));
        }
        check_names("servers.postgres", postgres.iter().map(|s| s.name.as_str()))?;
        check_names("servers.rabbitmq", rabbitmq.iter().map(|s| s.name.as_str()))?;
        check_names("servers.redis", redis.iter().map(|s| s.name.as_str()))?;
        for (i, server) in postgres.iter().enumerate() {
            server.check(&format!("servers.postgres[{i}]"))?;
        }
        for (i, server) in rabbitmq.iter().enumerate() {
            server.check(&format!("servers.rabbitmq[{i}]"))?;
        }
        for (i, server) in redis.iter().enumerate() {
            server.check(&format!("servers.redis[{i}]"))?;
        }
        self.check_placement()?;
        check_cidrs("defaults.trustedProxies", &self.defaults.trusted_proxies)?;
        let Resources { requests, limits } = &self.defaults.resources;
        check_resources("defaults.resources", requests, limits)?;
        let admins = self.platform_admins.iter();
        check_admins(
            "platformAdmins",
            admins.map(|admin| (admin.email.as_str(), admin.display_name.as_str())),
        )?;
        for (i, peers) in self.metrics_from.iter().enumerate() {
            peers.check(&format!("metricsFrom[{i}]"))?;
        }
        if self.rollout.max_concurrent == 0 {
            return Err(invalid("rollout.maxConcurrent", "must be at least 1"));
        }
        if self.concurrency == 0 {
            return Err(invalid("concurrency", "must be at least 1"));
        }
        self.leader_election.check()?;
        if let Some(collector) = &self.otlp {
            check_url("otlp", collector, &["http", "https"])?;
        }
        check_url(
            "runtimeUrl",
            &self.runtime_url.replace(['{', '}'], ""),
            &["http", "https"],
        )
    }

    fn check_placement(&self) -> Result<(), ConfigError> {
        let placement = &self.defaults.placement;
        let known = [
            (
                "postgres",
                &placement.postgres,
                self.servers
                    .postgres_named(placement.postgres.as_deref())
                    .is_some(),
            ),
            (
                "rabbitmq",
                &placement.rabbitmq,
                self.servers
                    .rabbitmq_named(placement.rabbitmq.as_deref())
                    .is_some(),
            ),
            (
                "redis",
                &placement.redis,
                self.servers
                    .redis_named(placement.redis.as_deref())
                    .is_some(),
            ),
        ];
        for (field, name, found) in known {
            if let (Some(name), false) = (name, found) {
                return Err(invalid(
                    &format!("defaults.placement.{field}"),
                    &format!("no server is named `{name}`"),
                ));
            }
        }
        Ok(())
    }
}

impl Rollout {
    /// The most tenants that are moved at once.
    pub fn most(&self) -> usize {
        usize::from(self.max_concurrent)
    }

    pub fn is_canary(&self, labels: &BTreeMap<String, String>) -> bool {
        let canaries = self.canary_selector.as_ref();
        canaries.is_some_and(|selector| selector.matches(labels))
    }
}

impl LeaderElection {
    fn check(&self) -> Result<(), ConfigError> {
        if self.renew_seconds == 0 || self.lease_seconds / 3 < self.renew_seconds {
            return Err(invalid(
                "leaderElection",
                "leaseSeconds must be at least three times renewSeconds, and that at least 1",
            ));
        }
        Ok(())
    }
}

impl Default for Defaults {
    fn default() -> Self {
        Self {
            placement: DefaultPlacement::default(),
            resources: Resources::default(),
            image: "localhost/albatross:dev".to_owned(),
            ingress_class: None,
            trusted_proxies: Vec::new(),
        }
    }
}

impl Default for Rollout {
    fn default() -> Self {
        Self {
            max_concurrent: 5,
            canary_selector: None,
        }
    }
}

impl Default for Resources {
    fn default() -> Self {
        let map = |pairs: [(&str, &str); 2]| {
            pairs
                .into_iter()
                .map(|(name, amount)| (name.to_owned(), amount.to_owned()))
                .collect()
        };
        Self {
            requests: map([("cpu", "20m"), ("memory", "48Mi")]),
            limits: map([("cpu", "1"), ("memory", "256Mi")]),
        }
    }
}

impl Default for LeaderElection {
    fn default() -> Self {
        Self {
            lease_seconds: 15,
            renew_seconds: 4,
        }
    }
}

fn default_concurrency() -> u16 {
    8
}

fn default_log() -> String {
    "info".to_owned()
}

fn default_runtime_url() -> String {
    "http://{service}.{namespace}.svc:8081".to_owned()
}

/// An empty one would select everybody, and most likely is a misspelt one.
fn selector<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Selector>, D::Error> {
    let refused = |problem: String| serde::de::Error::custom(format!("canarySelector: {problem}"));
    let Some(declared) = Option::<LabelSelector>::deserialize(deserializer)? else {
        return Ok(None);
    };
    let selector = Selector::try_from(declared).map_err(|cause| refused(cause.to_string()))?;
    if selector.selects_all() {
        return Err(refused("set matchLabels or matchExpressions".to_owned()));
    }
    Ok(Some(selector))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const MINIMAL: &str = "
servers:
  postgres:
    - {name: main, host: 10.0.0.5, adminSecret: postgres-main, connectionBudget: 100, egress: {cidrs: [10.0.0.5/32]}}
";

    #[test]
    fn a_minimal_file_gets_the_defaults() {
        let config = OperatorConfig::parse(MINIMAL).unwrap();
        assert_eq!(config.servers.postgres[0].port, 5432);
        assert_eq!(config.servers.postgres[0].tls, Tls::Disable);
        assert_eq!(config.concurrency, 8);
        assert_eq!(config.leader_election.lease_seconds, 15);
        assert_eq!(config.runtime_url, "http://{service}.{namespace}.svc:8081");
    }

    #[test]
    fn canaries_are_those_whose_labels_match_and_nobody_unless_it_is_said() {
        let labels = BTreeMap::from([("stage".to_owned(), "early".to_owned())]);
        let config = |line: &str| OperatorConfig::parse(&format!("{MINIMAL}{line}\n")).unwrap();
        for nobody in ["", "rollout: {canarySelector: null}"] {
            assert!(!config(nobody).rollout.is_canary(&labels));
        }
        let line = "rollout: {canarySelector: {matchLabels: {stage: early}}}";
        assert!(config(line).rollout.is_canary(&labels));
        assert!(!config(line).rollout.is_canary(&BTreeMap::new()));
    }

    #[rstest]
    #[case("serverz: {}", "serverz")]
    #[case("concurrency: 0", "concurrency: must be at least 1")]
    #[case("rollout: {maxConcurrent: 0}", "rollout.maxConcurrent")]
    #[case("rollout: {canarySelector: {matchLabel: {a: b}}}", "set matchLabels")]
    #[case(
        "rollout: {canarySelector: {matchExpressions: [{key: a, operator: Is}]}}",
        "canarySelector"
    )]
    #[case("defaults: {placement: {redis: r1}}", "no server is named `r1`")]
    #[case(
        "defaults: {trustedProxies: [10.0.0.1]}",
        "defaults.trustedProxies: `10.0.0.1`"
    )]
    #[case(
        "defaults: {resources: {limits: {memory: 256MB}}}",
        "defaults.resources.limits.memory: must be a quantity"
    )]
    #[case(
        "defaults: {resources: {requests: {cpu: '2'}, limits: {cpu: 500m}}}",
        "defaults.resources.requests.cpu: `2` is more than the limit, `500m`"
    )]
    #[case("metricsFrom: [{namespaceSelector: {a: b}}]", "metricsFrom[0]")]
    #[case("metricsFrom: [{podSelectr: {a: b}}]", "podSelectr")]
    #[case("metricsFrom: [{cidrs: [10.0.0.1]}]", "metricsFrom[0].cidrs")]
    #[case("leaderElection: {leaseSeconds: 5, renewSeconds: 4}", "leaseSeconds")]
    #[case("leaderElection: {leaseSeconds: 11, renewSeconds: 4}", "leaseSeconds")]
    #[case(
        "leaderElection: {leaseSeconds: 15, renewSeconds: 30000}",
        "leaseSeconds"
    )]
    #[case("leaderElection: {enabled: false}", "unknown field `enabled`")]
    #[case(
        "platformAdmins: [{email: ops@p.example, displayName: O}, {email: ops, displayName: O}]",
        "platformAdmins[1].email: `ops` must be an e-mail address"
    )]
    #[case(
        "platformAdmins: [{email: ops@p.example, displayName: O}, {email: Ops@p.example, displayName: O}]",
        "platformAdmins[1].email: `Ops@p.example` is listed twice"
    )]
    #[case(
        "platformAdmins: [{email: ops@p.example, displayName: ''}]",
        "platformAdmins[0].displayName: must be text"
    )]
    #[case(
        "platformAdmins: [{email: ops@p.example, displayName: ' O'}]",
        "platformAdmins[0].displayName: must be text"
    )]
    #[case(
        "platformAdmins: [{email: ops@p.example, displayName: \"O\\nO\"}]",
        "platformAdmins[0].displayName: must be text"
    )]
    #[case("runtimeUrl: api", "runtimeUrl")]
    #[case("otlp: collector", "otlp: `collector` is not a URL")]
    #[case(
        "  rabbitmq: [{name: a, amqp: 'http://h:1', management: 'http://h:2', adminSecret: s, egress: {cidrs: [10.0.0.7/32]}}]",
        "servers.rabbitmq[0].amqp: `http://h:1` must start with amqp://"
    )]
    #[case(
        "  rabbitmq: [{name: a, amqp: 'amqp://h:1', management: 'amqp://h:2', adminSecret: s, egress: {cidrs: [10.0.0.7/32]}}]",
        "servers.rabbitmq[0].management: `amqp://h:2` must start with http://"
    )]
    fn a_bad_field_is_named(#[case] line: &str, #[case] expected: &str) {
        let error = OperatorConfig::parse(&format!("{MINIMAL}{line}\n")).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }

    #[rstest]
    #[case(
        "{name: a, host: h, adminSecret: s, connectionBudget: 0, egress: {cidrs: [10.0.0.5/32]}}",
        "connectionBudget"
    )]
    #[case(
        "{name: a, host: h, adminSecret: s, connectionBudget: 1, egress: {cidrs: [10.0.0.5/33]}}",
        "10.0.0.5/33"
    )]
    #[case(
        "{name: a, host: h, adminSecret: s, connectionBudget: 1, egress: {}}",
        "egress"
    )]
    #[case(
        "{name: a, host: h, adminSecret: s, connectionBudget: 1, egres: {}}",
        "egres"
    )]
    #[case(
        "{name: '', host: h, adminSecret: s, connectionBudget: 1, egress: {cidrs: [10.0.0.5/32]}}",
        "servers.postgres: a server needs a name"
    )]
    #[case(
        "&a {name: a, host: h, adminSecret: s, connectionBudget: 1, egress: {cidrs: [10.0.0.5/32]}}\n    - *a",
        "servers.postgres: `a` is listed twice"
    )]
    #[case(
        "{name: a, host: '', adminSecret: s, connectionBudget: 1, egress: {cidrs: [10.0.0.5/32]}}",
        "servers.postgres[0].host: must not be empty"
    )]
    fn a_bad_server_is_named(#[case] server: &str, #[case] expected: &str) {
        let error =
            OperatorConfig::parse(&format!("servers:\n  postgres:\n    - {server}\n")).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }

    #[rstest]
    #[case("adminSecret: s", None)]
    #[case("adminSecret: s, acl: none", None)]
    #[case("acl: external", None)]
    #[case("acl: external, adminSecret: s", Some("has no use"))]
    #[case("acl: managed", Some("is needed"))]
    #[case("acl: none", Some("is needed"))]
    fn the_operator_has_an_account_on_redis_unless_others_make_the_users(
        #[case] accounts: &str,
        #[case] problem: Option<&str>,
    ) {
        let server =
            format!("{{name: a, url: redis://h:1, egress: {{cidrs: [10.0.0.7/32]}}, {accounts}}}");
        let parsed = OperatorConfig::parse(&format!("{MINIMAL}  redis:\n    - {server}\n"));
        let error = parsed.err().map(|error| error.to_string());
        assert_eq!(error.is_some(), problem.is_some(), "{error:?}");
        if let (Some(error), Some(problem)) = (error, problem) {
            let field = "servers.redis[0].adminSecret";
            assert!(error.contains(field) && error.contains(problem), "{error}");
        }
    }

    #[rstest]
    #[case(
        "postgres",
        "host: h, connectionBudget: 1, adminSecret: s, tls: require, caSecret: ca"
    )]
    #[case(
        "postgres",
        "host: h, connectionBudget: 1, adminSecret: s, caSecret: ca"
    )]
    #[case(
        "rabbitmq",
        "amqp: 'amqp://h:1', management: 'http://h:2', adminSecret: s, caSecret: ca"
    )]
    #[case("redis", "url: 'redis://h:1', adminSecret: s, caSecret: ca")]
    fn a_ca_that_nothing_is_checked_by_is_refused(#[case] kind: &str, #[case] server: &str) {
        let read = |server: &str| {
            let server = format!("- {{name: a, egress: {{cidrs: [10.0.0.7/32]}}, {server}}}");
            OperatorConfig::parse(&match kind {
                "postgres" => format!("servers:\n  postgres:\n    {server}\n"),
                kind => format!("{MINIMAL}  {kind}:\n    {server}\n"),
            })
        };
        let error = read(server).unwrap_err().to_string();
        let field = format!("servers.{kind}[0].caSecret: has no use without");
        assert!(error.contains(&field), "{error}");
        let checked = server
            .replace(", tls: require", "")
            .replace("amqp://", "amqps://")
            .replace("redis://", "rediss://")
            .replace(
                "connectionBudget: 1",
                "connectionBudget: 1, tls: verify-full",
            );
        read(&checked).unwrap();
    }

    #[test]
    fn credentials_do_not_belong_in_a_url() {
        let error = check_url("servers.redis[0].url", "redis://u:p@h:1", &["redis"]).unwrap_err();
        assert!(error.to_string().contains("in a Secret"), "{error}");
        assert!(!error.to_string().contains("u:p"), "{error}");
    }
}
