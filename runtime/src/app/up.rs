//! `albatross up`: every airline that the manifests declare, in one process, without any server.

mod data;
mod demo;
mod fleet;
mod identity;
mod manifests;
mod recording;
mod running;
mod wish;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use prometheus_client::registry::Registry;

use crate::adapters::system::{SystemClock, SystemEntropy};
use crate::app::shutdown::Shutdown;
use crate::app::{resources, servers};
use crate::config::Up;
use crate::http::envelope::MakeId;
use crate::http::hosts::Hosts;
use crate::http::metrics::HttpMetrics;
use crate::ports::clock::Clock;
use data::DataDirectory;
use fleet::Fleet;
use manifests::{Declared, Fingerprint};
use running::Common;

/// How often the manifests are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);

pub async fn run(config: Up) -> anyhow::Result<()> {
    let begun = Instant::now();
    let shutdown = Shutdown::on_signals()?;
    // Before they are read: a change while they are is seen at the next look.
    let seen = manifests::fingerprint(&config.files)?;
    let declared = manifests::read(&config.files)?;
    let data = DataDirectory::take(&config.data)?;
    let listener = servers::bind(config.listen).await?;
    let listen = listener.local_addr()?;
    let hosts = Hosts::new(MakeId(Arc::new(SystemEntropy)), listen.ip().is_loopback());
    let mut fleet = Fleet {
        data,
        listen,
        default_tenant: config.default_tenant,
        common: Common {
            passwords: resources::passwords(Arc::new(SystemEntropy)),
            metrics: HttpMetrics::register(&mut Registry::default()),
            stop: shutdown.begun.clone(),
        },
        hosts: hosts.clone(),
        running: BTreeMap::new(),
    };
    declared.print_waiting();
    fleet.apply(&declared).await?;
    if config.demo {
        seed(&fleet, &declared).await?;
    }
    servers::spawn(listener, hosts.router(), &shutdown);
    let urls: Vec<&str> = fleet
        .running
        .values()
        .map(|it| it.public_url.as_str())
        .collect();
    let (elapsed, urls) = (begun.elapsed().as_millis(), urls.join(" "));
    println!("Ready in {elapsed} ms: {urls}");
    let fleet = watch(fleet, config.files, seen, declared, &shutdown).await;
    shutdown.finished().await;
    fleet.stop().await;
    Ok(())
}

/// Follows the manifests until the process ends. What cannot be read changes nothing.
async fn watch(
    mut fleet: Fleet,
    files: Vec<PathBuf>,
    mut seen: Fingerprint,
    mut declared: Declared,
    shutdown: &Shutdown,
) -> Fleet {
    loop {
        tokio::select! {
            () = shutdown.begun.cancelled() => return fleet,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
        match manifests::fingerprint(&files) {
            Ok(now) if now == seen => continue,
            Ok(now) => seen = now,
            // A file that is being replaced is back at the next look.
            Err(error) => {
                tracing::debug!(
                    error = format!("{error:#}"),
                    "manifests cannot be looked at"
                );
                continue;
            }
        }
        match follow(&mut fleet, &files, &declared).await {
            Ok(new) => declared = new,
            Err(error) => eprintln!("error: {error:#}\n(everything goes on as it was)"),
        }
    }
}

async fn follow(
    fleet: &mut Fleet,
    files: &[PathBuf],
    before: &Declared,
) -> anyhow::Result<Declared> {
    let declared = manifests::read(files)?;
    declared.check_change(before)?;
    if declared.waiting != before.waiting {
        declared.print_waiting();
    }
    fleet.apply(&declared).await?;
    Ok(declared)
}

async fn seed(fleet: &Fleet, declared: &Declared) -> anyhow::Result<()> {
    let now = SystemClock.now();
    for (name, tenant) in &declared.tenants {
        let Some(running) = fleet.running.get(name) else {
            continue;
        };
        let icao_code = &tenant.tenant.icao_code;
        let seeded = demo::seed(name, icao_code, &running.airline, now).await;
        seeded.with_context(|| format!("Tenant {name} cannot be filled with recorded flights"))?;
    }
    Ok(())
}
