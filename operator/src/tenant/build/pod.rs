//! The pods of a tenant: what all components have in common.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    Capabilities, Container, ContainerPort, EnvFromSource, EnvVar, HTTPGetAction, Lifecycle,
    LifecycleHandler, PodSecurityContext, PodSpec, PodTemplateSpec, Probe, ResourceRequirements,
    SeccompProfile, Secret, SecretEnvSource, SecretVolumeSource, SecurityContext, SleepAction,
    TopologySpreadConstraint, Volume, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::ResourceExt;

use crate::names;
use crate::tenant::build::input::Input;
use crate::tenant::build::secret;

/// The user of the image.
const USER: i64 = 65532;
/// Time for requests in flight, after the pod has left the Service.
const GRACE_SECONDS: i64 = 30;
/// Endpoints need a moment to forget a pod that is ending.
const DRAIN_SECONDS: i64 = 3;

/// One component's pod.
pub struct PodPlan<'a> {
    pub component: &'a str,
    /// Of the runtime, e.g. `serve`.
    pub command: &'a str,
    /// Its environment.
    pub secret: &'a Secret,
    pub environment: Vec<(&'a str, &'a str)>,
    /// Secrets that it finds as files, if they are there, and the directories; certificates of servers besides.
    pub files: Vec<(&'a str, &'a str)>,
    pub ports: Vec<(&'a str, i32)>,
    pub resources: ResourceRequirements,
    /// Digest of the Secret, so that a changed one restarts the pods.
    pub secret_digest: Option<String>,
    pub long_running: bool,
}

pub fn template(input: &Input<'_>, pod: &PodPlan<'_>) -> PodTemplateSpec {
    let files = files(pod);
    let mut labels = input.labels();
    labels.extend(input.selector(pod.component));
    let digest = pod
        .secret_digest
        .as_ref()
        .map(|digest| BTreeMap::from([(names::SECRETS_ANNOTATION.to_owned(), digest.clone())]));
    PodTemplateSpec {
        metadata: Some(ObjectMeta {
            labels: Some(labels),
            annotations: digest,
            ..ObjectMeta::default()
        }),
        spec: Some(PodSpec {
            automount_service_account_token: Some(false),
            enable_service_links: Some(false),
            service_account_name: Some(names::RUNTIME_ACCOUNT.to_owned()),
            security_context: Some(PodSecurityContext {
                run_as_non_root: Some(true),
                run_as_user: Some(USER),
                run_as_group: Some(USER),
                seccomp_profile: Some(SeccompProfile {
                    type_: "RuntimeDefault".to_owned(),
                    localhost_profile: None,
                }),
                ..PodSecurityContext::default()
            }),
            termination_grace_period_seconds: Some(GRACE_SECONDS),
            restart_policy: (!pod.long_running).then(|| "Never".to_owned()),
            topology_spread_constraints: pod
                .long_running
                .then(|| vec![spread(input.selector(pod.component))]),
            containers: vec![container(input, pod, &files)],
            volumes: (!files.is_empty())
                .then(|| files.iter().map(|(secret, _)| volume(secret)).collect()),
            ..PodSpec::default()
        }),
    }
}

fn files<'a>(pod: &PodPlan<'a>) -> Vec<(&'a str, &'a str)> {
    let authorities = (names::AUTHORITIES_SECRET, names::AUTHORITIES_DIRECTORY);
    let mut files = pod.files.clone();
    files.extend(secret::names_authorities(pod.secret).then_some(authorities));
    files
}

fn container(input: &Input<'_>, pod: &PodPlan<'_>, files: &[(&str, &str)]) -> Container {
    let environment: Vec<EnvVar> = pod
        .environment
        .iter()
        .map(|(name, value)| EnvVar {
            name: (*name).to_owned(),
            value: Some((*value).to_owned()),
            value_from: None,
        })
        .collect();
    let ports: Vec<ContainerPort> = pod
        .ports
        .iter()
        .map(|(name, number)| ContainerPort {
            name: Some((*name).to_owned()),
            container_port: *number,
            protocol: Some("TCP".to_owned()),
            ..ContainerPort::default()
        })
        .collect();
    Container {
        name: pod.component.to_owned(),
        image: Some(input.plan.image.clone()),
        image_pull_policy: Some("IfNotPresent".to_owned()),
        args: Some(vec![pod.command.to_owned()]),
        env: Some(environment),
        env_from: Some(vec![EnvFromSource {
            secret_ref: Some(SecretEnvSource {
                name: pod.secret.name_any(),
                optional: None,
            }),
            ..EnvFromSource::default()
        }]),
        ports: (!ports.is_empty()).then_some(ports),
        volume_mounts: (!files.is_empty()).then(|| files.iter().map(mount).collect()),
        resources: Some(pod.resources.clone()),
        security_context: Some(SecurityContext {
            allow_privilege_escalation: Some(false),
            read_only_root_filesystem: Some(true),
            run_as_non_root: Some(true),
            capabilities: Some(Capabilities {
                drop: Some(vec!["ALL".to_owned()]),
                add: None,
            }),
            ..SecurityContext::default()
        }),
        lifecycle: pod.long_running.then(drain),
        startup_probe: pod.long_running.then(|| probe("/healthz", 1, 60)),
        liveness_probe: pod.long_running.then(|| probe("/healthz", 10, 3)),
        readiness_probe: pod.long_running.then(|| probe("/readyz", 2, 2)),
        ..Container::default()
    }
}

fn mount((secret, path): &(&str, &str)) -> VolumeMount {
    VolumeMount {
        name: (*secret).to_owned(),
        mount_path: (*path).to_owned(),
        read_only: Some(true),
        ..VolumeMount::default()
    }
}

fn volume(secret: &str) -> Volume {
    Volume {
        name: secret.to_owned(),
        secret: Some(SecretVolumeSource {
            secret_name: Some(secret.to_owned()),
            optional: Some(true),
            ..SecretVolumeSource::default()
        }),
        ..Volume::default()
    }
}

fn probe(path: &str, period_seconds: i32, failure_threshold: i32) -> Probe {
    Probe {
        http_get: Some(HTTPGetAction {
            path: Some(path.to_owned()),
            port: IntOrString::Int(names::PROBE_PORT),
            ..HTTPGetAction::default()
        }),
        period_seconds: Some(period_seconds),
        timeout_seconds: Some(2),
        failure_threshold: Some(failure_threshold),
        ..Probe::default()
    }
}

fn drain() -> Lifecycle {
    Lifecycle {
        pre_stop: Some(LifecycleHandler {
            sleep: Some(SleepAction {
                seconds: DRAIN_SECONDS,
            }),
            ..LifecycleHandler::default()
        }),
        ..Lifecycle::default()
    }
}

fn spread(selector: BTreeMap<String, String>) -> TopologySpreadConstraint {
    TopologySpreadConstraint {
        max_skew: 1,
        topology_key: "kubernetes.io/hostname".to_owned(),
        when_unsatisfiable: "ScheduleAnyway".to_owned(),
        label_selector: Some(LabelSelector {
            match_labels: Some(selector),
            ..LabelSelector::default()
        }),
        ..TopologySpreadConstraint::default()
    }
}
