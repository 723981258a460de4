//! What was planned and what was flown, in integers with their unit in the name.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::domain::refusal::Faults;
use crate::domain::text;
use crate::domain::time::{self, to_microsecond};

/// How the report came into being.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Source {
    pub kind: SourceKind,
    /// The program that measured it, with its version.
    pub client: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum SourceKind {
    /// Typed in by the pilot.
    Manual,
    /// Measured by a program: its values are not the pilot's to change.
    Acars,
}

/// What the pilot set out to do. A draft may lack anything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Plan {
    pub flight_number: Option<String>,
    pub callsign: Option<String>,
    /// ICAO location indicators; an unknown one is no fault.
    pub departure: Option<String>,
    pub arrival: Option<String>,
    pub alternate: Option<String>,
    /// ICAO type designator.
    pub aircraft_type: Option<String>,
    pub registration: Option<String>,
    /// Offline, VATSIM, IVAO, …: open.
    pub network: Option<String>,
    pub route: Option<String>,
    pub planned_off_block_at: Option<Timestamp>,
    pub planned_on_block_at: Option<Timestamp>,
    pub cruise_level_ft: Option<i32>,
    pub fuel_planned_kg: Option<i32>,
    pub passengers: Option<i32>,
    pub cargo_kg: Option<i32>,
}

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Report {
    pub off_block_at: Option<Timestamp>,
    pub take_off_at: Option<Timestamp>,
    pub landing_at: Option<Timestamp>,
    pub on_block_at: Option<Timestamp>,
    /// Where it really ended; other than planned is a diversion.
    pub actual_arrival: Option<String>,
    pub block_time_min: Option<i32>,
    pub flight_time_min: Option<i32>,
    /// Hundredths of a nautical mile.
    pub distance_centi_nmi: Option<i32>,
    pub fuel_used_kg: Option<i32>,
    pub zero_fuel_weight_kg: Option<i32>,
    /// Feet per minute, negative downwards.
    pub landing_rate_fpm: Option<i32>,
    /// Thousandths of the standard gravity.
    pub g_force_milli: Option<i32>,
}

/// A year: longer than any flight.
const MAX_MINUTES: i32 = 366 * 24 * 60;
const MAX_KG: i32 = 1_000_000;
/// How far ahead of ours a client's clock may be.
const CLOCK_TOLERANCE_HOURS: i64 = 24;

impl Plan {
    /// Trimmed, codes in capitals, empty text as absent, times to the microsecond.
    #[must_use]
    pub fn tidied(&self) -> Self {
        Self {
            flight_number: code(&self.flight_number),
            callsign: code(&self.callsign),
            departure: code(&self.departure),
            arrival: code(&self.arrival),
            alternate: code(&self.alternate),
            aircraft_type: code(&self.aircraft_type),
            registration: code(&self.registration),
            network: trimmed(&self.network),
            route: trimmed(&self.route),
            planned_off_block_at: self.planned_off_block_at.map(to_microsecond),
            planned_on_block_at: self.planned_on_block_at.map(to_microsecond),
            ..self.clone()
        }
    }

    /// What it says other than `from`, said of `onto`.
    #[must_use]
    pub fn rebased(self, from: &Self, onto: &Self) -> Self {
        Self {
            flight_number: rebased(self.flight_number, &from.flight_number, &onto.flight_number),
            callsign: rebased(self.callsign, &from.callsign, &onto.callsign),
            departure: rebased(self.departure, &from.departure, &onto.departure),
            arrival: rebased(self.arrival, &from.arrival, &onto.arrival),
            alternate: rebased(self.alternate, &from.alternate, &onto.alternate),
            aircraft_type: rebased(self.aircraft_type, &from.aircraft_type, &onto.aircraft_type),
            registration: rebased(self.registration, &from.registration, &onto.registration),
            network: rebased(self.network, &from.network, &onto.network),
            route: rebased(self.route, &from.route, &onto.route),
            planned_off_block_at: rebased(
                self.planned_off_block_at,
                &from.planned_off_block_at,
                &onto.planned_off_block_at,
            ),
            planned_on_block_at: rebased(
                self.planned_on_block_at,
                &from.planned_on_block_at,
                &onto.planned_on_block_at,
            ),
            cruise_level_ft: rebased(
                self.cruise_level_ft,
                &from.cruise_level_ft,
                &onto.cruise_level_ft,
            ),
            fuel_planned_kg: rebased(
                self.fuel_planned_kg,
                &from.fuel_planned_kg,
                &onto.fuel_planned_kg,
            ),
            passengers: rebased(self.passengers, &from.passengers, &onto.passengers),
            cargo_kg: rebased(self.cargo_kg, &from.cargo_kg, &onto.cargo_kg),
        }
    }

    /// Faults of what is there.
    pub fn check(&self, faults: &mut Faults) {
        text::check_airport(faults, "/plan/departure", self.departure.as_deref());
        text::check_airport(faults, "/plan/arrival", self.arrival.as_deref());
        text::check_airport(faults, "/plan/alternate", self.alternate.as_deref());
        let lines = [
            ("/plan/flightNumber", &self.flight_number, 12),
            ("/plan/callsign", &self.callsign, 16),
            ("/plan/aircraftType", &self.aircraft_type, 8),
            ("/plan/registration", &self.registration, 16),
            ("/plan/network", &self.network, 32),
        ];
        for (pointer, value, max) in lines {
            if let Some(value) = value {
                text::check_line(faults, pointer, value, max);
            }
        }
        if let Some(route) = &self.route {
            text::check_text(faults, "/plan/route", route, text::MAX_REMARKS);
        }
        time::check(faults, "/plan/plannedOffBlockAt", self.planned_off_block_at);
        time::check(faults, "/plan/plannedOnBlockAt", self.planned_on_block_at);
        let level = self.cruise_level_ft;
        faults.check_range("/plan/cruiseLevelFt", level, 0, 100_000);
        faults.check_range("/plan/fuelPlannedKg", self.fuel_planned_kg, 0, MAX_KG);
        faults.check_range("/plan/passengers", self.passengers, 0, 10_000);
        faults.check_range("/plan/cargoKg", self.cargo_kg, 0, MAX_KG);
    }

    /// Faults that keep it from being flown or submitted.
    pub fn check_complete(&self, faults: &mut Faults) {
        let needed = [
            ("/plan/flightNumber", &self.flight_number),
            ("/plan/departure", &self.departure),
            ("/plan/arrival", &self.arrival),
            ("/plan/aircraftType", &self.aircraft_type),
        ];
        for (pointer, value) in needed {
            faults.check(value.is_some(), pointer, "required", "Must not be empty.");
        }
    }
}

impl Report {
    /// Trimmed, codes in capitals, times to the microsecond, durations filled in from the times.
    #[must_use]
    pub fn tidied(&self) -> Self {
        let mut report = Self {
            off_block_at: self.off_block_at.map(to_microsecond),
            take_off_at: self.take_off_at.map(to_microsecond),
            landing_at: self.landing_at.map(to_microsecond),
            on_block_at: self.on_block_at.map(to_microsecond),
            actual_arrival: code(&self.actual_arrival),
            ..self.clone()
        };
        report.block_time_min = report
            .block_time_min
            .or_else(|| minutes(report.off_block_at, report.on_block_at));
        report.flight_time_min = report
            .flight_time_min
            .or_else(|| minutes(report.take_off_at, report.landing_at));
        report
    }

    /// Itself where it says something, `earlier` where it does not.
    #[must_use]
    pub fn over(self, earlier: &Self) -> Self {
        let earlier = earlier.clone();
        Self {
            off_block_at: self.off_block_at.or(earlier.off_block_at),
            take_off_at: self.take_off_at.or(earlier.take_off_at),
            landing_at: self.landing_at.or(earlier.landing_at),
            on_block_at: self.on_block_at.or(earlier.on_block_at),
            actual_arrival: self.actual_arrival.or(earlier.actual_arrival),
            block_time_min: self.block_time_min.or(earlier.block_time_min),
            flight_time_min: self.flight_time_min.or(earlier.flight_time_min),
            distance_centi_nmi: self.distance_centi_nmi.or(earlier.distance_centi_nmi),
            fuel_used_kg: self.fuel_used_kg.or(earlier.fuel_used_kg),
            zero_fuel_weight_kg: self.zero_fuel_weight_kg.or(earlier.zero_fuel_weight_kg),
            landing_rate_fpm: self.landing_rate_fpm.or(earlier.landing_rate_fpm),
            g_force_milli: self.g_force_milli.or(earlier.g_force_milli),
        }
    }

    /// Itself where it says something, what its track tells where it does not. What does not fit is left out: nobody said
    /// it, and a clock that was wrong or a value that jumped keeps nobody from submitting.
    #[must_use]
    pub fn completed(self, track: &Self, now: Timestamp) -> Self {
        let mut report = self;
        let mut add = |member: fn(&mut Self, &Self)| {
            let mut more = report.clone();
            member(&mut more, track);
            let mut faults = Faults::default();
            more.check(&mut faults, now);
            if faults.finish().is_ok() {
                report = more;
            }
        };
        add(|it, track| it.off_block_at = it.off_block_at.or(track.off_block_at));
        add(|it, track| it.take_off_at = it.take_off_at.or(track.take_off_at));
        add(|it, track| it.landing_at = it.landing_at.or(track.landing_at));
        add(|it, track| it.on_block_at = it.on_block_at.or(track.on_block_at));
        add(|it, track| it.distance_centi_nmi = it.distance_centi_nmi.or(track.distance_centi_nmi));
        add(|it, track| it.fuel_used_kg = it.fuel_used_kg.or(track.fuel_used_kg));
        // How long it took is known without knowing when, but not beside other times than those it was measured between.
        add(|it, track| {
            let ends = [it.off_block_at, it.on_block_at];
            if ends == [None; 2] || ends == [track.off_block_at, track.on_block_at] {
                it.block_time_min = it.block_time_min.or(track.block_time_min);
            }
        });
        add(|it, track| {
            let ends = [it.take_off_at, it.landing_at];
            if ends == [None; 2] || ends == [track.take_off_at, track.landing_at] {
                it.flight_time_min = it.flight_time_min.or(track.flight_time_min);
            }
        });
        report.tidied()
    }

    /// What it says other than `from`, said of `onto`.
    #[must_use]
    pub fn rebased(self, from: &Self, onto: &Self) -> Self {
        Self {
            off_block_at: rebased(self.off_block_at, &from.off_block_at, &onto.off_block_at),
            take_off_at: rebased(self.take_off_at, &from.take_off_at, &onto.take_off_at),
            landing_at: rebased(self.landing_at, &from.landing_at, &onto.landing_at),
            on_block_at: rebased(self.on_block_at, &from.on_block_at, &onto.on_block_at),
            actual_arrival: rebased(
                self.actual_arrival,
                &from.actual_arrival,
                &onto.actual_arrival,
            ),
            block_time_min: rebased(
                self.block_time_min,
                &from.block_time_min,
                &onto.block_time_min,
            ),
            flight_time_min: rebased(
                self.flight_time_min,
                &from.flight_time_min,
                &onto.flight_time_min,
            ),
            distance_centi_nmi: rebased(
                self.distance_centi_nmi,
                &from.distance_centi_nmi,
                &onto.distance_centi_nmi,
            ),
            fuel_used_kg: rebased(self.fuel_used_kg, &from.fuel_used_kg, &onto.fuel_used_kg),
            zero_fuel_weight_kg: rebased(
                self.zero_fuel_weight_kg,
                &from.zero_fuel_weight_kg,
                &onto.zero_fuel_weight_kg,
            ),
            landing_rate_fpm: rebased(
                self.landing_rate_fpm,
                &from.landing_rate_fpm,
                &onto.landing_rate_fpm,
            ),
            g_force_milli: rebased(self.g_force_milli, &from.g_force_milli, &onto.g_force_milli),
        }
    }

    /// Faults of what is there.
    pub fn check(&self, faults: &mut Faults, now: Timestamp) {
        self.check_times(faults, now);
        text::check_airport(
            faults,
            "/report/actualArrival",
            self.actual_arrival.as_deref(),
        );
        let ranges = [
            ("/report/blockTimeMin", self.block_time_min, 0, MAX_MINUTES),
            (
                "/report/flightTimeMin",
                self.flight_time_min,
                0,
                MAX_MINUTES,
            ),
            (
                "/report/distanceNmi",
                self.distance_centi_nmi,
                0,
                10_000_000,
            ),
            ("/report/fuelUsedKg", self.fuel_used_kg, 0, MAX_KG),
            (
                "/report/zeroFuelWeightKg",
                self.zero_fuel_weight_kg,
                0,
                MAX_KG,
            ),
            (
                "/report/landingRateFpm",
                self.landing_rate_fpm,
                -100_000,
                100_000,
            ),
            ("/report/gForce", self.g_force_milli, -100_000, 100_000),
        ];
        for (pointer, value, least, most) in ranges {
            faults.check_range(pointer, value, least, most);
        }
    }

    /// Faults that keep a report typed in by hand from being submitted.
    pub fn check_complete(&self, faults: &mut Faults) {
        faults.check(
            self.block_time_min.is_some() || self.flight_time_min.is_some(),
            "/report/flightTimeMin",
            "required",
            "Give the flight time, the block time or the times that they follow from.",
        );
    }

    fn check_times(&self, faults: &mut Faults, now: Timestamp) {
        let times = [
            ("/report/offBlockAt", self.off_block_at),
            ("/report/takeOffAt", self.take_off_at),
            ("/report/landingAt", self.landing_at),
            ("/report/onBlockAt", self.on_block_at),
        ];
        let mut earlier = None;
        for (pointer, time) in times {
            let Some(time) = time else { continue };
            faults.check(
                !is_ahead(time, now),
                pointer,
                "in-the-future",
                "Must not lie in the future.",
            );
            faults.check(
                earlier.is_none_or(|earlier| earlier <= time),
                pointer,
                "out-of-order",
                "Must not be before the step that comes before it.",
            );
            earlier = Some(time);
        }
    }
}

/// Further ahead than a client's clock may be.
pub fn is_ahead(time: Timestamp, now: Timestamp) -> bool {
    time.as_second().saturating_sub(now.as_second()) > CLOCK_TOLERANCE_HOURS * 3_600
}

fn rebased<T: PartialEq + Clone>(value: T, from: &T, onto: &T) -> T {
    if value == *from { onto.clone() } else { value }
}

/// None where nobody can have flown for so long: what follows from other values is not what they are refused for.
fn minutes(from: Option<Timestamp>, to: Option<Timestamp>) -> Option<i32> {
    let seconds = to?.as_second().saturating_sub(from?.as_second());
    let minutes = i32::try_from(seconds / 60).ok();
    minutes.filter(|minutes| (0..=MAX_MINUTES).contains(minutes))
}

fn trimmed(text: &Option<String>) -> Option<String> {
    text::trimmed(text.as_deref())
}

fn code(text: &Option<String>) -> Option<String> {
    trimmed(text).map(|text| text.to_uppercase())
}
