//! What the operator and the runtime say to each other, the real one of both.

use std::sync::Arc;

use albatross::adapters::migrate;
use albatross_operator::context::runtime::{
    Answer, Desired, DesiredLimits, DesiredState, DesiredTenant, RuntimeClient, RuntimeError,
};
use albatross_tests::parts::TENANT_ID;
use albatross_tests::platform::Platform;
use albatross_tests::servers::servers;
use albatross_tests::wait::until;
use secrecy::SecretString;
use serde_json::json;

use crate::serving::{Serving, TOKEN};

#[tokio::test]
async fn a_runtime_refuses_an_older_state_and_says_which_it_has() {
    let database = servers().await.database().await;
    migrate(&database.url).await.unwrap();
    let mut serving = Serving::start(&database, &[]);
    serving.answers_ready(200).await;
    let base = serving.internal.clone();

    let answer = tell(&base, 7).await.unwrap();
    assert_eq!(
        (answer.number, &answer.tenant_id),
        (7, &TENANT_ID.to_string())
    );
    assert_eq!(tell(&base, 7).await.unwrap(), answer);
    let older = tell(&base, 6).await;
    assert_eq!(older, Err(RuntimeError::Stale { applied: 7 }));
    let client = RuntimeClient::new(Arc::default()).unwrap();
    let airborne = client.airborne(&base, &SecretString::from(TOKEN)).await;
    assert_eq!(airborne, Ok(0));
    serving.process.interrupt().await;
}

pub async fn tell(base: &str, number: u64) -> Result<Answer, RuntimeError> {
    let tenant = DesiredTenant {
        display_name: "Skyways".to_owned(),
        icao_code: "SKY".to_owned(),
        public_url: "http://skyways.example".to_owned(),
        limits: DesiredLimits::default(),
    };
    let state = DesiredState {
        tenant,
        admins: Vec::new(),
        api_keys: Vec::new(),
        kept_api_keys: Vec::new(),
    };
    let client = RuntimeClient::new(Arc::default()).unwrap();
    let token = SecretString::from(TOKEN);
    client.put(base, &token, &Desired { number, state }).await
}

#[tokio::test]
async fn limits_reach_the_runtime_and_are_taken_away_again() {
    let platform = Platform::new().await;
    let operator = platform.operator().await;
    let limits = json!({"limits": {"pilots": 20, "storage": "1.5Gi"}});
    platform.airline("limited", limits).await;
    let told = || platform.runtimes.of("limited").state["tenant"]["limits"].clone();
    let all = json!({"pilots": 20, "pirepsPerDay": null, "storageBytes": 1_610_612_736});
    assert_eq!(told(), all);
    let change = json!({"limits": {"pilots": 20, "storage": null}});
    platform.change("limited", change).await;
    until("the runtime is told", async || {
        told()["storageBytes"].is_null()
    })
    .await;
    platform.remove("limited").await;
    operator.stop().await;
}

#[tokio::test]
async fn a_record_from_a_backup_goes_on_counting_from_where_the_runtime_is() {
    let platform = Platform::new().await;
    let operator = platform.operator().await;
    platform.airline("restored", json!({})).await;
    platform
        .runtimes
        .change("restored", |runtime| runtime.number = 1000);
    let name = json!({"displayName": "Skyways again"});
    platform.change("restored", name).await;
    until("the runtime is told", async || {
        let runtime = platform.runtimes.of("restored");
        runtime.state["tenant"]["displayName"] == "Skyways again"
    })
    .await;
    assert!(platform.runtimes.of("restored").number > 1000);
    platform.ready("restored").await;
    platform.remove("restored").await;
    operator.stop().await;
}
