//! The rules of a Tenant beyond its schema.

mod cluster_only;

use std::collections::BTreeSet;

use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use kube::core::Selector;
use serde_json::{Value, json};

use crate::{
    quantity::nanos,
    syntax::{ANNOTATION, EMAIL, HOST, LINE, is_annotation, is_email, is_host, is_label, is_line},
    tenant::{
        Admin, Amounts, Api, ApiKeyAllowance, DeletionPolicy, GatewayRef, Hibernate,
        IngressExposure, MAX_REPLICAS, Mode, Owner, Placement, Quota, Resources, TenantSpec,
    },
    tenant_namespace,
    validation::{
        headroom::headroom,
        limits::{ValidatedLimits, limits},
        scaling::{Scaling, scaling},
        workload::Workload,
    },
    violation::Violation,
};

pub use cluster_only::cluster_only_fields;

/// Longest name of a tenant: its namespace is a DNS label.
const LONGEST_NAME: usize = 53;

/// A Tenant that every later step can trust.
#[derive(Clone, Debug, PartialEq)]
pub struct ValidatedTenant {
    pub name: String,
    pub display_name: String,
    pub icao_code: String,
    pub host: String,
    /// At least one; addresses in lower case, each once.
    pub admins: Vec<Admin>,
    pub owners: Vec<Owner>,
    /// As many pods as there may be at most.
    pub api: Workload,
    pub scaling: Scaling,
    pub worker: Workload,
    pub exposure: ValidatedExposure,
    pub placement: Placement,
    pub quota: Option<Quota>,
    pub limits: ValidatedLimits,
    /// Empty: the default described at `ApiKeyAccess`. Addresses in lower case.
    pub api_keys: Vec<ApiKeyAllowance>,
    pub deletion_policy: DeletionPolicy,
    /// Of the runtime; None: as the operator's image.
    pub version: Option<String>,
    pub suspend: bool,
    pub hibernate: Hibernate,
    pub mode: Mode,
}

impl ValidatedTenant {
    /// The namespace of the tenant's own objects.
    pub fn namespace(&self) -> String {
        tenant_namespace(&self.name)
    }

    /// Number of `api` pods, unless an autoscaler decides it.
    pub fn fixed_replicas(&self) -> Option<i32> {
        (self.scaling == Scaling::Fixed).then_some(self.api.replicas)
    }
}

/// How the airline is reached from outside the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ValidatedExposure {
    None,
    Ingress(IngressExposure),
    Gateway(GatewayRef),
}

/// Checks what a schema cannot say; all that is wrong is reported at once.
pub fn validate_tenant(spec: &TenantSpec, name: &str) -> Result<ValidatedTenant, Vec<Violation>> {
    let worker = spec.worker.clone().unwrap_or_default();
    let mut check = Check::default();
    let scaling = check.scaling(&spec.api);
    let api = Workload {
        replicas: match scaling {
            Scaling::Own(bounds) => bounds.most,
            Scaling::Fixed | Scaling::External => spec.api.replicas,
        },
        resources: spec.api.resources.clone(),
    };
    let worker = Workload {
        replicas: worker.replicas,
        resources: worker.resources,
    };
    check.name(name);
    check.identity(spec);
    check.people(spec);
    check.workload("spec.api", &api, 1);
    check.workload("spec.worker", &worker, 0);
    check.quota(spec.quota.as_ref(), &api, &worker);
    let exposure = check.exposure(spec);
    check.api_keys(spec);
    let limits = check.limits(spec);
    if !check.violations.is_empty() {
        return Err(check.violations);
    }
    Ok(ValidatedTenant {
        name: name.to_owned(),
        display_name: spec.display_name.clone(),
        icao_code: spec.icao_code.clone(),
        host: spec.host.clone(),
        admins: spec.admins.iter().map(with_lower_case_email).collect(),
        owners: spec.owners.clone(),
        api,
        scaling,
        worker,
        exposure,
        placement: spec.placement.clone().unwrap_or_default(),
        quota: spec.quota.clone(),
        limits,
        api_keys: allowances(spec).iter().map(with_lower_case_users).collect(),
        deletion_policy: spec.deletion_policy,
        version: spec.version.clone(),
        suspend: spec.suspend,
        hibernate: spec.hibernate,
        mode: spec.mode,
    })
}

fn allowances(spec: &TenantSpec) -> &[ApiKeyAllowance] {
    spec.api_keys.as_ref().map_or(&[], |access| &access.allow)
}

fn with_lower_case_email(admin: &Admin) -> Admin {
    Admin {
        email: admin.email.to_ascii_lowercase(),
        display_name: admin.display_name.clone(),
    }
}

fn with_lower_case_users(allowance: &ApiKeyAllowance) -> ApiKeyAllowance {
    let lower = |users: &Vec<String>| users.iter().map(|u| u.to_ascii_lowercase()).collect();
    ApiKeyAllowance {
        users: allowance.users.as_ref().map(lower),
        ..allowance.clone()
    }
}

/// Collects violations.
#[derive(Default)]
struct Check {
    violations: Vec<Violation>,
}

impl Check {
    fn refuse(&mut self, field: impl Into<String>, allowed: impl Into<String>, given: &Value) {
        self.violations.push(Violation::new(field, allowed, given));
    }

    fn name(&mut self, name: &str) {
        if name.len() > LONGEST_NAME || !is_label(name) {
            self.refuse(
                "metadata.name",
                format!("must be a DNS label of at most {LONGEST_NAME} characters, since the tenant's namespace is albatross-<name>"),
                &json!(name),
            );
        }
    }

    fn identity(&mut self, spec: &TenantSpec) {
        let display_name = &spec.display_name;
        if display_name.trim().is_empty() || !is_line(display_name) {
            self.refuse("spec.displayName", LINE, &json!(display_name));
        }
        let code = &spec.icao_code;
        if code.len() != 3 || !code.bytes().all(|b| b.is_ascii_uppercase()) {
            self.refuse(
                "spec.icaoCode",
                "must be three capital letters A to Z",
                &json!(code),
            );
        }
        if !is_host(&spec.host) {
            self.refuse("spec.host", HOST, &json!(spec.host));
        }
    }

    fn people(&mut self, spec: &TenantSpec) {
        if spec.admins.is_empty() {
            self.refuse("spec.admins", "must name at least one admin", &json!([]));
        }
        let mut emails = BTreeSet::new();
        for (i, admin) in spec.admins.iter().enumerate() {
            self.email(format!("spec.admins[{i}].email"), &admin.email, &mut emails);
            if !is_line(&admin.display_name) {
                self.refuse(
                    format!("spec.admins[{i}].displayName"),
                    LINE,
                    &json!(admin.display_name),
                );
            }
        }
        let mut owners = BTreeSet::new();
        for (i, owner) in spec.owners.iter().enumerate() {
            if !is_line(&owner.name) {
                self.refuse(format!("spec.owners[{i}].name"), LINE, &json!(owner.name));
            }
            if !owners.insert((owner.kind, &owner.name)) {
                self.refuse(
                    format!("spec.owners[{i}]"),
                    "must not be listed twice",
                    &json!(format!("{} {}", owner.kind.as_str(), owner.name)),
                );
            }
        }
    }

    /// Case does not tell two addresses apart.
    fn email(&mut self, field: String, email: &str, seen: &mut BTreeSet<String>) {
        if !is_email(email) {
            self.refuse(field, EMAIL, &json!(email));
        } else if !seen.insert(email.to_ascii_lowercase()) {
            self.refuse(
                field,
                "must not be listed twice, in whatever case",
                &json!(email),
            );
        }
    }

    fn workload(&mut self, field: &str, workload: &Workload, fewest: i32) {
        if !(fewest..=MAX_REPLICAS).contains(&workload.replicas) {
            self.refuse(
                format!("{field}.replicas"),
                format!("must be from {fewest} to {MAX_REPLICAS}"),
                &json!(workload.replicas),
            );
        }
        if let Some(resources) = &workload.resources {
            self.resources(&format!("{field}.resources"), resources);
        }
    }

    fn scaling(&mut self, api: &Api) -> Scaling {
        scaling(api).unwrap_or_else(|violation| {
            self.violations.push(violation);
            Scaling::Fixed
        })
    }

    fn limits(&mut self, spec: &TenantSpec) -> ValidatedLimits {
        limits(spec.limits.as_ref()).unwrap_or_else(|violation| {
            self.violations.push(violation);
            ValidatedLimits::default()
        })
    }

    fn resources(&mut self, field: &str, resources: &Resources) {
        self.amounts(&format!("{field}.requests"), resources.requests.as_ref());
        self.amounts(&format!("{field}.limits"), resources.limits.as_ref());
        let (Some(requests), Some(limits)) = (&resources.requests, &resources.limits) else {
            return;
        };
        let limits = limits.to_map();
        for (name, request) in requests.to_map() {
            let Some(limit) = limits.get(&name) else {
                continue;
            };
            if matches!((nanos(&request), nanos(limit)), (Ok(r), Ok(l)) if r > l) {
                self.refuse(
                    format!("{field}.requests.{name}"),
                    format!("must be at most the limit, {}", limit.0),
                    &json!(request.0),
                );
            }
        }
    }

    fn amounts(&mut self, field: &str, amounts: Option<&Amounts>) {
        for (name, amount) in amounts.iter().flat_map(|amounts| amounts.to_map()) {
            self.quantity(format!("{field}.{name}"), &amount);
        }
    }

    fn quantity(&mut self, field: String, quantity: &Quantity) {
        match nanos(quantity) {
            Ok(0) => self.refuse(field, "must be more than zero", &json!(quantity.0)),
            Ok(_) => {}
            Err(error) => self.refuse(field, error.to_string(), &json!(quantity.0)),
        }
    }

    fn quota(&mut self, quota: Option<&Quota>, api: &Workload, worker: &Workload) {
        let Some(quota) = quota else {
            return;
        };
        self.amounts("spec.quota.requests", quota.requests.as_ref());
        self.amounts("spec.quota.limits", quota.limits.as_ref());
        self.violations.extend(headroom(quota, api, worker, None));
    }

    fn exposure(&mut self, spec: &TenantSpec) -> ValidatedExposure {
        let Some(exposure) = &spec.exposure else {
            return ValidatedExposure::None;
        };
        let ways = [
            exposure.ingress.is_some(),
            exposure.gateway.is_some(),
            exposure.none.is_some(),
        ];
        if ways.into_iter().filter(|set| *set).count() != 1 {
            self.refuse(
                "spec.exposure",
                "must set exactly one of ingress, gateway, none",
                &json!(exposure),
            );
        }
        if let Some(gateway) = &exposure.gateway {
            return ValidatedExposure::Gateway(gateway.parent_ref.clone());
        }
        let Some(ingress) = &exposure.ingress else {
            return ValidatedExposure::None;
        };
        for key in ingress.annotations.keys().filter(|key| !is_annotation(key)) {
            self.refuse("spec.exposure.ingress.annotations", ANNOTATION, &json!(key));
        }
        ValidatedExposure::Ingress(ingress.clone())
    }

    fn api_keys(&mut self, spec: &TenantSpec) {
        for (i, allowance) in allowances(spec).iter().enumerate() {
            let field = format!("spec.apiKeys.allow[{i}]");
            if let Err(error) = Selector::try_from(allowance.namespace_selector.clone()) {
                self.refuse(
                    format!("{field}.namespaceSelector"),
                    format!("must be a label selector ({error})"),
                    &json!(allowance.namespace_selector),
                );
            }
            let mut users = BTreeSet::new();
            for (u, user) in allowance.users.iter().flatten().enumerate() {
                self.email(format!("{field}.users[{u}]"), user, &mut users);
            }
        }
    }
}
