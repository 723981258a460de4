//! The API's own description: committed, complete, and in step with the table of rights.

use std::collections::BTreeSet;
use std::path::Path;

use albatross::http::authorisation::table::TABLE;
use albatross::http::openapi;
use albatross::http::problem::kind;

use serde_json::json;

use crate::stack::{Call, Person, Stack};

#[test]
fn the_committed_document_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi.json");
    let current = format!("{:#}\n", openapi());
    if std::env::var_os("ALBATROSS_BLESS").is_some() {
        std::fs::write(&path, &current).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap();
    assert!(
        committed == current,
        "runtime/openapi.json is out of date; write it anew with: ALBATROSS_BLESS=1 cargo test -p albatross --test http documents"
    );
}

#[test]
fn every_route_has_its_row_and_every_row_its_route() {
    let api = openapi();
    let mut routes = BTreeSet::new();
    for (path, item) in api["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys() {
            routes.insert(format!("{} {path}", method.to_uppercase()));
        }
    }
    let rows: BTreeSet<_> = TABLE
        .iter()
        .map(|rule| format!("{} {}", rule.method, rule.path))
        .collect();
    assert_eq!(routes, rows);
}

#[test]
fn operations_have_ids_of_their_own() {
    let api = openapi();
    let mut ids = BTreeSet::new();
    for item in api["paths"].as_object().unwrap().values() {
        for operation in item.as_object().unwrap().values() {
            let id = operation["operationId"].as_str().unwrap();
            assert!(ids.insert(id.to_owned()), "{id} is given twice");
            assert!(operation["summary"].is_string(), "{id} has no summary");
        }
    }
}

/// Whether the operation looks at this header: one that nothing can be is refused before anything is done.
async fn takes_a_name(stack: &Stack, people: &[&Person; 2], method: &str, path: &str) -> bool {
    let endless = "k".repeat(256);
    for who in people {
        let call = Call::new(method, path).by(who);
        let call = call.header("idempotency-key", &endless);
        let answer = stack.ask(call.json(json!({"noSuchMember": 1}))).await;
        let detail = answer.body["detail"].as_str().unwrap_or_default();
        if detail.contains("Idempotency-Key must have") {
            return true;
        }
    }
    false
}

#[tokio::test]
async fn every_write_that_can_be_named_says_so() {
    let stack = Stack::new().await;
    let (admin, pilot) = (stack.tenant_admin().await, stack.pilot("amelia").await);
    let flight = stack.flight(&pilot).await;
    let api = openapi();
    let (mut said, mut taken, mut last) = (BTreeSet::new(), BTreeSet::new(), Vec::new());
    for (path, item) in api["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let name = operation["operationId"].as_str().unwrap();
            let parameters = operation["parameters"].as_array().into_iter().flatten();
            let mut named = parameters.filter(|it| it["name"] == "Idempotency-Key");
            if named.next().is_some() {
                said.insert(name.to_owned());
            }
            let path = path
                .replace("/api/v1/pireps/{id}", &flight)
                .replace("/users/{id}", &format!("/users/{}", pilot.id))
                .replace("{id}", &pilot.id)
                .replace("{key_id}", "0123456789ab");
            let call = (name, method.to_uppercase(), path);
            // Nobody is known any more once they have logged out.
            match name {
                "logOut" => last.push(call),
                _ if method == "get" => {}
                _ => last.insert(0, call),
            }
        }
    }
    for (name, method, path) in last {
        if takes_a_name(&stack, &[&pilot, &admin], &method, &path).await {
            taken.insert(name.to_owned());
        }
    }
    assert_eq!(said, taken);
    assert!(taken.len() > 30, "{taken:?}");
}

#[test]
fn every_reference_leads_somewhere() {
    let api = openapi();
    let text = api.to_string();
    for reference in text.split("\"$ref\":\"#").skip(1) {
        let pointer = reference.split('"').next().unwrap();
        assert!(api.pointer(pointer).is_some(), "{pointer}");
    }
}

#[tokio::test]
async fn documents_are_pages_without_script() {
    let stack = Stack::new().await;
    for path in ["/api/docs", "/problems/validation", "/"] {
        let page = stack.ask(Call::get(path)).await;
        assert_eq!(page.status, 200, "{path}");
        assert!(
            page.headers["content-type"]
                .to_str()
                .unwrap()
                .starts_with("text/html")
        );
        let policy = page.headers["content-security-policy"].to_str().unwrap();
        assert!(policy.contains("script-src 'self'") && policy.contains("frame-ancestors 'none'"));
        assert_eq!(page.headers["x-content-type-options"], "nosniff");
    }
    let reference = stack.ask(Call::get("/api/docs")).await;
    let html = reference.body.as_str().unwrap();
    assert!(html.contains("/api/v1/pireps/{id}/accept") && !html.contains("<script"));
    let api = stack.ask(Call::get("/api/openapi.json")).await;
    assert_eq!(api.body, openapi());
}

#[tokio::test]
async fn every_kind_of_problem_has_its_page() {
    let stack = Stack::new().await;
    for kind in kind::ALL {
        let page = stack
            .ask(Call::get(&format!("/problems/{}", kind.code)))
            .await;
        assert_eq!(page.status, 200, "{}", kind.code);
        assert!(page.body.as_str().unwrap().contains(kind.title));
    }
    assert_eq!(stack.ask(Call::get("/problems/none")).await.status, 404);
}
