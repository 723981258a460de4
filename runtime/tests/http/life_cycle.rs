//! What pilot and staff do to a PIREP beside flying and deciding it: each action, who may not, and when not.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::stack::{Answer, Call, Person, Stack};

/// Staff, a pilot, and a report that the pilot types in.
struct Cast {
    stack: Stack,
    admin: Person,
    pilot: Person,
    path: String,
}

impl Cast {
    /// A draft of the pilot's.
    async fn new() -> Self {
        let stack = Stack::new().await;
        let admin = stack.tenant_admin().await;
        let pilot = stack.pilot("amelia").await;
        let path = format!("/api/v1/pireps/{}", Uuid::new_v4());
        let cast = Self {
            stack,
            admin,
            pilot,
            path,
        };
        cast.draft().await;
        cast
    }

    /// The same, submitted.
    async fn submitted() -> Self {
        let cast = Self::new().await;
        cast.submit().await;
        cast
    }

    async fn draft(&self) -> Answer {
        let body = json!({
            "intent": "draft", "source": {"kind": "Manual"},
            "plan": {"flightNumber": "ELY1747", "departure": "LIRF", "arrival": "LLBG", "aircraftType": "B744"},
        });
        let put = Call::new("PUT", &self.path).by(&self.pilot).json(body);
        self.stack.ask(put).await
    }

    async fn submit(&self) -> Answer {
        let report = json!({"report": {"blockTimeMin": 210, "flightTimeMin": 180}});
        let submitted = self.act("submit", &self.pilot, report).await;
        assert_eq!(submitted.status, 200, "{submitted:?}");
        submitted
    }

    fn call(&self, verb: &str, who: &Person) -> Call {
        Call::new("POST", &format!("{}/{verb}", self.path)).by(who)
    }

    async fn act(&self, verb: &str, who: &Person, body: Value) -> Answer {
        let call = self.call(verb, who).named();
        self.stack.ask(call.json(body)).await
    }

    /// The same, of the version that the answer shows.
    async fn decide(&self, verb: &str, seen: &Answer, body: Value) -> Answer {
        let call = self.call(verb, &self.admin);
        let call = call.header("if-match", &seen.etag());
        self.stack.ask(call.json(body)).await
    }

    async fn discard(&self) -> Answer {
        let call = Call::new("DELETE", &self.path).by(&self.pilot);
        self.stack.ask(call).await
    }

    /// As queries show it once they have seen that answer.
    async fn read(&self, after: &Answer, rest: &str) -> Answer {
        let call = Call::get(&format!("{}{rest}", self.path)).by(&self.pilot);
        let call = call.header("albatross-position", &after.position());
        self.stack.ask(call).await
    }

    /// Event and words of every entry of the history.
    async fn said(&self, after: &Answer) -> Vec<(String, Option<String>)> {
        let history = self.read(after, "/history").await;
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let entries = history.body["items"].as_array().unwrap().iter();
        entries
            .map(|entry| (text(&entry["event"]).unwrap(), text(&entry["reason"])))
            .collect()
    }

    async fn position(&self) -> Answer {
        let position =
            json!({"sequence": 0, "time": "2026-11-20T10:00:00Z", "lat": 41.8, "lon": 12.2});
        let batch = json!({"batchId": Uuid::new_v4(), "positions": [position]});
        self.act("positions", &self.pilot, batch).await
    }

    async fn patch(&self, who: &Person, seen: &Answer, body: Value) -> Answer {
        let call = Call::new("PATCH", &self.path).by(who);
        let call = call.header("if-match", &seen.etag());
        self.stack.ask(call.json(body)).await
    }
}

fn illegal(answer: &Answer, instead: &[&str]) {
    let outcome = (answer.status.as_u16(), answer.problem());
    assert_eq!(outcome, (409, "illegal-transition"), "{answer:?}");
    assert_eq!(answer.body["allowed"], json!(instead), "{answer:?}");
}

fn not_for(answer: &Answer) {
    let outcome = (answer.status.as_u16(), answer.problem());
    assert_eq!(outcome, (403, "forbidden"), "{answer:?}");
}

fn entry(event: &str, words: &str) -> (String, Option<String>) {
    (event.to_owned(), Some(words.to_owned()))
}

#[tokio::test]
async fn a_draft_is_discarded_for_good() {
    let cast = Cast::new().await;
    let discard = || Call::new("DELETE", &cast.path);
    let others = cast.stack.pilot("bob").await;
    let unknown = cast.stack.ask(discard().by(&others)).await;
    assert_eq!(unknown.status, 404, "{unknown:?}");
    not_for(&cast.stack.ask(discard().by(&cast.admin)).await);

    let named = || {
        discard()
            .by(&cast.pilot)
            .header("idempotency-key", "discard")
    };
    let discarded = cast.stack.ask(named()).await;
    assert_eq!(discarded.status, 204, "{discarded:?}");
    for rest in ["", "/history", "/track"] {
        assert_eq!(cast.read(&discarded, rest).await.status, 404, "{rest}");
    }
    for who in [&cast.pilot, &cast.admin] {
        let list = Call::get("/api/v1/pireps").by(who);
        let list = list.header("albatross-position", &discarded.position());
        let list = cast.stack.ask(list).await;
        assert_eq!(list.body["items"], json!([]), "{list:?}");
    }
    let again = cast.stack.ask(named()).await;
    assert_eq!(again.status, 204, "{again:?}");
    assert_eq!(again.position(), discarded.position());
    // Nothing brings it back, and nothing can be done to it.
    assert_eq!(cast.discard().await.status, 404);
    assert_eq!(cast.draft().await.status, 404);
    assert_eq!(cast.position().await.status, 404);
    let comment = json!({"comment": "Gone?"});
    for who in [&cast.pilot, &cast.admin] {
        let answer = cast.act("comments", who, comment.clone()).await;
        assert_eq!(answer.status, 404, "{answer:?}");
    }
}

#[tokio::test]
async fn a_measured_draft_that_is_discarded_is_not_filed_again() {
    let stack = Stack::new().await;
    let pilot = stack.pilot("amelia").await;
    let path = format!("/api/v1/pireps/{}", Uuid::new_v4());
    let body = json!({"intent": "draft", "source": {"kind": "Acars"}});
    let call = |method: &str| Call::new(method, &path).by(&pilot);
    assert_eq!(stack.ask(call("PUT").json(body.clone())).await.status, 201);
    assert_eq!(stack.ask(call("DELETE")).await.status, 204);
    let late = stack.ask(call("PUT").json(body)).await;
    assert_eq!(late.status, 404, "{late:?}");
}

#[tokio::test]
async fn a_draft_that_was_flown_is_kept() {
    let cast = Cast::new().await;
    assert_eq!(cast.position().await.status, 200);
    illegal(
        &cast.discard().await,
        &["edit", "merge", "submit", "comment"],
    );
    // What another refusal offers instead leaves it out as well.
    illegal(
        &cast.act("pause", &cast.pilot, json!({})).await,
        &["edit", "merge", "submit", "comment"],
    );
}

#[tokio::test]
async fn a_draft_without_a_track_may_be_discarded_instead() {
    let cast = Cast::new().await;
    illegal(
        &cast.act("pause", &cast.pilot, json!({})).await,
        &["edit", "merge", "submit", "discard", "comment"],
    );
}

#[tokio::test]
async fn what_is_withdrawn_is_a_draft_that_is_kept() {
    let cast = Cast::submitted().await;
    not_for(&cast.act("withdraw", &cast.admin, json!({})).await);
    let withdraw = || {
        let call = cast.call("withdraw", &cast.pilot);
        call.header("idempotency-key", "withdraw").json(json!({}))
    };
    let withdrawn = cast.stack.ask(withdraw()).await;
    assert_eq!(withdrawn.status, 200, "{withdrawn:?}");
    assert_eq!(withdrawn.body["state"], "Draft");
    let again = cast.stack.ask(withdraw()).await;
    assert_eq!(
        (again.status, again.etag()),
        (withdrawn.status, withdrawn.etag())
    );
    illegal(
        &cast.discard().await,
        &["edit", "merge", "submit", "comment"],
    );
    assert_eq!(cast.submit().await.body["state"], "Submitted");
}

#[tokio::test]
async fn what_was_measured_is_not_withdrawn() {
    let cast = Cast::new().await;
    let (path, _) = cast.stack.submitted(&cast.pilot).await;
    let withdraw = Call::new("POST", &format!("{path}/withdraw")).by(&cast.pilot);
    illegal(
        &cast.stack.ask(withdraw).await,
        &["edit", "merge", "cancel", "comment"],
    );
}

#[tokio::test]
async fn staff_ask_and_the_pilot_answers() {
    let cast = Cast::submitted().await;
    let question = json!({"question": "Why did you divert?"});
    let answer = json!({"answer": "The field was closed"});
    illegal(
        &cast.act("answer", &cast.pilot, answer.clone()).await,
        &["edit", "merge", "withdraw", "cancel", "comment"],
    );
    not_for(&cast.act("ask", &cast.pilot, question.clone()).await);

    let ask = || {
        let call = cast.call("ask", &cast.admin);
        call.header("idempotency-key", "ask").json(question.clone())
    };
    let asked = cast.stack.ask(ask()).await;
    assert_eq!(asked.status, 200, "{asked:?}");
    assert_eq!(asked.body["awaits"], "pilot");
    assert_eq!(asked.body["question"], "Why did you divert?");
    assert_eq!(cast.stack.ask(ask()).await.etag(), asked.etag());
    illegal(
        &cast.act("ask", &cast.admin, question).await,
        &["edit", "accept", "reject", "comment"],
    );

    not_for(&cast.act("answer", &cast.admin, answer.clone()).await);
    let answered = cast.act("answer", &cast.pilot, answer).await;
    assert_eq!(answered.status, 200, "{answered:?}");
    assert_eq!(answered.body["awaits"], "staff");
    assert_eq!(answered.body["question"], Value::Null);
    let said = cast.said(&answered).await;
    assert_eq!(
        said[2..],
        [
            entry("Asked", "Why did you divert?"),
            entry("Answered", "The field was closed")
        ]
    );
}

#[tokio::test]
async fn a_rejection_is_appealed_against_and_a_decision_is_reopened() {
    let cast = Cast::new().await;
    let submitted = cast.submit().await;
    let reason = json!({"reason": "Wrong airport"});
    let comment = json!({"comment": "Look at the track"});
    illegal(
        &cast.act("appeal", &cast.pilot, comment.clone()).await,
        &["edit", "merge", "withdraw", "cancel", "comment"],
    );
    let early = cast.decide("reopen", &submitted, reason.clone()).await;
    illegal(&early, &["edit", "ask", "accept", "reject", "comment"]);
    let rejected = cast.decide("reject", &submitted, reason.clone()).await;
    assert_eq!(rejected.status, 200, "{rejected:?}");

    not_for(&cast.act("appeal", &cast.admin, comment.clone()).await);
    let appealed = cast.act("appeal", &cast.pilot, comment).await;
    assert_eq!(appealed.status, 200, "{appealed:?}");
    assert_eq!(appealed.body["state"], "Submitted");
    assert_eq!(appealed.body["decision"], Value::Null);
    let accepted = cast.decide("accept", &appealed, json!({})).await;
    assert_eq!(accepted.status, 200, "{accepted:?}");

    not_for(&cast.act("reopen", &cast.pilot, reason.clone()).await);
    let reopen = json!({"reason": "Accepted by mistake"});
    let blind = cast.act("reopen", &cast.admin, reopen.clone()).await;
    assert_eq!(
        (blind.status.as_u16(), blind.problem()),
        (428, "version-required")
    );
    let late = cast.decide("reopen", &appealed, reopen.clone()).await;
    assert_eq!(
        (late.status.as_u16(), late.problem()),
        (412, "version-stale")
    );
    assert_eq!(late.body["decision"]["verdict"], "Accepted", "{late:?}");
    let reopened = cast.decide("reopen", &accepted, reopen).await;
    assert_eq!(reopened.status, 200, "{reopened:?}");
    assert_eq!(reopened.body["state"], "Submitted");
    assert_eq!(reopened.body["awaits"], "staff");
    let said = cast.said(&reopened).await;
    assert_eq!(
        said[2..],
        [
            entry("Rejected", "Wrong airport"),
            entry("Appealed", "Look at the track"),
            ("Accepted".to_owned(), None),
            entry("Reopened", "Accepted by mistake"),
        ]
    );
}

#[tokio::test]
async fn a_comment_is_said_once() {
    let cast = Cast::submitted().await;
    let unnamed = cast.call("comments", &cast.pilot);
    let unnamed = cast.stack.ask(unnamed.json(json!({"comment": "x"}))).await;
    assert_eq!(
        (unnamed.status.as_u16(), unnamed.problem()),
        (400, "idempotency-key-missing")
    );
    let say = |words: &str| {
        let call = cast.call("comments", &cast.pilot);
        let call = call.header("idempotency-key", "comment");
        call.json(json!({"comment": words}))
    };
    let first = cast.stack.ask(say("Windy")).await;
    assert_eq!(first.status, 200, "{first:?}");
    assert_eq!(first.body["state"], "Submitted");
    let again = cast.stack.ask(say("Windy")).await;
    assert_eq!((again.status, again.etag()), (first.status, first.etag()));
    let other = cast.stack.ask(say("Calm")).await;
    assert_eq!(
        (other.status.as_u16(), other.problem()),
        (422, "idempotency-key-reused")
    );
    let reply = json!({"comment": "Well flown"});
    let replied = cast.act("comments", &cast.admin, reply).await;
    assert_eq!(replied.status, 200, "{replied:?}");
    let said = cast.said(&replied).await;
    assert_eq!(
        said[2..],
        [
            entry("Commented", "Windy"),
            entry("Commented", "Well flown")
        ]
    );
}

#[tokio::test]
async fn words_are_neither_missing_nor_endless() {
    let cast = Cast::new().await;
    let (pilot, submitted) = (&cast.pilot, cast.submit().await);
    let longest = json!({"reason": "x".repeat(2_000)});
    let rejected = cast.decide("reject", &submitted, longest).await;
    assert_eq!(rejected.status, 200, "{rejected:?}");
    for words in [Some(String::new()), Some("x".repeat(2_001)), None] {
        let body = |member: &str| match &words {
            Some(words) => json!({member: words}),
            None => json!({}),
        };
        for (member, refused) in [
            (
                "comment",
                cast.act("comments", pilot, body("comment")).await,
            ),
            ("comment", cast.act("appeal", pilot, body("comment")).await),
            (
                "reason",
                cast.decide("reopen", &rejected, body("reason")).await,
            ),
        ] {
            assert_eq!(refused.status, 422, "{refused:?}");
            let pointer = &refused.body["errors"][0]["pointer"];
            assert_eq!(pointer, &format!("/{member}"), "{refused:?}");
        }
    }
}

#[tokio::test]
async fn what_was_said_goes_with_the_pilot() {
    let cast = Cast::submitted().await;
    let question = json!({"question": "Is your knee well again?"});
    let asked = cast.act("ask", &cast.admin, question).await;
    assert_eq!(asked.status, 200, "{asked:?}");
    let comment = json!({"comment": "My knee hurts"});
    let commented = cast.act("comments", &cast.pilot, comment).await;
    assert_eq!(commented.status, 200, "{commented:?}");
    let before = cast.read(&commented, "/history").await.body.to_string();
    assert!(
        before.contains("knee well") && before.contains("knee hurts"),
        "{before}"
    );
    let erase = format!("/api/v1/users/{}/erase", cast.pilot.id);
    let erase = Call::new("POST", &erase).by(&cast.admin).named();
    let erased = cast.stack.ask(erase.json(json!({}))).await;
    assert_eq!(erased.status, 200, "{erased:?}");
    for rest in ["", "/history"] {
        let call = Call::get(&format!("{}{rest}", cast.path)).by(&cast.admin);
        let call = call.header("albatross-position", &erased.position());
        let shown = cast.stack.ask(call).await;
        assert_eq!(shown.status, 200, "{shown:?}");
        assert!(!shown.body.to_string().contains("knee"), "{shown:?}");
    }
    // Nothing more can be said of whoever is not there any more.
    let late = json!({"comment": "Farewell"});
    let late = cast.act("comments", &cast.admin, late).await;
    assert_eq!(late.status, 409, "{late:?}");
}

#[tokio::test]
async fn what_was_said_is_for_pilot_and_staff() {
    let cast = Cast::new().await;
    let submitted = cast.submit().await;
    assert_eq!(submitted.status, 200, "{submitted:?}");
    let question = json!({"question": "Which runway?"});
    assert_eq!(cast.act("ask", &cast.admin, question).await.status, 200);
    let answer = json!({"answer": "Runway 26"});
    let answered = cast.act("answer", &cast.pilot, answer).await;
    assert_eq!(answered.status, 200, "{answered:?}");
    let accept = Call::new("POST", &format!("{}/accept", cast.path)).by(&cast.admin);
    let accept = accept.header("if-match", &answered.etag());
    let comment = json!({"comment": "Runway 26 it was"});
    let accepted = cast.stack.ask(accept.json(comment)).await;
    assert_eq!(accepted.status, 200, "{accepted:?}");
    let other = cast.stack.pilot("bob").await;
    for (who, told) in [(&cast.pilot, true), (&cast.admin, true), (&other, false)] {
        for path in [
            &format!("{}/history", cast.path),
            &cast.path,
            "/api/v1/pireps",
        ] {
            let call = Call::get(path).by(who);
            let call = call.header("albatross-position", &accepted.position());
            let answer = cast.stack.ask(call).await;
            assert_eq!(answer.status, 200, "{answer:?}");
            let shown = answer.body.to_string();
            assert!(shown.contains("Accepted"), "{shown}");
            assert_eq!(shown.to_lowercase().contains("runway"), told, "{shown}");
        }
    }
}

#[tokio::test]
async fn what_a_report_says_is_changed_member_by_member() {
    let cast = Cast::new().await;
    let submitted = cast.submit().await;
    let blind = Call::new("PATCH", &cast.path).by(&cast.pilot);
    let blind = cast.stack.ask(blind.json(json!({"remarks": "x"}))).await;
    assert_eq!(
        (blind.status.as_u16(), blind.problem()),
        (428, "version-required")
    );
    let patch = json!({
        "plan": {"route": "DCT", "alternate": "LLOV"}, "report": {"distanceNmi": 1219.57, "flightTimeMin": null},
        "remarks": "Windy", "customFields": {"gate": "A1", "stand": "7"},
    });
    let first = cast.patch(&cast.pilot, &submitted, patch).await;
    assert_eq!(first.status, 200, "{first:?}");
    assert_eq!(first.body["plan"]["route"], "DCT");
    assert_eq!(first.body["plan"]["departure"], "LIRF", "kept");
    assert_eq!(first.body["report"]["distanceNmi"], 1219.57);
    assert_eq!(first.body["report"]["blockTimeMin"], 210, "kept");
    assert_eq!(first.body["report"]["flightTimeMin"], Value::Null);
    let late = cast.patch(&cast.pilot, &submitted, json!({})).await;
    assert_eq!(
        (late.status.as_u16(), late.problem()),
        (412, "version-stale")
    );
    let nothing = cast.patch(&cast.pilot, &first, json!({})).await;
    assert_eq!(
        (nothing.status.as_u16(), nothing.etag()),
        (200, first.etag())
    );
    let remove = json!({"plan": {"route": null}, "remarks": null, "customFields": {"stand": null}});
    let second = cast.patch(&cast.pilot, &first, remove).await;
    assert_eq!(second.status, 200, "{second:?}");
    assert_eq!(second.body["plan"]["route"], Value::Null);
    assert_eq!(second.body["plan"]["alternate"], "LLOV");
    assert_eq!(second.body["remarks"], Value::Null);
    assert_eq!(second.body["customFields"], json!({"gate": "A1"}));

    for (patch, pointer) in [
        (json!({"state": "Accepted"}), "/state"),
        (json!({"plan": {"speed": 1}}), "/plan/speed"),
        (json!({"plan": {"arrival": null}}), "/plan/arrival"),
        (json!({"plan": "none"}), "/plan"),
        (json!({"remarks": "x".repeat(4_001)}), "/remarks"),
    ] {
        let wrong = cast.patch(&cast.pilot, &second, patch).await;
        assert_eq!(wrong.status, 422, "{wrong:?}");
        assert_eq!(wrong.body["errors"][0]["pointer"], pointer, "{wrong:?}");
    }
}

#[tokio::test]
async fn staff_say_why_they_change_a_report() {
    let cast = Cast::new().await;
    let submitted = cast.submit().await;
    let patch = json!({"report": {"blockTimeMin": 200}});
    let silent = cast.patch(&cast.admin, &submitted, patch).await;
    assert_eq!(silent.status, 422, "{silent:?}");
    assert_eq!(silent.body["errors"][0]["pointer"], "/reason");
    let patch = json!({"report": {"blockTimeMin": 200}, "reason": "As the track says"});
    let changed = cast.patch(&cast.admin, &submitted, patch).await;
    assert_eq!(changed.status, 200, "{changed:?}");
    let said = cast.said(&changed).await;
    assert_eq!(said[2..], [entry("Edited", "As the track says")]);
    let accepted = cast.decide("accept", &changed, json!({})).await;
    let late = cast
        .patch(&cast.pilot, &accepted, json!({"remarks": "Oh"}))
        .await;
    not_for(&late);
    assert_eq!(late.body["code"], "not-permitted");
}

#[tokio::test]
async fn what_was_measured_is_not_its_pilots_to_change() {
    let cast = Cast::new().await;
    let (path, etag) = cast.stack.submitted(&cast.pilot).await;
    let patch = |body| {
        let call = Call::new("PATCH", &path).by(&cast.pilot);
        call.header("if-match", &etag).json(body)
    };
    let refused = patch(json!({"report": {"landingRateFpm": -1}}));
    let refused = cast.stack.ask(refused).await;
    assert_eq!(refused.status, 403, "{refused:?}");
    assert_eq!(refused.body["code"], "measured");
    let remarks = cast.stack.ask(patch(json!({"remarks": "Windy"}))).await;
    assert_eq!(remarks.status, 200, "{remarks:?}");
}

#[tokio::test]
async fn a_flight_that_is_heard_of_is_not_finished_from_its_track() {
    let cast = Cast::new().await;
    let path = cast.stack.flight(&cast.pilot).await;
    for who in [&cast.pilot, &cast.admin] {
        let finish = Call::new("POST", &format!("{path}/finish")).by(who);
        let refused = cast.stack.ask(finish.json(json!({}))).await;
        let outcome = (refused.status.as_u16(), refused.problem());
        assert_eq!(outcome, (409, "illegal-transition"), "{refused:?}");
    }
}
