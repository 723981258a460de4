//! A flight's track as GeoJSON (RFC 7946).

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use crate::ports::track_store::Sample;

/// A GeoJSON feature collection with one line, or none where there are fewer than two positions.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Track)]
pub struct Track {
    #[serde(rename = "type")]
    pub kind: FeatureCollection,
    pub features: Vec<TrackFeature>,
}

#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub enum FeatureCollection {
    FeatureCollection,
}

#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub enum Feature {
    Feature,
}

#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub enum LineString {
    LineString,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct TrackFeature {
    #[serde(rename = "type")]
    pub kind: Feature,
    pub geometry: TrackLine,
    pub properties: TrackProperties,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct TrackLine {
    #[serde(rename = "type")]
    pub kind: LineString,
    /// Longitude and latitude of each position, in degrees.
    #[schema(value_type = Vec<Vec<f64>>)]
    pub coordinates: Vec<[f64; 2]>,
}

/// One value per position, in their order.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TrackProperties {
    pub times: Vec<Timestamp>,
    pub altitudes_ft: Vec<Option<i32>>,
    pub ground_speeds_kt: Vec<Option<i16>>,
    pub headings_deg: Vec<Option<i16>>,
    pub vertical_speeds_fpm: Vec<Option<i32>>,
    pub fuels_kg: Vec<Option<i32>>,
    pub phases: Vec<Option<String>>,
}

impl From<Vec<Sample>> for Track {
    fn from(samples: Vec<Sample>) -> Self {
        let mut coordinates = Vec::with_capacity(samples.len());
        let mut properties = TrackProperties::default();
        for sample in samples {
            coordinates.push([
                f64::from(sample.longitude_e7) / 1e7,
                f64::from(sample.latitude_e7) / 1e7,
            ]);
            properties.times.push(sample.time);
            properties.altitudes_ft.push(sample.altitude_ft);
            properties.ground_speeds_kt.push(sample.ground_speed_kt);
            properties.headings_deg.push(sample.heading_deg);
            properties
                .vertical_speeds_fpm
                .push(sample.vertical_speed_fpm);
            properties.fuels_kg.push(sample.fuel_kg);
            properties.phases.push(sample.phase);
        }
        let line = TrackFeature {
            kind: Feature::Feature,
            geometry: TrackLine {
                kind: LineString::LineString,
                coordinates,
            },
            properties,
        };
        Self {
            kind: FeatureCollection::FeatureCollection,
            features: Some(line)
                .filter(|line| line.geometry.coordinates.len() > 1)
                .into_iter()
                .collect(),
        }
    }
}
