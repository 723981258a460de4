//! The internal API of a tenant's runtime: one level-triggered call that says everything the operator wants of it, and
//! the question that hibernation asks.

use std::sync::Arc;
use std::time::Duration;

use reqwest::{RequestBuilder, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tracing::Instrument;
use uuid::Uuid;

use crate::context::ledger::MOST;
use crate::lease::Leadership;

const TIMEOUT: Duration = Duration::from_secs(10);
const CONNECT: Duration = Duration::from_secs(3);

/// The whole state that a runtime is to be in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Desired {
    pub number: u64,
    #[serde(flatten)]
    pub state: DesiredState,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DesiredState {
    pub tenant: DesiredTenant,
    pub admins: Vec<DesiredAdmin>,
    pub api_keys: Vec<DesiredApiKey>,
    /// Ids of keys that stay as they are, since nobody can tell at the moment what is declared of them.
    pub kept_api_keys: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DesiredTenant {
    pub display_name: String,
    pub icao_code: String,
    pub public_url: String,
    pub limits: DesiredLimits,
}

/// What the airline may grow to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DesiredLimits {
    pub pilots: Option<i32>,
    pub pireps_per_day: Option<i32>,
    pub storage_bytes: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DesiredAdmin {
    pub email: String,
    pub display_name: String,
    pub role: AdminRole,
    pub login_link: Option<DesiredLink>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum AdminRole {
    TenantAdmin,
    PlatformAdmin,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DesiredLink {
    pub id: String,
    pub digest: String,
    pub expires_at: jiff::Timestamp,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DesiredApiKey {
    pub key_id: String,
    pub digest: String,
    /// E-mail address; none: a machine user.
    pub user: Option<String>,
    /// Name of that machine user.
    pub machine_user: String,
    pub scopes: Vec<String>,
    pub expires_at: Option<jiff::Timestamp>,
    pub revoked: bool,
}

/// What the runtime says it has applied.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    pub number: u64,
    pub tenant_id: String,
    pub schema_version: i64,
    pub version: String,
    #[serde(default)]
    pub admins: Vec<AnsweredAdmin>,
    #[serde(default)]
    pub api_keys: Vec<AnsweredApiKey>,
    #[serde(default)]
    pub refused_keys: Vec<RefusedApiKey>,
    /// Another text for other people who have been erased; none from a runtime that does not say.
    #[serde(default)]
    pub erased_digest: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AnsweredAdmin {
    pub email: String,
    pub has_logged_in: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AnsweredApiKey {
    pub key_id: String,
    pub state: ApiKeyState,
}

/// A key that the runtime does not register; the others are.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RefusedApiKey {
    pub key_id: String,
    pub message: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum ApiKeyState {
    Active,
    Expired,
    Revoked,
}

/// Why the runtime did not take the state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RuntimeError {
    #[error("the runtime does not answer: {0}")]
    Unreachable(String),
    /// It has applied a state with a higher number: the record came from a backup.
    #[error("the runtime has already applied state {applied}")]
    Stale { applied: u64 },
    #[error("the runtime refuses the declared state: {0}")]
    Refused(String),
}

#[derive(Deserialize)]
struct StaleAnswer {
    applied: u64,
}

#[derive(Deserialize)]
struct AirborneAnswer {
    flights: u64,
}

#[derive(Deserialize)]
struct ErasedAnswer {
    items: Vec<Uuid>,
    next: Option<Uuid>,
}

/// Tells runtimes their state.
#[derive(Debug, Clone)]
pub struct RuntimeClient {
    http: reqwest::Client,
    leadership: Arc<Leadership>,
}

impl RuntimeClient {
    /// # Errors
    /// When there is no source of randomness or of trust for TLS.
    pub fn new(leadership: Arc<Leadership>) -> reqwest::Result<Self> {
        // A Service's address leads elsewhere until every node knows it: a connection that was kept would stay there.
        let http = reqwest::Client::builder()
            .no_proxy()
            .connect_timeout(CONNECT)
            .pool_max_idle_per_host(0)
            .build()?;
        Ok(Self { http, leadership })
    }

    /// `PUT /internal/v1/desired`; repeating it changes nothing. It alone changes anything: only the leader asks for it.
    pub async fn put(
        &self,
        base: &str,
        token: &SecretString,
        desired: &Desired,
    ) -> Result<Answer, RuntimeError> {
        let url = format!("{}/internal/v1/desired", base.trim_end_matches('/'));
        self.leadership.require();
        answer(self.http.put(url).json(desired), token).await
    }

    /// `GET /internal/v1/airborne`: how many flights are under way, interrupted ones included.
    pub async fn airborne(&self, base: &str, token: &SecretString) -> Result<u64, RuntimeError> {
        let url = format!("{}/internal/v1/airborne", base.trim_end_matches('/'));
        let answer: AirborneAnswer = answer(self.http.get(url), token).await?;
        Ok(answer.flights)
    }

    /// `GET /internal/v1/erased`: who has been erased, page by page, until they are more than a ledger holds.
    pub async fn erased(
        &self,
        base: &str,
        token: &SecretString,
    ) -> Result<Vec<Uuid>, RuntimeError> {
        let url = format!("{}/internal/v1/erased", base.trim_end_matches('/'));
        let mut page: ErasedAnswer = answer(self.http.get(&url), token).await?;
        let mut erased = page.items;
        while let Some(after) = page.next
            && erased.len() <= MOST
        {
            let url = format!("{url}?after={after}");
            page = answer(self.http.get(url), token).await?;
            if page.next.is_some_and(|next| next <= after) {
                let problem = "its pages of who was erased do not end";
                return Err(RuntimeError::Refused(problem.to_owned()));
            }
            erased.append(&mut page.items);
        }
        Ok(erased)
    }
}

async fn answer<T: DeserializeOwned>(
    request: RequestBuilder,
    token: &SecretString,
) -> Result<T, RuntimeError> {
    let (client, request) = request
        .bearer_auth(token.expose_secret())
        .timeout(TIMEOUT)
        .build_split();
    let request = request.map_err(|cause| RuntimeError::Refused(root_cause(&cause)))?;
    let span =
        tracing::debug_span!("call", method = %request.method(), path = request.url().path());
    let response = client
        .execute(request)
        .instrument(span)
        .await
        .map_err(|cause| RuntimeError::Unreachable(root_cause(&cause)))?;
    let status = response.status();
    let body = response
        .bytes()
        .await
        .map_err(|cause| RuntimeError::Unreachable(root_cause(&cause)))?;
    if status.is_success() {
        return serde_json::from_slice(&body)
            .map_err(|cause| RuntimeError::Refused(format!("its answer is not valid: {cause}")));
    }
    if status == StatusCode::CONFLICT
        && let Ok(StaleAnswer { applied }) = serde_json::from_slice(&body)
    {
        return Err(RuntimeError::Stale { applied });
    }
    if status.is_server_error() {
        return Err(RuntimeError::Unreachable(format!("it answers {status}")));
    }
    let reason: String = String::from_utf8_lossy(&body).chars().take(300).collect();
    Err(RuntimeError::Refused(format!("{status} {reason}")))
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
    use serde_json::json;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    async fn serve(mut connection: TcpStream, answer: &str) {
        let mut request = [0; 4_096];
        while connection
            .read(&mut request)
            .await
            .is_ok_and(|length| length > 0)
        {
            connection.write_all(answer.as_bytes()).await.unwrap();
        }
    }

    #[tokio::test]
    async fn a_connection_that_led_elsewhere_is_not_used_again() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            let body = r#"{"flights": 3}"#;
            let found = format!(
                "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            );
            let mut answer = "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n".to_owned();
            while let Ok((connection, _)) = listener.accept().await {
                let answer = std::mem::replace(&mut answer, found.clone());
                tokio::spawn(async move { serve(connection, &answer).await });
            }
        });
        let client = RuntimeClient::new(Arc::default()).unwrap();
        let token = SecretString::from("token");
        let elsewhere = client.airborne(&base, &token).await;
        assert!(matches!(elsewhere, Err(RuntimeError::Refused(_))));
        assert_eq!(client.airborne(&base, &token).await, Ok(3));
    }

    #[test]
    fn an_older_runtime_refuses_no_key_and_erases_nobody_by_itself() {
        let mut answer = json!({
            "number": 1, "tenantId": "5c1", "schemaVersion": 6, "version": "0.1.0", "admins": [],
            "apiKeys": [{"keyId": "0123456789ab", "state": "Active"}],
        });
        let read = |answer: &serde_json::Value| serde_json::from_value::<Answer>(answer.clone());
        assert!(read(&answer).unwrap().refused_keys.is_empty());
        assert_eq!(read(&answer).unwrap().erased_digest, None);
        answer["refusedKeys"] = json!([{"keyId": "abcdefghijkl", "message": "why"}]);
        let refused = read(&answer).unwrap().refused_keys;
        assert_eq!(
            (refused[0].key_id.as_str(), refused[0].message.as_str()),
            ("abcdefghijkl", "why")
        );
    }
}
