//! The composition root: configuration → adapters → services → servers.

mod admin;
mod assemble;
mod background;
mod erase;
mod export;
mod import;
mod ledger;
mod logging;
mod migrate;
mod progress;
mod public;
mod rebuild;
mod resources;
mod serve;
mod servers;
mod shutdown;
mod up;
mod verify;
mod work;

use std::process::ExitCode;

use crate::config::{Cli, Command};

/// Runs one subcommand to its end; a failure is one line on standard error and an exit code of 1.
pub fn run(cli: Cli) -> ExitCode {
    match start(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn start(cli: Cli) -> anyhow::Result<()> {
    logging::start(&cli.log)?;
    if rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .is_err()
    {
        anyhow::bail!("another TLS provider was installed first");
    }
    let runtime = tokio::runtime::Runtime::new()?;
    let done = runtime.block_on(dispatch(cli.command));
    // Whatever still blocks a thread, such as a hash, is not waited for.
    runtime.shutdown_background();
    done
}

async fn dispatch(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Up(config) => up::run(config).await,
        Command::Serve(config) => serve::run(config).await,
        Command::Work(config) => work::run(config).await,
        Command::Migrate(config) => migrate::run(config).await,
        Command::Verify(config) => verify::run(config).await,
        Command::Export(config) => export::run(config).await,
        Command::Import(config) => import::run(config).await,
        Command::Rebuild(config) => rebuild::run(config).await,
        Command::Admin(config) => admin::run(config).await,
        Command::Erase(config) => erase::run(config).await,
    }
}
