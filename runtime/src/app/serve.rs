//! `albatross serve`: one airline's API, web page and internal port.

use std::sync::Arc;

use prometheus_client::registry::Registry;

use crate::adapters::system::SystemEntropy;
use crate::app::assemble::{self, Backends};
use crate::app::background::Background;
use crate::app::shutdown::Shutdown;
use crate::app::{public, resources, servers};
use crate::application::airline::Airline;
use crate::config::Serve;
use crate::http::envelope::MakeId;
use crate::http::internal::{InternalState, internal_router};
use crate::http::metrics::HttpMetrics;
use crate::http::probes::{ProbeState, Readiness, probe_router};

pub async fn run(config: Serve) -> anyhow::Result<()> {
    let shutdown = Shutdown::on_signals()?;
    let public_listener = servers::bind(config.listen).await?;
    let probe_listener = servers::bind(config.probes.probe_listen).await?;
    let internal = match config.internal_token {
        Some(token) => Some((token, servers::bind(config.internal_listen).await?)),
        None => None,
    };
    let backends = Backends::open(&config.database, &config.servers).await?;
    let passwords = resources::passwords(Arc::new(SystemEntropy));
    let airline = assemble::airline(&config.tenant, &backends, passwords).await?;

    let mut registry = Registry::default();
    backends.register_metrics(&mut registry);
    airline.register_metrics(&mut registry);
    let metrics = HttpMetrics::register(&mut registry);
    let background = Background {
        airline: &airline,
        backends: &backends,
        tasks: &shutdown.tasks,
        stop: &shutdown.begun,
    };
    background.listen();
    background.tell();
    if config.worker {
        background.work(&mut registry);
    }

    let proxies = public::trusted(config.trusted_proxies);
    let router = public::router(airline.clone(), proxies, metrics, shutdown.begun.clone())?;
    servers::spawn(public_listener, router, &shutdown);
    if let Some((token, listener)) = internal {
        let state = InternalState {
            airline: airline.clone(),
            token: Arc::new(token),
            ids: MakeId(Arc::new(SystemEntropy)),
        };
        servers::spawn(listener, internal_router(state), &shutdown);
    }
    let ready = readiness(airline, config.required_desired, &shutdown);
    let registry = Arc::new(registry);
    let probes = probe_router(ProbeState { ready, registry });
    servers::spawn(probe_listener, probes, &shutdown);
    tracing::info!(tenant = config.tenant.tenant, listen = %config.listen, "serving");
    shutdown.finished().await;
    backends.stores.close().await;
    Ok(())
}

/// Ready once the log can be read and the desired state that the operator asks for has been applied.
fn readiness(airline: Arc<Airline>, required: u64, shutdown: &Shutdown) -> Readiness {
    let announced = shutdown.announced.clone();
    Arc::new(move || {
        let (airline, announced) = (airline.clone(), announced.clone());
        Box::pin(async move {
            if announced.is_cancelled() {
                return Err("shutting down".to_owned());
            }
            let number = airline.desired.number().await;
            let number = number.map_err(|error| error.to_string())?;
            if number < required {
                return Err(format!(
                    "desired state {required} is awaited, {number} is applied"
                ));
            }
            Ok(())
        })
    })
}
