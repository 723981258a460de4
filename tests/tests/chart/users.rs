//! What people may do with Tenants and ApiKeys: whoever may view, edit or administer a namespace, and the platform team.

use std::collections::BTreeSet;

use albatross_tests::api_server::api_server;
use albatross_tests::can_i::may;
use albatross_tests::wait::until;
use k8s_openapi::api::rbac::v1::{ClusterRoleBinding, RoleBinding};
use kube::api::PostParams;
use kube::{Api, Client};
use serde_json::{Value, json};

use crate::rights::{USERS, VERBS};
use crate::{create_namespace, installed};

const HOME: &str = "users";

#[tokio::test]
async fn people_may_do_what_their_role_says_and_nothing_more() {
    let admin = installed().await;
    create_namespace(&admin, &json!({"metadata": {"name": HOME}}))
        .await
        .unwrap();
    // It adds what the chart's roles grant to Kubernetes' own.
    let _aggregation = api_server()
        .await
        .controller("clusterrole-aggregation-controller");
    for (user, role) in [("viewer", "view"), ("editor", "edit"), ("admin", "admin")] {
        bind(&admin, user, role).await;
    }
    bind_in_the_cluster(&admin, "platform", "albatross-admin").await;
    for user in ["viewer", "editor", "admin", "platform"] {
        let client = api_server().await.client_as(user);
        let get = format!("get apikeys.albatross.aero {HOME} -");
        until("the role is in force", async || may(&client, &get).await).await;
        let everywhere = user == "platform";
        assert_eq!(
            may(&client, "get apikeys.albatross.aero default -").await,
            everywhere,
            "{user}"
        );
    }
    for (user, resource, verbs) in USERS {
        let client = api_server().await.client_as(user);
        let mut granted = BTreeSet::new();
        for verb in VERBS {
            if may(&client, &format!("{verb} {resource} {HOME} -")).await {
                granted.insert(verb);
            }
        }
        assert_eq!(
            granted,
            verbs.split_whitespace().collect(),
            "{user}: {resource}"
        );
    }
}

async fn bind(admin: &Client, user: &str, role: &str) {
    let binding: RoleBinding = serde_json::from_value(binding("RoleBinding", user, role)).unwrap();
    let bindings = Api::namespaced(admin.clone(), HOME);
    bindings
        .create(&PostParams::default(), &binding)
        .await
        .unwrap();
}

async fn bind_in_the_cluster(admin: &Client, user: &str, role: &str) {
    let binding = binding("ClusterRoleBinding", user, role);
    let binding: ClusterRoleBinding = serde_json::from_value(binding).unwrap();
    let bindings = Api::all(admin.clone());
    bindings
        .create(&PostParams::default(), &binding)
        .await
        .unwrap();
}

fn binding(kind: &str, user: &str, role: &str) -> Value {
    let group = "rbac.authorization.k8s.io";
    json!({
        "apiVersion": format!("{group}/v1"), "kind": kind, "metadata": {"name": user},
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": role},
        "subjects": [{"apiGroup": group, "kind": "User", "name": user}],
    })
}
