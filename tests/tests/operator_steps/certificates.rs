//! Servers over TLS: whose certificate is believed, what is said of one that is not, and what pods are given to check it by.

use std::sync::Arc;

use albatross::adapters::rabbitmq::RabbitFeed;
use albatross::adapters::redis::Redis;
use albatross::ports::event_bus::{Feed, FeedMessage};
use albatross_tests::chart::NAMESPACE;
use albatross_tests::platform::{Platform, condition};
use albatross_tests::random::{Random, supervisor};
use albatross_tests::servers::PrivateServer;
use albatross_tests::tls::{Authority, Sealed};
use albatross_tests::wait::recovered;
use bytes::Bytes;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::{Patch, PatchParams};
use reqwest::Url;
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};

const UNKNOWN: &str = "UnknownIssuer";

/// What the platform team puts into the Secret that a server's `caSecret` names.
async fn trust(platform: &Platform, secret: &str, authority: &Authority) {
    let object = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": secret},
        "stringData": {"ca.crt": authority.certificate()},
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
fn given(url: &str, parameter: &str, authority: &Authority) -> String {
    let (url, file) = url.split_once(&format!("{parameter}=")).unwrap();
    assert!(file.starts_with("/etc/albatross/ca/"), "{file}");
    format!("{url}{parameter}={}", authority.file().display())
}

#[tokio::test]
async fn a_postgresql_is_believed_by_the_certificate_that_is_trusted_and_by_no_other() {
    let postgres = PrivateServer::postgres().await;
    let (authority, other) = (Authority::new(), Authority::new());
    postgres.speak_tls(&authority.sign()).await;
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
    let own = json!({"caSecret": "sealed-ca"});
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
    let missing = "caSecret `sealed-ca` does not exist";
    says(&platform, "sealed", ready, missing).await;
    says(&platform, "public", ready, UNKNOWN).await;
    trust(&platform, "sealed-ca", &other).await;
    says(&platform, "sealed", ready, UNKNOWN).await;
    trust(&platform, "sealed-ca", &authority).await;
    platform.ready("sealed").await;
    says(&platform, "misnamed", ready, "not valid for name").await;
    says(&platform, "public", ready, UNKNOWN).await;

    let home = "albatross-sealed";
    let copy = platform.secret(home, "albatross-ca").await.unwrap();
    assert_eq!(copy["postgres.crt"].trim(), authority.certificate().trim());
    for secret in ["albatross-api", "albatross-migrate"] {
        let url = platform.secret(home, secret).await.unwrap()["DATABASE_URL"].clone();
        let trusting = given(&url, "sslrootcert", &authority);
        let mut connection = PgConnection::connect(&trusting).await.unwrap();
        let is_sealed = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
        let is_sealed: bool = sqlx::query_scalar(is_sealed)
            .fetch_one(&mut connection)
            .await
            .unwrap();
        assert!(is_sealed);
        let refused = PgConnection::connect(&given(&url, "sslrootcert", &other)).await;
        let refused = refused.unwrap_err().to_string();
        assert!(refused.contains(UNKNOWN), "{refused}");
    }
    for name in ["sealed", "misnamed", "public"] {
        platform.remove(name).await;
    }
    operator.stop().await;
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
        let amqp = &environment["AMQP_URL"];
        publish(&given(amqp, "cacertfile", &authority))
            .await
            .unwrap();
        let refused = publish(&given(amqp, "cacertfile", &other)).await;
        let refused = refused.unwrap_err();
        assert!(refused.contains("certificate"), "{refused}");
        let url = given(&environment["REDIS_URL"], "ssl_ca_certs", &authority);
        let prefix = match tenant {
            "external" => &user.prefix,
            _ => &environment["ALBATROSS_REDIS_PREFIX"],
        };
        let redis = Redis::open(&url, prefix, Arc::new(Random), &supervisor());
        redis.unwrap().connected().await;
    }
    for tenant in ["managed", "external"] {
        platform.remove(tenant).await;
    }
    operator.stop().await;
}

async fn publish(url: &str) -> Result<usize, String> {
    let feed = RabbitFeed::new(url).map_err(|error| error.to_string())?;
    let message = FeedMessage {
        id: "1".to_owned(),
        routing_key: "pirep.submitted".to_owned(),
        content_type: "application/json",
        body: Bytes::from_static(b"{}"),
    };
    let published = feed.publish(vec![message]).await;
    published.map_err(|error| error.to_string())
}
