//! What a track says about its flight: distance along it, fuel, and when blocks and wheels were left.

use jiff::Timestamp;

use crate::domain::pirep::{Milestone, Milestones, Report};
use crate::domain::review::TrackInputs;
use crate::ports::track_store::Sample;

/// Mean radius of the Earth in nautical miles (IUGG: 6,371.0088 km).
const EARTH_RADIUS_NMI: f64 = 6_371.008_8 / 1.852;
/// Faster than a walk beside the aircraft.
const TAXI_KT: i16 = 2;
/// No airliner taxies as fast, none stays airborne as slow.
const FLYING_KT: i16 = 80;
/// Between two samples, faster than this is a jump of the receiver and no flight.
const JUMP_KT: f64 = 1_500.0;
const PER_DEGREE: f64 = 1e7;
/// The phases from take-off to final approach.
const AIRBORNE: [&str; 8] = ["TOF", "ICL", "TKO", "ENR", "DV", "TEN", "APR", "FIN"];

/// What follows from the samples, in their order; empty where they do not tell. Phases tell better than speeds.
pub fn report(samples: &[Sample]) -> Report {
    let reached = milestones(samples);
    let at = |milestone| reached.get(&milestone).copied();
    let faster =
        |limit| move |sample: &&Sample| sample.ground_speed_kt.is_some_and(|kt| kt >= limit);
    let first = |limit| samples.iter().find(faster(limit)).map(|sample| sample.time);
    let last = |limit| {
        samples
            .iter()
            .rev()
            .find(faster(limit))
            .map(|sample| sample.time)
    };
    let off_block = at(Milestone::OffBlock).or(first(TAXI_KT));
    let take_off = at(Milestone::TakeOff).or(first(FLYING_KT));
    let landing = at(Milestone::Landing).or(last(FLYING_KT));
    let on_block = at(Milestone::OnBlock).or(last(TAXI_KT));
    Report {
        off_block_at: off_block,
        take_off_at: take_off,
        landing_at: landing,
        on_block_at: on_block,
        block_time_min: minutes(off_block, on_block),
        flight_time_min: minutes(take_off, landing),
        distance_centi_nmi: distance(samples),
        fuel_used_kg: fuel_used(samples, off_block),
        ..Report::default()
    }
}

/// The same of a flight of which no more will come: it lasted from its first sample to its last, if nothing else tells.
pub fn finished(samples: &[Sample]) -> Report {
    let report = report(samples);
    let time = |sample: &Sample| sample.time;
    let off_block = report.off_block_at.or(samples.first().map(time));
    let on_block = report.on_block_at.or(samples.last().map(time));
    Report {
        off_block_at: off_block,
        on_block_at: on_block,
        block_time_min: minutes(off_block, on_block),
        ..report
    }
}

/// The number from which the client counts: 1 if that is its first, else 0.
pub fn counted_from(samples: &[Sample]) -> i32 {
    i32::from(samples.first().is_some_and(|first| first.sequence == 1))
}

/// When the flight passed its milestones, by the phases that its client named.
pub fn milestones(samples: &[Sample]) -> Milestones {
    let mut passed = Passed::default();
    for sample in samples {
        passed.see(sample);
    }
    passed.milestones
}

/// Those of a flight that ends now and whose client says that its track does with `last_sequence`, which no position that
/// is missing can move.
pub fn certain_milestones(samples: &[Sample], last_sequence: Option<i32>) -> Milestones {
    let mut passed = Passed::default();
    let is_whole = passed.follow(samples) == samples.len() && passed.last >= last_sequence;
    match is_whole {
        true => passed.milestones,
        false => passed.certain(),
    }
}

/// What a track has shown from its first sample on, up to the first that is missing.
#[derive(Clone, Debug, Default)]
pub struct Passed {
    last: Option<i32>,
    flew: bool,
    milestones: Milestones,
}

impl Passed {
    /// The sequence number of the last sample that was seen.
    pub fn last(&self) -> Option<i32> {
        self.last
    }

    /// Sees those that follow, up to the first that is missing; how many.
    pub fn follow(&mut self, samples: &[Sample]) -> usize {
        let mut followed = 0;
        for sample in samples {
            let follows = match self.last {
                Some(last) => sample.sequence == last + 1,
                // Clients count from 0 or from 1.
                None => sample.sequence <= 1,
            };
            if !follows {
                break;
            }
            self.see(sample);
            followed += 1;
        }
        followed
    }

    /// Those that nothing which is still under way can move.
    pub fn certain(&self) -> Milestones {
        let mut certain = self.milestones.clone();
        // Until it is on block it may go around.
        if !certain.contains_key(&Milestone::OnBlock) {
            certain.remove(&Milestone::Landing);
        }
        certain
    }

    /// A landing is the last one, whatever was tried before.
    fn see(&mut self, sample: &Sample) {
        self.last = Some(sample.sequence);
        let Some(phase) = sample.phase.as_deref() else {
            return;
        };
        if AIRBORNE.contains(&phase) {
            self.milestones.remove(&Milestone::Landing);
            self.milestones.remove(&Milestone::OnBlock);
        }
        for milestone in Milestone::ALL {
            let possible = match milestone {
                Milestone::OffBlock => !self.flew,
                Milestone::TakeOff => true,
                Milestone::Landing | Milestone::OnBlock => self.flew,
            };
            if possible && milestone.phases().contains(&phase) {
                self.milestones.entry(milestone).or_insert(sample.time);
            }
        }
        self.flew |= AIRBORNE.contains(&phase);
    }
}

/// Of what was on board at off-block; nothing when it became more.
fn fuel_used(samples: &[Sample], off_block: Option<Timestamp>) -> Option<i32> {
    let off_block = off_block?;
    let flown = samples.iter().filter(|sample| sample.time >= off_block);
    let mut fuel = flown.filter_map(|sample| sample.fuel_kg);
    let first = fuel.next()?;
    let used = first - fuel.next_back()?;
    Some(used).filter(|used| *used > 0)
}

/// What review rules ask of the samples, in their order.
pub fn inputs(samples: &[Sample]) -> TrackInputs {
    let gaps = samples.windows(2).map(|pair| {
        let seconds = pair[1].time.as_second() - pair[0].time.as_second();
        i32::try_from(seconds.max(0)).unwrap_or(i32::MAX)
    });
    let ends = samples.first().zip(samples.last());
    let ends = ends.filter(|_| samples.len() > 1);
    TrackInputs {
        positions: samples.len() as i64,
        great_circle_centi_nmi: ends
            .map(|(from, to)| (great_circle_nmi(from, to) * 100.0).round() as i32),
        largest_gap_s: gaps.max(),
    }
}

fn minutes(from: Option<Timestamp>, to: Option<Timestamp>) -> Option<i32> {
    let seconds = to?.as_second() - from?.as_second();
    i32::try_from((seconds + 30) / 60)
        .ok()
        .filter(|minutes| *minutes > 0)
}

/// Hundredths of a nautical mile along the samples, jumps left out.
fn distance(samples: &[Sample]) -> Option<i32> {
    let mut miles = 0.0;
    let mut from = samples.first()?;
    for to in &samples[1..] {
        let leg = great_circle_nmi(from, to);
        let hours = to.time.duration_since(from.time).as_secs_f64() / 3_600.0;
        if hours <= 0.0 || leg / hours > JUMP_KT {
            continue;
        }
        miles += leg;
        from = to;
    }
    Some((miles * 100.0).round() as i32).filter(|distance| *distance > 0)
}

/// Haversine: precise for short legs too.
fn great_circle_nmi(from: &Sample, to: &Sample) -> f64 {
    let radians = |e7: i32| (f64::from(e7) / PER_DEGREE).to_radians();
    let (from_latitude, to_latitude) = (radians(from.latitude_e7), radians(to.latitude_e7));
    let north = to_latitude - from_latitude;
    let east = radians(to.longitude_e7) - radians(from.longitude_e7);
    let half_chord = (north / 2.0).sin().powi(2)
        + from_latitude.cos() * to_latitude.cos() * (east / 2.0).sin().powi(2);
    2.0 * EARTH_RADIUS_NMI * half_chord.sqrt().min(1.0).asin()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(sequence: i32, second: i64, latitude: f64, longitude: f64, speed: i16) -> Sample {
        Sample {
            sequence,
            time: Timestamp::from_second(second).unwrap(),
            latitude_e7: (latitude * PER_DEGREE) as i32,
            longitude_e7: (longitude * PER_DEGREE) as i32,
            altitude_ft: None,
            heading_deg: None,
            ground_speed_kt: Some(speed),
            indicated_airspeed_kt: None,
            vertical_speed_fpm: None,
            fuel_kg: None,
            phase: None,
        }
    }

    #[test]
    fn a_degree_of_latitude_is_sixty_miles() {
        let track = [
            sample(0, 0, 0.0, 0.0, 0),
            sample(1, 600, 1.0, 0.0, 360),
            sample(2, 1_200, 2.0, 0.0, 360),
        ];
        let miles = report(&track).distance_centi_nmi.unwrap();
        assert!((miles - 12_008).abs() < 5, "{miles}");
    }

    #[test]
    fn a_jump_of_the_receiver_is_no_distance() {
        let track = [
            sample(0, 0, 0.0, 0.0, 100),
            sample(1, 10, 45.0, 45.0, 100),
            sample(2, 600, 1.0, 0.0, 360),
        ];
        let miles = report(&track).distance_centi_nmi.unwrap();
        assert!((miles - 6_004).abs() < 5, "{miles}");
    }

    #[test]
    fn blocks_and_wheels_are_read_off_the_speed() {
        let track = [
            sample(0, 0, 0.0, 0.0, 0),
            sample(1, 60, 0.0, 0.01, 12),
            sample(2, 600, 0.0, 0.1, 150),
            sample(3, 4_200, 0.0, 1.0, 130),
            sample(4, 4_500, 0.0, 1.05, 15),
            sample(5, 4_800, 0.0, 1.05, 0),
        ];
        let report = report(&track);
        assert_eq!(report.off_block_at.unwrap().as_second(), 60);
        assert_eq!(report.on_block_at.unwrap().as_second(), 4_500);
        assert_eq!(report.flight_time_min, Some(60));
        assert_eq!(report.block_time_min, Some(74));
    }

    #[test]
    fn rules_ask_for_the_way_from_end_to_end_and_for_the_longest_silence() {
        let track = [
            sample(0, 0, 0.0, 0.0, 0),
            sample(1, 60, 1.0, 1.0, 360),
            sample(2, 1_260, 3.0, 0.0, 360),
            sample(3, 1_200, 2.0, 0.0, 360),
        ];
        let inputs = inputs(&track);
        assert_eq!((inputs.positions, inputs.largest_gap_s), (4, Some(1_200)));
        let miles = inputs.great_circle_centi_nmi.unwrap();
        assert!((miles - 12_008).abs() < 5, "{miles}");
    }

    fn phases(named: &[(i32, &str)]) -> Vec<Sample> {
        let samples = named.iter().map(|(sequence, phase)| Sample {
            phase: Some((*phase).to_owned()),
            ..sample(*sequence, i64::from(*sequence) * 60, 0.0, 0.0, 200)
        });
        samples.collect()
    }

    fn seconds(found: &Milestones) -> Vec<i64> {
        found.values().map(|at| at.as_second()).collect()
    }

    #[test]
    fn milestones_are_read_off_the_phases() {
        let flown = [
            "BST", "PBT", "TXI", "TOF", "ENR", "APR", "LDG", "TOF", "APR", "LAN", "TXI", "ONB",
            "ARR",
        ];
        let flown: Vec<(i32, &str)> = (0..).zip(flown).collect();
        let track = phases(&flown);
        let expected = [60, 180, 540, 660];
        assert_eq!(seconds(&milestones(&track)), expected, "the last landing");
        assert_eq!(seconds(&certain_milestones(&track, None)), expected);
        let report = report(&track);
        assert_eq!(report.block_time_min, Some(10));
        assert_eq!(report.flight_time_min, Some(6));
    }

    #[test]
    fn nothing_is_left_after_it_flew_and_nothing_reached_before() {
        let cut_in = phases(&[(0, "ENR"), (1, "LAN"), (2, "TXI"), (3, "ONB")]);
        assert_eq!(seconds(&milestones(&cut_in)), [60, 180], "no off-block");
        let boards = phases(&[(0, "ARR"), (1, "ONB"), (2, "TXI")]);
        assert_eq!(seconds(&milestones(&boards)), [120], "no arrival");
    }

    #[test]
    fn a_flight_of_which_no_more_comes_lasted_as_long_as_its_track() {
        let mut track = phases(&[(0, "BST"), (5, "ENR"), (9, "ENR")]);
        for sample in &mut track {
            sample.ground_speed_kt = None;
        }
        assert_eq!(report(&track).block_time_min, None);
        let finished = finished(&track);
        let ends = [finished.off_block_at, finished.on_block_at];
        assert_eq!(ends, [Some(track[0].time), Some(track[2].time)]);
        assert_eq!(finished.block_time_min, Some(9));
    }

    #[test]
    fn what_may_still_come_keeps_a_milestone_from_being_certain() {
        let taxies_in = phases(&[(24, "LAN"), (25, "TXI"), (26, "ONB")]);
        assert_eq!(certain_milestones(&taxies_in, None), Milestones::new());
        let gap = phases(&[(0, "BST"), (1, "TXI"), (3, "TOF"), (9, "ENR"), (11, "LDG")]);
        assert_eq!(seconds(&milestones(&gap)), [60, 180, 660]);
        assert_eq!(seconds(&certain_milestones(&gap, None)), [60]);
    }

    #[test]
    fn a_landing_is_certain_once_it_is_on_block_or_the_flight_has_ended() {
        let landed = phases(&[(1, "TXI"), (2, "TOF"), (3, "LDG")]);
        let mut passed = Passed::default();
        assert_eq!(passed.follow(&landed), 3);
        assert_eq!(seconds(&passed.certain()), [60, 120], "it may go around");
        assert_eq!(
            seconds(&certain_milestones(&landed, Some(3))),
            [60, 120, 180]
        );
        assert_eq!(seconds(&certain_milestones(&landed, Some(4))), [60, 120]);
        passed.follow(&phases(&[(4, "TOF"), (5, "LAN"), (6, "ONB")]));
        assert_eq!(seconds(&passed.certain()), [60, 120, 300, 360]);
    }

    #[test]
    fn fuel_is_counted_from_off_block_on() {
        let mut track = phases(&[(0, "BST"), (1, "PBT"), (2, "ENR"), (3, "ONB")]);
        for (sample, fuel) in track.iter_mut().zip([5_000, 60_000, 50_000, 21_000]) {
            sample.fuel_kg = Some(fuel);
        }
        assert_eq!(report(&track).fuel_used_kg, Some(39_000));
        track[3].fuel_kg = Some(70_000);
        assert_eq!(report(&track).fuel_used_kg, None, "it was filled up");
    }

    #[test]
    fn no_track_says_nothing() {
        assert_eq!(report(&[]), Report::default());
        assert_eq!(inputs(&[]), TrackInputs::default());
        let one = inputs(&[sample(0, 0, 0.0, 0.0, 0)]);
        assert_eq!(
            (one.great_circle_centi_nmi, one.largest_gap_s),
            (None, None)
        );
    }
}
