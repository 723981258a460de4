//! API keys: issued once, used in either header, revoked at once.

use serde_json::json;

use crate::stack::{Call, Stack};

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
