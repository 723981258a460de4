//! The authoritative Secret of a tenant: identity, credentials, and the names of what it has outside the cluster.
//!
//! It is made once. What is in it is never derived or generated again, and one that cannot be read is never replaced.

use std::collections::BTreeMap;
use std::fmt;

use base64::prelude::{BASE64_STANDARD, Engine};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::context::handed::HandedUrls;
use crate::context::ledger::Ledger;
use crate::context::system::{Entropy, random};
use crate::context::token;
use crate::context::upgrade::Images;
use crate::names::{self, ExternalNames};

/// What the operator knows about a tenant and nobody else does.
#[derive(Debug, Clone)]
pub struct TenantRecord {
    pub tenant_id: Uuid,
    pub names: ExternalNames,
    pub servers: PlacedOn,
    /// The host that it was last made to serve.
    pub host: Option<String>,
    /// Connections to its database that are set aside for it.
    pub connections: Option<i32>,
    pub secrets: TenantSecrets,
    /// Counts the states that the runtime was told to be in.
    pub desired_number: u64,
    /// Digest of the state that has that number.
    pub desired_digest: String,
    /// The state that a pod must know before it is ready: the newest one when no pod could be told of it.
    pub required_desired: u64,
    /// What its pods run, if any do.
    pub images: Images,
    /// Digest of what each external system was last seen to have, so that a new leader need not ask it.
    pub provisioned: BTreeMap<String, String>,
    /// What its pods reach servers by, once there have been any.
    pub handed: HandedUrls,
    /// Admins by e-mail address.
    pub links: BTreeMap<String, AdminLink>,
    /// Who was erased, in whatever copy of the database.
    pub erased: Ledger,
    /// The runtime's word for whom it had erased when the ledger was last filled from it.
    pub erased_digest: String,
    /// When its Tenant was deleted and it was kept.
    pub retained_at: Option<String>,
    /// Of the Secret that it was read from; none before it is stored.
    pub resource_version: Option<String>,
}

/// Servers of the configuration that the tenant's data is on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlacedOn {
    pub postgres: String,
    pub rabbitmq: Option<String>,
    pub redis: Option<String>,
}

/// What must not be shown.
#[derive(Debug, Clone)]
pub struct TenantSecrets {
    pub tenant_key: SecretString,
    pub pepper: SecretString,
    pub internal_token: SecretString,
    pub migrate_password: SecretString,
    pub app_password: SecretString,
    pub broker_password: SecretString,
    pub cache_password: SecretString,
}

/// An admin's one-time link: still open, or used.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "state")]
pub enum AdminLink {
    #[serde(rename_all = "camelCase")]
    Open {
        token: String,
        expires_at: jiff::Timestamp,
    },
    Used,
}

impl fmt::Debug for AdminLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open { expires_at, .. } => write!(f, "Open(until {expires_at})"),
            Self::Used => f.write_str("Used"),
        }
    }
}

/// A record that cannot be used, which is never a reason to make a new one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the Secret `{secret}` in the operator's namespace holds no usable `{key}`")]
pub struct Unreadable {
    pub secret: String,
    pub key: String,
}

impl TenantRecord {
    /// A new identity with new credentials.
    pub fn generate(entropy: &dyn Entropy, servers: PlacedOn) -> Self {
        let tenant_id = uuid::Builder::from_random_bytes(random::<16>(entropy)).into_uuid();
        Self {
            tenant_id,
            names: ExternalNames::of(tenant_id),
            servers,
            host: None,
            connections: None,
            secrets: TenantSecrets {
                tenant_key: token::key(entropy),
                pepper: token::key(entropy),
                internal_token: token::password(entropy),
                migrate_password: token::password(entropy),
                app_password: token::password(entropy),
                broker_password: token::password(entropy),
                cache_password: token::password(entropy),
            },
            desired_number: 0,
            desired_digest: String::new(),
            required_desired: 0,
            images: Images::default(),
            provisioned: BTreeMap::new(),
            handed: HandedUrls::default(),
            links: BTreeMap::new(),
            erased: Ledger::default(),
            erased_digest: String::new(),
            retained_at: None,
            resource_version: None,
        }
    }

    /// The key of the tenant's digests.
    pub fn pepper(&self) -> Vec<u8> {
        BASE64_STANDARD
            .decode(self.secrets.pepper.expose_secret())
            .unwrap_or_default()
    }

    /// Reads the Secret.
    pub fn from_secret(secret: &Secret) -> Result<Self, Unreadable> {
        let reader = Reader { secret };
        let pepper = reader.secret_text("pepper")?;
        let tenant_key = reader.secret_text("tenantKey")?;
        for (key, value) in [("pepper", &pepper), ("tenantKey", &tenant_key)] {
            let bytes = BASE64_STANDARD.decode(value.expose_secret());
            if bytes.map_or(0, |bytes| bytes.len()) != 32 {
                return Err(reader.unreadable(key));
            }
        }
        Ok(Self {
            tenant_id: reader.parsed("tenantId", |text| text.parse().ok())?,
            names: ExternalNames {
                database: reader.text("database")?,
                owner_role: reader.text("ownerRole")?,
                migrate_role: reader.text("migrateRole")?,
                app_role: reader.text("appRole")?,
                vhost: reader.text("vhost")?,
                broker_user: reader.text("brokerUser")?,
                cache_user: reader.text("cacheUser")?,
                cache_prefix: reader.text("cachePrefix")?,
            },
            servers: PlacedOn {
                postgres: reader.text("postgresServer")?,
                rabbitmq: reader.optional("rabbitmqServer"),
                redis: reader.optional("redisServer"),
            },
            host: reader.optional("host"),
            connections: match reader.optional("connections") {
                Some(_) => Some(reader.parsed("connections", |text| text.parse().ok())?),
                None => None,
            },
            secrets: TenantSecrets {
                tenant_key,
                pepper,
                internal_token: reader.secret_text("internalToken")?,
                migrate_password: reader.secret_text("migratePassword")?,
                app_password: reader.secret_text("appPassword")?,
                broker_password: reader.secret_text("brokerPassword")?,
                cache_password: reader.secret_text("cachePassword")?,
            },
            desired_number: reader.parsed("desiredNumber", |text| text.parse().ok())?,
            desired_digest: reader.optional("desiredDigest").unwrap_or_default(),
            required_desired: match reader.optional("requiredDesired") {
                Some(_) => reader.parsed("requiredDesired", |text| text.parse().ok())?,
                None => 0,
            },
            images: Images::of(secret),
            provisioned: reader.noted("provisioned"),
            handed: reader.noted("handed"),
            links: reader.parsed("adminLinks", |text| serde_json::from_str(text).ok())?,
            erased: reader.ledger()?,
            erased_digest: reader.optional("erasedDigest").unwrap_or_default(),
            retained_at: secret
                .metadata
                .annotations
                .as_ref()
                .and_then(|annotations| annotations.get(names::RETAINED_ANNOTATION).cloned()),
            resource_version: secret.metadata.resource_version.clone(),
        })
    }

    /// The Secret as it is to be stored.
    pub fn to_secret(&self, tenant: &str, namespace: &str) -> Secret {
        let mut annotations = BTreeMap::from([(
            names::TENANT_ID_ANNOTATION.to_owned(),
            self.tenant_id.to_string(),
        )]);
        if let Some(at) = &self.retained_at {
            annotations.insert(names::RETAINED_ANNOTATION.to_owned(), at.clone());
        }
        Secret {
            metadata: ObjectMeta {
                name: Some(names::record_secret(tenant)),
                namespace: Some(namespace.to_owned()),
                labels: Some(BTreeMap::from([(
                    names::TENANT_LABEL.to_owned(),
                    tenant.to_owned(),
                )])),
                annotations: Some(annotations),
                resource_version: self.resource_version.clone(),
                ..ObjectMeta::default()
            },
            type_: Some("albatross.aero/tenant".to_owned()),
            data: Some(self.data()),
            ..Secret::default()
        }
    }

    fn data(&self) -> BTreeMap<String, ByteString> {
        let Self {
            tenant_id,
            names,
            servers,
            host,
            connections,
            secrets,
            desired_number,
            desired_digest,
            required_desired,
            images,
            provisioned,
            handed,
            links,
            erased,
            erased_digest,
            retained_at: _,
            resource_version: _,
        } = self;
        let links = serde_json::to_string(links).expect("links are plain JSON");
        let noted = serde_json::to_string(provisioned).expect("digests are plain JSON");
        let urls = serde_json::to_string(handed).expect("URLs are plain JSON");
        let pairs = [
            ("tenantId", Some(tenant_id.to_string())),
            ("database", Some(names.database.clone())),
            ("ownerRole", Some(names.owner_role.clone())),
            ("migrateRole", Some(names.migrate_role.clone())),
            ("appRole", Some(names.app_role.clone())),
            ("vhost", Some(names.vhost.clone())),
            ("brokerUser", Some(names.broker_user.clone())),
            ("cacheUser", Some(names.cache_user.clone())),
            ("cachePrefix", Some(names.cache_prefix.clone())),
            ("postgresServer", Some(servers.postgres.clone())),
            ("rabbitmqServer", servers.rabbitmq.clone()),
            ("redisServer", servers.redis.clone()),
            ("host", host.clone()),
            ("connections", connections.map(|it| it.to_string())),
            ("tenantKey", Some(exposed(&secrets.tenant_key))),
            ("pepper", Some(exposed(&secrets.pepper))),
            ("internalToken", Some(exposed(&secrets.internal_token))),
            ("migratePassword", Some(exposed(&secrets.migrate_password))),
            ("appPassword", Some(exposed(&secrets.app_password))),
            ("brokerPassword", Some(exposed(&secrets.broker_password))),
            ("cachePassword", Some(exposed(&secrets.cache_password))),
            ("desiredNumber", Some(desired_number.to_string())),
            ("desiredDigest", Some(desired_digest.clone())),
            ("requiredDesired", Some(required_desired.to_string())),
            ("provisioned", (!provisioned.is_empty()).then_some(noted)),
            ("handed", (!handed.is_empty()).then_some(urls)),
            ("adminLinks", Some(links)),
            ("erased", (!erased.is_empty()).then(|| erased.to_string())),
            ("erasedDigest", Some(erased_digest.clone())),
        ];
        pairs
            .into_iter()
            .chain(images.data())
            .filter_map(|(key, value)| Some((key.to_owned(), ByteString(value?.into_bytes()))))
            .collect()
    }
}

fn exposed(secret: &SecretString) -> String {
    secret.expose_secret().to_owned()
}

struct Reader<'a> {
    secret: &'a Secret,
}

impl Reader<'_> {
    fn optional(&self, key: &str) -> Option<String> {
        let bytes = self.secret.data.as_ref()?.get(key)?;
        String::from_utf8(bytes.0.clone())
            .ok()
            .filter(|text| !text.is_empty())
    }

    fn text(&self, key: &str) -> Result<String, Unreadable> {
        self.optional(key).ok_or_else(|| self.unreadable(key))
    }

    fn secret_text(&self, key: &str) -> Result<SecretString, Unreadable> {
        self.text(key).map(SecretString::from)
    }

    fn parsed<T>(&self, key: &str, parse: impl Fn(&str) -> Option<T>) -> Result<T, Unreadable> {
        parse(&self.text(key)?).ok_or_else(|| self.unreadable(key))
    }

    /// What costs nothing but work when it is lost.
    fn noted<T: Default + DeserializeOwned>(&self, key: &str) -> T {
        let text = self.optional(key);
        text.and_then(|text| serde_json::from_str(&text).ok())
            .unwrap_or_default()
    }

    /// Nobody is in one that was never written.
    fn ledger(&self) -> Result<Ledger, Unreadable> {
        let data = self.secret.data.as_ref();
        let Some(stored) = data.and_then(|data| data.get("erased")) else {
            return Ok(Ledger::default());
        };
        let ledger = std::str::from_utf8(&stored.0).ok().and_then(Ledger::parse);
        ledger.ok_or_else(|| self.unreadable("erased"))
    }

    fn unreadable(&self, key: &str) -> Unreadable {
        Unreadable {
            secret: self.secret.metadata.name.clone().unwrap_or_default(),
            key: key.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::holdings::Holdings;
    use crate::context::system::SystemEntropy;
    use crate::context::upgrade::Upgrade;

    fn record() -> TenantRecord {
        let mut record = TenantRecord::generate(
            &SystemEntropy,
            PlacedOn {
                postgres: "main".to_owned(),
                rabbitmq: None,
                redis: Some("cache".to_owned()),
            },
        );
        record.links.insert(
            "ada@skyways.example".to_owned(),
            AdminLink::Open {
                token: "id_secret".to_owned(),
                expires_at: "2027-01-01T00:00:00Z".parse().unwrap(),
            },
        );
        record.host = Some("skyways.example".to_owned());
        record.connections = Some(24);
        record.desired_number = 7;
        record.required_desired = 5;
        let provisioned = ("database".to_owned(), "digest".to_owned());
        record.provisioned.extend([provisioned]);
        let url = "postgres://u:p@h/d".to_owned();
        record.handed.insert("api", "DATABASE_URL", url);
        record.images = Images {
            migrated: Some("albatross:1".to_owned()),
            upgrade: Some(Upgrade {
                image: "albatross:2".to_owned(),
                failed: true,
            }),
            hibernated: true,
        };
        record.erased.extend([Uuid::from_u128(7)]);
        record
    }

    #[test]
    fn what_is_stored_is_what_is_read() {
        let record = record();
        let secret = record.to_secret("skyways", "albatross-system");
        let read = TenantRecord::from_secret(&secret).unwrap();
        assert_eq!(read.data(), record.data());
        assert_eq!(read.servers, record.servers);
        assert_eq!(Holdings::of(&read), Holdings::of(&record));
        assert_eq!(Holdings::read(&secret), Holdings::of(&record));
        assert_eq!(read.images, record.images);
        assert_eq!(read.provisioned, record.provisioned);
        assert_eq!(read.handed, record.handed);
        assert_eq!(read.erased, record.erased);
        assert_eq!(read.pepper().len(), 32);
    }

    #[test]
    fn a_damaged_record_names_what_is_missing() {
        for key in ["tenantId", "pepper", "appPassword", "desiredNumber"] {
            let mut secret = record().to_secret("skyways", "albatross-system");
            secret.data.as_mut().unwrap().remove(key);
            let error = TenantRecord::from_secret(&secret).unwrap_err();
            assert_eq!(error.key, key);
            assert_eq!(error.secret, "tenant-skyways");
        }
    }

    #[test]
    fn a_damaged_ledger_is_not_taken_for_an_empty_one() {
        for damaged in [&b"0190b5a2"[..], b"\xff"] {
            let mut secret = record().to_secret("skyways", "albatross-system");
            let damaged = ByteString(damaged.to_vec());
            let data = secret.data.as_mut().unwrap();
            data.insert("erased".to_owned(), damaged);
            let error = TenantRecord::from_secret(&secret).unwrap_err();
            assert_eq!(error.key, "erased");
        }
    }

    #[test]
    fn debug_output_holds_no_secret() {
        let record = record();
        let shown = format!("{record:?}");
        assert!(!shown.contains(record.secrets.app_password.expose_secret()));
        assert!(!shown.contains("id_secret"));
    }
}
