//! The chart on a real API server: every object is accepted, and the operator may do what it needs and nothing more.

#![allow(clippy::unwrap_used, reason = "a test fails where it panics")]

mod alerts;
mod kubeconform;
mod lifecycle;
mod monitoring;
mod narrowing;
mod refusals;
mod releases;
mod rights;
mod scraping;
mod users;

use albatross_tests::api_server::api_server;
use albatross_tests::can_i::may;
use albatross_tests::chart::{self, CHART, NAMESPACE, OPERATOR, helm};
use albatross_tests::wait::until;
use k8s_openapi::api::authorization::v1::{
    ResourceRule, SelfSubjectRulesReview, SelfSubjectRulesReviewSpec,
};
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::api::rbac::v1::{ClusterRole, Role, RoleBinding};
use kube::api::{DeleteParams, DynamicObject, Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use refusals::{
    AN_AIRLINES, DEFINITION, NOT_A_TENANTS, NOT_ITS_OWN, OTHER_ROLE, PROTECTED, UNMANAGED, denied,
};
use rights::{CLIENT_RIGHTS, NEEDED, REFUSED, RIGHTS, TENANT_RIGHTS};

const VALUES: &str = r#"{"config": {"servers": {"postgres": [{"name": "main", "host": "db",
  "adminSecret": "postgres-main", "connectionBudget": 100, "egress": {"cidrs": ["192.0.2.1/32"]}}]}}}"#;

fn render(settings: &[&str]) -> Result<Vec<DynamicObject>, String> {
    chart::render(&serde_json::from_str(VALUES).unwrap(), settings)
}

/// A server with the chart on it.
async fn installed() -> Client {
    static INSTALLED: OnceCell<()> = OnceCell::const_new();
    let client = api_server().await.client();
    INSTALLED.get_or_init(|| install(&client)).await;
    client
}

async fn install(client: &Client) {
    chart::install(client, &render(&[]).unwrap()).await;
    // The server takes policies into use some time after it has stored them.
    let operator = api_server().await.client_as(OPERATOR);
    until("the policies are in force", async || {
        let unlabelled = json!({"metadata": {"name": "probe"}});
        let bound = try_to_bind(&operator, NAMESPACE, "albatross-tenant-owner").await;
        denied(&create_namespace(&operator, &unlabelled).await, NOT_ITS_OWN)
            && denied(&bound, UNMANAGED)
    })
    .await;
}

async fn create_namespace(client: &Client, namespace: &Value) -> kube::Result<Namespace> {
    let dry = namespace["metadata"]["name"] == "probe";
    let parameters = PostParams {
        dry_run: dry,
        ..PostParams::default()
    };
    Api::all(client.clone())
        .create(
            &parameters,
            &serde_json::from_value(namespace.clone()).unwrap(),
        )
        .await
}

async fn create_labelled(client: &Client, name: &str, labels: Value) -> kube::Result<Namespace> {
    let namespace = json!({"metadata": {"name": name, "labels": labels}});
    create_namespace(client, &namespace).await
}

async fn create_tenants_namespace(client: &Client, name: &str) -> kube::Result<Namespace> {
    let labels = json!({"albatross.aero/managed": "true", "albatross.aero/tenant": "any"});
    create_labelled(client, name, labels).await
}

async fn bind(client: &Client, namespace: &str, role: &str) -> kube::Result<RoleBinding> {
    let parameters = PatchParams::apply("albatross-operator").force();
    apply_binding(client, namespace, ("ClusterRole", role), &parameters).await
}

/// Leaves nothing behind.
async fn try_to_bind(client: &Client, namespace: &str, role: &str) -> kube::Result<RoleBinding> {
    let parameters = PatchParams::apply("albatross-operator").dry_run();
    apply_binding(client, namespace, ("ClusterRole", role), &parameters).await
}

async fn apply_binding(
    client: &Client,
    namespace: &str,
    (kind, role): (&str, &str),
    parameters: &PatchParams,
) -> kube::Result<RoleBinding> {
    let name = format!("test-{kind}-{role}");
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
        "metadata": {"name": name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": role},
        "subjects": [{"kind": "ServiceAccount", "name": "albatross-operator", "namespace": NAMESPACE}],
    });
    let api: Api<RoleBinding> = Api::namespaced(client.clone(), namespace);
    api.patch(&name, parameters, &Patch::Apply(binding)).await
}

#[tokio::test]
async fn the_operator_may_do_what_it_needs_and_nothing_more() {
    installed().await;
    let operator = api_server().await.client_as(OPERATOR);
    for question in NEEDED {
        assert!(may(&operator, question).await, "refused: {question}");
    }
    for question in REFUSED {
        assert!(!may(&operator, question).await, "allowed: {question}");
    }
}

#[tokio::test]
async fn the_api_server_knows_of_no_right_of_the_operator_besides_these() {
    installed().await;
    let operator = api_server().await.client_as(OPERATOR);
    let mut found = rights(&operator, "default").await;
    assert_eq!(found.join("\n"), RIGHTS.trim());
    let own = rights(&operator, NAMESPACE).await;
    found.extend([
        "get,create,update leases.coordination.k8s.io ()".to_owned(),
        "get,list,watch,create,update,patch,delete secrets ()".to_owned(),
    ]);
    found.sort();
    assert_eq!(own, found);
}

async fn rights(client: &Client, namespace: &str) -> Vec<String> {
    let review = SelfSubjectRulesReview {
        spec: SelfSubjectRulesReviewSpec {
            namespace: Some(namespace.to_owned()),
        },
        ..SelfSubjectRulesReview::default()
    };
    let answer = Api::all(client.clone())
        .create(&PostParams::default(), &review)
        .await;
    let status = answer.unwrap().status.unwrap();
    assert!(!status.incomplete);
    let mut rules: Vec<String> = status.resource_rules.iter().map(right).collect();
    rules.sort();
    rules
}

fn right(rule: &ResourceRule) -> String {
    let groups = rule.api_groups.as_deref().unwrap_or_default();
    let resources = rule.resources.iter().flatten().flat_map(|resource| {
        groups.iter().map(move |group| match group.as_str() {
            "" => resource.clone(),
            group => format!("{resource}.{group}"),
        })
    });
    let resources: Vec<String> = resources.collect();
    let names = rule.resource_names.as_deref().unwrap_or_default().join(",");
    format!("{} {} ({names})", rule.verbs.join(","), resources.join(","))
}

#[tokio::test]
async fn in_a_tenants_namespace_the_operator_gives_itself_what_it_needs_there() {
    installed().await;
    let operator = api_server().await.client_as(OPERATOR);
    let namespace = "albatross-bound";
    create_tenants_namespace(&operator, namespace)
        .await
        .unwrap();
    let needs: Vec<String> = [
        "create secrets",
        "patch secrets",
        "delete secrets",
        "patch services",
        "patch serviceaccounts",
        "patch resourcequotas",
        "patch limitranges",
        "patch deployments.apps",
        "delete deployments.apps",
        "patch horizontalpodautoscalers.autoscaling",
        "delete horizontalpodautoscalers.autoscaling",
        "patch jobs.batch",
        "delete jobs.batch",
        "patch httproutes.gateway.networking.k8s.io",
        "delete httproutes.gateway.networking.k8s.io",
        "patch ingresses.networking.k8s.io",
        "patch networkpolicies.networking.k8s.io",
        "patch poddisruptionbudgets.policy",
        "delete rolebindings.rbac.authorization.k8s.io",
    ]
    .map(|verb_and_resource| format!("{verb_and_resource} {namespace} any"))
    .to_vec();
    assert!(!may(&operator, &needs[0]).await);
    bind(&operator, namespace, "albatross-operator-tenant")
        .await
        .unwrap();
    until("the binding is in force", async || {
        may(&operator, &needs[0]).await
    })
    .await;
    for question in &needs {
        assert!(may(&operator, question).await, "refused: {question}");
    }
    assert!(!may(&operator, "get secrets default any").await);
    bind(&operator, namespace, "albatross-tenant-owner")
        .await
        .unwrap();
}

#[tokio::test]
async fn where_it_binds_itself_it_has_no_right_besides_those_of_the_role() {
    let admin = installed().await;
    let operator = api_server().await.client_as(OPERATOR);
    create_tenants_namespace(&operator, "albatross-exact")
        .await
        .unwrap();
    let labels = json!({"albatross.aero/managed": "true"});
    let clients = json!({"metadata": {"name": "exact-clients", "labels": labels}});
    create_namespace(&admin, &clients).await.unwrap();
    for (namespace, role, given) in [
        (
            "albatross-exact",
            "albatross-operator-tenant",
            TENANT_RIGHTS,
        ),
        ("exact-clients", "albatross-operator-client", CLIENT_RIGHTS),
    ] {
        until("the label is seen", async || {
            bind(&operator, namespace, role).await.is_ok()
        })
        .await;
        until("the binding is in force", async || {
            may(&operator, &format!("patch secrets {namespace} any")).await
        })
        .await;
        let mut expected: Vec<_> = RIGHTS.trim().lines().chain(given.trim().lines()).collect();
        expected.sort_unstable();
        let found = rights(&operator, namespace).await;
        assert_eq!(found, expected, "{namespace}");
    }
}

#[tokio::test]
async fn the_operator_binds_roles_in_managed_namespaces_only() {
    let admin = installed().await;
    let operator = api_server().await.client_as(OPERATOR);
    for namespace in ["kube-system", "default", NAMESPACE] {
        let bound = bind(&operator, namespace, "albatross-operator-tenant").await;
        assert!(denied(&bound, UNMANAGED), "{namespace}: {bound:?}");
    }
    let managed = json!({"albatross.aero/managed": "true"});
    create_labelled(&admin, "clients", managed).await.unwrap();
    until("the label is seen", async || {
        bind(&operator, "clients", "albatross-operator-client")
            .await
            .is_ok()
    })
    .await;
    let tenants = bind(&operator, "clients", "albatross-operator-tenant").await;
    assert!(denied(&tenants, NOT_A_TENANTS), "{tenants:?}");
    for (namespace, labels) in [
        ("plain", json!({})),
        ("unmanaged", json!({"albatross.aero/tenant": "any"})),
        (
            "unsure",
            json!({"albatross.aero/managed": "false", "albatross.aero/tenant": "any"}),
        ),
    ] {
        create_labelled(&admin, namespace, labels).await.unwrap();
        for role in [
            "albatross-operator-tenant",
            "albatross-operator-client",
            "albatross-tenant-owner",
        ] {
            let bound = bind(&operator, namespace, role).await;
            assert!(
                denied(&bound, UNMANAGED),
                "{role} in {namespace}: {bound:?}"
            );
        }
    }
    // Nor does it get into a binding that is there.
    let foreign = json!({
        "metadata": {"name": "foreign"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "albatross-operator-tenant"},
        "subjects": [{"kind": "User", "name": "ops", "apiGroup": "rbac.authorization.k8s.io"}],
    });
    let foreign: RoleBinding = serde_json::from_value(foreign).unwrap();
    let theirs: Api<RoleBinding> = Api::namespaced(admin, "kube-system");
    theirs
        .create(&PostParams::default(), &foreign)
        .await
        .unwrap();
    let own =
        json!([{"kind": "ServiceAccount", "name": "albatross-operator", "namespace": NAMESPACE}]);
    let bindings: Api<RoleBinding> = Api::namespaced(operator, "kube-system");
    let (parameters, own) = (
        PatchParams::default(),
        Patch::Merge(json!({ "subjects": own })),
    );
    let entered = bindings.patch("foreign", &parameters, &own).await;
    assert!(denied(&entered, UNMANAGED), "{entered:?}");
}

#[tokio::test]
async fn the_operator_binds_no_roles_but_those_that_the_chart_made_for_it() {
    let admin = installed().await;
    let operator = api_server().await.client_as(OPERATOR);
    let home = "albatross-roles";
    create_tenants_namespace(&operator, home).await.unwrap();
    let managed = json!({"albatross.aero/managed": "true"});
    let clients = "roles-clients";
    create_labelled(&admin, clients, managed).await.unwrap();
    // It has these rights itself, so that nothing else keeps it from giving them away.
    let rules = json!([{"apiGroups": [""], "resources": ["namespaces"], "verbs": ["get"]}]);
    let other = json!({"metadata": {"name": "namespace-reader"}, "rules": rules});
    let other: ClusterRole = serde_json::from_value(other).unwrap();
    let new = PostParams::default();
    let roles = Api::all(admin.clone());
    roles.create(&new, &other).await.unwrap();
    let dry = PatchParams::apply("albatross-operator").dry_run();
    for (namespace, own) in [
        (home, "albatross-operator-tenant"),
        (clients, "albatross-operator-client"),
    ] {
        let namesake = json!({"metadata": {"name": own}, "rules": rules});
        let namesake: Role = serde_json::from_value(namesake).unwrap();
        let roles = Api::namespaced(admin.clone(), namespace);
        roles.create(&new, &namesake).await.unwrap();
        until("the label is seen", async || {
            try_to_bind(&operator, namespace, own).await.is_ok()
        })
        .await;
        for role in [("ClusterRole", "namespace-reader"), ("Role", own)] {
            let bound = apply_binding(&operator, namespace, role, &dry).await;
            assert!(denied(&bound, OTHER_ROLE), "{role:?}: {bound:?}");
            let by_others = apply_binding(&admin, namespace, role, &dry).await;
            by_others.unwrap();
        }
    }
}

#[tokio::test]
async fn the_operator_takes_no_namespace_that_it_did_not_make() {
    let admin = installed().await;
    let operator = api_server().await.client_as(OPERATOR);
    let namespaces: Api<Namespace> = Api::all(operator.clone());
    let both = json!({"albatross.aero/managed": "true", "albatross.aero/tenant": "any"});
    let take = Patch::Merge(json!({"metadata": {"labels": both}}));
    let parameters = PatchParams::default();
    for (name, labels) in [
        ("albatross-foreign", json!({})),
        (
            "albatross-managed",
            json!({"albatross.aero/managed": "true"}),
        ),
        (
            "albatross-labelled",
            json!({"albatross.aero/tenant": "any"}),
        ),
        ("foreign", both.clone()),
    ] {
        let made = create_labelled(&operator, name, labels.clone()).await;
        assert!(denied(&made, NOT_ITS_OWN), "{name}: {made:?}");
        create_labelled(&admin, name, labels).await.unwrap();
        let taken = namespaces.patch(name, &parameters, &take).await;
        assert!(denied(&taken, NOT_ITS_OWN), "{name}: {taken:?}");
        let deleted = namespaces.delete(name, &DeleteParams::default()).await;
        assert!(denied(&deleted, NOT_ITS_OWN), "{name}: {deleted:?}");
    }
    create_tenants_namespace(&operator, "albatross-own")
        .await
        .unwrap();
    let written = namespaces.patch("albatross-own", &parameters, &take);
    written.await.unwrap();
}

#[tokio::test]
async fn an_airlines_namespace_is_not_deleted_by_mistake() {
    let admin = installed().await;
    let operator = api_server().await.client_as(OPERATOR);
    create_tenants_namespace(&operator, "albatross-kept")
        .await
        .unwrap();
    let namespaces: Api<Namespace> = Api::all(admin);
    until("the guard is in force", async || {
        let dry = DeleteParams {
            dry_run: true,
            ..DeleteParams::default()
        };
        denied(
            &namespaces.delete("albatross-kept", &dry).await,
            AN_AIRLINES,
        )
    })
    .await;
    let by_operator: Api<Namespace> = Api::all(operator);
    by_operator
        .delete("albatross-kept", &DeleteParams::default())
        .await
        .unwrap();
}

#[tokio::test]
async fn a_protected_tenant_and_the_definitions_stay() {
    let admin = installed().await;
    let tenants: Api<albatross_crds::Tenant> = Api::all(admin.clone());
    let tenant = json!({
        "apiVersion": "albatross.aero/v1alpha1", "kind": "Tenant", "metadata": {"name": "kept"},
        "spec": {"displayName": "Kept", "icaoCode": "KEP", "host": "kept.example", "deletionProtection": true,
            "admins": [{"email": "ada@kept.example", "displayName": "Ada"}], "exposure": {"none": {}}},
    });
    let apply = PatchParams::apply("test");
    until("the definition is served", async || {
        tenants
            .patch("kept", &apply, &Patch::Apply(&tenant))
            .await
            .is_ok()
    })
    .await;
    let dry = DeleteParams {
        dry_run: true,
        ..DeleteParams::default()
    };
    until("the tenant is guarded", async || {
        denied(&tenants.delete("kept", &dry).await, PROTECTED)
    })
    .await;
    let open = json!({"spec": {"deletionProtection": false}});
    tenants
        .patch("kept", &PatchParams::default(), &Patch::Merge(&open))
        .await
        .unwrap();
    tenants.delete("kept", &dry).await.unwrap();

    let definitions: Api<k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition> =
        Api::all(admin);
    let name = "tenants.albatross.aero";
    until("the definition is guarded", async || {
        denied(&definitions.delete(name, &dry).await, DEFINITION)
    })
    .await;
    let allow = json!({"metadata": {"annotations": {"albatross.aero/allow-deletion": "true"}}});
    definitions
        .patch(name, &PatchParams::default(), &Patch::Merge(&allow))
        .await
        .unwrap();
    definitions.delete(name, &dry).await.unwrap();
}

#[test]
fn the_rendered_configuration_is_one_that_the_operator_reads() {
    let objects = render(&[
        "config.servers.postgres[0].tls=verify-full",
        "config.servers.postgres[0].caSecret=postgres-ca",
        "config.defaults.placement.postgres=main",
    ])
    .unwrap();
    let text = chart::configuration(&objects);
    albatross_operator::config::OperatorConfig::parse(text).unwrap();
}

#[test]
fn a_ca_that_nothing_is_checked_by_is_refused() {
    let ca = "config.servers.postgres[0].caSecret=postgres-ca";
    for settings in [&[ca][..], &[ca, "config.servers.postgres[0].tls=require"]] {
        let error = render(settings).unwrap_err();
        assert!(error.contains("/config/servers/postgres/0"), "{error}");
    }
    for (kind, server, is_checked) in [
        ("redis", &["url=redis://h:1"][..], false),
        ("redis", &["url=rediss://h:1"], true),
        (
            "rabbitmq",
            &["amqp=amqp://h:1", "management=http://h:2"],
            false,
        ),
        (
            "rabbitmq",
            &["amqp=amqps://h:1", "management=http://h:2"],
            true,
        ),
        (
            "rabbitmq",
            &["amqp=amqp://h:1", "management=https://h:2"],
            true,
        ),
    ] {
        let others = [
            "name=main",
            "adminSecret=a",
            "caSecret=ca",
            "egress.cidrs[0]=192.0.2.2/32",
        ];
        let settings = server.iter().chain(&others);
        let settings = settings.map(|it| format!("config.servers.{kind}[0].{it}"));
        let settings: Vec<String> = settings.collect();
        let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
        match render(&settings) {
            Ok(objects) => {
                assert!(is_checked, "{settings:?}");
                let text = chart::configuration(&objects);
                albatross_operator::config::OperatorConfig::parse(text).unwrap();
            }
            Err(error) => {
                assert!(!is_checked, "{settings:?}: {error}");
                let place = format!("/config/servers/{kind}/0");
                assert!(error.contains(&place), "{error}");
            }
        }
    }
}

#[test]
fn an_admin_of_the_platform_has_an_address_and_a_name() {
    let long = format!("{}@c.example", "a".repeat(65));
    for (email, name, is_taken) in [
        ("ada.lovelace+ops@SkyWays.example", "Ada Lovelace", true),
        ("admin@localhost", "Ada", true),
        ("ada", "Ada", false),
        ("a@b@c.example", "Ada", false),
        ("a..b@c.example", "Ada", false),
        (".a@c.example", "Ada", false),
        ("ada@c_d.example", "Ada", false),
        ("ada@-c.example", "Ada", false),
        ("ada@1.2.3.4", "Ada", false),
        (long.as_str(), "Ada", false),
        ("ada@c.example", " Ada", false),
        ("ada@c.example", "Ada\tLovelace", false),
        ("ada@c.example", "Ada\u{202e}", false),
    ] {
        let admins = json!([{"email": email, "displayName": name}]);
        let mut values: Value = serde_json::from_str(VALUES).unwrap();
        values["config"]["platformAdmins"] = admins.clone();
        let rendered = chart::render(&values, &[]);
        assert_eq!(rendered.is_ok(), is_taken, "{email}, {name:?}");
        let objects = render(&[]).unwrap();
        let text = chart::configuration(&objects);
        let mut configuration: Value = serde_yaml_ng::from_str(text).unwrap();
        configuration["platformAdmins"] = admins;
        let read = albatross_operator::config::OperatorConfig::parse(&configuration.to_string());
        assert_eq!(read.is_ok(), is_taken, "{email}, {name:?}");
    }
}

#[test]
fn nobody_lets_two_operators_act() {
    for value in ["true", "false"] {
        let setting = format!("config.leaderElection.enabled={value}");
        let error = render(&[&setting]).unwrap_err();
        assert!(error.contains("/config/leaderElection"), "{error}");
    }
}

#[test]
fn a_misspelt_value_is_refused_by_name() {
    let error = render(&["config.servers.postgres[0].prot=1"]).unwrap_err();
    assert!(
        error.contains("/config/servers/postgres/0") && error.contains("prot"),
        "{error}"
    );
}

/// Settings of a Redis server, and what is said against them.
#[test]
fn the_operator_has_an_account_on_redis_unless_others_make_the_users() {
    let redis = |setting: &str| format!("config.servers.redis[0].{setting}");
    let server = [
        "name=main",
        "url=rediss://cache:6380",
        "egress.cidrs[0]=192.0.2.2/32",
    ];
    for (accounts, refused) in [
        (&["adminSecret=redis"][..], None),
        (&["adminSecret=redis", "acl=none"], None),
        (&["acl=external"], None),
        (&["adminSecret=redis", "acl=external"], Some("adminSecret")),
        (&["acl=managed"], Some("adminSecret")),
        (&[], Some("adminSecret")),
        (&["acl=somebody"], Some("external")),
    ] {
        let settings: Vec<String> = server.iter().chain(accounts).map(|it| redis(it)).collect();
        let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
        match (render(&settings), refused) {
            (Ok(objects), None) => {
                let text = chart::configuration(&objects);
                albatross_operator::config::OperatorConfig::parse(text).unwrap();
            }
            (Err(error), Some(field)) => assert!(error.contains(field), "{accounts:?}: {error}"),
            (answer, _) => panic!("{accounts:?}: {:?}", answer.map(drop)),
        }
    }
}

#[test]
fn a_release_without_postgresql_is_refused() {
    let error = helm(&["template", "albatross", CHART]).unwrap_err();
    assert!(
        error.contains("at least one PostgreSQL server is needed"),
        "{error}"
    );
}

#[test]
fn the_linter_finds_nothing() {
    helm(&["lint", "--strict", CHART]).unwrap();
}
