//! Review rules over REST: read, changed by their version, tried out, and what they say of a flight.

use std::time::Duration;

use rstest::rstest;
use serde_json::{Value, json};

use crate::stack::{Call, Person, Stack};

const RULES: &str = "/api/v1/rules";

fn landing() -> Value {
    json!({"rule": "maxLandingRate", "mostFpm": 600, "otherwise": "reject"})
}

fn put(who: &Person, version: i32, rules: Value) -> Call {
    let call = Call::new("PUT", RULES).by(who);
    call.header("if-match", &format!("\"{version}\""))
        .json(json!({"rules": rules}))
}

#[tokio::test]
async fn rules_are_replaced_by_whoever_has_seen_them() {
    let stack = Stack::new().await;
    let admin = stack.tenant_admin().await;
    let read = stack.ask(Call::get(RULES).by(&admin)).await;
    assert_eq!(read.etag(), "\"0\"");
    assert_eq!(read.body, json!({"version": 0, "rules": []}));

    let unseen = Call::new("PUT", RULES).by(&admin);
    let unseen = stack.ask(unseen.json(json!({"rules": []}))).await;
    assert_eq!(
        (unseen.status.as_u16(), unseen.problem()),
        (428, "version-required")
    );

    let all = json!([
        {"rule": "minBlockTime", "leastMin": 20, "otherwise": "hold"},
        landing(),
        {"rule": "distanceRatio", "leastPercent": 95, "mostPercent": 140, "otherwise": "hold"},
        {"rule": "aircraftTypes", "types": ["B744", "A320"], "otherwise": "reject"},
        {"rule": "maxTrackGap", "mostS": 300, "otherwise": "hold"},
        {"rule": "autoAccept"},
    ]);
    let changed = stack.ask(put(&admin, 0, all.clone())).await;
    assert_eq!(changed.status, 200, "{changed:?}");
    assert_eq!(changed.etag(), "\"1\"");
    assert_eq!(changed.body, json!({"version": 1, "rules": all}));
    let read = stack.ask(Call::get(RULES).by(&admin)).await;
    assert_eq!(read.body, changed.body);

    let stale = stack.ask(put(&admin, 0, json!([]))).await;
    assert_eq!(
        (stale.status.as_u16(), stale.problem()),
        (412, "version-stale")
    );
    let none = stack.ask(put(&admin, 1, json!([]))).await;
    assert_eq!(none.body, json!({"version": 2, "rules": []}));
}

#[rstest]
#[case(json!([{"rule": "noSuch"}]), "/rules/0/rule", "invalid")]
#[case(json!([{"otherwise": "hold"}]), "/rules/0/rule", "missing")]
#[case(json!([{"rule": "autoAccept"}, {"rule": "minBlockTime", "otherwise": "hold"}]), "/rules/1/leastMin", "missing")]
#[case(json!([{"rule": "minBlockTime", "leastMin": 20}]), "/rules/0/otherwise", "missing")]
#[case(json!([{"rule": "minBlockTime", "leastMin": "20", "otherwise": "hold"}]), "/rules/0/leastMin", "invalid")]
#[case(json!([{"rule": "minBlockTime", "leastMin": 20, "mostS": 1, "otherwise": "hold"}]), "/rules/0/mostS", "unknown")]
#[case(json!([{"rule": "autoAccept", "otherwise": "hold"}]), "/rules/0/otherwise", "unknown")]
#[case(json!([{"rule": "autoAccept", "atOnce": true}]), "/rules/0/atOnce", "unknown")]
#[case(json!([{"rule": "minBlockTime", "leastMin": -1, "otherwise": "hold"}]), "/rules/0/leastMin", "out-of-range")]
#[case(json!([{"rule": "minBlockTime", "leastMin": 20, "otherwise": "accept"}]), "/rules/0/otherwise", "not-an-objection")]
#[case(json!([{"rule": "aircraftTypes", "types": [], "otherwise": "hold"}]), "/rules/0/types", "out-of-range")]
#[case(json!([landing(), landing()]), "/rules/1", "duplicate")]
#[case(json!([{"rule": "rankAutoAccept"}]), "/rules/0/leastRank", "missing")]
#[case(json!([{"rule": "rankAutoAccept", "leastRank": "Chief"}]), "/rules/0/leastRank", "unknown")]
#[case(json!([{"rule": "autoAccept", "leastRank": "Chief"}]), "/rules/0/leastRank", "unknown")]
#[tokio::test]
async fn wrong_rules_are_named_by_pointer(
    #[case] rules: Value,
    #[case] pointer: &str,
    #[case] code: &str,
) {
    let stack = Stack::new().await;
    let admin = stack.tenant_admin().await;
    let tried = Call::new("POST", "/api/v1/rules/dry-run").by(&admin);
    let tried = tried.json(json!({"rules": rules}));
    for call in [put(&admin, 0, rules), tried] {
        let wrong = stack.ask(call).await;
        assert_eq!(wrong.status, 422, "{wrong:?}");
        let error = &wrong.body["errors"][0];
        assert_eq!(
            (&error["pointer"], &error["code"]),
            (&json!(pointer), &json!(code))
        );
    }
}

#[tokio::test]
async fn what_rules_find_is_shown_with_the_flight_and_can_be_tried_out_before() {
    let stack = Stack::new().await;
    let (admin, pilot) = (stack.tenant_admin().await, stack.pilot("amelia").await);
    let rules = json!([{"rule": "minBlockTime", "leastMin": 240, "otherwise": "reject"}]);
    let set = stack.ask(put(&admin, 0, rules)).await;
    let (path, _) = stack.submitted(&pilot).await;
    let rejected = async {
        loop {
            let read = stack.ask(Call::get(&path).by(&pilot)).await;
            if read.body["state"] == "Rejected" {
                return read.body;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let rejected = tokio::time::timeout(Duration::from_secs(30), rejected);
    let pirep = rejected.await.unwrap();
    let finding = json!({
        "rule": "minBlockTime", "answer": "reject", "measured": "210 min", "limit": "at least 240 min",
    });
    let review = json!({"rulesVersion": 1, "answer": "reject", "findings": [finding]});
    assert_eq!(pirep["review"], review, "{set:?}");
    assert_eq!(pirep["decision"]["by"], Value::Null);
    assert_eq!(pirep["decision"]["credit"], "none");
    let history = stack
        .ask(Call::get(&format!("{path}/history")).by(&pilot))
        .await;
    let items = history.body["items"].as_array().unwrap();
    let reviewed = items.iter().find(|it| it["event"] == "Reviewed").unwrap();
    assert_eq!(reviewed["actor"]["kind"], "system");

    let tried = Call::new("POST", "/api/v1/rules/dry-run").by(&admin);
    let rules = json!([{"rule": "minBlockTime", "leastMin": 200, "otherwise": "hold"}, {"rule": "autoAccept"}]);
    let tried = stack
        .ask(tried.json(json!({"rules": rules, "flights": 500})))
        .await;
    assert_eq!(tried.status, 200, "{tried:?}");
    let counts = json!({"flights": 1, "accept": 1, "hold": 0, "reject": 0, "differ": 1});
    assert_eq!(tried.body["counts"], counts);
    let flight = &tried.body["flights"][0];
    assert_eq!(flight["id"], pirep["id"]);
    assert_eq!(
        (&flight["state"], &flight["answer"]),
        (&json!("Rejected"), &json!("accept"))
    );
    assert_eq!(
        (&flight["differs"], &flight["findings"][0]["measured"]),
        (&json!(true), &json!("210 min"))
    );
    let read = stack.ask(Call::get(RULES).by(&admin)).await;
    assert_eq!(read.etag(), "\"1\"");
}
