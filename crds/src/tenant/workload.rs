//! What runs for a tenant and how much it may use.

use std::collections::BTreeMap;

use k8s_openapi::{
    api::core::v1::ResourceRequirements, apimachinery::pkg::api::resource::Quantity,
};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::schema;

/// Most pods of one kind that a tenant may ask for.
pub const MAX_REPLICAS: i32 = 100;

/// The pods that serve the airline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Api {
    /// Number of pods; `kubectl scale tenant/NAME --replicas=3` sets it. While autoscaling is set it decides nothing; with
    /// autoscaling.external it is the most pods that quota and database connections are reckoned for.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = MAX_REPLICAS))]
    pub replicas: i32,
    /// Lets the number of pods follow the load; wins over replicas. Taken away, replicas decides again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub autoscaling: Option<Autoscaling>,
    /// CPU and memory of one pod. Left out: the operator's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,
}

impl Default for Api {
    fn default() -> Self {
        Self {
            replicas: one(),
            autoscaling: None,
            resources: None,
        }
    }
}

const fn one() -> i32 {
    1
}

/// Either an autoscaler made by the operator, or one of your own (external) for the Deployment `api`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("(has(self.external) && self.external) != has(self.maxReplicas)")
        .message("must set either maxReplicas or external: true"),
    validation = Rule::new("!(has(self.external) && self.external) || (!has(self.minReplicas) && !has(self.targetCPUUtilizationPercentage))")
        .message("must not set minReplicas or targetCPUUtilizationPercentage with external: true"),
    validation = Rule::new("!has(self.minReplicas) || !has(self.maxReplicas) || self.minReplicas <= self.maxReplicas")
        .message("must have minReplicas at most maxReplicas"),
)]
pub struct Autoscaling {
    /// Fewest pods; 1 unless set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100))]
    pub min_replicas: Option<i32>,
    /// Most pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100))]
    pub max_replicas: Option<i32>,
    /// Load to aim at, in percent of the requested CPU; 80 unless set.
    #[serde(
        default,
        rename = "targetCPUUtilizationPercentage",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(range(min = 1, max = 100))]
    pub target_cpu_utilization_percentage: Option<i32>,
    /// The operator leaves the number of pods to an autoscaler of yours that targets the Deployment `api`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external: Option<bool>,
}

/// Projections and the relay in pods of their own.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Worker {
    /// Number of pods; 0 runs them inside the `api` pods.
    #[serde(default)]
    #[schemars(range(min = 0, max = MAX_REPLICAS))]
    pub replicas: i32,
    /// CPU and memory of one pod. Left out: the operator's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,
}

/// CPU and memory of one pod.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Resources {
    /// What the scheduler sets aside for the pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests: Option<Amounts>,
    /// What the pod may use at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<Amounts>,
}

impl Resources {
    /// The same as a container states it.
    pub fn to_requirements(&self) -> ResourceRequirements {
        ResourceRequirements {
            requests: self.requests.as_ref().map(Amounts::to_map),
            limits: self.limits.as_ref().map(Amounts::to_map),
            ..ResourceRequirements::default()
        }
    }
}

/// An amount of CPU and memory.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Amounts {
    /// CPU in cores, e.g. 500m or 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::quantity")]
    pub cpu: Option<Quantity>,
    /// Memory in bytes, e.g. 256Mi.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::quantity")]
    pub memory: Option<Quantity>,
}

impl Amounts {
    /// The same under the names that Kubernetes gives them.
    pub fn to_map(&self) -> BTreeMap<String, Quantity> {
        [("cpu", &self.cpu), ("memory", &self.memory)]
            .into_iter()
            .filter_map(|(name, amount)| Some((name.to_owned(), amount.clone()?)))
            .collect()
    }
}

/// What all pods of the tenant's namespace may use together (a ResourceQuota). There must be room for the surge of a
/// rolling update and for the migration Job.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Quota {
    /// Sum of what pods request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests: Option<Amounts>,
    /// Sum of the pods' limits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<Amounts>,
    /// Number of pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub pods: Option<i32>,
}

impl Quota {
    /// The `hard` map of a ResourceQuota.
    pub fn to_hard(&self) -> BTreeMap<String, Quantity> {
        let of = |prefix: &'static str, amounts: &Option<Amounts>| {
            amounts
                .iter()
                .flat_map(Amounts::to_map)
                .map(move |(name, amount)| (format!("{prefix}.{name}"), amount))
                .collect::<Vec<_>>()
        };
        of("requests", &self.requests)
            .into_iter()
            .chain(of("limits", &self.limits))
            .chain(
                self.pods
                    .map(|pods| ("pods".to_owned(), Quantity(pods.to_string()))),
            )
            .collect()
    }
}

/// What the airline itself may grow to. A limit refuses what is new, never a flight that has begun. It is looked at when
/// something new begins, so that what begins at the same moment may exceed it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(self.storage) || (quantity(string(self.storage)).compareTo(quantity('64Mi')) >= 0 && quantity(string(self.storage)).compareTo(quantity('1Pi')) <= 0)")
        .message("must have storage from 64Mi to 1Pi"),
)]
pub struct Limits {
    /// Most people with the role Pilot, without those who await approval. Who registers, is invited or is approved beyond that
    /// is refused; nobody is taken away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub pilots: Option<i32>,
    /// Most PIREPs, drafts among them, begun per day (UTC).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub pireps_per_day: Option<i32>,
    /// Room that the airline's data may take in its database (20Gi), indexes and room that is free for reuse included; measured
    /// about once a minute. When it is full, nothing new is taken: no PIREP, registration, bid or change of the catalogue, and no
    /// position of a draft or of a flight that was decided or cancelled. Flights that have begun are flown, changed, submitted and reviewed to their end,
    /// and so exceed it a little; log-in, passwords, roles, API keys, revocation and erasure go on as well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::quantity")]
    pub storage: Option<Quantity>,
}
