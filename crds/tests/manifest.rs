//! A wrong manifest is told by field, by what is allowed and by what was given.

use std::collections::BTreeMap;

use albatross_crds::manifest::{LARGEST_FILE, Manifest, parse};
use rstest::rstest;

const TENANT: &str = "
apiVersion: albatross.aero/v1alpha1
kind: Tenant
metadata:
  name: skyways
spec:
  displayName: Skyways
  icaoCode: SKY
  host: skyways.localhost
  admins:
    - email: ada@skyways.example
      displayName: Ada
";

const API_KEY: &str = "
apiVersion: albatross.aero/v1alpha1
kind: ApiKey
metadata:
  name: acars
spec:
  tenantRef:
    name: skyways
  scopes: [pireps:read]
  ttl: 90d
  secretName: acars
";

fn messages(yaml: &str) -> Vec<String> {
    let errors = parse(yaml, "file.yaml").err().unwrap_or_default();
    errors.iter().map(ToString::to_string).collect()
}

#[test]
fn one_text_holds_many_objects() {
    let other = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n";
    let namespace = "apiVersion: v1\nkind: Namespace\nmetadata: {name: clients, labels: {a: b}}\n";
    let text = format!("---\n# nothing\n---{TENANT}---{API_KEY}---\n{other}---\n{namespace}");
    let manifests = parse(&text, "file.yaml").unwrap();
    let [
        Manifest::Tenant(tenant),
        Manifest::ApiKey(key),
        other,
        namespace,
    ] = manifests.as_slice()
    else {
        panic!("{manifests:?}");
    };
    assert_eq!(tenant.metadata.name.as_deref(), Some("skyways"));
    assert_eq!(tenant.spec.api.replicas, 1);
    assert_eq!(tenant.status, None);
    assert_eq!(key.metadata.namespace.as_deref(), Some("default"));
    assert!(matches!(other, Manifest::Other { kind, .. } if kind == "ConfigMap"));
    let labels = BTreeMap::from([("a".to_owned(), "b".to_owned())]);
    assert_eq!(
        *namespace,
        Manifest::Namespace {
            name: "clients".to_owned(),
            labels
        }
    );
}

#[test]
fn a_list_is_taken_apart_and_json_is_yaml() {
    let json = r#"{"apiVersion": "v1", "kind": "List", "items": [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "a"}},
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "b"}}]}"#;
    assert_eq!(parse(json, "file.json").unwrap().len(), 2);
}

#[test]
fn what_a_cluster_gave_back_is_read_again() {
    let metadata = "metadata:\n  uid: 1\n  generation: 3\n  managedFields: []\n";
    let text = TENANT
        .replace("metadata:\n", metadata)
        .replace("uid: 1", "uid: a-b-c")
        + "status:\n  observedGeneration: 3\n  unknown: field\n";
    assert!(parse(&text, "file.yaml").is_ok());
}

#[test]
fn an_explicit_null_is_as_good_as_nothing() {
    assert!(
        parse(
            &format!("{TENANT}  worker: null\n  suspend: ~\n"),
            "file.yaml"
        )
        .is_ok()
    );
    let text = TENANT.replace("icaoCode: SKY", "icaoCode: null");
    assert_eq!(
        messages(&text),
        ["file.yaml (Tenant skyways): spec.icaoCode: is required, given nothing"]
    );
}

#[rstest]
#[case::missing("  icaoCode: SKY\n", "", "spec.icaoCode: is required, given nothing")]
#[case::pattern("SKY", "Sky", r#"spec.icaoCode: must match ^[A-Z]{3}$, given "Sky""#)]
#[case::wrong_type(
    "icaoCode: SKY",
    "icaoCode: 747",
    "spec.icaoCode: must be a string, given 747"
)]
#[case::empty_list(
    "    - email: ada@skyways.example\n      displayName: Ada\n",
    "    []\n",
    "spec.admins: must have at least 1 items, given 0"
)]
#[case::code_rule(
    "skyways.localhost",
    "10.0.0.1",
    "spec.host: must be a host name in lower case (RFC 1123): letters, digits, '-' and '.', each part at most 63 characters, 253 in all, the last part not a number, given \"10.0.0.1\""
)]
#[case::unknown_field(
    "      displayName: Ada\n",
    "      displayName: Ada\n      phone: 1\n",
    "spec.admins[0].phone: is unknown: known here are displayName, email, given 1"
)]
#[case::unknown_metadata(
    "  name: skyways\n",
    "  name: skyways\n  label: {}\n",
    "metadata.label: is unknown, given {}"
)]
#[case::name("  name: skyways\n", "  name: Skyways\n", r#"metadata.name: must be a name in lower case (RFC 1123), at most 253 characters, given "Skyways""#)]
#[case::label_type(
    "  name: skyways\n",
    "  name: skyways\n  labels: {a: 1}\n",
    "metadata: invalid type: integer `1`, expected a string, given {labels, name}"
)]
#[case::unknown_kind("kind: Tenant", "kind: Tenants", r#"kind: must be Tenant or ApiKey of albatross.aero/v1alpha1, given "Tenants of albatross.aero/v1alpha1""#)]
#[case::unknown_version("v1alpha1", "v1", r#"kind: must be Tenant or ApiKey of albatross.aero/v1alpha1, given "Tenant of albatross.aero/v1""#)]
fn a_wrong_tenant_is_told_by_field(#[case] from: &str, #[case] to: &str, #[case] expected: &str) {
    let found = messages(&TENANT.replacen(from, to, 1));
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0].ends_with(&format!("): {expected}")),
        "{}",
        found[0]
    );
}

#[rstest]
#[case::replicas(
    "api: {replicas: 101}",
    "spec.api.replicas: must be at most 100, given 101"
)]
#[case::fraction(
    "api: {replicas: 1.5}",
    "spec.api.replicas: must be a whole number, given 1.5"
)]
#[case::enumeration(
    "mode: observe",
    r#"spec.mode: must be one of Apply, Observe, given "observe""#
)]
#[case::cel(
    "exposure: {none: {}, ingress: {}}",
    "spec.exposure: must set exactly one of ingress, gateway, none, given {ingress, none}"
)]
#[case::empty_object(
    "exposure: {none: {a: 1}}",
    "spec.exposure.none.a: is unknown: nothing goes here, given 1"
)]
#[case::quantity("quota: {requests: {cpu: lots}}", r#"spec.quota.requests.cpu: must match ^\+?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\+|-)?[0-9]{1,2}))?$, given "lots""#)]
#[case::quantity_type(
    "quota: {requests: {cpu: 1.5}}",
    "spec.quota.requests.cpu: must be a string or a whole number, given 1.5"
)]
#[case::set(
    "apiKeys: {allow: [{namespaceSelector: {}, scopes: [review, audit, review]}]}",
    r#"spec.apiKeys.allow[0].scopes[2]: must not be listed twice, given "review""#
)]
#[case::list_map(
    "owners: [{kind: User, name: a}, {kind: User, name: a}]",
    "spec.owners[1]: must not be listed twice, given {kind, name}"
)]
#[case::storage(
    "limits: {storage: 1Mi}",
    "spec.limits: must have storage from 64Mi to 1Pi, given {storage}"
)]
fn a_wrong_addition_is_told_by_field(#[case] line: &str, #[case] expected: &str) {
    assert_eq!(
        messages(&format!("{TENANT}  {line}\n")),
        [format!("file.yaml (Tenant skyways): {expected}")]
    );
}

#[rstest]
#[case::time(
    "  ttl: 90d",
    "  expiresAt: tomorrow",
    r#"spec.expiresAt: must be a time such as 2027-01-31T00:00:00Z (RFC 3339), given "tomorrow""#
)]
#[case::both_ends(
    "  ttl: 90d",
    "  ttl: 90d\n  expiresAt: 2027-01-31T00:00:00Z",
    "spec: must set exactly one of ttl, expiresAt, given {expiresAt, revoked, scopes, secretName, tenantRef, ttl}"
)]
#[case::scope("pireps:read", "pireps", r#"spec.scopes[0]: must be one of pireps:read, pireps:write, track:write, bids:write, review, catalogue:read, catalogue:write, users, settings, audit, webhooks, live:read, given "pireps""#)]
fn a_wrong_key_is_told_by_field(#[case] from: &str, #[case] to: &str, #[case] expected: &str) {
    assert_eq!(
        messages(&API_KEY.replacen(from, to, 1)),
        [format!("file.yaml (ApiKey acars): {expected}")]
    );
}

#[rstest]
#[case::not_yaml("a: [", "is not YAML")]
#[case::not_a_mapping("- a\n- b\n", "must be a mapping of fields")]
#[case::key_twice("apiVersion: v1\nkind: Namespace\nkind: Pod\n", "duplicate entry")]
#[case::no_kind(
    "apiVersion: v1\n",
    "kind: must be a text that names the kind of object, given nothing"
)]
#[case::no_version(
    "kind: Tenant\n",
    "apiVersion: must be a text that names the kind of object, given nothing"
)]
#[case::deep(&"[".repeat(10_000), "is not YAML")]
fn what_is_no_manifest_is_refused(#[case] text: &str, #[case] expected: &str) {
    let found = messages(text);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains(expected), "{}", found[0]);
}

#[test]
fn a_bomb_of_aliases_is_refused() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for i in 1..12 {
        let alias = format!("*a{}, ", i - 1).repeat(10);
        text.push_str(&format!("a{i}: &a{i} [{alias}]\n"));
    }
    assert!(messages(&text)[0].contains("is not YAML"));
}

#[test]
fn a_huge_file_is_refused() {
    let found = messages(&"#".repeat(LARGEST_FILE + 1));
    assert_eq!(
        found,
        ["file.yaml (document 1): must be at most 1048576 bytes, given 1048577"]
    );
}

#[test]
fn all_errors_of_all_documents_are_reported() {
    let text = format!(
        "{}---{}",
        TENANT.replace("SKY", "x"),
        API_KEY.replace("90d", "x")
    );
    assert_eq!(messages(&text).len(), 2);
}
