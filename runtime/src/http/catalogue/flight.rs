//! A flight of the schedule as it is sent and answered.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_with::{DeserializeFromStr, SerializeDisplay};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::application::views::ItemView;
use crate::domain::catalogue as domain;

/// A flight of the schedule.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScheduledFlight {
    pub id: Uuid,
    #[schema(example = 1)]
    pub version: i32,
    #[schema(example = "ELY386")]
    pub flight_number: String,
    pub callsign: Option<String>,
    /// ICAO code.
    #[schema(example = "LIRF")]
    pub departure: String,
    /// ICAO code.
    #[schema(example = "LLBG")]
    pub arrival: String,
    /// ICAO designators of the types that may fly it; any when empty.
    pub aircraft_types: Vec<String>,
    pub route: Option<String>,
    pub cruise_level_ft: Option<i32>,
    /// Time of day at which it leaves its stand.
    #[schema(value_type = Option<String>, example = "09:35")]
    pub off_block_time_utc: Option<TimeOfDay>,
    pub block_time_min: Option<i32>,
    /// ISO 8601 numbers, 1 is Monday; every day when empty.
    pub days_of_week: Vec<u8>,
    pub added_at: Timestamp,
    /// Null while it is flown.
    pub archived_at: Option<Timestamp>,
}

/// What is said of a flight of the schedule.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ScheduledFlightDetails {
    /// With departure and arrival it is one flight's, but for those that are archived.
    #[schema(example = "ELY386", min_length = 1, max_length = 12)]
    pub flight_number: String,
    #[serde(default)]
    #[schema(max_length = 16)]
    pub callsign: Option<String>,
    /// ICAO code.
    #[schema(example = "LIRF")]
    pub departure: String,
    /// ICAO code.
    #[schema(example = "LLBG")]
    pub arrival: String,
    /// ICAO designators of the types that may fly it; any when empty.
    #[serde(default)]
    #[schema(max_items = 20)]
    pub aircraft_types: BTreeSet<String>,
    #[serde(default)]
    #[schema(max_length = 4000)]
    pub route: Option<String>,
    #[serde(default)]
    #[schema(minimum = 0, maximum = 100_000)]
    pub cruise_level_ft: Option<i32>,
    /// Time of day at which it leaves its stand.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "09:35")]
    pub off_block_time_utc: Option<TimeOfDay>,
    #[serde(default)]
    #[schema(minimum = 0, maximum = 2880)]
    pub block_time_min: Option<i32>,
    /// ISO 8601 numbers, 1 is Monday; every day when empty.
    #[serde(default)]
    #[schema(max_items = 7)]
    pub days_of_week: BTreeSet<u8>,
}

/// What is to change of a flight of the schedule (RFC 7396).
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "describes a body that is merged as JSON")]
pub struct ScheduledFlightChanges {
    #[schema(min_length = 1, max_length = 12)]
    flight_number: Option<String>,
    #[schema(max_length = 16)]
    callsign: Option<String>,
    departure: Option<String>,
    arrival: Option<String>,
    #[schema(max_items = 20)]
    aircraft_types: Option<BTreeSet<String>>,
    #[schema(max_length = 4000)]
    route: Option<String>,
    #[schema(minimum = 0, maximum = 100_000)]
    cruise_level_ft: Option<i32>,
    #[schema(value_type = Option<String>, example = "09:35")]
    off_block_time_utc: Option<TimeOfDay>,
    #[schema(minimum = 0, maximum = 2880)]
    block_time_min: Option<i32>,
    #[schema(max_items = 7)]
    days_of_week: Option<BTreeSet<u8>>,
}

/// A page of a list.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScheduledFlightPage {
    pub items: Vec<ScheduledFlight>,
    /// Pass it as `cursor` for the next page; null on the last one.
    pub next: Option<String>,
}

/// Minutes after midnight, written `09:35`.
#[derive(Clone, Copy, Debug, SerializeDisplay, DeserializeFromStr)]
pub struct TimeOfDay(i32);

impl fmt::Display for TimeOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.0 / 60, self.0 % 60)
    }
}

impl FromStr for TimeOfDay {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let within = |digits: &str, end: i32| {
            let plain = digits.len() == 2 && digits.bytes().all(|it| it.is_ascii_digit());
            let number = digits.parse::<i32>().ok().filter(|_| plain)?;
            (number < end).then_some(number)
        };
        let time = text.split_once(':').and_then(|(hours, minutes)| {
            Some(Self(within(hours, 24)? * 60 + within(minutes, 60)?))
        });
        time.ok_or("a time of day is written 09:35")
    }
}

impl From<ItemView<domain::ScheduledFlight>> for ScheduledFlight {
    fn from(view: ItemView<domain::ScheduledFlight>) -> Self {
        let details = view.entity.details;
        Self {
            id: view.id,
            version: view.version,
            flight_number: details.flight_number,
            callsign: details.callsign,
            departure: details.departure,
            arrival: details.arrival,
            aircraft_types: details.aircraft_types.into_iter().collect(),
            route: details.route,
            cruise_level_ft: details.cruise_level_ft,
            off_block_time_utc: details.off_block_minute_utc.map(TimeOfDay),
            block_time_min: details.block_time_min,
            days_of_week: details.days_of_week.into_iter().collect(),
            added_at: view.entity.added_at,
            archived_at: view.entity.archived_at,
        }
    }
}

impl From<domain::ScheduledFlight> for ScheduledFlightDetails {
    fn from(details: domain::ScheduledFlight) -> Self {
        Self {
            flight_number: details.flight_number,
            callsign: details.callsign,
            departure: details.departure,
            arrival: details.arrival,
            aircraft_types: details.aircraft_types,
            route: details.route,
            cruise_level_ft: details.cruise_level_ft,
            off_block_time_utc: details.off_block_minute_utc.map(TimeOfDay),
            block_time_min: details.block_time_min,
            days_of_week: details.days_of_week,
        }
    }
}

impl From<ScheduledFlightDetails> for domain::ScheduledFlight {
    fn from(details: ScheduledFlightDetails) -> Self {
        Self {
            flight_number: details.flight_number,
            callsign: details.callsign,
            departure: details.departure,
            arrival: details.arrival,
            aircraft_types: details.aircraft_types,
            route: details.route,
            cruise_level_ft: details.cruise_level_ft,
            off_block_minute_utc: details.off_block_time_utc.map(|time| time.0),
            block_time_min: details.block_time_min,
            days_of_week: details.days_of_week,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_of_day_reads_as_it_is_written_and_no_other_way() {
        for minutes in [0, 1, 59, 60, 575, 24 * 60 - 1] {
            let text = TimeOfDay(minutes).to_string();
            assert_eq!(text.parse::<TimeOfDay>().unwrap().0, minutes, "{text}");
        }
        for wrong in [
            "", ":", "9:35", "09:5", "24:00", "12:60", "+1:00", "09:35:00", "noon",
        ] {
            assert!(wrong.parse::<TimeOfDay>().is_err(), "{wrong}");
        }
    }
}
