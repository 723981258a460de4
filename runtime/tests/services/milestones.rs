//! Milestones are recognised from the phases of positions, and noted once.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use albatross::adapters::memory;
use albatross::application::identity::Identity;
use albatross::application::pireps::Submit;
use albatross::application::write::WriteOptions;
use albatross::domain::ids::PirepId;
use albatross::domain::pirep::{Milestone, PirepCommand, PirepState};
use albatross::ports::event_store::StoreError;
use albatross::ports::track_store::{Extent, LogLine, Sample, Stored, TrackError, TrackStore};
use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use uuid::Uuid;

use crate::stage::*;

/// A whole flight, and one that goes around once it has touched down.
const DIRECT: &[&str] = &[
    "BST", "PBT", "TXI", "TOF", "ICL", "ENR", "APR", "LDG", "LAN", "TXI", "ONB",
];
const TOUCH_AND_GO: &[&str] = &[
    "BST", "PBT", "TXI", "TOF", "ENR", "APR", "LDG", "TOF", "APR", "LAN", "ONB",
];

/// Three samples of each phase.
fn flown(phases: &[&str]) -> Vec<Sample> {
    let samples = (0..3 * phases.len()).map(|index| Sample {
        phase: Some(phases[index / 3].to_owned()),
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

/// The first samples of `PBT`, `TOF`, the last landing and `ONB`.
fn expected(landing_at: i64) -> Vec<(String, i64)> {
    let all = [
        ("/report/landingAt", landing_at),
        ("/report/offBlockAt", 3),
        ("/report/onBlockAt", 30),
        ("/report/takeOffAt", 9),
    ];
    all.map(|(path, at)| (path.to_owned(), at)).to_vec()
}

/// The milestones of a flight whose batches arrive in an order that the seed says, everything twice.
async fn noted_of(phases: &[&str], seed: u64) -> Vec<(String, i64)> {
    let stage = Stage::new().await;
    let bob = stage.pilot("Bob").await;
    let id = stage.prefiled(&bob).await.entity.id;
    let size = 1 + seed as usize % 7;
    let batches: Vec<(Uuid, Vec<Sample>)> = flown(phases)
        .chunks(size)
        .map(|samples| (Uuid::new_v4(), samples.to_vec()))
        .collect();
    let mut order = [batches.clone(), batches].concat();
    // The first seed in order.
    if seed > 0 {
        order.shuffle(&mut StdRng::seed_from_u64(seed));
    }
    for (batch, samples) in order {
        let tracks = &stage.airline.tracks;
        tracks.store(&bob, id, batch, samples).await.unwrap();
    }
    noted(&stage, &bob, id).await
}

#[tokio::test]
async fn milestones_are_noted_once_however_batches_arrive() {
    for seed in 0..40 {
        assert_eq!(noted_of(DIRECT, seed).await, expected(21), "seed {seed}");
        let noted = noted_of(TOUCH_AND_GO, seed).await;
        assert_eq!(noted, expected(27), "touch-and-go, seed {seed}");
    }
}

#[tokio::test]
async fn a_track_that_is_sent_whole_tells_all_that_its_batches_do() {
    let stage = Stage::new().await;
    let bob = stage.pilot("Bob").await;
    let id = stage.prefiled(&bob).await.entity.id;
    let pireps = &stage.airline.pireps;
    let pause = pireps.act(&bob, id, PirepCommand::Pause, WriteOptions::default());
    pause.await.unwrap();
    // Three batches, of which the last holds nothing new, and was before the pause.
    let paused_at = stage.airline_now();
    let track = (0..1_200).map(|sequence: i32| {
        let phase = DIRECT.get(sequence as usize / 80).unwrap_or(&"DEB");
        let moves = sequence < 10;
        Sample {
            time: match moves {
                true => paused_at + SignedDuration::from_secs(1),
                false => sample(sequence, 0).time,
            },
            phase: Some((*phase).to_owned()),
            ..sample(sequence, 0)
        }
    });
    let tracks = &stage.airline.tracks;
    let stored = tracks.store_whole(&bob, id, track.collect()).await;
    stored.unwrap();
    let pirep = pireps.current(&bob, id).await.unwrap().pirep;
    assert_eq!(pirep.state, PirepState::InProgress, "it goes on");
    assert_eq!(pirep.milestones.len(), Milestone::ALL.len());
}

#[tokio::test]
async fn a_flight_under_way_shows_what_it_reached() {
    let stage = Stage::new().await;
    let bob = stage.pilot("Bob").await;
    let id = stage.prefiled(&bob).await.entity.id;
    let flown = flown(DIRECT);
    // The landing is not certain before the flight is on block.
    for batch in flown[..27].chunks(4) {
        stage.positions(&bob, id, batch.to_vec()).await;
    }
    let pireps = &stage.airline.pireps;
    let report = pireps.current(&bob, id).await.unwrap().pirep.report;
    assert_eq!(report.off_block_at, Some(flown[3].time));
    assert_eq!(report.take_off_at, Some(flown[9].time));
    assert_eq!((report.landing_at, report.on_block_at), (None, None));
    let submitted = pireps.submit(&bob, id, Submit::default(), WriteOptions::default());
    let pirep = submitted.await.unwrap().entity.pirep;
    assert_eq!(pirep.milestones.len(), 3, "it has ended");
}

#[tokio::test]
async fn a_lost_position_keeps_milestones_from_being_noted_and_not_from_the_report() {
    let stage = Stage::new().await;
    let bob = stage.pilot("Bob").await;
    let id = stage.prefiled(&bob).await.entity.id;
    let flown = flown(DIRECT);
    let mut samples = flown.clone();
    samples.remove(5);
    stage.positions(&bob, id, samples).await;
    let sure = noted(&stage, &bob, id).await;
    assert_eq!(sure.len(), 1, "{sure:?}");
    let pireps = &stage.airline.pireps;
    let submitted = pireps.submit(&bob, id, Submit::default(), WriteOptions::default());
    let pirep = submitted.await.unwrap().entity.pirep;
    assert_eq!(pirep.milestones.len(), 1, "it may still come");
    assert_eq!(pirep.report.take_off_at, Some(flown[9].time));
    assert_eq!(pirep.report.block_time_min, Some(27));
}

#[tokio::test]
async fn what_comes_after_the_submission_changes_nothing_that_staff_look_at() {
    let stage = Stage::new().await;
    let bob = stage.pilot("Bob").await;
    let submitted = stage.submitted(&bob).await;
    let id = submitted.entity.id;
    stage.positions(&bob, id, flown(DIRECT)).await;
    let view = stage.airline.pireps.current(&bob, id).await.unwrap();
    assert_eq!(view.version, submitted.version);
    assert!(view.pirep.milestones.is_empty());
    assert_eq!(view.pirep.report.take_off_at, None, "as it was submitted");
}

#[tokio::test]
async fn however_positions_arrive_each_is_read_about_once() {
    const COUNT: i32 = 400;
    let in_pairs = (0..COUNT / 2).flat_map(|pair| [2 * pair + 1, 2 * pair]);
    let behind_the_last = std::iter::once(COUNT).chain(0..COUNT);
    for order in [in_pairs.collect::<Vec<i32>>(), behind_the_last.collect()] {
        let mut stores = memory::open();
        let tracks = Arc::new(CountedTracks {
            stored: stores.tracks.clone(),
            read: AtomicUsize::new(0),
        });
        stores.tracks = tracks.clone();
        let events = stores.events.clone();
        let stage = Stage::over(stores, events).await;
        let bob = stage.pilot("Bob").await;
        let id = stage.prefiled(&bob).await.entity.id;
        for sequence in order {
            // On block without having flown: there is always something to look for.
            let sample = Sample {
                phase: Some("ONB".to_owned()),
                ..sample(sequence, 0)
            };
            stage.positions(&bob, id, vec![sample]).await;
        }
        let read = tracks.read.load(Ordering::Relaxed);
        assert!(read <= 3 * COUNT as usize, "{read} were read");
    }
}

/// Counts the samples that are read.
struct CountedTracks {
    stored: Arc<dyn TrackStore>,
    read: AtomicUsize,
}

#[async_trait]
impl TrackStore for CountedTracks {
    async fn samples(
        &self,
        flight: Uuid,
        after: Option<i32>,
        limit: usize,
    ) -> Result<Vec<Sample>, StoreError> {
        let samples = self.stored.samples(flight, after, limit).await?;
        self.read.fetch_add(samples.len(), Ordering::Relaxed);
        Ok(samples)
    }

    async fn store(
        &self,
        flight: Uuid,
        batch_id: Uuid,
        digest: [u8; 32],
        received_at: Timestamp,
        samples: Vec<Sample>,
    ) -> Result<Stored, TrackError> {
        let stored = self
            .stored
            .store(flight, batch_id, digest, received_at, samples);
        stored.await
    }

    async fn extents(&self, flights: &[Uuid]) -> Result<HashMap<Uuid, Extent>, StoreError> {
        self.stored.extents(flights).await
    }

    async fn store_log(&self, flight: Uuid, lines: Vec<LogLine>) -> Result<usize, StoreError> {
        self.stored.store_log(flight, lines).await
    }

    async fn log(
        &self,
        flight: Uuid,
        after: Option<i32>,
        limit: usize,
    ) -> Result<Vec<LogLine>, StoreError> {
        self.stored.log(flight, after, limit).await
    }

    async fn with_logs(&self, flights: &[Uuid]) -> Result<HashSet<Uuid>, StoreError> {
        self.stored.with_logs(flights).await
    }

    async fn unpacked(&self) -> Result<Vec<Uuid>, StoreError> {
        self.stored.unpacked().await
    }

    async fn pack(&self, flight: Uuid) -> Result<bool, StoreError> {
        self.stored.pack(flight).await
    }
}
