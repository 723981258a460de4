//! What is generated once for a tenant and kept beside its database: ids, secrets, what was issued.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::Context;
use base64::prelude::{BASE64_STANDARD, Engine};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::{Builder, Uuid};

use crate::ports::clock::Entropy;

/// The contents of `identity.json`, mode 0600. Whoever loses it loses every encrypted field.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Identity {
    pub tenant_id: Uuid,
    /// 32 bytes, standard base64.
    pub tenant_key: String,
    /// 32 bytes, standard base64.
    pub pepper: String,
    /// Epoch of the log that has begun. With it, a log that is not there is a loss and no beginning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_epoch: Option<Uuid>,
    pub desired: DesiredMark,
    /// One-time links that were issued, by the admin's e-mail address.
    pub links: BTreeMap<String, IssuedLink>,
    /// Keys that were issued, by the ApiKey's name.
    pub keys: BTreeMap<String, IssuedKey>,
}

/// Which desired state was applied last.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DesiredMark {
    pub number: u64,
    /// Digest of everything in it but the number.
    pub digest: String,
}

/// A link is kept as it is, so that it can be shown again, until its admin has logged in.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct IssuedLink {
    pub token: String,
    pub expires_at: Timestamp,
}

/// A key by its digest; the key itself is in a file of its own.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct IssuedKey {
    pub key_id: String,
    pub digest: String,
    pub issued_at: Timestamp,
}

impl Identity {
    /// Reads it, or generates it the first time.
    pub fn open(path: &Path, entropy: &dyn Entropy) -> anyhow::Result<Self> {
        let shown = path.display();
        match fs::read(path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .with_context(|| format!("{shown} is damaged; restore it from a backup")),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let identity = Self::generate(entropy);
                identity.save(path)?;
                Ok(identity)
            }
            Err(error) => Err(error).with_context(|| format!("cannot read {shown}")),
        }
    }

    /// Replaces the file as a whole: a crash leaves the old one or the new one.
    pub fn save(&self, path: &Path) -> anyhow::Result<()> {
        let json = serde_json::to_vec_pretty(self)?;
        write_secret(path, &json)
    }

    fn generate(entropy: &dyn Entropy) -> Self {
        let mut id = [0; 16];
        entropy.fill(&mut id);
        let key = || {
            let mut bytes = [0; 32];
            entropy.fill(&mut bytes);
            BASE64_STANDARD.encode(bytes)
        };
        Self {
            tenant_id: Builder::from_random_bytes(id).into_uuid(),
            tenant_key: key(),
            pepper: key(),
            log_epoch: None,
            desired: DesiredMark::default(),
            links: BTreeMap::new(),
            keys: BTreeMap::new(),
        }
    }
}

/// Writes a file that only its owner may read, whole or not at all.
pub fn write_secret(path: &Path, contents: &[u8]) -> anyhow::Result<()> {
    let cannot = || format!("cannot write {}", path.display());
    // No object's name begins with a dot.
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = path.with_file_name(format!(".{name}.new"));
    let write = || -> std::io::Result<()> {
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&temporary)?;
        file.write_all(contents)?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        match path.parent() {
            Some(directory) => File::open(directory)?.sync_all(),
            None => Ok(()),
        }
    };
    write().with_context(cannot)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::adapters::system::SystemEntropy;

    #[test]
    fn an_identity_is_generated_once_and_readable_by_its_owner_only() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("identity.json");
        let first = Identity::open(&path, &SystemEntropy).unwrap();
        let again = Identity::open(&path, &SystemEntropy).unwrap();
        assert_eq!(first.tenant_id, again.tenant_id);
        assert_eq!(first.pepper, again.pepper);
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    /// Names of Kubernetes objects may hold dots.
    #[test]
    fn writing_a_secret_leaves_every_other_one_as_it_was() {
        let directory = tempfile::tempdir().unwrap();
        let of = |name: &str| directory.path().join(name);
        for name in ["acars.new", "acars.old", "acars"] {
            write_secret(&of(name), name.as_bytes()).unwrap();
        }
        for name in ["acars.new", "acars.old", "acars"] {
            assert_eq!(fs::read_to_string(of(name)).unwrap(), name);
        }
    }

    #[test]
    fn a_damaged_identity_is_never_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("identity.json");
        fs::write(&path, "{").unwrap();
        assert!(Identity::open(&path, &SystemEntropy).is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), "{");
    }
}
