//! External systems: what a tenant owns on PostgreSQL, RabbitMQ and Redis.
//!
//! Everything here is level-triggered: `ensure` may be repeated at any time, after any crash. What exists is used only
//! when it carries the tenant's identity, and `drop` touches nothing else.

pub mod error;
pub mod percent;
pub mod postgres;
pub mod rabbitmq;
pub mod redis;
pub mod scram;
