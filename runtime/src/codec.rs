//! Domain events to the bytes that are stored for good, and back. No I/O: the keys are loaded before.

use std::cell::RefCell;
use std::collections::BTreeSet;

use albatross_proto::v1::EventKind;
use uuid::Uuid;

use crate::domain::event::DomainEvent;
use crate::domain::ids::UserId;

mod bid;
mod catalogue;
mod error;
mod flight;
mod keys;
mod log_line;
mod pirep;
mod review;
mod sealing;
mod tenant;
mod upcast;
mod user;
mod values;

pub use error::{DecodeError, EncodeError};
pub use keys::{DataKey, KEY_LENGTH, KeyRing, TenantKey};
pub use log_line::{open_log_line, seal_log_line};

use sealing::{Opening, Sealing};
use upcast::Upcast;

/// An event as the log stores it, beside its envelope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoded {
    pub kind: i16,
    pub schema: i16,
    pub payload: Vec<u8>,
}

/// An event as read.
#[derive(Clone, Debug, PartialEq)]
pub struct Decoded {
    pub event: DomainEvent,
    /// Subjects whose texts came out as erased because the ring had no key for them.
    pub missing: BTreeSet<UserId>,
}

/// The kind of stream that an event belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    Tenant,
    User,
    Pirep,
    Aircraft,
    ScheduledFlight,
    Bid,
}

/// Whose an event of this type is, without decoding it; none when this release cannot tell.
pub fn family(kind: i16) -> Option<Family> {
    match kind / 100 {
        1 => Some(Family::Tenant),
        2 => Some(Family::User),
        3 => Some(Family::Pirep),
        4 => Some(Family::Aircraft),
        5 => Some(Family::ScheduledFlight),
        6 => Some(Family::Bid),
        _ => None,
    }
}

/// Whether an event of this type erases the person whose stream it belongs to.
pub fn erases(kind: i16) -> bool {
    kind == EventKind::UserErased as i16
}

/// Writes an event. The same event, id and key give the same bytes.
///
/// # Errors
/// When it holds personal data and the ring has no key for `subject`.
pub fn encode(
    event: &DomainEvent,
    event_id: Uuid,
    subject: Option<UserId>,
    keys: &KeyRing,
) -> Result<Encoded, EncodeError> {
    let sealing = Sealing {
        event_id,
        subject,
        keys,
    };
    let (kind, payload) = match event {
        DomainEvent::Tenant(event) => tenant::encode(event),
        DomainEvent::User(event) => user::encode(event, &sealing)?,
        DomainEvent::Pirep(event) => pirep::encode(event, &sealing)?,
        DomainEvent::Aircraft(event) => catalogue::encode_aircraft(event),
        DomainEvent::ScheduledFlight(event) => catalogue::encode_scheduled_flight(event),
        DomainEvent::Bid(event) => bid::encode(event),
    };
    Ok(Encoded {
        kind: kind as i16,
        schema: upcast::current_schema(upcast::STEPS, kind),
        payload,
    })
}

/// Reads an event of any schema version ever written. A missing key is no error.
///
/// # Errors
/// When type or version are unknown, or the payload is not what they say.
pub fn decode(
    kind: i16,
    schema: i16,
    event_id: Uuid,
    payload: &[u8],
    keys: &KeyRing,
) -> Result<Decoded, DecodeError> {
    decode_after(upcast::STEPS, kind, schema, event_id, payload, keys)
}

fn decode_after(
    steps: &[Upcast],
    kind: i16,
    schema: i16,
    event_id: Uuid,
    payload: &[u8],
    keys: &KeyRing,
) -> Result<Decoded, DecodeError> {
    let known = EventKind::try_from(i32::from(kind)).map_err(|_| DecodeError::UnknownKind(kind))?;
    let payload = upcast::upcast(steps, known, schema, payload)?;
    let opening = Opening {
        event_id,
        keys,
        missing: RefCell::default(),
    };
    let event = match family(kind).ok_or(DecodeError::UnknownKind(kind))? {
        Family::Tenant => tenant::decode(known, &payload)?.into(),
        Family::User => user::decode(known, &payload, &opening)?.into(),
        Family::Pirep => pirep::decode(known, &payload, &opening)?.into(),
        Family::Aircraft => catalogue::decode_aircraft(known, &payload)?.into(),
        Family::ScheduledFlight => catalogue::decode_scheduled_flight(known, &payload)?.into(),
        Family::Bid => bid::decode(known, &payload)?.into(),
    };
    Ok(Decoded {
        event,
        missing: opening.missing.into_inner(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::tenant::{Settings, TenantEvent};

    /// As if the first schema of SettingsChanged had kept the colour as a number: `bool self_review = 1; fixed32 rgb = 3`.
    const STEPS: &[Upcast] = &[Upcast {
        kind: EventKind::SettingsChanged,
        from: 1,
        rewrite: |old| {
            let (kept, rgb) = old
                .split_at_checked(old.len().wrapping_sub(5))
                .ok_or(DecodeError::Missing("rgb"))?;
            let rgb = <[u8; 4]>::try_from(&rgb[1..]).map_err(|_| DecodeError::Invalid("rgb"))?;
            let color = format!("#{:06x}", u32::from_le_bytes(rgb));
            Ok([kept, &[0x12, 7], color.as_bytes()].concat())
        },
    }];

    fn read(schema: i16, payload: &[u8]) -> Result<DomainEvent, DecodeError> {
        let kind = EventKind::SettingsChanged as i16;
        let id = Uuid::nil();
        let decoded = decode_after(STEPS, kind, schema, id, payload, &KeyRing::default());
        Ok(decoded?.event)
    }

    #[test]
    fn an_event_that_was_stored_in_an_old_schema_reads_as_one_of_today() {
        let settings = TenantEvent::SettingsChanged(Settings {
            self_review: true,
            accent_color: Some("#1e40af".into()),
            ..Settings::default()
        });
        let stored = [0x08, 1, 0x1d, 0xaf, 0x40, 0x1e, 0];
        assert_eq!(read(1, &stored), Ok(settings.clone().into()));
        let today = tenant::encode(&settings).1;
        assert_eq!(read(2, &today), Ok(settings.into()));
    }

    #[test]
    fn an_old_payload_that_its_step_cannot_read_is_an_error() {
        assert_eq!(read(1, &[0x08, 1]), Err(DecodeError::Missing("rgb")));
    }
}
