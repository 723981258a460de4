//! Nothing to do: what a reconciliation writes then, and what is asked while nobody changes anything.

use std::time::Duration;

use albatross_tests::bench::table::{Bar, Table};
use albatross_tests::wait::until;
use k8s_openapi::api::core::v1::Service;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::json;

use crate::fleet::Fleet;

const IDLE: Duration = Duration::from_secs(120);

pub async fn measure(table: &mut Table, fleet: &mut Fleet<'_>) {
    fleet.settled().await;
    fleet.log.take();
    let before = fleet.operator().reconciliations().await;
    touch(fleet).await;
    until("the Tenant is reconciled", async || {
        fleet.operator().reconciliations().await > before
    })
    .await;
    fleet.settled().await;
    let writes = fleet.log.take().writes as f64;
    let what = "writes of a reconciliation with nothing to do";
    table.figure(what, writes, "writes", Bar::AtMost(0.0));
    eprintln!("idle for {IDLE:?}");
    tokio::time::sleep(IDLE).await;
    let asked = fleet.log.take();
    asked.tell();
    let what = format!("idle with {} tenants: requests a minute", fleet.names.len());
    let a_minute = asked.requests as f64 / (IDLE.as_secs_f64() / 60.0);
    table.figure(&what, a_minute, "requests", Bar::AtMost(10.0));
}

/// A change that is nobody's drift.
async fn touch(fleet: &Fleet<'_>) {
    let namespace = albatross_crds::tenant_namespace(&fleet.names[0]);
    let api: Api<Service> = Api::namespaced(fleet.platform.client.clone(), &namespace);
    let change = json!({"metadata": {"annotations": {"bench.example/touched": "yes"}}});
    let parameters = PatchParams::default();
    let touched = api.patch("api", &parameters, &Patch::Merge(&change)).await;
    touched.unwrap();
}
