//! What git holds and what the cluster has: the same, whatever the operator has done meanwhile.

use std::process::{Command, Output};

use albatross_tests::api_server::programs;
use albatross_tests::platform::Platform;
use serde_json::json;

const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/");
const TENANTS: [&str; 2] = ["skyways", "nordwind"];

pub fn kubectl(platform: &Platform, arguments: &[&str]) -> Output {
    Command::new(format!("{}/kubectl", programs().unwrap()))
        .args(arguments)
        .env("KUBECONFIG", platform.api_server.kubeconfig())
        .output()
        .unwrap()
}

#[tokio::test]
async fn every_example_is_applied_again_without_a_difference_or_a_conflict() {
    let platform = Platform::new().await;
    let operator = platform.operator().await;
    let apply = ["apply", "--server-side", "--filename", EXAMPLES];
    let diff = ["diff", "--server-side", "--filename", EXAMPLES];
    let applied = kubectl(&platform, &apply);
    assert!(applied.status.success(), "{applied:?}");
    for tenant in TENANTS {
        platform.ready(tenant).await;
    }
    for tenant in TENANTS {
        platform
            .key_comes_to(&format!("{tenant}-acars"), "True", "Available")
            .await;
    }
    // What the examples leave out is for others to say.
    let scale = ["scale", "tenant/skyways", "--replicas=2"];
    let scaled = kubectl(&platform, &scale);
    assert!(scaled.status.success(), "{scaled:?}");
    platform.ready("skyways").await;
    for step in [&diff, &apply, &diff] {
        let output = kubectl(&platform, step);
        assert!(output.status.success(), "{step:?}: {output:?}");
        assert!(step[0] != "diff" || output.stdout.is_empty(), "{output:?}");
    }
    let replicas = platform.tenant("skyways").await.unwrap().spec.api.replicas;
    assert_eq!(replicas, 2);
    for tenant in TENANTS {
        platform.remove_key(&format!("{tenant}-acars")).await;
        let dropped = json!({"deletionPolicy": "Delete"});
        platform.change(tenant, dropped).await;
        platform.remove(tenant).await;
    }
    operator.stop().await;
}
