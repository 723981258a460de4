//! Plan, report and source as stored.

use albatross_proto::v1 as wire;

use crate::codec::error::DecodeError;
use crate::codec::values::{microseconds, optional_time};
use crate::domain::pirep::{Credit, Milestone, Plan, Report, Source, SourceKind};

pub fn plan_to_wire(plan: &Plan) -> wire::Plan {
    wire::Plan {
        flight_number: plan.flight_number.clone(),
        callsign: plan.callsign.clone(),
        departure: plan.departure.clone(),
        arrival: plan.arrival.clone(),
        alternate: plan.alternate.clone(),
        aircraft_type: plan.aircraft_type.clone(),
        registration: plan.registration.clone(),
        network: plan.network.clone(),
        route: plan.route.clone(),
        planned_off_block_at: microseconds(plan.planned_off_block_at),
        planned_on_block_at: microseconds(plan.planned_on_block_at),
        cruise_level_ft: plan.cruise_level_ft,
        fuel_planned_kg: plan.fuel_planned_kg,
        passengers: plan.passengers,
        cargo_kg: plan.cargo_kg,
    }
}

pub fn plan(message: wire::Plan) -> Result<Plan, DecodeError> {
    Ok(Plan {
        flight_number: message.flight_number,
        callsign: message.callsign,
        departure: message.departure,
        arrival: message.arrival,
        alternate: message.alternate,
        aircraft_type: message.aircraft_type,
        registration: message.registration,
        network: message.network,
        route: message.route,
        planned_off_block_at: optional_time("planned_off_block_at", message.planned_off_block_at)?,
        planned_on_block_at: optional_time("planned_on_block_at", message.planned_on_block_at)?,
        cruise_level_ft: message.cruise_level_ft,
        fuel_planned_kg: message.fuel_planned_kg,
        passengers: message.passengers,
        cargo_kg: message.cargo_kg,
    })
}

pub fn report_to_wire(report: &Report) -> wire::Report {
    wire::Report {
        off_block_at: microseconds(report.off_block_at),
        take_off_at: microseconds(report.take_off_at),
        landing_at: microseconds(report.landing_at),
        on_block_at: microseconds(report.on_block_at),
        actual_arrival: report.actual_arrival.clone(),
        block_time_min: report.block_time_min,
        flight_time_min: report.flight_time_min,
        distance_centi_nmi: report.distance_centi_nmi,
        fuel_used_kg: report.fuel_used_kg,
        zero_fuel_weight_kg: report.zero_fuel_weight_kg,
        landing_rate_fpm: report.landing_rate_fpm,
        g_force_milli: report.g_force_milli,
    }
}

pub fn report(message: wire::Report) -> Result<Report, DecodeError> {
    Ok(Report {
        off_block_at: optional_time("off_block_at", message.off_block_at)?,
        take_off_at: optional_time("take_off_at", message.take_off_at)?,
        landing_at: optional_time("landing_at", message.landing_at)?,
        on_block_at: optional_time("on_block_at", message.on_block_at)?,
        actual_arrival: message.actual_arrival,
        block_time_min: message.block_time_min,
        flight_time_min: message.flight_time_min,
        distance_centi_nmi: message.distance_centi_nmi,
        fuel_used_kg: message.fuel_used_kg,
        zero_fuel_weight_kg: message.zero_fuel_weight_kg,
        landing_rate_fpm: message.landing_rate_fpm,
        g_force_milli: message.g_force_milli,
    })
}

pub fn source_to_wire(source: &Source) -> wire::Source {
    let kind = match source.kind {
        SourceKind::Manual => wire::SourceKind::Manual,
        SourceKind::Acars => wire::SourceKind::Acars,
    };
    wire::Source {
        kind: kind.into(),
        client: source.client.clone(),
    }
}

pub fn source(message: Option<wire::Source>) -> Result<Source, DecodeError> {
    let message = message.ok_or(DecodeError::Missing("source"))?;
    let kind = match message.kind() {
        wire::SourceKind::Manual => SourceKind::Manual,
        wire::SourceKind::Acars => SourceKind::Acars,
        wire::SourceKind::Unspecified => return Err(DecodeError::Invalid("source.kind")),
    };
    Ok(Source {
        kind,
        client: message.client,
    })
}

pub fn credit_to_wire(credit: Credit) -> i32 {
    let credit = match credit {
        Credit::Full => wire::Credit::Full,
        Credit::Hours => wire::Credit::Hours,
        Credit::None => wire::Credit::None,
    };
    credit.into()
}

pub fn credit(value: i32) -> Result<Credit, DecodeError> {
    match wire::Credit::try_from(value) {
        Ok(wire::Credit::Full) => Ok(Credit::Full),
        Ok(wire::Credit::Hours) => Ok(Credit::Hours),
        Ok(wire::Credit::None) => Ok(Credit::None),
        Ok(wire::Credit::Unspecified) | Err(_) => Err(DecodeError::Invalid("credit")),
    }
}

pub fn milestone_to_wire(milestone: Milestone) -> i32 {
    let milestone = match milestone {
        Milestone::OffBlock => wire::Milestone::OffBlock,
        Milestone::TakeOff => wire::Milestone::TakeOff,
        Milestone::Landing => wire::Milestone::Landing,
        Milestone::OnBlock => wire::Milestone::OnBlock,
    };
    milestone.into()
}

pub fn milestone(value: i32) -> Result<Milestone, DecodeError> {
    match wire::Milestone::try_from(value) {
        Ok(wire::Milestone::OffBlock) => Ok(Milestone::OffBlock),
        Ok(wire::Milestone::TakeOff) => Ok(Milestone::TakeOff),
        Ok(wire::Milestone::Landing) => Ok(Milestone::Landing),
        Ok(wire::Milestone::OnBlock) => Ok(Milestone::OnBlock),
        Ok(wire::Milestone::Unspecified) | Err(_) => Err(DecodeError::Invalid("milestone")),
    }
}
