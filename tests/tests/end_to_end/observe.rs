//! An airline whose pods go on while it is only observed.

use albatross_tests::wait::recovered;
use serde_json::{Value, json};

use crate::airline::Airline;

/// What is planned for the Deployment `api`.
fn planned(tenant: &Value) -> Option<&Value> {
    let plan = tenant["status"]["plan"].as_array()?;
    plan.iter()
        .find(|change| change["kind"] == "Deployment" && change["name"] == "api")
}

fn memory(deployment: &Value) -> &Value {
    let container = &deployment["spec"]["template"]["spec"]["containers"][0];
    &container["resources"]["requests"]["memory"]
}

#[tokio::test]
async fn what_is_declared_meanwhile_reaches_no_pod_until_it_is_applied() {
    let airline = Airline::declared_like("skyways");
    airline.change(json!({"mode": "Observe"}));
    airline.is_ready("Available").await;
    let (pods, before) = (airline.pods(), airline.deployment());
    assert_eq!(pods.len(), 1);

    let requests = json!({"cpu": "20m", "memory": "56Mi"});
    airline.change(json!({"api": {"replicas": 2, "resources": {"requests": requests}}}));
    airline.comes_to("Ready", "False", "Observing").await;
    let tenant = airline.tenant();
    let change = planned(&tenant).unwrap_or_else(|| panic!("{} is planned", tenant["status"]));
    assert_eq!(change["action"], "Change");
    let fields = change["fields"].to_string();
    assert!(
        fields.contains("spec.replicas") && fields.contains("memory"),
        "{fields}"
    );
    assert_eq!(airline.deployment()["spec"], before["spec"]);
    assert_eq!(airline.pods(), pods);
    let id = airline.file_a_flight().await;
    assert_eq!(
        airline.client().get(&format!("/pireps/{id}")).await["id"],
        id
    );

    airline.change(json!({"mode": "Apply"}));
    airline.is_ready("Available").await;
    assert_eq!(planned(&airline.tenant()), None);
    recovered("no pod is left of before", async || {
        let now = airline.pods();
        now.len() == 2 && now.is_disjoint(&pods)
    })
    .await;
    assert_eq!(memory(&airline.deployment()), "56Mi");
    airline.remove();
}
