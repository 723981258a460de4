//! A stored event of any type and schema: decoded or refused.
#![no_main]

use albatross::codec::{KeyRing, decode};
use libfuzzer_sys::fuzz_target;
use uuid::Uuid;

fuzz_target!(|input: (i16, i16, &[u8])| {
    let (kind, schema, payload) = input;
    let _ = decode(kind, schema, Uuid::nil(), payload, &KeyRing::default());
});
