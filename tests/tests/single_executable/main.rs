//! The single executable as a newcomer has it: one command, two airlines, no server.

mod manifests;
mod newcomer;
mod refusals;
mod uploads;

/// Both airlines of `examples/`, each with its key.
const EXAMPLES: [&str; 5] = [
    "00-namespace.yaml",
    "10-skyways.yaml",
    "11-nordwind.yaml",
    "20-skyways-acars.yaml",
    "21-nordwind-acars.yaml",
];
