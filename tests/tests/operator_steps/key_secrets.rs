//! The two Secrets of an ApiKey: the one beside the operator, which may be damaged, and the one that is handed over, whose
//! name others may want.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use albatross_crds::conditions::{ConditionType, find, is_true};
use albatross_tests::chart::NAMESPACE;
use albatross_tests::platform::{CLIENTS, Platform, bare};
use albatross_tests::wait::{recovered, until};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::response::Response;
use http::Method;
use http::header::{CONNECTION, CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::api::events::v1::Event;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::{Api, ResourceExt};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::task::AbortOnDropHandle;

/// More than any message here has.
const LIMIT: usize = 64 * 1024 * 1024;

fn secrets(platform: &Platform, namespace: &str) -> Api<Secret> {
    Api::namespaced(platform.client.clone(), namespace)
}

#[tokio::test]
async fn keys_that_cannot_be_read_are_told_and_never_made_anew_by_themselves() {
    let platform = Platform::new().await;
    platform.client_namespace().await;
    let operator = platform.operator().await;
    platform.airline("frayed", json!({})).await;
    let stored = secrets(&platform, NAMESPACE);
    let names = ["restored", "replaced", "ended", "removed"];
    let mut kept = Vec::new();
    for name in names {
        let key = platform.declare_key(name, "frayed", json!({})).await;
        platform.key_comes_to(name, "True", "Available").await;
        let secret = format!("apikey-{}", key.uid().unwrap());
        let backup = stored.get(&secret).await.unwrap();
        kept.push((secret, backup, platform.client_secret(name).await));
    }
    let damage = async |secret: &str, change: Value| {
        let (parameters, change) = (PatchParams::default(), Patch::Merge(&change));
        let damaged = stored.patch(secret, &parameters, &change).await;
        damaged.unwrap();
    };
    for (name, (secret, ..)) in names.iter().zip(&kept) {
        damage(secret, json!({"data": {"key": null}})).await;
        let told = platform
            .key_comes_to(name, "False", "CredentialsLost")
            .await;
        let conditions = told.status.unwrap().conditions;
        assert!(is_true(&conditions, ConditionType::Stalled));
        let message = &find(&conditions, ConditionType::Ready).unwrap().message;
        assert!(
            message.contains(secret) && message.contains("`key`"),
            "{message}"
        );
    }
    for (name, (_, _, published)) in names.iter().zip(&kept) {
        assert_eq!(platform.client_secret(name).await, *published);
    }
    let is_live = |place: usize| {
        let runtime = platform.runtimes.of("frayed");
        runtime
            .live_keys()
            .contains(&kept[place].2["keyId"].as_str())
    };
    assert!((0..names.len()).all(is_live), "what works works on");

    let (secret, backup, published) = &kept[0];
    restore(&stored, secret, backup).await;
    platform.key_comes_to("restored", "True", "Available").await;
    assert_eq!(platform.client_secret("restored").await, *published);

    let (secret, _, published) = &kept[1];
    let deleted = stored.delete(secret, &DeleteParams::default()).await;
    deleted.unwrap();
    platform.key_comes_to("replaced", "True", "Available").await;
    let another = platform.client_secret("replaced").await;
    assert_ne!(another["keyId"], published["keyId"]);
    assert!(!is_live(1));

    platform.change_key("ended", json!({"revoked": true})).await;
    platform.key_comes_to("ended", "False", "Revoked").await;
    assert!(!is_live(2));

    // Nothing in it says any more whose it is.
    damage(&kept[3].0, json!({"metadata": {"annotations": null}})).await;
    platform.remove_key("removed").await;
    assert!(!is_live(3), "its end is waited for");
    assert_eq!(platform.secret(CLIENTS, "removed").await, None);
    for name in ["restored", "replaced", "ended"] {
        platform.remove_key(name).await;
    }
    assert_eq!(platform.pending_secrets().await, [""; 0]);
    platform.remove("frayed").await;
    operator.stop().await;
}

#[tokio::test]
async fn a_key_whose_finalizer_somebody_takes_off_ends_and_leaves_nothing_beside_the_operator() {
    let platform = Platform::new().await;
    platform.client_namespace().await;
    let operator = platform.operator().await;
    platform.airline("slipped", json!({})).await;
    for name in ["kept", "gone"] {
        platform.declare_key(name, "slipped", json!({})).await;
        platform.key_comes_to(name, "True", "Available").await;
    }
    let kept = platform.client_secret("kept").await["keyId"].clone();
    let off = Patch::Merge(json!({"metadata": {"finalizers": null}}));
    let keys = platform.api_keys();
    keys.patch("gone", &PatchParams::default(), &off)
        .await
        .unwrap();
    let deleted = keys.delete("gone", &DeleteParams::default()).await;
    deleted.unwrap();
    until("one key is left", async || {
        platform.pending_secrets().await.len() == 1
            && platform.runtimes.of("slipped").live_keys() == [&*kept]
    })
    .await;
    assert!(keys.get_opt("gone").await.unwrap().is_none());
    platform.remove_key("kept").await;
    platform.remove("slipped").await;
    operator.stop().await;
}

/// As `kubectl replace` of a backup does.
async fn restore(secrets: &Api<Secret>, name: &str, backup: &Secret) {
    let mut backup = backup.clone();
    backup.metadata.resource_version = None;
    backup.metadata.managed_fields = None;
    let restored = secrets.replace(name, &PostParams::default(), &backup).await;
    restored.unwrap();
}

#[tokio::test]
async fn of_two_keys_that_want_one_secret_at_once_one_has_it() {
    let platform = Platform::new().await;
    platform.client_namespace().await;
    let operator = platform.operator().await;
    platform.airline("wanted", json!({})).await;
    for round in 0..3 {
        let secret = format!("shared-{round}");
        let names = [format!("left-{round}"), format!("right-{round}")];
        // The runtime is told of both at once, so that both may be handed over at once.
        platform
            .runtimes
            .change("wanted", |runtime| runtime.is_away = true);
        for name in &names {
            let same = json!({"secretName": secret});
            platform.declare_key(name, "wanted", same).await;
            platform.key_comes_to(name, "Unknown", "Registering").await;
        }
        platform
            .runtimes
            .change("wanted", |runtime| runtime.is_away = false);
        let reasons = async || {
            let mut reasons = Vec::new();
            for name in &names {
                let key = platform.api_keys().get(name).await.unwrap();
                let conditions = key.status.unwrap().conditions;
                let ready = find(&conditions, ConditionType::Ready).unwrap();
                reasons.push(ready.reason.clone());
            }
            reasons
        };
        recovered("one has it, and the other one says so", async || {
            let mut reasons = reasons().await;
            reasons.sort();
            reasons == ["Available", "SecretNameConflict"]
        })
        .await;
        let is_first = reasons().await[0] == "Available";
        let (winner, loser) = match is_first {
            true => (&names[0], &names[1]),
            false => (&names[1], &names[0]),
        };
        // An event follows the status that it is of.
        recovered("one is told to have it", async || {
            !said_available(&platform, &names).await.is_empty()
        })
        .await;
        let said = said_available(&platform, &names).await;
        assert_eq!(said, [winner.as_str()], "nobody else ever had it");
        let found = secrets(&platform, CLIENTS).get(&secret).await.unwrap();
        let key = platform.api_keys().get(winner).await.unwrap();
        let owner = &found.annotations()["albatross.aero/api-key-uid"];
        assert_eq!(Some(owner), key.uid().as_ref());
        let id = key.status.unwrap().key_id.unwrap();
        assert_eq!(found.data.as_ref().unwrap()["keyId"].0, id.as_bytes());
        platform.remove_key(loser).await;
        let left = secrets(&platform, CLIENTS).get(&secret).await.unwrap();
        assert_eq!(left, found);
        platform.remove_key(winner).await;
        assert_eq!(platform.secret(CLIENTS, &secret).await, None);
    }
    platform.remove("wanted").await;
    operator.stop().await;
}

/// Which of these keys have ever been told to be in their Secrets.
async fn said_available(platform: &Platform, names: &[String]) -> Vec<String> {
    let events: Api<Event> = Api::namespaced(platform.client.clone(), CLIENTS);
    let events = events.list(&ListParams::default()).await.unwrap();
    let told = events.items.into_iter();
    let told = told.filter(|event| event.reason.as_deref() == Some("Available"));
    let about = told.filter_map(|event| event.regarding?.name);
    about.filter(|name| names.contains(name)).collect()
}

#[tokio::test]
async fn a_secret_that_somebody_makes_just_before_the_operator_writes_is_left_alone() {
    let platform = Platform::new().await;
    platform.client_namespace().await;
    let gate = Gate::before(&platform).await;
    let operator = platform.start("operator", Some(&gate.url())).await;
    platform.airline("raced", json!({})).await;
    for key in ["late", "absent"] {
        let trigger = json!({"rotation": {"overlap": "1h", "trigger": "first"}});
        gate.stranger.store(key == "absent", Ordering::SeqCst);
        platform.declare_key(key, "raced", trigger).await;
        if key == "late" {
            platform.key_comes_to(key, "True", "Available").await;
            gate.stranger.store(true, Ordering::SeqCst);
            let trigger = json!({"rotation": {"overlap": "1h", "trigger": "second"}});
            platform.change_key(key, trigger).await;
        }
        platform
            .key_comes_to(key, "False", "SecretNameConflict")
            .await;
        assert!(!gate.stranger.load(Ordering::SeqCst), "nobody was faster");
        let left = platform.client_secret(key).await;
        assert_eq!(json!(left), json!({"key": "precious"}));
        platform.remove_key(key).await;
        let left = platform.client_secret(key).await;
        assert_eq!(json!(left), json!({"key": "precious"}));
        let deleted = secrets(&platform, CLIENTS)
            .delete(key, &DeleteParams::default())
            .await;
        deleted.unwrap();
    }
    platform.remove("raced").await;
    operator.stop().await;
}

/// Stands before the API server, and is on the side of a stranger.
struct Gate {
    address: SocketAddr,
    /// The next Secret that the operator writes for a client is made by somebody else before.
    stranger: Arc<AtomicBool>,
    _task: AbortOnDropHandle<()>,
}

struct Way {
    target: String,
    client: reqwest::Client,
    secrets: Api<Secret>,
    stranger: Arc<AtomicBool>,
}

impl Gate {
    async fn before(platform: &Platform) -> Self {
        let server = &platform.api_server;
        let certificate = reqwest::Certificate::from_pem(&server.certificate()).unwrap();
        let client = reqwest::Client::builder().no_proxy();
        let client = client.tls_certs_only([certificate]).build().unwrap();
        let stranger = Arc::new(AtomicBool::new(false));
        let way = Way {
            target: bare(&server.url()),
            client,
            secrets: secrets(platform, CLIENTS),
            stranger: stranger.clone(),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().fallback(pass).with_state(Arc::new(way));
        Self {
            address,
            stranger,
            _task: AbortOnDropHandle::new(tokio::spawn(async move {
                axum::serve(listener, router).await.unwrap();
            })),
        }
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

async fn pass(State(way): State<Arc<Way>>, request: Request) -> Response {
    let (mut parts, body) = request.into_parts();
    let body = to_bytes(body, LIMIT).await.unwrap();
    let path = parts.uri.path_and_query().unwrap().as_str();
    let is_a_clients = path.starts_with("/api/v1/namespaces/airline-clients/secrets");
    if is_a_clients && parts.method != Method::GET && way.stranger.swap(false, Ordering::SeqCst) {
        let name = name(parts.uri.path(), &body);
        // None of the name yet, or one that somebody puts another in the place of.
        let _gone = way.secrets.delete(&name, &DeleteParams::default()).await;
        let foreign = json!({"metadata": {"name": name}, "stringData": {"key": "precious"}});
        let foreign = serde_json::from_value(foreign).unwrap();
        let made = way.secrets.create(&PostParams::default(), &foreign).await;
        made.unwrap();
    }
    for own in [HOST, CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING] {
        parts.headers.remove(own);
    }
    let request = way
        .client
        .request(parts.method, format!("{}{path}", way.target));
    let answer = request.headers(parts.headers).body(body).send().await;
    let answer = answer.unwrap();
    let mut response = Response::builder().status(answer.status());
    let headers = response.headers_mut().unwrap();
    headers.extend(answer.headers().clone());
    for own in [CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING] {
        headers.remove(own);
    }
    response
        .body(Body::from_stream(answer.bytes_stream()))
        .unwrap()
}

/// Of the Secret that is written, which is in the path, or in the body of one that is made.
fn name(path: &str, body: &[u8]) -> String {
    match path.split_once("/secrets/") {
        Some((_, name)) => name.to_owned(),
        None => {
            let made: Secret = serde_json::from_slice(body).unwrap();
            made.name_any()
        }
    }
}
