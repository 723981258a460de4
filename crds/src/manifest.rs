//! Manifests read from files, held against everything that a cluster would hold them against.

mod document;

use std::{collections::BTreeMap, fmt};

use crate::{
    ApiKey, GROUP, Tenant, VERSION,
    manifest::document::{Document, documents},
    rules,
    validation::{validate_api_key, validate_tenant},
    violation::Violation,
};

/// Most bytes of one file.
pub const LARGEST_FILE: usize = 1 << 20;

/// An object of a manifest.
#[derive(Clone, Debug, PartialEq)]
pub enum Manifest {
    Tenant(Box<Tenant>),
    ApiKey(Box<ApiKey>),
    /// Its labels decide which ApiKeys a tenant admits.
    Namespace {
        name: String,
        labels: BTreeMap<String, String>,
    },
    /// Of no concern here.
    Other {
        api_version: String,
        kind: String,
        name: String,
    },
}

/// What is wrong with a manifest, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ManifestError {
    /// File, or whatever the text came from.
    pub source_name: String,
    /// Which document of the file, from 1.
    pub document: usize,
    /// `Kind name`, as far as known.
    pub object: Option<String>,
    pub problem: Problem,
}

/// What is wrong with a manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// The text is not YAML, or too large.
    Unreadable(String),
    /// A field breaks a rule.
    Violation(Violation),
}

impl fmt::Display for ManifestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.source_name)?;
        match &self.object {
            Some(object) => write!(f, " ({object}): ")?,
            None => write!(f, " (document {}): ", self.document)?,
        }
        match &self.problem {
            Problem::Unreadable(why) => f.write_str(why),
            Problem::Violation(violation) => violation.fmt(f),
        }
    }
}

/// Reads every object of a YAML (or JSON) text; `source` names it in errors. All errors are reported at once.
pub fn parse(yaml: &str, source: &str) -> Result<Vec<Manifest>, Vec<ManifestError>> {
    let mut manifests = Vec::new();
    let mut errors = Vec::new();
    if yaml.len() > LARGEST_FILE {
        let why = format!("must be at most {LARGEST_FILE} bytes, given {}", yaml.len());
        return Err(vec![unreadable(source, 1, why)]);
    }
    for (number, document) in documents(yaml) {
        let document = match document {
            Ok(document) => document,
            Err(why) => {
                errors.push(unreadable(source, number, why));
                continue;
            }
        };
        match read(&document) {
            Ok(manifest) => manifests.push(manifest),
            Err(violations) => {
                errors.extend(violations.into_iter().map(|violation| ManifestError {
                    source_name: source.to_owned(),
                    document: number,
                    object: document.label(),
                    problem: Problem::Violation(violation),
                }))
            }
        }
    }
    if errors.is_empty() {
        Ok(manifests)
    } else {
        Err(errors)
    }
}

fn unreadable(source: &str, document: usize, why: String) -> ManifestError {
    ManifestError {
        source_name: source.to_owned(),
        document,
        object: None,
        problem: Problem::Unreadable(why),
    }
}

fn read(document: &Document) -> Result<Manifest, Vec<Violation>> {
    let (api_version, kind) = document.kind()?;
    let ours = api_version
        .split_once('/')
        .is_some_and(|(group, _)| group == GROUP);
    match (api_version, kind) {
        (_, "Tenant") if is_current(api_version) => tenant(document),
        (_, "ApiKey") if is_current(api_version) => api_key(document),
        ("v1", "Namespace") => {
            let metadata = document.metadata()?;
            Ok(Manifest::Namespace {
                name: metadata.name.unwrap_or_default(),
                labels: metadata.labels.unwrap_or_default(),
            })
        }
        _ if ours => Err(vec![Violation::new(
            "kind",
            format!("must be Tenant or ApiKey of {GROUP}/{VERSION}"),
            &format!("{kind} of {api_version}").into(),
        )]),
        _ => Ok(Manifest::Other {
            api_version: api_version.to_owned(),
            kind: kind.to_owned(),
            name: document.name().unwrap_or_default().to_owned(),
        }),
    }
}

fn is_current(api_version: &str) -> bool {
    api_version.split_once('/') == Some((GROUP, VERSION))
}

fn tenant(document: &Document) -> Result<Manifest, Vec<Violation>> {
    let metadata = document.metadata()?;
    let tenant: Tenant = document.typed(rules::tenant())?;
    validate_tenant(&tenant.spec, &metadata.name.unwrap_or_default())?;
    Ok(Manifest::Tenant(Box::new(tenant)))
}

fn api_key(document: &Document) -> Result<Manifest, Vec<Violation>> {
    document.metadata()?;
    let mut key: ApiKey = document.typed(rules::api_key())?;
    key.metadata
        .namespace
        .get_or_insert_with(|| "default".to_owned());
    validate_api_key(&key.spec)?;
    Ok(Manifest::ApiKey(Box::new(key)))
}
