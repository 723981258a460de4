//! Whatever is sent to whatever path: an answer that says what is wrong, and never a fault of the service's own.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::{Config, TestRunner};
use serde_json::Value;

use crate::stack::{Call, Stack, plan};

/// Headers that the service reads.
const HEADERS: [&str; 12] = [
    "if-match",
    "if-none-match",
    "forwarded",
    "x-forwarded-for",
    "idempotency-key",
    "last-event-id",
    "authorization",
    "x-api-key",
    "cookie",
    "origin",
    "accept",
    "content-type",
];
/// Query parameters beside those that the document names.
const PARAMETERS: [&str; 4] = ["limit", "cursor", "sort", "unheard"];
const NAMES: [&str; 16] = [
    "intent",
    "plan",
    "report",
    "source",
    "kind",
    "remarks",
    "customFields",
    "email",
    "password",
    "roles",
    "scopes",
    "positions",
    "sequence",
    "credit",
    "reason",
    "displayName",
];

/// What is read by somebody, or nearly.
const ODD: &[&str] = &[
    "",
    "0",
    "-1",
    "007",
    "9223372036854775808",
    "1e308",
    "null",
    "%00",
    "%ff%fe",
    "..%2f..",
    "%zz",
    "\"7\"",
    "W/\"7\"",
    "\"\"",
    "*",
    "for=1.1.1.1",
    "for=\"[::\"",
    "1.1.1.1:99999",
    "gzip;q=9",
    "text/event-stream",
    "Bearer ",
    "Bearer albk_",
    "application/json; charset=\u{fe}",
    "00000000-0000-0000-0000-000000000000",
    "2026-01-01T00:00:00Z",
    "+999999-12-31T23:59:60Z",
    "AAAA",
    "eyJhIjoxfQ",
    "a:b:c",
    "-:-",
];

/// A request that nobody in their senses would send.
#[derive(Clone, Debug)]
struct Request {
    operation: Index,
    caller: Index,
    segments: Vec<String>,
    query: Vec<(Index, String)>,
    headers: Vec<(&'static str, String)>,
    body: Option<String>,
}

/// An operation of the document.
struct Operation {
    method: String,
    path: String,
    parameters: Vec<String>,
}

fn text() -> impl Strategy<Value = String> {
    let known = select(ODD).prop_map(str::to_owned);
    prop_oneof![3 => known, 1 => "\\PC{0,40}", 1 => "[A-Za-z0-9_-]{1,300}"]
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        let members = vec((select(&NAMES[..]), inner.clone()), 0..6);
        let object = |members: Vec<(&str, Value)>| {
            members
                .into_iter()
                .map(|(name, it)| (name.to_owned(), it))
                .collect()
        };
        prop_oneof![
            vec(inner, 0..6).prop_map(Value::from),
            members.prop_map(move |members| Value::Object(object(members))),
        ]
    })
}

/// A plan with one thing in it that does not belong there.
fn almost_a_plan() -> impl Strategy<Value = Value> {
    (any::<Index>(), value()).prop_map(|(at, odd)| {
        let mut plan = plan();
        let pointers = [
            "/intent",
            "/source",
            "/source/client",
            "/plan",
            "/plan/flightNumber",
            "/plan/departure",
        ];
        if let Some(place) = plan.pointer_mut(pointers[at.index(pointers.len())]) {
            *place = odd;
        }
        plan
    })
}

fn body() -> impl Strategy<Value = String> {
    let cut = any::<Index>().prop_map(|at| {
        let plan = plan().to_string();
        plan[..at.index(plan.len())].to_owned()
    });
    prop_oneof![
        2 => almost_a_plan().prop_map(|it| it.to_string()),
        2 => value().prop_map(|it| it.to_string()),
        1 => cut,
        1 => text(),
        1 => (1..200_usize).prop_map(|depth| "[".repeat(depth * 100)),
    ]
}

fn request() -> impl Strategy<Value = Request> {
    (
        any::<Index>(),
        any::<Index>(),
        vec(text(), 3),
        vec((any::<Index>(), text()), 0..3),
        vec((select(&HEADERS[..]), text()), 0..3),
        proptest::option::of(body()),
    )
        .prop_map(
            |(operation, caller, segments, query, headers, body)| Request {
                operation,
                caller,
                segments,
                query,
                headers,
                body,
            },
        )
}

/// All but the stream, which does not end, and the end of a session, behind which nothing is reached.
async fn operations(stack: &Stack) -> Vec<Operation> {
    let document = stack.ask(Call::get("/api/openapi.json")).await.body;
    let mut found = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let is_stream = operation["responses"]["200"]["content"]
                .get("text/event-stream")
                .is_some();
            if is_stream || path.ends_with("/logout") {
                continue;
            }
            let parameters = operation["parameters"].as_array();
            let named = parameters
                .into_iter()
                .flatten()
                .filter(|it| it["in"] == "query");
            found.push(Operation {
                method: method.to_uppercase(),
                path: path.clone(),
                parameters: named
                    .map(|it| it["name"].as_str().unwrap().to_owned())
                    .chain(PARAMETERS.map(str::to_owned))
                    .collect(),
            });
        }
    }
    found
}

/// As a URI may hold it; escapes stay as they are, right or wrong.
fn escaped(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'-' | b'.' | b'_' | b'~' | b'%' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02x}"),
        })
        .collect()
}

/// `known` are ids that there are.
fn call(request: &Request, operations: &[Operation], known: &[String]) -> Call {
    let operation = request.operation.get(operations);
    let mut segments = request.segments.iter();
    let path: Vec<String> = operation
        .path
        .split('/')
        .map(|segment| match segment.starts_with('{') {
            false => segment.to_owned(),
            true => match segments.next().map(String::as_str) {
                // Where nothing is there to be misread, what is behind is reached more often.
                None | Some("" | "0" | "null") => request.caller.get(known).clone(),
                Some(odd) => escaped(odd),
            },
        })
        .collect();
    let query: Vec<String> = request
        .query
        .iter()
        .map(|(name, value)| format!("{}={}", name.get(&operation.parameters), escaped(value)))
        .collect();
    let mut call = Call::new(
        &operation.method,
        &format!("{}?{}", path.join("/"), query.join("&")),
    );
    if let Some(body) = &request.body {
        call = call.text(body);
    }
    call
}

#[test]
fn whatever_is_sent_is_answered() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (stack, people, known, operations) = runtime.block_on(async {
        let stack = Stack::new().await;
        let admin = stack.tenant_admin().await;
        let (pilot, other) = (stack.pilot("amelia").await, stack.pilot("bessie").await);
        let reviewer = stack.reviewer("earhart", &admin).await;
        let flight = stack.flight(&pilot).await;
        let flight = flight.rsplit('/').next().unwrap().to_owned();
        let operations = operations(&stack).await;
        let known = vec![flight, other.id.clone(), "skyways".to_owned()];
        (stack, [admin, pilot, other, reviewer], known, operations)
    });
    assert!(operations.len() > 40, "{}", operations.len());
    let mut runner = TestRunner::new(Config {
        cases: 1_500,
        ..Config::default()
    });
    let outcome = runner.run(&request(), |request| {
        let mut call = call(&request, &operations, &known);
        call = call.by(request.caller.get(&people));
        for (name, value) in &request.headers {
            call = call.hostile(name, value);
        }
        // The shape of every answer is looked at where it is read.
        let answer = runtime.block_on(stack.ask(call));
        prop_assert!(!answer.status.is_server_error(), "{answer:?}");
        Ok(())
    });
    outcome.unwrap_or_else(|failure| panic!("{failure}"));
}

#[test]
fn whatever_a_stream_is_resumed_from_it_begins_or_is_refused() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (stack, pilot) = runtime.block_on(async {
        let stack = Stack::new().await;
        let pilot = stack.pilot("amelia").await;
        (stack, pilot)
    });
    let mut runner = TestRunner::new(Config {
        cases: 200,
        ..Config::default()
    });
    let outcome = runner.run(&text(), |last| {
        let call = Call::get("/api/v1/stream")
            .by(&pilot)
            .hostile("last-event-id", &last);
        let response = runtime.block_on(call.respond(&stack.public));
        let status = response.status();
        prop_assert!(
            status == 200 || status == 400,
            "{last:?} was answered {status}"
        );
        Ok(())
    });
    outcome.unwrap_or_else(|failure| panic!("{failure}"));
}
