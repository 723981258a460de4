//! The rules of a Tenant beyond its schema, one by one.

use albatross_crds::{
    Violation,
    tenant::{DeletionPolicy, GatewayRef, Hibernate, TenantSpec},
    validation::{ValidatedExposure, cluster_only_fields, validate_tenant},
};
use rstest::rstest;
use serde_json::{Map, Value, from_value, json};

fn spec(change: Value) -> TenantSpec {
    let mut spec = json!({
        "displayName": "Skyways",
        "icaoCode": "SKY",
        "host": "skyways.localhost",
        "admins": [{"email": "Ada@Skyways.example", "displayName": "Ada"}],
    });
    for (key, value) in change.as_object().unwrap_or(&Map::new()) {
        spec[key] = value.clone();
    }
    from_value(spec).expect("a spec")
}

fn violations(change: Value) -> Vec<Violation> {
    validate_tenant(&spec(change), "skyways")
        .err()
        .unwrap_or_default()
}

#[test]
fn a_plain_tenant_is_accepted_and_normalised() {
    let tenant = validate_tenant(&spec(json!({})), "skyways").unwrap();
    assert_eq!(tenant.namespace(), "albatross-skyways");
    assert_eq!(tenant.admins[0].email, "ada@skyways.example");
    assert_eq!(tenant.api.replicas, 1);
    assert_eq!(tenant.worker.replicas, 0);
    assert_eq!(tenant.exposure, ValidatedExposure::None);
    assert_eq!(tenant.deletion_policy, DeletionPolicy::Retain);
}

#[test]
fn everything_that_this_version_honours_is_accepted() {
    let change = json!({
        "owners": [{"kind": "Group", "name": "oidc:skyways"}],
        "api": {"autoscaling": {"minReplicas": 2, "maxReplicas": 4}, "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "256Mi"}}},
        "worker": {"replicas": 1},
        "exposure": {"ingress": {"className": "nginx", "annotations": {"cert-manager.io/cluster-issuer": "letsencrypt"}}},
        "placement": {"postgres": "main"},
        "quota": {"pods": 10, "requests": {"cpu": "2"}},
        "apiKeys": {"allow": [{"namespaceSelector": {"matchLabels": {"a": "b"}}, "scopes": ["review"], "users": ["Ada@skyways.example"]}]},
        "deletionPolicy": "Delete",
        "version": "0.2.0-rc.1",
        "suspend": true,
        "hibernate": "WhenLanded",
    });
    let tenant = validate_tenant(&spec(change), "skyways").unwrap();
    assert!(matches!(tenant.exposure, ValidatedExposure::Ingress(_)));
    assert_eq!(
        tenant.api_keys[0].users,
        Some(vec!["ada@skyways.example".to_owned()])
    );
    assert_eq!((tenant.api.replicas, tenant.fixed_replicas()), (4, None));
    assert!(tenant.suspend);
    assert_eq!(tenant.version.as_deref(), Some("0.2.0-rc.1"));
    assert_eq!(tenant.hibernate, Hibernate::WhenLanded);
}

#[rstest]
#[case::display_name(json!({"displayName": "Sky\u{7}ways"}), "spec.displayName", r#""Sky\u0007ways""#)]
#[case::turned_name(json!({"displayName": "Sky\u{202e}ways"}), "spec.displayName", "\"Sky\u{202e}ways\"")]
#[case::icao_code(json!({"icaoCode": "SKYW"}), "spec.icaoCode", r#""SKYW""#)]
#[case::icao_letters(json!({"icaoCode": "ŠK"}), "spec.icaoCode", r#""ŠK""#)]
#[case::host(json!({"host": "Skyways.example"}), "spec.host", r#""Skyways.example""#)]
#[case::no_admin(json!({"admins": []}), "spec.admins", "[]")]
#[case::admin_email(json!({"admins": [{"email": "ada", "displayName": "Ada"}]}), "spec.admins[0].email", r#""ada""#)]
#[case::admin_twice(
    json!({"admins": [{"email": "ada@a.example", "displayName": "Ada"}, {"email": "ADA@a.example", "displayName": "Ada"}]}),
    "spec.admins[1].email", r#""ADA@a.example""#
)]
#[case::admin_name(
    json!({"admins": [{"email": "ada@a.example", "displayName": "A\nda"}]}),
    "spec.admins[0].displayName", r#""A\nda""#
)]
#[case::owner_twice(
    json!({"owners": [{"kind": "User", "name": "x"}, {"kind": "Group", "name": "x"}, {"kind": "User", "name": "x"}]}),
    "spec.owners[2]", r#""User x""#
)]
#[case::owner_that_is_no_line(
    json!({"owners": [{"kind": "User", "name": "a\u{7}b"}]}), "spec.owners[0].name", r#""a\u0007b""#
)]
#[case::turned_owner(
    json!({"owners": [{"kind": "Group", "name": "a\u{202e}b"}]}), "spec.owners[0].name", "\"a\u{202e}b\""
)]
#[case::limit_that_no_pod_states(
    json!({"api": {"resources": {"limits": {"memory": "1Gi"}}}, "quota": {"limits": {"cpu": "100"}}}),
    "spec.api.resources.limits.cpu", "nothing"
)]
#[case::no_replica(json!({"api": {"replicas": 0}}), "spec.api.replicas", "0")]
#[case::replicas(json!({"api": {"replicas": 101}}), "spec.api.replicas", "101")]
#[case::workers(json!({"worker": {"replicas": -1}}), "spec.worker.replicas", "-1")]
#[case::request_over_limit(
    json!({"api": {"resources": {"requests": {"memory": "1Gi"}, "limits": {"memory": "1023Mi"}}}}),
    "spec.api.resources.requests.memory", r#""1Gi""#
)]
#[case::zero(json!({"worker": {"resources": {"limits": {"cpu": "0"}}}}), "spec.worker.resources.limits.cpu", r#""0""#)]
#[case::quantity(json!({"quota": {"limits": {"memory": "9e99"}}}), "spec.quota.limits.memory", r#""9e99""#)]
#[case::quota(json!({"api": {"replicas": 5}, "quota": {"pods": 6}}), "spec.quota.pods", "6")]
#[case::most_pods_count(json!({"api": {"autoscaling": {"maxReplicas": 5}}, "quota": {"pods": 6}}), "spec.quota.pods", "6")]
#[case::no_exposure(json!({"exposure": {}}), "spec.exposure", "{}")]
#[case::two_exposures(json!({"exposure": {"none": {}, "ingress": {}}}), "spec.exposure", "{ingress, none}")]
#[case::annotation(
    json!({"exposure": {"ingress": {"annotations": {"a/b/c": ""}}}}),
    "spec.exposure.ingress.annotations", r#""a/b/c""#
)]
#[case::selector(
    json!({"apiKeys": {"allow": [{"namespaceSelector": {"matchExpressions": [{"key": "a", "operator": "In"}]}}]}}),
    "spec.apiKeys.allow[0].namespaceSelector", "{matchExpressions}"
)]
#[case::allowed_user(
    json!({"apiKeys": {"allow": [{"namespaceSelector": {}, "users": ["a@b.example", "nobody"]}]}}),
    "spec.apiKeys.allow[0].users[1]", r#""nobody""#
)]
fn one_rule_broken_is_one_violation(
    #[case] change: Value,
    #[case] field: &str,
    #[case] given: &str,
) {
    let found = violations(change);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(
        (found[0].field.as_str(), found[0].given.as_str()),
        (field, given)
    );
}

#[rstest]
#[case("64Mi", Some(67_108_864))]
#[case("20Gi", Some(21_474_836_480))]
#[case("1.5Gi", Some(1_610_612_736))]
#[case("5e9", Some(5_000_000_000))]
#[case("100000000", Some(100_000_000))]
#[case("1Pi", Some(1 << 50))]
#[case("67108863", None)]
#[case("0", None)]
#[case("200m", None)]
#[case("1125899906842625", None)]
#[case("9e99", None)]
fn storage_has_sensible_bounds(#[case] storage: &str, #[case] bytes: Option<u64>) {
    let change = json!({"limits": {"pilots": 5, "storage": storage}});
    match validate_tenant(&spec(change), "skyways") {
        Ok(tenant) => assert_eq!(tenant.limits.storage_bytes, bytes),
        Err(found) => {
            assert_eq!((found.len(), bytes), (1, None), "{found:?}");
            assert_eq!(found[0].field, "spec.limits.storage");
        }
    }
}

#[test]
fn a_gateway_is_one_way_of_being_reached() {
    let exposure = json!({"gateway": {"parentRef": {"name": "edge", "namespace": "gateways"}}});
    let tenant = validate_tenant(&spec(json!({ "exposure": exposure })), "skyways").unwrap();
    let edge = GatewayRef {
        name: "edge".to_owned(),
        namespace: Some("gateways".to_owned()),
        section_name: None,
    };
    assert_eq!(tenant.exposure, ValidatedExposure::Gateway(edge));
}

#[rstest]
#[case("skyways", true)]
#[case("7", true)]
#[case(&"a".repeat(53), true)]
#[case(&"a".repeat(54), false)]
#[case("sky.ways", false)]
#[case("-sky", false)]
#[case("Sky", false)]
#[case("ský", false)]
#[case("", false)]
fn the_name_must_fit_a_namespace(#[case] name: &str, #[case] accepted: bool) {
    assert_eq!(validate_tenant(&spec(json!({})), name).is_ok(), accepted);
}

#[test]
fn all_violations_are_reported_at_once() {
    let found = violations(json!({"icaoCode": "x", "host": "", "admins": []}));
    let fields: Vec<_> = found.iter().map(|v| v.field.as_str()).collect();
    assert_eq!(fields, ["spec.icaoCode", "spec.host", "spec.admins"]);
}

#[test]
fn only_fields_that_are_set_are_named_as_cluster_only() {
    assert!(cluster_only_fields(&spec(json!({"exposure": {"none": {}}}))).is_empty());
    let set = spec(json!({
        "api": {"replicas": 3, "autoscaling": {"external": true}}, "worker": {"replicas": 0}, "exposure": {"ingress": {}}, "suspend": true, "hibernate": "Now", "version": "0.1.0",
        "deletionPolicy": "Retain", "bootstrap": {"adopt": "0d4b8a2e-8f3b-4a93-9f0e-2d6f3f6f8f1a"},
    }));
    assert_eq!(
        cluster_only_fields(&set),
        [
            "spec.api.replicas",
            "spec.api.autoscaling",
            "spec.worker",
            "spec.exposure",
            "spec.bootstrap",
            "spec.version",
            "spec.suspend",
            "spec.hibernate"
        ]
    );
}
