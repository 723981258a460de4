//! `/api/v1/pireps`: filing, flying, reading and deciding pilot reports.

pub mod entity;
pub mod history;
pub mod input;
pub mod plan;
pub mod sample;
pub mod track;
