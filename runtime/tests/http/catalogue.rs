//! The catalogue as its clients meet it.

use rstest::rstest;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::stack::{Answer, Call, Person, Stack, plan};

fn flight() -> Value {
    json!({
        "flightNumber": "ely386", "departure": "lirf", "arrival": "LLBG", "aircraftTypes": ["B744"],
        "offBlockTimeUtc": "09:35", "blockTimeMin": 210, "daysOfWeek": [5, 1],
    })
}

async fn patch(stack: &Stack, admin: &Person, path: &str, etag: &str, body: Value) -> Answer {
    let call = Call::new("PATCH", path).by(admin).header("if-match", etag);
    stack.ask(call.json(body)).await
}

#[tokio::test]
async fn a_flight_is_scheduled_changed_archived_and_restored() {
    let stack = Stack::new().await;
    let (admin, pilot) = (stack.tenant_admin().await, stack.pilot("amelia").await);
    let path = stack.added("flights", &admin, flight()).await;
    let read = stack.ask(Call::get(&path).by(&pilot)).await;
    assert_eq!(read.body["flightNumber"], "ELY386");
    assert_eq!(read.body["departure"], "LIRF");
    assert_eq!(read.body["offBlockTimeUtc"], "09:35");
    assert_eq!(read.body["daysOfWeek"], json!([1, 5]));
    assert_eq!(read.body["archivedAt"], Value::Null);
    assert_eq!(read.etag(), "\"1\"");

    let changes = json!({"blockTimeMin": null, "route": "SOSAK", "daysOfWeek": [7]});
    let changed = patch(&stack, &admin, &path, "\"1\"", changes).await;
    assert_eq!(
        (changed.status.as_u16(), changed.etag().as_str()),
        (200, "\"2\"")
    );
    assert_eq!(changed.body["blockTimeMin"], Value::Null);
    assert_eq!(changed.body["route"], "SOSAK");
    assert_eq!(changed.body["offBlockTimeUtc"], "09:35");
    assert_eq!(changed.body["daysOfWeek"], json!([7]));

    let archive = Call::new("POST", &format!("{path}/archive")).by(&admin);
    let archived = stack.ask(archive).await;
    assert_eq!(archived.status, 200, "{archived:?}");
    assert!(archived.body["archivedAt"].is_string());
    let list = |query: &str| {
        let call = Call::get(&format!("/api/v1/flights{query}")).by(&pilot);
        call.header("albatross-position", &archived.position())
    };
    let present = stack.ask(list("")).await;
    assert_eq!(present.body, json!({"items": [], "next": null}));
    let gone = stack.ask(list("?archived=true&departure=lirf")).await;
    assert_eq!(gone.body["items"].as_array().unwrap().len(), 1, "{gone:?}");
    let refused = patch(&stack, &admin, &path, "\"3\"", json!({"route": "X"})).await;
    assert_eq!(
        (refused.status.as_u16(), refused.problem()),
        (409, "illegal-transition")
    );
    assert_eq!(refused.body["allowed"], json!(["restore"]));
    let restore = Call::new("POST", &format!("{path}/restore")).by(&admin);
    let restored = stack.ask(restore).await;
    assert_eq!(restored.body["archivedAt"], Value::Null, "{restored:?}");
}

#[tokio::test]
async fn an_aircraft_is_added_once() {
    let stack = Stack::new().await;
    let admin = stack.tenant_admin().await;
    let details = json!({"registration": "4X-ELC", "aircraftType": "B744"});
    let add = || {
        let call = Call::new("POST", "/api/v1/aircraft").by(&admin);
        call.header("idempotency-key", "one").json(details.clone())
    };
    let (first, repeat) = (stack.ask(add()).await, stack.ask(add()).await);
    assert_eq!(
        (first.status.as_u16(), repeat.status.as_u16()),
        (201, 201),
        "{repeat:?}"
    );
    assert_eq!(first.body, repeat.body);
    let other = Call::new("POST", "/api/v1/aircraft").by(&admin).named();
    let other = stack.ask(other.json(details)).await;
    assert_eq!((other.status.as_u16(), other.problem()), (409, "conflict"));
    assert_eq!(other.body["code"], "taken");
}

#[tokio::test]
async fn a_change_names_the_version_that_was_seen() {
    let stack = Stack::new().await;
    let admin = stack.tenant_admin().await;
    let details = json!({"registration": "4X-ELC", "aircraftType": "B744"});
    let path = stack.added("aircraft", &admin, details).await;
    let blind = Call::new("PATCH", &path).by(&admin);
    let blind = stack.ask(blind.json(json!({"name": "Haifa"}))).await;
    assert_eq!(blind.problem(), "version-required");
    let named = patch(&stack, &admin, &path, "\"1\"", json!({"name": "Haifa"})).await;
    assert_eq!(named.body["name"], "Haifa");
    let late = patch(&stack, &admin, &path, "\"1\"", json!({"name": "Jaffa"})).await;
    assert_eq!(late.problem(), "version-stale");
    let nowhere = format!("/api/v1/aircraft/{}", Uuid::new_v4());
    let missing = patch(&stack, &admin, &nowhere, "\"1\"", json!({})).await;
    assert_eq!(missing.status, 404);
}

#[rstest]
#[case::unknown(json!({"gate": "A1"}), "/gate")]
#[case::required(json!({"flightNumber": null}), "/flightNumber")]
#[case::empty(json!({"flightNumber": " "}), "/flightNumber")]
#[case::wrong_type(json!({"blockTimeMin": "long"}), "/blockTimeMin")]
#[case::wrong_time(json!({"offBlockTimeUtc": "25:00"}), "/offBlockTimeUtc")]
#[case::wrong_day(json!({"daysOfWeek": [8]}), "/daysOfWeek")]
#[case::no_day(json!({"daysOfWeek": [300]}), "/daysOfWeek/0")]
#[case::no_airport(json!({"arrival": "Tel Aviv"}), "/arrival")]
#[case::no_object(json!([]), "")]
#[tokio::test]
async fn a_wrong_change_is_named(#[case] changes: Value, #[case] pointer: &str) {
    let stack = Stack::new().await;
    let admin = stack.tenant_admin().await;
    let path = stack.added("flights", &admin, flight()).await;
    let refused = patch(&stack, &admin, &path, "\"1\"", changes).await;
    assert_eq!(
        (refused.status.as_u16(), refused.problem()),
        (422, "validation")
    );
    assert_eq!(refused.body["errors"][0]["pointer"], pointer, "{refused:?}");
}

#[tokio::test]
async fn lists_come_in_pages() {
    let stack = Stack::new().await;
    let admin = stack.tenant_admin().await;
    for registration in ["C", "A", "B"] {
        let details = json!({"registration": registration, "aircraftType": "B744"});
        stack.added("aircraft", &admin, details).await;
    }
    let mut found = Vec::new();
    let mut query = "?limit=2".to_owned();
    loop {
        let path = format!("/api/v1/aircraft{query}");
        let page = stack.ask(Call::get(&path).by(&admin)).await;
        let items = page.body["items"].as_array().unwrap().clone();
        found.extend(items.into_iter().map(|it| it["registration"].clone()));
        let Some(next) = page.body["next"].as_str() else {
            break;
        };
        query = format!("?limit=2&cursor={next}");
    }
    assert_eq!(found, ["A", "B", "C"]);
    for wrong in ["?limit=0", "?archived=maybe", "?colour=red", "?cursor=x"] {
        let path = format!("/api/v1/aircraft{wrong}");
        let refused = stack.ask(Call::get(&path).by(&admin)).await;
        assert_eq!(refused.status, 422, "{wrong}");
    }
}

#[rstest]
#[case::ranks("ranks", json!({"name": "Cadet", "minHours": 0}), "/items/0/minHours")]
#[case::fields("pirep-fields", json!({"key": "gate", "label": "Gate", "kind": "Text"}), "/items/0/kind")]
#[tokio::test]
async fn a_list_is_replaced_by_who_has_seen_it(
    #[case] list: &str,
    #[case] item: Value,
    #[case] pointer: &str,
) {
    let stack = Stack::new().await;
    let admin = stack.tenant_admin().await;
    let path = format!("/api/v1/{list}");
    let read = stack.ask(Call::get(&path).by(&admin)).await;
    assert_eq!(read.body, json!({"items": []}));
    let set = |etag: &str, items: Value| {
        let call = Call::new("PUT", &path).by(&admin).header("if-match", etag);
        call.json(json!({ "items": items }))
    };
    let written = stack.ask(set(&read.etag(), json!([item]))).await;
    assert_eq!(written.status, 200, "{written:?}");
    for (name, value) in item.as_object().unwrap() {
        assert_eq!(written.body["items"][0][name], *value);
    }
    let seen = Call::get(&path).by(&admin);
    let seen = seen.header("albatross-position", &written.position());
    assert_eq!(stack.ask(seen).await.body, written.body);
    let late = stack.ask(set(&read.etag(), json!([]))).await;
    assert_eq!(late.problem(), "version-stale");
    let mut wrong = item.clone();
    wrong[pointer.rsplit('/').next().unwrap()] = json!(-1);
    let wrong = stack.ask(set(&written.etag(), json!([wrong]))).await;
    assert_eq!(wrong.body["errors"][0]["pointer"], pointer, "{wrong:?}");
    let blind = Call::new("PUT", &path).by(&admin);
    let blind = stack.ask(blind.json(json!({"items": []}))).await;
    assert_eq!(blind.problem(), "version-required");
}

#[tokio::test]
async fn a_report_holds_the_fields_of_its_airline() {
    let stack = Stack::new().await;
    let (admin, pilot) = (stack.tenant_admin().await, stack.pilot("amelia").await);
    let read = Call::get("/api/v1/pirep-fields").by(&admin);
    let etag = stack.ask(read).await.etag();
    let set = Call::new("PUT", "/api/v1/pirep-fields").by(&admin);
    let field =
        json!({"key": "weather", "label": "Weather", "kind": "Choice", "choices": ["CAVOK"]});
    let set = set
        .header("if-match", &etag)
        .json(json!({"items": [field]}));
    assert_eq!(stack.ask(set).await.status, 200);
    let path = format!("/api/v1/pireps/{}", Uuid::new_v4());
    let put = |fields: Value| {
        let mut body = plan();
        body["customFields"] = fields;
        Call::new("PUT", &path).by(&pilot).json(body)
    };
    let wrong = stack.ask(put(json!({"weather": "rain"}))).await;
    assert_eq!(wrong.status, 422);
    assert_eq!(
        wrong.body["errors"][0]["pointer"], "/customFields/weather",
        "{wrong:?}"
    );
    let filed = stack
        .ask(put(json!({"weather": "CAVOK", "mood": "fine"})))
        .await;
    assert_eq!(filed.status, 201, "{filed:?}");
    let held = json!({"weather": "CAVOK", "mood": "fine"});
    assert_eq!(filed.body["customFields"], held);
    assert_eq!(filed.body["warnings"][0]["pointer"], "/customFields/mood");
    assert_eq!(filed.body["warnings"][0]["code"], "unknown-field");
    let history = Call::get(&format!("{path}/history")).by(&pilot);
    let history = history.header("albatross-position", &filed.position());
    let history = stack.ask(history).await;
    let changes = history.body["items"][0]["changes"].as_array().unwrap();
    let paths: Vec<_> = changes.iter().map(|it| it["path"].clone()).collect();
    assert!(paths.contains(&json!("/customFields/weather")), "{paths:?}");
}

#[tokio::test]
async fn a_flight_is_booked_flown_and_its_bid_gone() {
    let stack = Stack::new().await;
    let (admin, pilot) = (stack.tenant_admin().await, stack.pilot("amelia").await);
    let path = stack.added("flights", &admin, flight()).await;
    let id = path.trim_start_matches("/api/v1/flights/");
    let book = || {
        let call = Call::new("POST", "/api/v1/bids").by(&pilot);
        call.json(json!({ "flight": id }))
    };
    let made = stack.ask(book()).await;
    assert_eq!(made.status, 201, "{made:?}");
    assert_eq!(made.body["flight"]["flightNumber"], "ELY386");
    let twice = stack.ask(book()).await;
    assert_eq!((twice.status.as_u16(), twice.problem()), (409, "conflict"));
    assert_eq!(twice.body["code"], "already-booked");
    let list = |position: &str| {
        let call = Call::get("/api/v1/bids").by(&pilot);
        call.header("albatross-position", position)
    };
    let listed = stack.ask(list(&made.position())).await;
    assert_eq!(listed.body, json!({"items": [made.body]}));

    let mut body = plan();
    body["bid"] = made.body["id"].clone();
    let flown = format!("/api/v1/pireps/{}", Uuid::new_v4());
    let filed = Call::new("PUT", &flown).by(&pilot).json(body);
    let filed = stack.ask(filed).await;
    assert_eq!(filed.status, 201, "{filed:?}");
    assert_eq!(filed.body["bid"], made.body["id"]);
    assert_eq!(filed.body["scheduledFlight"], id);
    // Nothing is filled in from the schedule.
    assert_eq!(filed.body["plan"]["flightNumber"], "ELY1747");
    let submit = Call::new("POST", &format!("{flown}/submit")).by(&pilot);
    let submitted = stack.ask(submit.named().json(json!({}))).await;
    assert_eq!(submitted.status, 200, "{submitted:?}");
    let listed = stack.ask(list(&submitted.position())).await;
    assert_eq!(listed.body, json!({"items": []}));

    let again = stack.ask(book()).await;
    assert_eq!(again.status, 201, "{again:?}");
    let bid = format!("/api/v1/bids/{}", again.body["id"].as_str().unwrap());
    let withdraw = || Call::new("DELETE", &bid).by(&pilot);
    assert_eq!(stack.ask(withdraw()).await.status, 204);
    assert_eq!(stack.ask(withdraw()).await.status, 404);
}

#[rstest]
#[case::unknown_flight(json!({"scheduledFlight": Uuid::nil()}), "/scheduledFlight")]
#[case::no_id(json!({"bid": "7"}), "/bid")]
#[case::no_text(json!({"customFields": {"gate": 7}}), "/customFields/gate")]
#[case::too_long(json!({"customFields": {"gate": "x".repeat(1_001)}}), "/customFields/gate")]
#[tokio::test]
async fn a_wrong_reference_or_value_is_named(#[case] more: Value, #[case] pointer: &str) {
    let stack = Stack::new().await;
    let pilot = stack.pilot("amelia").await;
    let mut body = plan();
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    let path = format!("/api/v1/pireps/{}", Uuid::new_v4());
    let refused = stack
        .ask(Call::new("PUT", &path).by(&pilot).json(body))
        .await;
    assert_eq!(refused.status, 422);
    assert_eq!(refused.body["errors"][0]["pointer"], pointer, "{refused:?}");
}
