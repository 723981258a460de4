//! Positions from JSON numbers to the integers that are stored.

use crate::http::pireps::input::Position;
use crate::http::problem::{FieldError, Problem, kind};
use crate::ports::track_store::Sample;

/// A flight has at most a day's positions at one a second.
const MAX_SEQUENCE: i32 = 86_399;
const MAX_PHASE_BYTES: usize = 8;

/// Converts 1 to `most` positions, which stand at `pointer` of the body; every value that is out of range is named.
pub fn samples(
    positions: Vec<Position>,
    pointer: &'static str,
    most: usize,
) -> Result<Vec<Sample>, Problem> {
    if positions.is_empty() || positions.len() > most {
        return Err(Problem::new(kind::VALIDATION).error(FieldError::at(
            pointer,
            "out-of-range",
            format!("must be 1 to {most} positions"),
        )));
    }
    let mut faults = Faults {
        pointer,
        errors: Vec::new(),
    };
    let samples = positions
        .into_iter()
        .enumerate()
        .map(|(index, position)| sample(position, index, &mut faults))
        .collect();
    if faults.errors.is_empty() {
        Ok(samples)
    } else {
        let detail = format!("{} values are out of range", faults.errors.len());
        Err(Problem::new(kind::VALIDATION)
            .errors(faults.errors)
            .detail(detail))
    }
}

struct Faults {
    pointer: &'static str,
    errors: Vec<FieldError>,
}

impl Faults {
    /// As many as anybody reads.
    const MOST: usize = 20;

    fn add(&mut self, index: usize, member: &str, detail: String) {
        if self.errors.len() < Self::MOST {
            let pointer = format!("{}/{index}/{member}", self.pointer);
            self.errors
                .push(FieldError::at(pointer, "out-of-range", detail));
        }
    }

    /// Rounds to a whole number within the bounds; 0 and a fault where it is outside.
    fn whole(&mut self, index: usize, member: &str, value: f64, least: f64, most: f64) -> i32 {
        if value >= least && value <= most {
            value.round() as i32
        } else {
            self.add(index, member, format!("must be from {least} to {most}"));
            0
        }
    }
}

fn sample(position: Position, index: usize, faults: &mut Faults) -> Sample {
    if !(0..=MAX_SEQUENCE).contains(&position.sequence) {
        let detail = format!("must be from 0 to {MAX_SEQUENCE}");
        faults.add(index, "sequence", detail);
    }
    if position.phase.as_ref().is_some_and(|phase| {
        phase.is_empty()
            || phase.len() > MAX_PHASE_BYTES
            || !phase.bytes().all(|b| b.is_ascii_graphic())
    }) {
        faults.add(
            index,
            "phase",
            format!("must have 1 to {MAX_PHASE_BYTES} letters"),
        );
    }
    let mut degrees = |member: &str, value: f64, bound: f64| {
        // Checked in degrees, so that the message speaks of degrees.
        faults.whole(index, member, value, -bound, bound);
        (value.clamp(-bound, bound) * 1e7).round() as i32
    };
    let latitude_e7 = degrees("lat", position.lat, 90.0);
    let longitude_e7 = degrees("lon", position.lon, 180.0);
    let mut whole = |member: &str, value: Option<f64>, least: f64, most: f64| {
        value.map(|value| faults.whole(index, member, value, least, most))
    };
    let altitude_ft = whole("altitudeFt", position.altitude_ft, -5_000.0, 500_000.0);
    let heading_deg = whole("headingDeg", position.heading_deg, 0.0, 360.0);
    let ground_speed_kt = whole("groundSpeedKt", position.ground_speed_kt, 0.0, 20_000.0);
    let airspeed = position.indicated_airspeed_kt;
    let indicated_airspeed_kt = whole("indicatedAirspeedKt", airspeed, 0.0, 20_000.0);
    let vertical = position.vertical_speed_fpm;
    let vertical_speed_fpm = whole("verticalSpeedFpm", vertical, -200_000.0, 200_000.0);
    let fuel_kg = whole("fuelKg", position.fuel_kg, 0.0, 1_000_000.0);
    Sample {
        sequence: position.sequence,
        time: position.time,
        latitude_e7,
        longitude_e7,
        altitude_ft,
        heading_deg: heading_deg.map(|degrees| (degrees % 360) as i16),
        ground_speed_kt: ground_speed_kt.map(|knots| knots as i16),
        indicated_airspeed_kt: indicated_airspeed_kt.map(|knots| knots as i16),
        vertical_speed_fpm,
        fuel_kg,
        phase: position.phase,
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn position(json: serde_json::Value) -> Position {
        let mut whole = serde_json::json!({
            "sequence": 0, "time": "2026-11-20T10:00:00Z", "lat": 41.8003, "lon": 12.2389
        });
        for (name, value) in json.as_object().unwrap() {
            whole[name] = value.clone();
        }
        serde_json::from_value(whole).unwrap()
    }

    #[test]
    fn numbers_are_rounded_to_what_is_stored() {
        let position = position(serde_json::json!({
            "altitudeFt": 34999.6, "headingDeg": 359.7, "groundSpeedKt": 480, "verticalSpeedFpm": -1800.4
        }));
        let stored = &samples(vec![position], "/positions", 500).unwrap()[0];
        assert_eq!(
            (stored.latitude_e7, stored.longitude_e7),
            (418_003_000, 122_389_000)
        );
        assert_eq!(stored.altitude_ft, Some(35_000));
        assert_eq!(stored.heading_deg, Some(0));
        assert_eq!(stored.ground_speed_kt, Some(480));
        assert_eq!(stored.vertical_speed_fpm, Some(-1_800));
        assert_eq!(stored.fuel_kg, None);
    }

    #[rstest]
    #[case(serde_json::json!({"lat": 90.1}), "lat")]
    #[case(serde_json::json!({"lon": -180.5}), "lon")]
    #[case(serde_json::json!({"sequence": -1}), "sequence")]
    #[case(serde_json::json!({"sequence": 86_400}), "sequence")]
    #[case(serde_json::json!({"headingDeg": 361}), "headingDeg")]
    #[case(serde_json::json!({"fuelKg": 1e300}), "fuelKg")]
    #[case(serde_json::json!({"phase": "much too long"}), "phase")]
    fn what_is_out_of_range_is_named(#[case] json: serde_json::Value, #[case] member: &str) {
        let two = vec![position(serde_json::json!({})), position(json)];
        let refused = samples(two, "/track", 500).unwrap_err();
        let document = refused.document("test");
        assert_eq!(document.status, 422);
        let expected = format!("/track/1/{member}");
        assert_eq!(
            document.errors[0].pointer.as_deref(),
            Some(expected.as_str())
        );
    }

    #[rstest]
    #[case(0)]
    #[case(501)]
    fn a_batch_has_bounds(#[case] count: usize) {
        let position = position(serde_json::json!({}));
        assert!(samples(vec![position; count], "/positions", 500).is_err());
    }
}
