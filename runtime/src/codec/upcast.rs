//! Older payloads to today's schema, one version at a time.

use std::borrow::Cow;

use albatross_proto::v1::EventKind;

use crate::codec::error::DecodeError;

/// Rewrites a payload of schema `from` as one of schema `from + 1`.
pub struct Upcast {
    pub kind: EventKind,
    pub from: i16,
    pub rewrite: fn(&[u8]) -> Result<Vec<u8>, DecodeError>,
}

/// Every step there has ever been; append only. A kind's current version is one more than its steps.
pub const STEPS: &[Upcast] = &[];

/// The version that events of this kind are written in.
pub fn current_schema(steps: &[Upcast], kind: EventKind) -> i16 {
    let last = steps.iter().filter(|step| step.kind == kind);
    last.map(|step| step.from + 1).max().unwrap_or(1)
}

/// # Errors
/// When the version is none that this release knows, or a step cannot read its payload.
pub fn upcast<'a>(
    steps: &[Upcast],
    kind: EventKind,
    schema: i16,
    payload: &'a [u8],
) -> Result<Cow<'a, [u8]>, DecodeError> {
    let current = current_schema(steps, kind);
    if schema < 1 || schema > current {
        return Err(DecodeError::UnknownSchema {
            kind: kind as i16,
            schema,
        });
    }
    let mut payload = Cow::Borrowed(payload);
    for from in schema..current {
        let step = steps
            .iter()
            .find(|step| step.kind == kind && step.from == from)
            .ok_or(DecodeError::UnknownSchema {
                kind: kind as i16,
                schema: from,
            })?;
        payload = Cow::Owned((step.rewrite)(&payload)?);
    }
    Ok(payload)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIND: EventKind = EventKind::DesiredStateApplied;

    fn append(byte: u8, payload: &[u8]) -> Result<Vec<u8>, DecodeError> {
        Ok([payload, &[byte]].concat())
    }

    fn steps() -> [Upcast; 2] {
        [
            Upcast {
                kind: KIND,
                from: 1,
                rewrite: |payload| append(1, payload),
            },
            Upcast {
                kind: KIND,
                from: 2,
                rewrite: |payload| append(2, payload),
            },
        ]
    }

    #[test]
    fn an_old_payload_takes_every_step_from_its_version_on() {
        let steps = steps();
        assert_eq!(upcast(&steps, KIND, 1, b"x").unwrap(), &b"x\x01\x02"[..]);
        assert_eq!(upcast(&steps, KIND, 2, b"x").unwrap(), &b"x\x02"[..]);
        assert_eq!(upcast(&steps, KIND, 3, b"x").unwrap(), &b"x"[..]);
        assert_eq!(current_schema(&steps, KIND), 3);
    }

    #[test]
    fn versions_from_the_future_or_before_the_first_are_errors() {
        let steps = steps();
        for schema in [0, -1, 4, i16::MAX] {
            let unknown = DecodeError::UnknownSchema { kind: 103, schema };
            assert_eq!(upcast(&steps, KIND, schema, b"x"), Err(unknown));
        }
    }

    #[test]
    fn other_kinds_are_left_alone() {
        let payload = upcast(&steps(), EventKind::TenantChanged, 1, b"x").unwrap();
        assert_eq!(payload, &b"x"[..]);
    }
}
