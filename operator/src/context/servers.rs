//! The configured servers, with the operator's accounts on them, and whether they answer.

use std::collections::HashMap;
use std::fmt::Display;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures::future;
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client};
use reqwest::Certificate;
use secrecy::SecretString;

use crate::config::{OperatorConfig, PostgresServer, RabbitmqServer, RedisServer, Servers};
use crate::context::metrics::Metrics;
use crate::provision::error::{Credentials, ProvisionError};
use crate::provision::postgres::Postgres;
use crate::provision::rabbitmq::Rabbitmq;
use crate::provision::redis::Redis;

/// How often servers are asked whether they are there.
pub const CHECK_INTERVAL: Duration = Duration::from_secs(10);

/// A server that does not even take a connection for this long keeps nobody waiting.
pub const CONNECT: Duration = Duration::from_secs(3);

/// One server of the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ServerRef<'a> {
    Postgres(&'a str),
    Rabbitmq(&'a str),
    Redis(&'a str),
}

/// What a server last answered: which start of it this is, or why it did not answer.
pub type Health = Result<String, ProvisionError>;

/// Hands out connections to servers. Accounts and certificates are read from their Secrets when first used, and again after
/// a failure.
pub struct ServerAccess {
    client: Client,
    namespace: String,
    servers: Servers,
    http: reqwest::Client,
    metrics: Metrics,
    accounts: Mutex<HashMap<String, Credentials>>,
    /// Certificates in PEM, by Secret.
    authorities: Mutex<HashMap<String, String>>,
    health: Mutex<HashMap<String, Health>>,
}

impl ServerAccess {
    pub fn new(
        client: Client,
        namespace: &str,
        config: &OperatorConfig,
        http: reqwest::Client,
        metrics: Metrics,
    ) -> Self {
        Self {
            client,
            namespace: namespace.to_owned(),
            servers: config.servers.clone(),
            http,
            metrics,
            accounts: Mutex::default(),
            authorities: Mutex::default(),
            health: Mutex::default(),
        }
    }

    pub async fn postgres(&self, server: &PostgresServer) -> Result<Postgres, ProvisionError> {
        let account = self.account(&server.name, &server.admin_secret).await?;
        let authority = self.authority(&server.name, server.ca_secret.as_deref());
        Ok(Postgres::new(server, &account, authority.await?.as_deref()))
    }

    pub async fn rabbitmq(&self, server: &RabbitmqServer) -> Result<Rabbitmq, ProvisionError> {
        let account = self.account(&server.name, &server.admin_secret).await?;
        let authority = self.authority(&server.name, server.ca_secret.as_deref());
        let http = match authority.await? {
            Some(authority) => trusting(&authority)
                .map_err(|cause| unusable(&server.name, format_args!("its `ca.crt`: {cause}")))?,
            None => self.http.clone(),
        };
        Ok(Rabbitmq::new(server, &account, http))
    }

    pub async fn redis(&self, server: &RedisServer) -> Result<Redis, ProvisionError> {
        let account = self.redis_account(server).await?;
        self.redis_as(server, account).await
    }

    /// Seen with an account that the operator was given, or with none.
    pub async fn redis_as(
        &self,
        server: &RedisServer,
        account: Option<Credentials>,
    ) -> Result<Redis, ProvisionError> {
        let authority = self.authority(&server.name, server.ca_secret.as_deref());
        Ok(Redis::new(server, account, authority.await?))
    }

    /// The operator's account, if it has one: what tenants use themselves where Redis has no users.
    pub async fn redis_account(
        &self,
        server: &RedisServer,
    ) -> Result<Option<Credentials>, ProvisionError> {
        match &server.admin_secret {
            Some(secret) => Ok(Some(self.account(&server.name, secret).await?)),
            None => Ok(None),
        }
    }

    async fn account(&self, server: &str, secret: &str) -> Result<Credentials, ProvisionError> {
        if let Some(account) = lock(&self.accounts).get(secret) {
            return Ok(account.clone());
        }
        let found = self.secret(server, "adminSecret", secret).await?;
        let read = |key: &str| {
            text(&found, key).ok_or_else(|| {
                unusable(
                    server,
                    format_args!("its adminSecret `{secret}` has no `{key}`"),
                )
            })
        };
        let account = Credentials {
            username: read("username")?,
            password: SecretString::from(read("password")?),
        };
        lock(&self.accounts).insert(secret.to_owned(), account.clone());
        Ok(account)
    }

    /// Who may have signed a server's certificate, in PEM; none where it is whom the system trusts.
    ///
    /// # Errors
    /// When the Secret that says so cannot be read, or does not say.
    pub async fn authority(
        &self,
        server: &str,
        secret: Option<&str>,
    ) -> Result<Option<String>, ProvisionError> {
        let Some(secret) = secret else {
            return Ok(None);
        };
        if let Some(authority) = lock(&self.authorities).get(secret) {
            return Ok(Some(authority.clone()));
        }
        let found = self.secret(server, "caSecret", secret).await?;
        let authority = text(&found, "ca.crt").filter(|it| it.contains("BEGIN CERTIFICATE"));
        let authority = authority.ok_or_else(|| {
            let problem = format_args!("its caSecret `{secret}` has no certificate in `ca.crt`");
            unusable(server, problem)
        })?;
        lock(&self.authorities).insert(secret.to_owned(), authority.clone());
        Ok(Some(authority))
    }

    /// A Secret that the configuration of a server names in `field`.
    async fn secret(
        &self,
        server: &str,
        field: &str,
        secret: &str,
    ) -> Result<Secret, ProvisionError> {
        let api: Api<Secret> = Api::namespaced(self.client.clone(), &self.namespace);
        let found = api.get_opt(secret).await.map_err(|cause| {
            let problem = format_args!("its {field} `{secret}` cannot be read: {cause}");
            unusable(server, problem)
        })?;
        found.ok_or_else(|| {
            unusable(
                server,
                format_args!("its {field} `{secret}` does not exist"),
            )
        })
    }

    /// What has failed may have been changed.
    fn forget(&self) {
        lock(&self.accounts).clear();
        lock(&self.authorities).clear();
    }

    /// What the server last answered; asks it if nobody has yet.
    pub async fn health(&self, server: ServerRef<'_>) -> Health {
        if let Some(known) = lock(&self.health).get(&key(server)) {
            return known.clone();
        }
        self.check(server).await
    }

    /// Notes that a server did what it was asked for.
    pub fn served(&self, server: ServerRef<'_>) {
        self.metrics.called(system(server), true);
    }

    /// Notes that a server failed somebody, and says whether it answers nevertheless: one connection that fails on a
    /// busy machine keeps nobody else away.
    pub async fn failed(&self, server: ServerRef<'_>, cause: &ProvisionError) -> Health {
        self.metrics.called(system(server), false);
        match cause {
            ProvisionError::Unreachable { .. } => {
                self.forget();
                self.check(server).await
            }
            ProvisionError::Foreign { .. }
            | ProvisionError::NoAccount { .. }
            | ProvisionError::Refused { .. } => Err(cause.clone()),
        }
    }

    /// Asks every server, and says whether any answer differs from the one before.
    pub async fn check_all(&self) -> bool {
        let postgres = self
            .servers
            .postgres
            .iter()
            .map(|s| ServerRef::Postgres(&s.name));
        let rabbitmq = self
            .servers
            .rabbitmq
            .iter()
            .map(|s| ServerRef::Rabbitmq(&s.name));
        let redis = self.servers.redis.iter().map(|s| ServerRef::Redis(&s.name));
        let looks = postgres.chain(rabbitmq).chain(redis).map(async |server| {
            let before = lock(&self.health).get(&key(server)).cloned();
            let now = self.check(server).await;
            before.is_some_and(|before| before.is_ok() != now.is_ok() || before.ok() != now.ok())
        });
        // At once: one that is silent does not hold up the others.
        future::join_all(looks).await.contains(&true)
    }

    async fn check(&self, server: ServerRef<'_>) -> Health {
        let was_away = matches!(lock(&self.health).get(&key(server)), Some(Err(_)));
        let mut health = self.incarnation(server).await;
        if health.is_err() && !was_away {
            health = self.incarnation(server).await;
        }
        self.metrics.called(system(server), health.is_ok());
        if health.is_err() {
            self.forget();
        }
        lock(&self.health).insert(key(server), health.clone());
        health
    }

    async fn incarnation(&self, server: ServerRef<'_>) -> Health {
        let unknown = |name: &str| ProvisionError::Unreachable {
            server: format!("server `{name}`"),
            cause: "it is not configured".to_owned(),
        };
        match server {
            ServerRef::Postgres(name) => {
                let found = self.servers.postgres_named(Some(name));
                let found = found.ok_or_else(|| unknown(name))?;
                self.postgres(found).await?.incarnation().await
            }
            ServerRef::Rabbitmq(name) => {
                let found = self.servers.rabbitmq_named(Some(name));
                let found = found.ok_or_else(|| unknown(name))?;
                self.rabbitmq(found).await?.incarnation().await
            }
            ServerRef::Redis(name) => {
                let found = self.servers.redis_named(Some(name));
                let found = found.ok_or_else(|| unknown(name))?;
                self.redis(found).await?.incarnation().await
            }
        }
    }
}

fn unusable(server: &str, problem: impl Display) -> ProvisionError {
    ProvisionError::unreachable(&format!("server `{server}`"), problem)
}

/// A client that believes nobody else.
fn trusting(authority: &str) -> reqwest::Result<reqwest::Client> {
    let certificates = Certificate::from_pem_bundle(authority.as_bytes())?;
    reqwest::Client::builder()
        .no_proxy()
        .connect_timeout(CONNECT)
        .tls_certs_only(certificates)
        .build()
}

/// A value of a Secret, without the end of line that an editor leaves.
pub fn text(secret: &Secret, key: &str) -> Option<String> {
    let bytes = secret.data.as_ref()?.get(key)?;
    let text = String::from_utf8(bytes.0.clone()).ok()?;
    Some(text.trim_end_matches('\n').to_owned())
}

fn key(server: ServerRef<'_>) -> String {
    let (ServerRef::Postgres(name) | ServerRef::Rabbitmq(name) | ServerRef::Redis(name)) = server;
    format!("{}/{name}", system(server))
}

fn system(server: ServerRef<'_>) -> &'static str {
    match server {
        ServerRef::Postgres(_) => "postgres",
        ServerRef::Rabbitmq(_) => "rabbitmq",
        ServerRef::Redis(_) => "redis",
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
