//! Moves a tenant to the operator's image when its turn in the rollout has come, and says how that ended.

use albatross_crds::conditions::Reason;
use albatross_crds::tenant::Mode;

use crate::context::Context;
use crate::context::record::TenantRecord;
use crate::context::upgrade::Upgrade;
use crate::tenant::claim;
use crate::tenant::dereference::Record;
use crate::tenant::error::Error;
use crate::tenant::fleet;
use crate::tenant::part::{Part, State};
use crate::tenant::rollout::{self, Standing, Verdict};
use crate::tenant::status::Facts;
use crate::tenant::validate::Plan;

/// Decides which image `plan` is for, and writes it down before anything is done for it. Says what a tenant waits for
/// whose turn has not come.
pub async fn take_turn(
    plan: &mut Plan,
    record: &mut TenantRecord,
    ctx: &Context,
) -> Result<Option<Part>, Error> {
    let Some(current) = stays_at(plan, record) else {
        return Ok(None);
    };
    if record.images.hibernated {
        plan.image = current;
        return Ok(None);
    }
    let _turn = ctx.turns.lock().await;
    let fleet = fleet::members(ctx);
    let tenant = &plan.tenant.name;
    let canary = fleet.iter().any(|it| it.tenant == *tenant && it.canary);
    let verdict = rollout::verdict(&fleet, canary, ctx.config.rollout.most());
    if verdict == Verdict::Go {
        record.images.upgrade = Some(Upgrade {
            image: plan.image.clone(),
            failed: false,
        });
        claim::store(record, tenant, ctx).await?;
        return Ok(None);
    }
    let target = std::mem::replace(&mut plan.image, current);
    Ok(Some(told(&verdict, &plan.image, &target)))
}

/// A suspended tenant stays at what it runs.
pub fn keep(plan: &mut Plan, record: &Record) {
    if let Record::Present(record) = record
        && plan.tenant.mode == Mode::Apply
        && let Some(current) = stays_at(plan, record)
    {
        plan.image = current;
    }
}

/// What a tenant runs that is to be moved by the rollout. A new one is not, nor one that has a version of its own.
fn stays_at(plan: &Plan, record: &TenantRecord) -> Option<String> {
    let current = record.images.current()?;
    let moves = plan.tenant.version.is_none() && current != plan.image;
    moves.then(|| current.to_owned())
}

/// The words stay the same while others come and go.
fn told(verdict: &Verdict, current: &str, target: &str) -> Part {
    let (reason, why) = match verdict {
        Verdict::Stopped(failed) => (
            Reason::RolloutStopped,
            format!(
                "nobody is moved to {target} before tenant {failed} is Ready, which failed there"
            ),
        ),
        Verdict::Canaries => (
            Reason::WaitingForRollout,
            format!("the canaries come first, and are not all Ready at {target}"),
        ),
        Verdict::Turn | Verdict::Go => (
            Reason::WaitingForRollout,
            format!("as many tenants as may be are being moved to {target}"),
        ),
    };
    Part::waiting(reason, format!("the airline stays at {current}: {why}"))
}

/// Writes down that an upgrade has ended, well or ill; whether it has.
pub async fn conclude(
    plan: &Plan,
    record: &mut TenantRecord,
    facts: &Facts,
    ctx: &Context,
) -> Result<bool, Error> {
    let after = outcome(record.images.upgrade.as_ref(), &plan.image, facts);
    if after == record.images.upgrade {
        return Ok(false);
    }
    record.images.upgrade = after;
    claim::store(record, &plan.tenant.name, ctx).await?;
    Ok(true)
}

/// An upgrade that failed stays so until the tenant is Ready, also while its migration is tried again.
fn outcome(upgrade: Option<&Upgrade>, image: &str, facts: &Facts) -> Option<Upgrade> {
    let upgrade = upgrade?;
    facts.worst()?;
    let is_its = upgrade.image == image;
    let fails =
        facts.schema.reason == Reason::MigrationFailed || facts.rollout.state == State::Failing;
    Some(Upgrade {
        failed: upgrade.failed || is_its && fails,
        ..upgrade.clone()
    })
}

/// Lets those look whose turn has come; once one has failed, all who wait, for they are told.
pub fn call(ctx: &Context) {
    let fleet = fleet::members(ctx);
    let failed = fleet.iter().any(|it| it.standing == Standing::Failed);
    let waiting = fleet.iter().filter(|it| it.standing == Standing::Waiting);
    let called: Vec<&str> = if failed {
        waiting.map(|it| it.tenant.as_str()).collect()
    } else {
        rollout::next(&fleet, ctx.config.rollout.most())
    };
    for tenant in called {
        ctx.triggers.tenant(tenant);
    }
}
