//! API keys: issued once, used in either header, revoked at once.

use serde_json::json;
use uuid::Uuid;

use crate::stack::{Call, Stack, plan};

#[tokio::test]
async fn a_key_works_until_it_is_revoked() {
    let stack = Stack::new().await;
    let pilot = stack.pilot("amelia").await;
    let keys = format!("/api/v1/users/{}/apikeys", pilot.id);
    let key = stack.key(&pilot, &["pireps:read"]).await;
    let me = stack.ask(Call::get("/api/v1/me").bearer(&key)).await;
    assert_eq!(me.body["scopes"], json!(["pireps:read"]), "{me:?}");
    assert_eq!(me.body["session"], json!(null));
    assert_eq!(
        stack
            .ask(Call::get("/api/v1/pireps").key(&key))
            .await
            .status,
        200
    );

    let list = stack.ask(Call::get(&keys).by(&pilot)).await;
    let listed = &list.body["items"][0];
    assert_eq!(listed["name"], "test");
    assert!(
        !list.body.to_string().contains(&key),
        "the secret is shown once only"
    );
    let one = format!("{keys}/{}", listed["id"].as_str().unwrap());
    assert_eq!(
        stack.ask(Call::new("DELETE", &one).by(&pilot)).await.status,
        204
    );
    let gone = stack.ask(Call::get("/api/v1/pireps").key(&key)).await;
    assert_eq!(
        (gone.status.as_u16(), gone.problem()),
        (401, "unauthenticated")
    );
    assert_eq!(
        stack.ask(Call::get(&keys).by(&pilot)).await.body["items"],
        json!([])
    );
    assert_eq!(
        stack.ask(Call::new("DELETE", &one).by(&pilot)).await.status,
        204
    );
}

#[tokio::test]
async fn a_wrong_key_is_refused_even_beside_a_good_cookie() {
    let stack = Stack::new().await;
    let pilot = stack.pilot("amelia").await;
    let key = stack.key(&pilot, &["pireps:read"]).await;
    let (known, last) = key.split_at(key.len() - 1);
    let typo = format!("{known}{}", if last == "x" { "y" } else { "x" });
    for wrong in [
        "",
        "x",
        "albk_",
        &typo,
        "albk_0123456789ab_0123456789abcdefghijABCDEFGHIJ4SmgVV",
    ] {
        let call = Call::get("/api/v1/me").by(&pilot).key(wrong);
        assert_eq!(stack.ask(call).await.status, 401, "{wrong}");
    }
    let basic = Call::get("/api/v1/me").header("authorization", "Basic YTpi");
    assert_eq!(stack.ask(basic).await.status, 401);
}

#[tokio::test]
async fn a_key_needs_no_origin() {
    let stack = Stack::new().await;
    let pilot = stack.pilot("amelia").await;
    let key = stack.key(&pilot, &["pireps:write"]).await;
    let call = Call::new("POST", "/api/v1/pireps").key(&key).named();
    let filed = stack.ask(call.json(crate::stack::plan())).await;
    assert_eq!(filed.status, 201, "{filed:?}");
    assert_eq!(filed.body["source"]["kind"], "Acars");
}

#[tokio::test]
async fn a_key_never_exceeds_its_owner() {
    let stack = Stack::new().await;
    let pilot = stack.pilot("amelia").await;
    let keys = format!("/api/v1/users/{}/apikeys", pilot.id);
    for (body, pointer) in [
        (json!({"name": "x", "scopes": ["everything"]}), "/scopes/0"),
        (json!({"name": "x", "scopes": []}), "/scopes"),
        (json!({"name": "", "scopes": ["pireps:read"]}), "/name"),
        (
            json!({"name": "x", "scopes": ["pireps:read"], "expiresAt": "2020-01-01T00:00:00Z"}),
            "/expiresAt",
        ),
    ] {
        let refused = stack
            .ask(Call::new("POST", &keys).by(&pilot).named().json(body))
            .await;
        assert_eq!(refused.status, 422, "{refused:?}");
        assert_eq!(refused.body["errors"][0]["pointer"], pointer, "{refused:?}");
    }
    let staff = json!({"name": "x", "scopes": ["review"]});
    let refused = stack
        .ask(Call::new("POST", &keys).by(&pilot).named().json(staff))
        .await;
    assert!([403, 422].contains(&refused.status.as_u16()), "{refused:?}");
}

#[tokio::test]
async fn a_key_that_expires_in_flight_sends_positions_and_submits_and_does_no_more() {
    let stack = Stack::new().await;
    let pilot = stack.pilot("amelia").await;
    let scopes = ["pireps:read", "pireps:write", "track:write"];
    let key = stack.hourly_key(&pilot, &scopes).await;
    let path = format!("/api/v1/pireps/{}", Uuid::new_v4());
    let filed = stack.ask(Call::new("PUT", &path).key(&key).json(plan()));
    assert_eq!(filed.await.status, 201);
    let another = stack.flight(&pilot).await;
    stack.clock.advance_hours(2);

    let post = async |path: &str, action: &str, body: serde_json::Value| {
        let call = Call::new("POST", &format!("{path}/{action}")).key(&key);
        stack.ask(call.named().json(body)).await.status.as_u16()
    };
    let batch = || {
        json!({"batchId": Uuid::new_v4(), "positions": [
            {"sequence": 0, "time": "2026-11-24T12:00:00Z", "lat": 41.8, "lon": 12.2},
        ]})
    };
    for (method, path, body) in [
        ("GET", &path, None),
        ("PUT", &path, Some(plan())),
        (
            "PUT",
            &format!("/api/v1/pireps/{}", Uuid::new_v4()),
            Some(plan()),
        ),
    ] {
        let call = Call::new(method, path).key(&key);
        let call = match body {
            Some(body) => call.json(body),
            None => call,
        };
        assert_eq!(stack.ask(call).await.status, 401, "{method} {path}");
    }
    assert_eq!(post(&path, "cancel", json!({})).await, 401);
    assert_eq!(post(&another, "positions", batch()).await, 401);
    assert_eq!(post(&path, "positions", batch()).await, 200);
    assert_eq!(post(&path, "submit", json!({})).await, 200);
    stack.clock.advance_hours(24);
    assert_eq!(post(&path, "positions", batch()).await, 401);
}
