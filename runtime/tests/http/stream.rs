//! The stream of changes: to those who may read them, resumable, and ended in time.

use std::time::Duration;

use axum::body::BodyDataStream;
use futures::StreamExt;
use serde_json::json;

use crate::stack::{Call, Person, Stack};

/// An open stream, read event by event.
struct Reader {
    body: BodyDataStream,
    text: String,
}

impl Reader {
    async fn open(stack: &Stack, call: Call) -> Self {
        let response = call.respond(&stack.public).await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        let mut reader = Self {
            body: response.into_body().into_data_stream(),
            text: String::new(),
        };
        let begin = reader.next().await.unwrap();
        assert!(begin.contains("retry: 1000"), "{begin}");
        reader
    }

    async fn of(stack: &Stack, person: &Person) -> Self {
        Self::open(stack, Call::get("/api/v1/stream").by(person)).await
    }

    /// The next block of lines; none at the end.
    async fn next(&mut self) -> Option<String> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.text = rest;
                // A comment, from time to time, keeps the connection open.
                if block == ":" {
                    continue;
                }
                return Some(block);
            }
            let data = tokio::time::timeout(Duration::from_secs(60), self.body.next()).await;
            match data.expect("the stream is silent") {
                Some(data) => self
                    .text
                    .push_str(std::str::from_utf8(&data.unwrap()).unwrap()),
                None => return None,
            }
        }
    }

    /// The type of the next event, with its id.
    async fn event(&mut self) -> (String, String) {
        let block = self.next().await.expect("the stream has ended");
        let field = |name: &str| {
            let line = block.lines().find_map(|line| line.strip_prefix(name));
            line.unwrap_or_default().trim().to_owned()
        };
        let data: serde_json::Value = serde_json::from_str(&field("data:")).unwrap();
        let kind = data["type"].as_str().map(str::to_owned);
        (kind.unwrap_or(field("event:")), field("id:"))
    }
}

#[tokio::test]
async fn everybody_hears_of_what_they_may_read() {
    let stack = Stack::new().await;
    let admin = stack.tenant_admin().await;
    let (pilot, stranger) = (stack.pilot("amelia").await, stack.pilot("bob").await);
    let mut own = Reader::of(&stack, &pilot).await;
    let mut staff = Reader::of(&stack, &admin).await;
    let mut others = Reader::of(&stack, &stranger).await;

    let (path, etag) = stack.submitted(&pilot).await;
    let accept = Call::new("POST", &format!("{path}/accept")).by(&admin);
    let accepted = stack
        .ask(accept.header("if-match", &etag).json(json!({})))
        .await;
    assert_eq!(accepted.status, 200, "{accepted:?}");

    for reader in [&mut own, &mut staff] {
        let mut heard = Vec::new();
        for _ in 0..3 {
            heard.push(reader.event().await.0);
        }
        assert_eq!(heard, ["PirepPrefiled", "PirepSubmitted", "PirepAccepted"]);
    }
    // The stranger may read it from its acceptance on.
    let mut last = others.event().await;
    while last.0 != "PirepAccepted" {
        last = others.event().await;
    }
    assert!(
        last.1.ends_with(&format!(":{}", accepted.position())),
        "{last:?}"
    );
}

#[tokio::test]
async fn a_draft_that_is_gone_is_told_to_those_who_saw_it() {
    let stack = Stack::new().await;
    let admin = stack.tenant_admin().await;
    let (pilot, stranger) = (stack.pilot("amelia").await, stack.pilot("bob").await);
    let mut own = Reader::of(&stack, &pilot).await;
    let mut staff = Reader::of(&stack, &admin).await;
    let mut others = Reader::of(&stack, &stranger).await;
    let path = format!("/api/v1/pireps/{}", uuid::Uuid::new_v4());
    let draft = json!({"intent": "draft", "source": {"kind": "Manual"}});
    let put = Call::new("PUT", &path).by(&pilot).json(draft);
    assert_eq!(stack.ask(put).await.status, 201);
    for reader in [&mut own, &mut staff] {
        assert_eq!(reader.event().await.0, "PirepDrafted");
    }
    let comment = Call::new("POST", &format!("{path}/comments")).by(&pilot);
    let comment = comment.named().json(json!({"comment": "Never mind"}));
    assert_eq!(stack.ask(comment).await.status, 200);
    for reader in [&mut own, &mut staff] {
        assert_eq!(reader.event().await.0, "PirepCommented");
    }
    let discard = Call::new("DELETE", &path).by(&pilot);
    assert_eq!(stack.ask(discard).await.status, 204);
    for reader in [&mut own, &mut staff] {
        assert_eq!(reader.event().await.0, "PirepDiscarded");
    }
    stack.flight(&stranger).await;
    assert_eq!(others.event().await.0, "PirepPrefiled");
}

#[tokio::test]
async fn a_reader_goes_on_where_it_was() {
    let stack = Stack::new().await;
    let pilot = stack.pilot("amelia").await;
    let mut reader = Reader::of(&stack, &pilot).await;
    let path = stack.flight(&pilot).await;
    let (_, seen) = reader.event().await;
    drop(reader);
    let pause = Call::new("POST", &format!("{path}/pause")).by(&pilot);
    assert_eq!(stack.ask(pause).await.status, 200);

    let again = |id: &str| {
        Call::get("/api/v1/stream")
            .by(&pilot)
            .header("last-event-id", id)
    };
    let mut reader = Reader::open(&stack, again(&seen)).await;
    assert_eq!(reader.event().await.0, "FlightPaused");

    let (epoch, position) = seen.split_once(':').unwrap();
    let ahead = format!("{epoch}:{}", position.parse::<i64>().unwrap() + 1_000);
    let elsewhere = format!("00000000-0000-0000-0000-000000000000:{position}");
    for void in [ahead.as_str(), elsewhere.as_str(), "nonsense"] {
        let mut reader = Reader::open(&stack, again(void)).await;
        assert_eq!(reader.event().await.0, "reset", "{void}");
    }
}

#[tokio::test]
async fn whoever_logs_out_is_told_no_more() {
    let stack = Stack::new().await;
    let pilot = stack.pilot("amelia").await;
    let mut reader = Reader::of(&stack, &pilot).await;
    let log_out = Call::new("POST", "/api/v1/auth/logout").by(&pilot);
    assert_eq!(stack.ask(log_out).await.status, 204);
    while reader.next().await.is_some() {}
    let again = Call::get("/api/v1/stream").by(&pilot);
    assert_eq!(stack.ask(again).await.status, 401);
}

#[tokio::test]
async fn a_revoked_key_ends_its_stream() {
    let stack = Stack::new().await;
    let pilot = stack.pilot("amelia").await;
    let key = stack.key(&pilot, &["pireps:read"]).await;
    let mut reader = Reader::open(&stack, Call::get("/api/v1/stream").key(&key)).await;
    let revoke = format!("/api/v1/users/{}/apikeys/{}", pilot.id, &key[5..17]);
    assert_eq!(
        stack
            .ask(Call::new("DELETE", &revoke).by(&pilot))
            .await
            .status,
        204
    );
    while reader.next().await.is_some() {}
}

#[tokio::test]
async fn a_shutdown_ends_every_stream() {
    let stack = Stack::new().await;
    let pilot = stack.pilot("amelia").await;
    let mut reader = Reader::of(&stack, &pilot).await;
    stack.shutdown.cancel();
    while reader.next().await.is_some() {}
}

#[tokio::test]
async fn a_caller_holds_so_many_streams_and_no_more() {
    let stack = Stack::new().await;
    let (pilot, other) = (stack.pilot("amelia").await, stack.pilot("bob").await);
    let key = stack.key(&pilot, &["pireps:read"]).await;
    let mut open = Vec::new();
    for _ in 0..20 {
        open.push(Reader::of(&stack, &pilot).await);
    }
    let refused = Call::get("/api/v1/stream").by(&pilot);
    let refused = refused.respond(&stack.public).await;
    assert_eq!(refused.status(), 429);
    assert!(refused.headers().contains_key("retry-after"));
    // Neither anybody else's nor a key's are counted with them.
    Reader::of(&stack, &other).await;
    Reader::open(&stack, Call::get("/api/v1/stream").key(&key)).await;
    open.pop();
    Reader::of(&stack, &pilot).await;
}
