//! The operator's port: declares the airline, and answers to its token alone.

use serde_json::json;

use crate::stack::{Call, Stack, TOKEN, URL, generous};

#[tokio::test]
async fn only_the_operators_token_opens_it() {
    let stack = Stack::undeclared(generous()).await;
    let path = "/internal/v1/desired";
    for call in [
        Call::get(path),
        Call::get(path).bearer("wrong"),
        Call::get(path).bearer(""),
        Call::get(path).bearer(&TOKEN[..5]),
        Call::get(path).header("x-api-key", TOKEN),
        Call::get("/internal/v1/other"),
    ] {
        assert_eq!(stack.ask_internal(call).await.status, 401);
    }
    let early = stack.ask_internal(Call::get(path).bearer(TOKEN)).await;
    assert_eq!(early.status, 404, "{early:?}");
    let outside = stack.ask(Call::get(path).bearer(TOKEN)).await;
    assert_eq!(outside.status, 404, "the public port knows nothing of it");
    let elsewhere = Call::get("/api/v1/me").bearer(TOKEN);
    assert_eq!(stack.ask_internal(elsewhere).await.status, 404);
}

#[tokio::test]
async fn a_state_is_applied_as_often_as_it_comes_and_never_goes_back() {
    let stack = Stack::undeclared(generous()).await;
    let first = stack.declare(json!({"number": 7})).await;
    assert_eq!(first.status, 200, "{first:?}");
    assert_eq!(first.body["number"], 7);
    assert_eq!(first.body["admins"].as_array().unwrap().len(), 2);
    assert_eq!(first.body["admins"][0]["hasLoggedIn"], false);
    let again = stack.declare(json!({"number": 7})).await;
    assert_eq!(again.body, first.body);
    let outdated = stack.declare(json!({"number": 6})).await;
    assert_eq!(
        (outdated.status.as_u16(), outdated.problem()),
        (409, "outdated")
    );
    assert_eq!(outdated.body["applied"], 7);
    stack.tenant_admin().await;
    let now = stack
        .ask_internal(Call::get("/internal/v1/desired").bearer(TOKEN))
        .await;
    assert_eq!(now.body["admins"][0]["hasLoggedIn"], true, "{now:?}");
}

#[tokio::test]
async fn a_wrong_state_is_named_by_pointer() {
    let stack = Stack::undeclared(generous()).await;
    for (more, pointer) in [
        (json!({"number": "seven"}), "/number"),
        (json!({"number": -1}), "/number"),
        (
            json!({"tenant": {"displayName": "X", "icaoCode": "SKY"}}),
            "/tenant/publicUrl",
        ),
        (
            json!({"admins": [{"email": "a@b.example", "displayName": "A", "role": "Pilot"}]}),
            "/admins/0/role",
        ),
        (
            json!({"apiKeys": [{"keyId": "short", "digest": "", "machineUser": "m", "scopes": ["review"]}]}),
            "/apiKeys/0/keyId",
        ),
        (
            json!({"apiKeys": [{"keyId": "0123456789ab", "digest": "x", "machineUser": "m", "scopes": ["fly"]}]}),
            "/apiKeys/0/scopes/0",
        ),
    ] {
        let refused = stack.declare(more).await;
        assert_eq!(refused.status, 422, "{refused:?}");
        assert_eq!(refused.body["errors"][0]["pointer"], pointer, "{refused:?}");
    }
    let call = Call::new("PUT", "/internal/v1/desired").bearer(TOKEN);
    assert_eq!(stack.ask_internal(call.text("{")).await.status, 400);
}

#[tokio::test]
async fn a_declared_key_opens_what_it_declares_until_it_is_gone() {
    let stack = Stack::undeclared(generous()).await;
    let fixture: serde_json::Value =
        serde_json::from_str(include_str!("../../../tests/fixtures/key-format.json")).unwrap();
    let key = fixture["apiKey"].as_str().unwrap();
    let declared = json!([{
        "keyId": fixture["apiKeyId"], "digest": fixture["apiKeyDigest"], "user": null,
        "machineUser": "airline-clients/skyways-acars", "scopes": ["pireps:read", "pireps:write"],
        "expiresAt": null, "revoked": false,
    }]);
    let with = stack
        .declare(json!({"number": 1, "apiKeys": declared}))
        .await;
    assert_eq!(with.body["apiKeys"][0]["state"], "Active", "{with:?}");
    let list = stack.ask(Call::get("/api/v1/pireps").key(key)).await;
    assert_eq!(list.status, 200, "{list:?}");
    let without = stack.declare(json!({"number": 2, "apiKeys": []})).await;
    assert_eq!(without.status, 200, "{without:?}");
    assert_eq!(
        stack.ask(Call::get("/api/v1/pireps").key(key)).await.status,
        401
    );
    assert_eq!(
        stack.ask(Call::get("/").header("origin", URL)).await.status,
        200
    );
}

#[tokio::test]
async fn a_flight_is_airborne_until_it_is_submitted() {
    let stack = Stack::new().await;
    let pilot = stack.pilot("amelia").await;
    let airborne = async || {
        let call = Call::get("/internal/v1/airborne").bearer(TOKEN);
        stack.ask_internal(call).await.body
    };
    assert_eq!(airborne().await, json!({"flights": 0}));
    let flights = [stack.flight(&pilot).await, stack.flight(&pilot).await];
    assert_eq!(airborne().await, json!({"flights": 2}));
    let steps = [
        ("pause", json!({}), 2),
        ("submit", json!({"report": {"flightTimeMin": 180}}), 1),
    ];
    for ((step, body, left), flight) in steps.into_iter().zip(&flights) {
        let call = Call::new("POST", &format!("{flight}/{step}"));
        let done = stack.ask(call.by(&pilot).named().json(body)).await;
        assert_eq!(done.status, 200, "{done:?}");
        assert_eq!(airborne().await, json!({"flights": left}), "after {step}");
    }
}

#[tokio::test]
async fn whoever_is_erased_is_listed_and_changes_the_digest_of_the_answer() {
    let stack = Stack::new().await;
    let admin = stack.tenant_admin().await;
    let ask = async |path: &str| stack.ask_internal(Call::get(path).bearer(TOKEN)).await;
    let digest = async || stack.declare(json!({})).await.body["erasedDigest"].clone();
    let mut digests = vec![digest().await];
    assert_eq!(digests[0], "");
    let mut erased = Vec::new();
    for name in ["amelia", "bessie"] {
        let pilot = stack.pilot(name).await;
        assert_eq!(&digest().await, digests.last().unwrap());
        let erase = Call::new("POST", &format!("/api/v1/users/{}/erase", pilot.id));
        let answer = stack.ask(erase.by(&admin).json(json!({}))).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let changed = digest().await;
        assert!(!digests.contains(&changed), "{changed} in {digests:?}");
        digests.push(changed);
        erased.push(pilot.id);
    }
    erased.sort();
    let path = "/internal/v1/erased";
    let all = ask(path).await;
    assert_eq!(all.body, json!({"items": erased, "next": null}));
    let second = ask(&format!("{path}?after={}", erased[0])).await;
    assert_eq!(second.body, json!({"items": [erased[1]], "next": null}));
    for wrong in ["after=x", "before=1"] {
        assert_eq!(ask(&format!("{path}?{wrong}")).await.status, 422, "{wrong}");
    }
}
