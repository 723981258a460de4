//! A file that is said to be an export: read to its end or refused.
#![no_main]

use albatross::adapters::archive::Reader;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|file: &[u8]| {
    if let Ok(mut reader) = Reader::open(file) {
        while let Ok(Some(_)) = reader.next_commit() {}
    }
});
