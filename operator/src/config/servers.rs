//! The servers that tenants are placed on.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::config::check::{ConfigError, check_cidrs, check_url, invalid};

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
    /// The database that the operator connects to where it has none of its own yet.
    #[serde(default = "default_postgres_database")]
    pub database: String,
    /// Most connections that all tenants on this server may hold together.
    pub connection_budget: i32,
    /// What tenants' pods must be allowed to connect to in order to reach it.
    pub egress: Peers,
    #[serde(default)]
    pub tls: Tls,
    /// Secret in the operator's namespace whose `ca.crt` (PEM) holds who may have signed the server's certificate, with
    /// `tls: verify-full`. Left out: whom the system trusts.
    #[serde(default)]
    pub ca_secret: Option<String>,
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
    /// The same of `amqps://` and `https://`, where certificates are always checked.
    #[serde(default)]
    pub ca_secret: Option<String>,
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
    /// The same of `rediss://`, where certificates are always checked.
    #[serde(default)]
    pub ca_secret: Option<String>,
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

/// PostgreSQL's `sslmode`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tls {
    #[default]
    Disable,
    /// Encrypted, with whoever answers: nobody's certificate is checked.
    Require,
    /// Encrypted, with a certificate of the server's host name by somebody who is trusted.
    VerifyFull,
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

impl PostgresServer {
    pub fn check(&self, field: &str) -> Result<(), ConfigError> {
        if self.host.is_empty() {
            return Err(invalid(&format!("{field}.host"), "must not be empty"));
        }
        if self.connection_budget < 1 {
            return Err(invalid(
                &format!("{field}.connectionBudget"),
                "must be at least 1",
            ));
        }
        let is_checked = self.tls == Tls::VerifyFull;
        check_authority(
            field,
            self.ca_secret.as_deref(),
            is_checked,
            "`tls: verify-full`",
        )?;
        self.egress.check(&format!("{field}.egress"))
    }
}

impl RabbitmqServer {
    pub fn check(&self, field: &str) -> Result<(), ConfigError> {
        check_url(&format!("{field}.amqp"), &self.amqp, &["amqp", "amqps"])?;
        check_url(
            &format!("{field}.management"),
            &self.management,
            &["http", "https"],
        )?;
        let is_checked = self.amqp.starts_with("amqps:") || self.management.starts_with("https:");
        let needs = "`amqps://` or `https://`";
        check_authority(field, self.ca_secret.as_deref(), is_checked, needs)?;
        self.egress.check(&format!("{field}.egress"))
    }
}

impl RedisServer {
    pub fn check(&self, field: &str) -> Result<(), ConfigError> {
        check_url(&format!("{field}.url"), &self.url, &["redis", "rediss"])?;
        let is_checked = self.url.starts_with("rediss:");
        check_authority(field, self.ca_secret.as_deref(), is_checked, "`rediss://`")?;
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

/// Who names a CA expects that certificates are checked.
fn check_authority(
    field: &str,
    secret: Option<&str>,
    is_checked: bool,
    needs: &str,
) -> Result<(), ConfigError> {
    match secret {
        Some(_) if !is_checked => Err(invalid(
            &format!("{field}.caSecret"),
            &format!("has no use without {needs}: no certificate is checked"),
        )),
        Some(_) | None => Ok(()),
    }
}

impl Peers {
    pub fn check(&self, field: &str) -> Result<(), ConfigError> {
        if self.cidrs.is_empty() && self.pod_selector.is_empty() {
            return Err(invalid(
                field,
                "set cidrs or podSelector: without one it names nobody",
            ));
        }
        check_cidrs(&format!("{field}.cidrs"), &self.cidrs)
    }
}

fn default_postgres_port() -> u16 {
    5432
}

fn default_postgres_database() -> String {
    "postgres".to_owned()
}
