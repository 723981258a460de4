//! `/api/v1/users`: people, machines and their roles.

pub mod dto;
