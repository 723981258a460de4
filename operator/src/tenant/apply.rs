//! Applies the objects that were built, in their order, and removes those that are no longer wanted.
//!
//! The resource set is taken apart without `..`: a new kind of object that is forgotten here does not compile. Nor does one that
//! is not watched, and so would not be removed: only kinds of `context::kinds` can be applied, which says what is left of Secrets.

use std::collections::BTreeSet;
use std::time::Duration;

use albatross_crds::conditions::Reason;
use albatross_crds::tenant_namespace;
use k8s_openapi::api::batch::v1::JobStatus;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{ApiResource, DynamicObject};
use kube::runtime::events::EventType;
use kube::{Api, Resource, ResourceExt};

use crate::context::Context;
use crate::context::child::Kept;
use crate::context::handed::HandedUrls;
use crate::context::live::Live;
use crate::context::object::{ObjectKey, Wanted, dynamic, key_of};
use crate::context::record::TenantRecord;
use crate::names;
use crate::tenant::build::{Foundation, ResourceSet, Secrets, Workloads};
use crate::tenant::claim;
use crate::tenant::error::Error;
use crate::tenant::part::Part;
use crate::tenant::validate::Plan;

/// A Secret copy that nobody is known to have touched is looked at again after this long.
const COPY_RECHECK: jiff::SignedDuration = jiff::SignedDuration::from_hours(24);
/// The API server's authorizer hears of a binding a moment after it was written, and refuses what comes before.
const BOUND_WITHIN_MS: [u64; 5] = [100, 100, 200, 400, 800];
/// A failed migration is tried again after this long.
const MIGRATION_RETRY: jiff::SignedDuration = jiff::SignedDuration::from_secs(60);

/// The one kind that says which image runs.
const DEPLOYMENT: &str = "Deployment";

/// A resource set in the order in which it is applied.
pub struct Applicable {
    pub foundation: Vec<Wanted>,
    pub migration: Wanted,
    pub workloads: Vec<Wanted>,
    /// Of a kind that the cluster may not serve.
    pub route: Option<Wanted>,
}

impl Applicable {
    pub fn new(set: ResourceSet) -> Self {
        let ResourceSet {
            foundation,
            migration,
            workloads,
        } = set;
        let (workloads, route) = of_workloads(workloads);
        Self {
            foundation: of_foundation(foundation),
            migration: Wanted::new(&migration),
            workloads,
            route,
        }
    }

    /// Of the workloads, what does not say which image runs.
    pub fn around_pods(&self) -> impl Iterator<Item = &Wanted> {
        let workloads = self.workloads.iter();
        workloads.filter(|it| it.resource.kind != DEPLOYMENT)
    }

    /// All but the migration, which is there for a while only.
    pub fn all(&self) -> impl Iterator<Item = &Wanted> {
        self.foundation
            .iter()
            .chain(&self.workloads)
            .chain(&self.route)
    }
}

fn of_foundation(foundation: Foundation) -> Vec<Wanted> {
    let Foundation {
        namespace,
        operator_binding,
        owners_binding,
        service_account,
        resource_quota,
        limit_range,
        network_policies,
        secrets:
            Secrets {
                api,
                migrate,
                admin_links,
                erased,
                authorities,
                platform_links,
            },
    } = foundation;
    // The binding comes before everything that needs it, the policies before the pods that they confine.
    let mut wanted = vec![Wanted::new(&namespace), Wanted::new(&operator_binding)];
    wanted.extend(network_policies.iter().map(Wanted::new));
    wanted.extend(owners_binding.iter().map(Wanted::new));
    wanted.push(Wanted::new(&service_account));
    wanted.push(Wanted::new(&resource_quota));
    wanted.push(Wanted::new(&limit_range));
    wanted.extend([&api, &migrate, &admin_links].map(Wanted::new));
    let others = erased.iter().chain(&authorities).chain(&platform_links);
    wanted.extend(others.map(Wanted::new));
    wanted
}

fn of_workloads(workloads: Workloads) -> (Vec<Wanted>, Option<Wanted>) {
    let Workloads {
        service,
        starting,
        disruption_budget,
        api,
        worker,
        autoscaler,
        ingress,
        http_route,
    } = workloads;
    let mut wanted = vec![
        Wanted::new(&service),
        Wanted::new(&starting),
        Wanted::new(&disruption_budget),
        Wanted::new(&api),
    ];
    wanted.extend(worker.iter().map(Wanted::new));
    wanted.extend(autoscaler.iter().map(Wanted::new));
    wanted.extend(ingress.iter().map(Wanted::new));
    (wanted, http_route.as_ref().map(Wanted::new))
}

/// Applies what differs.
#[tracing::instrument(name = "apply", level = "debug", skip_all)]
pub async fn apply<'a>(
    tenant: &str,
    wanted: impl IntoIterator<Item = &'a Wanted>,
    ctx: &Context,
) -> Result<(), Error> {
    let mut patience = [].iter();
    for object in wanted {
        let written = loop {
            match apply_one(tenant, object, ctx).await {
                Err(refused) if refused.is_forbidden() => match patience.next() {
                    Some(pause) => tokio::time::sleep(Duration::from_millis(*pause)).await,
                    None => return Err(refused),
                },
                written => break written?,
            }
        };
        if written && object.resource.kind == "RoleBinding" {
            let [first, again @ ..] = &BOUND_WITHIN_MS;
            tokio::time::sleep(Duration::from_millis(*first)).await;
            patience = again.iter();
        }
    }
    Ok(())
}

/// Says whether it wrote.
async fn apply_one(tenant: &str, wanted: &Wanted, ctx: &Context) -> Result<bool, Error> {
    if wanted.is_secret() {
        return apply_copy(tenant, wanted, ctx).await;
    }
    if wanted.resource.kind != "Namespace" {
        let key = wanted.key();
        let kept = ctx.caches.kept(&key);
        let seen = kept.as_ref().and_then(|kept| kept.resource_version());
        if kept.is_some() && ctx.writer.is_last_applied(&key, wanted, seen) {
            return Ok(false);
        }
        let live = kept.map(|kept| kept.object());
        return Ok(apply_watched(wanted, live.as_ref(), ctx).await?);
    }
    let live = ctx.caches.namespace(&wanted.object.name_any());
    let live = live.map(|live| dynamic(&*live));
    let written = ctx.writer.apply(wanted, live.as_ref()).await?;
    if written {
        // It may be a new one, without the copies that the one before held.
        ctx.memory.update(tenant, |memory| memory.copies.clear());
    }
    Ok(written)
}

/// Applies an object of a kind that is watched, unless somebody takes it away so often that it has to wait. Says whether it
/// wrote.
pub async fn apply_watched(
    wanted: &Wanted,
    live: Option<&DynamicObject>,
    ctx: &Context,
) -> Result<bool, kube::Error> {
    let key = wanted.key();
    let has_seen = |version| ctx.caches.has_seen(&key.kind, version);
    if live.is_none() && !ctx.writer.may_make(&key, wanted, has_seen) {
        return Ok(false);
    }
    ctx.writer.apply(wanted, live).await
}

/// Copies are not watched: one is read again when its content changes, and once in a while.
async fn apply_copy(tenant: &str, wanted: &Wanted, ctx: &Context) -> Result<bool, Error> {
    let now = ctx.clock.now();
    let name = wanted.object.name_any();
    if let Some((digest, seen)) = ctx.memory.of(tenant).copies.get(&name)
        && *digest == wanted.digest
        && now.duration_since(*seen) < COPY_RECHECK
    {
        return Ok(false);
    }
    let namespace = wanted.object.namespace().unwrap_or_default();
    let live = if namespace == ctx.namespace {
        let cached = ctx.caches.secret(&namespace, &name);
        cached.map(|cached| dynamic(&*cached))
    } else {
        let client = ctx.client.clone();
        let api = Api::<Live>::namespaced_with(client, &namespace, &wanted.resource);
        api.get_opt(&name).await?.map(|Live(live)| live)
    };
    if live.as_ref().is_some_and(|live| is_altered(wanted, live)) {
        tell_altered(tenant, &name, ctx).await;
    }
    let written = ctx.writer.apply(wanted, live.as_ref()).await?;
    ctx.memory.update(tenant, |memory| {
        memory.copies.insert(name, (wanted.digest.clone(), now))
    });
    Ok(written)
}

/// Whether somebody else changed what was applied; an older state of it is no reason to wonder.
fn is_altered(wanted: &Wanted, live: &DynamicObject) -> bool {
    let applied = live.annotations().get(names::DIGEST_ANNOTATION);
    applied == Some(&wanted.digest) && !wanted.is_met_by(live)
}

async fn tell_altered(tenant: &str, copy: &str, ctx: &Context) {
    let Some(tenant) = ctx.caches.tenant(tenant) else {
        return;
    };
    let note = format!(
        "Secret {copy} in namespace {} was changed by hand and is put back; pods that were started meanwhile may have \
         used it",
        tenant_namespace(&tenant.name_any())
    );
    let what = (EventType::Warning, "CopyAltered", "Apply");
    ctx.events.tell(&*tenant, what, &note).await;
}

/// Runs the image's migration unless the record says that it has run.
#[tracing::instrument(name = "migrate", level = "debug", skip_all)]
pub async fn migrate(
    plan: &Plan,
    record: &mut TenantRecord,
    urls: HandedUrls,
    job: &Wanted,
    ctx: &Context,
) -> Result<Part, Error> {
    if let Some(done) = migrated(plan, record) {
        return Ok(done);
    }
    let Some(live) = ctx.caches.live(job) else {
        // A Job cannot be applied again once it is there, and the cache may not show it yet.
        apply_watched(job, None, ctx).await?;
        return Ok(migrating(plan));
    };
    match outcome(&live) {
        JobOutcome::Running => Ok(migrating(plan)),
        JobOutcome::Complete => {
            record.images.migrated = Some(plan.image.clone());
            // In one write with it: the first pods follow.
            record.handed = urls;
            claim::store(record, &plan.tenant.name, ctx).await?;
            Ok(migrated(plan, record).unwrap_or_else(|| migrating(plan)))
        }
        JobOutcome::Failed { at, message } => {
            let waited = at.is_none_or(|at| ctx.clock.now().duration_since(at) > MIGRATION_RETRY);
            if waited && live.meta().deletion_timestamp.is_none() {
                ctx.writer.delete(&job.resource, &live).await?;
            }
            Ok(Part::failing(
                Reason::MigrationFailed,
                format!(
                    "Job {} failed: {message}; it is tried again, its pod's log says more",
                    live.name_any()
                ),
            ))
        }
    }
}

/// Whether somebody else lays hands on the tenant's objects again and again.
pub fn contention(plan: &Plan, ctx: &Context) -> Part {
    let objects = ctx.writer.fought_over(&plan.namespace);
    if objects.is_empty() {
        return Part::done(Reason::UpToDate, "nobody else changes the objects");
    }
    Part::waiting(
        Reason::Contended,
        format!(
            "somebody else changes or deletes {} in namespace {} again and again; what is put right does not stay so",
            objects.join(", "),
            plan.namespace
        ),
    )
}

/// How the schema is doing according to the record, if the migration has run.
pub fn migrated(plan: &Plan, record: &TenantRecord) -> Option<Part> {
    (record.images.migrated.as_ref() == Some(&plan.image)).then(|| {
        Part::done(
            Reason::UpToDate,
            format!("the database has the schema of {}", plan.image),
        )
    })
}

pub fn migrating(plan: &Plan) -> Part {
    Part::waiting(
        Reason::Migrating,
        format!("the migration Job of {} is running", plan.image),
    )
}

enum JobOutcome {
    Running,
    Complete,
    Failed {
        at: Option<jiff::Timestamp>,
        message: String,
    },
}

fn outcome(job: &DynamicObject) -> JobOutcome {
    let status: JobStatus = job
        .data
        .get("status")
        .and_then(|status| serde_json::from_value(status.clone()).ok())
        .unwrap_or_default();
    let conditions = status.conditions.unwrap_or_default();
    let holds = |kind: &str| {
        conditions
            .iter()
            .find(|condition| condition.type_ == kind && condition.status == "True")
    };
    if holds("Complete").is_some() {
        return JobOutcome::Complete;
    }
    match holds("Failed") {
        None => JobOutcome::Running,
        Some(failed) => JobOutcome::Failed {
            at: failed.last_transition_time.as_ref().map(|time| time.0),
            message: failed.message.clone().unwrap_or_default(),
        },
    }
}

/// Deletes what the operator once applied for the tenant and wants no longer.
#[tracing::instrument(name = "prune", level = "debug", skip_all)]
pub async fn prune(
    plan: &Plan,
    wanted: &Applicable,
    is_migrated: bool,
    ctx: &Context,
) -> Result<(), Error> {
    for (resource, object) in unwanted(plan, wanted, is_migrated, ctx) {
        ctx.writer.delete(&resource, &object).await?;
    }
    Ok(())
}

/// The same, but for the pods: those of another image need each other until all are replaced.
#[tracing::instrument(name = "prune", level = "debug", skip_all)]
pub async fn prune_around_pods(
    plan: &Plan,
    wanted: &Applicable,
    is_migrated: bool,
    ctx: &Context,
) -> Result<(), Error> {
    let unwanted = unwanted(plan, wanted, is_migrated, ctx).into_iter();
    for (resource, object) in unwanted.filter(|(resource, _)| resource.kind != DEPLOYMENT) {
        ctx.writer.delete(&resource, &object).await?;
    }
    Ok(())
}

/// What the operator once applied for the tenant and wants no longer, the Job of a migration that is done included.
pub fn unwanted(
    plan: &Plan,
    wanted: &Applicable,
    is_migrated: bool,
    ctx: &Context,
) -> Vec<(ApiResource, DynamicObject)> {
    let migration = (!is_migrated).then_some(&wanted.migration);
    let keep: BTreeSet<ObjectKey> = wanted.all().chain(migration).map(Wanted::key).collect();
    let is_kept = |resource: &ApiResource, child: &Kept| {
        keep.contains(&ObjectKey {
            kind: resource.kind.clone(),
            namespace: Some(plan.namespace.clone()),
            name: child.name().to_owned(),
        })
    };
    let children = ctx.caches.children_of(&plan.tenant.name, &plan.namespace);
    let others = children
        .into_iter()
        .filter(|(resource, child)| !is_kept(resource, child))
        .map(|(resource, child)| (resource, child.object()));
    let links = names::platform_links_secret(&plan.tenant.name);
    let links = ctx.caches.secret(&ctx.namespace, &links);
    let links = links
        .map(|links| (ApiResource::erase::<Secret>(&()), dynamic(&*links)))
        .filter(|(resource, links)| !keep.contains(&key_of(resource, links)));
    others
        .chain(links)
        .filter(|(_, object)| {
            let applied_by_us = object.annotations().contains_key(names::DIGEST_ANNOTATION);
            applied_by_us && object.meta().deletion_timestamp.is_none()
        })
        .collect()
}
