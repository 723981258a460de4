//! Servers that speak TLS, by certificates of an authority of the platform's own: the airline's pods believe them. What it had
//! there goes with an airline that is not to be retained.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use albatross_tests::chart::{CHART, NAMESPACE, helm};
use albatross_tests::kubectl::{attempt, kubectl, object, secret};
use albatross_tests::platform::Outside;
use albatross_tests::servers::PrivateServer;
use albatross_tests::tls::{Authority, Sealed};
use albatross_tests::wait::recovered;
use reqwest::Url;
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};

use crate::airline::{Airline, CLUSTER, entry};

/// This machine, as pods of the local cluster see it.
const MACHINE: Ipv4Addr = Ipv4Addr::new(10, 244, 0, 1);
const SECRETS: [&str; 2] = ["secret/sealed-ca", "secret/sealed-admin"];

fn keep(name: &str, data: &[(&str, &str)]) {
    let data: Vec<String> = data
        .iter()
        .map(|(key, value)| format!("--from-literal={key}={value}"))
        .collect();
    let create = [
        "--namespace",
        NAMESPACE,
        "create",
        "secret",
        "generic",
        name,
    ];
    let data: Vec<&str> = data.iter().map(String::as_str).collect();
    kubectl(&[&create[..], &data].concat());
}

/// Also what a run that failed has left.
fn forget() {
    let delete = ["--namespace", NAMESPACE, "delete", "--ignore-not-found"];
    kubectl(&[&delete[..], &SECRETS].concat());
}

fn values() -> Value {
    let get = ["get", "values", "albatross", "--namespace", NAMESPACE];
    let values = helm(&[&get[..], &["--output=json"]].concat()).expect("the release's values");
    serde_json::from_str(&values).expect("helm prints JSON")
}

fn install(values: &Value) {
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(file.path(), values.to_string()).expect("a written file");
    let path = file.path().to_string_lossy();
    let release = ["upgrade", "albatross", CHART, "--namespace", NAMESPACE];
    let change = ["--values", &path, "--wait", "--timeout=3m"];
    helm(&[&release[..], &change[..]].concat()).expect("helm upgrades the release");
}

/// Of the cluster's first server of a kind: its URL in this field, as this machine reaches it.
fn reached(values: &Value, kind: &str, field: &str) -> String {
    let url = values["config"]["servers"][kind][0][field].as_str();
    let mut url: Url = url.expect("a server has a URL").parse().expect("a URL");
    url.set_host(Some("127.0.0.1")).expect("a URL with a host");
    url.into()
}

/// The same with the operator's account there, of this Secret.
fn entered(values: &Value, kind: &str, field: &str, account: &str) -> String {
    let account = secret(NAMESPACE, account);
    let mut url: Url = reached(values, kind, field).parse().expect("a URL");
    url.set_username(&entry(&account, "username"))
        .and_then(|()| url.set_password(Some(&entry(&account, "password"))))
        .expect("a server's URL can name an account");
    url.into()
}

fn address(airline: &Airline) -> IpAddr {
    let pods = airline.pods();
    let pod = format!("pod/{}", pods.first().expect("a pod"));
    let pod = object(&airline.namespace, &pod);
    let address = pod["status"]["podIP"]
        .as_str()
        .expect("a pod has an address");
    address.parse().expect("an address")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pods_believe_servers_by_the_authority_that_is_mounted_for_them() {
    let postgres = PrivateServer::postgres().await;
    let _turn = CLUSTER.lock().await;
    let authority = Authority::new();
    postgres
        .speak_tls(&authority.sign(&format!("IP:{MACHINE}")))
        .await;
    let before = values();
    let sealed =
        async |kind, field| Sealed::at(MACHINE, &reached(&before, kind, field), &authority).await;
    let broker = sealed("rabbitmq", "amqp").await;
    let management = sealed("rabbitmq", "management").await;
    let cache = sealed("redis", "url").await;

    let database: Url = postgres.database_url().parse().expect("a URL");
    forget();
    keep("sealed-ca", &[("ca.crt", &authority.certificate())]);
    let password = database.password().expect("an account has a password");
    keep(
        "sealed-admin",
        &[("username", database.username()), ("password", password)],
    );
    let egress = json!({"cidrs": [format!("{MACHINE}/32")]});
    let mut changed = before.clone();
    for (kind, server) in [
        (
            "postgres",
            json!({"host": MACHINE, "port": database.port(), "adminSecret": "sealed-admin", "connectionBudget": 100, "tls": "verify-full"}),
        ),
        (
            "rabbitmq",
            json!({"amqp": broker.url("amqps"), "management": management.url("https"), "adminSecret": "rabbitmq-admin"}),
        ),
        (
            "redis",
            json!({"url": cache.url("rediss"), "adminSecret": "redis-admin"}),
        ),
    ] {
        let mut server = server;
        server["name"] = json!("sealed");
        server["caSecret"] = json!("sealed-ca");
        server["egress"] = egress.clone();
        let servers = changed["config"]["servers"][kind].as_array_mut();
        servers.expect("servers").push(server);
    }
    install(&changed);

    let unexposed = "  exposure:\n    none: {}\n";
    let placed = format!(
        "{unexposed}  placement: {{postgres: sealed, rabbitmq: sealed, redis: sealed}}\n  deletionPolicy: Delete\n"
    );
    let airline = Airline::declared("skyways", &[(unexposed, &placed)]);
    let mounted = entry(&secret(&airline.namespace, "albatross-ca"), "postgres.crt");
    assert_eq!(mounted.trim(), authority.certificate().trim());
    let flight = airline.file_a_flight().await;
    let listed = airline.client().get(&format!("/pireps/{flight}")).await;
    assert_eq!(listed["id"], flight);

    let pod = address(&airline);
    for (server, sealed) in [("the broker", &broker), ("the cache", &cache)] {
        recovered(&format!("the pod believes {server}"), async || {
            sealed.is_believed_by(pod)
        })
        .await;
    }
    let mut connection = PgConnection::connect(&postgres.superuser_url())
        .await
        .expect("PostgreSQL is there");
    let plain = "SELECT count(*) FILTER (WHERE NOT ssl), count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) \
         WHERE datname NOT IN ('postgres', 'template1')";
    let (plain, all): (i64, i64) = sqlx::query_as(plain)
        .fetch_one(&mut connection)
        .await
        .expect("PostgreSQL answers");
    assert!(
        plain == 0 && all > 0,
        "{plain} of {all} connections are not sealed"
    );
    let record: BTreeMap<String, String> = secret(NAMESPACE, &format!("tenant-{}", airline.name))
        .into_iter()
        .collect();
    let management = entered(&before, "rabbitmq", "management", "rabbitmq-admin");
    let cache = entered(&before, "redis", "url", "redis-admin");
    let outside =
        async || Outside::seen(postgres.database_url(), &management, &cache, &record).await;
    assert_eq!(outside().await, Outside::ALL);
    let inside = [
        format!("secret/tenant-{}", airline.name),
        format!("namespace/{}", airline.namespace),
    ];
    let is_there = |it: &String| {
        attempt(&["--namespace", NAMESPACE, "get", it])
            .status
            .success()
    };
    assert!(inside.iter().all(is_there));
    airline.remove();
    assert_eq!(outside().await, Outside::NOTHING);
    assert!(!inside.iter().any(is_there), "{inside:?}");
    install(&before);
    forget();
}
