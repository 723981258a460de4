//! The configured servers, with the operator's accounts on them, and whether they answer.

use std::collections::HashMap;
use std::fmt::Display;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future;
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client};
use reqwest::Certificate;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use secrecy::SecretString;

use crate::config::{OperatorConfig, PostgresServer, RabbitmqServer, RedisServer, Servers};
use crate::context::metrics::Metrics;
use crate::lease::Leadership;
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

/// What a server last answered: which start of it this is, or which data it has, or why it did not answer.
pub type Health = Result<String, ProvisionError>;

/// Hands out connections to servers. The account and the certificates of one are read from their Secrets when first used, and
/// again after it has failed.
pub struct ServerAccess {
    client: Client,
    namespace: String,
    servers: Servers,
    http: reqwest::Client,
    leadership: Arc<Leadership>,
    metrics: Metrics,
    known: Mutex<HashMap<String, Known>>,
}

/// What is known of one server.
#[derive(Default)]
struct Known {
    account: Option<Credentials>,
    authority: Option<Arc<Authority>>,
    /// By which it last answered.
    proven: Option<Arc<Authority>>,
    health: Option<Health>,
}

/// Who may have signed a server's certificate.
struct Authority {
    /// In PEM.
    certificates: String,
    /// Believes nobody else.
    http: reqwest::Client,
}

impl ServerAccess {
    pub fn new(
        client: Client,
        namespace: &str,
        config: &OperatorConfig,
        http: reqwest::Client,
        leadership: Arc<Leadership>,
        metrics: Metrics,
    ) -> Self {
        Self {
            client,
            namespace: namespace.to_owned(),
            servers: config.servers.clone(),
            http,
            leadership,
            metrics,
            known: Mutex::default(),
        }
    }

    pub async fn postgres(&self, server: &PostgresServer) -> Result<Postgres, ProvisionError> {
        let authority = self.authority(ServerRef::Postgres(&server.name)).await?;
        self.postgres_by(server, authority.as_deref()).await
    }

    async fn postgres_by(
        &self,
        server: &PostgresServer,
        authority: Option<&Authority>,
    ) -> Result<Postgres, ProvisionError> {
        let named = ServerRef::Postgres(&server.name);
        let account = self.account(named, &server.admin_secret).await?;
        let certificates = authority.map(|it| it.certificates.as_str());
        let leadership = Arc::clone(&self.leadership);
        Ok(Postgres::new(server, &account, certificates, leadership))
    }

    pub async fn rabbitmq(&self, server: &RabbitmqServer) -> Result<Rabbitmq, ProvisionError> {
        let authority = self.authority(ServerRef::Rabbitmq(&server.name)).await?;
        self.rabbitmq_by(server, authority.as_deref()).await
    }

    async fn rabbitmq_by(
        &self,
        server: &RabbitmqServer,
        authority: Option<&Authority>,
    ) -> Result<Rabbitmq, ProvisionError> {
        let named = ServerRef::Rabbitmq(&server.name);
        let account = self.account(named, &server.admin_secret).await?;
        let http = authority.map_or(&self.http, |it| &it.http);
        let leadership = Arc::clone(&self.leadership);
        Ok(Rabbitmq::new(server, &account, http.clone(), leadership))
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
        let authority = self.authority(ServerRef::Redis(&server.name)).await?;
        Ok(self.redis_by(server, account, authority.as_deref()))
    }

    fn redis_by(
        &self,
        server: &RedisServer,
        account: Option<Credentials>,
        authority: Option<&Authority>,
    ) -> Redis {
        let certificates = authority.map(|it| it.certificates.clone());
        Redis::new(server, account, certificates, Arc::clone(&self.leadership))
    }

    /// The operator's account, if it has one: what tenants use themselves where Redis has no users.
    pub async fn redis_account(
        &self,
        server: &RedisServer,
    ) -> Result<Option<Credentials>, ProvisionError> {
        let named = ServerRef::Redis(&server.name);
        match &server.admin_secret {
            Some(secret) => Ok(Some(self.account(named, secret).await?)),
            None => Ok(None),
        }
    }

    async fn account(
        &self,
        server: ServerRef<'_>,
        secret: &str,
    ) -> Result<Credentials, ProvisionError> {
        if let Some(account) = self.known(server, |known| known.account.clone()) {
            return Ok(account);
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
        self.known(server, |known| known.account = Some(account.clone()));
        Ok(account)
    }

    /// Who may have signed a server's certificate, by what its Secret was last seen to say; none where it is whom the system
    /// trusts.
    async fn authority(
        &self,
        server: ServerRef<'_>,
    ) -> Result<Option<Arc<Authority>>, ProvisionError> {
        let Some(secret) = self.ca_secret(server) else {
            return Ok(None);
        };
        if let Some(authority) = self.known(server, |known| known.authority.clone()) {
            return Ok(Some(authority));
        }
        let found = self.secret(server, "caSecret", secret).await?;
        let certificates = text(&found, "ca.crt").unwrap_or_default();
        let authority = Authority::of(certificates).map_err(|problem| {
            let problem = format_args!("`ca.crt` of its caSecret `{secret}` {problem}");
            unusable(server, problem)
        })?;
        let authority = Arc::new(authority);
        self.known(server, |known| {
            known.authority = Some(Arc::clone(&authority));
        });
        Ok(Some(authority))
    }

    /// The certificates (PEM) by which a server last answered. Others are given to nobody: what its Secret says meanwhile may
    /// be wrong.
    pub fn certificates(&self, server: ServerRef<'_>) -> Option<String> {
        self.known(server, |known| {
            let proven = known.proven.as_ref();
            proven.map(|authority| authority.certificates.clone())
        })
    }

    fn ca_secret(&self, server: ServerRef<'_>) -> Option<&str> {
        let secret = match server {
            ServerRef::Postgres(name) => &self.servers.postgres_named(Some(name))?.ca_secret,
            ServerRef::Rabbitmq(name) => &self.servers.rabbitmq_named(Some(name))?.ca_secret,
            ServerRef::Redis(name) => &self.servers.redis_named(Some(name))?.ca_secret,
        };
        secret.as_deref()
    }

    /// A Secret that the configuration of a server names in `field`.
    async fn secret(
        &self,
        server: ServerRef<'_>,
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

    /// What has failed may have been changed; others' is left as it is.
    fn forget(&self, server: ServerRef<'_>) {
        self.known(server, |known| {
            known.account = None;
            known.authority = None;
        });
    }

    fn known<T>(&self, server: ServerRef<'_>, with: impl FnOnce(&mut Known) -> T) -> T {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        with(known.entry(key(server)).or_default())
    }

    /// What the server last answered; asks it if nobody has yet.
    pub async fn health(&self, server: ServerRef<'_>) -> Health {
        match self.known(server, |known| known.health.clone()) {
            Some(health) => health,
            None => self.check(server).await,
        }
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
                self.forget(server);
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
            let before = self.known(server, |known| known.health.clone());
            let now = self.check(server).await;
            before.is_some_and(|before| before.is_ok() != now.is_ok() || before.ok() != now.ok())
        });
        // At once: one that is silent does not hold up the others.
        future::join_all(looks).await.contains(&true)
    }

    async fn check(&self, server: ServerRef<'_>) -> Health {
        let was_away = self.known(server, |known| matches!(known.health, Some(Err(_))));
        let mut health = self.incarnation(server).await;
        if health.is_err() && !was_away {
            health = self.incarnation(server).await;
        }
        self.metrics.called(system(server), health.is_ok());
        if health.is_err() {
            self.forget(server);
        }
        self.known(server, |known| known.health = Some(health.clone()));
        health
    }

    async fn incarnation(&self, server: ServerRef<'_>) -> Health {
        let unknown = |name: &str| ProvisionError::Unreachable {
            server: format!("server `{name}`"),
            cause: "it is not configured".to_owned(),
        };
        let authority = self.authority(server).await?;
        let by = authority.as_deref();
        let answer = match server {
            ServerRef::Postgres(name) => {
                let found = self.servers.postgres_named(Some(name));
                let found = found.ok_or_else(|| unknown(name))?;
                self.postgres_by(found, by).await?.incarnation().await?
            }
            ServerRef::Rabbitmq(name) => {
                let found = self.servers.rabbitmq_named(Some(name));
                let found = found.ok_or_else(|| unknown(name))?;
                self.rabbitmq_by(found, by).await?.incarnation().await?
            }
            ServerRef::Redis(name) => {
                let found = self.servers.redis_named(Some(name));
                let found = found.ok_or_else(|| unknown(name))?;
                let account = self.redis_account(found).await?;
                self.redis_by(found, account, by).incarnation().await?
            }
        };
        self.known(server, |known| known.proven = authority);
        Ok(answer)
    }
}

impl Authority {
    /// Checked here for all that use it: sqlx would show a file that it cannot read, whatever else is in it.
    fn of(certificates: String) -> Result<Self, String> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(certificates.as_bytes()) {
            let certificate = certificate.map_err(|_| "is not PEM")?;
            roots
                .add(certificate)
                .map_err(|cause| format!("has a certificate that cannot be read: {cause}"))?;
        }
        if roots.is_empty() {
            return Err("has no certificate".to_owned());
        }
        let http = trusting(&certificates).map_err(|cause| format!("cannot be used: {cause}"))?;
        Ok(Self { certificates, http })
    }
}

fn unusable(server: ServerRef<'_>, problem: impl Display) -> ProvisionError {
    let (ServerRef::Postgres(name) | ServerRef::Rabbitmq(name) | ServerRef::Redis(name)) = server;
    ProvisionError::unreachable(&format!("server `{name}`"), problem)
}

fn trusting(certificates: &str) -> reqwest::Result<reqwest::Client> {
    let certificates = Certificate::from_pem_bundle(certificates.as_bytes())?;
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

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[tokio::test]
    async fn certificates_are_handed_out_once_proven_and_forgotten_with_their_server_alone() {
        let address = "http://127.0.0.1:1".parse().unwrap();
        let access = ServerAccess {
            client: Client::try_from(kube::Config::new(address)).unwrap(),
            namespace: "albatross-system".to_owned(),
            servers: crate::tenant::fixtures::config().servers,
            http: reqwest::Client::new(),
            leadership: Arc::default(),
            metrics: Metrics::new(),
            known: Mutex::default(),
        };
        let authority = |certificates: &str| {
            Some(Arc::new(Authority {
                certificates: certificates.to_owned(),
                http: reqwest::Client::new(),
            }))
        };
        let (main, spare) = (ServerRef::Postgres("main"), ServerRef::Postgres("spare"));
        for server in [main, spare] {
            access.known(server, |known| known.authority = authority("new"));
        }
        assert_eq!(access.certificates(main), None);
        access.known(main, |known| known.proven = authority("old"));
        let handed_out = || access.certificates(main);
        assert_eq!(handed_out().as_deref(), Some("old"));
        access.forget(main);
        assert_eq!(handed_out().as_deref(), Some("old"));
        let is_read = |server| access.known(server, |known| known.authority.is_some());
        assert!(!is_read(main) && is_read(spare));
    }

    #[rstest]
    #[case("", "has no certificate")]
    #[case("certificate of our CA", "has no certificate")]
    #[case(
        "-----BEGIN CERTIFICATE-----\nnot base64!\n-----END CERTIFICATE-----",
        "is not PEM"
    )]
    #[case("-----BEGIN CERTIFICATE-----\nMIIB", "is not PEM")]
    #[case(
        "-----BEGIN CERTIFICATE-----\nTUlJQg==\n-----END CERTIFICATE-----",
        "has a certificate that cannot be read"
    )]
    fn what_holds_no_authority_is_told_and_never_shown(#[case] text: &str, #[case] said: &str) {
        let key = "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----";
        let error = Authority::of(format!("{key}\n{text}")).err().unwrap();
        assert!(error.starts_with(said), "{error}");
        assert!(!error.contains("c2VjcmV0"), "{error}");
    }
}
