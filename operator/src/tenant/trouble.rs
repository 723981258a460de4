//! What keeps a tenant's pods from getting on, as the cluster tells it; nobody is asked before some time has passed.
//!
//! Copies of Secrets are not watched, but a pod that lacks one says so: this is how one that was deleted is missed.

use jiff::SignedDuration;
use k8s_openapi::api::core::v1::{ContainerState, ContainerStatus, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Api;
use kube::api::ListParams;

use crate::context::Context;
use crate::names;
use crate::tenant::error::Error;
use crate::tenant::part::Part;
use crate::tenant::validate::Plan;

/// Pods that are younger than this may just be starting.
const PATIENCE: SignedDuration = SignedDuration::from_secs(10);
/// A copy that was seen after this is not looked for again: what the pod lacks is something else.
const RECENTLY: SignedDuration = SignedDuration::from_secs(60);
/// One is enough, and the first ones may be on their way out.
const FEW: u32 = 5;

/// Adds to a part that waits for the pods of `owner` (a Deployment or Job) what one of them is in trouble with.
pub async fn explain(
    part: Part,
    component: &str,
    owner: Option<&ObjectMeta>,
    plan: &Plan,
    ctx: &Context,
) -> Result<Part, Error> {
    let made = owner.and_then(|owner| owner.creation_timestamp.as_ref());
    let is_late = made.is_some_and(|at| ctx.clock.now().duration_since(at.0) > PATIENCE);
    if part.is_done() || !is_late {
        return Ok(part);
    }
    let pods: Api<Pod> = Api::namespaced(ctx.client.clone(), &plan.namespace);
    let component = format!("{}={component}", names::COMPONENT_LABEL);
    let few = ListParams::default().labels(&component).limit(FEW);
    let pods = pods.list(&few).await?;
    if pods.iter().any(lacks_a_secret) {
        look_for_copies(&plan.tenant.name, ctx);
    }
    Ok(match pods.iter().find_map(trouble) {
        None => part,
        Some(trouble) => Part {
            message: format!("{}: {trouble}", part.message),
            ..part
        },
    })
}

/// Or something else that its containers are made of.
fn lacks_a_secret(pod: &Pod) -> bool {
    let status = pod.status.iter();
    let containers = status.flat_map(|status| status.container_statuses.iter().flatten());
    let mut waiting = containers.filter_map(|it| it.state.as_ref()?.waiting.as_ref());
    waiting.any(|it| it.reason.as_deref() == Some("CreateContainerConfigError"))
}

/// Soon, but for those that were there a moment ago.
fn look_for_copies(tenant: &str, ctx: &Context) {
    let now = ctx.clock.now();
    let is_any_old = ctx.memory.update(tenant, |memory| {
        let before = memory.copies.len();
        let is_fresh = |seen| now.duration_since(seen) < RECENTLY;
        memory.copies.retain(|_, (_, seen)| is_fresh(*seen));
        memory.copies.len() < before
    });
    if is_any_old {
        ctx.triggers.tenant(tenant);
    }
}

/// In words that stay the same as long as the trouble does.
fn trouble(pod: &Pod) -> Option<String> {
    let status = pod.status.as_ref()?;
    let mut conditions = status.conditions.iter().flatten();
    if let Some(unplaced) = conditions.find(|it| it.type_ == "PodScheduled" && it.status == "False")
    {
        let message = unplaced.message.as_deref().unwrap_or_default();
        return Some(format!("its pod finds no node: {message}"));
    }
    let containers = status.container_statuses.iter().flatten();
    containers.filter(|it| !it.ready).find_map(of_container)
}

fn of_container(container: &ContainerStatus) -> Option<String> {
    let name = &container.name;
    let states = [&container.state, &container.last_state];
    let ended = |state: &ContainerState| state.terminated.clone();
    if let Some(ended) = states.into_iter().flatten().find_map(ended) {
        let why = ended.reason.unwrap_or_default();
        let code = ended.exit_code;
        return Some(format!(
            "container {name} ended with exit code {code} ({why}), again and again"
        ));
    }
    let waiting = container
        .state
        .as_ref()
        .and_then(|state| state.waiting.clone());
    match waiting.map(|waiting| (waiting.reason.unwrap_or_default(), waiting.message)) {
        None => Some(format!(
            "container {name} runs and does not say that it is ready"
        )),
        Some((reason, _)) if ["ContainerCreating", "PodInitializing"].contains(&&*reason) => None,
        Some((reason, _)) if ["ErrImagePull", "ImagePullBackOff"].contains(&&*reason) => {
            Some(format!("image {} cannot be pulled", container.image))
        }
        Some((reason, message)) => Some(format!(
            "container {name} waits: {reason}: {}",
            message.unwrap_or_default()
        )),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::{Value, json};

    use super::*;

    fn told(state: Value, last: Value) -> Option<String> {
        trouble(&pod(json!({"containerStatuses": [{
            "name": "api", "image": "albatross:1", "imageID": "", "ready": false, "restartCount": 3,
            "state": state, "lastState": last,
        }]})))
    }

    fn pod(status: Value) -> Pod {
        serde_json::from_value(json!({"status": status})).unwrap()
    }

    #[rstest]
    #[case(json!({"waiting": {"reason": "ContainerCreating"}}), None)]
    #[case(json!({"waiting": {"reason": "ErrImagePull", "message": "x"}}), Some("image albatross:1 cannot be pulled"))]
    #[case(json!({"waiting": {"reason": "ImagePullBackOff", "message": "y"}}), Some("image albatross:1 cannot be pulled"))]
    #[case(
        json!({"waiting": {"reason": "CreateContainerConfigError", "message": "no Secret"}}),
        Some("container api waits: CreateContainerConfigError: no Secret")
    )]
    #[case(json!({"running": {}}), Some("container api runs and does not say that it is ready"))]
    fn a_pod_says_what_it_is_in_trouble_with(#[case] state: Value, #[case] said: Option<&str>) {
        assert_eq!(told(state, json!({})).as_deref(), said);
    }

    #[test]
    fn a_crash_loop_says_the_same_all_the_time() {
        let ended = json!({"terminated": {"exitCode": 101, "reason": "Error"}});
        let said =
            Some("container api ended with exit code 101 (Error), again and again".to_owned());
        let back_off =
            json!({"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 20s"}});
        assert_eq!(told(back_off, ended.clone()), said);
        assert_eq!(told(json!({"running": {}}), ended.clone()), said);
        assert_eq!(told(ended, json!({})), said);
    }

    #[test]
    fn a_pod_without_a_node_says_why() {
        let unplaced = json!({"type": "PodScheduled", "status": "False", "message": "0/3 nodes are available"});
        let said = trouble(&pod(json!({"conditions": [unplaced]})));
        assert_eq!(
            said.unwrap(),
            "its pod finds no node: 0/3 nodes are available"
        );
    }
}
