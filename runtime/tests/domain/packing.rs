//! Packed tracks: lossless, and what is damaged is an error.

use std::io::Write;

use albatross::adapters::packing::{MAX_SAMPLES, PackingError, pack, unpack};
use albatross::ports::track_store::Sample;
use flate2::Compression;
use flate2::write::ZlibEncoder;
use jiff::Timestamp;
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;

use crate::drawn::at;

/// The second of a flight, one sample each.
fn flown(second: i32) -> Sample {
    let climb = second.min(1_200);
    let weave = (f64::from(second) / 90.0).sin();
    Sample {
        sequence: second,
        time: Timestamp::from_microsecond(
            1_777_000_000_000_000 + i64::from(second) * 1_000_000 + i64::from(second % 7) * 1_003,
        )
        .unwrap(),
        latitude_e7: 418_002_222 - second * 13_711 + (weave * 2_000.0) as i32,
        longitude_e7: 122_389_000 + second * 18_113,
        altitude_ft: Some(climb * 29 + second % 3),
        heading_deg: Some(118 + (weave * 4.0) as i16),
        ground_speed_kt: Some(140 + (climb / 4) as i16 + (second % 2) as i16),
        indicated_airspeed_kt: (second > 30).then_some(280),
        vertical_speed_fpm: Some(if second < 1_200 { 1_740 } else { second % 64 }),
        fuel_kg: Some(61_000 - second * 2),
        phase: Some(if second < 1_200 { "ICL" } else { "ENR" }.to_owned()),
    }
}

#[test]
fn a_flight_takes_a_twentieth_of_its_rows() {
    let flight: Vec<Sample> = (0..25_200).map(flown).collect();
    let packed = pack(&flight).unwrap();
    assert_eq!(unpack(&packed).unwrap(), flight);
    assert!(packed.len() / flight.len() < 10, "{} bytes", packed.len());
}

#[test]
fn the_same_samples_give_the_same_bytes() {
    let flight: Vec<Sample> = (0..500).map(flown).collect();
    assert_eq!(pack(&flight).unwrap(), pack(&flight).unwrap());
    assert!(unpack(&pack(&[]).unwrap()).unwrap().is_empty());
}

#[test]
fn a_flight_without_end_is_not_packed() {
    let flight = vec![flown(0); MAX_SAMPLES + 1];
    let refused = pack(&flight);
    assert!(matches!(refused, Err(PackingError::TooMany(_))));
}

#[test]
fn a_value_from_a_later_release_is_told_from_a_damaged_one() {
    let mut packed = pack(&[flown(1)]).unwrap();
    packed[0] = 2;
    assert!(matches!(
        unpack(&packed),
        Err(PackingError::UnknownVersion(2))
    ));
    assert!(matches!(unpack(&[]), Err(PackingError::Damaged(_))));
}

/// Stored for good: values that the first release packed are read by every later one.
#[test]
fn a_value_of_the_first_release_still_reads() {
    let golden = include_str!("packed.txt").trim();
    let golden: Vec<u8> = golden
        .as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect();
    let mut flight: Vec<Sample> = (1_198..1_203).map(flown).collect();
    flight[1].phase = None;
    flight[2].fuel_kg = None;
    assert_eq!(unpack(&golden).unwrap(), flight);
}

#[test]
fn samples_out_of_order_or_twice_are_no_packed_flight() {
    for sequences in [[2, 1], [1, 1]] {
        let packed = pack(&sequences.map(flown)).unwrap();
        assert!(matches!(unpack(&packed), Err(PackingError::Damaged(_))));
    }
}

#[test]
fn what_decompresses_without_end_is_refused() {
    let bomb = compressed(&vec![0; 64 * 1024 * 1024]);
    assert!(matches!(unpack(&bomb), Err(PackingError::Damaged(_))));
}

/// Every sample would repeat a long phase, and is larger itself than what it is packed into.
#[test]
fn what_takes_more_memory_than_any_flight_is_refused() {
    let mut flight = vec![flown(0)];
    flight[0].phase = Some("X".repeat(65));
    let packed = pack(&flight).unwrap();
    assert!(matches!(unpack(&packed), Err(PackingError::Damaged(_))));
    flight[0].phase = Some("\u{fffd}".repeat(16));
    assert_eq!(unpack(&pack(&flight).unwrap()).unwrap(), flight);

    // 100,001 samples that say nothing: their number as three bytes, then a zero for each column of each.
    let mut many = vec![0xa1, 0x8d, 0x06];
    many.resize(3 + 100_001 * 11 + 1, 0);
    let refused = unpack(&compressed(&many));
    assert!(
        matches!(refused, Err(PackingError::TooMany(100_001))),
        "{refused:?}"
    );

    // No sample, and 1,000 phases of no letter.
    let mut phases = vec![0, 0xe8, 0x07];
    phases.resize(3 + 1_000, 0);
    assert!(matches!(
        unpack(&compressed(&phases)),
        Err(PackingError::Damaged("it has more phases than samples"))
    ));
}

/// What claims to be version 1 and does decompress.
fn compressed(body: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(vec![1], Compression::fast());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

fn samples() -> impl Strategy<Value = Vec<Sample>> {
    let least = Timestamp::MIN.as_microsecond();
    let most = Timestamp::MAX.as_microsecond();
    let time = prop_oneof![8 => least..=most, 1 => most - 999_999..=most];
    let place = (time, any::<i32>(), any::<i32>());
    let large = vec(option::of(any::<i32>()), 3);
    let small = vec(option::of(any::<i16>()), 3);
    let phase = option::of(prop_oneof![3 => "[A-Z]{3}", 1 => "\\PC{0,16}"]);
    let sample = (place, large, small, phase);
    btree_map(any::<i32>(), sample, 0..40).prop_map(|samples| {
        let samples = samples.into_iter();
        let sample = samples.map(|(sequence, (place, large, small, phase))| Sample {
            sequence,
            time: at(place.0),
            latitude_e7: place.1,
            longitude_e7: place.2,
            altitude_ft: large[0],
            heading_deg: small[0],
            ground_speed_kt: small[1],
            indicated_airspeed_kt: small[2],
            vertical_speed_fpm: large[1],
            fuel_kg: large[2],
            phase,
        });
        sample.collect()
    })
}

proptest! {
    #[test]
    fn what_is_packed_is_what_is_unpacked(samples in samples()) {
        prop_assert_eq!(unpack(&pack(&samples).unwrap()).unwrap(), samples);
    }

    #[test]
    fn a_truncated_value_is_an_error(samples in samples(), cut in any::<prop::sample::Index>()) {
        let packed = pack(&samples).unwrap();
        prop_assert!(unpack(&packed[..cut.index(packed.len())]).is_err());
    }

    #[test]
    fn a_flipped_bit_is_an_error_or_changes_nothing(
        samples in samples(),
        bit in any::<prop::sample::Index>(),
    ) {
        let mut packed = pack(&samples).unwrap();
        let bit = bit.index(packed.len() * 8);
        packed[bit / 8] ^= 1 << (bit % 8);
        if let Ok(read) = unpack(&packed) {
            prop_assert_eq!(read, samples);
        }
    }

    #[test]
    fn something_behind_the_end_is_an_error(samples in samples(), byte in any::<u8>()) {
        let mut packed = pack(&samples).unwrap();
        packed.push(byte);
        prop_assert!(unpack(&packed).is_err());
    }

    #[test]
    fn hostile_bytes_are_survived(mut bytes in vec(any::<u8>(), 0..200), small in vec(0_u8..6, 0..200)) {
        for body in [&bytes, &small] {
            std::hint::black_box(unpack(&compressed(body)).is_ok());
        }
        bytes.insert(0, 1);
        std::hint::black_box(unpack(&bytes).is_ok());
    }
}
