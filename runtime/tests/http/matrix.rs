//! Who may do what: every route, every kind of caller, own and others', against the real router.
//!
//! Written out by hand, so that a slip in the table of rights does not repeat itself here.

use std::collections::HashMap;
use std::sync::Mutex;

use serde_json::json;
use uuid::Uuid;

use crate::stack::{Call, Person, Stack};
use albatross::http::authorisation::table::TABLE;

/// Callers, in the order of the columns. The thing belongs to `owner`, a pilot.
const CALLERS: [&str; 8] = [
    "nobody",
    "owner",
    "other pilot",
    "reviewer",
    "tenant admin",
    "platform admin",
    "owner's key with the scope",
    "owner's key without it",
];

/// A pilot's key cannot hold this scope.
const NONE: u16 = 403;
/// Let through: whatever comes then is not about who asks.
const YES: u16 = 200;

/// Method, path, the scope that a key needs (none: no key may, or any may), and the answer to each caller.
type Row = (&'static str, &'static str, &'static str, [u16; 8]);

#[rustfmt::skip]
const MATRIX: &[Row] = &[
    ("GET",    "/airline",                  "",             [YES, YES, YES, YES, YES, YES, YES, YES]),
    ("POST",   "/auth/login",               "",             [YES, YES, YES, YES, YES, YES, YES, YES]),
    ("POST",   "/auth/link",                "",             [YES, YES, YES, YES, YES, YES, YES, YES]),
    ("POST",   "/auth/logout",              "",             [401, YES, YES, YES, YES, YES, 403, 403]),
    ("GET",    "/me",                       "",             [401, YES, YES, YES, YES, YES, YES, YES]),
    ("DELETE", "/me",                       "",             [401, YES, YES, YES, YES, YES, 403, 403]),
    ("PUT",    "/me/password",              "",             [401, YES, YES, YES, YES, YES, 403, 403]),
    ("POST",   "/users",                    "users",        [YES, YES, YES, YES, YES, YES, NONE, YES]),
    ("GET",    "/users",                    "users",        [401, 403, 403, YES, YES, YES, 403, 403]),
    ("GET",    "/users/USER",               "users",        [401, YES, 404, YES, YES, YES, NONE, 403]),
    ("PUT",    "/users/USER/roles",         "users",        [401, 403, 404, 403, YES, YES, 403, 403]),
    ("POST",   "/users/USER/approve",       "users",        [401, 403, 404, 403, YES, YES, 403, 403]),
    ("POST",   "/users/USER/suspend",       "users",        [401, 403, 404, 403, YES, YES, 403, 403]),
    ("POST",   "/users/USER/reinstate",     "users",        [401, 403, 404, 403, YES, YES, 403, 403]),
    ("POST",   "/users/USER/erase",         "",             [401, 403, 404, 403, YES, YES, 403, 403]),
    ("POST",   "/users/USER/apikeys",       "",             [401, YES, 404, 403, 403, 403, 403, 403]),
    ("GET",    "/users/USER/apikeys",       "users",        [401, YES, 404, 403, YES, YES, NONE, 403]),
    ("DELETE", "/users/USER/apikeys/KEY",   "users",        [401, YES, 404, 403, YES, YES, NONE, 403]),
    ("GET",    "/pireps",                   "pireps:read",  [401, YES, YES, YES, YES, YES, YES, 403]),
    ("POST",   "/pireps",                   "pireps:write", [401, YES, YES, YES, YES, YES, YES, 403]),
    ("GET",    "/pireps/FLIGHT",            "pireps:read",  [401, YES, 404, YES, YES, YES, YES, 403]),
    ("PUT",    "/pireps/FLIGHT",            "pireps:write", [401, YES, 404, 403, 403, 403, YES, 403]),
    ("PATCH",  "/pireps/FLIGHT",            "pireps:write", [401, YES, 404, YES, YES, YES, YES, 403]),
    ("DELETE", "/pireps/FLIGHT",            "pireps:write", [401, YES, 404, 403, 403, 403, YES, 403]),
    ("POST",   "/pireps/FLIGHT/positions",  "track:write",  [401, YES, 404, 403, 403, 403, YES, 403]),
    ("POST",   "/pireps/FLIGHT/log",        "track:write",  [401, YES, 404, 403, 403, 403, YES, 403]),
    ("GET",    "/pireps/FLIGHT/log",        "pireps:read",  [401, YES, 404, YES, YES, YES, YES, 403]),
    ("POST",   "/pireps/FLIGHT/finish",     "pireps:write", [401, YES, 404, YES, YES, YES, YES, 403]),
    ("POST",   "/pireps/FLIGHT/submit",     "pireps:write", [401, YES, 404, 403, 403, 403, YES, 403]),
    ("POST",   "/pireps/FLIGHT/pause",      "pireps:write", [401, YES, 404, 403, 403, 403, YES, 403]),
    ("POST",   "/pireps/FLIGHT/resume",     "pireps:write", [401, YES, 404, 403, 403, 403, YES, 403]),
    ("POST",   "/pireps/FLIGHT/cancel",     "pireps:write", [401, YES, 404, YES, YES, YES, YES, 403]),
    ("POST",   "/pireps/FLIGHT/restore",    "pireps:write", [401, YES, 404, YES, YES, YES, YES, 403]),
    ("POST",   "/pireps/FLIGHT/withdraw",   "pireps:write", [401, YES, 404, 403, 403, 403, YES, 403]),
    ("POST",   "/pireps/FLIGHT/accept",     "review",       [401, 403, 404, YES, YES, YES, 403, 403]),
    ("POST",   "/pireps/FLIGHT/reject",     "review",       [401, 403, 404, YES, YES, YES, 403, 403]),
    ("POST",   "/pireps/FLIGHT/reopen",     "review",       [401, 403, 404, YES, YES, YES, 403, 403]),
    ("POST",   "/pireps/FLIGHT/ask",        "review",       [401, 403, 404, YES, YES, YES, 403, 403]),
    ("POST",   "/pireps/FLIGHT/answer",     "pireps:write", [401, YES, 404, 403, 403, 403, YES, 403]),
    ("POST",   "/pireps/FLIGHT/appeal",     "pireps:write", [401, YES, 404, 403, 403, 403, YES, 403]),
    ("POST",   "/pireps/FLIGHT/comments",   "pireps:write", [401, YES, 404, YES, YES, YES, YES, 403]),
    ("GET",    "/pireps/FLIGHT/history",    "pireps:read",  [401, YES, 404, YES, YES, YES, YES, 403]),
    ("GET",    "/pireps/FLIGHT/track",      "pireps:read",  [401, YES, 404, YES, YES, YES, YES, 403]),
    ("GET",    "/settings",                 "settings",     [401, 403, 403, YES, YES, YES, 403, 403]),
    ("PUT",    "/settings",                 "settings",     [401, 403, 403, 403, YES, YES, 403, 403]),
    ("GET",    "/rules",                    "settings",     [401, 403, 403, YES, YES, YES, 403, 403]),
    ("PUT",    "/rules",                    "settings",     [401, 403, 403, 403, YES, YES, 403, 403]),
    ("POST",   "/rules/dry-run",            "settings",     [401, 403, 403, 403, YES, YES, 403, 403]),
    ("GET",    "/aircraft",                "catalogue:read",  [401, YES, YES, YES, YES, YES, YES, 403]),
    ("POST",   "/aircraft",                "catalogue:write", [401, 403, 403, 403, YES, YES, NONE, 403]),
    ("GET",    "/aircraft/THING",          "catalogue:read",  [401, YES, YES, YES, YES, YES, YES, 403]),
    ("PATCH",  "/aircraft/THING",          "catalogue:write", [401, 403, 403, 403, YES, YES, NONE, 403]),
    ("POST",   "/aircraft/THING/archive",  "catalogue:write", [401, 403, 403, 403, YES, YES, NONE, 403]),
    ("POST",   "/aircraft/THING/restore",  "catalogue:write", [401, 403, 403, 403, YES, YES, NONE, 403]),
    ("GET",    "/flights",                 "catalogue:read",  [401, YES, YES, YES, YES, YES, YES, 403]),
    ("POST",   "/flights",                 "catalogue:write", [401, 403, 403, 403, YES, YES, NONE, 403]),
    ("GET",    "/flights/THING",           "catalogue:read",  [401, YES, YES, YES, YES, YES, YES, 403]),
    ("PATCH",  "/flights/THING",           "catalogue:write", [401, 403, 403, 403, YES, YES, NONE, 403]),
    ("POST",   "/flights/THING/archive",   "catalogue:write", [401, 403, 403, 403, YES, YES, NONE, 403]),
    ("POST",   "/flights/THING/restore",   "catalogue:write", [401, 403, 403, 403, YES, YES, NONE, 403]),
    ("GET",    "/ranks",                   "catalogue:read",  [401, YES, YES, YES, YES, YES, YES, 403]),
    ("PUT",    "/ranks",                   "catalogue:write", [401, 403, 403, 403, YES, YES, NONE, 403]),
    ("GET",    "/pirep-fields",            "catalogue:read",  [401, YES, YES, YES, YES, YES, YES, 403]),
    ("PUT",    "/pirep-fields",            "catalogue:write", [401, 403, 403, 403, YES, YES, NONE, 403]),
    ("GET",    "/bids",                    "catalogue:read",  [401, YES, YES, YES, YES, YES, YES, 403]),
    ("POST",   "/bids",                    "bids:write",      [401, YES, YES, YES, YES, YES, YES, 403]),
    ("DELETE", "/bids/BID",                "bids:write",      [401, YES, 404, 404, 404, 404, YES, 403]),
    ("GET",    "/stream",                   "pireps:read",  [401, YES, YES, YES, YES, YES, YES, 403]),
];

/// The same for a flight that was accepted: everybody who is known may read it, and no more.
#[rustfmt::skip]
const PUBLISHED: &[Row] = &[
    ("GET",    "/pireps/FLIGHT",            "pireps:read",  [401, YES, YES, YES, YES, YES, YES, 403]),
    ("GET",    "/pireps/FLIGHT/history",    "pireps:read",  [401, YES, YES, YES, YES, YES, YES, 403]),
    ("GET",    "/pireps/FLIGHT/track",      "pireps:read",  [401, YES, YES, YES, YES, YES, YES, 403]),
    ("PUT",    "/pireps/FLIGHT",            "pireps:write", [401, YES, 403, 403, 403, 403, YES, 403]),
    ("POST",   "/pireps/FLIGHT/positions",  "track:write",  [401, YES, 403, 403, 403, 403, YES, 403]),
    ("POST",   "/pireps/FLIGHT/cancel",     "pireps:write", [401, YES, 403, YES, YES, YES, YES, 403]),
    ("POST",   "/pireps/FLIGHT/accept",     "review",       [401, 403, 403, YES, YES, YES, 403, 403]),
    ("PATCH",  "/pireps/FLIGHT",            "pireps:write", [401, YES, 403, YES, YES, YES, YES, 403]),
    ("DELETE", "/pireps/FLIGHT",            "pireps:write", [401, YES, 403, 403, 403, 403, YES, 403]),
    ("POST",   "/pireps/FLIGHT/reopen",     "review",       [401, 403, 403, YES, YES, YES, 403, 403]),
    ("POST",   "/pireps/FLIGHT/comments",   "pireps:write", [401, YES, 403, YES, YES, YES, YES, 403]),
];

struct Cast {
    stack: Stack,
    people: [Person; 5],
    bare_key: String,
    flight: String,
    /// Paths of an aircraft and a scheduled flight.
    things: [String; 2],
    last_bid: Mutex<String>,
    /// By scope; none where the owner can hold none.
    keys: Mutex<HashMap<&'static str, Option<String>>>,
}

impl Cast {
    async fn new() -> Self {
        let stack = Stack::new().await;
        let admin = stack.tenant_admin().await;
        let people = [
            stack.pilot("owner").await,
            stack.pilot("other").await,
            stack.reviewer("rita", &admin).await,
            admin,
            stack.platform_admin().await,
        ];
        let bare_key = stack.key(&people[0], &["live:read"]).await;
        let flight = stack.flight(&people[0]).await;
        let aircraft = json!({"registration": "4X-ELC", "aircraftType": "B744"});
        let scheduled = json!({"flightNumber": "ELY386", "departure": "LIRF", "arrival": "LLBG"});
        let things = [
            stack.added("aircraft", &people[3], aircraft).await,
            stack.added("flights", &people[3], scheduled).await,
        ];
        Self {
            stack,
            people,
            bare_key,
            flight,
            things,
            last_bid: Mutex::default(),
            keys: Mutex::default(),
        }
    }

    fn owner(&self) -> &Person {
        &self.people[0]
    }

    async fn path(&self, template: &str) -> String {
        let flight = self.flight.trim_start_matches("/api/v1/pireps/");
        let mut path = format!("/api/v1{template}");
        for thing in &self.things {
            let kind = thing.rsplit_once('/').map_or("", |(kind, _)| kind);
            path = path.replace(&format!("{kind}/THING"), thing);
        }
        let mut path = path
            .replace("USER", &self.owner().id)
            .replace("FLIGHT", flight);
        if path.contains("BID") {
            path = path.replace("BID", &self.bid().await);
        }
        if path.contains("KEY") {
            let key = self.stack.key(self.owner(), &["live:read"]).await;
            path = path.replace("KEY", &key["albk_".len()..][..12]);
        }
        path
    }

    /// Of the owner's: booked anew when somebody has withdrawn it.
    async fn bid(&self) -> String {
        let flight = self.things[1].trim_start_matches("/api/v1/flights/");
        let make = Call::new("POST", "/api/v1/bids").by(self.owner());
        let made = self.stack.ask(make.json(json!({"flight": flight}))).await;
        let mut last = self.last_bid.lock().unwrap();
        if made.status == 201 {
            *last = made.body["id"].as_str().unwrap().to_owned();
        }
        last.clone()
    }

    /// A body that nothing can be done with: nobody's try changes anything for the next.
    async fn ask(&self, row: Row, caller: usize) -> u16 {
        let (method, template, scope, _) = row;
        let path = self.path(template).await;
        let mut call = Call::new(method, &path);
        if method != "GET" && method != "DELETE" {
            call = call.named().json(json!({"noSuchMember": 1}));
        }
        let call = match caller {
            0 => call,
            // Any will do; a user holds no more than some.
            6 if scope.is_empty() => call.key(&self.bare_key),
            6 => {
                match self.scoped_key(scope).await {
                    Some(key) => call.key(&key),
                    // The owner is a pilot: such a key cannot even be issued.
                    None => return 403,
                }
            }
            7 => call.key(&self.bare_key),
            person => call.by(&self.session(row, person).await),
        };
        let router = self.stack.public.clone();
        let status = call.respond(&router).await.status().as_u16();
        if [401, 403, 404].contains(&status) {
            status
        } else {
            assert!(status < 500, "{method} {template}: {status}");
            YES
        }
    }

    /// Who logs out does so from a session of its own.
    async fn session(&self, row: Row, person: usize) -> Person {
        let known = &self.people[person - 1];
        let pilots = ["owner", "other", "rita"];
        match pilots.get(person - 1) {
            Some(name) if row.1 == "/auth/logout" => {
                self.stack.log_in(&format!("{name}@skyways.example")).await
            }
            _ => known.clone(),
        }
    }

    /// One for each scope: a user holds no more than some.
    async fn scoped_key(&self, scope: &'static str) -> Option<String> {
        if let Some(key) = self.keys.lock().unwrap().get(scope) {
            return key.clone();
        }
        let path = format!("/api/v1/users/{}/apikeys", self.owner().id);
        let call = Call::new("POST", &path).by(self.owner()).named();
        let issued = self
            .stack
            .ask(call.json(json!({"name": "k", "scopes": [scope]})))
            .await;
        let key = issued.body["key"].as_str().map(str::to_owned);
        self.keys.lock().unwrap().insert(scope, key.clone());
        key
    }

    async fn hold(&self, matrix: &[Row]) {
        let mut slips = Vec::new();
        for row in matrix {
            // From the last: whoever erases themselves has no keys any more.
            for (caller, expected) in row.3.into_iter().enumerate().rev() {
                let answered = self.ask(*row, caller).await;
                if answered != expected {
                    let (method, path, name) = (row.0, row.1, CALLERS[caller]);
                    slips.push(format!(
                        "{method} {path} by {name}: {answered}, not {expected}"
                    ));
                }
            }
        }
        assert!(slips.is_empty(), "{}", slips.join("\n"));
    }
}

#[tokio::test]
async fn every_route_lets_through_whom_it_should() {
    let cast = Cast::new().await;
    let routes = TABLE
        .iter()
        .map(|rule| (rule.method, rule.path.matches('/').count()));
    let rows = MATRIX
        .iter()
        .map(|row| (row.0, row.1.matches('/').count() + 2));
    let (mut routes, mut rows): (Vec<_>, Vec<_>) = (routes.collect(), rows.collect());
    routes.sort_unstable();
    rows.sort_unstable();
    assert_eq!(routes, rows, "a route is missing in the matrix");
    // The admins' sessions cannot be had anew, so they log out last; and whoever has erased themselves is nobody.
    let last = |row: &&Row| row.1 == "/auth/logout" || (row.0, row.1) == ("DELETE", "/me");
    let (out, stay): (Vec<Row>, Vec<Row>) = MATRIX.iter().partition(last);
    cast.hold(&stay).await;
    let (erase, out): (Vec<Row>, Vec<Row>) = out.iter().partition(|row| row.1 == "/me");
    cast.hold(&out).await;
    Cast::new().await.hold(&erase).await;
}

#[tokio::test]
async fn what_is_accepted_is_for_everybody_to_read() {
    let mut cast = Cast::new().await;
    let (path, etag) = cast.stack.submitted(cast.owner()).await;
    let accept = Call::new("POST", &format!("{path}/accept")).by(&cast.people[3]);
    let accepted = cast
        .stack
        .ask(accept.header("if-match", &etag).json(json!({})))
        .await;
    assert_eq!(accepted.status, 200, "{accepted:?}");
    let seen = Call::get(&path).by(&cast.people[1]);
    let seen = cast
        .stack
        .ask(seen.header("albatross-position", &accepted.position()))
        .await;
    assert_eq!(seen.status, 200, "{seen:?}");
    cast.flight = path;
    cast.hold(PUBLISHED).await;
}

#[tokio::test]
async fn nobody_decides_their_own_flight() {
    let stack = Stack::new().await;
    let admin = stack.tenant_admin().await;
    let reviewer = stack.reviewer("rita", &admin).await;
    let (path, etag) = stack.submitted(&reviewer).await;
    let accept = Call::new("POST", &format!("{path}/accept")).by(&reviewer);
    let refused = stack
        .ask(accept.header("if-match", &etag).json(json!({})))
        .await;
    assert_eq!(
        (refused.status.as_u16(), refused.problem()),
        (403, "forbidden")
    );
    assert_eq!(refused.body["code"], "own-pirep");
}

#[tokio::test]
async fn a_key_without_a_staff_scope_is_no_staff() {
    let stack = Stack::new().await;
    let admin = stack.tenant_admin().await;
    let pilot = stack.pilot("amelia").await;
    let path = stack.flight(&pilot).await;
    let acars = stack
        .key(&admin, &["pireps:read", "pireps:write", "track:write"])
        .await;
    assert_eq!(stack.ask(Call::get(&path).key(&acars)).await.status, 404);
    for (method, action) in [
        ("PATCH", ""),
        ("POST", "/finish"),
        ("POST", "/cancel"),
        ("POST", "/restore"),
        ("POST", "/comments"),
    ] {
        let call = Call::new(method, &format!("{path}{action}")).key(&acars);
        let answer = stack.ask(call.named().json(json!({"reason": "No"}))).await;
        assert_eq!(answer.status, 404, "{method} {action}");
    }
    let review = stack.key(&admin, &["pireps:read", "review"]).await;
    assert_eq!(stack.ask(Call::get(&path).key(&review)).await.status, 200);
}

#[tokio::test]
async fn what_is_nobodys_is_not_found() {
    let stack = Stack::new().await;
    let admin = stack.tenant_admin().await;
    let path = format!("/api/v1/pireps/{}", Uuid::new_v4());
    for (method, action) in [
        ("GET", ""),
        ("GET", "/history"),
        ("GET", "/track"),
        ("POST", "/submit"),
        ("POST", "/cancel"),
    ] {
        let call = Call::new(method, &format!("{path}{action}"))
            .by(&admin)
            .named();
        let call = if method == "POST" {
            call.json(json!({}))
        } else {
            call
        };
        assert_eq!(stack.ask(call).await.status, 404, "{method} {action}");
    }
}
