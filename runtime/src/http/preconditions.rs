//! Headers that say when a request may take effect, and what it may see.

use std::str::FromStr;

use axum::extract::FromRequestParts;
use http::HeaderMap;
use http::header::IF_MATCH;
use http::request::Parts;

use crate::http::problem::{Problem, kind};

/// Header that names a log position: on writes what was written, on reads what must be visible.
pub const ALBATROSS_POSITION: &str = "albatross-position";
/// Header by which a client names its request (IETF draft-ietf-httpapi-idempotency-key-header).
pub const IDEMPOTENCY_KEY: &str = "idempotency-key";

const MAX_KEY_BYTES: usize = 255;

/// The version that `If-Match` names; `*` and an absent header name none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IfMatch(pub Option<i32>);

impl IfMatch {
    /// For calls that must name a version: 428 without one.
    pub fn required(self) -> Result<i32, Problem> {
        self.0.ok_or_else(|| kind::VERSION_REQUIRED.into())
    }
}

impl<S: Send + Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        match single(&parts.headers, IF_MATCH.as_str())? {
            None | Some("*") => Ok(Self(None)),
            // Proxies that compress weaken tags, so a weak one counts as well.
            Some(tag) => tag
                .strip_prefix("W/")
                .unwrap_or(tag)
                .strip_prefix('"')
                .and_then(|tag| tag.strip_suffix('"'))
                .and_then(as_written)
                .map(|version| Self(Some(version)))
                .ok_or_else(|| {
                    malformed("If-Match must be one ETag as it was given, such as \"7\"")
                }),
        }
    }
}

/// The client's own name for this request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyKey(pub Option<String>);

impl IdempotencyKey {
    /// For calls that must be named: 400 without a key.
    pub fn required(self) -> Result<String, Problem> {
        self.0.ok_or_else(|| kind::IDEMPOTENCY_KEY_MISSING.into())
    }
}

impl<S: Send + Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let Some(value) = single(&parts.headers, IDEMPOTENCY_KEY)? else {
            return Ok(Self(None));
        };
        // The draft makes it a quoted string; many clients send it bare.
        let key = value.trim_matches('"');
        if key.is_empty() || key.len() > MAX_KEY_BYTES {
            return Err(malformed("Idempotency-Key must have 1 to 255 characters"));
        }
        Ok(Self(Some(key.to_owned())))
    }
}

/// The log position that a read must have seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AtPosition(pub Option<i64>);

impl<S: Send + Sync> FromRequestParts<S> for AtPosition {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        match single(&parts.headers, ALBATROSS_POSITION)? {
            None => Ok(Self(None)),
            Some(value) => as_written::<i64>(value)
                .filter(|position| *position >= 0)
                .map(|position| Self(Some(position)))
                .ok_or_else(|| malformed("Albatross-Position must be a position as it was given")),
        }
    }
}

fn single<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, Problem> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(malformed(&format!("{name} is given more than once")));
    }
    value
        .to_str()
        .map(|value| Some(value.trim()))
        .map_err(|_| malformed(&format!("{name} must be visible ASCII")))
}

/// A number in the one form in which it was given: neither `+7` nor `07`.
fn as_written<N: FromStr + ToString>(text: &str) -> Option<N> {
    let number = text.parse::<N>().ok();
    number.filter(|number| number.to_string() == text)
}

fn malformed(detail: &str) -> Problem {
    Problem::new(kind::INVALID_REQUEST).detail(detail)
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use http::Request;
    use rstest::rstest;

    use super::*;

    fn parts(name: &str, values: &[&str]) -> Parts {
        let mut request = Request::builder();
        for value in values {
            request = request.header(name, *value);
        }
        request.body(Body::empty()).unwrap().into_parts().0
    }

    #[rstest]
    #[case(&["\"7\""], Some(7))]
    #[case(&["W/\"7\""], Some(7))]
    #[case(&["*"], None)]
    #[case(&[], None)]
    #[tokio::test]
    async fn if_match_names_a_version(#[case] values: &[&str], #[case] expected: Option<i32>) {
        let mut parts = parts("if-match", values);
        let found = IfMatch::from_request_parts(&mut parts, &()).await.unwrap();
        assert_eq!(found.0, expected);
    }

    #[rstest]
    #[case("if-match", &["7"])]
    #[case("if-match", &["\"seven\""])]
    #[case("if-match", &["\"+7\""])]
    #[case("if-match", &["\"07\""])]
    #[case("if-match", &["\"7\"", "\"8\""])]
    #[tokio::test]
    async fn a_foreign_etag_is_malformed(#[case] name: &str, #[case] values: &[&str]) {
        let mut parts = parts(name, values);
        let refused = IfMatch::from_request_parts(&mut parts, &())
            .await
            .unwrap_err();
        assert_eq!(refused.kind(), kind::INVALID_REQUEST);
    }

    #[tokio::test]
    async fn an_idempotency_key_may_be_quoted() {
        let mut parts = parts("idempotency-key", &["\"a-b\""]);
        let key = IdempotencyKey::from_request_parts(&mut parts, &())
            .await
            .unwrap();
        assert_eq!(key.required().unwrap(), "a-b");
    }

    #[tokio::test]
    async fn an_endless_idempotency_key_is_malformed() {
        let long = "k".repeat(256);
        let mut parts = parts("idempotency-key", &[&long]);
        assert!(
            IdempotencyKey::from_request_parts(&mut parts, &())
                .await
                .is_err()
        );
    }

    #[rstest]
    #[case("-1")]
    #[case("+1")]
    #[case("x")]
    #[tokio::test]
    async fn a_position_is_a_number(#[case] value: &str) {
        let mut parts = parts(ALBATROSS_POSITION, &[value]);
        assert!(
            AtPosition::from_request_parts(&mut parts, &())
                .await
                .is_err()
        );
    }
}
