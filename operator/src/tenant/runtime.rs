//! How the tenant's pods are doing, and telling them their state.

use std::sync::Arc;

use albatross_crds::Tenant;
use albatross_crds::conditions::{self, ConditionStatus, ConditionType, Reason};
use albatross_crds::tenant::ApiStatus;
use albatross_crds::validation::Scaling;
use k8s_openapi::api::apps::v1::{Deployment, DeploymentStatus};
use k8s_openapi::api::core::v1::Service;
use kube::{Resource, ResourceExt};

use crate::context::Context;
use crate::context::caches::DeploymentState;
use crate::context::object::ObjectKey;
use crate::context::record::TenantRecord;
use crate::context::runtime::{Answer, Desired, RuntimeError};
use crate::names;
use crate::tenant::claim;
use crate::tenant::erasures;
use crate::tenant::error::Error;
use crate::tenant::part::Part;
use crate::tenant::validate::Plan;

/// The pods that serve the airline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pods {
    pub api: ApiStatus,
    /// Whether the airline is served at all.
    pub available: Part,
    /// Whether all pods are as declared.
    pub rollout: Part,
}

const NO_POD_WANTED: &str = "the autoscaler of somebody else's (spec.api.autoscaling) wants no pod: it is to want one at least; an \
    airline sleeps by spec.hibernate";

/// Reads the Deployments from the cache. `asleep`: none of their pods is wanted.
pub fn pods(plan: &Plan, asleep: bool, ctx: &Context) -> Pods {
    let wanted = |replicas: Option<i32>| match asleep {
        true => Some(0),
        // Of a tenant that is suspended nothing is changed, its number of pods neither.
        false => replicas.filter(|_| !plan.tenant.suspend),
    };
    let api = deployment(plan, names::API, ctx);
    let status = api.map(|api| api.status).unwrap_or_default();
    let ready = status.ready_replicas.unwrap_or(0);
    let available = if asleep {
        Part::done(Reason::Hibernated, "no pod is wanted")
    } else if status.available_replicas.unwrap_or(0) > 0 {
        Part::done(Reason::Available, format!("{ready} pods serve the airline"))
    } else if let Some(message) = not_progressing(&status) {
        Part::failing(Reason::RuntimeUnavailable, message)
    } else {
        let is_kept_at_none = plan.tenant.scaling == Scaling::External
            && applied(plan, names::API, ctx).is_some_and(|api| api.spec.replicas == Some(0));
        Part::waiting(
            Reason::WaitingForRuntime,
            match is_kept_at_none {
                true => NO_POD_WANTED,
                false => "no pod is ready yet",
            },
        )
    };
    let mut rollout = rollout(
        names::API,
        wanted(plan.tenant.fixed_replicas()),
        applied(plan, names::API, ctx).as_ref(),
    );
    if rollout.is_done() && plan.tenant.worker.replicas > 0 {
        rollout = self::rollout(
            names::WORKER,
            wanted(Some(plan.tenant.worker.replicas)),
            applied(plan, names::WORKER, ctx).as_ref(),
        );
    }
    Pods {
        api: ApiStatus {
            replicas: status.replicas.unwrap_or(0),
            ready_replicas: ready,
        },
        available,
        rollout,
    }
}

/// Whether a pod serves the airline.
pub fn serves(plan: &Plan, ctx: &Context) -> bool {
    ctx.caches.is_served(&plan.tenant.name)
}

/// The Service behind which the runtime can be told: that of pods that serve, else that of pods that wait to be told. The
/// latter leads to pods that are ending or failing too.
pub fn service(plan: &Plan, ctx: &Context) -> Option<&'static str> {
    if serves(plan, ctx) {
        return Some(names::API);
    }
    let api = deployment(plan, names::API, ctx);
    let status = api.map(|api| api.status).unwrap_or_default();
    (status.replicas.unwrap_or(0) > 0).then_some(names::STARTING)
}

/// Tells the runtime its state behind `service`; says whether it knows its admins.
#[tracing::instrument(name = "tell", level = "debug", skip_all)]
pub async fn tell(
    plan: &Plan,
    record: &mut TenantRecord,
    desired: &Desired,
    service: &str,
    ctx: &Context,
) -> Result<Part, Error> {
    let address = address(plan, service, ctx);
    let token = &record.secrets.internal_token;
    let tenant = &plan.tenant.name;
    let mut answer = ctx.runtime.put(&address, token, desired).await;
    ctx.metrics.called("runtime", answer.is_ok());
    if let Err(RuntimeError::Stale { applied }) = answer {
        // The record is from a backup: go on counting from where the runtime is.
        record.desired_number = applied;
        record.desired_digest.clear();
        claim::store(record, tenant, ctx).await?;
    }
    let digest = answer.as_ref().ok().and_then(|it| it.erased_digest.clone());
    if let Some(digest) = digest.filter(|digest| *digest != record.erased_digest) {
        match erasures::learn(tenant, &address, record, ctx).await {
            Ok(()) => {
                record.erased_digest = digest;
                claim::store(record, tenant, ctx).await?;
            }
            Err(cause) => answer = Err(cause),
        }
    }
    let is_unheard = matches!(answer, Err(RuntimeError::Unreachable(_)));
    if is_unheard && (service == names::STARTING || is_news(plan, ctx)) {
        return Ok(starts());
    }
    remember(tenant, answer, ctx);
    Ok(admins(plan, desired.number, ctx))
}

/// What is said of a runtime that does not answer yet.
pub fn starts() -> Part {
    Part::waiting(
        Reason::WaitingForRuntime,
        "a pod starts, and cannot be told yet",
    )
}

/// Notes whether a pod serves now.
pub fn note(plan: &Plan, serves: bool, ctx: &Context) {
    let now = ctx.clock.now();
    ctx.memory.update(&plan.tenant.name, |memory| {
        memory.serving = memory.serving.now(serves, now);
    });
}

/// Whether a pod has begun to serve this very moment, and may not be found by others yet.
pub fn is_news(plan: &Plan, ctx: &Context) -> bool {
    let memory = ctx.memory.of(&plan.tenant.name);
    memory.serving.is_news(ctx.clock.now())
}

/// Where the runtime's internal API is, behind one of its Services.
pub fn address(plan: &Plan, service: &str, ctx: &Context) -> String {
    names::runtime_url(
        &ctx.config.runtime_url,
        &plan.tenant.name,
        service,
        &cluster_ip(plan, service, ctx).unwrap_or_default(),
    )
}

/// Whether the runtime knows the declared admins, as far as it has said.
pub fn admins(plan: &Plan, number: u64, ctx: &Context) -> Part {
    match ctx.memory.of(&plan.tenant.name).answer.as_deref() {
        Some(Ok(answer)) if answer.number >= number => Part::done(
            Reason::UpToDate,
            format!("the runtime knows {} admins", answer.admins.len()),
        ),
        None | Some(Ok(_)) => Part::waiting(
            Reason::WaitingForRuntime,
            "the runtime has not been told yet",
        ),
        Some(Err(RuntimeError::Refused(cause))) => {
            Part::failing(Reason::RuntimeRefused, cause.clone())
        }
        Some(Err(cause)) => Part::failing(Reason::RuntimeUnreachable, cause.to_string()),
    }
}

/// The same, by what the status says where this process has not asked: of a tenant that nobody tells anything.
pub fn admins_as_told(tenant: &Tenant, plan: &Plan, number: u64, ctx: &Context) -> Part {
    let status = tenant.status.as_ref();
    let told = status.and_then(|it| conditions::find(&it.conditions, ConditionType::AdminsReady));
    let told = told.filter(|it| it.status == ConditionStatus::True.as_str());
    match (ctx.memory.of(&plan.tenant.name).answer, told) {
        (None, Some(told)) => Part::done(Reason::UpToDate, told.message.clone()),
        _ => admins(plan, number, ctx),
    }
}

/// What the runtime last said, if it answered.
pub fn answer(plan: &Plan, ctx: &Context) -> Option<Answer> {
    match ctx.memory.of(&plan.tenant.name).answer.as_deref() {
        Some(Ok(answer)) => Some(answer.clone()),
        _ => None,
    }
}

/// API keys wait for what the runtime says about them.
fn remember(tenant: &str, answer: Result<Answer, RuntimeError>, ctx: &Context) {
    let answer = Arc::new(answer);
    let changed = ctx.memory.update(tenant, |memory| {
        let before = memory.answer.replace(Arc::clone(&answer));
        before.as_deref() != Some(&*answer)
    });
    if changed {
        for key in ctx.caches.api_keys_of(tenant) {
            ctx.triggers
                .api_key(&key.namespace().unwrap_or_default(), &key.name_any());
        }
        // A log-in closes its link, which changes the state that is wanted.
        ctx.triggers.tenant(tenant);
    }
}

/// `replicas` are none where whatever number is there is right.
fn rollout(name: &str, replicas: Option<i32>, deployment: Option<&DeploymentState>) -> Part {
    let waiting = |message: String| Part::waiting(Reason::RollingOut, message);
    let Some(deployment) = deployment else {
        return waiting(format!("Deployment {name} is being made or changed"));
    };
    let status = &deployment.status;
    let live = deployment.spec.replicas.unwrap_or(1);
    let replicas = replicas.unwrap_or(live);
    // What is said of the pods before is no word about these.
    let is_current = status.observed_generation >= deployment.metadata.generation;
    let seen = is_current && live == replicas;
    let counts = [
        status.updated_replicas.unwrap_or(0),
        status.available_replicas.unwrap_or(0),
        status.replicas.unwrap_or(0),
    ];
    if seen && counts == [replicas; 3] {
        return Part::done(
            Reason::UpToDate,
            format!("Deployment {name} is as declared"),
        );
    }
    let [updated, available, _] = counts;
    let message = format!(
        "Deployment {name}: {updated} of {replicas} pods are up to date, {available} are available"
    );
    match not_progressing(status).filter(|_| is_current) {
        Some(cause) => Part::failing(Reason::RuntimeUnavailable, format!("{message}; {cause}")),
        None => waiting(message),
    }
}

/// Why a rollout does not get on, if the Deployment says so.
fn not_progressing(status: &DeploymentStatus) -> Option<String> {
    status
        .conditions
        .iter()
        .flatten()
        .find(|condition| {
            (condition.type_ == "Progressing" && condition.status == "False")
                || (condition.type_ == "ReplicaFailure" && condition.status == "True")
        })
        .map(|condition| condition.message.clone().unwrap_or_default())
}

/// As last seen.
pub fn deployment(plan: &Plan, name: &str, ctx: &Context) -> Option<DeploymentState> {
    ctx.caches.deployment(&deployment_key(plan, name))
}

/// The Deployment, once the cache shows what was applied last: an older state says nothing about that.
fn applied(plan: &Plan, name: &str, ctx: &Context) -> Option<DeploymentState> {
    let key = deployment_key(plan, name);
    let shown = ctx.caches.deployment(&key)?;
    let version = shown.metadata.resource_version.as_deref();
    (!ctx.writer.is_behind(&key, version)).then_some(shown)
}

fn deployment_key(plan: &Plan, name: &str) -> ObjectKey {
    ObjectKey {
        kind: Deployment::kind(&()).into_owned(),
        namespace: Some(plan.namespace.clone()),
        name: name.to_owned(),
    }
}

fn cluster_ip(plan: &Plan, service: &str, ctx: &Context) -> Option<String> {
    let service = ctx.caches.child(&ObjectKey {
        kind: Service::kind(&()).into_owned(),
        namespace: Some(plan.namespace.clone()),
        name: service.to_owned(),
    })?;
    let address = service.data.get("spec")?.get("clusterIP")?;
    address.as_str().map(str::to_owned)
}
