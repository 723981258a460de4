//! Recorded flights that come with the executable, as an ACARS client would send them.

use anyhow::{Context, bail};
use jiff::Timestamp;

use crate::ports::track_store::Sample;

/// LIRF to LLBG, a Boeing 747's last flight. Received by the OpenSky Network; see examples/flights.
pub const ELY1747: &str = include_str!("../../../../examples/flights/ELY1747.csv");
/// NZCH to NZCH, drawing a kiwi. Received by the OpenSky Network; see examples/flights.
pub const ANZ4376: &str = include_str!("../../../../examples/flights/ANZ4376.csv");

const COLUMNS: &str =
    "time_utc,latitude_deg,longitude_deg,altitude_ft,track_deg,ground_speed_kt,vertical_speed_fpm";
const E7: f64 = 1e7;

/// The positions of a recording, numbered from 0; empty fields were not received.
pub fn samples(csv: &str) -> anyhow::Result<Vec<Sample>> {
    let mut lines = csv.lines();
    if lines.next() != Some(COLUMNS) {
        bail!("the recording does not begin with {COLUMNS}");
    }
    let numbered = lines.enumerate();
    let samples = numbered.map(|(index, line)| {
        sample(index, line).with_context(|| format!("line {} of the recording", index + 2))
    });
    samples.collect()
}

fn sample(index: usize, line: &str) -> anyhow::Result<Sample> {
    let fields: Vec<&str> = line.split(',').collect();
    let &[time, latitude, longitude, altitude, track, speed, climb] = fields.as_slice() else {
        bail!("{} fields, not 7", fields.len());
    };
    Ok(Sample {
        sequence: i32::try_from(index)?,
        time: time.parse::<Timestamp>()?,
        latitude_e7: (latitude.parse::<f64>()? * E7).round() as i32,
        longitude_e7: (longitude.parse::<f64>()? * E7).round() as i32,
        altitude_ft: whole(altitude)?,
        heading_deg: whole(track)?.map(|degrees| (degrees % 360) as i16),
        ground_speed_kt: whole(speed)?.map(i16::try_from).transpose()?,
        indicated_airspeed_kt: None,
        vertical_speed_fpm: whole(climb)?,
        fuel_kg: None,
        phase: None,
    })
}

fn whole(field: &str) -> anyhow::Result<Option<i32>> {
    if field.is_empty() {
        return Ok(None);
    }
    Ok(Some(field.parse::<f64>()?.round() as i32))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_recordings_are_read_whole() {
        let ely = samples(ELY1747).unwrap();
        assert_eq!(ely.len(), 2_110);
        assert_eq!(ely[0].latitude_e7, 417_949_100);
        assert_eq!(samples(ANZ4376).unwrap().len(), 1_491);
    }

    #[test]
    fn a_wrong_line_is_named() {
        let csv = format!("{COLUMNS}\n2019-11-03T09:28:10Z,41.79,12.24,0,271,0,0\nnonsense");
        let error = format!("{:#}", samples(&csv).unwrap_err());
        assert!(error.contains("line 3"), "{error}");
    }
}
