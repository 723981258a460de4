//! A flight of the airline's schedule.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::domain::catalogue::item::Details;
use crate::domain::refusal::Faults;
use crate::domain::text;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ScheduledFlight {
    pub flight_number: String,
    pub callsign: Option<String>,
    /// ICAO location indicators; an unknown one is no fault.
    pub departure: String,
    pub arrival: String,
    /// ICAO type designators of what may fly it; any when empty.
    pub aircraft_types: BTreeSet<String>,
    pub route: Option<String>,
    pub cruise_level_ft: Option<i32>,
    /// Minutes after midnight (UTC) at which it leaves its stand.
    pub off_block_minute_utc: Option<i32>,
    /// Planned.
    pub block_time_min: Option<i32>,
    /// ISO 8601 numbers, Monday is 1; every day when empty.
    pub days_of_week: BTreeSet<u8>,
}

/// The longest that a flight is planned for: two days.
const MAX_BLOCK_MINUTES: i32 = 2 * 24 * 60;
const MAX_TYPES: usize = 20;
const MINUTES_OF_DAY: i32 = 24 * 60;

impl Details for ScheduledFlight {
    const NAME: &'static str = "scheduled flight";
    const UNIQUE: &'static str = "number, departure and arrival are one flight's";
    const EVENTS: [&'static str; 4] = [
        "FlightScheduled",
        "ScheduledFlightChanged",
        "ScheduledFlightArchived",
        "ScheduledFlightRestored",
    ];

    fn tidied(&self) -> Self {
        let types = self.aircraft_types.iter().map(|it| text::code(it));
        Self {
            flight_number: text::code(&self.flight_number),
            callsign: text::trimmed(self.callsign.as_deref()).map(|it| it.to_uppercase()),
            departure: text::code(&self.departure),
            arrival: text::code(&self.arrival),
            aircraft_types: types.collect(),
            route: text::trimmed(self.route.as_deref()),
            ..self.clone()
        }
    }

    fn check(&self, faults: &mut Faults) {
        text::check_line(faults, "/flightNumber", &self.flight_number, 12);
        if let Some(callsign) = &self.callsign {
            text::check_line(faults, "/callsign", callsign, 16);
        }
        text::check_airport(faults, "/departure", Some(&self.departure));
        text::check_airport(faults, "/arrival", Some(&self.arrival));
        if self.aircraft_types.len() > MAX_TYPES {
            let detail = format!("At most {MAX_TYPES} types.");
            faults.add("/aircraftTypes", "too-many", detail);
        }
        for kind in &self.aircraft_types {
            text::check_line(faults, "/aircraftTypes", kind, 8);
        }
        if let Some(route) = &self.route {
            text::check_text(faults, "/route", route, text::MAX_REMARKS);
        }
        let numbers = [
            ("/cruiseLevelFt", self.cruise_level_ft, 100_000),
            (
                "/offBlockTimeUtc",
                self.off_block_minute_utc,
                MINUTES_OF_DAY - 1,
            ),
            ("/blockTimeMin", self.block_time_min, MAX_BLOCK_MINUTES),
        ];
        for (pointer, value, most) in numbers {
            faults.check_range(pointer, value, 0, most);
        }
        faults.check(
            self.days_of_week.iter().all(|day| (1..=7).contains(day)),
            "/daysOfWeek",
            "out-of-range",
            "Days are numbered from 1, Monday, to 7, Sunday.",
        );
    }

    /// One number may fly several legs a day.
    fn unique(&self) -> String {
        let Self {
            flight_number,
            departure,
            arrival,
            ..
        } = self;
        format!("{flight_number} {departure} {arrival}")
    }
}
