//! Who may do what: one table, applied in one place.

pub mod decision;
pub mod table;
