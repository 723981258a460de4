//! A packed track: read or refused, and what it is packed to again is read again.
#![no_main]

use std::io::Write;

use albatross::adapters::packing::{pack, unpack};
use flate2::Compression;
use flate2::write::ZlibEncoder;
use libfuzzer_sys::fuzz_target;

// Half of them are compressed as a track is, so that what lies inside is reached.
fuzz_target!(|input: (bool, &[u8])| {
    let (whole, bytes) = input;
    let mut packed = bytes.to_vec();
    if !whole {
        let mut encoder = ZlibEncoder::new(vec![1], Compression::fast());
        encoder.write_all(bytes).unwrap();
        packed = encoder.finish().unwrap();
    }
    if let Ok(samples) = unpack(&packed)
        && let Ok(again) = pack(&samples)
    {
        assert_eq!(pack(&unpack(&again).unwrap()).unwrap(), again);
    }
});
