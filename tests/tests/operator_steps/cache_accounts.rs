//! A Redis on which the operator has no account: whoever runs it makes each airline's, and the operator hands it on.

use albatross_tests::chart::NAMESPACE;
use albatross_tests::platform::{Platform, bare, condition};
use albatross_tests::proxy::{Mode, Proxy};
use albatross_tests::servers::{PrivateServer, connect_to_redis};
use albatross_tests::wait::recovered;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams};
use redis::IntoConnectionInfo;
use redis::aio::MultiplexedConnection;
use serde_json::json;

const TENANT: &str = "guest";
const HOME: &str = "albatross-guest";
const SECRET: &str = "redis-account-guest";
/// In the way of every URL.
const USER: &str = "guest@1:/?#[%41";
const PASSWORD: &str = "p@ss: w/o?r#d%41é";
const NEXT_USER: &str = "guest-2";

/// A Redis of somebody else.
struct Elsewhere {
    _redis: PrivateServer,
    way: Proxy,
    url: String,
    admin: MultiplexedConnection,
    /// How often its owner has made or changed a user.
    made: u64,
}

impl Elsewhere {
    async fn start() -> Self {
        let redis = PrivateServer::redis().await;
        let way = Proxy::before(redis.redis_url()).await;
        let mut admin = connect_to_redis(redis.redis_url()).await.unwrap();
        let mut forget = redis::cmd("CONFIG");
        let forgotten = forget.arg("RESETSTAT").exec_async(&mut admin).await;
        forgotten.unwrap();
        Self {
            url: bare(&way.url(redis.redis_url())),
            _redis: redis,
            way,
            admin,
            made: 0,
        }
    }

    async fn make(&mut self, user: &str, prefix: &str) {
        let (password, keys) = (format!(">{PASSWORD}"), format!("~{prefix}*"));
        let rules = ["on", &password, &keys, "-@all", "+get", "+set"];
        self.set(user, &rules).await;
    }

    /// Whoever logs in as nobody may do everything.
    async fn hold_nobody_back(&mut self) {
        let rules = ["on", "nopass", "~*", "&*", "+@all"];
        self.set("default", &rules).await;
    }

    async fn set(&mut self, user: &str, rules: &[&str]) {
        let mut set = redis::cmd("ACL");
        let set = set.arg("SETUSER").arg(user).arg(rules);
        set.exec_async(&mut self.admin).await.unwrap();
        self.made += 1;
    }

    /// Commands on users that anybody has tried: name, how often done, how often turned away.
    async fn calls_on_users(&mut self) -> Vec<(String, u64, u64)> {
        let mut ask = redis::cmd("INFO");
        let ask = ask.arg("commandstats");
        let told: String = ask.query_async(&mut self.admin).await.unwrap();
        let calls = told.lines().filter_map(|line| {
            let (name, counts) = line.strip_prefix("cmdstat_acl")?.split_once(':')?;
            let count = |kind: &str| {
                let mut counts = counts.trim().split(',');
                let count = counts.find_map(|count| count.strip_prefix(kind)?.strip_prefix('='));
                count.unwrap().parse().unwrap()
            };
            Some((name.to_owned(), count("calls"), count("rejected_calls")))
        });
        calls.collect()
    }
}

fn secrets(platform: &Platform) -> Api<Secret> {
    Api::namespaced(platform.client.clone(), NAMESPACE)
}

/// What the platform team, or a tool of theirs, puts into the airline's Secret.
async fn give(platform: &Platform, user: &str, password: Option<&str>) {
    let mut account = json!({"username": user});
    if let Some(password) = password {
        account["password"] = json!(password);
    }
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret",
        "metadata": {"name": SECRET, "labels": {"albatross.aero/tenant": TENANT}},
        "stringData": account,
    });
    let parameters = PatchParams::apply("platform-team");
    let given = secrets(platform)
        .patch(SECRET, &parameters, &Patch::Apply(&secret))
        .await;
    given.unwrap();
}

async fn take_away(platform: &Platform) {
    let secrets = secrets(platform);
    let gone = secrets.delete(SECRET, &DeleteParams::default()).await;
    gone.unwrap();
}

async fn says(platform: &Platform, words: &str) {
    recovered(&format!("the cache's condition says {words}"), async || {
        let tenant = platform.tenant(TENANT).await.unwrap();
        let cache = condition(&tenant, "CacheReady");
        cache.is_some_and(|it| it.message.contains(words))
    })
    .await;
}

/// User and password that the pods are given.
async fn handed_on(platform: &Platform) -> (String, String) {
    let environment = platform.secret(HOME, "albatross-api").await.unwrap();
    let info = environment["REDIS_URL"].as_str().into_connection_info();
    let info = info.unwrap();
    let settings = info.redis_settings();
    let text = |it: Option<&str>| it.unwrap().to_owned();
    (text(settings.username()), text(settings.password()))
}

async fn pods(platform: &Platform) -> Option<Deployment> {
    let api: Api<Deployment> = Api::namespaced(platform.client.clone(), HOME);
    api.get_opt("api").await.unwrap()
}

#[tokio::test]
async fn an_airline_waits_for_its_account_and_its_pods_get_it_and_every_later_one() {
    let mut elsewhere = Elsewhere::start().await;
    let platform = Platform::new().await;
    let server = json!({
        "name": "elsewhere", "url": elsewhere.url, "acl": "external", "egress": {"cidrs": ["192.0.2.1/32"]},
    });
    platform.configure(|configuration| {
        let servers = configuration["servers"]["redis"].as_array_mut();
        servers.unwrap().push(server);
    });
    elsewhere.way.set(Mode::Refuse);
    let operator = platform.operator().await;
    let placement = json!({"placement": {"redis": "elsewhere"}});
    platform.declare(TENANT, placement).await;
    platform
        .comes_to(TENANT, "CacheReady", "False", "CacheUnreachable")
        .await;
    elsewhere.way.set(Mode::Pass);

    let awaited = "WaitingForCacheAccount";
    let waiting = platform.comes_to(TENANT, "Ready", "Unknown", awaited).await;
    let prefix = platform.record(TENANT).await["cachePrefix"].clone();
    let told = condition(&waiting, "CacheReady").unwrap();
    assert_eq!(told.reason, awaited);
    assert!(
        told.message.contains(SECRET) && told.message.contains(&prefix),
        "{told:?}"
    );
    // It has seen a server that turns it away. Whatever it does from now on shows.
    elsewhere.hold_nobody_back().await;
    give(&platform, USER, None).await;
    says(&platform, "it has no `password`").await;
    assert!(platform.secret(HOME, "albatross-api").await.is_none());

    give(&platform, USER, Some("mistaken")).await;
    says(&platform, &format!("refused to let `{USER}` in")).await;
    let refused = platform
        .comes_to(TENANT, "Ready", "False", "CacheUnreachable")
        .await;
    let status = serde_json::to_string(&refused.status).unwrap();
    assert!(!status.contains("mistaken"), "{status}");
    assert!(pods(&platform).await.is_none());

    elsewhere.make(USER, &prefix).await;
    give(&platform, USER, Some(PASSWORD)).await;
    let ready = platform.ready(TENANT).await;
    let resources = serde_json::to_string(&ready.status.unwrap().resources).unwrap();
    assert!(!resources.contains("CacheUser"), "{resources}");
    assert_eq!(handed_on(&platform).await, (USER.into(), PASSWORD.into()));

    let before = pods(&platform).await.unwrap().spec.unwrap().template;
    elsewhere.make(NEXT_USER, &prefix).await;
    give(&platform, NEXT_USER, Some(PASSWORD)).await;
    recovered("pods with the next account take over", async || {
        let now = pods(&platform).await.unwrap().spec.unwrap().template;
        now.metadata != before.metadata
    })
    .await;
    let next = (NEXT_USER.into(), PASSWORD.into());
    assert_eq!(handed_on(&platform).await, next);
    platform.ready(TENANT).await;

    let before = pods(&platform).await.unwrap().spec;
    take_away(&platform).await;
    platform
        .comes_to(TENANT, "CacheReady", "Unknown", awaited)
        .await;
    platform
        .comes_to(TENANT, "RuntimeAvailable", "True", "Available")
        .await;
    assert_eq!(pods(&platform).await.unwrap().spec, before);
    assert_eq!(handed_on(&platform).await, next);
    give(&platform, NEXT_USER, Some(PASSWORD)).await;
    platform.ready(TENANT).await;

    let environment = platform.secret(HOME, "albatross-api").await.unwrap();
    let mut airline = connect_to_redis(&environment["REDIS_URL"]).await.unwrap();
    let key = format!("{}kept", environment["ALBATROSS_REDIS_PREFIX"]);
    let mut set = redis::cmd("SET");
    let set = set.arg(&key).arg("1").exec_async(&mut airline).await;
    set.unwrap();
    platform.remove(TENANT).await;
    let mut get = redis::cmd("GET");
    let kept: Option<String> = get.arg(&key).query_async(&mut airline).await.unwrap();
    assert_eq!(kept.as_deref(), Some("1"));
    let calls = elsewhere.calls_on_users().await;
    assert_eq!(calls, [("|setuser".to_owned(), elsewhere.made, 0)]);
    take_away(&platform).await;
    operator.stop().await;
}
