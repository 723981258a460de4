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
/// Once in half of this to all of it, it is measured how much room the data takes.
const MEASURE: Duration = Duration::from_secs(60);
/// Once in half of this to all of it, other releases on the same database are told which tables are in use here.
const KEEP_TABLES: Duration = Duration::from_secs(60);

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
        let (events, hints) = (
            self.backends.stores.events.clone(),
            self.backends.wake_ups.clone(),
        );
        self.supervise("wake-ups", move |stop| {
            let (events, hints) = (events.clone(), hints.clone());
            async move { wake_ups::run(events, hints, &stop).await }
        });
    }

    /// What every process does: the tables that it reads stay.
    pub fn keep_tables(&self) {
        let airline = self.airline.clone();
        self.supervise("tables", move |stop| keep_tables(airline.clone(), stop));
    }

    /// What a process with an API does: the stream of changes, and looking whether there is room for more.
    pub fn tell(&self) {
        let airline = self.airline.clone();
        self.supervise("changes", move |stop| {
            let airline = airline.clone();
            async move { airline.changes.run(&stop).await }
        });
        let airline = self.airline.clone();
        self.supervise("measure", move |stop| measure(airline.clone(), stop));
    }

    /// What one process at a time does: projections, reactions, feed, tidying up.
    pub fn work(&self, registry: &mut Registry) {
        let (airline, stop) = (self.airline.clone(), self.stop.clone());
        let supervisor = self.backends.supervisor.clone();
        self.tasks
            .spawn(async move { airline.project(&supervisor, &stop).await });
        let airline = self.airline.clone();
        self.supervise("reactions", move |stop| {
            let airline = airline.clone();
            async move { airline.reactions.run(&stop).await }
        });
        let airline = self.airline.clone();
        self.supervise("sweep", move |stop| sweep(airline.clone(), stop));
        let airline = self.airline.clone();
        self.supervise("pack", move |stop| pack(airline.clone(), stop));
        if let Some(feed) = &self.backends.feed {
            let metrics = RelayMetrics::default();
            metrics.register(registry);
            let relay = Arc::new(Relay {
                events: self.backends.stores.events.clone(),
                read_model: self.backends.stores.read_model.clone(),
                feed: feed.clone(),
                entropy: Arc::new(SystemEntropy),
                names: event_name,
                metrics,
            });
            self.supervise("relay", move |stop| {
                let relay = relay.clone();
                async move { relay.run(&stop).await }
            });
        }
    }

    /// Runs a task until the stop, again and again if need be.
    fn supervise<F: Future<Output = ()> + Send>(
        &self,
        task: &'static str,
        begin: impl Fn(CancellationToken) -> F + Send + Sync + 'static,
    ) {
        let (supervisor, stop) = (self.backends.supervisor.clone(), self.stop.clone());
        self.tasks.spawn(async move {
            let begin = || begin(stop.clone());
            supervisor.keep(task, &stop, begin).await;
        });
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

async fn measure(airline: Arc<Airline>, stop: CancellationToken) {
    loop {
        if let Err(error) = airline.measure().await {
            tracing::warn!(%error, "the size of the data is not known: it counts as it was");
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(jittered(MEASURE, &SystemEntropy)) => {}
        }
    }
}

async fn keep_tables(airline: Arc<Airline>, stop: CancellationToken) {
    loop {
        if let Err(error) = airline.keep_tables().await {
            tracing::warn!(%error, "the tables of the read model are not looked after for now");
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(jittered(KEEP_TABLES, &SystemEntropy)) => {}
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
