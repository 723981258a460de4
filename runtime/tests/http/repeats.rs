//! Repeats: the same request takes effect once.

use serde_json::json;

use crate::stack::{Call, Stack, plan};

#[tokio::test]
async fn a_named_request_takes_effect_once() {
    let stack = Stack::new().await;
    let (pilot, other) = (stack.pilot("amelia").await, stack.pilot("bob").await);
    let file = |who| Call::new("POST", "/api/v1/pireps").by(who);
    let unnamed = stack.ask(file(&pilot).json(plan())).await;
    assert_eq!(
        (unnamed.status.as_u16(), unnamed.problem()),
        (400, "idempotency-key-missing")
    );

    let named = |who| file(who).header("idempotency-key", "first");
    let first = stack.ask(named(&pilot).json(plan())).await;
    assert_eq!(first.status, 201, "{first:?}");
    let again = stack.ask(named(&pilot).json(plan())).await;
    assert_eq!(again.status, 201, "{again:?}");
    assert_eq!(again.body["id"], first.body["id"]);
    assert_eq!(again.etag(), first.etag());

    let mut changed = plan();
    changed["remarks"] = json!("another body");
    let reused = stack.ask(named(&pilot).json(changed)).await;
    assert_eq!(
        (reused.status.as_u16(), reused.problem()),
        (422, "idempotency-key-reused")
    );
    let others = stack.ask(named(&other).json(plan())).await;
    assert_eq!(others.status, 201);
    assert_ne!(others.body["id"], first.body["id"]);
}

#[tokio::test]
async fn a_repeat_is_answered_as_it_was_even_after_more_has_happened() {
    let stack = Stack::new().await;
    let pilot = stack.pilot("amelia").await;
    let path = stack.flight(&pilot).await;
    let submit = || {
        let call = Call::new("POST", &format!("{path}/submit")).by(&pilot);
        let call = call.header("idempotency-key", "submit");
        call.json(json!({"report": {"blockTimeMin": 60}}))
    };
    let first = stack.ask(submit()).await;
    assert_eq!(first.status, 200, "{first:?}");
    let cancel = Call::new("POST", &format!("{path}/cancel"))
        .by(&pilot)
        .json(json!({}));
    assert_eq!(stack.ask(cancel).await.body["state"], "Cancelled");
    let again = stack.ask(submit()).await;
    assert_eq!(again.status, 200, "{again:?}");
    assert_eq!(again.body["state"], "Submitted");
    assert_eq!(again.etag(), first.etag());
}

#[tokio::test]
async fn a_secret_is_not_given_a_second_time() {
    let stack = Stack::new().await;
    let admin = stack.tenant_admin().await;
    let keys = format!("/api/v1/users/{}/apikeys", admin.id);
    let issue = || {
        let call = Call::new("POST", &keys)
            .by(&admin)
            .header("idempotency-key", "key");
        call.json(json!({"name": "mine", "scopes": ["review"]}))
    };
    assert_eq!(stack.ask(issue()).await.status, 201);
    let again = stack.ask(issue()).await;
    assert_eq!(
        (again.status.as_u16(), again.problem()),
        (409, "already-issued")
    );
    let list = stack.ask(Call::get(&keys).by(&admin)).await;
    assert_eq!(list.body["items"].as_array().unwrap().len(), 1);

    let invite = || {
        let call = Call::new("POST", "/api/v1/users")
            .by(&admin)
            .header("idempotency-key", "user");
        call.json(json!({"email": "new@skyways.example", "displayName": "New"}))
    };
    assert_eq!(stack.ask(invite()).await.status, 201);
    assert_eq!(stack.ask(invite()).await.problem(), "already-issued");
}

#[tokio::test]
async fn a_flight_that_was_put_by_name_is_answered_as_it_was_put() {
    let stack = Stack::new().await;
    let pilot = stack.pilot("amelia").await;
    let path = format!("/api/v1/pireps/{}", uuid::Uuid::new_v4());
    let put = |name| {
        let call = Call::new("PUT", &path).by(&pilot);
        call.header("idempotency-key", name).json(plan())
    };
    let first = stack.ask(put("first")).await;
    assert_eq!(first.status, 201, "{first:?}");
    // Another request that finds it as it is wanted has created nothing, as often as it is asked.
    for _ in 0..2 {
        let found = stack.ask(put("second")).await;
        assert_eq!((found.status.as_u16(), found.etag()), (200, first.etag()));
    }
    let submit = Call::new("POST", &format!("{path}/submit")).by(&pilot);
    let submitted = stack.ask(submit.named().json(json!({}))).await;
    assert_eq!(submitted.body["state"], "Submitted", "{submitted:?}");
    let again = stack.ask(put("first")).await;
    assert_eq!((again.status, &again.body), (first.status, &first.body));
    assert_eq!(again.etag(), first.etag());
    assert_eq!(again.position(), first.position());
    assert_eq!(again.headers["location"], path.as_str());
}

#[tokio::test]
async fn the_same_put_changes_nothing_and_another_changes_the_plan() {
    let stack = Stack::new().await;
    let pilot = stack.pilot("amelia").await;
    let path = format!("/api/v1/pireps/{}", uuid::Uuid::new_v4());
    let mut body = plan();
    body["source"] = json!({"kind": "Manual"});
    let put = |body: &serde_json::Value| Call::new("PUT", &path).by(&pilot).json(body.clone());
    let first = stack.ask(put(&body)).await;
    assert_eq!(first.status, 201, "{first:?}");
    let again = stack.ask(put(&body)).await;
    assert_eq!((again.status.as_u16(), again.etag()), (200, first.etag()));
    body["plan"]["arrival"] = json!("LLOV");
    let changed = stack.ask(put(&body)).await;
    assert_eq!(changed.status, 200, "{changed:?}");
    assert_eq!(changed.body["plan"]["arrival"], "LLOV");
    assert_ne!(changed.etag(), first.etag());
}
