//! The rules of an ApiKey beyond its schema.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::{
    OPERATOR_SECRETS,
    api_key::{ApiKeySpec, LEAST_EVERY, Rotation},
    duration,
    scope::Scope,
    syntax::{EMAIL, is_email, is_label},
    violation::Violation,
};

/// An ApiKey that every later step can trust.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValidatedApiKey {
    /// Name of the tenant.
    pub tenant: String,
    /// Address in lower case; None for a machine user of the key's own.
    pub user: Option<String>,
    pub scopes: BTreeSet<Scope>,
    pub end: KeyEnd,
    pub rotation: Option<ValidatedRotation>,
    pub secret_name: String,
    pub revoked: bool,
}

/// When a key is replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValidatedRotation {
    pub every: Option<SignedDuration>,
    /// How long the old key stays valid; shorter than `every`.
    pub overlap: SignedDuration,
    /// A change of it replaces the key once.
    pub trigger: Option<String>,
}

/// When a key ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyEnd {
    /// So long after it was issued.
    After(SignedDuration),
    At(Timestamp),
}

impl KeyEnd {
    /// The end of a key that was issued at `issued`.
    pub fn of(self, issued: Timestamp) -> Timestamp {
        match self {
            Self::At(end) => end,
            Self::After(ttl) => issued.checked_add(ttl).unwrap_or(Timestamp::MAX),
        }
    }
}

/// Checks what a schema cannot say; all that is wrong is reported at once.
pub fn validate_api_key(spec: &ApiKeySpec) -> Result<ValidatedApiKey, Vec<Violation>> {
    let mut violations = Vec::new();
    let mut refuse = |field: &str, allowed: &str, given: Value| {
        violations.push(Violation::new(field, allowed, &given));
    };
    if !is_label(&spec.tenant_ref.name) {
        refuse(
            "spec.tenantRef.name",
            "must be the name of a Tenant",
            json!(spec.tenant_ref.name),
        );
    }
    if let Some(user) = spec.user.as_ref().filter(|user| !is_email(user)) {
        refuse("spec.user", EMAIL, json!(user));
    }
    let scopes: BTreeSet<Scope> = spec.scopes.iter().copied().collect();
    if scopes.is_empty() || scopes.len() != spec.scopes.len() {
        refuse(
            "spec.scopes",
            "must list at least one scope, and none twice",
            json!(spec.scopes),
        );
    }
    // One that is not there yet would be taken for free.
    if OPERATOR_SECRETS.contains(&spec.secret_name.as_str()) {
        refuse(
            "spec.secretName",
            "must not be the name of a Secret that the operator keeps beside a tenant",
            json!(spec.secret_name),
        );
    }
    let end = end(spec, &mut refuse);
    let rotation = spec.rotation.as_ref();
    let rotation = rotation.and_then(|given| rotation_of(given, end, &mut refuse));
    match end {
        Some(end) if violations.is_empty() => Ok(ValidatedApiKey {
            tenant: spec.tenant_ref.name.clone(),
            user: spec.user.as_ref().map(|user| user.to_ascii_lowercase()),
            scopes,
            end,
            rotation,
            secret_name: spec.secret_name.clone(),
            revoked: spec.revoked,
        }),
        _ => Err(violations),
    }
}

/// The declared end, or a refusal.
fn end(spec: &ApiKeySpec, refuse: &mut impl FnMut(&str, &str, Value)) -> Option<KeyEnd> {
    match (&spec.ttl, &spec.expires_at) {
        (Some(ttl), None) => match duration::parse(ttl) {
            Ok(ttl) => Some(KeyEnd::After(ttl)),
            Err(error) => {
                refuse("spec.ttl", &error.to_string(), json!(ttl));
                None
            }
        },
        (None, Some(end)) => Some(KeyEnd::At(end.0)),
        (ttl, expires_at) => {
            let given = json!({"ttl": ttl, "expiresAt": expires_at});
            let given = if ttl.is_some() { given } else { Value::Null };
            refuse("spec", "must set exactly one of ttl, expiresAt", given);
            None
        }
    }
}

/// The declared rotation, or refusals.
fn rotation_of(
    given: &Rotation,
    end: Option<KeyEnd>,
    refuse: &mut impl FnMut(&str, &str, Value),
) -> Option<ValidatedRotation> {
    let mut read = |field: &str, text: &str| {
        let length = duration::parse(text);
        length
            .map_err(|error| refuse(field, &error.to_string(), json!(text)))
            .ok()
    };
    let overlap = read("spec.rotation.overlap", &given.overlap)?;
    let every = match &given.every {
        Some(every) => Some(read("spec.rotation.every", every)?),
        None => None,
    };
    if every.is_none() && given.trigger.is_none() {
        refuse(
            "spec.rotation",
            "must set every, trigger or both",
            json!(given),
        );
    }
    if let Some(every) = every {
        let mut hold = |holds: bool, rule: &str| {
            if !holds {
                refuse("spec.rotation.every", rule, json!(given.every));
            }
        };
        hold(every >= LEAST_EVERY, "must be at least 1h");
        hold(overlap < every, "must be longer than overlap");
        let outlived = matches!(end, Some(KeyEnd::After(ttl)) if ttl <= every);
        hold(!outlived, "must be shorter than ttl");
    }
    Some(ValidatedRotation {
        every,
        overlap,
        trigger: given.trigger.clone(),
    })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::from_value;

    use super::*;

    fn spec(change: Value) -> ApiKeySpec {
        let mut spec = json!({
            "tenantRef": {"name": "skyways"},
            "scopes": ["pireps:write", "pireps:read"],
            "ttl": "90d",
            "secretName": "skyways-acars",
        });
        for (key, value) in change.as_object().unwrap() {
            spec[key] = value.clone();
        }
        from_value(spec).unwrap()
    }

    #[test]
    fn a_key_that_lives_for_a_while() {
        let key = validate_api_key(&spec(json!({"user": "Ada@Skyways.example"}))).unwrap();
        assert_eq!(key.user.as_deref(), Some("ada@skyways.example"));
        let issued: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        assert_eq!(key.end.of(issued).to_string(), "2026-04-01T00:00:00Z");
        assert_eq!(key.end.of(Timestamp::MAX), Timestamp::MAX);
    }

    #[test]
    fn a_key_that_ends_at_a_moment() {
        let key = validate_api_key(&spec(
            json!({"ttl": null, "expiresAt": "2027-01-01T00:00:00Z"}),
        ))
        .unwrap();
        assert_eq!(
            key.end.of(Timestamp::UNIX_EPOCH).to_string(),
            "2027-01-01T00:00:00Z"
        );
    }

    #[test]
    fn a_key_that_is_replaced_from_time_to_time() {
        let rotation = json!({"every": "30d", "overlap": "1d", "trigger": "a"});
        let key = validate_api_key(&spec(json!({"rotation": rotation}))).unwrap();
        let rotation = key.rotation.unwrap();
        assert_eq!(rotation.every, Some(SignedDuration::from_hours(30 * 24)));
        assert_eq!(rotation.overlap, SignedDuration::from_hours(24));
        assert_eq!(rotation.trigger.as_deref(), Some("a"));
    }

    #[rstest]
    #[case(json!({"tenantRef": {"name": "Skyways"}}), "spec.tenantRef.name", r#""Skyways""#)]
    #[case(json!({"user": "ada"}), "spec.user", r#""ada""#)]
    #[case(json!({"scopes": []}), "spec.scopes", "[]")]
    #[case(json!({"scopes": ["audit", "audit"]}), "spec.scopes", r#"["audit","audit"]"#)]
    #[case(json!({"secretName": "albatross-erased"}), "spec.secretName", r#""albatross-erased""#)]
    #[case(json!({"ttl": "1y"}), "spec.ttl", r#""1y""#)]
    #[case(json!({"ttl": null}), "spec", "nothing")]
    #[case(json!({"expiresAt": "2027-01-01T00:00:00Z"}), "spec", "{expiresAt, ttl}")]
    #[case(json!({"rotation": {"overlap": "1d"}}), "spec.rotation", "{overlap}")]
    #[case(json!({"rotation": {"trigger": "a", "overlap": "1"}}), "spec.rotation.overlap", r#""1""#)]
    #[case(json!({"rotation": {"every": "1y", "overlap": "1d"}}), "spec.rotation.every", r#""1y""#)]
    #[case(json!({"rotation": {"every": "1d", "overlap": "24h"}}), "spec.rotation.every", r#""1d""#)]
    #[case(json!({"rotation": {"every": "59m", "overlap": "1m"}}), "spec.rotation.every", r#""59m""#)]
    #[case(json!({"rotation": {"every": "90d", "overlap": "1d"}}), "spec.rotation.every", r#""90d""#)]
    fn one_rule_broken_is_one_violation(
        #[case] change: Value,
        #[case] field: &str,
        #[case] given: &str,
    ) {
        let found = validate_api_key(&spec(change)).unwrap_err();
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(
            (found[0].field.as_str(), found[0].given.as_str()),
            (field, given)
        );
    }
}
