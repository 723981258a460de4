//! What the application needs of the outside world: bytes and ids, nothing of the domain.

pub mod backoff;
pub mod cache;
pub mod clock;
pub mod credentials;
pub mod erasures;
pub mod event_bus;
pub mod event_store;
pub mod log_import;
pub mod read_model;
pub mod storage;
pub mod supervisor;
pub mod track_store;
