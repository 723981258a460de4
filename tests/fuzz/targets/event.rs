//! A stored event of any type and schema: decoded or refused.
#![no_main]

use albatross::codec::{KeyRing, decode};
use libfuzzer_sys::fuzz_target;
use uuid::Uuid;

// Small numbers: what is of no type is refused before its payload is looked at.
fuzz_target!(|input: (u8, u8, &[u8])| {
    let (kind, schema, payload) = input;
    let keys = KeyRing::default();
    let _ = decode(kind.into(), schema.into(), Uuid::nil(), payload, &keys);
});
