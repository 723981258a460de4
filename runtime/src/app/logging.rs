//! Where the log goes and what it holds.

use std::io::{IsTerminal, stderr};

use anyhow::Context;
use tracing_subscriber::EnvFilter;

use crate::config::{Log, LogFormat};

/// Logs to standard error: standard output is for what was asked for.
pub fn start(config: &Log) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(&config.log)
        .with_context(|| format!("the log filter {:?} cannot be read", config.log))?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(stderr)
        // The complaint would go to standard error too, and panic when nobody reads that any more.
        .log_internal_errors(false);
    match config.log_format {
        LogFormat::Json => builder.json().flatten_event(true).init(),
        LogFormat::Text => builder.with_ansi(stderr().is_terminal()).init(),
    }
    Ok(())
}
