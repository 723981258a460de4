//! Which servers there are, and what they are like, is the platform's to say: a Redis without users of its own, none at
//! all, or several PostgreSQL servers, of which a tenant goes to the one with the most room.

use albatross_crds::tenant::ExternalResourceKind;
use albatross_tests::chart::NAMESPACE;
use albatross_tests::platform::{Outside, Platform, Setting, Ways, condition};
use albatross_tests::servers::{connect_to_redis, servers};
use albatross_tests::wait::{recovered, until};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::DeleteParams;
use redis::AsyncCommands;
use serde_json::{Value, json};

#[tokio::test]
async fn a_redis_without_users_is_shared_by_its_one_account_and_a_prefix_each() {
    let platform = Platform::new().await;
    platform.configure(|it| it["servers"]["redis"][0]["acl"] = json!("none"));
    let operator = platform.operator().await;
    let mut prefixes = Vec::new();
    for name in ["shared-a", "shared-b"] {
        let tenant = platform.airline(name, json!({})).await;
        let cache = condition(&tenant, "CacheReady").unwrap();
        assert_eq!((&*cache.status, &*cache.reason), ("True", "Available"));
        let kinds = kinds(&tenant.status.unwrap().resources);
        assert!(
            !kinds.contains(&ExternalResourceKind::CacheUser),
            "{kinds:?}"
        );
        let made = platform.outside(&platform.record(name).await).await;
        let cache_user = false;
        assert_eq!(
            made,
            Outside {
                cache_user,
                ..Outside::ALL
            }
        );
        platform.lets_in(name).await;
        let namespace = format!("albatross-{name}");
        let given = platform.secret(&namespace, "albatross-api").await.unwrap();
        prefixes.push((
            given["REDIS_URL"].clone(),
            given["ALBATROSS_REDIS_PREFIX"].clone(),
        ));
    }
    let [(one, prefix), (other, other_prefix)] = &prefixes[..] else {
        panic!("two tenants");
    };
    assert_eq!(one, other, "there is one account");
    assert_ne!(prefix, other_prefix);

    // It has no user to drop, and does not touch what everybody's account could.
    let mut airline = connect_to_redis(one).await.unwrap();
    let keys = [prefix, other_prefix].map(|prefix| format!("{prefix}kept"));
    for key in &keys {
        let _: () = airline.set(key, "1").await.unwrap();
    }
    let record = platform.record("shared-a").await;
    platform.remove("shared-a").await;
    assert_eq!(platform.outside(&record).await, Outside::NOTHING);
    platform.lets_in("shared-b").await;
    let kept: Vec<Option<String>> = airline.mget(&keys[..]).await.unwrap();
    assert_eq!(kept, [Some("1".to_owned()), Some("1".to_owned())]);
    let _: () = airline.del(&keys[..]).await.unwrap();
    platform.remove("shared-b").await;
    operator.stop().await;
}

fn kinds(resources: &[albatross_crds::tenant::ExternalResource]) -> Vec<ExternalResourceKind> {
    resources.iter().map(|resource| resource.kind).collect()
}

/// Of the broker and of the cache.
async fn reasons(platform: &Platform, tenant: &str) -> [(String, String); 2] {
    let tenant = platform.tenant(tenant).await.unwrap();
    ["BrokerReady", "CacheReady"].map(|kind| {
        let found = condition(&tenant, kind).unwrap();
        (found.status, found.reason)
    })
}

#[tokio::test]
async fn an_airline_runs_on_and_is_changed_while_the_one_account_of_its_redis_cannot_be_read() {
    const NAME: &str = "accountless";
    let platform = Platform::new().await;
    let url = platform.servers.redis_url.clone();
    platform.create_account("shared", &url).await;
    platform.configure(|it| {
        let redis = &mut it["servers"]["redis"][0];
        redis["acl"] = json!("none");
        redis["adminSecret"] = json!("shared");
    });
    let operator = platform.operator().await;
    platform.airline(NAME, json!({})).await;
    let namespace = format!("albatross-{NAME}");
    let deployments: Api<Deployment> = Api::namespaced(platform.client.clone(), &namespace);
    let pods = async || deployments.get("api").await.unwrap().spec.unwrap();
    let before = pods().await;
    let given = platform.secret(&namespace, "albatross-api").await;
    operator.stop().await;

    let secrets: Api<Secret> = Api::namespaced(platform.client.clone(), NAMESPACE);
    let deleted = secrets.delete("shared", &DeleteParams::default()).await;
    deleted.unwrap();
    let operator = platform.operator().await;
    let told = platform
        .comes_to(NAME, "CacheReady", "False", "CacheUnreachable")
        .await;
    let message = condition(&told, "CacheReady").unwrap().message;
    assert!(
        message.contains("adminSecret `shared` does not exist"),
        "{message}"
    );
    let change = json!({"api": {"replicas": 2}});
    platform.change(NAME, change).await;
    recovered("its pods are as many as declared", async || {
        pods().await.replicas == Some(2)
    })
    .await;
    assert_eq!(pods().await.template, before.template);
    assert_eq!(platform.secret(&namespace, "albatross-api").await, given);

    platform.create_account("shared", &url).await;
    platform.ready(NAME).await;
    assert_eq!(pods().await.template, before.template);
    platform.remove(NAME).await;
    operator.stop().await;
}

#[tokio::test]
async fn without_a_broker_and_a_cache_an_airline_runs_and_has_them_once_it_is_placed_there() {
    let platform = Platform::new().await;
    let mut whole = Value::Null;
    platform.configure(|it| {
        whole = it.clone();
        it["servers"]["rabbitmq"] = json!([]);
        it["servers"]["redis"] = json!([]);
        it["defaults"]["placement"] = json!({"postgres": "main"});
    });
    let operator = platform.operator().await;
    let tenant = platform.airline("plain", json!({})).await;
    let not_configured = ("True".to_owned(), "NotConfigured".to_owned());
    assert_eq!(
        reasons(&platform, "plain").await,
        [(); 2].map(|()| not_configured.clone())
    );
    assert_eq!(tenant.status.unwrap().resources.len(), 4);
    let environment = async || {
        platform
            .secret("albatross-plain", "albatross-api")
            .await
            .unwrap()
    };
    let servers = ["AMQP_URL", "REDIS_URL", "ALBATROSS_REDIS_PREFIX"];
    let given = environment().await;
    assert_eq!(servers.map(|name| given.contains_key(name)), [false; 3]);
    let record = platform.record("plain").await;
    let database_alone = Outside {
        database: true,
        roles: 3,
        ..Outside::NOTHING
    };
    assert_eq!(platform.outside(&record).await, database_alone);
    operator.stop().await;

    // Servers that come are for who comes, and for who asks.
    platform.configure(|it| *it = whole);
    let operator = platform.operator().await;
    platform
        .change("plain", json!({"displayName": "Plain"}))
        .await;
    platform.ready("plain").await;
    assert_eq!(
        reasons(&platform, "plain").await,
        [(); 2].map(|()| not_configured.clone())
    );
    let placement = json!({"placement": {"rabbitmq": "main", "redis": "main"}});
    platform.change("plain", placement).await;
    let tenant = platform.ready("plain").await;
    assert_eq!(tenant.status.unwrap().resources.len(), 7);
    platform.lets_in("plain").await;
    assert_eq!(platform.outside(&record).await, Outside::ALL);
    platform.remove("plain").await;
    assert_eq!(platform.outside(&record).await, Outside::NOTHING);
    operator.stop().await;
}

#[tokio::test]
async fn a_tenant_without_a_placement_goes_where_most_room_is_and_stays_there() {
    let mut setting = Setting::straight().await;
    let ways = |budget| async move {
        Ways {
            budget,
            ..Ways::straight(servers().await)
        }
    };
    // A tenant takes 24.
    setting.ways = vec![("main", ways(30).await), ("roomy", ways(50).await)];
    let platform = Platform::with(setting).await;
    platform.configure(|it| it["defaults"]["placement"]["postgres"] = Value::Null);
    let operator = platform.operator().await;
    let server = async |name: &str| {
        let status = platform.tenant(name).await.unwrap().status.unwrap();
        let mut resources = status.resources.into_iter();
        let database = resources.find(|it| it.kind == ExternalResourceKind::Database);
        database.unwrap().server
    };
    for (name, expected) in [("one", "roomy"), ("two", "main"), ("three", "roomy")] {
        platform.airline(name, json!({})).await;
        assert_eq!(server(name).await, expected, "{name}");
    }
    platform.declare("four", json!({})).await;
    platform
        .comes_to("four", "Stalled", "True", "ServerFull")
        .await;
    platform.remove("one").await;
    platform
        .change("four", json!({"displayName": "Four"}))
        .await;
    platform.ready("four").await;
    assert_eq!(server("four").await, "roomy");

    // Where more room is by now is nothing to those who have a place.
    platform.remove("three").await;
    platform.change("two", json!({"displayName": "Two"})).await;
    platform.ready("two").await;
    assert_eq!(server("two").await, "main");
    for name in ["two", "four"] {
        platform.remove(name).await;
    }
    operator.stop().await;
}

#[tokio::test]
async fn a_deletion_waits_for_a_server_that_is_no_longer_configured_and_says_which() {
    let mut setting = Setting::straight().await;
    let leaving = Ways::straight(servers().await);
    setting.ways.push(("leaving", leaving));
    let platform = Platform::with(setting).await;
    let operator = platform.operator().await;
    let tenants = [
        ("left-database", "postgres", "PostgreSQL"),
        ("left-broker", "rabbitmq", "RabbitMQ"),
        ("left-cache", "redis", "Redis"),
    ];
    let mut records = Vec::new();
    for (name, system, _) in tenants {
        let placement = json!({"placement": {system: "leaving"}});
        platform.airline(name, placement).await;
        records.push(platform.record(name).await);
    }
    operator.stop().await;

    let mut whole = Value::Null;
    platform.configure(|it| {
        whole = it.clone();
        for (_, system, _) in tenants {
            let servers = it["servers"][system].as_array_mut().unwrap();
            servers.retain(|server| server["name"] != "leaving");
        }
    });
    for (name, ..) in tenants {
        let deleted = platform
            .tenants()
            .delete(name, &DeleteParams::default())
            .await;
        deleted.unwrap();
    }
    let operator = platform.operator().await;
    for (name, _, kind) in tenants {
        let told = platform
            .comes_to(name, "DeletionBlocked", "True", "Deleting")
            .await;
        let message = condition(&told, "DeletionBlocked").unwrap().message;
        let server = format!("{kind} server `leaving`");
        assert!(
            message.contains(&server) && message.contains("no longer configured"),
            "{message}"
        );
    }
    assert_eq!(platform.outside(&records[0]).await, Outside::ALL);
    operator.stop().await;

    platform.configure(|it| *it = whole);
    let operator = platform.operator().await;
    for ((name, ..), record) in tenants.into_iter().zip(&records) {
        until("the tenant is gone", async || {
            platform.tenant(name).await.is_none()
        })
        .await;
        assert_eq!(platform.outside(record).await, Outside::NOTHING, "{name}");
    }
    operator.stop().await;
}
