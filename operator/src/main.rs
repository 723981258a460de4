//! The operator's executable.

use std::io::IsTerminal;
use std::time::Duration;

use albatross_operator::config::{Args, Command, OperatorConfig};
use albatross_operator::context::caches::WATCH;
use albatross_operator::traces::{Traces, asked_each_time};
use albatross_operator::{controllers, server};
use anyhow::Context;
use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .map_err(|_| anyhow::anyhow!("a TLS provider is installed already"))?;
    if let Some(Command::Ready { url }) = &args.command {
        return server::ask(url).await;
    }
    let config = OperatorConfig::read(&args.config)?;
    let filter = args.log.as_deref().unwrap_or(&config.log);
    let filter = EnvFilter::try_new(filter).context("the log filter is not valid")?;
    let traces = config.otlp.as_deref().map(Traces::to).transpose()?;
    let log = tracing_subscriber::fmt::layer().with_ansi(std::io::stdout().is_terminal());
    tracing_subscriber::registry()
        .with(log.with_filter(asked_each_time(filter)))
        .with(traces.as_ref().map(Traces::layer))
        .init();
    let client = client().await.context("no way to the API server")?;
    let stop = CancellationToken::new();
    let mut terminate = signal(SignalKind::terminate())?;
    let on_signal = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
        on_signal.cancel();
    });
    let ended = controllers::run(args, config, client, stop).await;
    if let Some(traces) = traces {
        tokio::task::spawn_blocking(|| traces.end()).await?;
    }
    ended
}

async fn client() -> anyhow::Result<kube::Client> {
    let mut config = kube::Config::infer().await?;
    // The client's own limit comes last: it is for what does not even begin to answer.
    config.read_timeout = Some(WATCH + Duration::from_secs(10));
    config.reset_reader_on_write = true;
    Ok(kube::Client::try_from(config)?)
}
