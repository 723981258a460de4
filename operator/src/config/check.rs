//! What the file may say, beyond its form.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use albatross_crds::quantity;
use albatross_crds::syntax::{EMAIL, LINE, is_email, is_line};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

/// Characters of a person's name.
const LONGEST_NAME: usize = 100;

/// Why a configuration is refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("cannot read the configuration {path}: {cause}")]
    Unreadable { path: String, cause: std::io::Error },
    #[error("the configuration is not valid: {0}")]
    Syntax(#[from] serde_yaml_ng::Error),
    #[error("the configuration is not valid: {field}: {problem}")]
    Invalid { field: String, problem: String },
}

pub fn invalid(field: &str, problem: &str) -> ConfigError {
    ConfigError::Invalid {
        field: field.to_owned(),
        problem: problem.to_owned(),
    }
}

pub fn check_names<'a>(
    field: &str,
    names: impl Iterator<Item = &'a str>,
) -> Result<(), ConfigError> {
    let mut seen = BTreeSet::new();
    for name in names {
        if name.is_empty() {
            return Err(invalid(field, "a server needs a name"));
        }
        if !seen.insert(name) {
            return Err(invalid(field, &format!("`{name}` is listed twice")));
        }
    }
    Ok(())
}

/// By address and name: what is asked of the admins that a Tenant declares.
pub fn check_admins<'a>(
    field: &str,
    admins: impl Iterator<Item = (&'a str, &'a str)>,
) -> Result<(), ConfigError> {
    let mut seen = BTreeSet::new();
    for (i, (email, name)) in admins.enumerate() {
        let field = |member: &str| format!("{field}[{i}].{member}");
        if !is_email(email) {
            return Err(invalid(&field("email"), &format!("`{email}` {EMAIL}")));
        }
        if !seen.insert(email.to_ascii_lowercase()) {
            return Err(invalid(
                &field("email"),
                &format!("`{email}` is listed twice"),
            ));
        }
        let is_short = (1..=LONGEST_NAME).contains(&name.chars().count());
        if !is_short || name.trim() != name || !is_line(name) {
            let problem = format!("{LINE}, of 1 to {LONGEST_NAME} characters, no space around it");
            return Err(invalid(&field("displayName"), &problem));
        }
    }
    Ok(())
}

pub fn check_url(field: &str, text: &str, schemes: &[&str]) -> Result<(), ConfigError> {
    let problem = match reqwest::Url::parse(text) {
        Ok(url) if !schemes.contains(&url.scheme()) => {
            format!("`{text}` must start with {}://", schemes.join(":// or "))
        }
        Ok(url) if !url.username().is_empty() || url.password().is_some() => {
            "must not hold credentials; they belong in a Secret".to_owned()
        }
        Ok(url) if url.host_str().is_none_or(str::is_empty) => format!("`{text}` names no host"),
        Ok(_) => return Ok(()),
        Err(cause) => format!("`{text}` is not a URL: {cause}"),
    };
    Err(invalid(field, &problem))
}

pub fn check_cidrs(field: &str, cidrs: &[String]) -> Result<(), ConfigError> {
    match cidrs.iter().find(|cidr| !is_cidr(cidr)) {
        None => Ok(()),
        Some(cidr) => Err(invalid(
            field,
            &format!("`{cidr}` is not an address with a prefix length, such as 10.0.0.5/32"),
        )),
    }
}

/// `LimitRange`s of every tenant are made of them, which the API server would refuse.
pub fn check_resources(
    field: &str,
    requests: &BTreeMap<String, String>,
    limits: &BTreeMap<String, String>,
) -> Result<(), ConfigError> {
    let amount = |member: &str, resource: &str, text: &String| {
        let quantity = Quantity(text.clone());
        let amount = match resource {
            "cpu" => quantity::nanos(&quantity),
            _ => quantity::bytes(&quantity),
        };
        amount.map_err(|cause| invalid(&format!("{field}.{member}.{resource}"), &cause.to_string()))
    };
    for (resource, limit) in limits {
        amount("limits", resource, limit)?;
    }
    for (resource, request) in requests {
        let requested = amount("requests", resource, request)?;
        if let Some(limit) = limits.get(resource)
            && requested > amount("limits", resource, limit)?
        {
            let problem = format!("`{request}` is more than the limit, `{limit}`");
            return Err(invalid(&format!("{field}.requests.{resource}"), &problem));
        }
    }
    Ok(())
}

fn is_cidr(text: &str) -> bool {
    text.split_once('/').is_some_and(|(address, prefix)| {
        match (address.parse::<IpAddr>(), prefix.parse::<u8>()) {
            (Ok(IpAddr::V4(_)), Ok(prefix)) => prefix <= 32,
            (Ok(IpAddr::V6(_)), Ok(prefix)) => prefix <= 128,
            _ => false,
        }
    })
}
