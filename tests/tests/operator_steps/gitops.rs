//! What a tenant and a key look like to GitOps tools on every step of their way: never done too early, never under way
//! for ever.

use std::fmt::Debug;
use std::time::Duration;

use albatross_crds::conditions::{ConditionStatus, Reason};
use albatross_crds::tenant::{ApiStatus, TenantStatus};
use albatross_crds::{ApiKeyStatus, Tenant};
use albatross_operator::api_key::status::{self as key_status, Report};
use albatross_operator::tenant::external::External;
use albatross_operator::tenant::hibernation;
use albatross_operator::tenant::part::{Part, State};
use albatross_operator::tenant::refusal::Refusal;
use albatross_operator::tenant::status::{self, Facts};
use albatross_tests::faults::HttpGate;
use albatross_tests::gitops::{Verdict, judge};
use albatross_tests::platform::Platform;
use futures::{StreamExt, TryStreamExt};
use jiff::Timestamp;
use k8s_openapi::api::apps::v1::Deployment;
use kube::api::{WatchEvent, WatchParams};
use kube::{Api, Resource, ResourceExt};
use serde::de::DeserializeOwned;
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
    let key = |ready, reason, stalled| {
        let mut status = ApiKeyStatus::default();
        let report = Report {
            ready,
            reason,
            message: String::new(),
            stalled,
            ring: None,
            next_rotation_at: None,
        };
        key_status::compute(&mut status, &report, 1, Timestamp::UNIX_EPOCH);
        object("ApiKey", 1, json!(status))
    };
    let verdicts = judge(&[
        key(ConditionStatus::Unknown, Reason::Registering, false),
        key(ConditionStatus::True, Reason::Available, false),
        key(ConditionStatus::False, Reason::ScopesNotAllowed, true),
        key(ConditionStatus::False, Reason::Expired, true),
        key(ConditionStatus::False, Reason::Revoked, true),
    ]);
    let found: Vec<_> = verdicts.iter().map(pair).collect();
    let expected = [
        ("InProgress", "Progressing"),
        ("Current", "Healthy"),
        ("Failed", "Degraded"),
        ("Failed", "Degraded"),
        ("Failed", "Suspended"),
    ];
    assert_eq!(found, expected);
}

#[tokio::test]
async fn on_its_whole_way_a_tenant_is_current_only_while_its_pods_are_as_declared() {
    let platform = Platform::new().await;
    // What the operator did is answered before it is seen.
    let server = *platform.api_server;
    let late = Duration::from_millis(300);
    let way = HttpGate::with_late_watches(&server.url(), &server.certificate(), late).await;
    let operator = platform.start("operator", Some(&way.url())).await;
    let namespace = albatross_crds::tenant_namespace("walked");
    let deployments = Api::namespaced(platform.client.clone(), &namespace);
    let tenants = tokio::spawn(history(platform.tenants(), "walked"));
    let pods = tokio::spawn(history::<Deployment>(deployments, "api"));
    platform.airline("walked", json!({})).await;
    let bigger = json!({"requests": {"cpu": "30m", "memory": "64Mi"}});
    for change in [
        json!({"displayName": "Walked Airways"}),
        json!({"api": {"resources": bigger}}),
        json!({"api": {"replicas": 2}}),
        json!({"suspend": true}),
        json!({"suspend": false, "api": {"replicas": 1}}),
    ] {
        platform.change("walked", change).await;
        platform.ready("walked").await;
    }
    platform.remove("walked").await;
    let (tenants, pods) = (tenants.await.unwrap(), pods.await.unwrap());
    operator.stop().await;

    let objects: Vec<Value> = tenants.iter().map(|tenant| json!(tenant)).collect();
    let verdicts = judge(&objects);
    let mut walk: Vec<(i64, &str)> = Vec::new();
    for (tenant, verdict) in tenants.iter().zip(&verdicts) {
        let generation = tenant.metadata.generation.unwrap();
        walk.push((generation, &verdict.kstatus));
        if verdict.kstatus == "Current" {
            let before = |it: &&Deployment| version(*it) < version(tenant);
            let api = pods.iter().rfind(before).unwrap();
            let status = api.status.as_ref();
            assert!(
                is_as_declared(api, tenant),
                "generation {generation}: {status:?}"
            );
        }
    }
    walk.dedup();
    let until_current = |generation| [(generation, "InProgress"), (generation, "Current")];
    let (last, way) = walk.split_last().unwrap();
    // With the deletion comes another generation.
    assert_eq!(way, (1..=6).flat_map(until_current).collect::<Vec<_>>());
    assert_eq!(last, &(7, "Terminating"));
}

/// All states of an object, until it is gone.
async fn history<K>(api: Api<K>, name: &str) -> Vec<K>
where
    K: Resource + Clone + DeserializeOwned + Debug,
{
    let only = WatchParams::default()
        .timeout(290)
        .fields(&format!("metadata.name={name}"));
    let mut watch = api.watch(&only, "0").await.unwrap().boxed();
    let mut states = Vec::new();
    while let Some(event) = watch.try_next().await.unwrap() {
        match event {
            WatchEvent::Added(state) | WatchEvent::Modified(state) => states.push(state),
            WatchEvent::Deleted(_) => return states,
            WatchEvent::Bookmark(_) => {}
            WatchEvent::Error(error) => panic!("{error:?}"),
        }
    }
    panic!("{name} is there for longer than a watch lasts");
}

/// Counts the changes of all objects together.
fn version(object: &impl ResourceExt) -> u64 {
    object.resource_version().unwrap().parse().unwrap()
}

fn is_as_declared(deployment: &Deployment, tenant: &Tenant) -> bool {
    let (spec, status) = (deployment.spec.clone().unwrap(), deployment.status.clone());
    let status = status.unwrap_or_default();
    let replicas = Some(tenant.spec.api.replicas);
    let given = &spec.template.spec.unwrap().containers[0].resources;
    let requests = given.as_ref().and_then(|given| given.requests.as_ref());
    let cpu = requests.map(|requests| requests["cpu"].0.clone());
    let wanted = if tenant.spec.api.resources.is_some() {
        "30m"
    } else {
        "20m"
    };
    status.observed_generation == deployment.metadata.generation
        && [
            spec.replicas,
            status.updated_replicas,
            status.available_replicas,
        ] == [replicas; 3]
        && cpu.as_deref() == Some(wanted)
}
