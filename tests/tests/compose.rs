//! `compose.yaml` without a container engine: its services' environment and commands, run as processes in its order.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use albatross_tests::airline::Caller;
use albatross_tests::processes::{Process, albatross, free_port};
use albatross_tests::servers::{Database, RedisUser, VirtualHost, servers};
use albatross_tests::wait::until;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use lapin::options::BasicGetOptions;
use lapin::{Connection, ConnectionProperties};
use reqwest::{Method, StatusCode, Url};
use serde_json::json;
use serde_yaml_ng::Value;

type Variables = BTreeMap<String, String>;

/// What Compose puts in for `${NAME:-default}` and `${NAME:?message}`.
fn interpolate(text: &str, variables: &Variables) -> String {
    let Some((before, rest)) = text.split_once("${") else {
        return text.to_owned();
    };
    let (inside, after) = rest.split_once('}').expect("a closed variable");
    let (name, default) = match inside.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (inside.split(":?").next().unwrap_or_default(), None),
    };
    let value = variables.get(name).map(String::as_str).or(default);
    let value = value.unwrap_or_else(|| panic!("{name} must be set"));
    format!("{before}{value}{}", interpolate(after, variables))
}

struct Compose {
    file: Value,
    variables: Variables,
}

impl Compose {
    fn read(variables: Variables) -> Self {
        let text = include_str!("../../compose.yaml");
        let mut file: Value = serde_yaml_ng::from_str(text).expect("compose.yaml is YAML");
        file.apply_merge().expect("compose.yaml merges maps");
        Self { file, variables }
    }

    fn service(&self, name: &str) -> &Value {
        &self.file["services"][name]
    }

    fn text(&self, value: &Value) -> String {
        interpolate(value.as_str().expect("text"), &self.variables)
    }

    fn list(&self, value: &Value) -> Vec<String> {
        let values = value.as_sequence().expect("a list");
        values.iter().map(|value| self.text(value)).collect()
    }

    fn environment(&self, service: &str) -> Variables {
        let environment = self.service(service)["environment"].as_mapping();
        let entries = environment.expect("a map").iter();
        let entry = |(name, value): (&Value, &Value)| (self.text(name), self.text(value));
        entries.map(entry).collect()
    }

    fn depends_on(&self, service: &str) -> Vec<String> {
        let services = self.service(service)["depends_on"].as_mapping();
        let names = services.expect("a map").keys();
        names.map(|name| self.text(name)).collect()
    }
}

/// The servers that stand for those of the file, and the ports of what is published.
struct Stage {
    compose: Compose,
    database: Database,
    broker: VirtualHost,
    cache: RedisUser,
    port: u16,
    probes: u16,
    internal: u16,
}

impl Stage {
    async fn new() -> Self {
        let port = free_port();
        let secret = |byte| BASE64_STANDARD.encode([byte; 32]);
        let variables = [
            ("ALBATROSS_TENANT_KEY", secret(1)),
            ("ALBATROSS_PEPPER", secret(2)),
            ("ALBATROSS_INTERNAL_TOKEN", secret(3)),
            (
                "ALBATROSS_PUBLIC_URL",
                format!("http://skyways.localhost:{port}"),
            ),
        ];
        let variables = variables.map(|(name, value)| (name.to_owned(), value));
        Self {
            compose: Compose::read(variables.into()),
            database: servers().await.database().await,
            broker: servers().await.virtual_host().await,
            cache: servers().await.redis_user().await,
            port,
            probes: free_port(),
            internal: free_port(),
        }
    }

    /// The environment of a service, with each address replaced by its private stand-in once it was found
    /// to be the address of a service of the file.
    fn environment(&self, service: &str) -> Variables {
        let mut environment = self.compose.environment(service);
        let replace =
            |environment: &mut Variables, name: &str, check: fn(&Compose, &Url), by: &str| {
                if let Some(url) = environment.get_mut(name) {
                    check(&self.compose, &Url::parse(url).expect("a URL"));
                    *url = by.to_owned();
                }
            };
        replace(
            &mut environment,
            "DATABASE_URL",
            is_postgres,
            &self.database.url,
        );
        replace(&mut environment, "AMQP_URL", is_rabbitmq, &self.broker.url);
        replace(&mut environment, "REDIS_URL", is_redis, &self.cache.url);
        if let Some(prefix) = environment.get_mut("ALBATROSS_REDIS_PREFIX") {
            prefix.clone_from(&self.cache.prefix);
        }
        if let Some(listen) = environment.get_mut("ALBATROSS_LISTEN") {
            let inside = listen.rsplit(':').next().expect("a port").to_owned();
            let published = self.compose.list(&self.compose.service(service)["ports"]);
            assert!(
                published[0].ends_with(&format!(":{inside}")),
                "{published:?}"
            );
            *listen = format!("127.0.0.1:{}", self.port);
            // In a container these are its own; here they would be this machine's.
            let own = |port: u16| format!("127.0.0.1:{port}");
            environment.insert("ALBATROSS_PROBE_LISTEN".to_owned(), own(self.probes));
            environment.insert("ALBATROSS_INTERNAL_LISTEN".to_owned(), own(self.internal));
        }
        environment
    }

    fn command(&self, service: &str) -> Command {
        let command = self.compose.list(&self.compose.service(service)["command"]);
        let arguments: Vec<&str> = command.iter().map(String::as_str).collect();
        let mut command = albatross(&arguments);
        command.env_clear().envs(self.environment(service));
        command
    }
}

fn is_postgres(compose: &Compose, url: &Url) {
    let server = compose.environment("postgres");
    assert_eq!((url.host_str(), url.port()), (Some("postgres"), Some(5432)));
    assert_eq!(url.username(), server["POSTGRES_USER"]);
    assert_eq!(url.password(), Some(&*server["POSTGRES_PASSWORD"]));
    assert_eq!(url.path(), format!("/{}", server["POSTGRES_DB"]));
}

fn is_rabbitmq(compose: &Compose, url: &Url) {
    let server = compose.environment("rabbitmq");
    assert_eq!((url.host_str(), url.port()), (Some("rabbitmq"), Some(5672)));
    assert_eq!(url.username(), server["RABBITMQ_DEFAULT_USER"]);
    assert_eq!(url.password(), Some(&*server["RABBITMQ_DEFAULT_PASS"]));
    assert_eq!(url.path(), "/%2f");
}

fn is_redis(compose: &Compose, url: &Url) {
    let command = compose.list(&compose.service("redis")["command"]);
    assert_eq!((url.host_str(), url.port()), (Some("redis"), Some(6379)));
    assert_eq!(command[..2], ["redis-server", "--requirepass"]);
    assert_eq!(url.password(), Some(&*command[2]));
}

/// Messages of the feed; the queue is the runtime's own.
async fn published(broker: &VirtualHost) -> usize {
    let connection = Connection::connect(&broker.url, ConnectionProperties::default()).await;
    let channel = connection.expect("a connection").create_channel().await;
    let channel = channel.expect("a channel");
    let mut count = 0;
    let options = BasicGetOptions { no_ack: false };
    while let Ok(Some(_)) = channel.basic_get("albatross.events".into(), options).await {
        count += 1;
    }
    count
}

#[tokio::test]
async fn the_services_of_the_file_make_an_airline_that_works() {
    let stage = Stage::new().await;
    let mut done = BTreeSet::from(["postgres", "rabbitmq", "redis"]);
    let mut said = String::new();
    for service in ["migrate", "admin"] {
        let waits = stage.compose.depends_on(service);
        assert!(waits.iter().all(|it| done.contains(&**it)), "{service}");
        let ended = Process::start(stage.command(service)).ended().await;
        assert!(ended.status.success(), "{service}: {}", ended.stderr);
        said = ended.stdout;
        done.insert(service);
    }
    let waits = stage.compose.depends_on("serve");
    assert_eq!(waits, ["admin", "rabbitmq", "redis"]);
    let mut serve = Process::start(stage.command("serve"));
    let ready = format!("http://127.0.0.1:{}/readyz", stage.probes);
    serve.answers(&ready, 200).await;

    let begin = format!("http://skyways.localhost:{}/", stage.port);
    let link = said.split_whitespace().find(|it| it.starts_with(&begin));
    let address = format!("http://127.0.0.1:{}", stage.port);
    let host = format!("skyways.localhost:{}", stage.port);
    let admin = Caller::by_link(&address, &host, link.expect("a link")).await;
    let filed = admin
        .request(Method::POST, "/pireps")
        .header("Idempotency-Key", "first")
        .json(&json!({"intent": "draft", "plan": {"flightNumber": "SKY1", "departure": "LIRF", "arrival": "LLBG"}}))
        .send()
        .await
        .expect("an answer");
    assert_eq!(filed.status(), StatusCode::CREATED);
    until("the flight is listed", async || {
        admin.get("/pireps").await["items"][0]["plan"]["flightNumber"] == "SKY1"
    })
    .await;
    until("the broker has its events", async || {
        published(&stage.broker).await > 0
    })
    .await;
    let ended = serve.interrupt().await;
    assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
    // On a busy machine a server may be slow for a moment.
    let is_slow = |line: &&str| {
        ["slow statement", "acquired connection"]
            .iter()
            .any(|words| line.contains(words))
    };
    let mut warnings = ended.stderr.lines().filter(|line| line.contains("WARN"));
    assert!(warnings.all(|line| is_slow(&line)), "{}", ended.stderr);
}

#[test]
fn secrets_have_no_defaults_that_would_go_live() {
    let compose = Compose::read(Variables::new());
    for secret in [
        "ALBATROSS_TENANT_KEY",
        "ALBATROSS_PEPPER",
        "ALBATROSS_INTERNAL_TOKEN",
    ] {
        let written = compose.service("serve")["environment"][secret].as_str();
        let begin = format!("${{{secret}:?");
        assert!(
            written.is_some_and(|it| it.starts_with(&begin)),
            "{written:?}"
        );
    }
}
