//! Says of every pod what a node would say if all went well: migrations succeed, everything else runs, and is ready once
//! the runtime has been told the state that its environment asks for. Only pods of a runtime that is ill end again and
//! again, a migration ends as the test wants it, and no pod starts without the Secrets of its environment.

use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::api::{Patch, PatchParams};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, ResourceExt};
use serde_json::{Value, json};
use tokio_util::task::AbortOnDropHandle;

use crate::platform::runtimes::{All, Migration, known};

/// The API server has so long to answer.
const ANSWER: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_secs(1);

pub fn start(client: &Client, runtimes: All) -> AbortOnDropHandle<()> {
    let client = client.clone();
    AbortOnDropHandle::new(tokio::spawn(async move {
        let pods = watcher(Api::<Pod>::all(client.clone()), watcher::Config::default());
        let pods = pods.default_backoff().applied_objects();
        // All at once, since some wait.
        pods.for_each_concurrent(None, async |pod| {
            // An interrupted watch resumes by itself.
            if let Ok(pod) = pod
                && is_new(&pod)
            {
                run(&client, &pod, &runtimes).await;
            }
        })
        .await;
    }))
}

fn is_new(pod: &Pod) -> bool {
    let status = pod.status.as_ref();
    let phase = status.and_then(|status| status.phase.as_deref());
    let is_told = status.is_some_and(|status| status.container_statuses.is_some());
    phase == Some("Pending") && !is_told && pod.metadata.deletion_timestamp.is_none()
}

async fn run(client: &Client, pod: &Pod, runtimes: &All) {
    has_its_secrets(client, pod).await;
    let runtime = || known(runtimes, label(pod, "tenant"));
    if label(pod, "component") == "migrate" {
        while runtime().migration == Migration::Hangs {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let ended = match runtime().migration {
            Migration::Fails => failed(pod),
            Migration::Succeeds | Migration::Hangs => json!({"phase": "Succeeded"}),
        };
        return tell(client, pod, ended).await;
    }
    if runtime().is_ill {
        return tell(client, pod, crashing(pod)).await;
    }
    let required = required(client, pod).await;
    if runtime().number < required {
        tell(client, pod, running(false)).await;
        while runtime().number < required {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    tell(client, pod, running(true)).await;
}

/// Returns once they are there, or the pod is gone.
async fn has_its_secrets(client: &Client, pod: &Pod) {
    let namespace = pod.namespace().unwrap_or_default();
    let secrets: Api<Secret> = Api::namespaced(client.clone(), &namespace);
    let pods: Api<Pod> = Api::namespaced(client.clone(), &namespace);
    let containers = pod.spec.iter().flat_map(|spec| &spec.containers);
    let sources = containers.flat_map(|container| container.env_from.iter().flatten());
    let names = sources.filter_map(|source| Some(source.secret_ref.as_ref()?.name.as_str()));
    for name in names {
        let mut told = false;
        while matches!(secrets.get_metadata_opt(name).await, Ok(None)) {
            if !told {
                tell(client, pod, lacking(pod, name)).await;
                told = true;
            }
            if matches!(pods.get_metadata_opt(&pod.name_any()).await, Ok(None)) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

/// What the environment of a pod that serves asks for.
async fn required(client: &Client, pod: &Pod) -> u64 {
    if label(pod, "component") != "api" {
        return 0;
    }
    let secrets: Api<Secret> =
        Api::namespaced(client.clone(), &pod.namespace().unwrap_or_default());
    // It may go meanwhile, with its namespace.
    let secret = secrets.get_opt("albatross-api").await.ok().flatten();
    let data = secret.and_then(|secret| secret.data).unwrap_or_default();
    let required = data.get("ALBATROSS_REQUIRED_DESIRED");
    required.map_or(0, |text| {
        let text = std::str::from_utf8(&text.0).expect("a number");
        text.parse().expect("a number")
    })
}

fn running(ready: bool) -> Value {
    let status = if ready { "True" } else { "False" };
    let ready =
        json!({"type": "Ready", "status": status, "lastTransitionTime": "2026-01-01T00:00:00Z"});
    json!({"phase": "Running", "conditions": [ready]})
}

/// Long ago, so that nobody waits before it is tried again.
fn failed(pod: &Pod) -> Value {
    let containers = pod.spec.iter().flat_map(|spec| &spec.containers);
    let statuses = containers.map(|container| {
        let at = "2026-01-01T00:00:00Z";
        let ended = json!({"exitCode": 1, "reason": "Error", "startedAt": at, "finishedAt": at});
        json!({
            "name": container.name, "image": container.image, "imageID": "", "ready": false, "restartCount": 0,
            "state": {"terminated": ended},
        })
    });
    json!({"phase": "Failed", "containerStatuses": statuses.collect::<Vec<_>>()})
}

fn lacking(pod: &Pod, secret: &str) -> Value {
    let containers = pod.spec.iter().flat_map(|spec| &spec.containers);
    let message = format!("secret \"{secret}\" not found");
    let statuses = containers.map(|container| {
        json!({
            "name": container.name, "image": container.image, "imageID": "", "ready": false, "restartCount": 0,
            "state": {"waiting": {"reason": "CreateContainerConfigError", "message": message}},
        })
    });
    json!({"phase": "Pending", "containerStatuses": statuses.collect::<Vec<_>>()})
}

fn crashing(pod: &Pod) -> Value {
    let containers = pod.spec.iter().flat_map(|spec| &spec.containers);
    let statuses = containers.map(|container| {
        json!({
            "name": container.name, "image": container.image, "imageID": "", "ready": false, "restartCount": 7,
            "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 5m0s"}},
            "lastState": {"terminated": {"exitCode": 101, "reason": "Error"}},
        })
    });
    json!({"phase": "Running", "containerStatuses": statuses.collect::<Vec<_>>()})
}

/// Until it is heard, as a node does: nobody else would.
async fn tell(client: &Client, pod: &Pod, status: Value) {
    let api: Api<Pod> = Api::namespaced(client.clone(), &pod.namespace().unwrap_or_default());
    let patch = Patch::Strategic(json!({ "status": status }));
    let (name, parameters) = (pod.name_any(), PatchParams::default());
    loop {
        let told = api.patch_status(&name, &parameters, &patch);
        match tokio::time::timeout(ANSWER, told).await {
            Ok(Ok(_)) => return,
            // A pod may go meanwhile, with its Deployment or its namespace.
            Ok(Err(kube::Error::Api(status))) if status.is_not_found() => return,
            Ok(Err(error)) => eprintln!("{name}: {error}"),
            Err(_) => eprintln!("{name}: no answer"),
        }
        tokio::time::sleep(PAUSE).await;
    }
}

fn label<'a>(pod: &'a Pod, name: &str) -> &'a str {
    let label = pod.labels().get(&format!("albatross.aero/{name}"));
    label.map_or("", String::as_str)
}
