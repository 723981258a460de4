//! Events on what has changed for whoever watches a tenant.

use albatross_crds::conditions::{self, ConditionType, Reason};
use albatross_crds::tenant::{Tenant, TenantStatus};
use kube::ResourceExt;
use kube::runtime::events::EventType;

use crate::context::Context;

/// Tells of readiness that has changed, and of a rollout that has stopped.
pub async fn tell(tenant: &Tenant, before: &TenantStatus, after: &TenantStatus, ctx: &Context) {
    tell_transition(tenant, before, after, ctx).await;
    tell_stopped(tenant, before, after, ctx).await;
}

async fn tell_transition(
    tenant: &Tenant,
    before: &TenantStatus,
    after: &TenantStatus,
    ctx: &Context,
) {
    let ready = |status: &TenantStatus| {
        let is_blocked = conditions::is_true(&status.conditions, ConditionType::DeletionBlocked);
        conditions::find(&status.conditions, ConditionType::Ready).map(|ready| {
            let state = (ready.status.clone(), ready.reason.clone(), is_blocked);
            (state, ready.message.clone())
        })
    };
    let Some((now, message)) = ready(after) else {
        return;
    };
    let before = ready(before).map(|(before, _)| before);
    if before.as_ref() == Some(&now) {
        return;
    }
    let (status, reason, is_blocked) = now;
    let is_step = status == "Unknown" && before.is_none_or(|(before, ..)| before == status);
    tracing::info!(
        tenant = tenant.name_any(),
        ready = status,
        reason,
        message,
        "status"
    );
    if is_step {
        // Steps on the way are told in the status alone: an event is a write more.
        return;
    }
    // Whoever deletes an airline means to.
    let is_meant = reason == Reason::Deleting.as_str() && !is_blocked;
    let kind = match status.as_str() {
        "False" if !is_meant => EventType::Warning,
        _ => EventType::Normal,
    };
    let what = (kind, reason.as_str(), "Reconcile");
    ctx.events.tell(tenant, what, &message).await;
}

/// Whoever waits is told once that the rollout has stopped.
async fn tell_stopped(tenant: &Tenant, before: &TenantStatus, after: &TenantStatus, ctx: &Context) {
    let stopped = |status: &TenantStatus| {
        let pending = conditions::find(&status.conditions, ConditionType::UpgradePending);
        let stopped = pending.filter(|it| it.reason == Reason::RolloutStopped.as_str());
        stopped.map(|it| it.message.clone())
    };
    if let (None, Some(message)) = (stopped(before), stopped(after)) {
        let reason = Reason::RolloutStopped.as_str();
        let what = (EventType::Warning, reason, "Reconcile");
        ctx.events.tell(tenant, what, &message).await;
    }
}
