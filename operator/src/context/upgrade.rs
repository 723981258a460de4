//! Which image a tenant runs, and the upgrade that it has begun, as its record has it.

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;

const MIGRATED_IMAGE: &str = "migratedImage";
const UPGRADE_IMAGE: &str = "upgradeImage";
const UPGRADE_FAILED: &str = "upgradeFailed";
const HIBERNATED: &str = "hibernated";

/// Begun, and not over before the tenant is Ready.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upgrade {
    pub image: String,
    /// It did not become Ready in time, or its migration failed.
    pub failed: bool,
}

/// As much of a record as the rollout looks at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Images {
    /// Image whose migrations the database has.
    pub migrated: Option<String>,
    pub upgrade: Option<Upgrade>,
    /// Whether the pods were put to rest, and have not been woken since.
    pub hibernated: bool,
}

impl Images {
    /// Reads these alone: the rollout looks at all tenants for each that waits.
    pub fn of(secret: &Secret) -> Self {
        let data = secret.data.as_ref();
        let text = |key: &str| {
            let ByteString(bytes) = data?.get(key)?;
            let text = String::from_utf8(bytes.clone()).ok()?;
            (!text.is_empty()).then_some(text)
        };
        Self {
            migrated: text(MIGRATED_IMAGE),
            upgrade: text(UPGRADE_IMAGE).map(|image| Upgrade {
                image,
                failed: text(UPGRADE_FAILED).is_some(),
            }),
            hibernated: text(HIBERNATED).is_some(),
        }
    }

    /// Pairs of the record.
    pub fn data(&self) -> [(&'static str, Option<String>); 4] {
        let Self {
            migrated,
            upgrade,
            hibernated,
        } = self;
        let yes = |holds: bool| holds.then(|| "true".to_owned());
        let upgrade = upgrade.as_ref();
        [
            (MIGRATED_IMAGE, migrated.clone()),
            (UPGRADE_IMAGE, upgrade.map(|it| it.image.clone())),
            (UPGRADE_FAILED, yes(upgrade.is_some_and(|it| it.failed))),
            (HIBERNATED, yes(*hibernated)),
        ]
    }

    /// What it runs or is being moved to; nothing before its first migration.
    pub fn current(&self) -> Option<&str> {
        let begun = self.upgrade.as_ref().map(|upgrade| &upgrade.image);
        begun.or(self.migrated.as_ref()).map(String::as_str)
    }
}
