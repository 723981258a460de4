//! Exports: a whole log with its keys and tracks as one file, written, read and verified line by line.

mod error;
mod format;
mod reader;
mod writer;

pub use error::ArchiveError;
pub use format::Header;
pub use reader::{Archived, FlightLog, Reader, Track};
pub use writer::{Exported, export};
