//! The main job: a client files a flight, staff accept it, everybody sees what they may.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::stack::{Call, Stack, plan};

fn position(sequence: i32) -> Value {
    json!({
        "sequence": sequence,
        "time": format!("2026-11-20T10:{:02}:{:02}Z", sequence / 60, sequence % 60),
        "lat": 41.8 + f64::from(sequence) / 1000.0, "lon": 12.2, "altitudeFt": 100 * sequence,
        "headingDeg": 90, "groundSpeedKt": 250, "phase": "ENR",
    })
}

#[tokio::test]
async fn a_flight_is_filed_flown_submitted_accepted_and_seen() {
    let stack = Stack::new().await;
    let admin = stack.tenant_admin().await;
    let pilot = stack.pilot("amelia").await;
    let stranger = stack.pilot("bob").await;
    let key = stack
        .key(&pilot, &["pireps:read", "pireps:write", "track:write"])
        .await;

    let path = format!("/api/v1/pireps/{}", Uuid::new_v4());
    let filed = stack
        .ask(Call::new("PUT", &path).key(&key).json(plan()))
        .await;
    assert_eq!(filed.status, 201, "{filed:?}");
    assert_eq!(filed.body["state"], "InProgress");
    assert_eq!(filed.body["plan"]["flightNumber"], "ELY1747");
    assert_eq!(filed.headers["location"], path.as_str());
    let again = stack
        .ask(Call::new("PUT", &path).key(&key).json(plan()))
        .await;
    assert_eq!(again.status, 200, "{again:?}");
    assert_eq!(again.body["version"], filed.body["version"]);

    for batch in 0..3 {
        let positions: Vec<_> = (batch * 40..batch * 40 + 50).map(position).collect();
        let body = json!({"batchId": Uuid::new_v4(), "positions": positions});
        let call = Call::new("POST", &format!("{path}/positions")).key(&key);
        let stored = stack.ask(call.json(body)).await;
        assert_eq!(stored.status, 200, "{stored:?}");
        assert_eq!(stored.body["lastSequence"], batch * 40 + 49);
    }

    let hidden = stack.ask(Call::get(&path).by(&stranger)).await;
    assert_eq!(hidden.status, 404, "{hidden:?}");

    let submit = json!({"report": {"landingRateFpm": -142, "gForce": 1.21, "distanceNmi": 1219.5}, "lastSequence": 129});
    let call = Call::new("POST", &format!("{path}/submit"))
        .bearer(&key)
        .named();
    let submitted = stack.ask(call.json(submit)).await;
    assert_eq!(submitted.status, 200, "{submitted:?}");
    assert_eq!(submitted.body["state"], "Submitted");
    assert_eq!(submitted.body["awaits"], "staff");
    assert_eq!(submitted.body["report"]["gForce"], 1.21);
    assert_eq!(submitted.body["report"]["distanceNmi"], 1219.5);
    assert_eq!(submitted.body["track"]["positions"], 130);

    let at = submitted.position();
    let queue = Call::get("/api/v1/pireps?state=Submitted").by(&admin);
    let queue = stack.ask(queue.header("albatross-position", &at)).await;
    assert_eq!(
        queue.body["items"].as_array().unwrap().len(),
        1,
        "{queue:?}"
    );

    let call = Call::new("POST", &format!("{path}/accept")).by(&admin);
    let accepted = stack
        .ask(
            call.header("if-match", &submitted.etag())
                .json(json!({"comment": "Nice landing"})),
        )
        .await;
    assert_eq!(accepted.status, 200, "{accepted:?}");
    assert_eq!(accepted.body["decision"]["verdict"], "Accepted");
    assert_eq!(accepted.body["decision"]["credit"], "full");

    let at = accepted.position();
    let seen = Call::get("/api/v1/pireps")
        .by(&stranger)
        .header("albatross-position", &at);
    let seen = stack.ask(seen).await;
    assert_eq!(seen.body["items"][0]["state"], "Accepted", "{seen:?}");
    assert_eq!(seen.body["items"][0]["pilot"]["displayName"], "amelia");

    let history = stack
        .ask(Call::get(&format!("{path}/history")).key(&key))
        .await;
    let events: Vec<_> = history.body["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["event"].clone())
        .collect();
    assert_eq!(events, ["Prefiled", "Submitted", "Accepted"], "{history:?}");
    assert_eq!(history.body["items"][2]["actor"]["displayName"], "ada");

    let track = stack
        .ask(Call::get(&format!("{path}/track")).key(&key))
        .await;
    assert_eq!(track.headers["content-type"], "application/geo+json");
    let line = &track.body["features"][0];
    assert_eq!(
        line["geometry"]["coordinates"].as_array().unwrap().len(),
        130
    );
    assert_eq!(line["geometry"]["coordinates"][0], json!([12.2, 41.8]));
    assert_eq!(line["properties"]["altitudesFt"][7], 700);
}

#[tokio::test]
async fn the_neighbour_sees_nothing() {
    let (stack, neighbour) = (Stack::new().await, Stack::new().await);
    let pilot = stack.pilot("amelia").await;
    let key = stack.key(&pilot, &["pireps:read"]).await;
    let path = stack.flight(&pilot).await;
    assert_eq!(neighbour.ask(Call::get(&path).key(&key)).await.status, 401);
    assert_eq!(neighbour.ask(Call::get(&path).by(&pilot)).await.status, 401);
    let admin = neighbour.tenant_admin().await;
    assert_eq!(neighbour.ask(Call::get(&path).by(&admin)).await.status, 404);
    let list = neighbour.ask(Call::get("/api/v1/pireps").by(&admin)).await;
    assert_eq!(list.body["items"], json!([]));
}

#[tokio::test]
async fn the_second_of_two_reviewers_is_told_what_the_first_decided() {
    let stack = Stack::new().await;
    let admin = stack.tenant_admin().await;
    let reviewer = stack.reviewer("rita", &admin).await;
    let pilot = stack.pilot("amelia").await;
    let (path, etag) = stack.submitted(&pilot).await;
    let decide = |verb: &str, body: Value| Call::new("POST", &format!("{path}/{verb}")).json(body);

    let blind = stack.ask(decide("accept", json!({})).by(&admin)).await;
    assert_eq!(
        (blind.status.as_u16(), blind.problem()),
        (428, "version-required")
    );

    let weak = format!("W/{etag}");
    let rejected = decide("reject", json!({"reason": "Wrong airport"})).by(&reviewer);
    let rejected = stack.ask(rejected.header("if-match", &weak)).await;
    assert_eq!(rejected.status, 200, "{rejected:?}");
    assert_eq!(rejected.body["decision"]["credit"], "none");

    let late = decide("accept", json!({}))
        .by(&admin)
        .header("if-match", &etag);
    let late = stack
        .ask(late.header("albatross-position", &rejected.position()))
        .await;
    assert_eq!(
        (late.status.as_u16(), late.problem()),
        (412, "version-stale")
    );
    assert_eq!(late.body["decision"]["verdict"], "Rejected", "{late:?}");
    assert_eq!(late.body["decision"]["reason"], "Wrong airport");
}

#[tokio::test]
async fn what_a_state_does_not_allow_is_answered_with_what_it_does() {
    let stack = Stack::new().await;
    let pilot = stack.pilot("amelia").await;
    let path = stack.flight(&pilot).await;
    let resume = stack
        .ask(Call::new("POST", &format!("{path}/resume")).by(&pilot))
        .await;
    assert_eq!(
        (resume.status.as_u16(), resume.problem()),
        (409, "illegal-transition")
    );
    let allowed = resume.body["allowed"].as_array().unwrap();
    assert!(allowed.contains(&json!("pause")), "{resume:?}");

    let paused = stack
        .ask(Call::new("POST", &format!("{path}/pause")).by(&pilot))
        .await;
    assert_eq!(paused.body["state"], "Paused", "{paused:?}");
    let cancelled = Call::new("POST", &format!("{path}/cancel")).by(&pilot);
    let cancelled = stack
        .ask(cancelled.json(json!({"reason": "Engine failure"})))
        .await;
    assert_eq!(cancelled.body["state"], "Cancelled", "{cancelled:?}");
    let restored = stack
        .ask(Call::new("POST", &format!("{path}/restore")).by(&pilot))
        .await;
    assert_eq!(restored.body["state"], "Paused", "{restored:?}");
}

#[tokio::test]
async fn lists_come_in_pages() {
    let stack = Stack::new().await;
    let pilot = stack.pilot("amelia").await;
    let mut last = String::new();
    for _ in 0..5 {
        let call = Call::new("POST", "/api/v1/pireps").by(&pilot).named();
        let filed = stack.ask(call.json(plan())).await;
        assert_eq!(filed.status, 201, "{filed:?}");
        last = filed.position();
    }
    let mut ids = Vec::new();
    let mut cursor = String::new();
    loop {
        let call = Call::get(&format!("/api/v1/pireps?limit=2&sort=createdAt{cursor}"));
        let page = stack
            .ask(call.by(&pilot).header("albatross-position", &last))
            .await;
        assert_eq!(page.status, 200, "{page:?}");
        let items = page.body["items"].as_array().unwrap();
        ids.extend(
            items
                .iter()
                .map(|item| item["id"].as_str().unwrap().to_owned()),
        );
        match page.body["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(ids.len(), 5);
    ids.dedup();
    assert_eq!(ids.len(), 5);
    let foreign = Call::get(&format!("/api/v1/pireps?limit=2{cursor}")).by(&pilot);
    let foreign = stack.ask(foreign).await;
    assert_eq!(foreign.status, 422, "{foreign:?}");
    assert_eq!(foreign.body["errors"][0]["parameter"], "cursor");
}
