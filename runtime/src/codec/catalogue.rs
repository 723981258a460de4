//! Events of aircraft and scheduled flights as stored.

use std::collections::BTreeSet;

use albatross_proto::v1::{self as wire, EventKind};
use prost::Message;

use crate::codec::error::DecodeError;
use crate::domain::catalogue::{Aircraft, ItemEvent, ScheduledFlight};

pub fn encode_aircraft(event: &ItemEvent<Aircraft>) -> (EventKind, Vec<u8>) {
    use EventKind as K;
    let aircraft = |it: &Aircraft| {
        Some(wire::Aircraft {
            registration: it.registration.clone(),
            aircraft_type: it.aircraft_type.clone(),
            name: it.name.clone(),
        })
    };
    match event {
        ItemEvent::Added(it) => {
            let aircraft = aircraft(it);
            let message = wire::AircraftAdded { aircraft };
            (K::AircraftAdded, message.encode_to_vec())
        }
        ItemEvent::Changed(it) => {
            let aircraft = aircraft(it);
            let message = wire::AircraftChanged { aircraft };
            (K::AircraftChanged, message.encode_to_vec())
        }
        ItemEvent::Archived => {
            let message = wire::AircraftArchived {};
            (K::AircraftArchived, message.encode_to_vec())
        }
        ItemEvent::Restored => {
            let message = wire::AircraftRestored {};
            (K::AircraftRestored, message.encode_to_vec())
        }
    }
}

pub fn decode_aircraft(
    kind: EventKind,
    payload: &[u8],
) -> Result<ItemEvent<Aircraft>, DecodeError> {
    use EventKind as K;
    Ok(match kind {
        K::AircraftAdded => {
            ItemEvent::Added(aircraft(wire::AircraftAdded::decode(payload)?.aircraft)?)
        }
        K::AircraftChanged => {
            ItemEvent::Changed(aircraft(wire::AircraftChanged::decode(payload)?.aircraft)?)
        }
        K::AircraftArchived => {
            wire::AircraftArchived::decode(payload).map(|_| ItemEvent::Archived)?
        }
        K::AircraftRestored => {
            wire::AircraftRestored::decode(payload).map(|_| ItemEvent::Restored)?
        }
        other => return Err(DecodeError::UnknownKind(other as i16)),
    })
}

fn aircraft(message: Option<wire::Aircraft>) -> Result<Aircraft, DecodeError> {
    let message = message.ok_or(DecodeError::Missing("aircraft"))?;
    Ok(Aircraft {
        registration: message.registration,
        aircraft_type: message.aircraft_type,
        name: message.name,
    })
}

pub fn encode_scheduled_flight(event: &ItemEvent<ScheduledFlight>) -> (EventKind, Vec<u8>) {
    use EventKind as K;
    match event {
        ItemEvent::Added(it) => {
            let flight = Some(flight_to_wire(it));
            let message = wire::FlightScheduled { flight };
            (K::FlightScheduled, message.encode_to_vec())
        }
        ItemEvent::Changed(it) => {
            let flight = Some(flight_to_wire(it));
            let message = wire::ScheduledFlightChanged { flight };
            (K::ScheduledFlightChanged, message.encode_to_vec())
        }
        ItemEvent::Archived => {
            let message = wire::ScheduledFlightArchived {};
            (K::ScheduledFlightArchived, message.encode_to_vec())
        }
        ItemEvent::Restored => {
            let message = wire::ScheduledFlightRestored {};
            (K::ScheduledFlightRestored, message.encode_to_vec())
        }
    }
}

pub fn decode_scheduled_flight(
    kind: EventKind,
    payload: &[u8],
) -> Result<ItemEvent<ScheduledFlight>, DecodeError> {
    use EventKind as K;
    Ok(match kind {
        K::FlightScheduled => {
            ItemEvent::Added(flight(wire::FlightScheduled::decode(payload)?.flight)?)
        }
        K::ScheduledFlightChanged => ItemEvent::Changed(flight(
            wire::ScheduledFlightChanged::decode(payload)?.flight,
        )?),
        K::ScheduledFlightArchived => {
            wire::ScheduledFlightArchived::decode(payload).map(|_| ItemEvent::Archived)?
        }
        K::ScheduledFlightRestored => {
            wire::ScheduledFlightRestored::decode(payload).map(|_| ItemEvent::Restored)?
        }
        other => return Err(DecodeError::UnknownKind(other as i16)),
    })
}

fn flight_to_wire(flight: &ScheduledFlight) -> wire::ScheduledFlight {
    wire::ScheduledFlight {
        flight_number: flight.flight_number.clone(),
        callsign: flight.callsign.clone(),
        departure: flight.departure.clone(),
        arrival: flight.arrival.clone(),
        aircraft_types: flight.aircraft_types.iter().cloned().collect(),
        route: flight.route.clone(),
        cruise_level_ft: flight.cruise_level_ft,
        off_block_minute_utc: flight.off_block_minute_utc,
        block_time_min: flight.block_time_min,
        days_of_week: flight
            .days_of_week
            .iter()
            .map(|day| (*day).into())
            .collect(),
    }
}

fn flight(message: Option<wire::ScheduledFlight>) -> Result<ScheduledFlight, DecodeError> {
    let message = message.ok_or(DecodeError::Missing("flight"))?;
    let days = message.days_of_week.into_iter().map(u8::try_from);
    let days = days.collect::<Result<BTreeSet<u8>, _>>();
    Ok(ScheduledFlight {
        flight_number: message.flight_number,
        callsign: message.callsign,
        departure: message.departure,
        arrival: message.arrival,
        aircraft_types: message.aircraft_types.into_iter().collect(),
        route: message.route,
        cruise_level_ft: message.cruise_level_ft,
        off_block_minute_utc: message.off_block_minute_utc,
        block_time_min: message.block_time_min,
        days_of_week: days.map_err(|_| DecodeError::Invalid("days_of_week"))?,
    })
}
