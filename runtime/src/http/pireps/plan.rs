//! What was planned and what was flown, as JSON in both directions.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The plan of a flight. A draft may lack anything; unknown airports warn and never block.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Plan {
    #[schema(example = "ELY1747")]
    pub flight_number: Option<String>,
    #[schema(example = "ELY1747")]
    pub callsign: Option<String>,
    /// ICAO code.
    #[schema(example = "LIRF")]
    pub departure: Option<String>,
    /// ICAO code.
    #[schema(example = "LLBG")]
    pub arrival: Option<String>,
    /// ICAO code.
    pub alternate: Option<String>,
    /// ICAO type designator.
    #[schema(example = "B744")]
    pub aircraft_type: Option<String>,
    #[schema(example = "4X-ELC")]
    pub registration: Option<String>,
    /// `Offline`, `VATSIM`, `IVAO` or another network.
    #[schema(example = "Offline")]
    pub network: Option<String>,
    pub route: Option<String>,
    pub planned_off_block_at: Option<Timestamp>,
    pub planned_on_block_at: Option<Timestamp>,
    #[schema(example = 35000)]
    pub cruise_level_ft: Option<i32>,
    pub fuel_planned_kg: Option<i32>,
    pub passengers: Option<i32>,
    pub cargo_kg: Option<i32>,
}

/// What was measured or observed in flight.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Report {
    pub off_block_at: Option<Timestamp>,
    pub take_off_at: Option<Timestamp>,
    pub landing_at: Option<Timestamp>,
    pub on_block_at: Option<Timestamp>,
    /// ICAO code; differs from the planned one after a diversion.
    #[schema(example = "LLBG")]
    pub actual_arrival: Option<String>,
    pub block_time_min: Option<i32>,
    pub flight_time_min: Option<i32>,
    #[schema(example = 1219.5)]
    pub distance_nmi: Option<f64>,
    pub fuel_used_kg: Option<i32>,
    pub zero_fuel_weight_kg: Option<i32>,
    /// Negative when descending.
    #[schema(example = -142)]
    pub landing_rate_fpm: Option<i32>,
    #[schema(example = 1.21)]
    pub g_force: Option<f64>,
}
