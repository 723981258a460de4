//! The status that follows from how far a key has come: pure, but for the writing of it.

use albatross_crds::conditions::{self, ConditionStatus, ConditionType, ConditionUpdate, Reason};
use albatross_crds::{ApiKey, ApiKeyStatus};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt;
use kube::runtime::events::EventType;

use crate::context::Context;
use crate::context::key_ring::KeyRing;

/// What there is to say.
#[derive(Debug)]
pub struct Report<'a> {
    pub ready: ConditionStatus,
    pub reason: Reason,
    pub message: String,
    /// Waiting will not help.
    pub stalled: bool,
    /// There is more to come, be the key ready or not: another one, or the next attempt after a failure.
    pub pending: bool,
    pub ring: Option<&'a KeyRing>,
    pub next_rotation_at: Option<Timestamp>,
}

impl Report<'_> {
    /// For the metrics. Of a key that is to end, and has, nobody need hear, nor of one whose tenant is left alone.
    pub fn outcome(&self) -> &'static str {
        match (self.stalled, self.ready, self.reason) {
            (true, _, Reason::Revoked | Reason::Expired) => "settled",
            (true, _, Reason::WaitingForTenant) => "waiting",
            (true, ..) => "refused",
            (false, ConditionStatus::True, _) => "settled",
            (false, ..) => "waiting",
        }
    }
}

/// The status after `report`.
pub fn compute(status: &mut ApiKeyStatus, report: &Report<'_>, generation: i64, now: Timestamp) {
    status.observed_generation = Some(generation);
    if let Some(ring) = report.ring {
        status.key_id = Some(ring.current.id.clone());
        status.issued_at = whole_seconds(ring.current.issued_at);
        status.expires_at = whole_seconds(ring.current.expires_at);
        let is_revoked = report.reason == Reason::Revoked;
        let previous = ring.previous(now).filter(|_| !is_revoked);
        status.previous_key_id = previous.map(|key| key.id.clone());
        status.previous_expires_at = previous.and_then(|key| whole_seconds(key.expires_at));
        status.rotation_trigger.clone_from(&ring.trigger);
        status.next_rotation_at = report.next_rotation_at.and_then(whole_seconds);
    }
    let is_settled = report.ready != ConditionStatus::Unknown && !report.pending;
    let under_way = !report.stalled && !is_settled;
    let why_stalled = match report.stalled {
        true => report.message.as_str(),
        false => "",
    };
    let states = [
        (ConditionType::Ready, report.ready, report.message.as_str()),
        (ConditionType::Reconciling, under_way.into(), ""),
        (ConditionType::Stalled, report.stalled.into(), why_stalled),
    ];
    for (condition, state, message) in states {
        let update = ConditionUpdate {
            condition,
            status: state,
            reason: report.reason,
            message: message.to_owned(),
            observed_generation: generation,
        };
        conditions::set(&mut status.conditions, update, now);
    }
}

/// Writes the status if it differs, and an event if readiness has changed.
pub async fn write(key: &ApiKey, report: &Report<'_>, ctx: &Context) -> Result<(), kube::Error> {
    let before = ctx.writer.status_of(key, key.status.as_ref());
    let mut after = before.clone();
    let generation = key.metadata.generation.unwrap_or_default();
    compute(&mut after, report, generation, ctx.clock.now());
    if before == after {
        return Ok(());
    }
    ctx.writer.status(key, &after).await?;
    let ready = |status: &ApiKeyStatus| {
        conditions::find(&status.conditions, ConditionType::Ready)
            .map(|ready| (ready.status.clone(), ready.reason.clone()))
    };
    if ready(&before) != ready(&after) {
        tell(key, report, ctx).await;
    }
    Ok(())
}

async fn tell(key: &ApiKey, report: &Report<'_>, ctx: &Context) {
    tracing::info!(
        namespace = key.namespace(),
        api_key = key.name_any(),
        reason = report.reason.as_str(),
        "status"
    );
    let type_ = match report.stalled || report.ready == ConditionStatus::False {
        true => EventType::Warning,
        false => EventType::Normal,
    };
    let what = (type_, report.reason.as_str(), "Reconcile");
    ctx.events.tell(key, what, &report.message).await;
}

/// Kubernetes stores seconds: a finer time would differ from what is read back.
fn whole_seconds(time: Timestamp) -> Option<Time> {
    Timestamp::from_second(time.as_second()).ok().map(Time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_key_is_stalled_and_keeps_what_it_was() {
        let mut status = ApiKeyStatus {
            key_id: Some("0123456789ab".to_owned()),
            ..ApiKeyStatus::default()
        };
        let report = Report {
            ready: ConditionStatus::False,
            reason: Reason::ScopesNotAllowed,
            message: "no".to_owned(),
            stalled: true,
            pending: false,
            ring: None,
            next_rotation_at: None,
        };
        compute(&mut status, &report, 3, Timestamp::UNIX_EPOCH);
        assert_eq!(status.observed_generation, Some(3));
        assert_eq!(status.key_id.as_deref(), Some("0123456789ab"));
        assert!(conditions::is_true(
            &status.conditions,
            ConditionType::Stalled
        ));
        assert!(!conditions::is_true(
            &status.conditions,
            ConditionType::Reconciling
        ));
    }
}
