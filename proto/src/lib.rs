//! The persisted event schema: what the log's payloads are made of.

/// Version 1 of the schema.
pub mod v1 {
    include!(concat!(env!("OUT_DIR"), "/albatross.v1.rs"));
}
