//! Reconciles one ApiKey: read, admit, issue, report.

pub mod admit;
pub mod build;
pub mod finalize;
pub mod issue;
pub mod status;

use std::sync::Arc;
use std::time::Duration;

use albatross_crds::ApiKey;
use albatross_crds::conditions::{ConditionStatus, Reason};
use kube::runtime::controller::Action;
use kube::{Resource, ResourceExt};

use crate::api_key::admit::{Around, Verdict, admit};
use crate::api_key::issue::Issue;
use crate::api_key::status::Report;
use crate::context::Context;

/// A published Secret is looked at again after this long; Secrets of others are not watched.
const STEADY: Duration = Duration::from_secs(300);
/// The same for a key that waits for something that will trigger it.
const WAITING: Duration = Duration::from_secs(30);

/// A failure after which the reconciliation is tried again.
#[derive(Debug, thiserror::Error)]
#[error("the API server: {0}")]
pub struct Error(#[from] kube::Error);

/// Brings one ApiKey closer to what is declared.
pub async fn reconcile(key: Arc<ApiKey>, ctx: Arc<Context>) -> Result<Action, Error> {
    let started = std::time::Instant::now();
    let outcome = run(&key, &ctx).await;
    let label = if outcome.is_ok() { "settled" } else { "error" };
    ctx.metrics
        .reconciled("ApiKey", label, started.elapsed().as_secs_f64());
    let delay = outcome?;
    ctx.backoff.forget(&backoff_key(&key));
    Ok(Action::requeue(ctx.backoff.spread(delay)))
}

/// When to try again after an error. A right that was just granted takes a moment to work.
pub fn on_error(key: Arc<ApiKey>, error: &Error, ctx: Arc<Context>) -> Action {
    let delay = ctx.backoff.after_failure(&backoff_key(&key));
    tracing::warn!(
        namespace = key.namespace(),
        api_key = key.name_any(),
        %error,
        "reconciliation failed, trying again in {delay:?}"
    );
    Action::requeue(delay)
}

async fn run(key: &ApiKey, ctx: &Context) -> Result<Duration, Error> {
    if key.meta().deletion_timestamp.is_some() {
        let finished = finalize::finalize(key, ctx).await?;
        return Ok(if finished {
            STEADY
        } else {
            Duration::from_secs(2)
        });
    }
    let tenant = ctx.caches.tenant(&key.spec.tenant_ref.name);
    let namespace = ctx.caches.namespace(&key.namespace().unwrap_or_default());
    let around = Around {
        tenant: tenant.as_deref(),
        namespace_labels: namespace.as_ref().map(|namespace| namespace.labels()),
    };
    let admitted = match admit(key, &around) {
        Ok(admitted) => admitted,
        Err(verdict) => {
            status::write(key, &report_of(verdict), ctx).await?;
            return Ok(WAITING);
        }
    };
    ctx.writer.finalizer(key, true).await?;
    let issued = issue::issue(key, &admitted, ctx).await?;
    status::write(key, &report_of_issue(&issued), ctx).await?;
    Ok(match &issued {
        Issue::Registering(_) | Issue::Refused(..) | Issue::Conflict(_) => WAITING,
        Issue::Ended(..) => STEADY,
        Issue::Published(pending) => {
            let left = pending.expires_at.duration_since(ctx.clock.now());
            STEADY.min(Duration::try_from(left).unwrap_or(Duration::ZERO)) + Duration::from_secs(1)
        }
    })
}

fn report_of(verdict: Verdict) -> Report<'static> {
    match verdict {
        Verdict::Refused { reason, message } => Report {
            ready: ConditionStatus::False,
            reason,
            message,
            stalled: true,
            key: None,
        },
        Verdict::Waiting { message } => Report {
            ready: ConditionStatus::Unknown,
            reason: Reason::WaitingForTenant,
            message,
            stalled: false,
            key: None,
        },
    }
}

fn report_of_issue(issued: &Issue) -> Report<'_> {
    let (ready, reason, message, key) = match issued {
        Issue::Registering(key) => (
            ConditionStatus::Unknown,
            Reason::Registering,
            "waiting for the runtime to know the key".to_owned(),
            Some(key),
        ),
        Issue::Refused(key, message) => (
            ConditionStatus::False,
            Reason::RuntimeRefused,
            message.clone(),
            Some(key),
        ),
        Issue::Published(key) => (
            ConditionStatus::True,
            Reason::Available,
            "the key in the Secret works".to_owned(),
            Some(key),
        ),
        Issue::Ended(key, reason) => (
            ConditionStatus::False,
            *reason,
            "the key no longer works".to_owned(),
            Some(key),
        ),
        Issue::Conflict(message) => (
            ConditionStatus::False,
            Reason::SecretNameConflict,
            message.clone(),
            None,
        ),
    };
    Report {
        ready,
        reason,
        message,
        stalled: matches!(issued, Issue::Conflict(_) | Issue::Refused(..)),
        key,
    }
}

fn backoff_key(key: &ApiKey) -> String {
    format!(
        "apikey/{}/{}",
        key.namespace().unwrap_or_default(),
        key.name_any()
    )
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::context::pending::PendingKey;

    #[test]
    fn a_key_that_the_runtime_refuses_is_stalled_and_says_why() {
        let key = PendingKey {
            id: "0123456789ab".to_owned(),
            key: "albk_".into(),
            issued_at: Timestamp::UNIX_EPOCH,
            expires_at: Timestamp::MAX,
            published: false,
            resource_version: None,
        };
        let issued = Issue::Refused(key, "nobody has invited them".to_owned());
        let report = report_of_issue(&issued);
        assert_eq!(report.ready, ConditionStatus::False);
        assert_eq!(report.reason, Reason::RuntimeRefused);
        assert_eq!(report.message, "nobody has invited them");
        assert!(report.stalled && report.key.is_some());
    }
}
