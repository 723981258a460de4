//! A file that is said to be an export: read to its end or refused.
#![no_main]

use albatross::adapters::archive::Reader;
use libfuzzer_sys::fuzz_target;

const HEADER: &str = r#"{"export":{"version":1,"epoch":"00000000-0000-0000-0000-000000000001","head":3,"exportedAt":"2026-01-01T00:00:00Z"}}"#;
/// What a line is of; one of none is what the fuzzer thinks of.
const KINDS: [&str; 6] = ["event", "key", "track", "log", "commit", "end"];

// Behind a first line that is right, lines whose kinds are: what is neither is refused before more of it is read.
fuzz_target!(|lines: Vec<(u8, &str)>| {
    let mut file = format!("{HEADER}\n");
    for (kind, rest) in lines {
        file += &match KINDS.get(usize::from(kind)) {
            Some(kind) => format!("{{\"{kind}\":{{{rest}}}}}\n"),
            None => format!("{rest}\n"),
        };
    }
    if let Ok(mut reader) = Reader::open(file.as_bytes()) {
        while let Ok(Some(_)) = reader.next_commit() {}
    }
});
