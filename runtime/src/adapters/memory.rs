//! Everything in this process's memory: for tests, and for a look around.

mod credentials;
mod event_store;
mod log;
mod read_model;
mod track_store;

pub use log::MemoryLog;
pub use read_model::MemoryReadModel;
pub use track_store::MemoryTracks;
