//! One airline that runs in this process: its storage, its services, its desired state.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use anyhow::bail;
use axum::Router;
use prometheus_client::registry::Registry;
use secrecy::SecretString;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::adapters::sqlite::LOG_FILE;
use crate::adapters::system::{SystemClock, SystemEntropy};
use crate::adapters::{self, Stores};
use crate::app::assemble::{self, Backends};
use crate::app::background::Background;
use crate::app::public;
use crate::app::up::identity::Identity;
use crate::app::up::manifests::DeclaredTenant;
use crate::app::up::wish::Wish;
use crate::application::airline::Airline;
use crate::application::desired::DesiredError;
use crate::application::error::ServiceError;
use crate::application::passwords::Passwords;
use crate::application::secrets::Pepper;
use crate::config::{Key, Tenant};
use crate::http::client_address::TrustedProxies;
use crate::http::metrics::HttpMetrics;
use crate::ports::clock::Clock;
use crate::ports::event_store::Head;

pub struct Running {
    pub airline: Arc<Airline>,
    pub router: Router,
    pub host: String,
    pub public_url: String,
    folder: PathBuf,
    identity: Identity,
    stores: Stores,
    /// It has been brought in line since it was started.
    applied: bool,
    pepper: Pepper,
    stop: CancellationToken,
    tasks: TaskTracker,
}

/// What people need to know about an airline that runs.
#[derive(Default)]
pub struct Summary {
    /// It is not what it was before.
    pub changed: bool,
    /// One-time links of the admins who have not logged in yet.
    pub links: Vec<(String, SecretString)>,
    /// Names of live keys and the files that hold them.
    pub keys: Vec<(String, PathBuf)>,
    /// Names of keys that are declared and do not work, and why.
    pub refused: BTreeMap<String, String>,
}

/// Shared by all airlines of the process.
#[derive(Clone)]
pub struct Common {
    pub passwords: Arc<Passwords>,
    pub metrics: HttpMetrics,
    /// Ends with the process.
    pub stop: CancellationToken,
}

impl Running {
    /// Opens the tenant's folder and begins its work.
    pub async fn start(
        name: &str,
        host: &str,
        public_url: String,
        folder: PathBuf,
        common: &Common,
    ) -> anyhow::Result<Self> {
        let identity = Identity::open(&folder.join("identity.json"), &SystemEntropy)?;
        let tenant = Tenant {
            tenant: name.to_owned(),
            tenant_id: identity.tenant_id,
            tenant_key: key("tenantKey", &identity.tenant_key)?,
            pepper: key("pepper", &identity.pepper)?,
            public_url: public_url.clone(),
        };
        let url = format!("sqlite:{}", folder.display());
        let log = folder.join(LOG_FILE);
        let begun = identity.log_epoch.is_some();
        // Looked at before it is opened, which would make one.
        if begun && fs::metadata(&log).map_or(0, |file| file.len()) == 0 {
            bail!(lost(&log));
        }
        let backends = Backends::local(adapters::open(&url).await?);
        if begun && head(&backends.stores).await?.position == 0 {
            backends.stores.close().await;
            bail!(lost(&log));
        }
        let airline = assemble::airline(&tenant, &backends, common.passwords.clone()).await?;
        airline.erasure.replay([]).await?;
        // Whoever was shown rows by an earlier release is shown them by this one.
        airline.begin().await?;
        let (stop, tasks) = (common.stop.child_token(), TaskTracker::new());
        let background = Background {
            airline: &airline,
            backends: &backends,
            tasks: &tasks,
            stop: &stop,
        };
        background.keep_tables();
        background.tell();
        background.work(&mut Registry::default());
        let metrics = common.metrics.clone();
        let router = public::router(
            airline.clone(),
            TrustedProxies::none(),
            metrics,
            stop.clone(),
        )?;
        Ok(Self {
            airline,
            router,
            host: host.to_owned(),
            public_url,
            folder,
            identity,
            stores: backends.stores,
            applied: false,
            pepper: Pepper::new(tenant.pepper.bytes()),
            stop,
            tasks,
        })
    }

    /// Brings it in line with what is declared; the same again changes nothing. It goes on as it was while an event that
    /// this takes cannot be read.
    pub async fn apply(&mut self, declared: &DeclaredTenant) -> anyhow::Result<Summary> {
        match self.bring_in_line(declared).await {
            Err(error) if is_unreadable(&error) => {
                let (tenant, error) = (self.airline.name(), format!("{error:#}"));
                tracing::error!(tenant, error, "what is declared is not applied");
                Ok(Summary::default())
            }
            done => done,
        }
    }

    async fn bring_in_line(&mut self, declared: &DeclaredTenant) -> anyhow::Result<Summary> {
        let logged_in = self.logged_in().await?;
        let wish = Wish {
            logged_in: &logged_in,
            declared,
            folder: &self.folder,
            public_url: &self.public_url,
            pepper: &self.pepper,
            entropy: &SystemEntropy,
            now: SystemClock.now(),
        };
        let mut identity = self.identity.clone();
        let mut state = wish.state(&mut identity)?;
        let path = self.folder.join("identity.json");
        // Before it is applied: a number is never used for two different states.
        identity.save(&path)?;
        let report = match self.airline.desired.apply(state.clone()).await {
            Ok(report) => report,
            Err(DesiredError::Outdated { applied }) => {
                // The identity comes from a backup that is older than the log.
                identity.desired.number = applied + 1;
                identity.save(&path)?;
                state.number = applied + 1;
                self.airline.desired.apply(state).await?
            }
            Err(error) => return Err(error.into()),
        };
        let epoch = Some(head(&self.stores).await?.epoch);
        if identity.log_epoch != epoch {
            identity.log_epoch = epoch;
            identity.save(&path)?;
        }
        let waiting = report.admins.iter().filter(|admin| !admin.has_logged_in);
        let links = waiting.filter_map(|admin| {
            let url = wish.link_url(&identity, &admin.email)?;
            Some((admin.email.clone(), url))
        });
        let links = links.collect();
        let keys = declared
            .keys
            .keys()
            .map(|name| (name.clone(), wish.key_file(name)));
        let refused = report.refused_keys.into_iter().filter_map(|refused| {
            let mut issued = identity.keys.iter();
            let (name, _) = issued.find(|(_, key)| key.key_id == refused.key_id)?;
            Some((name.clone(), refused.message))
        });
        let refused: BTreeMap<String, String> = refused.collect();
        let keys = keys.filter(|(name, file)| file.exists() && !refused.contains_key(name));
        let keys = keys.collect();
        let changed = !self.applied || identity.desired != self.identity.desired;
        self.identity = identity;
        self.applied = true;
        Ok(Summary {
            changed,
            links,
            keys,
            refused,
        })
    }

    async fn logged_in(&self) -> anyhow::Result<BTreeSet<String>> {
        self.airline.catch_up_with_people().await?;
        let report = self.airline.desired.applied().await?;
        let admins = report.into_iter().flat_map(|report| report.admins);
        Ok(admins
            .filter(|admin| admin.has_logged_in)
            .map(|admin| admin.email)
            .collect())
    }

    /// Ends its work; its data stays.
    pub async fn stop(self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        self.stores.close().await;
    }
}

fn is_unreadable(error: &anyhow::Error) -> bool {
    let refused = match error.downcast_ref() {
        Some(DesiredError::Service(error)) => Some(error),
        _ => error.downcast_ref(),
    };
    matches!(refused, Some(ServiceError::Corrupt(_)))
}

async fn head(stores: &Stores) -> anyhow::Result<Head> {
    let head = stores.events.head().await;
    head.map_err(anyhow::Error::from_boxed)
}

fn lost(log: &Path) -> String {
    let log = log.display();
    format!(
        "{log} is missing or empty, though the airline's log has begun: restore it from a backup or an export, or move \
         the airline's whole folder away to begin anew"
    )
}

fn key(name: &str, text: &str) -> anyhow::Result<Key> {
    Key::from_str(text).map_err(|error| anyhow::anyhow!("identity.json: {name}: {error}"))
}
