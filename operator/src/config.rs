//! The operator's configuration: one YAML file, and the environment variables that say where it is.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use clap::{Parser, Subcommand};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::core::{Selector, SelectorExt};
use serde::{Deserialize, Deserializer};

/// Command line and environment of the operator.
#[derive(Debug, Parser)]
#[command(name = "albatross-operator", version, about)]
pub struct Args {
    /// The configuration file (YAML).
    #[arg(
        long,
        env = "ALBATROSS_OPERATOR_CONFIG",
        default_value = "/etc/albatross/operator.yaml"
    )]
    pub config: PathBuf,
    /// The operator's own namespace, which holds the authoritative Secrets.
    #[arg(long, env = "POD_NAMESPACE", default_value = "albatross-system")]
    pub namespace: String,
    /// Name of this replica as holder of the Lease.
    #[arg(long, env = "POD_NAME", default_value = "albatross-operator")]
    pub identity: String,
    /// Where /healthz, /readyz and /metrics answer.
    #[arg(
        long,
        env = "ALBATROSS_OPERATOR_LISTEN",
        default_value = "0.0.0.0:8082"
    )]
    pub listen: std::net::SocketAddr,
    /// What is logged; overrides `log` of the file.
    #[arg(long, env = "ALBATROSS_LOG")]
    pub log: Option<String>,
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What else it can do than run.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Asks a running operator whether it is ready, and fails if it is not.
    Ready {
        /// Such as http://albatross-operator:8082/readyz.
        url: String,
    },
}

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

/// The servers that tenants are placed on. A server is the unit of placement.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Servers {
    pub postgres: Vec<PostgresServer>,
    #[serde(default)]
    pub rabbitmq: Vec<RabbitmqServer>,
    #[serde(default)]
    pub redis: Vec<RedisServer>,
}

/// A PostgreSQL server, with an account that has CREATEDB and CREATEROLE.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PostgresServer {
    pub name: String,
    pub host: String,
    #[serde(default = "default_postgres_port")]
    pub port: u16,
    /// Secret in the operator's namespace with `username` and `password`.
    pub admin_secret: String,
    /// The database that the operator itself connects to.
    #[serde(default = "default_postgres_database")]
    pub database: String,
    /// Most connections that all tenants on this server may hold together.
    pub connection_budget: i32,
    /// What tenants' pods must be allowed to connect to in order to reach it.
    pub egress: Peers,
    #[serde(default)]
    pub tls: Tls,
}

/// A RabbitMQ server, with an account that is tagged `administrator`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RabbitmqServer {
    pub name: String,
    /// `amqp://host:port` or `amqps://host:port`: what runtimes connect to.
    pub amqp: String,
    /// `http://host:port` of the management API: what the operator talks to.
    pub management: String,
    pub admin_secret: String,
    pub egress: Peers,
}

/// A Redis server.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RedisServer {
    pub name: String,
    /// `redis://host:port` or `rediss://host:port`.
    pub url: String,
    /// There is one unless `acl` is `external`.
    #[serde(default)]
    pub admin_secret: Option<String>,
    #[serde(default)]
    pub acl: Acl,
    pub egress: Peers,
}

/// Who makes the Redis users.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Acl {
    /// The operator: one ACL user per tenant, limited to its prefix.
    #[default]
    Managed,
    /// Someone else, who puts the account of each tenant into a Secret; the operator has none.
    External,
    /// Nobody: tenants share the account of `adminSecret`, kept apart by prefix alone.
    None,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Tls {
    #[default]
    Disable,
    Require,
}

/// Who is on the other side of a connection: addresses, or pods of this cluster.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Peers {
    #[serde(default)]
    pub cidrs: Vec<String>,
    /// Labels of the pods.
    #[serde(default)]
    pub pod_selector: BTreeMap<String, String>,
    /// Labels of the namespace of those pods.
    #[serde(default)]
    pub namespace_selector: BTreeMap<String, String>,
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
    pub enabled: bool,
    /// Seconds that a Lease is honoured after its last renewal.
    pub lease_seconds: u16,
    /// Seconds between renewals.
    pub renew_seconds: u16,
}

/// Why a configuration is refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("cannot read the configuration {path}: {cause}")]
    Unreadable { path: String, cause: std::io::Error },
    #[error("the configuration is not valid: {0}")]
    Syntax(#[from] serde_yaml_ng::Error),
    #[error("the configuration is not valid: {field}: {problem}")]
    Invalid { field: String, problem: String },
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

impl Servers {
    /// The PostgreSQL server of that name.
    pub fn postgres_named(&self, name: Option<&str>) -> Option<&PostgresServer> {
        self.postgres.iter().find(|s| Some(s.name.as_str()) == name)
    }

    /// The RabbitMQ server of that name.
    pub fn rabbitmq_named(&self, name: Option<&str>) -> Option<&RabbitmqServer> {
        self.rabbitmq.iter().find(|s| Some(s.name.as_str()) == name)
    }

    /// The Redis server of that name.
    pub fn redis_named(&self, name: Option<&str>) -> Option<&RedisServer> {
        self.redis.iter().find(|s| Some(s.name.as_str()) == name)
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

impl PostgresServer {
    fn check(&self, field: &str) -> Result<(), ConfigError> {
        if self.host.is_empty() {
            return Err(invalid(&format!("{field}.host"), "must not be empty"));
        }
        if self.connection_budget < 1 {
            return Err(invalid(
                &format!("{field}.connectionBudget"),
                "must be at least 1",
            ));
        }
        self.egress.check(&format!("{field}.egress"))
    }
}

impl RabbitmqServer {
    fn check(&self, field: &str) -> Result<(), ConfigError> {
        check_url(&format!("{field}.amqp"), &self.amqp, &["amqp", "amqps"])?;
        check_url(
            &format!("{field}.management"),
            &self.management,
            &["http", "https"],
        )?;
        self.egress.check(&format!("{field}.egress"))
    }
}

impl RedisServer {
    fn check(&self, field: &str) -> Result<(), ConfigError> {
        check_url(&format!("{field}.url"), &self.url, &["redis", "rediss"])?;
        let problem = match (self.acl, &self.admin_secret) {
            (Acl::External, Some(_)) => {
                "has no use with `acl: external`: every tenant has an account of its own"
            }
            (Acl::Managed | Acl::None, None) => "is needed unless `acl` is `external`",
            (Acl::External, None) | (Acl::Managed | Acl::None, Some(_)) => {
                return self.egress.check(&format!("{field}.egress"));
            }
        };
        Err(invalid(&format!("{field}.adminSecret"), problem))
    }
}

impl Peers {
    fn check(&self, field: &str) -> Result<(), ConfigError> {
        if self.cidrs.is_empty() && self.pod_selector.is_empty() {
            return Err(invalid(
                field,
                "set cidrs or podSelector: without one it names nobody",
            ));
        }
        check_cidrs(&format!("{field}.cidrs"), &self.cidrs)
    }
}

impl LeaderElection {
    fn check(&self) -> Result<(), ConfigError> {
        if self.renew_seconds == 0 || self.lease_seconds < 3 * self.renew_seconds {
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
            enabled: true,
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

fn default_postgres_port() -> u16 {
    5432
}

fn default_postgres_database() -> String {
    "postgres".to_owned()
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

fn invalid(field: &str, problem: &str) -> ConfigError {
    ConfigError::Invalid {
        field: field.to_owned(),
        problem: problem.to_owned(),
    }
}

fn check_names<'a>(field: &str, names: impl Iterator<Item = &'a str>) -> Result<(), ConfigError> {
    let mut seen = BTreeSet::new();
    for name in names {
        if name.is_empty() {
            return Err(invalid(field, "a server needs a name"));
        }
        if !seen.insert(name) {
            return Err(invalid(field, &format!("`{name}` is listed twice")));
        }
    }
    Ok(())
}

fn check_url(field: &str, text: &str, schemes: &[&str]) -> Result<(), ConfigError> {
    let problem = match reqwest::Url::parse(text) {
        Ok(url) if !schemes.contains(&url.scheme()) => {
            format!("`{text}` must start with {}://", schemes.join(":// or "))
        }
        Ok(url) if !url.username().is_empty() || url.password().is_some() => {
            "must not hold credentials; they belong in a Secret".to_owned()
        }
        Ok(url) if url.host_str().is_none_or(str::is_empty) => format!("`{text}` names no host"),
        Ok(_) => return Ok(()),
        Err(cause) => format!("`{text}` is not a URL: {cause}"),
    };
    Err(invalid(field, &problem))
}

fn check_cidrs(field: &str, cidrs: &[String]) -> Result<(), ConfigError> {
    match cidrs.iter().find(|cidr| !is_cidr(cidr)) {
        None => Ok(()),
        Some(cidr) => Err(invalid(
            field,
            &format!("`{cidr}` is not an address with a prefix length, such as 10.0.0.5/32"),
        )),
    }
}

fn is_cidr(text: &str) -> bool {
    text.split_once('/').is_some_and(|(address, prefix)| {
        match (address.parse::<IpAddr>(), prefix.parse::<u8>()) {
            (Ok(IpAddr::V4(_)), Ok(prefix)) => prefix <= 32,
            (Ok(IpAddr::V6(_)), Ok(prefix)) => prefix <= 128,
            _ => false,
        }
    })
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
        assert!(config.leader_election.enabled);
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
    #[case("metricsFrom: [{namespaceSelector: {a: b}}]", "metricsFrom[0]")]
    #[case("metricsFrom: [{podSelectr: {a: b}}]", "podSelectr")]
    #[case("metricsFrom: [{cidrs: [10.0.0.1]}]", "metricsFrom[0].cidrs")]
    #[case("leaderElection: {leaseSeconds: 5, renewSeconds: 4}", "leaseSeconds")]
    #[case("runtimeUrl: api", "runtimeUrl")]
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

    #[test]
    fn credentials_do_not_belong_in_a_url() {
        let error = check_url("servers.redis[0].url", "redis://u:p@h:1", &["redis"]).unwrap_err();
        assert!(error.to_string().contains("in a Secret"), "{error}");
        assert!(!error.to_string().contains("u:p"), "{error}");
    }
}
