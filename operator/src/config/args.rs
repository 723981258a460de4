//! The command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

/// Command line and environment of the operator.
#[derive(Debug, Parser)]
#[command(name = "albatross-operator", version, about)]
pub struct Args {
    /// The configuration file (YAML).
    #[arg(
        long,
        env = "ALBATROSS_OPERATOR_CONFIG",
        default_value = "/etc/albatross/operator.yaml"
    )]
    pub config: PathBuf,
    /// The operator's own namespace, which holds the authoritative Secrets.
    #[arg(long, env = "POD_NAMESPACE", default_value = "albatross-system")]
    pub namespace: String,
    /// Name of this replica as holder of the Lease, which no two may share. Left out: one by chance.
    #[arg(long, env = "POD_NAME")]
    pub identity: Option<String>,
    /// Where /healthz, /readyz and /metrics answer.
    #[arg(
        long,
        env = "ALBATROSS_OPERATOR_LISTEN",
        default_value = "0.0.0.0:8082"
    )]
    pub listen: std::net::SocketAddr,
    /// What is logged; overrides `log` of the file.
    #[arg(long, env = "ALBATROSS_LOG")]
    pub log: Option<String>,
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What else it can do than run.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Asks a running operator whether it is ready, and fails if it is not.
    Ready {
        /// Such as http://albatross-operator:8082/readyz.
        url: String,
    },
}
