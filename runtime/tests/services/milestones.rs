//! Milestones are recognised from the phases of positions, and noted once.

use albatross::application::identity::Identity;
use albatross::application::pireps::Submit;
use albatross::application::write::WriteOptions;
use albatross::domain::ids::PirepId;
use albatross::ports::track_store::Sample;
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use uuid::Uuid;

use crate::stage::*;

/// A whole flight, three samples of each phase.
const PHASES: [&str; 11] = [
    "BST", "PBT", "TXI", "TOF", "ICL", "ENR", "APR", "LDG", "LAN", "TXI", "ONB",
];

/// When its milestones were, in minutes: the first samples of `PBT`, `TOF`, `LDG` and `ONB`.
const EXPECTED: [(&str, i64); 4] = [
    ("/report/landingAt", 21),
    ("/report/offBlockAt", 3),
    ("/report/onBlockAt", 30),
    ("/report/takeOffAt", 9),
];

fn flown() -> Vec<Sample> {
    let samples = (0..3 * PHASES.len()).map(|index| Sample {
        phase: Some(PHASES[index / 3].to_owned()),
        ..sample(index as i32, 200)
    });
    samples.collect()
}

/// Member of the report and minute of each event that noted one, sorted.
async fn noted(stage: &Stage, bob: &Identity, id: PirepId) -> Vec<(String, i64)> {
    stage.airline.catch_up().await.unwrap();
    let history = stage.airline.history.of(bob, id).await.unwrap();
    let events = history
        .into_iter()
        .filter(|entry| entry.event == "MilestoneReached");
    let changes = events.flat_map(|entry| {
        let times = entry.changes.into_iter();
        let times = times.filter(|change| change.path.ends_with("At"));
        let times: Vec<_> = times.collect();
        assert_eq!(times.len(), 1, "{times:?}");
        times
    });
    let minute = |change: albatross::application::history::FieldChange| {
        let at: jiff::Timestamp = change.to.as_str().unwrap().parse().unwrap();
        (change.path, (at.as_second() - 1_700_000_000) / 60)
    };
    let mut noted: Vec<_> = changes.map(minute).collect();
    noted.sort();
    noted
}

fn expected() -> Vec<(String, i64)> {
    let each = EXPECTED.iter().map(|(path, at)| ((*path).to_owned(), *at));
    each.collect()
}

#[tokio::test]
async fn milestones_are_noted_once_however_batches_arrive() {
    for seed in 0..40 {
        let stage = Stage::new().await;
        let bob = stage.pilot("Bob").await;
        let id = stage.prefiled(&bob).await.entity.id;
        let mut random = StdRng::seed_from_u64(seed);
        let size = 1 + seed as usize % 7;
        let batches: Vec<(Uuid, Vec<Sample>)> = flown()
            .chunks(size)
            .map(|samples| (Uuid::new_v4(), samples.to_vec()))
            .collect();
        // Everything twice; the first seed in order.
        let mut order = [batches.clone(), batches].concat();
        if seed > 0 {
            order.shuffle(&mut random);
        }
        for (batch, samples) in order {
            let tracks = &stage.airline.tracks;
            tracks.store(&bob, id, batch, samples).await.unwrap();
        }
        assert_eq!(noted(&stage, &bob, id).await, expected(), "seed {seed}");
    }
}

#[tokio::test]
async fn a_flight_under_way_shows_what_it_reached() {
    let stage = Stage::new().await;
    let bob = stage.pilot("Bob").await;
    let id = stage.prefiled(&bob).await.entity.id;
    for batch in flown()[..15].chunks(4) {
        stage.positions(&bob, id, batch.to_vec()).await;
    }
    stage.airline.catch_up().await.unwrap();
    let report = stage
        .airline
        .pireps
        .get(&bob, id)
        .await
        .unwrap()
        .pirep
        .report;
    assert_eq!(report.off_block_at, Some(flown()[3].time));
    assert_eq!(report.take_off_at, Some(flown()[9].time));
    assert_eq!((report.landing_at, report.on_block_at), (None, None));
}

#[tokio::test]
async fn a_lost_position_keeps_milestones_from_being_noted_and_not_from_the_report() {
    let stage = Stage::new().await;
    let bob = stage.pilot("Bob").await;
    let id = stage.prefiled(&bob).await.entity.id;
    let mut samples = flown();
    samples.remove(1);
    stage.positions(&bob, id, samples).await;
    let sure = noted(&stage, &bob, id).await;
    assert_eq!(sure.len(), 2, "{sure:?}");
    let pireps = &stage.airline.pireps;
    let submitted = pireps.submit(&bob, id, Submit::default(), WriteOptions::default());
    let pirep = submitted.await.unwrap().entity.pirep;
    assert_eq!(pirep.milestones.len(), 2, "it may still come");
    assert_eq!(pirep.report.take_off_at, Some(flown()[9].time));
    assert_eq!(pirep.report.block_time_min, Some(27));
}

#[tokio::test]
async fn what_comes_after_the_submission_is_noted_and_decides_nothing() {
    let stage = Stage::new().await;
    let bob = stage.pilot("Bob").await;
    let id = stage.submitted(&bob).await.entity.id;
    stage.positions(&bob, id, flown()).await;
    stage.airline.catch_up().await.unwrap();
    let view = stage.airline.pireps.get(&bob, id).await.unwrap();
    assert_eq!(view.pirep.milestones.len(), 4);
    assert_eq!(view.pirep.report.take_off_at, None, "as it was submitted");
}
