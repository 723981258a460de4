//! A vhost and a user per tenant, through RabbitMQ's management API.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use base64::prelude::{BASE64_STANDARD, Engine};
use reqwest::{Method, Response, StatusCode};
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::config::RabbitmqServer;
use crate::lease::Leadership;
use crate::names::{AUTHORITIES_DIRECTORY, RABBITMQ_AUTHORITY};
use crate::provision::error::{Credentials, ProvisionError};
use crate::provision::percent::encoded;

const TIMEOUT: Duration = Duration::from_secs(5);
/// Of making or dropping something: with a thousand vhosts another one takes seconds, and its creation ends halfway when
/// whoever asked for it hangs up.
const WORK_TIMEOUT: Duration = Duration::from_secs(65);
/// A global parameter, of RabbitMQ 3.8.3 and newer.
const CLUSTER_ID: &str = "internal_cluster_id";
/// Pods of a tenant hold few connections; more than this is a fault or an attack.
const MAX_CONNECTIONS: u32 = 256;
const MAX_QUEUES: u32 = 256;
/// What a queue may take of the broker's disk, which is every tenant's, whoever has declared it and reads it no more.
const MAX_QUEUE_BYTES: u64 = 256 * 1024 * 1024;

/// A RabbitMQ server, seen with the operator's account.
#[derive(Debug, Clone)]
pub struct Rabbitmq {
    server: String,
    base: String,
    admin: Credentials,
    http: reqwest::Client,
    leadership: Arc<Leadership>,
}

/// What a tenant has on the server.
#[derive(Debug, Clone)]
pub struct Vhost<'a> {
    pub tenant_id: Uuid,
    pub vhost: &'a str,
    pub user: &'a str,
    pub password: &'a str,
    /// Random; used when the password's hash has to be written.
    pub salt: [u8; 4],
}

#[derive(Deserialize)]
struct GlobalParameter {
    value: String,
}

#[derive(Deserialize)]
struct VhostAnswer {
    #[serde(default)]
    description: String,
    /// `running` or another state, by node.
    #[serde(default)]
    cluster_state: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct UserAnswer {
    #[serde(default)]
    password_hash: String,
    #[serde(default)]
    hashing_algorithm: String,
    #[serde(default)]
    tags: Value,
}

impl Rabbitmq {
    pub fn new(
        server: &RabbitmqServer,
        admin: &Credentials,
        http: reqwest::Client,
        leadership: Arc<Leadership>,
    ) -> Self {
        Self {
            server: format!("RabbitMQ server `{}`", server.name),
            base: server.management.trim_end_matches('/').to_owned(),
            admin: admin.clone(),
            http,
            leadership,
        }
    }

    /// Tells one set of data of the server from another.
    pub async fn incarnation(&self) -> Result<String, ProvisionError> {
        // Users and vhosts outlive a restart, and end with the disk: so does this id, which RabbitMQ draws when it finds none,
        // and takes from no definitions. The cluster's name is the same afterwards.
        let path = format!("global-parameters/{CLUSTER_ID}");
        let id: Option<GlobalParameter> = self.get(&path).await?;
        let told = id.map(|id| id.value);
        told.ok_or_else(|| {
            let action = format!("tell its `{CLUSTER_ID}`");
            ProvisionError::refused(&self.server, &action, "not found")
        })
    }

    /// Makes vhost, user, permissions and limits, or brings them back to what is wanted.
    pub async fn ensure(&self, wanted: &Vhost<'_>) -> Result<(), ProvisionError> {
        let vhost = encoded(wanted.vhost);
        let user = encoded(wanted.user);
        match self.own_vhost(wanted).await? {
            Some(found) => self.start(&vhost, &found).await?,
            None => {
                let body = json!({"description": wanted.tenant_id, "tags": "albatross"});
                self.put(&format!("vhosts/{vhost}"), &body).await?;
            }
        }
        self.ensure_user(wanted).await?;
        let permissions = json!({"configure": ".*", "write": ".*", "read": ".*"});
        self.put(&format!("permissions/{vhost}/{user}"), &permissions)
            .await?;
        for (limit, value) in [
            ("max-connections", MAX_CONNECTIONS),
            ("max-queues", MAX_QUEUES),
        ] {
            self.put(
                &format!("vhost-limits/{vhost}/{limit}"),
                &json!({"value": value}),
            )
            .await?;
        }
        let definition = json!({"max-length-bytes": MAX_QUEUE_BYTES});
        let policy = json!({"pattern": ".*", "apply-to": "queues", "definition": definition});
        self.put(&format!("operator-policies/{vhost}/albatross"), &policy)
            .await
    }

    /// Drops the tenant's vhost and user; what is gone already is fine.
    pub async fn drop(&self, gone: &Vhost<'_>) -> Result<(), ProvisionError> {
        if self.own_vhost(gone).await?.is_some() {
            self.delete(&format!("users/{}", encoded(gone.user)))
                .await?;
            self.delete(&format!("vhosts/{}", encoded(gone.vhost)))
                .await?;
        }
        Ok(())
    }

    /// Starts it where it does not run, since nobody waited for the end of its creation.
    async fn start(&self, vhost: &str, found: &VhostAnswer) -> Result<(), ProvisionError> {
        let states = found.cluster_state.iter();
        for (node, _) in states.filter(|(_, state)| *state != "running") {
            let path = format!("vhosts/{vhost}/start/{}", encoded(node));
            let response = self.send(Method::POST, &path, None).await?;
            self.accepted(response, &path).await?;
        }
        Ok(())
    }

    /// The vhost, if there is one; an error if it is not the tenant's.
    async fn own_vhost(&self, wanted: &Vhost<'_>) -> Result<Option<VhostAnswer>, ProvisionError> {
        let path = format!("vhosts/{}", encoded(wanted.vhost));
        match self.get::<VhostAnswer>(&path).await? {
            None => Ok(None),
            Some(found) if found.description == wanted.tenant_id.to_string() => Ok(Some(found)),
            Some(_) => Err(ProvisionError::foreign(
                &self.server,
                format_args!("vhost `{}`", wanted.vhost),
            )),
        }
    }

    /// Writes the user only when password or tags differ: a write ends the user's cached log-ins.
    async fn ensure_user(&self, wanted: &Vhost<'_>) -> Result<(), ProvisionError> {
        let path = format!("users/{}", encoded(wanted.user));
        if let Some(found) = self.get::<UserAnswer>(&path).await?
            && found.hashing_algorithm.ends_with("sha256")
            && hash_matches(&found.password_hash, wanted.password)
            && no_tags(&found.tags)
        {
            return Ok(());
        }
        let body = json!({
            "password_hash": password_hash(wanted.password, wanted.salt),
            "hashing_algorithm": "rabbit_password_hashing_sha256",
            "tags": "",
        });
        self.put(&path, &body).await
    }

    async fn get<T: serde::de::DeserializeOwned>(
        &self,
        path: &str,
    ) -> Result<Option<T>, ProvisionError> {
        let response = self.send(Method::GET, path, None).await?;
        if response.status() == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        let response = self.accepted(response, path).await?;
        response
            .json()
            .await
            .map(Some)
            .map_err(|cause| ProvisionError::unreachable(&self.server, cause.without_url()))
    }

    async fn put(&self, path: &str, body: &Value) -> Result<(), ProvisionError> {
        let response = self.send(Method::PUT, path, Some(body)).await?;
        self.accepted(response, path).await.map(|_| ())
    }

    async fn delete(&self, path: &str) -> Result<(), ProvisionError> {
        let response = self.send(Method::DELETE, path, None).await?;
        if response.status() == StatusCode::NOT_FOUND {
            return Ok(());
        }
        self.accepted(response, path).await.map(|_| ())
    }

    /// Every request passes here: only the leader makes any.
    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Response, ProvisionError> {
        self.leadership.require();
        let timeout = match method {
            Method::GET => TIMEOUT,
            _ => WORK_TIMEOUT,
        };
        let mut request = self
            .http
            .request(method, format!("{}/api/{path}", self.base))
            .basic_auth(
                &self.admin.username,
                Some(self.admin.password.expose_secret()),
            )
            .timeout(timeout);
        if let Some(body) = body {
            request = request.json(body);
        }
        request
            .send()
            .await
            .map_err(|cause| ProvisionError::unreachable(&self.server, root_cause(&cause)))
    }

    async fn accepted(&self, response: Response, path: &str) -> Result<Response, ProvisionError> {
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        if status == StatusCode::UNAUTHORIZED || status.is_server_error() {
            return Err(ProvisionError::unreachable(
                &self.server,
                format_args!("the management API answers {status}"),
            ));
        }
        let reason = response.text().await.unwrap_or_default();
        let reason = reason.chars().take(300).collect::<String>();
        Err(ProvisionError::refused(
            &self.server,
            &format!("accept {path}"),
            format_args!("{status} {reason}"),
        ))
    }
}

/// The URL by which the tenant's runtime connects to its vhost.
pub fn url(server: &RabbitmqServer, vhost: &str, user: &str, password: &str) -> String {
    let (scheme, rest) = server
        .amqp
        .split_once("://")
        .unwrap_or(("amqp", &server.amqp));
    let authority = match (scheme, &server.ca_secret) {
        ("amqps", Some(_)) => format!("?cacertfile={AUTHORITIES_DIRECTORY}/{RABBITMQ_AUTHORITY}"),
        _ => String::new(),
    };
    format!(
        "{scheme}://{}:{}@{}/{}{authority}",
        encoded(user),
        encoded(password),
        rest.trim_end_matches('/'),
        encoded(vhost)
    )
}

/// Salt, then SHA-256 of salt and password: what RabbitMQ keeps.
fn password_hash(password: &str, salt: [u8; 4]) -> String {
    let digest = Sha256::new()
        .chain_update(salt)
        .chain_update(password)
        .finalize();
    let mut bytes = salt.to_vec();
    bytes.extend_from_slice(&digest);
    BASE64_STANDARD.encode(bytes)
}

fn hash_matches(stored: &str, password: &str) -> bool {
    BASE64_STANDARD
        .decode(stored)
        .ok()
        .and_then(|bytes| bytes.first_chunk::<4>().copied())
        .is_some_and(|salt| password_hash(password, salt) == stored)
}

/// Older servers answer with text, newer ones with a list.
fn no_tags(tags: &Value) -> bool {
    match tags {
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        _ => true,
    }
}

/// "Connection refused" rather than "error sending request".
fn root_cause(error: &(dyn std::error::Error + 'static)) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::routing::any;

    use super::*;

    fn server() -> RabbitmqServer {
        RabbitmqServer {
            name: "r".to_owned(),
            amqp: "amqp://mq.example:5672".to_owned(),
            management: "http://mq.example:15672".to_owned(),
            admin_secret: "s".to_owned(),
            egress: crate::config::Peers::default(),
            ca_secret: None,
        }
    }

    #[tokio::test]
    async fn making_and_dropping_may_take_longer_than_an_answer() {
        let slow = async || tokio::time::sleep(TIMEOUT + Duration::from_millis(500)).await;
        let router = Router::new().fallback(any(slow));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut server = server();
        server.management = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async { axum::serve(listener, router).await });
        let admin = Credentials {
            username: "admin".to_owned(),
            password: "password".into(),
        };
        let http = reqwest::Client::new();
        let rabbitmq = Rabbitmq::new(&server, &admin, http, Arc::default());
        let body = json!({});
        let (made, dropped, asked) = tokio::join!(
            rabbitmq.put("vhosts/v", &body),
            rabbitmq.delete("vhosts/v"),
            rabbitmq.get::<VhostAnswer>("vhosts/v"),
        );
        assert_eq!((made, dropped), (Ok(()), Ok(())));
        assert!(asked.is_err_and(|it| it.to_string().contains("cannot be reached")));
    }

    /// The example of RabbitMQ's guide on passwords: salt 908D C60A, password test12.
    #[test]
    fn hashes_as_the_broker_does() {
        let hash = password_hash("test12", [0x90, 0x8D, 0xC6, 0x0A]);
        assert_eq!(hash, "kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR");
        assert!(hash_matches(&hash, "test12"));
        assert!(!hash_matches(&hash, "test13"));
        assert!(!hash_matches("", "test12"));
    }

    #[test]
    fn a_vhost_in_a_url_is_encoded() {
        let mut server = server();
        assert_eq!(
            url(&server, "a/b", "u", "p@"),
            "amqp://u:p%40@mq.example:5672/a%2Fb"
        );
        server.amqp = "amqps://mq.example:5671".to_owned();
        server.ca_secret = Some("ca".to_owned());
        assert_eq!(
            url(&server, "a/b", "u", "p"),
            "amqps://u:p@mq.example:5671/a%2Fb?cacertfile=/etc/albatross/ca/rabbitmq.crt"
        );
    }
}
