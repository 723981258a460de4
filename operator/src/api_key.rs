//! Reconciles one ApiKey: read, admit, issue, report.

pub mod admit;
pub mod answer;
pub mod binding;
pub mod build;
pub mod finalize;
pub mod issue;
pub mod orphans;
pub mod place;
pub mod rotate;
pub mod status;
pub mod store;

use std::sync::Arc;
use std::time::Duration;

use albatross_crds::ApiKey;
use albatross_crds::conditions::{ConditionStatus, Reason};
use albatross_crds::validation::{KeyEnd, ValidatedApiKey};
use jiff::Timestamp;
use kube::runtime::controller::Action;
use kube::{Resource, ResourceExt};

use crate::api_key::admit::{Around, Verdict, admit};
use crate::api_key::finalize::Progress;
use crate::api_key::issue::{Issue, Wait};
use crate::api_key::rotate::MOST_REPLACED;
use crate::api_key::status::Report;
use crate::context::{Context, failure};

/// A published Secret is looked at again after this long, or later; Secrets of others are not watched.
const STEADY: Duration = Duration::from_secs(300);
/// One of them in this time, of however many: a look is two requests, and the API server is everybody's.
const BETWEEN_LOOKS: Duration = Duration::from_secs(20);
/// The same for a key that is deleted as soon as the runtime has been told.
const ENDING: Duration = Duration::from_secs(2);
/// The same for a key that waits for something that will trigger it.
const WAITING: Duration = Duration::from_secs(30);

/// A failure after which the reconciliation is tried again.
#[derive(Debug, thiserror::Error)]
#[error("the API server: {}", failure::in_words(.0))]
pub struct Error(#[from] kube::Error);

/// Brings one ApiKey closer to what is declared.
#[tracing::instrument(name = "reconcile", skip_all, fields(kind = "ApiKey", namespace = key.namespace(), name = key.name_any()))]
pub async fn reconcile(key: Arc<ApiKey>, ctx: Arc<Context>) -> Result<Action, Error> {
    let started = std::time::Instant::now();
    let outcome = run(&key, &ctx).await;
    let label = match &outcome {
        Ok((outcome, _)) => outcome,
        Err(error) if lasts(error, &key, &ctx) => "failing",
        Err(_) => "error",
    };
    ctx.metrics
        .reconciled("ApiKey", label, started.elapsed().as_secs_f64());
    if let Err(error) = &outcome {
        report_error(&key, error, &ctx).await;
    }
    let (_, delay) = outcome?;
    ctx.backoff.forget(&backoff_key(&key));
    Ok(Action::requeue(ctx.backoff.spread(delay)))
}

/// When to try again after an error: soon after a lost race. A right that was just granted takes a moment to work.
pub fn on_error(key: Arc<ApiKey>, error: &Error, ctx: Arc<Context>) -> Action {
    let delay = ctx.backoff.after_failure(&backoff_key(&key));
    let Error(cause) = error;
    if failure::is_lost_race(cause) {
        return Action::requeue(delay / 10);
    }
    tracing::warn!(
        namespace = key.namespace(),
        api_key = key.name_any(),
        %error,
        "reconciliation failed, trying again in {delay:?}"
    );
    Action::requeue(delay)
}

/// What it came to, for the metrics, and when to look again.
async fn run(key: &ApiKey, ctx: &Context) -> Result<(&'static str, Duration), Error> {
    if key.meta().deletion_timestamp.is_some() {
        let failures = ctx.backoff.failures(&backoff_key(key));
        return Ok(match finalize::finalize(key, failures, ctx).await? {
            Progress::Finished => ("settled", STEADY),
            Progress::Waiting => ("waiting", ENDING),
            Progress::Held(why) => {
                status::write(key, &report_of_held(&why), ctx).await?;
                ("waiting", WAITING)
            }
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
            let report = report_of(verdict);
            status::write(key, &report, ctx).await?;
            let outcome = match has_ended(key, ctx.clock.now()) {
                true => "settled",
                false => report.outcome(),
            };
            return Ok((outcome, WAITING));
        }
    };
    let issued = issue::issue(key, &admitted, ctx).await?;
    let now = ctx.clock.now();
    let mut report = report_of_issue(&issued);
    if let Issue::Published(ring, waits) = &issued
        && rotate::is_asked_for(ring, &admitted.key)
    {
        report.stalled = matches!(waits, Some(Wait::Refusal(_)));
        // Nothing waits for a tenant that is left alone or sleeps, however long.
        report.pending = !matches!(waits, Some(Wait::Tenant(_)));
    }
    report.next_rotation_at = report
        .ring
        .and_then(|ring| rotate::next_at(ring, &admitted.key, now));
    status::write(key, &report, ctx).await?;
    let outcome = outcome(&issued, &admitted.key, &report);
    let delay = match &issued {
        Issue::Registering(_)
        | Issue::Held(..)
        | Issue::Refused(..)
        | Issue::Revoking(..)
        | Issue::Lost(_)
        | Issue::Conflict(_) => WAITING,
        Issue::Expired(_, Some(_)) => WAITING,
        Issue::Expired(_, None) | Issue::Revoked(_) => STEADY,
        Issue::Published(_, Some(_)) => WAITING,
        Issue::Published(ring, None) => {
            let previous = ring.previous(now).map(|key| key.expires_at);
            let times = [
                Some(ring.current.expires_at),
                report.next_rotation_at,
                previous,
            ];
            let left = times
                .into_iter()
                .flatten()
                .map(|time| time.duration_since(now));
            let left = left.filter_map(|left| Duration::try_from(left).ok());
            left.filter(|left| !left.is_zero())
                .fold(next_look(ctx.caches.api_keys.len()), Duration::min)
                + Duration::from_secs(1)
        }
    };
    Ok((outcome, delay))
}

/// A key that is to be replaced and cannot be, be it now or in time, is somebody's to see to, though it works or has ended.
fn outcome(issued: &Issue, key: &ValidatedApiKey, report: &Report<'_>) -> &'static str {
    let every = key.rotation.as_ref().and_then(|rotation| rotation.every);
    let goes_on = every.is_some() && matches!(key.end, KeyEnd::After(_));
    match issued {
        Issue::Published(_, Some(Wait::Refusal(_))) => "refused",
        Issue::Expired(_, Some(Wait::Tenant(_))) => "waiting",
        Issue::Expired(_, Some(Wait::Refusal(_))) => "refused",
        Issue::Expired(..) if goes_on => "refused",
        _ => report.outcome(),
    }
}

/// As it was declared to, or as its status says. Whether it is admitted makes no difference any more.
fn has_ended(key: &ApiKey, now: Timestamp) -> bool {
    let status = key.status.as_ref();
    let end = status.and_then(|status| status.expires_at.as_ref());
    key.spec.revoked || end.is_some_and(|end| end.0 <= now)
}

/// When a published key is looked at again, one of so many.
fn next_look(keys: usize) -> Duration {
    BETWEEN_LOOKS
        .saturating_mul(u32::try_from(keys).unwrap_or(u32::MAX))
        .max(STEADY)
}

fn report_of(verdict: Verdict) -> Report<'static> {
    match verdict {
        Verdict::Refused { reason, message } => Report {
            ready: ConditionStatus::False,
            reason,
            message,
            stalled: true,
            pending: false,
            ring: None,
            next_rotation_at: None,
        },
        Verdict::Waiting { message } => Report {
            ready: ConditionStatus::Unknown,
            reason: Reason::WaitingForTenant,
            message,
            stalled: false,
            pending: false,
            ring: None,
            next_rotation_at: None,
        },
    }
}

fn report_of_held(why: &str) -> Report<'static> {
    Report {
        ready: ConditionStatus::Unknown,
        reason: Reason::WaitingForTenant,
        message: until_told(why),
        stalled: false,
        pending: false,
        ring: None,
        next_rotation_at: None,
    }
}

fn until_told(why: &str) -> String {
    format!("the key works until its runtime is told of its end: {why}")
}

fn report_of_issue(issued: &Issue) -> Report<'_> {
    let waiting =
        |why: &str| format!("the key in the Secret works; the one to replace it waits: {why}");
    let (ready, reason, message, ring) = match issued {
        Issue::Registering(ring) => (
            ConditionStatus::Unknown,
            Reason::Registering,
            "waiting for the runtime to know the key".to_owned(),
            Some(ring),
        ),
        Issue::Held(ring, why) => (
            ConditionStatus::False,
            Reason::WaitingForTenant,
            format!("the key is issued as soon as its runtime can be told of it: {why}"),
            Some(ring),
        ),
        Issue::Refused(ring, message) => (
            ConditionStatus::False,
            Reason::RuntimeRefused,
            message.clone(),
            Some(ring),
        ),
        Issue::Published(ring, waits) => (
            ConditionStatus::True,
            Reason::Available,
            match waits {
                Some(Wait::Registration) => waiting("the runtime does not know it yet"),
                Some(Wait::Tenant(why) | Wait::Refusal(why)) => waiting(why),
                Some(Wait::End(why)) => format!(
                    "the key in the Secret works, to its end before, until its runtime is told of another one: {why}"
                ),
                Some(Wait::Room(until)) => waiting(&format!(
                    "{MOST_REPLACED} keys before it are still remembered, the first until {until:.0}"
                )),
                None => "the key in the Secret works".to_owned(),
            },
            Some(ring),
        ),
        Issue::Revoking(ring, Some(why)) => (
            ConditionStatus::Unknown,
            Reason::WaitingForTenant,
            until_told(why),
            ring.as_ref(),
        ),
        Issue::Revoking(ring, None) => (
            ConditionStatus::Unknown,
            Reason::Revoked,
            "waiting for the runtime to know that the key is revoked".to_owned(),
            ring.as_ref(),
        ),
        Issue::Revoked(ring) => (
            ConditionStatus::False,
            Reason::Revoked,
            "the key no longer works".to_owned(),
            ring.as_ref(),
        ),
        Issue::Expired(ring, waits) => (
            ConditionStatus::False,
            Reason::Expired,
            match waits {
                Some(Wait::Tenant(why) | Wait::Refusal(why)) => {
                    format!("the key no longer works; the one to replace it waits: {why}")
                }
                Some(Wait::End(why)) => format!(
                    "the key no longer works, until its runtime is told of another end: {why}"
                ),
                _ => "the key no longer works".to_owned(),
            },
            Some(ring),
        ),
        Issue::Lost(cause) => (
            ConditionStatus::False,
            Reason::CredentialsLost,
            format!(
                "{cause}; restore it from a backup, or delete it: then the key is revoked and another one issued"
            ),
            None,
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
        // A key that has ended never works again, and tools that wait for it are not to wait for ever.
        stalled: match issued {
            Issue::Conflict(_)
            | Issue::Held(..)
            | Issue::Lost(_)
            | Issue::Refused(..)
            | Issue::Revoking(_, Some(_))
            | Issue::Revoked(_) => true,
            Issue::Expired(_, waits) => !matches!(waits, Some(Wait::Registration)),
            _ => false,
        },
        pending: false,
        ring,
        next_rotation_at: None,
    }
}

/// An error that lasts is told in the status too; one that passes is not worth a write.
async fn report_error(key: &ApiKey, error: &Error, ctx: &Context) {
    if !lasts(error, key, ctx) {
        return;
    }
    if let Err(cause) = status::write(key, &report_of_failure(error), ctx).await {
        tracing::warn!(%cause, "status not written");
    }
}

fn report_of_failure(error: &Error) -> Report<'static> {
    Report {
        ready: ConditionStatus::False,
        reason: Reason::KubernetesError,
        message: error.to_string(),
        stalled: false,
        pending: true,
        ring: None,
        next_rotation_at: None,
    }
}

fn lasts(Error(cause): &Error, key: &ApiKey, ctx: &Context) -> bool {
    !failure::is_lost_race(cause) && ctx.backoff.is_lasting(&backoff_key(key))
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
    use albatross_crds::ApiKeySpec;
    use albatross_crds::validation::validate_api_key;
    use serde_json::{Value, json};

    use super::*;
    use crate::context::key_ring::{Key, KeyRing};

    fn ring() -> KeyRing {
        let key = Key {
            id: "0123456789ab".to_owned(),
            text: "albk_".into(),
            issued_at: Timestamp::UNIX_EPOCH,
            expires_at: Timestamp::MAX,
        };
        KeyRing::new(key, None, None)
    }

    #[test]
    fn however_many_keys_there_are_few_are_looked_at_in_a_minute() {
        assert_eq!(next_look(3), STEADY);
        for keys in [100_usize, 1_000, 100_000] {
            let looks_a_minute = keys as f64 / (next_look(keys).as_secs_f64() / 60.0);
            assert!(looks_a_minute <= 3.0, "{looks_a_minute}");
        }
    }

    #[test]
    fn nobody_waits_for_a_key_that_has_ended() {
        let tenant = Wait::Tenant("tenant skyways is hibernated".to_owned());
        let refusal = Wait::Refusal("nobody has invited them".to_owned());
        for issued in [
            Issue::Revoked(Some(ring())),
            Issue::Expired(ring(), None),
            Issue::Expired(ring(), Some(tenant)),
            Issue::Expired(ring(), Some(refusal)),
        ] {
            let report = report_of_issue(&issued);
            assert_eq!(report.ready, ConditionStatus::False);
            assert!(report.stalled, "{issued:?}");
        }
        let soon = Issue::Expired(ring(), Some(Wait::Registration));
        assert!(!report_of_issue(&soon).stalled, "another one is on its way");
    }

    fn spec() -> ApiKeySpec {
        let spec = json!({
            "tenantRef": {"name": "skyways"}, "scopes": ["track:write"], "secretName": "acars", "ttl": "90d",
        });
        serde_json::from_value(spec).unwrap()
    }

    #[test]
    fn alerts_hear_of_keys_that_somebody_has_to_see_to() {
        let outcome = |declared: Value, issued| {
            let mut spec = spec();
            spec.rotation = serde_json::from_value(declared).unwrap();
            let key = validate_api_key(&spec).unwrap();
            super::outcome(&issued, &key, &report_of_issue(&issued))
        };
        let once = || Value::Null;
        let rotates = || json!({"every": "30d", "overlap": "1d"});
        let refusal = || Some(Wait::Refusal(String::new()));
        let held = || Some(Wait::Tenant(String::new()));
        for (declared, issued, expected) in [
            (once(), Issue::Registering(ring()), "waiting"),
            (once(), Issue::Held(ring(), String::new()), "waiting"),
            (once(), Issue::Revoking(None, None), "waiting"),
            (
                once(),
                Issue::Revoking(None, Some(String::new())),
                "waiting",
            ),
            (once(), Issue::Published(ring(), None), "settled"),
            (once(), Issue::Conflict(String::new()), "refused"),
            (once(), Issue::Refused(ring(), String::new()), "refused"),
            (once(), Issue::Revoked(Some(ring())), "settled"),
            (once(), Issue::Expired(ring(), None), "settled"),
            (rotates(), Issue::Expired(ring(), None), "refused"),
            (rotates(), Issue::Revoked(Some(ring())), "settled"),
            (rotates(), Issue::Published(ring(), refusal()), "refused"),
            (rotates(), Issue::Expired(ring(), refusal()), "refused"),
            (rotates(), Issue::Expired(ring(), held()), "waiting"),
        ] {
            let what = format!("{declared} {issued:?}");
            assert_eq!(outcome(declared, issued), expected, "{what}");
        }
    }

    #[test]
    fn of_a_key_that_has_ended_nobody_hears_whether_or_not_it_is_admitted() {
        let ended = |revoked, expires_at| {
            let mut key = ApiKey::new("acars", spec());
            key.spec.revoked = revoked;
            let status = json!({ "expiresAt": expires_at });
            key.status = Some(serde_json::from_value(status).unwrap());
            has_ended(&key, Timestamp::UNIX_EPOCH)
        };
        let past = "1969-12-31T00:00:00Z";
        let coming = "1970-01-02T00:00:00Z";
        assert!(ended(true, Some(coming)) && ended(false, Some(past)));
        assert!(!ended(false, Some(coming)) && !ended(false, None));
    }

    #[test]
    fn a_key_that_the_runtime_refuses_is_stalled_and_says_why() {
        let issued = Issue::Refused(ring(), "nobody has invited them".to_owned());
        let report = report_of_issue(&issued);
        assert_eq!(report.ready, ConditionStatus::False);
        assert_eq!(report.reason, Reason::RuntimeRefused);
        assert_eq!(report.message, "nobody has invited them");
        assert!(report.stalled && report.ring.is_some());
    }

    #[test]
    fn a_key_works_while_the_one_to_replace_it_waits() {
        let refusal = Wait::Refusal("nobody has invited them".to_owned());
        let issued = Issue::Published(ring(), Some(refusal));
        let report = report_of_issue(&issued);
        assert_eq!(report.ready, ConditionStatus::True);
        assert!(!report.stalled);
        assert!(report.message.ends_with("waits: nobody has invited them"));
        let issued = Issue::Published(ring(), Some(Wait::Room(Timestamp::UNIX_EPOCH)));
        let message = report_of_issue(&issued).message;
        assert!(
            message.ends_with("the first until 1970-01-01T00:00:00Z"),
            "{message}"
        );
    }
}
