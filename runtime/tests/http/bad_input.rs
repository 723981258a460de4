//! Bad input: told by name what is wrong, and never a fault of the service's own.

use http::StatusCode;
use rstest::rstest;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::stack::{Call, Stack, generous, plan};
use albatross::http::rate_limit::{Rate, Rates};

async fn put(body: &str) -> crate::stack::Answer {
    let stack = Stack::new().await;
    let pilot = stack.pilot("amelia").await;
    let path = format!("/api/v1/pireps/{}", Uuid::new_v4());
    stack
        .ask(Call::new("PUT", &path).by(&pilot).text(body))
        .await
}

#[rstest]
#[case::not_json("{", 400, "invalid-json", None)]
#[case::empty("", 400, "invalid-json", None)]
#[case::two_documents("{}{}", 400, "invalid-json", None)]
#[case::an_array("[]", 422, "validation", Some(""))]
#[case::an_array_within(r#"{"plan": ["AB1"]}"#, 422, "validation", Some("/plan"))]
#[case::a_name_in_an_object(r#"{"intent": {"draft": null}}"#, 422, "validation", Some("/intent"))]
#[case::a_line_that_turns(
    r#"{"intent": "draft", "plan": {"callsign": "SKY\u202e1"}}"#,
    422,
    "validation",
    Some("/plan/callsign")
)]
#[case::a_number("7", 422, "validation", Some(""))]
#[case::unknown(r#"{"plan": {"speed": 1}}"#, 422, "validation", Some("/plan/speed"))]
#[case::wrong_type(
    r#"{"plan": {"passengers": "many"}}"#,
    422,
    "validation",
    Some("/plan/passengers")
)]
#[case::too_big(
    r#"{"plan": {"passengers": 1e10}}"#,
    422,
    "validation",
    Some("/plan/passengers")
)]
#[case::wrong_time(
    r#"{"plan": {"plannedOffBlockAt": "noon"}}"#,
    422,
    "validation",
    Some("/plan/plannedOffBlockAt")
)]
#[case::far_time(
    r#"{"report": {"offBlockAt": "+999999-01-01T00:00:00Z"}}"#,
    422,
    "validation",
    Some("/report/offBlockAt")
)]
#[case::wrong_variant(r#"{"intent": "fly"}"#, 422, "validation", Some("/intent"))]
#[case::missing(r#"{"source": {}}"#, 422, "validation", Some("/source/kind"))]
#[case::nul(r#"{"remarks": "a\u0000b"}"#, 422, "validation", Some("/remarks"))]
#[case::incomplete(
    r#"{"plan": {"flightNumber": "X1"}}"#,
    422,
    "validation",
    Some("/plan/departure")
)]
#[case::bad_code(
    r#"{"intent": "draft", "plan": {"departure": "Rome, Italy"}}"#,
    422,
    "validation",
    Some("/plan/departure")
)]
#[case::huge_force(
    r#"{"intent": "draft", "report": {"gForce": 1e300}}"#,
    422,
    "validation",
    Some("/report/gForce")
)]
#[tokio::test]
async fn a_wrong_body_is_named(
    #[case] body: &str,
    #[case] status: u16,
    #[case] kind: &str,
    #[case] pointer: Option<&str>,
) {
    let answer = put(body).await;
    assert_eq!(
        (answer.status.as_u16(), answer.problem()),
        (status, kind),
        "{answer:?}"
    );
    match pointer {
        None => assert!(answer.body["detail"].as_str().unwrap().contains("line")),
        Some(pointer) => assert_eq!(answer.body["errors"][0]["pointer"], pointer, "{answer:?}"),
    }
}

#[tokio::test]
async fn every_fault_is_named_at_once() {
    let answer = put(r#"{"plan": {"flightNumber": "", "passengers": -1, "cargoKg": -1}}"#).await;
    assert_eq!(answer.status, 422);
    let errors = answer.body["errors"].as_array().unwrap();
    assert!(errors.len() >= 3, "{answer:?}");
}

#[tokio::test]
async fn a_request_is_for_one_host() {
    let stack = Stack::new().await;
    for path in ["/api/v1/airline", "/pireps"] {
        let mut call = Call::get(path).header("host", "skyways.localhost");
        assert_eq!(call.respond(&stack.public).await.status(), 200, "{path}");
        call = Call::get(path).header("host", "skyways.localhost");
        let answer = stack.ask(call.also("host", "nordwind.localhost")).await;
        assert_eq!(
            (answer.status.as_u16(), answer.problem()),
            (400, "invalid-request")
        );
    }
}

#[tokio::test]
async fn other_bodies_are_not_read() {
    let stack = Stack::new().await;
    let pilot = stack.pilot("amelia").await;
    let path = format!("/api/v1/pireps/{}", Uuid::new_v4());
    let call = || Call::new("PUT", &path).by(&pilot);
    for kind in [
        "text/plain",
        "application/xml",
        "multipart/form-data; boundary=x",
        "\u{1}".trim_matches('\u{1}'),
    ] {
        let answer = stack
            .ask(call().header("content-type", kind).text("{}"))
            .await;
        assert_eq!(
            (answer.status.as_u16(), answer.problem()),
            (415, "unsupported-media-type"),
            "{kind}"
        );
    }
    let merge = call().header(
        "content-type",
        "application/merge-patch+json; charset=utf-8",
    );
    assert_eq!(stack.ask(merge.json(plan())).await.status, 201);
    // Whole flights are larger than anything else.
    let create = Call::new("POST", "/api/v1/pireps").by(&pilot).named();
    let change = Call::new("PATCH", &path).by(&pilot);
    let (whole, usual) = (8 * 1024 * 1024, 1024 * 1024);
    // Of whoever is not known yet only what takes no room from others.
    let (sign_in, small) = (Call::new("POST", "/api/v1/auth/login"), 64 * 1024);
    let calls = [
        (call(), whole),
        (create, whole),
        (change, usual),
        (sign_in, small),
    ];
    for (call, size) in calls {
        let large = json!({"remarks": "x".repeat(size)}).to_string();
        let answer = stack.ask(call.text(&large)).await;
        assert_eq!(
            (answer.status.as_u16(), answer.problem()),
            (413, "body-too-large")
        );
    }
    let deep = format!("{{\"plan\": {}", "[".repeat(100_000));
    assert_eq!(stack.ask(call().text(&deep)).await.status, 422);
}

#[tokio::test]
async fn addresses_and_methods_that_do_not_exist_are_problems() {
    let stack = Stack::new().await;
    let pilot = stack.pilot("amelia").await;
    for path in [
        "/api/v1/nothing",
        "/api/v2/pireps",
        "/api",
        "/api/v1/pireps/x/y/z",
        "/api/v1/pireps/",
    ] {
        let answer = stack.ask(Call::get(path).by(&pilot)).await;
        assert_eq!(
            (answer.status.as_u16(), answer.problem()),
            (404, "not-found"),
            "{path}"
        );
    }
    for path in [
        "/api/v1/pireps/not-a-uuid",
        "/api/v1/pireps/%00",
        "/api/v1/pireps/%ff/track",
        "/api/v1/users/7",
    ] {
        assert_eq!(
            stack.ask(Call::get(path).by(&pilot)).await.status,
            404,
            "{path}"
        );
    }
    for (method, path, allowed) in [
        ("DELETE", "/api/v1/pireps", "GET, HEAD, POST"),
        ("PATCH", "/api/v1/me", "GET, HEAD, DELETE"),
        ("GET", "/api/v1/auth/login", "POST"),
        ("POST", "/api/openapi.json", "GET,HEAD"),
        ("POST", "/pireps", "GET, HEAD"),
    ] {
        let answer = stack.ask(Call::new(method, path).by(&pilot)).await;
        assert_eq!(
            (answer.status.as_u16(), answer.problem()),
            (405, "method-not-allowed")
        );
        assert_eq!(answer.headers["allow"], allowed, "{path}");
    }
    let html = Call::get("/api/v1/me")
        .by(&pilot)
        .header("accept", "text/html");
    assert_eq!(stack.ask(html).await.problem(), "not-acceptable");
    for accept in [
        "*/*",
        "application/*;q=0.5",
        "text/html, application/json",
        "application/geo+json",
    ] {
        let call = Call::get("/api/v1/me").by(&pilot).header("accept", accept);
        assert_eq!(stack.ask(call).await.status, 200, "{accept}");
    }
}

#[rstest]
#[case("limit=0", "limit")]
#[case("limit=201", "limit")]
#[case("limit=", "limit")]
#[case("limit=-1", "limit")]
#[case("limit=1&limit=2", "limit")]
#[case("state=Flying", "state")]
#[case("state=Discarded", "state")]
#[case("sort=name", "sort")]
#[case("pilot=me", "pilot")]
#[case("cursor=x", "cursor")]
#[case("page=2", "page")]
#[tokio::test]
async fn a_wrong_query_is_named(#[case] query: &str, #[case] parameter: &str) {
    let stack = Stack::new().await;
    let pilot = stack.pilot("amelia").await;
    let answer = stack
        .ask(Call::get(&format!("/api/v1/pireps?{query}")).by(&pilot))
        .await;
    assert_eq!(
        (answer.status.as_u16(), answer.problem()),
        (422, "validation"),
        "{answer:?}"
    );
    assert_eq!(
        answer.body["errors"][0]["parameter"], parameter,
        "{answer:?}"
    );
}

#[rstest]
#[case("search=%00")]
#[case("search=%ff%fe")]
#[case("search=%")]
#[case("search=100%25_%27%22%5C")]
#[case("&&==&")]
#[tokio::test]
async fn a_strange_query_breaks_nothing(#[case] query: &str) {
    let stack = Stack::new().await;
    let pilot = stack.pilot("amelia").await;
    let answer = stack
        .ask(Call::get(&format!("/api/v1/pireps?{query}")).by(&pilot))
        .await;
    assert!([200, 422].contains(&answer.status.as_u16()), "{answer:?}");
}

#[rstest]
#[case("if-match", "7", 400)]
#[case("if-match", "\"x\"", 400)]
#[case("if-match", "\"99999999999\"", 400)]
#[case("if-match", "*", 428)]
#[case("idempotency-key", "", 400)]
#[tokio::test]
async fn a_malformed_header_is_refused(
    #[case] name: &'static str,
    #[case] value: &str,
    #[case] status: u16,
) {
    let stack = Stack::new().await;
    let admin = stack.tenant_admin().await;
    let pilot = stack.pilot("amelia").await;
    let (path, _) = stack.submitted(&pilot).await;
    let call = Call::new("POST", &format!("{path}/accept")).by(&admin);
    let answer = stack.ask(call.header(name, value).json(json!({}))).await;
    assert_eq!(answer.status, status, "{answer:?}");
}

#[rstest]
#[case("albatross-position", "-1", 400)]
#[case("albatross-position", "x", 400)]
#[case("albatross-position", "999999", 503)]
#[tokio::test]
async fn a_position_that_never_comes_is_not_waited_for_for_ever(
    #[case] name: &'static str,
    #[case] value: &str,
    #[case] status: u16,
) {
    let stack = Stack::new().await;
    let pilot = stack.pilot("amelia").await;
    let call = Call::get("/api/v1/pireps").by(&pilot).header(name, value);
    let answer = stack.ask(call).await;
    assert_eq!(answer.status, status, "{answer:?}");
    if status == 503 {
        assert_eq!(answer.problem(), "not-yet-visible");
        assert!(answer.headers.contains_key("retry-after"));
    }
}

#[tokio::test]
async fn a_batch_of_positions_is_checked() {
    let stack = Stack::new().await;
    let pilot = stack.pilot("amelia").await;
    let path = format!("{}/positions", stack.flight(&pilot).await);
    let good = json!({"sequence": 0, "time": "2026-11-20T10:00:00Z", "lat": 1, "lon": 2});
    let send = |batch: Value| Call::new("POST", &path).by(&pilot).json(batch);
    let many = vec![good.clone(); 501];
    for (positions, pointer) in [
        (json!([]), "/positions"),
        (json!(many), "/positions"),
        (json!([good, {"sequence": 1}]), "/positions/1/time"),
        (
            json!([{"sequence": 1, "time": "2026-11-20T10:00:00Z", "lat": 91, "lon": 2}]),
            "/positions/0/lat",
        ),
        (
            json!([{"sequence": -1, "time": "2026-11-20T10:00:00Z", "lat": 9, "lon": 2}]),
            "/positions/0/sequence",
        ),
    ] {
        let batch = json!({"batchId": Uuid::new_v4(), "positions": positions});
        let answer = stack.ask(send(batch)).await;
        assert_eq!(answer.status, 422, "{answer:?}");
        assert_eq!(answer.body["errors"][0]["pointer"], pointer, "{answer:?}");
    }
    let id = Uuid::new_v4();
    let first = json!({"batchId": id, "positions": [good]});
    assert_eq!(stack.ask(send(first.clone())).await.body["stored"], 1);
    assert_eq!(stack.ask(send(first)).await.status, 200);
    let other = json!({"sequence": 9, "time": "2026-11-20T10:00:00Z", "lat": 1, "lon": 2});
    let reused = stack
        .ask(send(json!({"batchId": id, "positions": [other]})))
        .await;
    assert_eq!(reused.status, 422, "{reused:?}");
}

#[tokio::test]
async fn too_many_attempts_are_told_when_to_come_back() {
    let few = Rate {
        requests: 3.try_into().unwrap(),
        window: std::time::Duration::from_secs(3600),
    };
    let stack = Stack::with_rates(Rates {
        credentials: few,
        ..generous()
    })
    .await;
    let body = json!({"email": "x@skyways.example", "password": "wrong password!"});
    let mut statuses = Vec::new();
    for _ in 0..4 {
        let call = Call::new("POST", "/api/v1/auth/login");
        let answer = stack.ask(call.json(body.clone())).await;
        statuses.push(answer.status);
        if answer.status == StatusCode::TOO_MANY_REQUESTS {
            assert_eq!(answer.problem(), "rate-limited");
            assert!(answer.headers.contains_key("retry-after"));
        }
        assert_eq!(
            answer.headers["ratelimit-policy"],
            "\"credentials\";q=3;w=3600"
        );
    }
    assert_eq!(statuses, [401, 401, 401, 429]);
    let other = stack.ask(Call::get("/api/v1/airline")).await;
    assert_eq!(other.status, 200);
    assert!(
        other.headers["ratelimit"]
            .to_str()
            .unwrap()
            .starts_with("\"general\";r=")
    );
}

#[tokio::test]
async fn a_flight_is_counted_once_however_its_id_is_spelt() {
    let few = Rate {
        requests: 2.try_into().unwrap(),
        window: std::time::Duration::from_secs(3600),
    };
    let stack = Stack::with_rates(Rates {
        telemetry: few,
        ..generous()
    })
    .await;
    let pilot = stack.pilot("Bob").await;
    let id = "0b9f8a1e-0000-4000-8000-00000000abcd";
    let mut statuses = Vec::new();
    for spelling in [id.to_owned(), id.to_uppercase(), id.replace('-', "")] {
        let call = Call::new("POST", &format!("/api/v1/pireps/{spelling}/positions"));
        let answer = stack.ask(call.by(&pilot).json(json!({}))).await;
        statuses.push(answer.status);
    }
    assert_eq!(statuses, [404, 404, 429]);
}

#[tokio::test]
async fn an_id_that_follows_from_another_is_nobodys_to_take() {
    let stack = Stack::new().await;
    let (amelia, charles) = (stack.pilot("amelia").await, stack.pilot("charles").await);
    let derived = Uuid::new_v5(&charles.id.parse().unwrap(), b"bids");
    let path = format!("/api/v1/pireps/{derived}");
    let refused = stack
        .ask(Call::new("PUT", &path).by(&amelia).json(plan()))
        .await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(refused.body["errors"][0]["code"], "derived", "{refused:?}");
}

#[tokio::test]
async fn many_values_of_fields_are_together_no_longer_than_a_page() {
    let stack = Stack::new().await;
    let amelia = stack.pilot("amelia").await;
    let values: serde_json::Map<String, Value> = (0..20)
        .map(|n| (format!("field{n}"), "\u{1f6e9}".repeat(900).into()))
        .collect();
    let path = format!("/api/v1/pireps/{}", Uuid::new_v4());
    let mut body = plan();
    body["customFields"] = values.into();
    let refused = stack
        .ask(Call::new("PUT", &path).by(&amelia).json(body))
        .await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(refused.body["errors"][0]["pointer"], "/customFields");
}
