//! The operator as a process, with the chart's rights, against a real API server and real PostgreSQL, RabbitMQ and
//! Redis. There are no nodes: pods are said to run, and runtimes to answer, by the tests.
#![allow(clippy::unwrap_used, reason = "a test fails where it panics")]

mod adoption;
mod api_keys;
mod api_server_outages;
mod autoscaling;
mod budgets;
mod cache_accounts;
mod certificates;
mod contention;
mod definitions;
mod deletion;
mod diff;
mod drift;
mod duplicates;
mod erasures;
mod gateway;
mod gitops;
mod hibernation;
mod hostile_owner;
mod hot_loops;
mod isolation;
mod kubectl;
mod leadership;
mod life;
mod longest_names;
mod neighbours;
mod next_version;
mod noop;
mod observe;
mod outages;
mod queue;
mod reachability;
mod recorded_names;
mod refusals;
mod restarts;
mod rollout;
mod rotation;
mod runtime;
mod serving;
mod stampede;
mod suspension;
mod traces;
mod unready;
mod version;
mod waking;
