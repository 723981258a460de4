//! Two airlines' real runtimes, as their pods would run them: neither takes the other's token, key or log-in link.

use std::collections::BTreeMap;

use albatross_tests::airline::Caller;
use albatross_tests::platform::Platform;
use albatross_tests::processes::{Process, albatross, free_port};
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use reqwest::StatusCode;
use serde_json::json;

const TENANTS: [&str; 2] = ["eastern", "western"];

/// What a tenant's pod is, with the credentials that it would be given.
struct Airline {
    _process: Process,
    public: String,
    internal: String,
    token: String,
    key: String,
    link: String,
}

#[tokio::test]
async fn a_runtime_refuses_the_token_the_key_and_the_link_of_its_neighbour() {
    let platform = Platform::new().await;
    platform.client_namespace().await;
    let operator = platform.operator().await;
    let mut airlines = Vec::new();
    for tenant in TENANTS {
        platform.airline(tenant, json!({})).await;
        platform.declare_key(tenant, tenant, json!({})).await;
        platform.key_comes_to(tenant, "True", "Available").await;
        airlines.push(start(&platform, tenant).await);
    }
    let (east, west) = (&airlines[0], &airlines[1]);
    for ((name, own), (neighbours_name, neighbour)) in [
        ((TENANTS[0], east), (TENANTS[1], west)),
        ((TENANTS[1], west), (TENANTS[0], east)),
    ] {
        let refused = tell(&platform, name, &own.internal, &neighbour.token).await;
        assert_eq!(refused, StatusCode::UNAUTHORIZED);
        let told = tell(&platform, name, &own.internal, &own.token).await;
        assert_eq!(told, StatusCode::OK);
        let of_another = tell(&platform, neighbours_name, &own.internal, "").await;
        assert_eq!(of_another, StatusCode::UNAUTHORIZED);
    }
    for (name, own, neighbour) in [(TENANTS[0], east, west), (TENANTS[1], west, east)] {
        let host = format!("{name}.example");
        let with = |key: &str| Caller::with_key(&own.public, &host, key);
        let refused = with(&neighbour.key).status_of("/pireps").await;
        assert_eq!(refused, StatusCode::UNAUTHORIZED, "the neighbour's key");
        let known = with(&own.key).status_of("/pireps").await;
        assert_ne!(known, StatusCode::UNAUTHORIZED, "the own key");
        assert_eq!(
            open(own, &host, &neighbour.link).await,
            StatusCode::UNAUTHORIZED
        );
        assert_eq!(open(own, &host, &own.link).await, StatusCode::OK);
        reads_no_secret(&platform, name).await;
    }
    drop(airlines);
    for tenant in TENANTS {
        platform.remove_key(tenant).await;
        platform.remove(tenant).await;
    }
    operator.stop().await;
}

async fn start(platform: &Platform, tenant: &str) -> Airline {
    let namespace = format!("albatross-{tenant}");
    let given = async |name: &str| {
        let secret = platform.secret(&namespace, name).await;
        secret.unwrap_or_else(|| panic!("{name} of {tenant}"))
    };
    let migrate = given("albatross-migrate").await;
    let migrated = albatross(&["migrate"]).envs(migrate).output().unwrap();
    assert!(migrated.status.success(), "{migrated:?}");
    let mut environment: BTreeMap<String, String> = given("albatross-api").await;
    // Pods would find it elsewhere; nothing here needs it.
    environment.remove("AMQP_URL");
    // It is told once it is ready, and not by the operator.
    environment.remove("ALBATROSS_REQUIRED_DESIRED");
    let [public, internal, probes] =
        [free_port(), free_port(), free_port()].map(|port| format!("127.0.0.1:{port}"));
    let mut serve = albatross(&["serve"]);
    serve.envs(&environment).envs([
        ("ALBATROSS_LISTEN", &public),
        ("ALBATROSS_INTERNAL_LISTEN", &internal),
        ("ALBATROSS_PROBE_LISTEN", &probes),
    ]);
    let mut process = Process::start(serve);
    process
        .answers(&format!("http://{probes}/readyz"), 200)
        .await;
    let links = given("albatross-admin-links").await;
    Airline {
        _process: process,
        public: format!("http://{public}"),
        internal: format!("http://{internal}"),
        token: environment["ALBATROSS_INTERNAL_TOKEN"].clone(),
        key: platform.client_secret(tenant).await["key"].clone(),
        link: links.into_values().next().expect("a link"),
    }
}

/// Tells a runtime what the operator told the one that stands for it.
async fn tell(platform: &Platform, tenant: &str, address: &str, token: &str) -> StatusCode {
    let answer = reqwest::Client::new()
        .put(format!("{address}/internal/v1/desired"))
        .bearer_auth(token)
        .json(&platform.runtimes.of(tenant).state)
        .send()
        .await;
    answer.unwrap().status()
}

/// Opens a one-time link, as a browser does.
async fn open(airline: &Airline, host: &str, link: &str) -> StatusCode {
    let (_, token) = link.rsplit_once('#').unwrap();
    let answer = reqwest::Client::new()
        .post(format!("{}/api/v1/auth/link", airline.public))
        .header("host", host)
        .header("origin", format!("http://{host}"))
        .json(&json!({ "token": token }))
        .send()
        .await;
    answer.unwrap().status()
}

/// Not even its own: a pod's account has no rights, and no token in the pod either.
async fn reads_no_secret(platform: &Platform, tenant: &str) {
    let account = format!("system:serviceaccount:albatross-{tenant}:runtime");
    let client = platform.api_server.client_as(&account);
    for namespace in TENANTS.map(|name| format!("albatross-{name}")) {
        let secrets: Api<Secret> = Api::namespaced(client.clone(), &namespace);
        for name in [
            "albatross-api",
            "albatross-migrate",
            "albatross-admin-links",
        ] {
            let refused = secrets.get(name).await;
            let is_forbidden =
                matches!(&refused, Err(kube::Error::Api(status)) if status.is_forbidden());
            assert!(is_forbidden, "{account}: {namespace}/{name}");
        }
    }
}
