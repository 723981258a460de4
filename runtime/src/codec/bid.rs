//! Events of bids as stored.

use albatross_proto::v1::{self as wire, EventKind};
use prost::Message;

use crate::codec::error::DecodeError;
use crate::codec::values;
use crate::domain::bids::BidEvent;

pub fn encode(event: &BidEvent) -> (EventKind, Vec<u8>) {
    match event {
        BidEvent::Made {
            pilot,
            bid,
            flight,
            expires_at,
        } => {
            let message = wire::BidMade {
                pilot: pilot.0.as_bytes().to_vec(),
                bid: bid.0.as_bytes().to_vec(),
                flight: flight.0.as_bytes().to_vec(),
                expires_at: expires_at.as_microsecond(),
            };
            (EventKind::BidMade, message.encode_to_vec())
        }
        BidEvent::Withdrawn { bid } => {
            let bid = bid.0.as_bytes().to_vec();
            let message = wire::BidWithdrawn { bid };
            (EventKind::BidWithdrawn, message.encode_to_vec())
        }
    }
}

pub fn decode(kind: EventKind, payload: &[u8]) -> Result<BidEvent, DecodeError> {
    Ok(match kind {
        EventKind::BidMade => {
            let message = wire::BidMade::decode(payload)?;
            BidEvent::Made {
                pilot: values::id("pilot", &message.pilot)?,
                bid: values::id("bid", &message.bid)?,
                flight: values::id("flight", &message.flight)?,
                expires_at: values::time("expires_at", message.expires_at)?,
            }
        }
        EventKind::BidWithdrawn => BidEvent::Withdrawn {
            bid: values::id("bid", &wire::BidWithdrawn::decode(payload)?.bid)?,
        },
        other => return Err(DecodeError::UnknownKind(other as i16)),
    })
}
