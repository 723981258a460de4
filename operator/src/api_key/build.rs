//! What an ApiKey gets in its namespace: the Secret with the key, and the right to write it.

use std::collections::BTreeMap;

use albatross_crds::ApiKey;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::api::rbac::v1::{RoleBinding, RoleRef, Subject};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::ResourceExt;
use secrecy::ExposeSecret;

use crate::api_key::admit::Admitted;
use crate::context::key_ring::Key;
use crate::names;

/// The Secret that the key's holder reads; `previous` is what it replaced and is still valid.
pub fn secret(owner: &ApiKey, admitted: &Admitted, key: &Key, previous: Option<&Key>) -> Secret {
    let mut data = vec![
        ("key", key.text.expose_secret().to_owned()),
        ("keyId", key.id.clone()),
        ("endpoint", admitted.endpoint.clone()),
    ];
    let previous = previous.map(|previous| previous.text.expose_secret().to_owned());
    data.extend(previous.map(|text| ("previousKey", text)));
    Secret {
        metadata: ObjectMeta {
            annotations: Some(BTreeMap::from([(
                names::API_KEY_UID_ANNOTATION.to_owned(),
                owner.uid().unwrap_or_default(),
            )])),
            ..meta(owner, &admitted.key.secret_name)
        },
        type_: Some("Opaque".to_owned()),
        data: Some(
            data.into_iter()
                .map(|(key, value)| (key.to_owned(), ByteString(value.into_bytes())))
                .collect(),
        ),
        ..Secret::default()
    }
}

/// The operator's right to write Secrets in a namespace that is not a tenant's.
pub fn operator_binding(owner: &ApiKey, operator_namespace: &str) -> RoleBinding {
    RoleBinding {
        metadata: meta(owner, names::OPERATOR),
        role_ref: RoleRef {
            api_group: "rbac.authorization.k8s.io".to_owned(),
            kind: "ClusterRole".to_owned(),
            name: names::OPERATOR_CLIENT_ROLE.to_owned(),
        },
        subjects: Some(vec![Subject {
            kind: "ServiceAccount".to_owned(),
            name: names::OPERATOR.to_owned(),
            namespace: Some(operator_namespace.to_owned()),
            ..Subject::default()
        }]),
    }
}

/// No tenant's label: keys of several tenants may live side by side.
fn meta(owner: &ApiKey, name: &str) -> ObjectMeta {
    ObjectMeta {
        name: Some(name.to_owned()),
        namespace: owner.namespace(),
        labels: Some(BTreeMap::from([(
            names::MANAGED_BY.to_owned(),
            names::OPERATOR.to_owned(),
        )])),
        ..ObjectMeta::default()
    }
}
