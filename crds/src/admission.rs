//! Whether a tenant admits an ApiKey: the same answer on a cluster and on a laptop.

use std::collections::{BTreeMap, BTreeSet};

use kube::core::{Selector, SelectorExt};

use crate::{
    TENANT_LABEL,
    conditions::Reason,
    scope::Scope,
    tenant::ApiKeyAllowance,
    tenant_namespace,
    validation::{ValidatedApiKey, ValidatedTenant},
};

/// The label that Kubernetes gives every namespace.
const NAMESPACE_NAME: &str = "kubernetes.io/metadata.name";

/// Why a tenant does not admit an ApiKey.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error(
        "tenant {tenant} does not allow ApiKeys in namespace {namespace} (its spec.apiKeys.allow)"
    )]
    Namespace { tenant: String, namespace: String },
    #[error(
        "ApiKeys of tenant {tenant} cannot be in namespace {namespace}, which is tenant {other}'s, whatever its \
         spec.apiKeys.allow says"
    )]
    OtherTenant {
        tenant: String,
        namespace: String,
        other: String,
    },
    #[error(
        "tenant {tenant} does not allow ApiKeys in namespace {namespace} to act for {user} (its spec.apiKeys.allow)"
    )]
    User {
        tenant: String,
        namespace: String,
        user: String,
    },
    #[error(
        "tenant {tenant} does not allow ApiKeys in namespace {namespace} these scopes: {scopes} (its spec.apiKeys.allow)"
    )]
    Scopes {
        tenant: String,
        namespace: String,
        scopes: String,
    },
}

impl Refusal {
    /// The reason that a condition gives for it.
    pub const fn reason(&self) -> Reason {
        match self {
            Self::Namespace { .. } | Self::OtherTenant { .. } => Reason::NamespaceNotAllowed,
            Self::User { .. } => Reason::UserNotAllowed,
            Self::Scopes { .. } => Reason::ScopesNotAllowed,
        }
    }
}

/// The tenant whose namespace it is. The label alone says nothing: anybody who may label a namespace can set it.
pub fn tenant_of<'a>(namespace: &str, labels: &'a BTreeMap<String, String>) -> Option<&'a str> {
    let tenant = labels.get(TENANT_LABEL)?;
    (tenant_namespace(tenant) == namespace).then_some(tenant)
}

/// Whether `tenant` admits `key` in a namespace with these labels. One entry of its list must allow all of it. None admits
/// it in another tenant's namespace, whose owners would make themselves keys: a wide selector is not meant for them.
pub fn admit(
    tenant: &ValidatedTenant,
    key: &ValidatedApiKey,
    namespace: &str,
    labels: &BTreeMap<String, String>,
) -> Result<(), Refusal> {
    let (tenant_name, namespace_name) = (tenant.name.clone(), namespace.to_owned());
    if let Some(other) = tenant_of(namespace, labels).filter(|other| *other != tenant.name) {
        return Err(Refusal::OtherTenant {
            tenant: tenant_name,
            namespace: namespace_name,
            other: other.to_owned(),
        });
    }
    let here = allowances(tenant, namespace, labels);
    if here.is_empty() {
        return Err(Refusal::Namespace {
            tenant: tenant_name,
            namespace: namespace_name,
        });
    }
    let for_user: Vec<_> = here.iter().filter(|a| a.allows_user(key)).collect();
    if for_user.is_empty() {
        return Err(Refusal::User {
            tenant: tenant_name,
            namespace: namespace_name,
            user: key.user.clone().unwrap_or_default(),
        });
    }
    if for_user.iter().any(|a| key.scopes.is_subset(&a.scopes)) {
        return Ok(());
    }
    let never: Vec<&str> = key
        .scopes
        .iter()
        .filter(|scope| !for_user.iter().any(|a| a.scopes.contains(scope)))
        .map(|scope| scope.as_str())
        .collect();
    let scopes = if never.is_empty() {
        let all: Vec<_> = key.scopes.iter().map(|scope| scope.as_str()).collect();
        format!("{} together", all.join(", "))
    } else {
        never.join(", ")
    };
    Err(Refusal::Scopes {
        tenant: tenant_name,
        namespace: namespace_name,
        scopes,
    })
}

/// What one entry allows.
struct Allowance {
    scopes: BTreeSet<Scope>,
    users: Vec<String>,
}

impl Allowance {
    /// A key without a user acts for a machine user of its own, which every entry allows.
    fn allows_user(&self, key: &ValidatedApiKey) -> bool {
        key.user
            .as_ref()
            .is_none_or(|user| self.users.contains(user))
    }
}

/// The entries that apply to a namespace.
fn allowances(
    tenant: &ValidatedTenant,
    namespace: &str,
    labels: &BTreeMap<String, String>,
) -> Vec<Allowance> {
    if tenant.api_keys.is_empty() {
        let own = (namespace == tenant.namespace()).then(|| Allowance {
            scopes: Scope::unprivileged().collect(),
            users: Vec::new(),
        });
        return own.into_iter().collect();
    }
    let mut labels = labels.clone();
    labels.insert(NAMESPACE_NAME.to_owned(), namespace.to_owned());
    tenant
        .api_keys
        .iter()
        .filter(|entry| selects(entry, &labels))
        .map(|entry| Allowance {
            scopes: match &entry.scopes {
                Some(scopes) => scopes.iter().copied().collect(),
                None => Scope::unprivileged().collect(),
            },
            users: entry.users.clone().unwrap_or_default(),
        })
        .collect()
}

/// A selector that cannot be read selects nothing; validation has refused it before.
fn selects(entry: &ApiKeyAllowance, labels: &BTreeMap<String, String>) -> bool {
    Selector::try_from(entry.namespace_selector.clone())
        .is_ok_and(|selector| selector.matches(labels))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::{Value, from_value, json};

    use super::*;
    use crate::validation::{validate_api_key, validate_tenant};

    fn answer(allow: Value, key: Value, namespace: &str) -> Result<(), Reason> {
        let tenant = json!({
            "displayName": "Skyways", "icaoCode": "SKY", "host": "skyways.localhost",
            "admins": [{"email": "ada@skyways.example", "displayName": "Ada"}],
            "apiKeys": {"allow": allow},
        });
        let tenant = validate_tenant(&from_value(tenant).unwrap(), "skyways").unwrap();
        let mut spec = json!({"tenantRef": {"name": "skyways"}, "ttl": "1d", "secretName": "s"});
        for (field, value) in key.as_object().unwrap() {
            spec[field] = value.clone();
        }
        let key = validate_api_key(&from_value(spec).unwrap()).unwrap();
        let labels = BTreeMap::from([("team".to_owned(), "ops".to_owned())]);
        admit(&tenant, &key, namespace, &labels).map_err(|refusal| refusal.reason())
    }

    #[rstest]
    #[case::own_namespace(json!({"scopes": ["pireps:write"]}), "albatross-skyways", Ok(()))]
    #[case::elsewhere(json!({"scopes": ["pireps:write"]}), "clients", Err(Reason::NamespaceNotAllowed))]
    #[case::neighbour(json!({"scopes": ["pireps:write"]}), "albatross-nordwind", Err(Reason::NamespaceNotAllowed))]
    #[case::staff(json!({"scopes": ["pireps:write", "review"]}), "albatross-skyways", Err(Reason::ScopesNotAllowed))]
    #[case::user(json!({"scopes": ["pireps:write"], "user": "ada@skyways.example"}), "albatross-skyways", Err(Reason::UserNotAllowed))]
    fn by_default_only_machine_users_without_staff_scopes_at_home(
        #[case] key: Value,
        #[case] namespace: &str,
        #[case] expected: Result<(), Reason>,
    ) {
        assert_eq!(answer(json!([]), key, namespace), expected);
    }

    #[rstest]
    #[case::by_label(json!([{"namespaceSelector": {"matchLabels": {"team": "ops"}}}]), json!({"scopes": ["live:read"]}), Ok(()))]
    #[case::other_label(json!([{"namespaceSelector": {"matchLabels": {"team": "dev"}}}]), json!({"scopes": ["live:read"]}), Err(Reason::NamespaceNotAllowed))]
    #[case::by_name(json!([{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "clients"}}}]), json!({"scopes": ["live:read"]}), Ok(()))]
    #[case::by_expression(json!([{"namespaceSelector": {"matchExpressions": [{"key": "team", "operator": "In", "values": ["dev", "ops"]}]}}]), json!({"scopes": ["live:read"]}), Ok(()))]
    #[case::everywhere(json!([{"namespaceSelector": {}}]), json!({"scopes": ["live:read"]}), Ok(()))]
    #[case::staff_where_named(json!([{"namespaceSelector": {}, "scopes": ["review"]}]), json!({"scopes": ["review"]}), Ok(()))]
    #[case::not_staff_unless_named(json!([{"namespaceSelector": {}}]), json!({"scopes": ["review"]}), Err(Reason::ScopesNotAllowed))]
    #[case::only_the_named(json!([{"namespaceSelector": {}, "scopes": ["review"]}]), json!({"scopes": ["live:read"]}), Err(Reason::ScopesNotAllowed))]
    #[case::entries_do_not_add_up(
        json!([{"namespaceSelector": {}, "scopes": ["review"]}, {"namespaceSelector": {}, "scopes": ["live:read"]}]),
        json!({"scopes": ["live:read", "review"]}), Err(Reason::ScopesNotAllowed)
    )]
    #[case::named_user(json!([{"namespaceSelector": {}, "users": ["ADA@skyways.example"]}]), json!({"scopes": ["live:read"], "user": "Ada@skyways.example"}), Ok(()))]
    #[case::other_user(json!([{"namespaceSelector": {}, "users": ["ada@skyways.example"]}]), json!({"scopes": ["live:read"], "user": "bob@skyways.example"}), Err(Reason::UserNotAllowed))]
    #[case::machine_beside_users(json!([{"namespaceSelector": {}, "users": ["ada@skyways.example"]}]), json!({"scopes": ["live:read"]}), Ok(()))]
    #[case::user_of_another_entry(
        json!([{"namespaceSelector": {}, "users": ["ada@skyways.example"]}, {"namespaceSelector": {}, "scopes": ["review"]}]),
        json!({"scopes": ["review"], "user": "ada@skyways.example"}), Err(Reason::ScopesNotAllowed)
    )]
    #[case::home_is_replaced(json!([{"namespaceSelector": {"matchLabels": {"team": "dev"}}}]), json!({"scopes": ["live:read"]}), Err(Reason::NamespaceNotAllowed))]
    fn one_entry_must_allow_all_of_it(
        #[case] allow: Value,
        #[case] key: Value,
        #[case] expected: Result<(), Reason>,
    ) {
        assert_eq!(answer(allow, key, "clients"), expected);
    }

    #[rstest]
    #[case::everywhere(json!({}))]
    #[case::where_the_operator_works(json!({"matchLabels": {"albatross.aero/managed": "true"}}))]
    #[case::by_name(json!({"matchLabels": {NAMESPACE_NAME: "albatross-nordwind"}}))]
    fn no_selector_reaches_another_tenants_namespace(#[case] selector: Value) {
        let tenant = json!({
            "displayName": "Skyways", "icaoCode": "SKY", "host": "skyways.localhost",
            "admins": [{"email": "ada@skyways.example", "displayName": "Ada"}],
            "apiKeys": {"allow": [{"namespaceSelector": selector}, {"namespaceSelector": {"matchLabels": {"team": "ops"}}}]},
        });
        let tenant = validate_tenant(&from_value(tenant).unwrap(), "skyways").unwrap();
        let key = json!({"tenantRef": {"name": "skyways"}, "ttl": "1d", "secretName": "s", "scopes": ["live:read"]});
        let key = validate_api_key(&from_value(key).unwrap()).unwrap();
        let labelled = |tenant: &str| {
            let labels = [
                ("albatross.aero/managed", "true"),
                ("team", "ops"),
                (TENANT_LABEL, tenant),
            ];
            labels.map(|(key, value)| (key.to_owned(), value.to_owned()))
        };
        let nordwinds = BTreeMap::from(labelled("nordwind"));
        let refusal = admit(&tenant, &key, "albatross-nordwind", &nordwinds).unwrap_err();
        assert_eq!(refusal.reason(), Reason::NamespaceNotAllowed);
        assert!(
            refusal.to_string().contains("which is tenant nordwind's"),
            "{refusal}"
        );
        // A client's namespace becomes no tenant's by a label, and the tenant's own is its own.
        assert_eq!(admit(&tenant, &key, "clients", &nordwinds), Ok(()));
        let own = BTreeMap::from(labelled("skyways"));
        assert_eq!(admit(&tenant, &key, "albatross-skyways", &own), Ok(()));
    }

    #[test]
    fn a_forged_name_label_does_not_help() {
        let tenant = json!({
            "displayName": "Skyways", "icaoCode": "SKY", "host": "skyways.localhost",
            "admins": [{"email": "ada@skyways.example", "displayName": "Ada"}],
            "apiKeys": {"allow": [{"namespaceSelector": {"matchLabels": {NAMESPACE_NAME: "clients"}}}]},
        });
        let tenant = validate_tenant(&from_value(tenant).unwrap(), "skyways").unwrap();
        let key = json!({"tenantRef": {"name": "skyways"}, "ttl": "1d", "secretName": "s", "scopes": ["live:read"]});
        let key = validate_api_key(&from_value(key).unwrap()).unwrap();
        let forged = BTreeMap::from([(NAMESPACE_NAME.to_owned(), "clients".to_owned())]);
        assert!(admit(&tenant, &key, "elsewhere", &forged).is_err());
    }
}
