//! A packed track: read or refused, and what it is packed to again is read again.
#![no_main]

use albatross::adapters::packing::{pack, unpack};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|packed: &[u8]| {
    if let Ok(samples) = unpack(packed)
        && let Ok(again) = pack(&samples)
    {
        assert_eq!(pack(&unpack(&again).unwrap()).unwrap(), again);
    }
});
