//! What every builder starts from.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::context::record::TenantRecord;
use crate::names;
use crate::provision::error::Credentials;
use crate::tenant::validate::Plan;

/// The plan, the record, and where the operator is.
pub struct Input<'a> {
    pub plan: &'a Plan,
    pub record: &'a TenantRecord,
    pub operator_namespace: &'a str,
    /// The account of the tenant's pods on its Redis server, if it is on one.
    pub cache_account: Option<Credentials>,
    /// Who may have signed its servers' certificates (PEM), by the file in which its pods find it. None while that is not
    /// known: what the pods have stays.
    pub authorities: Option<BTreeMap<&'static str, String>>,
    /// Variables in which its pods find the URL of a server that has not answered by what is configured now: what they were
    /// handed stays.
    pub unproven: Vec<&'static str>,
}

impl Input<'_> {
    /// What a Secret says of the URL of a server.
    pub fn url(
        &self,
        secret: &str,
        variable: &'static str,
        configured: Option<String>,
    ) -> Option<(&'static str, String)> {
        let handed = self.record.handed.get(secret, variable);
        let handed = handed.filter(|_| self.unproven.contains(&variable));
        let url = handed.map(str::to_owned).or(configured)?;
        Some((variable, url))
    }

    /// Metadata of an object in the tenant's namespace.
    pub fn meta(&self, name: &str) -> ObjectMeta {
        ObjectMeta {
            name: Some(name.to_owned()),
            namespace: Some(self.plan.namespace.clone()),
            labels: Some(self.labels()),
            ..ObjectMeta::default()
        }
    }

    /// Never the declaration's own labels: a GitOps tool would prune what carries its own.
    pub fn labels(&self) -> BTreeMap<String, String> {
        BTreeMap::from([
            (
                names::TENANT_LABEL.to_owned(),
                self.plan.tenant.name.clone(),
            ),
            (names::MANAGED_BY.to_owned(), names::OPERATOR.to_owned()),
        ])
    }

    /// Labels of the pods of one component; also what selects them.
    pub fn selector(&self, component: &str) -> BTreeMap<String, String> {
        BTreeMap::from([
            (
                names::TENANT_LABEL.to_owned(),
                self.plan.tenant.name.clone(),
            ),
            (names::COMPONENT_LABEL.to_owned(), component.to_owned()),
        ])
    }
}
