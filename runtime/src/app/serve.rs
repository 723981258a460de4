//! `albatross serve`: one airline's API, web page and internal port.

use std::sync::Arc;

use prometheus_client::registry::Registry;

use crate::adapters::system::SystemEntropy;
use crate::app::assemble::{self, Backends};
use crate::app::background::Background;
use crate::app::shutdown::Shutdown;
use crate::app::{ledger, public, resources, servers};
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
    ledger::replay(&airline, &config.ledger).await?;

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
    background.keep_tables();
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

/// Ready once the desired state that the operator asks for has been applied and the read model shows the airline.
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
            airline.ready().await
        })
    })
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::ports::event_store::{Append, MAX_EVENTS_PER_APPEND, NewEvent};

    const KEY: &str = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=";

    /// More events than a page of the read model is allowed to lack.
    fn long_history() -> [Append; 2] {
        [1, 2].map(|stream| Append {
            command_id: Uuid::from_u128(stream),
            stream_id: Uuid::from_u128(stream),
            expected_version: 0,
            events: (0..MAX_EVENTS_PER_APPEND as u128)
                .map(|n| NewEvent {
                    event_id: Uuid::from_u128(stream << 64 | n),
                    kind: 305,
                    schema: 1,
                    payload: Vec::new(),
                })
                .collect(),
            causation_id: None,
            correlation_id: None,
            actor: "test".to_owned(),
            recorded_at: jiff::Timestamp::UNIX_EPOCH,
            claims: Vec::new(),
            request: None,
            credentials: Vec::new(),
            subject_keys: Vec::new(),
        })
    }

    #[tokio::test]
    async fn a_process_is_ready_once_its_read_model_has_caught_up() {
        let tenant = crate::config::Tenant {
            tenant: "skyways".to_owned(),
            tenant_id: Uuid::from_u128(9),
            tenant_key: KEY.parse().unwrap(),
            pepper: KEY.parse().unwrap(),
            public_url: "http://skyways.localhost".to_owned(),
        };
        let backends = Backends::local(crate::adapters::open("memory:").await.unwrap());
        let passwords = resources::passwords(Arc::new(SystemEntropy));
        let airline = assemble::airline(&tenant, &backends, passwords)
            .await
            .unwrap();
        for append in long_history() {
            backends.stores.events.append(append).await.unwrap();
        }
        let shutdown = Shutdown::default();
        let ready = readiness(airline.clone(), 0, &shutdown);
        let reason = ready().await.unwrap_err();
        assert!(
            reason.contains("projection flights has yet to be built from 2000 events"),
            "{reason}"
        );
        airline.catch_up().await.unwrap();
        assert_eq!(ready().await, Ok(Vec::new()));
        let ahead = readiness(airline, 7, &shutdown);
        assert!(ahead().await.unwrap_err().contains("desired state 7"));
        shutdown.announced.cancel();
        assert_eq!(ready().await, Err("shutting down".to_owned()));
    }
}
