//! Every kind of problem that the API answers with: its code, status, title and explanation.

use http::StatusCode;

/// A kind of problem. `type` of the answer is `/problems/<code>`, relative to the airline's address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    /// Last segment of the `type` URL; stable.
    pub code: &'static str,
    pub status: StatusCode,
    pub title: &'static str,
    /// What it means and what to do, for the page behind the `type` URL.
    pub explanation: &'static str,
}

macro_rules! kinds {
    ($($name:ident = $status:ident $code:literal $title:literal $explanation:literal;)*) => {
        $(pub const $name: Kind = Kind {
            code: $code,
            status: StatusCode::$status,
            title: $title,
            explanation: $explanation,
        };)*

        /// All kinds, in the order of their status.
        pub const ALL: &[Kind] = &[$($name),*];
    };
}

kinds! {
    INVALID_JSON = BAD_REQUEST "invalid-json" "The body is not valid JSON"
        "The body could not be read as JSON. The detail names the line and column.";
    INVALID_REQUEST = BAD_REQUEST "invalid-request" "The request is malformed"
        "A header or another part of the request is not what HTTP or this API prescribes. The detail names it.";
    IDEMPOTENCY_KEY_MISSING = BAD_REQUEST "idempotency-key-missing" "Idempotency-Key is missing"
        "This call creates something or acts once, so it needs an Idempotency-Key header: any unique text of up to 255 characters, the same one when you repeat the call.";
    UNAUTHENTICATED = UNAUTHORIZED "unauthenticated" "Authentication is required"
        "Send an API key as X-API-Key or as Authorization: Bearer, or log in. A key or session that has expired or was revoked is answered the same way.";
    INVALID_CREDENTIALS = UNAUTHORIZED "invalid-credentials" "The credentials are not accepted"
        "The e-mail address and password do not belong together, or the one-time link was used already or has expired.";
    FORBIDDEN = FORBIDDEN "forbidden" "Not allowed"
        "You are known, but your roles do not allow this. The detail names what would.";
    AWAITING_APPROVAL = FORBIDDEN "awaiting-approval" "The account awaits approval"
        "E-mail address and password are right. The airline approves who registers: log in again once an admin has done so.";
    SCOPE_MISSING = FORBIDDEN "scope-missing" "The API key lacks a scope"
        "An API key can do no more than its scopes say and never more than its owner. Issue a key that holds the scope which the detail names.";
    ORIGIN_MISMATCH = FORBIDDEN "origin-mismatch" "The request comes from another origin"
        "A write with a session cookie must come from the airline's own pages. Other clients use an API key.";
    NOT_FOUND = NOT_FOUND "not-found" "Not found"
        "There is nothing at this address, or nothing that you may see.";
    METHOD_NOT_ALLOWED = METHOD_NOT_ALLOWED "method-not-allowed" "The method is not allowed here"
        "This address exists, but not for this method. The Allow header lists the methods.";
    NOT_ACCEPTABLE = NOT_ACCEPTABLE "not-acceptable" "No acceptable representation"
        "The API answers in JSON. Accept application/json, or leave the Accept header out.";
    BODY_STALLED = REQUEST_TIMEOUT "body-stalled" "The body did not come"
        "Less than 64 KiB of the body came in 30 seconds, or not all of it in ten minutes. Send it again, over a better line.";
    CONFLICT = CONFLICT "conflict" "In conflict with what is there"
        "Something that must be unique or unchanged is not. The detail says what.";
    ILLEGAL_TRANSITION = CONFLICT "illegal-transition" "Not possible in this state"
        "The entity's state does not allow this action. `allowed` lists what it allows.";
    LIMIT_REACHED = CONFLICT "limit-reached" "A limit is reached"
        "There are as many of these as there may be. The detail names the limit.";
    MANAGED = CONFLICT "managed" "Managed elsewhere"
        "This is declared in the airline's manifest and can only be changed there.";
    ALREADY_ISSUED = CONFLICT "already-issued" "Already issued"
        "This call was answered before, and the answer held a secret that is shown once. Revoke what was issued and issue anew under another Idempotency-Key.";
    OUTDATED = CONFLICT "outdated" "A newer desired state was applied"
        "The number of this desired state is lower than the one that was applied last.";
    VERSION_STALE = PRECONDITION_FAILED "version-stale" "Somebody was faster"
        "The entity has changed since the version that If-Match names. `decision` holds the decision that stands, if there is one. Read it again and decide anew.";
    BODY_TOO_LARGE = PAYLOAD_TOO_LARGE "body-too-large" "The body is too large"
        "The body exceeds the limit that the detail names. Send positions in batches of at most 500.";
    UNSUPPORTED_MEDIA_TYPE = UNSUPPORTED_MEDIA_TYPE "unsupported-media-type" "The body is not JSON"
        "Send Content-Type: application/json.";
    VALIDATION = UNPROCESSABLE_ENTITY "validation" "The request is understood but not valid"
        "`errors` lists each member that is wrong, by its JSON pointer, with the reason.";
    IDEMPOTENCY_KEY_REUSED = UNPROCESSABLE_ENTITY "idempotency-key-reused" "Idempotency-Key was used for something else"
        "This Idempotency-Key came with another body before. Use a new one for a new request.";
    VERSION_REQUIRED = PRECONDITION_REQUIRED "version-required" "If-Match is required"
        "A decision names the version that it was based on. Send the ETag of the entity as If-Match.";
    RATE_LIMITED = TOO_MANY_REQUESTS "rate-limited" "Too many requests"
        "RateLimit-Policy or the detail names the limit, Retry-After the seconds to wait.";
    INTERNAL = INTERNAL_SERVER_ERROR "internal" "Something went wrong on our side"
        "The request could not be completed because of a fault of the service. Its request id finds the cause in the log.";
    UNAVAILABLE = SERVICE_UNAVAILABLE "unavailable" "Temporarily unavailable"
        "A server that is needed for this does not answer, or is at its limit. Nothing is lost: repeat the request after Retry-After seconds.";
    NOT_YET_VISIBLE = SERVICE_UNAVAILABLE "not-yet-visible" "Not yet visible"
        "The read asked for a log position (Albatross-Position) that the read model has not reached. Repeat the request after Retry-After seconds.";
    TIMEOUT = GATEWAY_TIMEOUT "timeout" "It took too long"
        "The request did not complete in time. Repeat it: with an Idempotency-Key it takes effect once.";
}

/// The kind with that code.
pub fn by_code(code: &str) -> Option<&'static Kind> {
    ALL.iter().find(|kind| kind.code == code)
}

/// The kind that stands for a bare status, such as one of a library's own answers.
pub fn by_status(status: StatusCode) -> Kind {
    match status {
        StatusCode::BAD_REQUEST => INVALID_REQUEST,
        StatusCode::UNAUTHORIZED => UNAUTHENTICATED,
        StatusCode::FORBIDDEN => FORBIDDEN,
        StatusCode::NOT_FOUND => NOT_FOUND,
        StatusCode::METHOD_NOT_ALLOWED => METHOD_NOT_ALLOWED,
        StatusCode::REQUEST_TIMEOUT => BODY_STALLED,
        StatusCode::GATEWAY_TIMEOUT => TIMEOUT,
        StatusCode::PAYLOAD_TOO_LARGE => BODY_TOO_LARGE,
        StatusCode::UNSUPPORTED_MEDIA_TYPE => UNSUPPORTED_MEDIA_TYPE,
        StatusCode::TOO_MANY_REQUESTS => RATE_LIMITED,
        StatusCode::SERVICE_UNAVAILABLE => UNAVAILABLE,
        status if status.is_client_error() => INVALID_REQUEST,
        _ => INTERNAL,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique() {
        for kind in ALL {
            assert_eq!(by_code(kind.code), Some(kind), "{}", kind.code);
        }
    }
}
