//! A recorded flight of 2,110 positions, as an ACARS client sends it.

use albatross::application::pireps::Submit;
use albatross::application::tracks::MAX_BATCH;
use albatross::application::write::WriteOptions;
use albatross::ports::track_store::Sample;
use uuid::Uuid;

use crate::stage::*;

const ELY1747: &str = include_str!("../../../examples/flights/ELY1747.csv");

fn recorded() -> Vec<Sample> {
    let lines = ELY1747.lines().skip(1).enumerate();
    let samples = lines.map(|(index, line)| {
        let fields: Vec<&str> = line.split(',').collect();
        let degrees = |index: usize| (fields[index].parse::<f64>().unwrap() * 1e7).round() as i32;
        Sample {
            time: fields[0].parse().unwrap(),
            latitude_e7: degrees(1),
            longitude_e7: degrees(2),
            altitude_ft: fields[3].parse().ok(),
            heading_deg: fields[4].parse().ok(),
            ground_speed_kt: fields[5].parse().ok(),
            vertical_speed_fpm: fields[6].parse().ok(),
            ..sample(index as i32, 0)
        }
    });
    samples.collect()
}

#[tokio::test]
async fn a_recorded_flight_arrives_whole_in_any_order() {
    let stage = Stage::new().await;
    let bob = stage.pilot("Bob").await;
    let id = stage.prefiled(&bob).await.entity.id;
    let track = recorded();
    let mut batches: Vec<&[Sample]> = track.chunks(MAX_BATCH).collect();
    batches.reverse();
    for batch in [batches.clone(), batches].concat() {
        stage.positions(&bob, id, batch.to_vec()).await;
    }
    let submit = Submit {
        last_sequence: Some(2_109),
        ..Submit::default()
    };
    let pireps = &stage.airline.pireps;
    let submitted = pireps.submit(&bob, id, submit, WriteOptions::default());
    let view = submitted.await.unwrap().entity;
    assert_eq!(
        (view.track.count, view.track.last_sequence),
        (2_110, Some(2_109))
    );
    assert!(view.warnings.is_empty(), "{:?}", view.warnings);
    let report = &view.pirep.report;
    assert_eq!(report.flight_time_min, Some(298));
    assert_eq!(report.block_time_min, Some(344));
    // 1,190 nautical miles as the crow flies, and a drawing of a Boeing 747 on the way.
    let miles = report.distance_centi_nmi.unwrap() / 100;
    assert!((1_750..1_950).contains(&miles), "{miles}");
    stage.airline.catch_up().await.unwrap();
    assert_eq!(stage.airline.tracks.all(id).await.unwrap(), track);
    let again = stage
        .airline
        .tracks
        .store(&bob, id, Uuid::new_v4(), track[..500].to_vec());
    assert_eq!(again.await.unwrap().duplicates, 500);
}
