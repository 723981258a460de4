//! What handlers take from a request: body, path and query, with every mistake named by its pointer.

use axum::body::HttpBody;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, HOST};
use http::request::Parts;
use http::{HeaderMap, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::error::Category;

use crate::domain::ids::UserId;
use crate::http::caller::Caller;
use crate::http::problem::{FieldError, Problem, kind};
use crate::http::receive::{Limits, incomplete, receive};
use crate::http::room::{Each, FREE, Room, turn};
use crate::http::strict::Strict;

/// Largest body that is read, in bytes, but for whole flights.
pub const MAX_BODY_BYTES: usize = 1024 * 1024;
/// What those take that are no whole flights.
static ROOM: Room = Room::new(32 * MAX_BODY_BYTES, 16 * MAX_BODY_BYTES);
const USUAL: Limits = Limits {
    free: FREE,
    most: MAX_BODY_BYTES,
    room: &ROOM,
};
/// Of those who are not known, who take no room from others.
const OF_STRANGERS: Limits = Limits {
    most: FREE,
    ..USUAL
};
/// Of each user so many that take room are received at a time, so that nobody takes all the room of an airline.
static RECEIVED: Each<UserId> = Each::new(4);
/// How much of a member's name an answer repeats.
const MAX_NAME_CHARS: usize = 64;
/// The same for what is said of a value, which may repeat the value.
const MAX_REASON_CHARS: usize = 500;

/// Refuses a request with several `Host` headers (RFC 9112, section 3.2): a proxy may go by another one.
pub async fn one_host(request: Request, next: Next) -> Response {
    if request.headers().get_all(HOST).iter().nth(1).is_some() {
        return Problem::new(kind::INVALID_REQUEST)
            .detail("Host is given more than once")
            .into_response();
    }
    next.run(request).await
}

/// Refuses a request to the API whose `Accept` admits none of the types that it answers in.
pub async fn acceptable(request: Request, next: Next) -> Response {
    let api = request.uri().path().starts_with("/api/v1/");
    if api && !accepts(request.headers()) {
        return Problem::new(kind::NOT_ACCEPTABLE).into_response();
    }
    next.run(request).await
}

fn accepts(headers: &HeaderMap) -> bool {
    let mut ranges = headers
        .get_all(ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|range| range.split(';').next())
        .map(|range| range.trim().to_ascii_lowercase())
        .peekable();
    ranges.peek().is_none()
        || ranges.any(|range| {
            matches!(
                range.as_str(),
                "*/*" | "application/*" | "text/event-stream"
            ) || (range.starts_with("application/") && range.ends_with("json"))
        })
}

/// A JSON body. No body at all reads as `{}`.
pub struct Body<T> {
    pub value: T,
    /// As they came: a repeated request must hold the same.
    pub bytes: Bytes,
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let typed = content_type(request.headers())?;
        let bytes = received(request, state).await?;
        let bytes = match (typed, bytes.is_empty()) {
            (false, true) => Bytes::from_static(b"{}"),
            (false, false) => return Err(kind::UNSUPPORTED_MEDIA_TYPE.into()),
            (true, _) => bytes,
        };
        Ok(Self {
            value: from_json(&bytes)?,
            bytes,
        })
    }
}

/// A body that was received before its handler was called.
#[derive(Clone)]
pub struct Received(pub Bytes);

async fn received<S: Send + Sync>(mut request: Request, state: &S) -> Result<Bytes, Problem> {
    if let Some(Received(bytes)) = request.extensions_mut().remove() {
        return Ok(bytes);
    }
    match request.extensions().get::<Caller>() {
        Some(Caller {
            airline,
            identity: Some(identity),
            ..
        }) => {
            let (airline, user) = (*airline, identity.user());
            let body = request.into_body();
            let is_small = body.size_hint().upper().is_some_and(|it| it <= FREE as u64);
            let _receives = match is_small {
                true => None,
                false => Some(turn(RECEIVED.of(user).acquire_owned()).await?),
            };
            receive(airline, body, &USUAL).await
        }
        Some(caller) => receive(caller.airline, request.into_body(), &OF_STRANGERS).await,
        // The operator, on a port of its own.
        None => {
            let bytes = Bytes::from_request(request, state).await;
            bytes.map_err(unreadable)
        }
    }
}

/// Whether the body says that it is JSON; refuses any other type.
fn content_type(headers: &HeaderMap) -> Result<bool, Problem> {
    let Some(value) = headers.get(CONTENT_TYPE) else {
        return Ok(false);
    };
    let essence = value
        .to_str()
        .unwrap_or_default()
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    if essence == "application/json"
        || (essence.starts_with("application/") && essence.ends_with("+json"))
    {
        Ok(true)
    } else {
        Err(kind::UNSUPPORTED_MEDIA_TYPE.into())
    }
}

fn unreadable(rejection: BytesRejection) -> Problem {
    if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
        kind::BODY_TOO_LARGE.into()
    } else {
        incomplete()
    }
}

/// Reads JSON; the depth is limited to serde_json's 128 levels.
pub fn from_json<T: DeserializeOwned>(json: &[u8]) -> Result<T, Problem> {
    refuse_nul(json)?;
    let mut reader = serde_json::Deserializer::from_slice(json);
    let value = serde_path_to_error::deserialize(Strict(&mut reader)).map_err(|error| {
        let path = pointer(error.path());
        misread(path, error.inner())
    })?;
    reader
        .end()
        .map_err(|error| misread(String::new(), &error))?;
    Ok(value)
}

/// U+0000 is valid in JSON, but no text column of a database takes it.
fn refuse_nul(json: &[u8]) -> Result<(), Problem> {
    if !json.windows(6).any(|window| window == b"\\u0000") {
        return Ok(());
    }
    match serde_json::from_slice(json) {
        Ok(value) => match nul_in(&value, String::new()) {
            Some(pointer) => Err(Problem::new(kind::VALIDATION).error(FieldError::at(
                pointer,
                "invalid",
                "U+0000 is not allowed in text",
            ))),
            None => Ok(()),
        },
        Err(error) => Err(misread(String::new(), &error)),
    }
}

fn nul_in(value: &serde_json::Value, at: String) -> Option<String> {
    match value {
        serde_json::Value::String(text) => text.contains('\0').then_some(at),
        serde_json::Value::Array(items) => items
            .iter()
            .enumerate()
            .find_map(|(index, item)| nul_in(item, format!("{at}/{index}"))),
        serde_json::Value::Object(members) => members.iter().find_map(|(name, member)| {
            let at = format!("{at}/{}", escape(name));
            if name.contains('\0') {
                Some(at)
            } else {
                nul_in(member, at)
            }
        }),
        _ => None,
    }
}

fn misread(pointer: String, error: &serde_json::Error) -> Problem {
    let text = error.to_string();
    let reason = text
        .rsplit_once(" at line ")
        .map_or(text.as_str(), |(reason, _)| reason);
    match error.classify() {
        Category::Data => Problem::new(kind::VALIDATION).error(member_error(pointer, reason)),
        Category::Syntax | Category::Eof | Category::Io => Problem::new(kind::INVALID_JSON).detail(
            format!("{reason}, line {}, column {}", error.line(), error.column()),
        ),
    }
}

/// serde says what is wrong in words only: its fixed phrases tell missing and unknown members apart.
fn member_error(pointer: String, reason: &str) -> FieldError {
    let named = |phrase: &str| {
        let (name, _) = reason.strip_prefix(phrase)?.split_once('`')?;
        Some(escape(name))
    };
    if let Some(name) = named("missing field `") {
        FieldError::at(format!("{pointer}/{name}"), "missing", "is required")
    } else if let Some(name) = named("unknown field `") {
        let pointer = if pointer.rsplit('/').next() == Some(&name) {
            pointer
        } else {
            format!("{pointer}/{name}")
        };
        FieldError::at(pointer, "unknown", "there is no such member")
    } else if let Some(name) = named("duplicate field `") {
        let pointer = if pointer.rsplit('/').next() == Some(&name) {
            pointer
        } else {
            format!("{pointer}/{name}")
        };
        FieldError::at(pointer, "duplicate", "is given twice")
    } else {
        FieldError::at(pointer, "invalid", shortened(reason, MAX_REASON_CHARS))
    }
}

fn pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    path.iter()
        .filter_map(|segment| match segment {
            Segment::Seq { index } => Some(format!("/{index}")),
            Segment::Map { key } => Some(format!("/{}", escape(key))),
            Segment::Enum { .. } | Segment::Unknown => None,
        })
        .collect()
}

/// RFC 6901, section 3. Nobody is sent back a name that is no name.
fn escape(name: &str) -> String {
    let name = shortened(name, MAX_NAME_CHARS);
    name.replace('~', "~0").replace('/', "~1")
}

fn shortened(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => text.to_owned(),
        Some(_) => text.chars().take(most - 1).chain(['…']).collect(),
    }
}

/// Parameters of the path. A value that cannot be one names nothing: 404.
#[derive(Debug)]
pub struct Path<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match axum::extract::Path::from_request_parts(parts, state).await {
            Ok(axum::extract::Path(value)) => Ok(Self(value)),
            Err(_) => Err(Problem::not_found()),
        }
    }
}

/// Parameters of the query string. Unknown ones and wrong values are 422.
#[derive(Debug)]
pub struct Query<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let query = parts.uri.query().unwrap_or_default();
        if query.contains("%00") {
            return Err(Problem::new(kind::VALIDATION).detail("U+0000 is not allowed in text"));
        }
        let reader = serde_urlencoded::Deserializer::new(form_urlencoded::parse(query.as_bytes()));
        serde_path_to_error::deserialize(reader)
            .map(Self)
            .map_err(|error| {
                let at = pointer(error.path());
                let wrong = member_error(at, &error.inner().to_string());
                let name = wrong.pointer.unwrap_or_default();
                Problem::new(kind::VALIDATION).error(FieldError::parameter(
                    name.trim_start_matches('/'),
                    &wrong.code,
                    wrong.detail,
                ))
            })
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Outer {
        #[serde(rename = "plan")]
        _plan: Inner,
        #[serde(rename = "items", default)]
        _items: Vec<Inner>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Inner {
        #[serde(rename = "level")]
        _level: i32,
        #[serde(rename = "remarks", default)]
        _remarks: Option<String>,
        #[serde(rename = "kind", default)]
        _kind: Option<Kind>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "camelCase")]
    enum Kind {
        Short,
    }

    fn refused(json: &str) -> crate::http::problem::Document {
        from_json::<Outer>(json.as_bytes())
            .unwrap_err()
            .document("test")
    }

    #[rstest]
    #[case(r#"{"plan": {"level": "high"}}"#, "/plan/level", "invalid")]
    #[case(r#"{"plan": {"level": 1.5}}"#, "/plan/level", "invalid")]
    #[case(r#"{"plan": {"level": 99999999999}}"#, "/plan/level", "invalid")]
    #[case(r#"{"plan": {}}"#, "/plan/level", "missing")]
    #[case(r#"{}"#, "/plan", "missing")]
    #[case(r#"{"plan": {"level": 1, "leg/s": 2}}"#, "/plan/leg~1s", "unknown")]
    #[case(r#"{"plan": {"level": 1}, "x": 2}"#, "/x", "unknown")]
    #[case(r#"{"plan": {"level": 1, "level": 2}}"#, "/plan/level", "duplicate")]
    #[case(
        r#"{"plan": {"level": 1}, "items": [{"level": 1}, {"level": null}]}"#,
        "/items/1/level",
        "invalid"
    )]
    #[case(
        r#"{"plan": {"level": 1, "remarks": "a\u0000b"}}"#,
        "/plan/remarks",
        "invalid"
    )]
    #[case(r#"{"plan": [1]}"#, "/plan", "invalid")]
    #[case(
        r#"{"plan": {"level": 1}, "items": [[1, "x"]]}"#,
        "/items/0",
        "invalid"
    )]
    #[case(
        r#"{"plan": {"level": 1, "kind": {"short": null}}}"#,
        "/plan/kind",
        "invalid"
    )]
    #[case(r#"[]"#, "", "invalid")]
    #[case(r#"7"#, "", "invalid")]
    fn wrong_members_are_named_by_pointer(
        #[case] json: &str,
        #[case] pointer: &str,
        #[case] code: &str,
    ) {
        let problem = refused(json);
        assert_eq!(problem.status, 422, "{problem:?}");
        assert_eq!(
            problem.errors[0].pointer.as_deref(),
            Some(pointer),
            "{problem:?}"
        );
        assert_eq!(problem.errors[0].code, code, "{problem:?}");
    }

    #[rstest]
    #[case("")]
    #[case("{")]
    #[case(r#"{"plan": {"level": 1}} trailing"#)]
    #[case(r#"{"plan": {"level": 1e999}}"#)]
    #[case(r#"{"plan": {"level": 1, "remarks": "\ud800"}}"#)]
    #[case("{\"plan\": {\"level\": 1, \"remarks\": \"a\0b\"}}")]
    fn broken_json_is_named_by_line_and_column(#[case] json: &str) {
        let problem = refused(json);
        assert_eq!(problem.status, 400, "{problem:?}");
        assert!(problem.detail.unwrap().contains("line 1"));
    }

    #[test]
    fn no_more_of_a_name_is_sent_back_than_anybody_reads() {
        let long = "x".repeat(1_000);
        let problem = refused(&format!(r#"{{"plan": {{"level": 1, "{long}": 2}}}}"#));
        let pointer = problem.errors[0].pointer.as_deref().unwrap();
        assert_eq!(pointer, format!("/plan/{}…", "x".repeat(63)));
        let problem = refused(&format!(r#"{{"plan": {{"level": "{long}"}}}}"#));
        assert!(problem.errors[0].detail.chars().count() <= 500);
    }

    #[test]
    fn what_is_described_is_read() {
        let json = br#"{"plan": {"level": 1, "kind": "short"}, "items": [{"level": -2}]}"#;
        assert!(from_json::<Outer>(json).is_ok());
    }

    #[test]
    fn depth_is_limited() {
        let json = "[".repeat(100_000);
        let refused = from_json::<serde_json::Value>(json.as_bytes()).unwrap_err();
        assert_eq!(refused.kind(), kind::INVALID_JSON);
    }

    #[test]
    fn an_escaped_backslash_before_u0000_is_text() {
        let json = br#"{"plan": {"level": 1, "remarks": "C:\\u0000"}}"#;
        assert!(from_json::<Outer>(json).is_ok());
    }

    #[test]
    fn bytes_that_are_not_utf8_are_broken_json() {
        let refused = from_json::<serde_json::Value>(b"\"\xff\"").unwrap_err();
        assert_eq!(refused.kind(), kind::INVALID_JSON);
    }
}
