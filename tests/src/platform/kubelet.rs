//! Says of every pod what a node would say if all went well: migrations succeed, everything else runs and is ready.

use futures::StreamExt;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Patch, PatchParams};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, ResourceExt};
use serde_json::{Value, json};
use tokio_util::task::AbortOnDropHandle;

/// So many pods at once, as if there were several nodes.
const AT_ONCE: usize = 8;

pub fn start(client: &Client) -> AbortOnDropHandle<()> {
    let client = client.clone();
    AbortOnDropHandle::new(tokio::spawn(async move {
        let pods = watcher(Api::<Pod>::all(client.clone()), watcher::Config::default());
        let pods = pods.default_backoff().applied_objects();
        pods.for_each_concurrent(AT_ONCE, async |pod| {
            // An interrupted watch resumes by itself.
            if let Ok(pod) = pod {
                run(&client, &pod).await;
            }
        })
        .await;
    }))
}

async fn run(client: &Client, pod: &Pod) {
    let phase = pod
        .status
        .as_ref()
        .and_then(|status| status.phase.as_deref());
    if phase != Some("Pending") || pod.metadata.deletion_timestamp.is_some() {
        return;
    }
    let api: Api<Pod> = Api::namespaced(client.clone(), &pod.namespace().unwrap_or_default());
    let patch = json!({"status": status(pod)});
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

fn status(pod: &Pod) -> Value {
    if pod
        .labels()
        .get("albatross.aero/component")
        .map(String::as_str)
        == Some("migrate")
    {
        return json!({"phase": "Succeeded"});
    }
    let ready =
        json!({"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"});
    json!({"phase": "Running", "conditions": [ready]})
}
