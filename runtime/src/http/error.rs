//! The one place that maps what services refuse to what HTTP answers.

use std::time::Duration;

use crate::application::error::ServiceError;
use crate::domain::refusal::{FieldError as Fault, Refusal, RefusalKind};
use crate::http::problem::{FieldError, Problem, kind};

impl From<ServiceError> for Problem {
    fn from(error: ServiceError) -> Self {
        use ServiceError as E;
        match error {
            E::Refused(refusal) => refusal.into(),
            E::Unauthenticated => kind::UNAUTHENTICATED.into(),
            E::AlreadyIssued => kind::ALREADY_ISSUED.into(),
            E::Stale { actual } => {
                Problem::new(kind::VERSION_STALE).detail(format!("it is at version {actual} now"))
            }
            E::PreconditionRequired => kind::VERSION_REQUIRED.into(),
            E::IdempotencyMismatch => kind::IDEMPOTENCY_KEY_REUSED.into(),
            E::TooManyRequests { retry_after } => {
                Problem::new(kind::RATE_LIMITED).retry_after(seconds(retry_after))
            }
            E::Busy { retry_after } => Problem::new(kind::UNAVAILABLE)
                .detail("all slots for this work are taken")
                .retry_after(seconds(retry_after)),
            E::NotYetVisible => Problem::new(kind::NOT_YET_VISIBLE).retry_after(1),
            E::Unavailable(error) => {
                tracing::warn!(%error, "a server behind this one is unavailable");
                Problem::unavailable()
            }
            E::Corrupt(detail) => {
                tracing::error!(detail, "stored data cannot be read");
                kind::INTERNAL.into()
            }
        }
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let problem = match refusal.kind {
            RefusalKind::Forbidden if refusal.code == kind::AWAITING_APPROVAL.code => {
                kind::AWAITING_APPROVAL.into()
            }
            RefusalKind::Forbidden => Problem::new(kind::FORBIDDEN),
            RefusalKind::IllegalTransition => {
                let allowed = refusal.allowed.iter().map(|action| (*action).to_owned());
                Problem::new(kind::ILLEGAL_TRANSITION).allowed(allowed.collect())
            }
            RefusalKind::Conflict if refusal.code == kind::MANAGED.code => kind::MANAGED.into(),
            RefusalKind::Conflict => kind::CONFLICT.into(),
            RefusalKind::LimitReached => kind::LIMIT_REACHED.into(),
            RefusalKind::NotFound => Problem::not_found(),
            RefusalKind::Invalid { errors } => {
                Problem::new(kind::VALIDATION).errors(errors.into_iter().map(member).collect())
            }
        };
        problem.code(refusal.code).detail(refusal.detail)
    }
}

fn member(fault: Fault) -> FieldError {
    FieldError::at(fault.pointer, fault.code, fault.detail)
}

/// Names a fault of the query string by its parameter instead of a pointer.
pub fn of_query(error: ServiceError) -> Problem {
    match error {
        ServiceError::Refused(Refusal {
            kind: RefusalKind::Invalid { errors },
            detail,
            ..
        }) => {
            let errors = errors.into_iter().map(|fault| {
                let name = fault.pointer.trim_start_matches('/');
                FieldError::parameter(name, fault.code, fault.detail)
            });
            Problem::new(kind::VALIDATION)
                .errors(errors.collect())
                .detail(detail)
        }
        other => other.into(),
    }
}

fn seconds(wait: Duration) -> u64 {
    (wait.as_secs() + u64::from(wait.subsec_nanos() > 0)).max(1)
}
