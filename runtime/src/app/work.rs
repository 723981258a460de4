//! `albatross work`: one airline's projections and relay in a process of their own.

use std::sync::Arc;

use prometheus_client::registry::Registry;

use crate::adapters::system::SystemEntropy;
use crate::app::assemble::{self, Backends};
use crate::app::background::Background;
use crate::app::shutdown::Shutdown;
use crate::app::{resources, servers};
use crate::config::Work;
use crate::http::probes::{ProbeState, probe_router};

pub async fn run(config: Work) -> anyhow::Result<()> {
    let shutdown = Shutdown::on_signals()?;
    let listener = servers::bind(config.probes.probe_listen).await?;
    let backends = Backends::open(&config.database, &config.servers).await?;
    let passwords = resources::passwords(Arc::new(SystemEntropy));
    let airline = assemble::airline(&config.tenant, &backends, passwords).await?;

    let mut registry = Registry::default();
    backends.register_metrics(&mut registry);
    airline.register_metrics(&mut registry);
    let background = Background {
        airline: &airline,
        backends: &backends,
        tasks: &shutdown.tasks,
        stop: &shutdown.begun,
    };
    background.listen();
    background.keep_tables();
    background.work(&mut registry);
    let probes = ProbeState {
        ready: Arc::new(move || {
            let airline = airline.clone();
            Box::pin(async move { airline.ready().await })
        }),
        registry: Arc::new(registry),
    };
    servers::spawn(listener, probe_router(probes), &shutdown);
    tracing::info!(tenant = config.tenant.tenant, "working");
    shutdown.finished().await;
    backends.stores.close().await;
    Ok(())
}
