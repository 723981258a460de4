//! An ApiKey's key before, while and after it is published: one Secret per ApiKey in the operator's namespace.

use std::collections::BTreeMap;

use albatross_crds::ApiKey;
use jiff::Timestamp;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::ResourceExt;
use secrecy::{ExposeSecret, SecretString};

use crate::names;

/// A key and its life.
#[derive(Debug, Clone)]
pub struct PendingKey {
    pub id: String,
    pub key: SecretString,
    pub issued_at: Timestamp,
    pub expires_at: Timestamp,
    /// Whether its holder has been given it: a Secret that is gone after that was deleted by hand.
    pub published: bool,
    /// Of the Secret that it was read from; none before it is stored.
    pub resource_version: Option<String>,
}

impl PendingKey {
    /// Reads the Secret; nothing if it holds no whole key.
    pub fn from_secret(secret: &Secret) -> Option<Self> {
        let data = secret.data.as_ref()?;
        let text = |key: &str| {
            data.get(key)
                .and_then(|bytes| String::from_utf8(bytes.0.clone()).ok())
        };
        Some(Self {
            id: text("keyId")?,
            key: text("key")?.into(),
            issued_at: text("issuedAt")?.parse().ok()?,
            expires_at: text("expiresAt")?.parse().ok()?,
            published: text("published").as_deref() == Some("true"),
            resource_version: secret.metadata.resource_version.clone(),
        })
    }

    /// The Secret as it is to be stored.
    pub fn to_secret(&self, owner: &ApiKey, namespace: &str) -> Secret {
        let uid = owner.uid().unwrap_or_default();
        let reference = format!(
            "{}/{}",
            owner.namespace().unwrap_or_default(),
            owner.name_any()
        );
        let data = [
            ("keyId", self.id.clone()),
            ("key", self.key.expose_secret().to_owned()),
            ("issuedAt", self.issued_at.to_string()),
            ("expiresAt", self.expires_at.to_string()),
            ("published", self.published.to_string()),
        ];
        Secret {
            metadata: ObjectMeta {
                name: Some(names::pending_secret(&uid)),
                namespace: Some(namespace.to_owned()),
                labels: Some(BTreeMap::from([(
                    names::TENANT_LABEL.to_owned(),
                    owner.spec.tenant_ref.name.clone(),
                )])),
                annotations: Some(BTreeMap::from([
                    (names::API_KEY_ANNOTATION.to_owned(), reference),
                    (names::API_KEY_UID_ANNOTATION.to_owned(), uid),
                ])),
                resource_version: self.resource_version.clone(),
                ..ObjectMeta::default()
            },
            type_: Some("albatross.aero/api-key".to_owned()),
            data: Some(
                data.into_iter()
                    .map(|(key, value)| (key.to_owned(), ByteString(value.into_bytes())))
                    .collect(),
            ),
            ..Secret::default()
        }
    }
}
