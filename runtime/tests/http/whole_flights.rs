//! A flight that was flown out of reach is uploaded whole: plan, report, track and log in one body.

use std::convert::Infallible;
use std::task::Poll;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tokio::sync::oneshot;
use uuid::Uuid;

use crate::stack::{Call, Stack, plan};

fn position(sequence: i32) -> Value {
    let phase = match sequence {
        0..60 => "TXI",
        60..25_000 => "ENR",
        _ => "TXI",
    };
    json!({
        "sequence": sequence,
        "time": jiff::Timestamp::from_second(1_777_000_000 + i64::from(sequence)).unwrap(),
        "lat": 41.8 - f64::from(sequence) / 10_000.0, "lon": 12.2, "fuelKg": 61_000 - sequence, "phase": phase,
    })
}

fn whole(positions: i32, lines: i32) -> Value {
    let mut body = plan();
    body["report"] = json!({"landingRateFpm": -142});
    let track: Vec<Value> = (0..positions).map(position).collect();
    let log = (0..lines).map(
        |n| json!({"sequence": n, "time": "2026-04-24T03:06:40Z", "text": format!("line {n}")}),
    );
    body["track"] = track.into();
    body["log"] = log.collect();
    body
}

#[tokio::test]
async fn seven_hours_at_one_position_a_second_are_filed_in_one_request() {
    let stack = Stack::new().await;
    let pilot = stack.pilot("amelia").await;
    let path = format!("/api/v1/pireps/{}", Uuid::new_v4());
    let put = |body: &Value| Call::new("PUT", &path).by(&pilot).json(body.clone());
    let body = whole(25_200, 300);
    let filed = stack.ask(put(&body)).await;
    assert_eq!(filed.status, 201, "{filed:?}");
    assert_eq!(filed.body["track"]["positions"], 25_200);
    assert_eq!(filed.body["report"]["landingRateFpm"], -142);

    let again = stack.ask(put(&body)).await;
    assert_eq!(again.status, 200, "{again:?}");
    assert_eq!(
        again.body["version"], filed.body["version"],
        "it is no change"
    );
    assert_eq!(again.body["track"]["positions"], 25_200);
    let log = stack
        .ask(Call::get(&format!("{path}/log")).by(&pilot))
        .await;
    let lines = log.body["items"].as_array().unwrap();
    assert_eq!(lines.len(), 300);
    assert_eq!(lines[299]["text"], "line 299");

    let read = Call::get(&path).by(&pilot);
    let read = read.header("albatross-position", &filed.position());
    assert_eq!(stack.ask(read).await.status, 200);
    let track = Call::get(&format!("{path}/track")).by(&pilot);
    let track = stack.ask(track).await;
    assert_eq!(track.headers["content-type"], "application/geo+json");
    let line = &track.body["features"][0];
    let coordinates = line["geometry"]["coordinates"].as_array();
    assert_eq!(coordinates.map(Vec::len), Some(25_200));
    assert_eq!(line["properties"]["fuelsKg"][25_199], 61_000 - 25_199);

    let submit = Call::new("POST", &format!("{path}/submit")).by(&pilot);
    let submit = submit.named().json(json!({"lastSequence": 25_199}));
    let submitted = stack.ask(submit).await;
    assert_eq!(submitted.status, 200, "{submitted:?}");
    assert_eq!(submitted.body["report"]["fuelUsedKg"], 25_199);
    assert_eq!(submitted.body["warnings"], json!([]));
}

#[tokio::test]
async fn a_log_reads_whole_however_many_pages_it_has() {
    let stack = Stack::new().await;
    let pilot = stack.pilot("amelia").await;
    for lines in [0, 1, 100, 101, 250] {
        let path = format!("/api/v1/pireps/{}", Uuid::new_v4());
        let put = Call::new("PUT", &path).by(&pilot).json(whole(1, lines));
        assert_eq!(stack.ask(put).await.status, 201);
        let log = Call::get(&format!("{path}/log")).by(&pilot);
        let log = stack.ask(log).await;
        assert_eq!(log.headers["content-type"], "application/json");
        let read = log.body["items"].as_array().unwrap().iter();
        let read: Vec<_> = read
            .map(|line| line["sequence"].as_i64().unwrap())
            .collect();
        assert_eq!(read, (0..lines.into()).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn whoever_does_not_read_a_track_is_cut_off() {
    let stack = Stack::new().await;
    let pilot = stack.pilot("amelia").await;
    let path = format!("/api/v1/pireps/{}", Uuid::new_v4());
    let put = Call::new("PUT", &path).by(&pilot).json(whole(5_000, 0));
    let filed = stack.ask(put).await;
    let read = Call::get(&path).by(&pilot);
    let read = read.header("albatross-position", &filed.position());
    assert_eq!(stack.ask(read).await.status, 200);
    let track = || Call::get(&format!("{path}/track")).by(&pilot);
    let mut answer = track().respond(&stack.public).await;
    assert_eq!(answer.status(), 200);
    answer.body_mut().frame().await.unwrap().unwrap();
    tokio::time::pause();
    tokio::time::sleep(Duration::from_secs(31)).await;
    tokio::time::resume();
    assert!(answer.into_body().collect().await.is_err());
    let whole = track().respond(&stack.public).await;
    assert!(whole.into_body().collect().await.is_ok());
}

/// As long as a position can sensibly be: with every member, and degrees to the centimetre; and a line of many signs.
#[test]
fn what_the_schema_promises_fits_into_a_body() {
    let longest = json!({
        "sequence": 25_199, "time": "2026-04-24T03:06:40.123Z", "lat": -41.800_312_3, "lon": -112.238_912_3,
        "altitudeFt": 35_000.5, "headingDeg": 118.5, "groundSpeedKt": 447.5, "indicatedAirspeedKt": 280.5,
        "verticalSpeedFpm": -1_850.5, "fuelKg": 161_000.5, "phase": "ENR",
    });
    let track = (longest.to_string().len() + 1) * 25_200;
    let longest = json!({
        "sequence": 4_999, "time": "2026-04-24T03:06:40.123Z", "text": "\u{1f6eb}".repeat(500),
    });
    let line = longest.to_string().len() + 1;
    let size = track + line * 1_000;
    assert!(size < 8 << 20, "{size} bytes");
    assert!(line * 500 + 100 < 1 << 20, "500 are one call");
}

#[tokio::test]
async fn what_was_sent_on_the_way_is_united_with_what_is_uploaded() {
    let stack = Stack::new().await;
    let pilot = stack.pilot("amelia").await;
    let path = stack.flight(&pilot).await;
    let batch = json!({"batchId": Uuid::new_v4(), "positions": [position(3), position(700)]});
    let call = Call::new("POST", &format!("{path}/positions")).by(&pilot);
    assert_eq!(stack.ask(call.json(batch)).await.status, 200);
    let line = json!({"lines": [{"sequence": 1, "time": "2026-04-24T03:06:40Z", "text": "as it happened"}]});
    let call = Call::new("POST", &format!("{path}/log")).by(&pilot);
    let sent = stack.ask(call.json(line)).await;
    assert_eq!(sent.body, json!({"stored": 1, "duplicates": 0}), "{sent:?}");

    for (positions, lines) in [(600, 3), (650, 4)] {
        let body = whole(positions, lines);
        let put = Call::new("PUT", &path).by(&pilot).json(body);
        let merged = stack.ask(put).await;
        assert_eq!(merged.status, 200, "{merged:?}");
        assert_eq!(merged.body["track"]["positions"], positions + 1);
        assert_eq!(merged.body["report"]["landingRateFpm"], -142);
    }
    let log = stack
        .ask(Call::get(&format!("{path}/log")).by(&pilot))
        .await;
    let texts: Vec<&str> = log.body["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| line["text"].as_str().unwrap())
        .collect();
    assert_eq!(texts, ["line 0", "as it happened", "line 2", "line 3"]);
}

/// A program that comes back after its flight was finished without it, and decided.
#[tokio::test]
async fn what_was_flown_is_kept_though_the_verdict_has_been_given() {
    let stack = Stack::new().await;
    let admin = stack.tenant_admin().await;
    let pilot = stack.pilot("amelia").await;
    let (path, seen) = stack.submitted(&pilot).await;
    let accept = Call::new("POST", &format!("{path}/accept")).by(&admin);
    let accept = accept.header("if-match", &seen).json(json!({}));
    let accepted = stack.ask(accept).await;
    assert_eq!(accepted.status, 200, "{accepted:?}");
    let as_decided = || {
        let read = Call::get(&path).by(&pilot);
        read.header("albatross-position", &accepted.position())
    };

    let put = Call::new("PUT", &path).by(&pilot).json(whole(700, 5));
    let refused = stack.ask(put).await;
    assert_eq!(refused.status, 409, "{refused:?}");
    let flight = stack.ask(as_decided()).await;
    assert_eq!(flight.body["state"], "Accepted");
    assert_eq!(flight.body["track"]["positions"], 700);
    let log = Call::get(&format!("{path}/log")).by(&pilot);
    let log = stack.ask(log).await;
    assert_eq!(log.body["items"].as_array().map(Vec::len), Some(5));

    // Nobody adds to another's.
    let stranger = stack.pilot("bessie").await;
    let more = Call::new("PUT", &path).by(&stranger).json(whole(900, 0));
    let refused = stack.ask(more).await;
    assert!(refused.status.is_client_error(), "{refused:?}");
    let flight = stack.ask(as_decided()).await;
    assert_eq!(flight.body["track"]["positions"], 700);
}

#[tokio::test]
async fn nothing_is_filed_of_a_flight_whose_telemetry_is_refused() {
    let stack = Stack::new().await;
    let pilot = stack.pilot("amelia").await;
    let path = format!("/api/v1/pireps/{}", Uuid::new_v4());
    let key = stack.key(&pilot, &["pireps:read", "pireps:write"]).await;
    let refused = stack
        .ask(Call::new("PUT", &path).key(&key).json(whole(1, 0)))
        .await;
    assert_eq!(
        (refused.status.as_u16(), refused.problem()),
        (403, "scope-missing")
    );

    let mut wrong = whole(2, 2);
    wrong["track"][1]["lat"] = json!(91);
    let mut long = whole(2, 2);
    long["log"][1]["text"] = "x".repeat(501).into();
    for (body, pointer) in [
        (wrong, "/track/1/lat"),
        (long, "/log/1/text"),
        (whole(25_201, 0), "/track"),
        (whole(0, 1_001), "/log"),
    ] {
        let refused = stack
            .ask(Call::new("PUT", &path).by(&pilot).json(body))
            .await;
        assert_eq!(refused.status, 422, "{refused:?}");
        assert_eq!(refused.body["errors"][0]["pointer"], pointer);
    }
    let read = stack
        .ask(Call::get(&format!("{path}/log")).by(&pilot))
        .await;
    assert_eq!(read.status, 404, "{read:?}");

    let key = stack
        .key(&pilot, &["pireps:read", "pireps:write", "track:write"])
        .await;
    let filed = stack
        .ask(Call::new("PUT", &path).key(&key).json(whole(1, 1)))
        .await;
    assert_eq!(filed.status, 201, "{filed:?}");
}

#[tokio::test]
async fn a_flight_created_under_an_id_of_ours_keeps_its_telemetry_over_a_repeat() {
    let stack = Stack::new().await;
    let pilot = stack.pilot("amelia").await;
    let call = || {
        let call = Call::new("POST", "/api/v1/pireps").by(&pilot);
        call.header("idempotency-key", "once").json(whole(700, 2))
    };
    let filed = stack.ask(call()).await;
    assert_eq!(filed.status, 201, "{filed:?}");
    assert_eq!(filed.body["track"]["positions"], 700);
    let again = stack.ask(call()).await;
    assert_eq!(again.body["id"], filed.body["id"], "{again:?}");
    assert_eq!(again.body["track"]["positions"], 700);
}

/// Says that it is read, and never comes.
fn endless(begun: oneshot::Sender<()>) -> Body {
    let mut begun = Some(begun);
    Body::from_stream(futures::stream::poll_fn(move |_| {
        if let Some(begun) = begun.take() {
            begun.send(()).unwrap();
        }
        Poll::<Option<Result<Bytes, Infallible>>>::Pending
    }))
}

#[tokio::test]
async fn slow_uploads_keep_nobody_else_waiting() {
    let stack = Stack::new().await;
    let put = || {
        let path = format!("/api/v1/pireps/{}", Uuid::new_v4());
        Call::new("PUT", &path)
    };
    let mut slow = Vec::new();
    for name in ["amelia", "bessie", "charles", "didier", "erich"] {
        let pilot = stack.pilot(name).await;
        let (begun, is_read) = oneshot::channel();
        let call = put().by(&pilot).header("content-type", "application/json");
        let router = stack.public.clone();
        tokio::spawn(async move { call.respond_to(&router, endless(begun)).await });
        is_read.await.unwrap();
        slow.push(pilot);
    }
    let pilot = stack.pilot("frances").await;
    let body = whole(25_200, 1);
    let filed = stack.ask(put().by(&pilot).json(body.clone())).await;
    assert_eq!(filed.status, 201, "{filed:?}");

    // Of one user it is one after the other; what has the usual size waits for nothing.
    let small = stack.ask(put().by(&slow[0]).json(whole(1, 1))).await;
    assert_eq!(small.status, 201, "{small:?}");
    tokio::time::pause();
    let busy = stack.ask(put().by(&slow[0]).json(body)).await;
    assert_eq!(busy.problem(), "unavailable", "{busy:?}");
    assert_eq!(busy.headers["retry-after"], "5");
}

#[tokio::test]
async fn slow_readers_take_no_more_than_two_tracks_each() {
    let stack = Stack::new().await;
    let mut tracks = Vec::new();
    for (name, positions) in [("amelia", 1_000), ("bessie", 1_000), ("charles", 10)] {
        let pilot = stack.pilot(name).await;
        let path = format!("/api/v1/pireps/{}", Uuid::new_v4());
        let put = Call::new("PUT", &path).by(&pilot);
        let filed = stack.ask(put.json(whole(positions, 1))).await;
        assert_eq!(filed.status, 201, "{filed:?}");
        tracks.push((format!("{path}/track"), pilot));
    }
    let admin = stack.tenant_admin().await;
    let read = |person| Call::get(&tracks[0].0).by(person).respond(&stack.public);
    let (slow, also) = (read(&admin).await, read(&admin).await);
    assert!(slow.status() == 200 && also.status() == 200);

    for (track, pilot) in &tracks {
        let whole = stack.ask(Call::get(track).by(pilot)).await;
        assert_eq!(whole.status, 200, "{whole:?}");
    }
    // What is small waits for nothing.
    let small = stack.ask(Call::get(&tracks[2].0).by(&admin)).await;
    assert_eq!(small.status, 200, "{small:?}");
    let third = || Call::get(&tracks[1].0).by(&admin);
    tokio::time::pause();
    let busy = stack.ask(third()).await;
    assert_eq!(busy.problem(), "unavailable", "{busy:?}");
    tokio::time::resume();
    drop(slow);
    let again = stack.ask(third()).await;
    assert_eq!(again.status, 200, "{again:?}");
    drop(also);
}

#[tokio::test]
async fn slow_readers_keep_no_pilot_from_submitting() {
    let stack = Stack::new().await;
    let admin = stack.tenant_admin().await;
    let pilot = stack.pilot("amelia").await;
    let read = format!("/api/v1/pireps/{}", Uuid::new_v4());
    let put = Call::new("PUT", &read).by(&pilot);
    let filed = stack.ask(put.json(whole(25_200, 1))).await;
    assert_eq!(filed.status, 201, "{filed:?}");
    let flown = stack.flight(&pilot).await;
    for batch in 0..96 {
        let positions: Vec<Value> = (batch * 500..(batch + 1) * 500).map(position).collect();
        let batch = json!({"batchId": Uuid::new_v4(), "positions": positions});
        let send = Call::new("POST", &format!("{flown}/positions")).by(&pilot);
        let sent = stack.ask(send.json(batch)).await;
        assert_eq!(sent.status, 200, "{sent:?}");
    }

    let mut slow = Vec::new();
    for name in ["bessie", "charles", "didier", "erich", "frances"] {
        let reviewer = stack.reviewer(name, &admin).await;
        for _ in 0..2 {
            let track = Call::get(&format!("{read}/track")).by(&reviewer);
            slow.push(track.respond(&stack.public).await);
        }
    }
    let statuses: Vec<_> = slow.iter().map(|it| it.status().as_u16()).collect();
    assert_eq!(statuses, [200; 10], "so many are read at once");

    tokio::time::pause();
    let track = Call::get(&format!("{flown}/track")).by(&pilot);
    let busy = stack.ask(track).await;
    assert_eq!(busy.problem(), "unavailable", "{busy:?}");
    let submit = Call::new("POST", &format!("{flown}/submit")).by(&pilot);
    let submitted = stack.ask(submit.named().json(json!({}))).await;
    assert_eq!(submitted.status, 200, "{submitted:?}");
}
