//! Servers over TLS: whose certificate is believed, what is said of one that is not, and what pods are given to check it by.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use albatross::adapters::rabbitmq::RabbitFeed;
use albatross::adapters::redis::Redis;
use albatross::ports::event_bus::{Feed, FeedMessage};
use albatross_crds::tenant_namespace;
use albatross_tests::chart::NAMESPACE;
use albatross_tests::platform::{Platform, bare, condition};
use albatross_tests::proxy::{Mode, Proxy};
use albatross_tests::random::{Random, supervisor};
use albatross_tests::servers::PrivateServer;
use albatross_tests::tls::{Authority, Sealed};
use albatross_tests::wait::recovered;
use bytes::Bytes;
use futures::future;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{PodTemplateSpec, Secret};
use k8s_openapi::api::rbac::v1::RoleBinding;
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams};
use reqwest::Url;
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};

const UNKNOWN: &str = "UnknownIssuer";

/// What the platform team puts into the Secret that a server's `caSecret` names.
async fn trust(platform: &Platform, secret: &str, authority: &Authority) {
    put(platform, secret, &authority.certificate()).await;
}

async fn put(platform: &Platform, secret: &str, certificates: &str) {
    let object = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": secret},
        "stringData": {"ca.crt": certificates},
    });
    let secrets: Api<Secret> = Api::namespaced(platform.client.clone(), NAMESPACE);
    let parameters = PatchParams::apply("platform-team");
    let applied = secrets
        .patch(secret, &parameters, &Patch::Apply(&object))
        .await;
    applied.unwrap();
}

fn add(platform: &Platform, kind: &str, mut server: Value) {
    server["egress"] = json!({"cidrs": ["192.0.2.1/32"]});
    platform.configure(|configuration| {
        let servers = configuration["servers"][kind].as_array_mut();
        servers.unwrap().push(server);
    });
}

async fn says(platform: &Platform, tenant: &str, kind: &str, words: &str) {
    recovered(&format!("{kind} of {tenant} says {words}"), async || {
        let found = platform.tenant(tenant).await.unwrap();
        condition(&found, kind).is_some_and(|it| it.status == "False" && it.message.contains(words))
    })
    .await;
}

/// A URL that pods are given, with `file` in the place of the one that they find.
fn given(url: &str, parameter: &str, own: &Path) -> String {
    let (url, file) = url.split_once(&format!("{parameter}=")).unwrap();
    assert!(file.starts_with("/etc/albatross/ca/"), "{file}");
    format!("{url}{parameter}={}", own.display())
}

#[tokio::test]
async fn a_postgresql_is_believed_by_the_certificate_that_is_trusted_and_by_no_other() {
    let postgres = PrivateServer::postgres().await;
    let (authority, other) = (Authority::new(), Authority::new());
    postgres.speak_tls(&authority.sign("IP:127.0.0.1")).await;
    let platform = Platform::new().await;
    let port = postgres.database_url().parse::<Url>().unwrap().port();
    let server = |name: &str, host: &str, more: Value| {
        let mut server = json!({
            "name": name, "host": host, "port": port, "adminSecret": "sealed",
            "connectionBudget": 1000, "tls": "verify-full",
        });
        for (field, value) in more.as_object().unwrap() {
            server[field] = value.clone();
        }
        server
    };
    let own = json!({"caSecret": "late-ca"});
    add(
        &platform,
        "postgres",
        server("sealed", "127.0.0.1", own.clone()),
    );
    add(&platform, "postgres", server("misnamed", "localhost", own));
    add(
        &platform,
        "postgres",
        server("public", "127.0.0.1", json!({})),
    );
    platform
        .create_account("sealed", postgres.database_url())
        .await;
    let operator = platform.operator().await;
    for name in ["sealed", "misnamed", "public"] {
        let placed = json!({"placement": {"postgres": name}, "deletionPolicy": "Retain"});
        platform.declare(name, placed).await;
    }
    let ready = "DatabaseReady";
    let missing = "caSecret `late-ca` does not exist";
    says(&platform, "sealed", ready, missing).await;
    says(&platform, "public", ready, UNKNOWN).await;
    trust(&platform, "late-ca", &other).await;
    says(&platform, "sealed", ready, UNKNOWN).await;
    trust(&platform, "late-ca", &authority).await;
    platform.ready("sealed").await;
    says(&platform, "misnamed", ready, "not valid for name").await;
    says(&platform, "public", ready, UNKNOWN).await;

    let home = "albatross-sealed";
    let copy = platform.secret(home, "albatross-ca").await.unwrap();
    assert_eq!(copy["postgres.crt"].trim(), authority.certificate().trim());
    for secret in ["albatross-api", "albatross-migrate"] {
        let url = platform.secret(home, secret).await.unwrap()["DATABASE_URL"].clone();
        let trusting = given(&url, "sslrootcert", &authority.file());
        let mut connection = PgConnection::connect(&trusting).await.unwrap();
        let is_sealed = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
        let is_sealed: bool = sqlx::query_scalar(is_sealed)
            .fetch_one(&mut connection)
            .await
            .unwrap();
        assert!(is_sealed);
        let refused = PgConnection::connect(&given(&url, "sslrootcert", &other.file())).await;
        let refused = refused.unwrap_err().to_string();
        assert!(refused.contains(UNKNOWN), "{refused}");
    }
    for name in ["sealed", "misnamed", "public"] {
        platform.remove(name).await;
    }
    operator.stop().await;
}

/// A secret that is missing, damaged or wrong, and one that was changed while another server failed.
#[tokio::test]
async fn an_airline_is_given_what_its_server_answers_by_and_everything_else_meanwhile() {
    const GIVEN: &str = "given-authority";
    let postgres = PrivateServer::postgres().await;
    let (authority, other) = (Authority::new(), Authority::new());
    postgres.speak_tls(&authority.sign("IP:127.0.0.1")).await;
    let way = Proxy::before(postgres.database_url()).await;
    let platform = Platform::new().await;
    let cache = Proxy::before(&platform.servers.redis_url).await;
    let port = way.url(postgres.database_url()).parse::<Url>().unwrap();
    let server = json!({
        "name": "sealed", "host": "127.0.0.1", "port": port.port(), "adminSecret": "sealed",
        "connectionBudget": 1000, "tls": "verify-full", "caSecret": "sealed-ca",
    });
    add(&platform, "postgres", server);
    let url = bare(&cache.url(&platform.servers.redis_url));
    let server = json!({"name": "shaky", "url": url, "adminSecret": "redis"});
    add(&platform, "redis", server);
    platform
        .create_account("sealed", postgres.database_url())
        .await;
    trust(&platform, "sealed-ca", &authority).await;
    let mut operator = platform.operator().await;
    let placed =
        json!({"placement": {"postgres": "sealed", "redis": "shaky"}, "deletionPolicy": "Retain"});
    platform.airline(GIVEN, placed).await;
    let template = pods(&platform, GIVEN).await.1;

    trust(&platform, "sealed-ca", &other).await;
    cache.set(Mode::Refuse);
    says(&platform, GIVEN, "CacheReady", "cannot be reached").await;
    let answered = ["system=\"postgres\"", "outcome=\"success\""];
    let calls = async || operator.metric("external_calls_total", &answered).await;
    let before = calls().await;
    // Of both PostgreSQL servers, more than twice.
    recovered("it is asked again", async || calls().await > before + 5.0).await;
    cache.set(Mode::Pass);
    platform.ready(GIVEN).await;

    way.set(Mode::Refuse);
    says(&platform, GIVEN, "DatabaseReady", "cannot be reached").await;
    way.set(Mode::Pass);
    says(&platform, GIVEN, "DatabaseReady", UNKNOWN).await;
    let known = authority.certificate();
    is_applied_with(&platform, GIVEN, 2, &known, &template).await;
    let secrets: Api<Secret> = Api::namespaced(platform.client.clone(), NAMESPACE);
    let deleted = secrets.delete("sealed-ca", &DeleteParams::default()).await;
    deleted.unwrap();
    says(&platform, GIVEN, "DatabaseReady", "does not exist").await;
    is_applied_with(&platform, GIVEN, 3, &known, &template).await;
    operator.stop().await;
    operator = platform.operator().await;
    is_applied_with(&platform, GIVEN, 2, &known, &template).await;
    let damaged = known.replacen("MII", "M?I", 1);
    put(&platform, "sealed-ca", &damaged).await;
    says(&platform, GIVEN, "DatabaseReady", "is not PEM").await;
    is_applied_with(&platform, GIVEN, 3, &known, &template).await;

    let both = format!("{known}{}", other.certificate());
    put(&platform, "sealed-ca", &both).await;
    platform.ready(GIVEN).await;
    is_applied_with(&platform, GIVEN, 2, &both, &template).await;
    platform.remove(GIVEN).await;
    operator.stop().await;
}

#[tokio::test]
async fn what_one_server_does_not_answer_by_keeps_nothing_of_another_back() {
    const NAME: &str = "apart";
    let postgres = PrivateServer::postgres().await;
    let (authority, other) = (Authority::new(), Authority::new());
    postgres.speak_tls(&authority.sign("IP:127.0.0.1")).await;
    let platform = Platform::new().await;
    let cache = Sealed::before(&platform.servers.redis_url, &authority).await;
    let port = postgres.database_url().parse::<Url>().unwrap().port();
    let server = json!({
        "name": "sealed", "host": "127.0.0.1", "port": port, "adminSecret": "sealed",
        "connectionBudget": 1000, "tls": "require",
    });
    add(&platform, "postgres", server);
    let server = json!({
        "name": "sealed", "url": cache.url("rediss"), "adminSecret": "redis", "caSecret": "cache-ca",
    });
    add(&platform, "redis", server);
    platform
        .create_account("sealed", postgres.database_url())
        .await;
    trust(&platform, "cache-ca", &authority).await;
    let operator = platform.operator().await;
    let placed =
        json!({"placement": {"postgres": "sealed", "redis": "sealed"}, "deletionPolicy": "Retain"});
    platform.airline(NAME, placed).await;
    let home = tenant_namespace(NAME);
    let environment = async || platform.secret(&home, "albatross-api").await.unwrap();
    let before = environment().await;
    operator.stop().await;

    // Of the cache nobody knows any more, while the database is to be checked from now on.
    trust(&platform, "cache-ca", &other).await;
    trust(&platform, "postgres-ca", &authority).await;
    platform.configure(|configuration| {
        let servers = configuration["servers"]["postgres"].as_array_mut();
        let mut servers = servers.unwrap().iter_mut();
        let sealed = servers.find(|it| it["name"] == "sealed").unwrap();
        sealed["tls"] = json!("verify-full");
        sealed["caSecret"] = json!("postgres-ca");
    });
    let operator = platform.operator().await;
    says(&platform, NAME, "CacheReady", UNKNOWN).await;
    recovered("its pods check the database", async || {
        environment().await["DATABASE_URL"].contains("sslmode=verify-full")
    })
    .await;
    assert_eq!(environment().await["REDIS_URL"], before["REDIS_URL"]);
    let copies = platform.secret(&home, "albatross-ca").await.unwrap();
    for file in ["postgres.crt", "redis.crt"] {
        assert_eq!(
            copies[file].trim(),
            authority.certificate().trim(),
            "{file}"
        );
    }
    trust(&platform, "cache-ca", &authority).await;
    platform.ready(NAME).await;
    platform.remove(NAME).await;
    operator.stop().await;
}

#[tokio::test]
async fn pods_that_run_stay_as_they_are_until_their_server_answers_by_its_first_certificates() {
    const NAME: &str = "first-authority";
    let postgres = PrivateServer::postgres().await;
    let (authority, other) = (Authority::new(), Authority::new());
    postgres.speak_tls(&authority.sign("IP:127.0.0.1")).await;
    let platform = Platform::new().await;
    let port = postgres.database_url().parse::<Url>().unwrap().port();
    let server = json!({
        "name": "sealed", "host": "127.0.0.1", "port": port, "adminSecret": "sealed",
        "connectionBudget": 1000, "tls": "require",
    });
    add(&platform, "postgres", server);
    platform
        .create_account("sealed", postgres.database_url())
        .await;
    let operator = platform.operator().await;
    let placed = json!({"placement": {"postgres": "sealed"}, "deletionPolicy": "Retain"});
    platform.airline(NAME, placed).await;
    let template = pods(&platform, NAME).await.1;
    let home = tenant_namespace(NAME);
    let urls = async || {
        let secrets = ["albatross-api", "albatross-migrate"];
        let secrets = secrets.map(|name| platform.secret(&home, name));
        let secrets = future::join_all(secrets).await.into_iter();
        let urls = secrets.map(|it| it.unwrap()["DATABASE_URL"].clone());
        urls.collect::<Vec<_>>()
    };
    let before = urls().await;
    operator.stop().await;

    trust(&platform, "sealed-ca", &other).await;
    platform.configure(|configuration| {
        let servers = configuration["servers"]["postgres"].as_array_mut();
        let sealed = servers
            .unwrap()
            .iter_mut()
            .find(|it| it["name"] == "sealed");
        let sealed = sealed.unwrap();
        sealed["tls"] = json!("verify-full");
        sealed["caSecret"] = json!("sealed-ca");
    });
    let operator = platform.operator().await;
    says(&platform, NAME, "DatabaseReady", UNKNOWN).await;
    let change = json!({"api": {"replicas": 2}});
    platform.change(NAME, change).await;
    recovered("its pods are as many as declared", async || {
        pods(&platform, NAME).await.0 == Some(2)
    })
    .await;
    assert_eq!(pods(&platform, NAME).await.1, template);
    assert_eq!(urls().await, before);

    // The operator's own right, without which it can apply nothing there.
    let bindings: Api<RoleBinding> = Api::namespaced(platform.client.clone(), &home);
    let parameters = DeleteParams::default();
    let taken = bindings.delete("albatross-operator", &parameters).await;
    taken.unwrap();
    recovered("the operator may apply again", async || {
        let binding = bindings.get_opt("albatross-operator").await;
        binding.unwrap().is_some()
    })
    .await;
    assert_eq!(pods(&platform, NAME).await.1, template);

    trust(&platform, "sealed-ca", &authority).await;
    platform.ready(NAME).await;
    for url in urls().await {
        assert!(
            url.contains("sslmode=verify-full&sslrootcert=/etc/albatross/ca/"),
            "{url}"
        );
    }
    assert_ne!(pods(&platform, NAME).await.1, template);
    is_applied_with(
        &platform,
        NAME,
        1,
        &authority.certificate(),
        &pods(&platform, NAME).await.1,
    )
    .await;
    platform.remove(NAME).await;
    operator.stop().await;
}

/// How many pods an airline is to have, and what they are.
async fn pods(platform: &Platform, tenant: &str) -> (Option<i32>, PodTemplateSpec) {
    let api: Api<Deployment> = Api::namespaced(platform.client.clone(), &tenant_namespace(tenant));
    let spec = api.get("api").await.unwrap().spec.unwrap();
    (spec.replicas, spec.template)
}

/// What is declared of it is done while its pods find these certificates, and without replacing them.
async fn is_applied_with(
    platform: &Platform,
    tenant: &str,
    replicas: i32,
    certificates: &str,
    template: &PodTemplateSpec,
) {
    let change = json!({"api": {"replicas": replicas}});
    platform.change(tenant, change).await;
    recovered("its pods are as many as declared", async || {
        pods(platform, tenant).await.0 == Some(replicas)
    })
    .await;
    assert_eq!(pods(platform, tenant).await.1, *template);
    let copy = platform
        .secret(&tenant_namespace(tenant), "albatross-ca")
        .await;
    assert_eq!(copy.unwrap()["postgres.crt"].trim(), certificates.trim());
}

/// Whoever makes the users of the cache.
#[tokio::test]
async fn a_broker_and_a_cache_are_believed_by_the_certificate_that_is_trusted_and_by_no_other() {
    let platform = Platform::new().await;
    let (authority, other) = (Authority::new(), Authority::new());
    let servers = platform.servers;
    let broker = Sealed::before(&servers.amqp_url, &authority).await;
    let management = Sealed::before(&servers.rabbitmq_management_url, &authority).await;
    let cache = Sealed::before(&servers.redis_url, &authority).await;
    let redis = |name: &str, more: Value| {
        let mut server = json!({"name": name, "url": cache.url("rediss"), "caSecret": "sealed-ca"});
        for (field, value) in more.as_object().unwrap() {
            server[field] = value.clone();
        }
        server
    };
    let server = json!({
        "name": "sealed", "amqp": broker.url("amqps"), "management": management.url("https"),
        "adminSecret": "rabbitmq", "caSecret": "sealed-ca",
    });
    add(&platform, "rabbitmq", server);
    add(
        &platform,
        "redis",
        redis("managed", json!({"adminSecret": "redis"})),
    );
    add(
        &platform,
        "redis",
        redis("external", json!({"acl": "external"})),
    );
    trust(&platform, "sealed-ca", &other).await;
    let operator = platform.operator().await;
    for cache in ["managed", "external"] {
        let placed = json!({"placement": {"rabbitmq": "sealed", "redis": cache}});
        platform.declare(cache, placed).await;
        says(&platform, cache, "BrokerReady", UNKNOWN).await;
        says(&platform, cache, "CacheReady", UNKNOWN).await;
    }
    trust(&platform, "sealed-ca", &authority).await;
    platform.ready("managed").await;
    // Of whoever makes the users of the other one.
    let user = servers.redis_user().await;
    let account = user.url.parse::<Url>().unwrap();
    let account = json!({
        "apiVersion": "v1", "kind": "Secret",
        "metadata": {
            "name": "redis-account-external",
            "labels": {"albatross.aero/tenant": "external"},
        },
        "stringData": {"username": account.username(), "password": account.password()},
    });
    let secrets: Api<Secret> = Api::namespaced(platform.client.clone(), NAMESPACE);
    let parameters = PatchParams::apply("platform-team");
    let given_to = "redis-account-external";
    let made = secrets
        .patch(given_to, &parameters, &Patch::Apply(&account))
        .await;
    made.unwrap();
    platform.ready("external").await;

    for tenant in ["managed", "external"] {
        let home = format!("albatross-{tenant}");
        let copy = platform.secret(&home, "albatross-ca").await.unwrap();
        for file in ["rabbitmq.crt", "redis.crt"] {
            assert_eq!(copy[file].trim(), authority.certificate().trim());
        }
        let environment = platform.secret(&home, "albatross-api").await.unwrap();
        let file = tempfile::NamedTempFile::new().unwrap();
        let holds = |it: &Authority| fs::write(file.path(), it.certificate()).unwrap();
        let amqp = given(&environment["AMQP_URL"], "cacertfile", file.path());
        let feed = RabbitFeed::new(&amqp).unwrap();
        holds(&other);
        let refused = publish(&feed).await.unwrap_err();
        assert!(refused.contains("certificate"), "{refused}");
        let url = given(&environment["REDIS_URL"], "ssl_ca_certs", file.path());
        let prefix = match tenant {
            "external" => &user.prefix,
            _ => &environment["ALBATROSS_REDIS_PREFIX"],
        };
        let redis = Redis::open(&url, prefix, Arc::new(Random), &supervisor());
        // Processes that run read it anew.
        holds(&authority);
        publish(&feed).await.unwrap();
        redis.unwrap().connected().await;
    }
    for tenant in ["managed", "external"] {
        platform.remove(tenant).await;
    }
    operator.stop().await;
}

async fn publish(feed: &RabbitFeed) -> Result<usize, String> {
    let message = FeedMessage {
        id: "1".to_owned(),
        routing_key: "pirep.submitted".to_owned(),
        content_type: "application/json",
        body: Bytes::from_static(b"{}"),
    };
    let published = feed.publish(vec![message]).await;
    published.map_err(|error| error.to_string())
}
