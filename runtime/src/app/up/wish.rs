//! A declared tenant as the desired state of its runtime: the part that the operator has on a cluster.

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::Context;
use base64::prelude::{BASE64_STANDARD, Engine};
use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use crate::app::up::identity::{Identity, IssuedKey, IssuedLink, write_secret};
use crate::app::up::manifests::{DeclaredKey, DeclaredTenant};
use crate::application::desired::model::{
    AdminRole, DesiredAdmin, DesiredKey, DesiredLink, DesiredState, DesiredTenant,
};
use crate::application::secrets::{ApiKeyText, LinkToken, Pepper};
use crate::domain::roles::{Scope, Scopes};
use crate::domain::tenant::Limits;
use crate::ports::clock::Entropy;

/// How long a one-time link waits to be used before a new one is made.
const LINK_LIVES: SignedDuration = SignedDuration::from_hours(7 * 24);

/// Issues what is declared and not issued yet, and states what is wished.
pub struct Wish<'a> {
    pub declared: &'a DeclaredTenant,
    /// The tenant's folder.
    pub folder: &'a Path,
    pub public_url: &'a str,
    pub pepper: &'a Pepper,
    pub entropy: &'a dyn Entropy,
    pub now: Timestamp,
    /// E-mail addresses of admins who need no link any more.
    pub logged_in: &'a BTreeSet<String>,
}

impl Wish<'_> {
    /// The desired state, numbered anew if it is not the one that was applied last.
    pub fn state(&self, identity: &mut Identity) -> anyhow::Result<DesiredState> {
        let tenant = &self.declared.tenant;
        let admins = tenant.admins.iter().map(|admin| DesiredAdmin {
            email: admin.email.clone(),
            display_name: admin.display_name.clone(),
            role: AdminRole::TenantAdmin,
            login_link: self.link(identity, &admin.email),
        });
        let admins = admins.collect();
        let is_declared = |email: &String| tenant.admins.iter().any(|admin| admin.email == *email);
        identity.links.retain(|email, _| is_declared(email));
        let mut api_keys = Vec::new();
        for (name, key) in &self.declared.keys {
            api_keys.push(self.key(identity, name, key)?);
        }
        let is_undeclared = |name: &String| !self.declared.keys.contains_key(name);
        for (name, _) in identity.keys.extract_if(.., |name, _| is_undeclared(name)) {
            // It is revoked for good: declared again, it becomes another key.
            remove_if_there(&self.key_file(&name))?;
        }
        let mut state = DesiredState {
            number: 0,
            tenant: DesiredTenant {
                display_name: tenant.display_name.clone(),
                icao_code: tenant.icao_code.clone(),
                public_url: self.public_url.to_owned(),
                limits: Limits {
                    pilots: declared(tenant.limits.pilots),
                    pireps_per_day: declared(tenant.limits.pireps_per_day),
                    storage_bytes: tenant.limits.storage_bytes,
                },
            },
            admins,
            api_keys,
            kept_api_keys: Vec::new(),
        };
        let digest = BASE64_STANDARD.encode(Sha256::digest(serde_json::to_vec(&state)?));
        if identity.desired.digest != digest {
            identity.desired.number += 1;
            identity.desired.digest = digest;
        }
        state.number = identity.desired.number;
        Ok(state)
    }

    /// The address that logs this admin in once; none once it has expired.
    pub fn link_url(&self, identity: &Identity, email: &str) -> Option<SecretString> {
        let link = identity.links.get(email)?;
        let token = LinkToken::parse(&link.token)?;
        (link.expires_at > self.now).then(|| token.url(self.public_url))
    }

    /// The file that holds a key.
    pub fn key_file(&self, name: &str) -> PathBuf {
        self.folder.join("keys").join(name)
    }

    fn link(&self, identity: &mut Identity, email: &str) -> Option<DesiredLink> {
        if self.logged_in.contains(email) {
            identity.links.remove(email);
            return None;
        }
        let known = identity.links.get(email);
        let usable = known.filter(|link| link.expires_at > self.now).cloned();
        let link = usable.unwrap_or_else(|| {
            let expires_at = self.now.saturating_add(LINK_LIVES).unwrap_or(self.now);
            let token = LinkToken::generate(self.entropy).into_text();
            IssuedLink {
                token: token.expose_secret().to_owned(),
                expires_at,
            }
        });
        let token = LinkToken::parse(&link.token)?;
        let desired = DesiredLink {
            id: token.id().to_owned(),
            digest: BASE64_STANDARD.encode(self.pepper.login_link_digest(&token)),
            expires_at: link.expires_at,
        };
        identity.links.insert(email.to_owned(), link);
        Some(desired)
    }

    fn key(
        &self,
        identity: &mut Identity,
        name: &str,
        declared: &DeclaredKey,
    ) -> anyhow::Result<DesiredKey> {
        let file = self.key_file(name);
        let known = identity.keys.get(name).cloned();
        let issued = match (known, read_key(&file)?) {
            (Some(issued), _) if declared.key.revoked => issued,
            // The file is what clients use: after a crash between the two, it holds a later key than identity.json.
            (Some(issued), Some(key)) if issued.key_id == key.id() => issued,
            (_, Some(key)) => self.issued(&key),
            // A file that was deleted by hand means a new key, as a deleted Secret does on a cluster.
            (_, None) => self.issue(&file)?,
        };
        if declared.key.revoked {
            remove_if_there(&file)?;
        }
        let desired = DesiredKey {
            key_id: issued.key_id.clone(),
            digest: issued.digest.clone(),
            user: declared.key.user.clone(),
            machine_user: declared.machine_user.clone(),
            scopes: scopes(declared),
            expires_at: Some(declared.key.end.of(issued.issued_at)),
            revoked: declared.key.revoked,
        };
        identity.keys.insert(name.to_owned(), issued);
        Ok(desired)
    }

    fn issue(&self, file: &Path) -> anyhow::Result<IssuedKey> {
        let key = ApiKeyText::generate(self.entropy);
        let issued = self.issued(&key);
        let text = key.into_text();
        write_secret(file, format!("{}\n", text.expose_secret()).as_bytes())?;
        Ok(issued)
    }

    fn issued(&self, key: &ApiKeyText) -> IssuedKey {
        IssuedKey {
            key_id: key.id().to_owned(),
            digest: BASE64_STANDARD.encode(self.pepper.api_key_digest(key)),
            issued_at: self.now,
        }
    }
}

fn remove_if_there(file: &Path) -> anyhow::Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", file.display()))
        }
        _ => Ok(()),
    }
}

/// The key that a file holds; none if there is no file, or no key in it.
fn read_key(file: &Path) -> anyhow::Result<Option<ApiKeyText>> {
    match fs::read_to_string(file) {
        Ok(text) => Ok(ApiKeyText::parse(text.trim())),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::InvalidData) => {
            Ok(None)
        }
        Err(error) => Err(error).with_context(|| format!("cannot read {}", file.display())),
    }
}

/// The schema has seen to it that it is positive.
fn declared(limit: Option<i32>) -> Option<u32> {
    limit.and_then(|limit| u32::try_from(limit).ok())
}

/// The manifests' scopes are the domain's, by name.
fn scopes(declared: &DeclaredKey) -> Scopes {
    let named = declared.key.scopes.iter().map(|scope| scope.as_str());
    named
        .filter_map(|name| name.parse::<Scope>().ok())
        .collect()
}
