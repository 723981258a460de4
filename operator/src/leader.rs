//! Which replica acts: the holder of a Lease, for as long as it has renewed it, measured by its own clock.
//!
//! A leader that could not renew in time ends the process at once: another may have taken over, and nothing that is
//! under way may still be written.

use std::sync::Arc;
use std::time::{Duration, Instant};

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::api::PostParams;
use kube::{Api, Client};
use tokio_util::sync::CancellationToken;

use crate::config::LeaderElection;
use crate::context::system::Clock;
use crate::lease::Leadership;
use crate::names;

/// A candidate for leadership.
pub struct Candidate {
    pub client: Client,
    pub namespace: String,
    pub identity: String,
    pub settings: LeaderElection,
    pub clock: Arc<dyn Clock>,
    pub leadership: Arc<Leadership>,
}

/// What was last seen of the Lease, and since when by this machine's clock.
struct Seen {
    version: Option<String>,
    since: Instant,
}

impl Candidate {
    /// Waits until this replica leads; false if it is to stop before that.
    pub async fn acquire(&self, stop: &CancellationToken) -> bool {
        let mut seen = None;
        loop {
            let asked = Instant::now();
            match self.try_acquire(&mut seen).await {
                Ok(true) => {
                    tracing::info!(identity = self.identity, "leading");
                    self.leadership.hold_until(asked + self.lifetime());
                    return true;
                }
                Ok(false) => {}
                Err(cause) => tracing::warn!(%cause, "the Lease cannot be had, trying again"),
            }
            tokio::select! {
                () = stop.cancelled() => return false,
                () = tokio::time::sleep(self.pause()) => {}
            }
        }
    }

    /// Renews until told to stop, then gives the Lease back.
    pub async fn keep(&self, stop: &CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                () = tokio::time::sleep(self.pause()) => {}
            }
            let asked = Instant::now();
            match self.renew().await {
                Ok(true) => self.leadership.hold_until(asked + self.lifetime()),
                Ok(false) => self.leadership.lose("another replica holds the Lease"),
                Err(cause) => {
                    tracing::warn!(%cause, "the Lease could not be renewed, trying again")
                }
            }
        }
        if let Err(cause) = self.release().await {
            tracing::warn!(%cause, "the Lease could not be given back; it runs out by itself");
        }
    }

    async fn try_acquire(&self, seen: &mut Option<Seen>) -> Result<bool, kube::Error> {
        let Some(lease) = self.api().get_opt(names::LEASE).await? else {
            let lease = self.lease(None, 0);
            return won(self.api().create(&PostParams::default(), &lease).await);
        };
        let spec = lease.spec.clone().unwrap_or_default();
        let holder = spec.holder_identity.clone().unwrap_or_default();
        if !holder.is_empty() && holder != self.identity && !self.is_stale(&lease, &spec, seen) {
            return Ok(false);
        }
        let transitions = spec.lease_transitions.unwrap_or(0) + 1;
        let wanted = self.lease(Some(&lease), transitions);
        won(self
            .api()
            .replace(names::LEASE, &PostParams::default(), &wanted)
            .await)
    }

    /// A Lease is stale when it has not changed for its own duration while this replica looked on: the holder's clock
    /// is not trusted.
    fn is_stale(&self, lease: &Lease, spec: &LeaseSpec, seen: &mut Option<Seen>) -> bool {
        let version = lease.metadata.resource_version.clone();
        let duration = u64::try_from(spec.lease_duration_seconds.unwrap_or(15)).unwrap_or(15);
        match seen {
            Some(last) if last.version == version => {
                last.since.elapsed() > Duration::from_secs(duration)
            }
            _ => {
                *seen = Some(Seen {
                    version,
                    since: Instant::now(),
                });
                false
            }
        }
    }

    async fn renew(&self) -> Result<bool, kube::Error> {
        let Some(lease) = self.api().get_opt(names::LEASE).await? else {
            return Ok(false);
        };
        let spec = lease.spec.clone().unwrap_or_default();
        if spec.holder_identity.as_deref() != Some(&self.identity) {
            return Ok(false);
        }
        let wanted = self.lease(Some(&lease), spec.lease_transitions.unwrap_or(0));
        self.api()
            .replace(names::LEASE, &PostParams::default(), &wanted)
            .await
            .map(|_| true)
    }

    async fn release(&self) -> Result<(), kube::Error> {
        let Some(mut lease) = self.api().get_opt(names::LEASE).await? else {
            return Ok(());
        };
        let spec = lease.spec.get_or_insert_default();
        if spec.holder_identity.as_deref() == Some(&self.identity) {
            spec.holder_identity = Some(String::new());
            self.api()
                .replace(names::LEASE, &PostParams::default(), &lease)
                .await?;
            tracing::info!("the Lease is given back");
        }
        Ok(())
    }

    fn lease(&self, current: Option<&Lease>, transitions: i32) -> Lease {
        let now = MicroTime(self.clock.now());
        let acquired = current
            .and_then(|lease| lease.spec.as_ref())
            .filter(|spec| spec.holder_identity.as_deref() == Some(&self.identity))
            .and_then(|spec| spec.acquire_time.clone());
        Lease {
            metadata: ObjectMeta {
                name: Some(names::LEASE.to_owned()),
                namespace: Some(self.namespace.clone()),
                resource_version: current.and_then(|lease| lease.metadata.resource_version.clone()),
                ..ObjectMeta::default()
            },
            spec: Some(LeaseSpec {
                holder_identity: Some(self.identity.clone()),
                lease_duration_seconds: Some(i32::from(self.settings.lease_seconds)),
                acquire_time: acquired.or_else(|| Some(now.clone())),
                renew_time: Some(now),
                lease_transitions: Some(transitions),
                ..LeaseSpec::default()
            }),
        }
    }

    fn api(&self) -> Api<Lease> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// A little less than what others wait: this replica stops before another begins.
    fn lifetime(&self) -> Duration {
        Duration::from_secs(u64::from(self.settings.lease_seconds)).mul_f64(0.9)
    }

    fn pause(&self) -> Duration {
        Duration::from_secs(u64::from(self.settings.renew_seconds))
    }
}

/// Losing the race is an answer, not an error.
fn won(result: Result<Lease, kube::Error>) -> Result<bool, kube::Error> {
    match result {
        Ok(_) => Ok(true),
        Err(kube::Error::Api(status)) if status.is_conflict() || status.is_already_exists() => {
            Ok(false)
        }
        Err(cause) => Err(cause),
    }
}
