//! Every CEL rule refuses what it should and accepts what it should.

use std::collections::BTreeSet;

use albatross_crds::{
    definitions,
    rules::{self, Rules},
};
use rstest::rstest;
use serde_json::{Map, Value, json};

/// Refusals of rules, beside which another test holds what the schema itself refuses.
const TENANT_MESSAGES: [&str; 9] = [
    "metadata.name must be a DNS label of at most 53 characters (the tenant's namespace is albatross-<name>)",
    "must set either maxReplicas or external: true",
    "must not set minReplicas or targetCPUUtilizationPercentage with external: true",
    "must have minReplicas at most maxReplicas",
    "must set exactly one of ingress, gateway, none",
    "placement.postgres is immutable",
    "placement.rabbitmq is immutable",
    "placement.redis is immutable",
    "bootstrap is immutable: it is read when the tenant is created",
];

const API_KEY_MESSAGES: [&str; 7] = [
    "must set exactly one of ttl, expiresAt",
    "tenantRef is immutable",
    "secretName is immutable",
    "user is immutable: whom a key acts for is settled when it is created",
    "revoked cannot be taken back: create another ApiKey",
    "must set every, trigger or both",
    "must have overlap shorter than every",
];

fn tenant(spec: Value) -> Value {
    object(
        "Tenant",
        json!({
            "displayName": "Skyways", "icaoCode": "SKY", "host": "skyways.localhost",
            "admins": [{"email": "ada@skyways.example", "displayName": "Ada"}],
        }),
        spec,
    )
}

fn api_key(spec: Value) -> Value {
    object(
        "ApiKey",
        json!({
            "tenantRef": {"name": "skyways"}, "scopes": ["pireps:read"], "ttl": "90d", "secretName": "acars",
        }),
        spec,
    )
}

fn object(kind: &str, mut base: Value, change: Value) -> Value {
    for (key, value) in change.as_object().unwrap_or(&Map::new()) {
        base[key] = value.clone();
    }
    json!({
        "apiVersion": "albatross.aero/v1alpha1", "kind": kind,
        "metadata": {"name": "skyways", "namespace": "default"}, "spec": base,
    })
}

fn assert_created(rules: &Rules, object: &Value, refused: &str) {
    let messages = rules.create(object).map(|_| ()).map_err(|violations| {
        violations
            .iter()
            .map(|v| v.allowed.clone())
            .collect::<Vec<_>>()
    });
    assert_answer(messages, refused);
}

fn assert_changed(rules: &Rules, old: &Value, new: &Value, refused: &str) {
    let old = rules.create(old).expect("the old object is valid");
    rules
        .create(new)
        .expect("the new object would be valid as a first one");
    let messages = rules.update(&old, new).map_err(|violations| {
        violations
            .iter()
            .map(|v| v.allowed.clone())
            .collect::<Vec<_>>()
    });
    assert_answer(messages, refused);
}

fn assert_answer(answer: Result<(), Vec<String>>, refused: &str) {
    let expected = if refused.is_empty() {
        Ok(())
    } else {
        Err(vec![refused.to_owned()])
    };
    assert_eq!(answer, expected);
}

#[rstest]
#[case::external(json!({"api": {"autoscaling": {"external": true}}}), "")]
#[case::own(json!({"api": {"autoscaling": {"maxReplicas": 5}}}), "")]
#[case::own_said_twice(json!({"api": {"autoscaling": {"maxReplicas": 5, "external": false}}}), "")]
#[case::own_with_all(json!({"api": {"autoscaling": {"minReplicas": 5, "maxReplicas": 5, "targetCPUUtilizationPercentage": 70}}}), "")]
#[case::neither(json!({"api": {"autoscaling": {}}}), TENANT_MESSAGES[1])]
#[case::not_external(json!({"api": {"autoscaling": {"external": false}}}), TENANT_MESSAGES[1])]
#[case::both(json!({"api": {"autoscaling": {"external": true, "maxReplicas": 2}}}), TENANT_MESSAGES[1])]
#[case::external_with_minimum(json!({"api": {"autoscaling": {"external": true, "minReplicas": 2}}}), TENANT_MESSAGES[2])]
#[case::external_with_target(json!({"api": {"autoscaling": {"external": true, "targetCPUUtilizationPercentage": 2}}}), TENANT_MESSAGES[2])]
#[case::upside_down(json!({"api": {"autoscaling": {"minReplicas": 6, "maxReplicas": 5}}}), TENANT_MESSAGES[3])]
#[case::ingress(json!({"exposure": {"ingress": {}}}), "")]
#[case::gateway(json!({"exposure": {"gateway": {"parentRef": {"name": "edge"}}}}), "")]
#[case::none(json!({"exposure": {"none": {}}}), "")]
#[case::no_way(json!({"exposure": {}}), TENANT_MESSAGES[4])]
#[case::two_ways(json!({"exposure": {"ingress": {}, "none": {}}}), TENANT_MESSAGES[4])]
#[case::three_ways(json!({"exposure": {"ingress": {}, "gateway": {"parentRef": {"name": "edge"}}, "none": {}}}), TENANT_MESSAGES[4])]
fn a_new_tenant(#[case] spec: Value, #[case] refused: &str) {
    assert_created(rules::tenant(), &tenant(spec), refused);
}

#[rstest]
#[case::shortest("a", "")]
#[case::longest(&"a".repeat(53), "")]
#[case::too_long(&"a".repeat(54), TENANT_MESSAGES[0])]
#[case::dots("sky.ways", TENANT_MESSAGES[0])]
fn the_name_of_a_tenant(#[case] name: &str, #[case] refused: &str) {
    let mut tenant = tenant(json!({}));
    tenant["metadata"]["name"] = name.into();
    assert_created(rules::tenant(), &tenant, refused);
}

#[rstest]
#[case::same(json!({"placement": {"postgres": "a"}}), json!({"placement": {"postgres": "a"}}), "")]
#[case::another_field(json!({"placement": {"postgres": "a"}}), json!({"placement": {"postgres": "a"}, "api": {"replicas": 5}}), "")]
#[case::added(json!({}), json!({"placement": {"postgres": "a"}}), "")]
#[case::completed(json!({"placement": {"postgres": "a"}}), json!({"placement": {"postgres": "a", "redis": "b"}}), "")]
#[case::postgres_changed(json!({"placement": {"postgres": "a"}}), json!({"placement": {"postgres": "b"}}), TENANT_MESSAGES[5])]
#[case::postgres_removed(json!({"placement": {"postgres": "a"}}), json!({"placement": {}}), TENANT_MESSAGES[5])]
#[case::placement_removed(json!({"placement": {"postgres": "a"}}), json!({}), TENANT_MESSAGES[5])]
#[case::rabbitmq_changed(json!({"placement": {"rabbitmq": "a"}}), json!({"placement": {"rabbitmq": "b"}}), TENANT_MESSAGES[6])]
#[case::rabbitmq_removed(json!({"placement": {"rabbitmq": "a"}}), json!({}), TENANT_MESSAGES[6])]
#[case::redis_changed(json!({"placement": {"redis": "a"}}), json!({"placement": {"redis": "b"}}), TENANT_MESSAGES[7])]
#[case::redis_removed(json!({"placement": {"redis": "a"}}), json!({"placement": {"postgres": "b"}}), TENANT_MESSAGES[7])]
#[case::bootstrap_kept(json!({"bootstrap": adopt('1')}), json!({"bootstrap": adopt('1')}), "")]
#[case::bootstrap_changed(json!({"bootstrap": adopt('1')}), json!({"bootstrap": adopt('2')}), TENANT_MESSAGES[8])]
#[case::bootstrap_removed(json!({"bootstrap": adopt('1')}), json!({}), TENANT_MESSAGES[8])]
#[case::bootstrap_added(json!({}), json!({"bootstrap": adopt('1')}), TENANT_MESSAGES[8])]
#[case::host_changed(json!({}), json!({"host": "skyways.example"}), "")]
fn a_changed_tenant(#[case] old: Value, #[case] new: Value, #[case] refused: &str) {
    assert_changed(rules::tenant(), &tenant(old), &tenant(new), refused);
}

fn adopt(digit: char) -> Value {
    json!({"adopt": format!("0d4b8a2e-8f3b-4a93-9f0e-2d6f3f6f8f1{digit}")})
}

#[rstest]
#[case::for_a_while(json!({}), "")]
#[case::until(json!({"ttl": null, "expiresAt": "2027-01-31T00:00:00Z"}), "")]
#[case::no_end(json!({"ttl": null}), API_KEY_MESSAGES[0])]
#[case::two_ends(json!({"expiresAt": "2027-01-31T00:00:00Z"}), API_KEY_MESSAGES[0])]
#[case::every(json!({"rotation": {"every": "30d", "overlap": "1d"}}), "")]
#[case::trigger(json!({"rotation": {"trigger": "1", "overlap": "99d"}}), "")]
#[case::both(json!({"rotation": {"every": "1h", "overlap": "59m", "trigger": "1"}}), "")]
#[case::never(json!({"rotation": {"overlap": "1d"}}), API_KEY_MESSAGES[5])]
#[case::overlap_as_long(json!({"rotation": {"every": "1d", "overlap": "24h"}}), API_KEY_MESSAGES[6])]
#[case::overlap_longer(json!({"rotation": {"every": "1h30m", "overlap": "91m"}}), API_KEY_MESSAGES[6])]
#[case::overlap_shorter(json!({"rotation": {"every": "1h30m", "overlap": "89m"}}), "")]
#[case::longest(json!({"rotation": {"every": "9999d", "overlap": "99999h9999m"}}), "")]
fn a_new_key(#[case] spec: Value, #[case] refused: &str) {
    assert_created(rules::api_key(), &api_key(spec), refused);
}

#[rstest]
#[case::same(json!({"user": "ada@skyways.example"}), json!({"user": "ada@skyways.example"}), "")]
#[case::longer_life(json!({}), json!({"ttl": "180d"}), "")]
#[case::other_end(json!({}), json!({"ttl": null, "expiresAt": "2027-01-31T00:00:00Z"}), "")]
#[case::more_scopes(json!({}), json!({"scopes": ["pireps:read", "live:read"]}), "")]
#[case::tenant_changed(json!({}), json!({"tenantRef": {"name": "nordwind"}}), API_KEY_MESSAGES[1])]
#[case::secret_changed(json!({}), json!({"secretName": "other"}), API_KEY_MESSAGES[2])]
#[case::user_changed(json!({"user": "ada@skyways.example"}), json!({"user": "bob@skyways.example"}), API_KEY_MESSAGES[3])]
#[case::user_removed(json!({"user": "ada@skyways.example"}), json!({}), API_KEY_MESSAGES[3])]
#[case::user_added(json!({}), json!({"user": "ada@skyways.example"}), API_KEY_MESSAGES[3])]
#[case::revoked(json!({}), json!({"revoked": true}), "")]
#[case::still_revoked(json!({"revoked": true}), json!({"revoked": true}), "")]
#[case::taken_back(json!({"revoked": true}), json!({"revoked": false}), API_KEY_MESSAGES[4])]
#[case::left_out(json!({"revoked": true}), json!({}), API_KEY_MESSAGES[4])]
fn a_changed_key(#[case] old: Value, #[case] new: Value, #[case] refused: &str) {
    assert_changed(rules::api_key(), &api_key(old), &api_key(new), refused);
}

/// A new rule fails here until it has its examples above.
#[test]
fn every_rule_is_in_the_lists() {
    for (definition, messages) in [
        (definitions::tenant(), TENANT_MESSAGES.as_slice()),
        (definitions::api_key(), API_KEY_MESSAGES.as_slice()),
    ] {
        let mut found = BTreeSet::new();
        collect(&definitions::schema_of(&definition), &mut found);
        let listed: BTreeSet<String> = messages.iter().map(|m| (*m).to_owned()).collect();
        assert_eq!(found, listed);
    }
}

fn collect(schema: &Value, found: &mut BTreeSet<String>) {
    for rule in schema["x-kubernetes-validations"]
        .as_array()
        .into_iter()
        .flatten()
    {
        found.insert(
            rule["message"]
                .as_str()
                .expect("a rule has a message")
                .to_owned(),
        );
    }
    match schema {
        Value::Object(map) => map.values().for_each(|child| collect(child, found)),
        Value::Array(items) => items.iter().for_each(|child| collect(child, found)),
        _ => {}
    }
}
