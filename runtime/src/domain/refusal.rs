//! Why a command was not carried out, in a form that a client can act on.

use std::fmt;

/// A command that the rules do not permit. Nothing was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub kind: RefusalKind,
    /// Stable, kebab-case: for programs.
    pub code: &'static str,
    /// One sentence: for people.
    pub detail: String,
    /// What this actor may do instead, given the present state.
    pub allowed: Vec<&'static str>,
}

/// What sort of refusal it is; decides the HTTP status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RefusalKind {
    /// The actor may not do this, whatever the state.
    Forbidden,
    /// Not in the present state; `allowed` says what is.
    IllegalTransition,
    /// Contradicts a fact, such as an id in use or an account that is managed elsewhere.
    Conflict,
    /// A bound is reached.
    LimitReached,
    /// There is no such thing.
    NotFound,
    /// The input is wrong; every fault that was found.
    Invalid { errors: Vec<FieldError> },
}

/// One fault of the input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// JSON pointer (RFC 6901) into the request body.
    pub pointer: String,
    /// Stable, kebab-case.
    pub code: &'static str,
    pub detail: String,
}

impl Refusal {
    fn new(kind: RefusalKind, code: &'static str, detail: impl Into<String>) -> Self {
        Self {
            kind,
            code,
            detail: detail.into(),
            allowed: Vec::new(),
        }
    }

    pub fn forbidden(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(RefusalKind::Forbidden, code, detail)
    }

    pub fn illegal(detail: impl Into<String>, allowed: Vec<&'static str>) -> Self {
        Self {
            allowed,
            ..Self::new(RefusalKind::IllegalTransition, "illegal-transition", detail)
        }
    }

    pub fn conflict(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(RefusalKind::Conflict, code, detail)
    }

    pub fn limit(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(RefusalKind::LimitReached, code, detail)
    }

    /// `what` names the missing thing, for example "PIREP".
    pub fn not_found(what: &str) -> Self {
        Self::new(
            RefusalKind::NotFound,
            "not-found",
            format!("There is no such {what}."),
        )
    }

    /// A single fault of the input.
    pub fn invalid(
        pointer: impl Into<String>,
        code: &'static str,
        detail: impl Into<String>,
    ) -> Self {
        let mut faults = Faults::default();
        faults.add(pointer, code, detail);
        faults.into_refusal()
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.detail)
    }
}

impl std::error::Error for Refusal {}

/// Collects faults, so that a client learns of all of them at once.
#[derive(Debug, Default)]
pub struct Faults(Vec<FieldError>);

impl Faults {
    pub fn add(
        &mut self,
        pointer: impl Into<String>,
        code: &'static str,
        detail: impl Into<String>,
    ) {
        self.0.push(FieldError {
            pointer: pointer.into(),
            code,
            detail: detail.into(),
        });
    }

    /// Adds a fault unless `valid`.
    pub fn check(&mut self, valid: bool, pointer: &str, code: &'static str, detail: &str) {
        if !valid {
            self.add(pointer, code, detail);
        }
    }

    /// Adds a fault unless the value, if there is one, lies within these bounds.
    pub fn check_range(&mut self, pointer: &str, value: Option<i32>, least: i32, most: i32) {
        if value.is_some_and(|value| value < least || value > most) {
            let detail = format!("Must be between {least} and {most}.");
            self.add(pointer, "out-of-range", detail);
        }
    }

    /// # Errors
    /// When there is any fault.
    pub fn finish(self) -> Result<(), Refusal> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(self.into_refusal())
        }
    }

    fn into_refusal(self) -> Refusal {
        let detail = match self.0.as_slice() {
            [one] => one.detail.clone(),
            several => format!("{} fields are not valid.", several.len()),
        };
        Refusal::new(
            RefusalKind::Invalid { errors: self.0 },
            "invalid-input",
            detail,
        )
    }
}
