//! What every status that the operator could write looks like to GitOps tools; `walks.rs` has those that it writes.

use albatross_crds::ApiKeyStatus;
use albatross_crds::conditions::{ConditionStatus, Reason};
use albatross_crds::tenant::{ApiStatus, TenantStatus};
use albatross_operator::api_key::status::{self as key_status, Report};
use albatross_operator::tenant::external::External;
use albatross_operator::tenant::hibernation;
use albatross_operator::tenant::part::{Part, State};
use albatross_operator::tenant::refusal::Refusal;
use albatross_operator::tenant::status::{self, Facts};
use albatross_tests::gitops::{Verdict, judge};
use jiff::Timestamp;
use serde_json::{Value, json};

const PARTS: usize = 7;
const STATES: [State; 4] = [State::Done, State::Waiting, State::Failing, State::Stalled];

/// Facts in which the parts are in these states.
fn facts(states: [State; PARTS], suspended: bool) -> Facts {
    let [database, broker, cache, schema, available, rollout, admins] =
        states.map(|state| match state {
            State::Done => Part::done(Reason::UpToDate, ""),
            State::Waiting => Part::waiting(Reason::Provisioning, "waiting"),
            State::Failing => Part::failing(Reason::DatabaseUnreachable, "failing"),
            State::Stalled => Part::stalled(Reason::ResourceConflict, "stalled"),
        });
    Facts {
        external: External {
            database,
            broker,
            cache,
        },
        schema,
        available,
        rollout,
        admins,
        hibernation: hibernation::settled(false),
        exposure: Part::done(Reason::UpToDate, ""),
        contention: Part::done(Reason::UpToDate, ""),
        api: ApiStatus::default(),
        runtime: None,
        suspended,
        starting: false,
        turn: None,
        planned: None,
    }
}

fn tenant(generation: i64, status: &TenantStatus) -> Value {
    object("Tenant", generation, json!(status))
}

fn object(kind: &str, generation: i64, status: Value) -> Value {
    json!({
        "apiVersion": "albatross.aero/v1alpha1", "kind": kind,
        "metadata": {"name": "skyways", "generation": generation}, "status": status,
    })
}

fn said(change: impl FnOnce(&mut TenantStatus)) -> TenantStatus {
    let mut status = TenantStatus::default();
    change(&mut status);
    status
}

fn pair(verdict: &Verdict) -> (&str, &str) {
    (&verdict.kstatus, &verdict.argocd)
}

#[test]
fn a_tenant_is_current_just_when_every_part_is_done_whatever_the_others_are() {
    let mut objects = Vec::new();
    let mut expected = Vec::new();
    for number in 0..STATES.len().pow(PARTS as u32) {
        let states: [State; PARTS] =
            std::array::from_fn(|part| STATES[number / STATES.len().pow(part as u32) % 4]);
        let facts = facts(states, false);
        expected.push(match facts.worst() {
            None => ("Current", "Healthy"),
            Some(State::Stalled) => ("Failed", "Degraded"),
            Some(_) => ("InProgress", "Progressing"),
        });
        let status = said(|status| status::observed(status, &facts, 2, Timestamp::UNIX_EPOCH));
        objects.push(tenant(2, &status));
    }
    let verdicts = judge(&objects);
    let found: Vec<_> = verdicts.iter().map(pair).collect();
    let differs = found.iter().zip(&expected).position(|(a, b)| a != b);
    if let Some(index) = differs {
        panic!("{}: {:?}", objects[index], verdicts[index]);
    }
    assert_eq!(found.len(), expected.len());
}

#[test]
fn whatever_was_said_of_an_older_generation_is_in_progress() {
    let now = Timestamp::UNIX_EPOCH;
    let refusal = Refusal {
        reason: Reason::HostConflict,
        message: "taken".to_owned(),
    };
    let reason = Reason::KubernetesError;
    let statuses = [
        said(|status| status::observed(status, &facts([State::Done; PARTS], false), 1, now)),
        said(|status| status::observed(status, &facts([State::Stalled; PARTS], false), 1, now)),
        said(|status| status::refused(status, &refusal, 1, now)),
        said(|status| status::failing(status, None, reason, "away", 1, now)),
    ];
    let of = |generation| {
        statuses
            .iter()
            .map(move |status| tenant(generation, status))
    };
    let verdicts = judge(&of(1).chain(of(2)).collect::<Vec<_>>());
    let found: Vec<_> = verdicts.iter().map(pair).collect();
    let (now, behind) = found.split_at(statuses.len());
    let expected = [
        ("Current", "Healthy"),
        ("Failed", "Degraded"),
        ("Failed", "Degraded"),
        ("InProgress", "Progressing"),
    ];
    assert_eq!(now, expected);
    assert_eq!(behind, [("InProgress", "Progressing"); 4]);
    assert_eq!(verdicts[2].message, "HostConflict: taken");
}

#[test]
fn a_tenant_nobody_has_looked_at_is_in_progress_and_a_suspended_one_is_shown_as_such() {
    let suspended = |states| {
        let facts = facts(states, true);
        let status = said(|it| status::observed(it, &facts, 1, Timestamp::UNIX_EPOCH));
        tenant(1, &status)
    };
    let verdicts = judge(&[
        object("Tenant", 1, json!({"observedGeneration": -1})),
        suspended([State::Done; PARTS]),
        suspended([State::Stalled; PARTS]),
    ]);
    let found: Vec<_> = verdicts.iter().map(pair).collect();
    let expected = [
        ("InProgress", "Progressing"),
        ("Current", "Suspended"),
        ("Failed", "Suspended"),
    ];
    assert_eq!(found, expected);
}

#[test]
fn a_key_is_current_when_it_works_and_failed_when_waiting_will_not_help() {
    let key = |ready, reason, stalled, rotating| {
        let mut status = ApiKeyStatus::default();
        let report = Report {
            ready,
            reason,
            message: String::new(),
            stalled,
            pending: rotating,
            ring: None,
            next_rotation_at: None,
        };
        key_status::compute(&mut status, &report, 1, Timestamp::UNIX_EPOCH);
        object("ApiKey", 1, json!(status))
    };
    let verdicts = judge(&[
        key(ConditionStatus::Unknown, Reason::Registering, false, false),
        key(ConditionStatus::True, Reason::Available, false, false),
        key(ConditionStatus::True, Reason::Available, false, true),
        key(ConditionStatus::True, Reason::Available, true, true),
        key(
            ConditionStatus::False,
            Reason::ScopesNotAllowed,
            true,
            false,
        ),
        key(ConditionStatus::False, Reason::Expired, true, false),
        key(ConditionStatus::Unknown, Reason::Revoked, false, false),
        key(
            ConditionStatus::Unknown,
            Reason::WaitingForTenant,
            true,
            false,
        ),
        key(ConditionStatus::False, Reason::Revoked, true, false),
    ]);
    let found: Vec<_> = verdicts.iter().map(pair).collect();
    let expected = [
        ("InProgress", "Progressing"),
        ("Current", "Healthy"),
        ("InProgress", "Progressing"),
        ("Failed", "Degraded"),
        ("Failed", "Degraded"),
        ("Failed", "Degraded"),
        ("InProgress", "Progressing"),
        ("Failed", "Degraded"),
        ("Failed", "Suspended"),
    ];
    assert_eq!(found, expected);
}
