//! Says of every pod what a node would say if all went well: migrations succeed, everything else runs and is ready. Only
//! pods of a runtime that is ill end again and again.

use futures::StreamExt;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Patch, PatchParams};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, ResourceExt};
use serde_json::{Value, json};
use tokio_util::task::AbortOnDropHandle;

use crate::platform::runtimes::{All, known};

/// So many pods at once, as if there were several nodes.
const AT_ONCE: usize = 8;

pub fn start(client: &Client, runtimes: All) -> AbortOnDropHandle<()> {
    let client = client.clone();
    AbortOnDropHandle::new(tokio::spawn(async move {
        let pods = watcher(Api::<Pod>::all(client.clone()), watcher::Config::default());
        let pods = pods.default_backoff().applied_objects();
        pods.for_each_concurrent(AT_ONCE, async |pod| {
            // An interrupted watch resumes by itself.
            if let Ok(pod) = pod {
                run(&client, &pod, &runtimes).await;
            }
        })
        .await;
    }))
}

async fn run(client: &Client, pod: &Pod, runtimes: &All) {
    let phase = pod
        .status
        .as_ref()
        .and_then(|status| status.phase.as_deref());
    if phase != Some("Pending") || pod.metadata.deletion_timestamp.is_some() {
        return;
    }
    let api: Api<Pod> = Api::namespaced(client.clone(), &pod.namespace().unwrap_or_default());
    let tenant = pod.labels().get("albatross.aero/tenant");
    let is_ill = tenant.is_some_and(|tenant| known(runtimes, tenant).is_ill);
    let patch = json!({"status": status(pod, is_ill)});
    let told = api
        .patch_status(
            &pod.name_any(),
            &PatchParams::default(),
            &Patch::Strategic(patch),
        )
        .await;
    // A pod may go meanwhile, with its Deployment or its namespace.
    if let Err(error) = told
        && !matches!(&error, kube::Error::Api(status) if status.is_not_found())
    {
        eprintln!("{}: {error}", pod.name_any());
    }
}

fn status(pod: &Pod, is_ill: bool) -> Value {
    if pod
        .labels()
        .get("albatross.aero/component")
        .map(String::as_str)
        == Some("migrate")
    {
        return json!({"phase": "Succeeded"});
    }
    if is_ill {
        return crashing(pod);
    }
    let ready =
        json!({"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"});
    json!({"phase": "Running", "conditions": [ready]})
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
