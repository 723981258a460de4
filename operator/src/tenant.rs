//! Reconciles one Tenant: read, validate, claim, provision, build, apply, tell the runtime, report.

pub mod apply;
pub mod build;
pub mod cache_account;
pub mod claim;
pub mod connections;
pub mod dereference;
pub mod desired;
pub mod erasures;
pub mod error;
pub mod expose;
pub mod external;
pub mod finalize;
pub mod fleet;
pub mod hibernation;
pub mod identity;
pub mod image;
pub mod input;
pub mod part;
pub mod preview;
pub mod refusal;
pub mod replicas;
pub mod rollout;
pub mod runtime;
pub mod status;
pub mod transitions;
pub mod trouble;
pub mod turn;
pub mod upgrade;
pub mod validate;

use std::sync::Arc;
use std::time::Duration;

use albatross_crds::Tenant;
use albatross_crds::conditions::{ConditionType, Reason};
use albatross_crds::tenant::Mode;
use kube::runtime::controller::Action;
use kube::{Resource, ResourceExt};

use crate::context::record::TenantRecord;
use crate::context::{Context, contention};
use crate::names;
use crate::tenant::claim::Claimed;
use crate::tenant::dereference::{Record, World};
use crate::tenant::error::Error;
use crate::tenant::external::External;
use crate::tenant::finalize::Progress;
use crate::tenant::hibernation::Hibernation;
use crate::tenant::part::Part;
use crate::tenant::status::Facts;
use crate::tenant::validate::Plan;

/// Looked at again after this long, even if no watch said anything.
const STEADY: Duration = Duration::from_secs(600);
/// The same for a tenant that others are in the way of, or come before.
const REFUSED: Duration = Duration::from_secs(60);
/// The same while something is under way.
const WAITING: Duration = Duration::from_secs(30);
/// At most this long until a pod that starts is tried again: no watch says when it listens, and it waits for that.
const STARTING: Duration = Duration::from_secs(5);

/// What the reconciliation came to.
enum Outcome {
    Settled,
    Waiting,
    /// For a pod that starts and cannot be told yet.
    Starting,
    Refused,
    /// As it is to be until its turn in the rollout comes.
    Queued,
    Failing,
}

struct Next {
    outcome: Outcome,
    /// Looked at again after at most this long, whatever the outcome.
    within: Duration,
}

impl From<Outcome> for Next {
    fn from(outcome: Outcome) -> Self {
        Self {
            outcome,
            within: STEADY,
        }
    }
}

/// Brings one tenant closer to what is declared.
#[tracing::instrument(name = "reconcile", skip_all, fields(kind = "Tenant", name = tenant.name_any()))]
pub async fn reconcile(tenant: Arc<Tenant>, ctx: Arc<Context>) -> Result<Action, Error> {
    let started = std::time::Instant::now();
    let next = run(&tenant, &ctx).await;
    let label = match next.as_ref().map(|next| &next.outcome) {
        Ok(Outcome::Settled) => "settled",
        Ok(Outcome::Waiting | Outcome::Starting | Outcome::Queued) => "waiting",
        Ok(Outcome::Refused) => "refused",
        Ok(Outcome::Failing) => "failing",
        Err(error) if lasts(error, &tenant, &ctx) => "failing",
        Err(_) => "error",
    };
    ctx.metrics
        .reconciled("Tenant", label, started.elapsed().as_secs_f64());
    if let Err(error) = &next {
        report_error(&tenant, error, &ctx).await;
    }
    let key = backoff_key(&tenant);
    let Next { outcome, within } = next?;
    let delay = match outcome {
        Outcome::Failing => ctx.backoff.after_failure(&key),
        Outcome::Starting => ctx.backoff.after_failure(&key).min(STARTING),
        settled => {
            ctx.backoff.forget(&key);
            ctx.backoff.spread(match settled {
                Outcome::Waiting => WAITING,
                Outcome::Refused | Outcome::Queued => REFUSED,
                Outcome::Settled | Outcome::Starting | Outcome::Failing => STEADY,
            })
        }
    };
    Ok(Action::requeue(delay.min(ctx.backoff.spread(within))))
}

/// When to try again after an error: soon after a lost race, and later the more races are lost in a row.
pub fn on_error(tenant: Arc<Tenant>, error: &Error, ctx: Arc<Context>) -> Action {
    let delay = ctx.backoff.after_failure(&backoff_key(&tenant));
    if error.is_lost_race() {
        return Action::requeue(delay / 10);
    }
    tracing::warn!(tenant = tenant.name_any(), %error, "reconciliation failed, trying again in {delay:?}");
    Action::requeue(delay)
}

async fn run(tenant: &Tenant, ctx: &Context) -> Result<Next, Error> {
    if tenant.meta().deletion_timestamp.is_some() {
        let outcome = match finalize::finalize(tenant, ctx).await? {
            Progress::Finished => Outcome::Settled,
            Progress::Waiting => Outcome::Waiting,
            Progress::Blocked => Outcome::Failing,
        };
        return Ok(outcome.into());
    }
    let generation = tenant.metadata.generation.unwrap_or_default();
    let mut world = dereference::read(tenant, ctx).await?;
    let turn = turn::take(tenant, &mut world, ctx).await;
    let mut plan = match validate::validate(tenant, &world, &ctx.config) {
        Ok(plan) => plan,
        Err(refusal) => {
            drop(turn);
            let now = ctx.clock.now();
            status::write(tenant, ctx, |status| {
                status::refused(status, &refusal, generation, now);
            })
            .await?;
            return Ok(Outcome::Refused.into());
        }
    };
    if plan.tenant.suspend || plan.tenant.mode == Mode::Observe {
        upgrade::keep(&mut plan, &world.record);
        return observe(tenant, &plan, &world, ctx).await;
    }
    ctx.writer.finalizer(tenant, true).await?;
    let serves = runtime::serves(&plan, ctx);
    runtime::note(&plan, serves, ctx);
    let mut claimed = claim::claim(tenant, &plan, &world.record, serves, ctx).await?;
    drop(turn);
    announce(tenant, &plan, &claimed, ctx).await?;
    let facts = work(&mut plan, &world, &mut claimed, ctx).await?;
    report(tenant, &plan, &mut claimed, &facts, ctx).await
}

/// Everything between the claim and the report.
async fn work(
    plan: &mut Plan,
    world: &World,
    claimed: &mut Claimed,
    ctx: &Context,
) -> Result<Facts, Error> {
    let Claimed { record, desired } = claimed;
    let hibernation = hibernation::decide(plan, record, ctx).await?;
    let turn = upgrade::take_turn(plan, record, ctx).await?;
    let plan = &*plan;
    let asleep = hibernation.asleep;
    let external = external::provision(plan, record, ctx).await?;
    let (schema, exposure) = if world.surroundings.namespace_is_terminating {
        let message = "the namespace of an earlier tenant is still being removed";
        let waiting = Part::waiting(Reason::Deleting, message);
        (Some(waiting), expose::unexposed())
    } else {
        deploy(plan, record, &external, asleep, ctx).await?
    };
    let service = runtime::service(plan, ctx).filter(|_| !asleep);
    let admins = match service {
        Some(service) => Some(runtime::tell(plan, record, desired, service, ctx).await?),
        None => None,
    };
    let asks_soon =
        |it: &Part| it.state == part::State::Waiting && it.reason == Reason::WaitingForRuntime;
    let is_unasked = service == Some(names::API) && asks_soon(&hibernation.part);
    let starting = is_unasked || admins.as_ref().is_some_and(asks_soon);
    let mut facts = facts(plan, external, schema, admins, hibernation, ctx);
    facts.exposure = exposure;
    facts.starting = starting;
    if service == Some(names::STARTING) && facts.available.is_done() {
        // It is ready since then, and has yet to be found.
        facts.available = runtime::starts();
        facts.starting = true;
    }
    facts.turn = turn;
    let api = runtime::deployment(plan, names::API, ctx);
    let api = api.as_ref().map(|api| &api.metadata);
    let available = trouble::explain(facts.available, names::API, api, plan, ctx);
    facts.available = available.await?;
    Ok(facts)
}

/// The objects of the airline's namespace, as far as what they need is there: how far its schema is, and who is led to it.
async fn deploy(
    plan: &Plan,
    record: &mut TenantRecord,
    external: &External,
    asleep: bool,
    ctx: &Context,
) -> Result<(Option<Part>, Part), Error> {
    let (mut schema, mut exposure) = (apply::migrated(plan, record), expose::unexposed());
    let Some(input) = input::read(plan, record, ctx).await else {
        return Ok((schema, exposure));
    };
    let name = plan.tenant.name.as_str();
    let set = build::build(&input);
    let urls = set.foundation.secrets.urls();
    let set = apply::Applicable::new(set);
    if schema.is_some() {
        claim::hand(record, urls.clone(), name, ctx).await?;
    }
    apply::apply(name, &set.foundation, ctx).await?;
    if asleep {
        // Nothing is migrated for pods that do not run; that is for when they wake.
        apply::apply(name, &set.workloads, ctx).await?;
        exposure = expose::expose(set.route.as_ref(), ctx).await?;
        apply::prune(plan, &set, schema.is_some(), ctx).await?;
        return Ok((schema, exposure));
    }
    if external.database.is_done() || schema.is_some() {
        schema = Some(apply::migrate(plan, record, urls, &set.migration, ctx).await?);
    }
    let is_migrated = schema.as_ref().is_some_and(Part::is_done);
    // What has been before comes back, whatever is away; new pods start once everything is there.
    let runs = runtime::pods(plan, asleep, ctx).api.replicas > 0;
    let was_made = runs || external::was_made(plan, record);
    if is_migrated && (was_made || external.is_done()) {
        replicas::hand_over(plan, &set.workloads, ctx).await?;
        apply::apply(name, &set.workloads, ctx).await?;
        exposure = expose::expose(set.route.as_ref(), ctx).await?;
        apply::prune(plan, &set, is_migrated, ctx).await?;
    } else if runtime::deployment(plan, names::API, ctx).is_some() {
        // Pods of another image run on, and who is led to them is declared anew all the same.
        apply::apply(name, set.around_pods(), ctx).await?;
        exposure = expose::expose(set.route.as_ref(), ctx).await?;
        apply::prune_around_pods(plan, &set, is_migrated, ctx).await?;
    }
    if let Some(migrated) = schema {
        let job = ctx.caches.live(&set.migration);
        let job = job.as_ref().map(|job| &job.metadata);
        let migrated = trouble::explain(migrated, names::MIGRATE, job, plan, ctx);
        schema = Some(migrated.await?);
    }
    Ok((schema, exposure))
}

/// Says how a tenant is doing that is suspended, or what would be done for it, and changes nothing but that.
async fn observe(
    tenant: &Tenant,
    plan: &Plan,
    world: &World,
    ctx: &Context,
) -> Result<Next, Error> {
    let external = external::observe(plan, &world.record, ctx).await;
    let (schema, number, asleep) = match &world.record {
        Record::Present(record) => (
            apply::migrated(plan, record),
            record.desired_number,
            record.images.hibernated,
        ),
        Record::Absent | Record::Unreadable(_) => (None, 0, false),
    };
    let planned = match plan.tenant.mode {
        Mode::Observe => Some(preview::changes(plan, &world.record, schema.is_some(), ctx).await?),
        Mode::Apply => None,
    };
    let hibernation = hibernation::settled(asleep);
    let admins = (!asleep).then(|| runtime::admins_as_told(tenant, plan, number, ctx));
    let mut facts = Facts {
        planned,
        exposure: expose::exposed(plan, ctx),
        ..facts(plan, external, schema, admins, hibernation, ctx)
    };
    facts.hold(runtime::deployment(plan, names::API, ctx).is_some());
    let generation = tenant.metadata.generation.unwrap_or_default();
    let now = ctx.clock.now();
    let is_unsaid = status::write_in_time(tenant, ctx, |status| {
        status::observed(status, &facts, generation, now);
    })
    .await?;
    Ok(Next {
        outcome: Outcome::Settled,
        within: within(is_unsaid, &facts),
    })
}

/// `schema` and `admins` are none before there was anything to say about them.
fn facts(
    plan: &Plan,
    external: External,
    schema: Option<Part>,
    admins: Option<Part>,
    hibernation: Hibernation,
    ctx: &Context,
) -> Facts {
    let later = |reason: Reason, message: &str| {
        if hibernation.asleep {
            Part::done(Reason::Hibernated, "seen to when the airline wakes")
        } else {
            Part::waiting(reason, message)
        }
    };
    let pods = runtime::pods(plan, hibernation.asleep, ctx);
    Facts {
        external,
        schema: schema.unwrap_or_else(|| {
            later(
                Reason::Provisioning,
                "waiting for the database and the pods' accounts",
            )
        }),
        available: pods.available,
        rollout: pods.rollout,
        admins: admins
            .unwrap_or_else(|| later(Reason::WaitingForRuntime, "there is no pod to tell yet")),
        hibernation,
        exposure: expose::unexposed(),
        contention: apply::contention(plan, ctx),
        api: pods.api,
        runtime: runtime::answer(plan, ctx).map(|answer| (answer.version, answer.schema_version)),
        suspended: plan.tenant.suspend,
        starting: false,
        turn: None,
        planned: None,
    }
}

/// The first status of a tenant that was not known before; of one that was, identity and names alone.
async fn announce(
    tenant: &Tenant,
    plan: &Plan,
    claimed: &Claimed,
    ctx: &Context,
) -> Result<(), Error> {
    let generation = tenant.metadata.generation.unwrap_or_default();
    let now = ctx.clock.now();
    status::write(tenant, ctx, |status| {
        if status.tenant_id.is_none() {
            status::claimed(status, plan, &claimed.record, generation, now);
        } else {
            status::identity(status, plan, &claimed.record);
        }
    })
    .await
}

async fn report(
    tenant: &Tenant,
    plan: &Plan,
    claimed: &mut Claimed,
    facts: &Facts,
    ctx: &Context,
) -> Result<Next, Error> {
    let concluded = upgrade::conclude(plan, &mut claimed.record, facts, ctx).await?;
    let generation = tenant.metadata.generation.unwrap_or_default();
    let now = ctx.clock.now();
    let is_unsaid = status::write_in_time(tenant, ctx, |status| {
        status::identity(status, plan, &claimed.record);
        status::observed(status, facts, generation, now);
    })
    .await?;
    if concluded {
        upgrade::call(ctx);
    }
    let outcome = match facts.worst() {
        None if facts.turn.is_some() => Outcome::Queued,
        None => Outcome::Settled,
        Some(part::State::Stalled) => Outcome::Refused,
        Some(part::State::Failing) => Outcome::Failing,
        Some(part::State::Waiting | part::State::Done) if facts.starting => Outcome::Starting,
        Some(part::State::Waiting | part::State::Done) => Outcome::Waiting,
    };
    let within = within(is_unsaid, facts);
    Ok(Next { outcome, within })
}

fn within(is_unsaid: bool, facts: &Facts) -> Duration {
    if is_unsaid {
        status::PROGRESS
    } else if facts.contention.is_done() {
        STEADY
    } else {
        // What is gone tells nobody that its time has come.
        contention::LONGEST
    }
}

/// An error that lasts is told in the status too; one that passes is not worth a write.
async fn report_error(tenant: &Tenant, error: &Error, ctx: &Context) {
    if !lasts(error, tenant, ctx) {
        return;
    }
    let generation = tenant.metadata.generation.unwrap_or_default();
    let now = ctx.clock.now();
    let message = error.to_string();
    let (condition, reason) = match &tenant.meta().deletion_timestamp {
        Some(_) => (Some(ConditionType::DeletionBlocked), Reason::Deleting),
        None => (None, Reason::KubernetesError),
    };
    let written = status::write(tenant, ctx, |status| {
        status::failing(status, condition, reason, &message, generation, now);
    })
    .await;
    if let Err(cause) = written {
        tracing::warn!(%cause, "status not written");
    }
}

fn lasts(error: &Error, tenant: &Tenant, ctx: &Context) -> bool {
    !error.is_lost_race() && ctx.backoff.is_lasting(&backoff_key(tenant))
}

fn backoff_key(tenant: &Tenant) -> String {
    format!("tenant/{}", tenant.name_any())
}

#[cfg(test)]
pub mod fixtures;
