//! Whether an ApiKey may be, and what it then is: pure, from what is declared and what there is.

use std::collections::BTreeMap;

use albatross_crds::admission::{admit as tenant_admits, tenant_of};
use albatross_crds::conditions::Reason;
use albatross_crds::validation::{ValidatedApiKey, validate_api_key, validate_tenant};
use albatross_crds::violation::summary;
use albatross_crds::{ApiKey, Tenant};
use kube::{Resource, ResourceExt};

use crate::api_key::answer::held;
use crate::names;

/// What the decision is made from.
#[derive(Debug, Clone, Default)]
pub struct Around<'a> {
    pub tenant: Option<&'a Tenant>,
    /// Labels of the ApiKey's namespace, if the operator may work there.
    pub namespace_labels: Option<&'a BTreeMap<String, String>>,
}

/// Why a key is not issued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Someone has to change something.
    Refused { reason: Reason, message: String },
    /// The tenant is not there yet, or not in order.
    Waiting { message: String },
}

/// An admitted ApiKey.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admitted {
    pub key: ValidatedApiKey,
    /// URL at which the key works.
    pub endpoint: String,
    /// Whether its namespace is the tenant's, where the operator has its rights already.
    pub is_at_tenants: bool,
}

/// Checks the declaration, its tenant and its namespace.
pub fn admit(key: &ApiKey, around: &Around<'_>) -> Result<Admitted, Verdict> {
    let refused = |reason, message: String| Verdict::Refused { reason, message };
    let valid = validate_api_key(&key.spec)
        .map_err(|violations| refused(Reason::InvalidSpec, summary(&violations)))?;
    // First of all: where the operator does not work, nobody learns which tenants there are.
    let namespace = key.namespace().unwrap_or_default();
    let labels = around.namespace_labels.ok_or_else(|| {
        let message = format!(
            "namespace {namespace} does not carry the label {}=true, without which the operator does not write Secrets \
             there",
            names::MANAGED_LABEL
        );
        refused(Reason::NamespaceNotAllowed, message)
    })?;
    let name = &valid.tenant;
    let tenant = around.tenant.ok_or_else(|| {
        let message = format!("spec.tenantRef.name: must be a Tenant, given \"{name}\"");
        refused(Reason::TenantNotFound, message)
    })?;
    if tenant.meta().deletion_timestamp.is_some() {
        let message = format!("tenant {name} is being deleted");
        return Err(refused(Reason::TenantDeleting, message));
    }
    let waiting = |message: String| match held(tenant) {
        Some(why) => refused(Reason::WaitingForTenant, format!("{message}: {why}")),
        None => Verdict::Waiting { message },
    };
    let valid_tenant = validate_tenant(&tenant.spec, name).map_err(|_| {
        waiting(format!(
            "waiting for tenant {name}, whose spec is not valid"
        ))
    })?;
    tenant_admits(&valid_tenant, &valid, &namespace, labels)
        .map_err(|refusal| refused(refusal.reason(), refusal.to_string()))?;
    let endpoint = tenant
        .status
        .as_ref()
        .and_then(|status| status.endpoint.clone())
        .ok_or_else(|| waiting(format!("waiting for tenant {name}")))?;
    Ok(Admitted {
        is_at_tenants: tenant_of(&namespace, labels).is_some(),
        endpoint,
        key: valid,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn tenant() -> Tenant {
        serde_json::from_value(json!({
            "apiVersion": "albatross.aero/v1alpha1",
            "kind": "Tenant",
            "metadata": {"name": "skyways"},
            "spec": {
                "displayName": "Skyways",
                "icaoCode": "SKY",
                "host": "skyways.localhost",
                "admins": [{"email": "ada@skyways.example", "displayName": "Ada"}],
                "apiKeys": {"allow": [{
                    "namespaceSelector": {"matchLabels": {"clients": "yes"}},
                    "scopes": ["pireps:write"],
                }]},
            },
            "status": {"endpoint": "http://api.albatross-skyways.svc:8080"},
        }))
        .unwrap()
    }

    fn key() -> ApiKey {
        serde_json::from_value(json!({
            "apiVersion": "albatross.aero/v1alpha1",
            "kind": "ApiKey",
            "metadata": {"name": "acars", "namespace": "airline-clients"},
            "spec": {
                "tenantRef": {"name": "skyways"},
                "scopes": ["pireps:write"],
                "ttl": "90d",
                "secretName": "acars",
            },
        }))
        .unwrap()
    }

    fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect()
    }

    fn reason(result: Result<Admitted, Verdict>) -> Option<Reason> {
        match result {
            Err(Verdict::Refused { reason, .. }) => Some(reason),
            _ => None,
        }
    }

    #[test]
    fn a_key_is_admitted_where_the_tenant_says_so() {
        let (tenant, clients) = (tenant(), labels(&[("clients", "yes")]));
        let around = Around {
            tenant: Some(&tenant),
            namespace_labels: Some(&clients),
        };
        let admitted = admit(&key(), &around).unwrap();
        assert!(!admitted.is_at_tenants);
        assert_eq!(admitted.endpoint, "http://api.albatross-skyways.svc:8080");
    }

    #[test]
    fn a_label_makes_no_namespace_a_tenants() {
        let tenant = tenant();
        let labelled = labels(&[("clients", "yes"), (names::TENANT_LABEL, "skyways")]);
        let around = Around {
            tenant: Some(&tenant),
            namespace_labels: Some(&labelled),
        };
        // The operator has no rights there before it binds itself.
        assert!(!admit(&key(), &around).unwrap().is_at_tenants);
        // In the tenant's own, one role is bound by that name: a second would fight with it.
        let mut at_home = key();
        at_home.metadata.namespace = Some("albatross-skyways".to_owned());
        assert!(admit(&at_home, &around).unwrap().is_at_tenants);
    }

    #[test]
    fn a_key_is_refused_with_the_reason() {
        let (tenant, good) = (tenant(), labels(&[("clients", "yes")]));
        let other = labels(&[("clients", "no")]);
        let with = |tenant, namespace_labels| Around {
            tenant,
            namespace_labels,
        };
        let cases = [
            (with(None, Some(&good)), Reason::TenantNotFound),
            (with(None, None), Reason::NamespaceNotAllowed),
            (with(Some(&tenant), None), Reason::NamespaceNotAllowed),
            (
                with(Some(&tenant), Some(&other)),
                Reason::NamespaceNotAllowed,
            ),
        ];
        for (around, expected) in cases {
            assert_eq!(reason(admit(&key(), &around)), Some(expected));
        }
        let mut greedy = key();
        greedy.spec.scopes = vec![albatross_crds::Scope::Users];
        let around = with(Some(&tenant), Some(&good));
        assert_eq!(
            reason(admit(&greedy, &around)),
            Some(Reason::ScopesNotAllowed)
        );
    }

    #[test]
    fn a_key_waits_for_a_tenant_that_is_being_set_up() {
        let mut tenant = tenant();
        tenant.status = None;
        let labels = labels(&[("clients", "yes")]);
        let around = Around {
            tenant: Some(&tenant),
            namespace_labels: Some(&labels),
        };
        assert!(matches!(
            admit(&key(), &around),
            Err(Verdict::Waiting { .. })
        ));
    }
}
