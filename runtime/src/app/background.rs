//! What an airline's process does beside answering requests.

use std::sync::Arc;
use std::time::Duration;

use prometheus_client::registry::Registry;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::adapters::system::SystemEntropy;
use crate::app::assemble::Backends;
use crate::application::airline::Airline;
use crate::application::event_names::event_name;
use crate::application::relay::{Relay, RelayMetrics};
use crate::application::wake_ups;
use crate::ports::backoff::jittered;

/// How often expired credentials are removed.
const SWEEP: Duration = Duration::from_secs(3_600);
/// About how often tracks of decided flights are packed: a late track has arrived by then.
const PACK: Duration = Duration::from_secs(600);

/// Background tasks of one airline.
pub struct Background<'a> {
    pub airline: &'a Arc<Airline>,
    pub backends: &'a Backends,
    pub tasks: &'a TaskTracker,
    pub stop: &'a CancellationToken,
}

impl Background<'_> {
    /// What every process does: hints from and to the others.
    pub fn listen(&self) {
        let (events, hints) = (&self.backends.stores.events, &self.backends.wake_ups);
        let listening = wake_ups::run(events.clone(), hints.clone(), self.stop.clone());
        self.tasks.spawn(listening);
    }

    /// What a process with an API does: the stream of changes.
    pub fn tell(&self) {
        let (airline, stop) = (self.airline.clone(), self.stop.clone());
        self.tasks
            .spawn(async move { airline.changes.run(stop).await });
    }

    /// What one process at a time does: projections, feed, tidying up.
    pub fn work(&self, registry: &mut Registry) {
        let (airline, stop) = (self.airline.clone(), self.stop.clone());
        self.tasks.spawn(async move { airline.project(stop).await });
        let (airline, stop) = (self.airline.clone(), self.stop.clone());
        self.tasks.spawn(sweep(airline, stop));
        let (airline, stop) = (self.airline.clone(), self.stop.clone());
        self.tasks.spawn(pack(airline, stop));
        if let Some(feed) = &self.backends.feed {
            let metrics = RelayMetrics::default();
            metrics.register(registry);
            let relay = Relay {
                events: self.backends.stores.events.clone(),
                read_model: self.backends.stores.read_model.clone(),
                feed: feed.clone(),
                entropy: Arc::new(SystemEntropy),
                names: event_name,
                metrics,
            };
            self.tasks.spawn(relay.run(self.stop.clone()));
        }
    }
}

async fn sweep(airline: Arc<Airline>, stop: CancellationToken) {
    loop {
        match airline.sweep().await {
            Ok(0) => {}
            Ok(removed) => tracing::debug!(removed, "expired credentials removed"),
            Err(error) => tracing::warn!(%error, "expired credentials stay for now"),
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(SWEEP) => {}
        }
    }
}

async fn pack(airline: Arc<Airline>, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(jittered(PACK, &SystemEntropy)) => {}
        }
        match airline.tracks.pack_decided().await {
            Ok(0) => {}
            Ok(packed) => tracing::debug!(packed, "tracks packed"),
            Err(error) => tracing::warn!(%error, "tracks stay unpacked for now"),
        }
    }
}
