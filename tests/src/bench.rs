//! What benches share: what the kernel counts of processes, and the table that they end in.

pub mod processor;
pub mod table;
