//! A virtual host per test, through the management API.

use std::error::Error;

use reqwest::{Client, Method, Url};
use serde_json::{Value, json};

use crate::servers::names;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// A virtual host that belongs to one test, and its user of the same name.
pub struct VirtualHost {
    pub name: String,
    /// Of its own user.
    pub url: String,
    management: Url,
}

impl VirtualHost {
    /// Has the broker close every connection to this virtual host; returns how many there were.
    ///
    /// # Errors
    /// When the management API refuses or is away.
    pub async fn close_connections(&self) -> Result<usize> {
        let connections = call(
            &self.management,
            Method::GET,
            &["vhosts", &self.name, "connections"],
            None,
        )
        .await?;
        let names: Vec<&str> = connections
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|connection| connection["name"].as_str())
            .collect();
        for name in &names {
            call(
                &self.management,
                Method::DELETE,
                &["connections", name],
                None,
            )
            .await?;
        }
        Ok(names.len())
    }
}

pub async fn create(amqp: &str, management: &str) -> Result<VirtualHost> {
    let name = names::unique()?;
    let password = names::password();
    let management = Url::parse(management)?;
    let user = json!({"password": password, "tags": ""});
    let permissions = json!({"configure": ".*", "write": ".*", "read": ".*"});
    call(&management, Method::PUT, &["vhosts", &name], None).await?;
    call(&management, Method::PUT, &["users", &name], Some(user)).await?;
    call(
        &management,
        Method::PUT,
        &["permissions", &name, &name],
        Some(permissions),
    )
    .await?;
    let server = Url::parse(amqp)?;
    let host = server.host_str().ok_or("AMQP_URL has no host")?;
    let port = server.port().unwrap_or(5672);
    Ok(VirtualHost {
        url: format!("amqp://{name}:{password}@{host}:{port}/{name}"),
        name,
        management,
    })
}

pub async fn sweep(management: &str) -> Result<()> {
    let management = Url::parse(management)?;
    for kind in ["vhosts", "users"] {
        let found = call(&management, Method::GET, &[kind], None).await?;
        for name in found
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|entry| entry["name"].as_str())
            .filter(|name| names::is_abandoned(name))
        {
            if let Err(error) = call(&management, Method::DELETE, &[kind, name], None).await {
                eprintln!("{name} is left to whoever comes next: {error}");
            }
        }
    }
    Ok(())
}

/// A client of its own per call: a pooled connection would die with the runtime of the test that opened it.
async fn call(
    management: &Url,
    method: Method,
    path: &[&str],
    body: Option<Value>,
) -> Result<Value> {
    let mut url = management.clone();
    url.path_segments_mut()
        .map_err(|()| "RABBITMQ_MANAGEMENT_URL has no path")?
        .clear()
        .push("api")
        .extend(path);
    let gone_is_fine = method == Method::DELETE;
    let mut request = Client::new().request(method, url);
    if let Some(body) = body {
        request = request.json(&body);
    }
    let response = request.send().await?;
    if gone_is_fine && response.status() == 404 {
        return Ok(Value::Null);
    }
    let bytes = response.error_for_status()?.bytes().await?;
    if bytes.is_empty() {
        return Ok(Value::Null);
    }
    Ok(serde_json::from_slice(&bytes)?)
}
