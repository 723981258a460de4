//! A server that is away: named in its condition, while what runs runs on, and mended by its return alone.

use std::collections::BTreeMap;

use albatross_tests::platform::{Platform, Setting, Ways, condition};
use albatross_tests::proxy::{Mode, Proxy};
use albatross_tests::servers::{Servers, servers};
use albatross_tests::wait::until;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::events::v1::Event;
use kube::api::{DeleteParams, ListParams};
use kube::{Api, ResourceExt};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

/// The servers' second way, which can be cut.
struct Shaky {
    postgres: Proxy,
    rabbitmq: Proxy,
    redis: Proxy,
}

impl Shaky {
    async fn before(servers: &Servers) -> Self {
        Self {
            postgres: Proxy::before(&servers.database_url).await,
            rabbitmq: Proxy::before(&servers.rabbitmq_management_url).await,
            redis: Proxy::before(&servers.redis_url).await,
        }
    }

    fn ways(&self, servers: &Servers) -> Ways {
        Ways {
            postgres: self.postgres.url(&servers.database_url),
            rabbitmq: self.rabbitmq.url(&servers.rabbitmq_management_url),
            redis: self.redis.url(&servers.redis_url),
            ..Ways::straight(servers)
        }
    }

    fn set(&self, mode: Mode) {
        for proxy in [&self.postgres, &self.rabbitmq, &self.redis] {
            proxy.set(mode);
        }
    }
}

async fn platform() -> (Shaky, Platform) {
    let servers = servers().await;
    let shaky = Shaky::before(servers).await;
    let mut setting = Setting::straight().await;
    setting.ways.push(("shaky", shaky.ways(servers)));
    (shaky, Platform::with(setting).await)
}

/// A tenant for each kind of server, which alone is shaky; its condition, and the reason that it gives.
fn tenants() -> [(&'static str, Value, &'static str, &'static str); 3] {
    let on = |system: &str| json!({"placement": {system: "shaky"}});
    [
        (
            "on-postgres",
            on("postgres"),
            "DatabaseReady",
            "DatabaseUnreachable",
        ),
        (
            "on-rabbitmq",
            on("rabbitmq"),
            "BrokerReady",
            "BrokerUnreachable",
        ),
        ("on-redis", on("redis"), "CacheReady", "CacheUnreachable"),
    ]
}

#[tokio::test]
async fn a_new_tenant_waits_for_the_server_that_its_condition_names() {
    let (shaky, platform) = platform().await;
    shaky.set(Mode::Refuse);
    let operator = platform.operator().await;
    for (name, spec, ..) in tenants() {
        platform.declare(name, spec).await;
    }
    for (name, _, kind, reason) in tenants() {
        let tenant = platform.comes_to(name, kind, "False", reason).await;
        let message = condition(&tenant, kind).unwrap().message;
        assert!(
            message.contains("server `shaky` cannot be reached"),
            "{message}"
        );
        // Waiting may help: kstatus must see it in progress.
        platform.comes_to(name, "Reconciling", "True", reason).await;
        platform.comes_to(name, "Stalled", "False", reason).await;
    }
    shaky.set(Mode::Pass);
    for (name, ..) in tenants() {
        platform.ready(name).await;
        platform.remove(name).await;
    }
    operator.stop().await;
}

#[tokio::test]
async fn what_runs_runs_on_while_its_server_is_away_and_is_ready_again_by_itself() {
    let (shaky, platform) = platform().await;
    let operator = platform.operator().await;
    let mut before = Vec::new();
    for (name, spec, ..) in tenants() {
        platform.airline(name, spec).await;
        before.push(deployment(&platform, name).await);
    }
    for mode in [Mode::Refuse, Mode::Stall] {
        shaky.set(mode);
        for ((name, _, kind, reason), before) in tenants().into_iter().zip(&before) {
            platform.comes_to(name, kind, "False", reason).await;
            platform.comes_to(name, "Ready", "False", reason).await;
            platform
                .comes_to(name, "RuntimeAvailable", "True", "Available")
                .await;
            let now = deployment(&platform, name).await;
            assert_eq!(now.metadata.uid, before.metadata.uid);
            assert_eq!(now.spec, before.spec);
        }
        shaky.set(Mode::Pass);
        for (name, ..) in tenants() {
            platform.ready(name).await;
        }
    }
    for (name, ..) in tenants() {
        platform.remove(name).await;
    }
    operator.stop().await;
}

#[tokio::test]
async fn an_outage_and_its_end_are_told_in_an_event_each_and_the_steps_to_ready_in_none() {
    let (shaky, platform) = platform().await;
    let operator = platform.operator().await;
    let [(name, spec, _, reason), ..] = tenants();
    let tenant = platform.airline(name, spec).await;
    shaky.set(Mode::Refuse);
    platform.comes_to(name, "Ready", "False", reason).await;
    shaky.set(Mode::Pass);
    platform.ready(name).await;
    let told = async || events(&platform, &tenant.uid().unwrap()).await;
    let event = |kind: &str, reason: &str| (kind.to_owned(), reason.to_owned());
    let well = event("Normal", "Available");
    // An event follows the status that it is of.
    until("its end is told", async || {
        told().await.get(&well).is_some_and(|times| *times >= 2)
    })
    .await;
    let all = BTreeMap::from([(well, 2), (event("Warning", reason), 1)]);
    assert_eq!(told().await, all);
    platform.remove(name).await;
    operator.stop().await;
}

/// What was told of an object, by type and reason, and how often.
async fn events(platform: &Platform, uid: &str) -> BTreeMap<(String, String), i32> {
    let events: Api<Event> = Api::all(platform.client.clone());
    let mut told = BTreeMap::new();
    for event in events.list(&ListParams::default()).await.unwrap() {
        let about = event.regarding.and_then(|about| about.uid);
        if about.as_deref() == Some(uid) {
            let what = (event.type_.unwrap(), event.reason.unwrap());
            let times = event.series.map_or(1, |series| series.count);
            *told.entry(what).or_default() += times;
        }
    }
    told
}

async fn deployment(platform: &Platform, tenant: &str) -> Deployment {
    deployments(platform, tenant).get("api").await.unwrap()
}

fn deployments(platform: &Platform, tenant: &str) -> Api<Deployment> {
    let namespace = format!("albatross-{tenant}");
    Api::namespaced(platform.client.clone(), &namespace)
}

#[tokio::test]
async fn what_somebody_deletes_comes_back_while_its_server_is_away() {
    let (shaky, platform) = platform().await;
    let operator = platform.operator().await;
    for (name, spec, ..) in tenants() {
        platform.airline(name, spec).await;
    }
    shaky.set(Mode::Refuse);
    for (name, _, kind, reason) in tenants() {
        platform.comes_to(name, kind, "False", reason).await;
        let before = deployment(&platform, name).await;
        let api = deployments(&platform, name);
        api.delete("api", &DeleteParams::default()).await.unwrap();
        until(&format!("{name} has its pods again"), async || {
            let now = api.get_opt("api").await.unwrap();
            now.is_some_and(|now| {
                now.metadata.uid != before.metadata.uid
                    && now.spec == before.spec
                    && now
                        .status
                        .is_some_and(|it| it.available_replicas == Some(1))
            })
        })
        .await;
        platform.comes_to(name, "Ready", "False", reason).await;
    }
    shaky.set(Mode::Pass);
    for (name, ..) in tenants() {
        platform.ready(name).await;
        platform.remove(name).await;
    }
    operator.stop().await;
}

#[tokio::test]
async fn a_deletion_is_held_up_by_a_server_that_is_away_and_says_which() {
    let (shaky, platform) = platform().await;
    let operator = platform.operator().await;
    let mut ids = Vec::new();
    for (name, spec, ..) in tenants() {
        let tenant = platform.airline(name, spec).await;
        ids.push(tenant.uid().unwrap());
    }
    shaky.set(Mode::Refuse);
    for (name, ..) in tenants() {
        let deleted = platform
            .tenants()
            .delete(name, &DeleteParams::default())
            .await;
        deleted.unwrap();
    }
    for (name, ..) in tenants() {
        until("the deletion is blocked", async || {
            let tenant = platform.tenant(name).await.unwrap();
            let blocked = condition(&tenant, "DeletionBlocked");
            blocked.is_some_and(|it| it.status == "True" && it.message.contains("`shaky`"))
        })
        .await;
    }
    shaky.set(Mode::Pass);
    for (name, ..) in tenants() {
        until("the tenant is gone", async || {
            platform.tenant(name).await.is_none()
        })
        .await;
    }
    for id in ids {
        let told = events(&platform, &id).await;
        for kind in ["Warning", "Normal"] {
            let deleting = (kind.to_owned(), "Deleting".to_owned());
            assert_eq!(told.get(&deleting), Some(&1), "{told:?}");
        }
    }
    operator.stop().await;
}

#[tokio::test]
async fn a_role_of_somebody_else_is_left_alone_and_told() {
    let (shaky, platform) = platform().await;
    shaky.set(Mode::Refuse);
    let operator = platform.operator().await;
    let [(name, spec, _, reason), ..] = tenants();
    platform.declare(name, spec).await;
    platform.comes_to(name, "Ready", "False", reason).await;
    let role = platform.record(name).await["ownerRole"].clone();
    let server = &platform.servers.database_url;
    let mut postgres = PgConnection::connect(server).await.unwrap();
    let mut run = async |statement: String| {
        let statement = sqlx::raw_sql(AssertSqlSafe(statement));
        statement.execute(&mut postgres).await.unwrap();
    };
    run(format!("CREATE ROLE {role} NOLOGIN")).await;
    shaky.set(Mode::Pass);
    let told = platform
        .comes_to(name, "Stalled", "True", "ResourceConflict")
        .await;
    let message = condition(&told, "DatabaseReady").unwrap().message;
    assert!(message.contains(&format!("role `{role}`")), "{message}");
    run(format!("DROP ROLE {role}")).await;
    // What is stalled is looked at again by itself after a while, and at once when it changes.
    platform
        .change(name, json!({"displayName": "Skyways again"}))
        .await;
    platform.ready(name).await;
    platform.remove(name).await;
    operator.stop().await;
}
