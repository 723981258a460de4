//! What the manifests declare, held against the same schema, rules and validation as on a cluster.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, bail};

use albatross_crds::admission::admit;
use albatross_crds::manifest::{LARGEST_FILE, Manifest, parse};
use albatross_crds::validation::{
    ValidatedApiKey, ValidatedTenant, cluster_only_fields, validate_api_key, validate_tenant,
};
use albatross_crds::violation::summary;
use albatross_crds::{ApiKey, TENANT_LABEL, Tenant, rules, tenant_namespace};

/// Everything that the manifests declare.
#[derive(Debug, Default)]
pub struct Declared {
    pub tenants: BTreeMap<String, DeclaredTenant>,
    /// A line for each ApiKey whose Tenant is not declared.
    pub waiting: Vec<String>,
}

#[derive(Debug)]
pub struct DeclaredTenant {
    pub tenant: ValidatedTenant,
    /// As it was written: what a change is held against.
    pub written: Tenant,
    /// Fields that only a cluster honours.
    pub without_effect: Vec<&'static str>,
    /// By name; namespace and name tell keys apart.
    pub keys: BTreeMap<String, DeclaredKey>,
}

#[derive(Debug)]
pub struct DeclaredKey {
    /// `namespace/name`.
    pub machine_user: String,
    pub key: ValidatedApiKey,
    /// As it was written: what a change is held against.
    pub written: ApiKey,
}

/// Tells whether any of the files has changed: paths, times of change and lengths.
pub type Fingerprint = Vec<(PathBuf, Option<SystemTime>, u64)>;

/// The files that `paths` name: themselves, or what is in a directory and ends in .yaml, .yml or .json.
pub fn files(paths: &[PathBuf]) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in paths {
        let shown = path.display();
        let about = fs::metadata(path).with_context(|| format!("cannot read {shown}"))?;
        if !about.is_dir() {
            files.push(path.clone());
            continue;
        }
        let mut inside = Vec::new();
        for entry in fs::read_dir(path).with_context(|| format!("cannot read {shown}"))? {
            let path = entry?.path();
            let ending = path.extension().and_then(|ending| ending.to_str());
            if matches!(ending, Some("yaml" | "yml" | "json")) && path.is_file() {
                inside.push(path);
            }
        }
        inside.sort();
        files.extend(inside);
    }
    Ok(files)
}

/// Changes whenever a file does, appears or goes.
pub fn fingerprint(paths: &[PathBuf]) -> anyhow::Result<Fingerprint> {
    let mut fingerprint = Vec::new();
    for file in files(paths)? {
        let about =
            fs::metadata(&file).with_context(|| format!("cannot read {}", file.display()))?;
        fingerprint.push((file, about.modified().ok(), about.len()));
    }
    Ok(fingerprint)
}

/// Reads every manifest.
///
/// # Errors
/// Each line of the message names file, object, field, what is allowed and what was given.
pub fn read(paths: &[PathBuf]) -> anyhow::Result<Declared> {
    let (mut manifests, mut errors) = (Vec::new(), Vec::new());
    for file in files(paths)? {
        let name = file.display().to_string();
        let text = read_file(&file).with_context(|| format!("cannot read {name}"))?;
        match parse(&text, &name) {
            Ok(read) => manifests.extend(read.into_iter().map(|manifest| (file.clone(), manifest))),
            Err(found) => errors.extend(found.iter().map(ToString::to_string)),
        }
    }
    if !errors.is_empty() {
        bail!(errors.join("\nerror: "));
    }
    declare(manifests)
}

/// Never more than a manifest may be: what a path names may have no end.
fn read_file(path: &Path) -> anyhow::Result<String> {
    let mut bytes = Vec::new();
    let most = LARGEST_FILE as u64;
    let file = File::open(path)?;
    file.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() > LARGEST_FILE {
        bail!("it is larger than {} MiB, and no manifest is", most >> 20);
    }
    Ok(String::from_utf8(bytes)?)
}

fn declare(manifests: Vec<(PathBuf, Manifest)>) -> anyhow::Result<Declared> {
    let mut declared = Declared::default();
    let mut namespaces = BTreeMap::new();
    let (mut keys, mut errors) = (Vec::new(), Vec::new());
    for (file, manifest) in manifests {
        match manifest {
            Manifest::Tenant(tenant) => errors.extend(declared.add_tenant(&file, *tenant).err()),
            Manifest::ApiKey(key) => keys.push((file, *key)),
            Manifest::Namespace { name, labels } => {
                namespaces.insert(name, labels);
            }
            Manifest::Other { kind, name, .. } => {
                tracing::info!(file = %file.display(), kind, name, "no effect here");
            }
        }
    }
    if declared.tenants.is_empty() && errors.is_empty() {
        bail!("the manifests declare no Tenant");
    }
    // As on a cluster, where the operator labels them.
    for name in declared.tenants.keys() {
        let labels: &mut BTreeMap<_, _> = namespaces.entry(tenant_namespace(name)).or_default();
        labels.insert(TENANT_LABEL.to_owned(), name.clone());
    }
    for (file, key) in keys {
        errors.extend(declared.add_key(&file, key, &namespaces).err());
    }
    errors.extend(declared.shared_hosts());
    if errors.is_empty() {
        Ok(declared)
    } else {
        bail!(errors.join("\nerror: "))
    }
}

impl Declared {
    /// Tells of keys whose tenant is not there; as on a cluster, they wait for it.
    pub fn print_waiting(&self) {
        for line in &self.waiting {
            println!("{line}\n");
        }
    }

    fn add_tenant(&mut self, file: &Path, written: Tenant) -> Result<(), String> {
        let file = file.display();
        let name = written.metadata.name.clone().unwrap_or_default();
        let tenant = validate_tenant(&written.spec, &name);
        let tenant = tenant.map_err(|found| format!("{file}: {}", summary(&found)))?;
        let declared = DeclaredTenant {
            without_effect: cluster_only_fields(&written.spec),
            tenant,
            written,
            keys: BTreeMap::new(),
        };
        match self.tenants.insert(name.clone(), declared) {
            None => Ok(()),
            Some(_) => Err(format!("{file}: Tenant {name} is declared twice")),
        }
    }

    fn add_key(
        &mut self,
        file: &Path,
        written: ApiKey,
        namespaces: &BTreeMap<String, BTreeMap<String, String>>,
    ) -> Result<(), String> {
        let name = written.metadata.name.clone().unwrap_or_default();
        let namespace = written.metadata.namespace.clone().unwrap_or_default();
        let file = file.display();
        let key = validate_api_key(&written.spec)
            .map_err(|found| format!("{file}: {}", summary(&found)))?;
        let Some(tenant) = self.tenants.get_mut(&key.tenant) else {
            let tenant = &key.tenant;
            self.waiting.push(format!(
                "ApiKey {namespace}/{name} waits for Tenant {tenant:?}, which no manifest declares"
            ));
            return Ok(());
        };
        let labels = namespaces.get(&namespace).cloned().unwrap_or_default();
        admit(&tenant.tenant, &key, &namespace, &labels)
            .map_err(|refusal| format!("{file} (ApiKey {name}): {refusal}"))?;
        let machine_user = format!("{namespace}/{name}");
        let key = DeclaredKey {
            machine_user,
            key,
            written,
        };
        match tenant.keys.insert(name.clone(), key) {
            None => Ok(()),
            Some(_) => Err(format!(
                "{file}: the tenant has two ApiKeys named {name}; here each needs a name of its own"
            )),
        }
    }

    fn shared_hosts(&self) -> Vec<String> {
        let mut hosts: BTreeMap<&str, &str> = BTreeMap::new();
        let mut shared = Vec::new();
        for (name, declared) in &self.tenants {
            let host = &declared.tenant.host;
            if let Some(other) = hosts.insert(host, name) {
                shared.push(format!(
                    "Tenants {other} and {name} both have spec.host {host:?}"
                ));
            }
        }
        shared
    }

    /// Whether this may follow `before`: immutable fields are held against what was declared.
    pub fn check_change(&self, before: &Self) -> anyhow::Result<()> {
        for (name, new) in &self.tenants {
            if let Some(old) = before.tenants.get(name) {
                rules::tenant_change(&old.written, &new.written)
                    .map_err(|found| anyhow::anyhow!("Tenant {name}: {}", summary(&found)))?;
                for (name, new) in &new.keys {
                    if let Some(old) = old.keys.get(name) {
                        rules::api_key_change(&old.written, &new.written).map_err(|found| {
                            anyhow::anyhow!("ApiKey {name}: {}", summary(&found))
                        })?;
                    }
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TENANT: &str = "apiVersion: albatross.aero/v1alpha1\nkind: Tenant\nmetadata: {name: NAME}\n\
        spec: {displayName: Skyways, icaoCode: SKY, host: HOST, exposure: {none: {}}, \
        admins: [{email: ada@skyways.example, displayName: Ada}]}\n---\n";
    const KEY: &str = "apiVersion: albatross.aero/v1alpha1\nkind: ApiKey\n\
        metadata: {name: acars, namespace: NAMESPACE}\n\
        spec: {tenantRef: {name: skyways}, scopes: ['pireps:read'], ttl: 90d, secretName: acars}\n";

    fn tenant(name: &str, host: &str) -> String {
        TENANT.replace("NAME", name).replace("HOST", host)
    }

    fn key(namespace: &str) -> String {
        KEY.replace("NAMESPACE", namespace)
    }

    fn read_text(text: &str) -> Result<Declared, String> {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("manifests.yaml");
        fs::write(&file, text).unwrap();
        read(&[directory.path().to_owned()]).map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn a_tenant_and_its_key_are_read() {
        let text = tenant("skyways", "skyways.localhost") + &key("albatross-skyways");
        let declared = read_text(&text).unwrap();
        let keys = &declared.tenants["skyways"].keys;
        assert_eq!(keys["acars"].machine_user, "albatross-skyways/acars");
    }

    #[test]
    fn what_a_cluster_refuses_is_refused_here() {
        let skyways = tenant("skyways", "skyways.localhost");
        let cases = [
            (skyways.replace("SKY,", "sky,"), "spec.icaoCode"),
            (skyways.clone() + &skyways, "declared twice"),
            (
                skyways.clone() + &tenant("nordwind", "skyways.localhost"),
                "both have spec.host",
            ),
            (
                skyways.clone() + &key("elsewhere"),
                "does not allow ApiKeys",
            ),
            (
                tenant("nordwind", "nordwind.localhost")
                    + &skyways.replace(
                        "admins:",
                        "apiKeys: {allow: [{namespaceSelector: {}}]}, admins:",
                    )
                    + &key("albatross-nordwind"),
                "which is tenant nordwind's",
            ),
            (key("albatross-skyways"), "no Tenant"),
            ("kind: [".to_owned(), "manifests.yaml"),
        ];
        for (text, expected) in cases {
            let error = read_text(&text).unwrap_err();
            assert!(error.contains(expected), "{expected}: {error}");
        }
    }

    #[test]
    fn a_file_without_an_end_is_no_manifest() {
        let refused = read(&[PathBuf::from("/dev/zero")]).unwrap_err();
        let refused = format!("{refused:#}");
        assert!(
            refused.contains("/dev/zero: it is larger than 1 MiB"),
            "{refused}"
        );
    }

    #[test]
    fn every_error_is_told_at_once() {
        let text = tenant("skyways", "shared.localhost")
            + &tenant("nordwind", "shared.localhost")
            + &key("elsewhere");
        let error = read_text(&text).unwrap_err();
        assert!(error.contains("both have spec.host"), "{error}");
        assert!(error.contains("\nerror: "), "{error}");
        assert!(error.contains("does not allow ApiKeys"), "{error}");
    }

    #[test]
    fn a_key_waits_for_its_tenant() {
        let declared = read_text(&(tenant("nordwind", "n.localhost") + &key("clients"))).unwrap();
        let [waiting] = declared.waiting.as_slice() else {
            panic!("{:?}", declared.waiting);
        };
        assert!(
            waiting.contains("clients/acars") && waiting.contains("\"skyways\""),
            "{waiting}"
        );
    }
}
