//! The pods that serve the airline, and those that project and relay when they are to be apart.

use k8s_openapi::api::apps::v1::{
    Deployment, DeploymentSpec, DeploymentStrategy, RollingUpdateDeployment,
};
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use crate::context::token::fingerprint;
use crate::names;
use crate::tenant::build::input::Input;
use crate::tenant::build::pod::{PodPlan, template};

const HTTP_LISTEN: &str = "0.0.0.0:8080";
const INTERNAL_LISTEN: &str = "0.0.0.0:8081";
const PROBE_LISTEN: &str = "0.0.0.0:8082";
/// Where the ledger of the erased is found, if there is one.
const LEDGER_DIRECTORY: &str = "/var/run/albatross";
const LEDGER: &str = "/var/run/albatross/erased";

pub fn api(input: &Input<'_>, secret: &Secret) -> Deployment {
    let tenant = &input.plan.tenant;
    let works_inside = if tenant.worker.replicas > 0 {
        "false"
    } else {
        "true"
    };
    let mut environment = vec![
        ("ALBATROSS_LISTEN", HTTP_LISTEN),
        ("ALBATROSS_INTERNAL_LISTEN", INTERNAL_LISTEN),
        ("ALBATROSS_PROBE_LISTEN", PROBE_LISTEN),
        ("ALBATROSS_WORKER", works_inside),
        ("ALBATROSS_ERASED", LEDGER),
        ("ALBATROSS_LOG_FORMAT", "json"),
    ];
    let proxies = &input.plan.trusted_proxies;
    if !proxies.is_empty() {
        environment.push(("ALBATROSS_TRUSTED_PROXIES", proxies));
    }
    let pod = PodPlan {
        component: names::API,
        command: "serve",
        secret,
        environment,
        files: vec![(names::ERASED_SECRET, LEDGER_DIRECTORY)],
        ports: vec![
            ("http", names::HTTP_PORT),
            ("internal", names::INTERNAL_PORT),
            ("probes", names::PROBE_PORT),
        ],
        resources: input.plan.api_resources.clone(),
        secret_digest: Some(digest(secret)),
        long_running: true,
    };
    deployment(input, &pod, tenant.fixed_replicas())
}

pub fn worker(input: &Input<'_>, secret: &Secret) -> Option<Deployment> {
    let replicas = input.plan.tenant.worker.replicas;
    let pod = PodPlan {
        component: names::WORKER,
        command: "work",
        secret,
        environment: vec![
            ("ALBATROSS_PROBE_LISTEN", PROBE_LISTEN),
            ("ALBATROSS_LOG_FORMAT", "json"),
        ],
        files: Vec::new(),
        ports: vec![("probes", names::PROBE_PORT)],
        resources: input.plan.worker_resources.clone(),
        secret_digest: Some(digest(secret)),
        long_running: true,
    };
    (replicas > 0).then(|| deployment(input, &pod, Some(replicas)))
}

/// `replicas` are none where an autoscaler decides it.
fn deployment(input: &Input<'_>, pod: &PodPlan<'_>, replicas: Option<i32>) -> Deployment {
    let asleep = input.record.images.hibernated.then_some(0);
    Deployment {
        metadata: input.meta(pod.component),
        spec: Some(DeploymentSpec {
            replicas: asleep.or(replicas),
            revision_history_limit: Some(3),
            progress_deadline_seconds: Some(300),
            selector: LabelSelector {
                match_labels: Some(input.selector(pod.component)),
                ..LabelSelector::default()
            },
            strategy: Some(DeploymentStrategy {
                type_: Some("RollingUpdate".to_owned()),
                rolling_update: Some(RollingUpdateDeployment {
                    max_surge: Some(IntOrString::Int(1)),
                    max_unavailable: Some(IntOrString::Int(0)),
                }),
            }),
            template: template(input, pod),
            ..DeploymentSpec::default()
        }),
        ..Deployment::default()
    }
}

/// Of all but the state that a pod must know: pods that run are told, and those that start read it.
fn digest(secret: &Secret) -> String {
    let mut data = secret.data.clone().unwrap_or_default();
    data.remove(names::REQUIRED_DESIRED);
    fingerprint(serde_json::to_string(&data).expect("a Secret is plain JSON"))
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::PodTemplateSpec;
    use serde_json::json;

    use super::*;
    use crate::config::Tls;
    use crate::context::handed::HandedUrls;
    use crate::context::record::TenantRecord;
    use crate::tenant::build::{self, job, secret};
    use crate::tenant::fixtures;
    use crate::tenant::validate::Plan;

    #[test]
    fn api_is_as_reviewed() {
        let plan = fixtures::plan(json!({"api": {"replicas": 3}}));
        let record = fixtures::record(&plan);
        let input = fixtures::input(&plan, &record);
        insta::assert_yaml_snapshot!(api(&input, &secret::api(&input)));
        assert!(worker(&input, &secret::api(&input)).is_none());
    }

    #[test]
    fn pods_find_the_certificates_of_their_servers_and_run_on_with_others_or_before_there_are_any()
    {
        let mut plan = fixtures::plan(json!({"worker": {"replicas": 1}}));
        let record = fixtures::record(&plan);
        let pods = |plan: &Plan, authority: Option<&str>, handed: &HandedUrls| {
            let mut record = record.clone();
            record.handed = handed.clone();
            let mut input = fixtures::input(plan, &record);
            input.authorities = authority.map(|it| [("postgres.crt", it.to_owned())].into());
            if authority.is_none() {
                input.unproven.push(names::DATABASE_URL);
            }
            let secret = secret::api(&input);
            let worker = worker(&input, &secret).unwrap();
            let pods = [api(&input, &secret), worker].map(|it| it.spec.unwrap().template);
            let migration = job::migrate(&input, &secret::migrate(&input));
            let migration = migration.spec.unwrap().template;
            [pods.to_vec(), vec![migration]].concat()
        };
        let is_mounted = |pod: &PodTemplateSpec| {
            let container = &pod.spec.as_ref().unwrap().containers[0];
            let mut mounts = container.volume_mounts.iter().flatten();
            mounts.any(|it| it.mount_path == "/etc/albatross/ca" && it.name == "albatross-ca")
        };
        let none = HandedUrls::default();
        let before = pods(&plan, None, &none);
        assert!(!before.iter().any(is_mounted));
        let urls = |plan: &Plan| {
            let set = build::build(&fixtures::input(plan, &record));
            set.foundation.secrets.urls()
        };
        let first = urls(&plan);
        plan.servers.postgres.tls = Tls::VerifyFull;
        plan.servers.postgres.ca_secret = Some("ca".to_owned());
        assert_eq!(pods(&plan, None, &first), before);
        let some = pods(&plan, Some("a"), &first);
        assert!(some.iter().all(is_mounted));
        let second = urls(&plan);
        assert_eq!(pods(&plan, Some("b"), &first), some);
        assert_eq!(pods(&plan, None, &second), some);
    }

    #[test]
    fn whom_the_operator_trusts_api_trusts() {
        let mut plan = fixtures::plan(json!({}));
        plan.trusted_proxies = "10.0.0.0/8,192.0.2.1/32".to_owned();
        let record = fixtures::record(&plan);
        let input = fixtures::input(&plan, &record);
        let built = api(&input, &secret::api(&input));
        let pod = built.spec.unwrap().template.spec.unwrap();
        let mut set = pod.containers[0].env.iter().flatten();
        let proxies = set
            .find(|it| it.name == "ALBATROSS_TRUSTED_PROXIES")
            .unwrap();
        assert_eq!(proxies.value.as_deref(), Some("10.0.0.0/8,192.0.2.1/32"));
    }

    #[test]
    fn worker_is_as_reviewed_and_takes_the_work_from_api() {
        let plan = fixtures::plan(json!({"worker": {"replicas": 2}}));
        let record = fixtures::record(&plan);
        let input = fixtures::input(&plan, &record);
        insta::assert_yaml_snapshot!(worker(&input, &secret::api(&input)));
        let api = serde_json::to_string(&api(&input, &secret::api(&input))).unwrap();
        assert!(api.contains(r#"{"name":"ALBATROSS_WORKER","value":"false"}"#));
    }

    #[test]
    fn a_hibernated_tenant_has_no_pods_and_is_otherwise_the_same() {
        let plan = fixtures::plan(json!({"worker": {"replicas": 2}}));
        let mut record = fixtures::record(&plan);
        let built = |record: &TenantRecord| {
            let input = fixtures::input(&plan, record);
            let secret = secret::api(&input);
            [api(&input, &secret), worker(&input, &secret).unwrap()]
        };
        let awake = built(&record);
        record.images.hibernated = true;
        for (mut asleep, awake) in built(&record).into_iter().zip(awake) {
            let replicas = &mut asleep.spec.as_mut().unwrap().replicas;
            assert_eq!(replicas.take(), Some(0));
            *replicas = awake.spec.as_ref().unwrap().replicas;
            assert_eq!(asleep, awake);
        }
    }

    #[test]
    fn an_autoscaler_decides_the_number_unless_the_tenant_sleeps() {
        for autoscaling in [json!({"maxReplicas": 3}), json!({"external": true})] {
            let plan = fixtures::plan(json!({"api": {"autoscaling": autoscaling}}));
            let mut record = fixtures::record(&plan);
            for (asleep, expected) in [(false, None), (true, Some(0))] {
                record.images.hibernated = asleep;
                let input = fixtures::input(&plan, &record);
                let built = api(&input, &secret::api(&input));
                assert_eq!(built.spec.unwrap().replicas, expected);
            }
        }
    }

    #[test]
    fn whoever_is_erased_restarts_no_pod_and_is_found_where_it_looks() {
        let plan = fixtures::plan(json!({}));
        let mut record = fixtures::record(&plan);
        let built = |record: &TenantRecord| {
            let input = fixtures::input(&plan, record);
            api(&input, &secret::api(&input))
        };
        let before = built(&record);
        record.erased.extend([uuid::Uuid::from_u128(7)]);
        assert_eq!(built(&record), before);
        assert_eq!(LEDGER, format!("{LEDGER_DIRECTORY}/{}", names::ERASED));
    }

    #[test]
    fn a_state_that_new_pods_must_know_restarts_none() {
        let plan = fixtures::plan(json!({}));
        let mut record = fixtures::record(&plan);
        let built = |record: &TenantRecord| {
            let input = fixtures::input(&plan, record);
            let secret = secret::api(&input);
            (api(&input, &secret), secret)
        };
        let (before, told) = built(&record);
        record.required_desired = 7;
        let (after, now_told) = built(&record);
        assert_eq!(after, before);
        assert_ne!(now_told, told);
    }

    #[test]
    fn a_changed_credential_restarts_the_pods() {
        let plan = fixtures::plan(json!({}));
        let mut record = fixtures::record(&plan);
        let digest = |record: &TenantRecord| {
            let input = fixtures::input(&plan, record);
            digest(&secret::api(&input))
        };
        let before = digest(&record);
        record.secrets.app_password = "other".to_owned().into();
        assert_ne!(before, digest(&record));
    }
}
