//! What every write takes and gives back.

use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::ports::event_store::ClientRequest;

/// How a write is to be made, beside what it says.
#[derive(Clone, Debug, Default)]
pub struct WriteOptions {
    pub idempotency: Option<Idempotency>,
    /// The version that the caller saw.
    pub if_match: Option<i32>,
    /// Names the request in the audit.
    pub correlation_id: Option<Uuid>,
}

/// A request that its client named, so that a repeat is not a second one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Idempotency {
    key: [u8; 32],
    body_digest: [u8; 32],
}

impl Idempotency {
    /// Keyed by actor (nil when nobody has logged in), route and the client's key, with a digest of the body.
    pub fn new(actor: Uuid, route: &str, client_key: &str, body: &[u8]) -> Self {
        let mut key = Sha256::new();
        for part in [actor.as_bytes(), route.as_bytes(), client_key.as_bytes()] {
            key.update((part.len() as u64).to_be_bytes());
            key.update(part);
        }
        Self {
            key: key.finalize().into(),
            body_digest: Sha256::digest(body).into(),
        }
    }

    /// `secret`: the answer cannot be given a second time.
    pub fn request(&self, secret: bool) -> ClientRequest {
        ClientRequest {
            key: self.key,
            body_digest: self.body_digest,
            secret,
        }
    }
}

/// An entity as a write left it.
#[derive(Clone, Debug)]
pub struct Written<T> {
    pub entity: T,
    pub version: i32,
    pub position: i64,
    pub outcome: Outcome,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Created,
    Changed,
    /// It had been done before; nothing was written.
    Repeated,
    /// The same, and it was this very request that had created it.
    CreatedBefore,
}

impl<T> Written<T> {
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Written<U> {
        Written {
            entity: change(self.entity),
            version: self.version,
            position: self.position,
            outcome: self.outcome,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_differ_by_actor_route_key_and_body() {
        let nobody = Uuid::nil();
        let base = Idempotency::new(nobody, "POST /a", "k", b"body");
        assert_eq!(base, Idempotency::new(nobody, "POST /a", "k", b"body"));
        for other in [
            Idempotency::new(Uuid::max(), "POST /a", "k", b"body"),
            Idempotency::new(nobody, "POST /", "ak", b"body"),
            Idempotency::new(nobody, "POST /a", "l", b"body"),
        ] {
            assert_ne!(base.key, other.key);
        }
        let other = Idempotency::new(nobody, "POST /a", "k", b"bodY");
        assert_eq!(base.key, other.key);
        assert_ne!(base.body_digest, other.body_digest);
    }
}
