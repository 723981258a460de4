//! `kill -9` at random moments under load, full disks, damaged logs: what was acknowledged is there, once, and
//! everything agrees with it.
//!
//! `ALBATROSS_CRASH_CYCLES` says how often all tests together kill (50), `ALBATROSS_CRASH_SEED` which random moments
//! are chosen: a failed run prints its own.

mod audit;
mod corrupt;
mod disk;
mod feed;
mod load;
mod mount;
mod plan;
mod postgres;
mod read_only_postgres;
mod small_tablespace;
mod sqlite;
