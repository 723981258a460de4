//! All airlines of this process: what is declared is what runs.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use anyhow::{Context, bail};
use secrecy::ExposeSecret;

use crate::app::up::data::DataDirectory;
use crate::app::up::manifests::{Declared, DeclaredTenant};
use crate::app::up::running::{Common, Running, Summary};
use crate::http::hosts::Hosts;

pub struct Fleet {
    pub data: DataDirectory,
    pub listen: SocketAddr,
    pub default_tenant: Option<String>,
    pub common: Common,
    pub hosts: Hosts,
    pub running: BTreeMap<String, Running>,
}

impl Fleet {
    /// Starts, changes and stops airlines until they are what is declared; says what people need to know.
    ///
    /// # Errors
    /// With the first airline that cannot be brought in line; the others are, or go on as they were.
    pub async fn apply(&mut self, declared: &Declared) -> anyhow::Result<()> {
        if let Some(name) = &self.default_tenant
            && !declared.tenants.contains_key(name)
        {
            bail!("--default-tenant names {name:?}, which no manifest declares");
        }
        self.retire(declared).await;
        let mut failure = None;
        for (name, tenant) in &declared.tenants {
            let applied = self.apply_one(name, tenant).await;
            let applied = applied.with_context(|| format!("Tenant {name}"));
            match applied {
                Ok(summary) if summary.changed => self.print(name, tenant, &summary),
                Ok(_) => {}
                Err(error) => failure = failure.or(Some(error)),
            }
        }
        self.route();
        failure.map_or(Ok(()), Err)
    }

    /// Ends every airline's work.
    pub async fn stop(self) {
        for running in self.running.into_values() {
            running.stop().await;
        }
    }

    async fn apply_one(
        &mut self,
        name: &str,
        declared: &DeclaredTenant,
    ) -> anyhow::Result<Summary> {
        let host = declared.tenant.host.as_str();
        if let Some(moved) = self.running.remove(name) {
            if moved.host == host {
                self.running.insert(name.to_owned(), moved);
            } else {
                self.hosts.remove(&moved.host);
                moved.stop().await;
            }
        }
        if !self.running.contains_key(name) {
            let folder = self.data.tenant(name)?;
            let url = self.public_url(host);
            let running = Running::start(name, host, url, folder, &self.common).await?;
            self.running.insert(name.to_owned(), running);
        }
        match self.running.get_mut(name) {
            Some(running) => running.apply(declared).await,
            None => bail!("it is not running"),
        }
    }

    /// What is not declared any more does not run any more; its data is retained.
    async fn retire(&mut self, declared: &Declared) {
        let names: Vec<String> = self.running.keys().cloned().collect();
        for name in names {
            if declared.tenants.contains_key(&name) {
                continue;
            }
            if let Some(running) = self.running.remove(&name) {
                self.hosts.remove(&running.host);
                running.stop().await;
                println!("{name} is not declared any more: stopped, its data is kept\n");
            }
        }
    }

    fn route(&self) {
        for running in self.running.values() {
            self.hosts.insert(&running.host, running.router.clone());
        }
        let default = self.default_tenant.as_ref();
        let default = default.and_then(|name| self.running.get(name));
        let default = default.map(|running| running.router.clone());
        self.hosts.set_elsewhere(default);
    }

    fn public_url(&self, host: &str) -> String {
        match self.listen.port() {
            80 => format!("http://{host}"),
            port => format!("http://{host}:{port}"),
        }
    }

    fn print(&self, name: &str, declared: &DeclaredTenant, summary: &Summary) {
        let Some(running) = self.running.get(name) else {
            return;
        };
        println!("{} ({name})", declared.tenant.display_name);
        println!("  page   {}", running.public_url);
        let limits = &declared.tenant.limits;
        if let Some(most) = limits.pilots {
            println!("  limit  {most} pilots");
        }
        if let Some(most) = limits.pireps_per_day {
            println!("  limit  {most} flights a day (UTC)");
        }
        if let Some(most) = limits.storage_bytes {
            println!("  limit  {most} bytes of storage");
        }
        for (email, link) in &summary.links {
            println!("  admin  {email} logs in once with");
            println!("         {}", link.expose_secret());
        }
        for (key, file) in &summary.keys {
            println!("  key    {key} in {}", file.display());
        }
        for (key, why) in &summary.refused {
            println!("  key    {key} does not work: {why}");
        }
        for field in &declared.without_effect {
            println!("  note   {field} has no effect here");
        }
        for (key, _) in declared
            .keys
            .iter()
            .filter(|(_, it)| it.key.rotation.is_some())
        {
            println!("  note   spec.rotation of {key} has no effect here");
        }
        println!();
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::net::Ipv4Addr;
    use std::path::{Path, PathBuf};
    use std::sync::Arc;
    use std::time::Duration;

    use prometheus_client::registry::Registry;
    use sqlx::sqlite::SqliteConnectOptions;
    use sqlx::{ConnectOptions, query_scalar};
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::adapters::system::SystemEntropy;
    use crate::app::resources;
    use crate::app::up::manifests;
    use crate::application::projections::tables::FLIGHTS;
    use crate::application::secrets::ApiKeyText;
    use crate::http::envelope::MakeId;
    use crate::http::metrics::HttpMetrics;
    use crate::ports::read_model::Table;

    const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples");

    fn declared(files: &[&str]) -> Declared {
        let path = |file: &&str| PathBuf::from(EXAMPLES).join(file);
        let paths: Vec<PathBuf> = files.iter().map(path).collect();
        manifests::read(&paths).unwrap()
    }

    fn fleet(data: &Path) -> Fleet {
        Fleet {
            data: DataDirectory::take(data).unwrap(),
            listen: "127.0.0.1:8080".parse().unwrap(),
            default_tenant: None,
            common: Common {
                passwords: resources::passwords(Arc::new(SystemEntropy)),
                metrics: HttpMetrics::register(&mut Registry::default()),
                stop: CancellationToken::new(),
            },
            hosts: Hosts::new(MakeId(Arc::new(SystemEntropy)), true),
            running: BTreeMap::new(),
        }
    }

    async fn key_opens(fleet: &Fleet, data: &Path, tenant: &str) -> bool {
        let file = data.join(tenant).join(format!("keys/{tenant}-acars"));
        let key = fs::read_to_string(file).unwrap();
        let airline = &fleet.running[tenant].airline;
        airline.auth.by_key(key.trim()).await.is_ok()
    }

    #[tokio::test]
    async fn what_is_declared_runs_and_a_second_start_finds_it() {
        let data = tempfile::tempdir().unwrap();
        let mut first = fleet(data.path());
        first.apply(&declared(&["."])).await.unwrap();
        assert_eq!(first.running.len(), 2);
        assert!(key_opens(&first, data.path(), "skyways").await);
        let identity = || fs::read_to_string(data.path().join("skyways/identity.json")).unwrap();
        let before = identity();
        first.stop().await;

        let mut second = fleet(data.path());
        let skyways = &declared(&["."]).tenants["skyways"];
        let summary = second.apply_one("skyways", skyways).await.unwrap();
        assert_eq!(identity(), before);
        assert_eq!(summary.links.len(), 1);
        assert!(key_opens(&second, data.path(), "skyways").await);
        let again = second.apply_one("skyways", skyways).await.unwrap();
        assert!(summary.changed && !again.changed);
        second.stop().await;
    }

    #[tokio::test]
    async fn what_is_not_declared_any_more_stops_and_is_retained() {
        let data = tempfile::tempdir().unwrap();
        let mut fleet = fleet(data.path());
        fleet.apply(&declared(&["."])).await.unwrap();
        let file = data.path().join("skyways/keys/skyways-acars");
        let copy = fs::read_to_string(&file).unwrap();
        let fewer = declared(&["00-namespace.yaml", "10-skyways.yaml"]);
        fleet.apply(&fewer).await.unwrap();
        assert_eq!(fleet.running.keys().collect::<Vec<_>>(), ["skyways"]);
        // Neither is the key declared any more: its file is gone, and who kept a copy is refused.
        assert!(!file.exists());
        let auth = &fleet.running["skyways"].airline.auth;
        assert!(auth.by_key(copy.trim()).await.is_err());
        fleet.apply(&declared(&["."])).await.unwrap();
        assert!(key_opens(&fleet, data.path(), "nordwind").await);
        fleet.stop().await;
    }

    #[tokio::test]
    async fn a_key_file_that_was_deleted_means_a_new_key() {
        let data = tempfile::tempdir().unwrap();
        let mut fleet = fleet(data.path());
        fleet.apply(&declared(&["."])).await.unwrap();
        let file = data.path().join("skyways/keys/skyways-acars");
        let lost = fs::read_to_string(&file).unwrap();
        fs::remove_file(&file).unwrap();
        fleet.apply(&declared(&["."])).await.unwrap();
        assert!(key_opens(&fleet, data.path(), "skyways").await);
        let auth = &fleet.running["skyways"].airline.auth;
        assert!(auth.by_key(lost.trim()).await.is_err());
        fleet.stop().await;
    }

    #[tokio::test]
    async fn the_key_on_disk_is_the_live_one_whatever_a_crash_lost() {
        let data = tempfile::tempdir().unwrap();
        let file = data.path().join("skyways/keys/skyways-acars");
        let mut first = fleet(data.path());
        first.apply(&declared(&["."])).await.unwrap();
        first.stop().await;
        let lost = fs::read_to_string(&file).unwrap();
        // As if the process had ended after it wrote a new key's file and before it wrote identity.json.
        let later = ApiKeyText::generate(&SystemEntropy).into_text();
        fs::write(&file, later.expose_secret()).unwrap();

        let mut second = fleet(data.path());
        second.apply(&declared(&["."])).await.unwrap();
        assert!(key_opens(&second, data.path(), "skyways").await);
        let auth = &second.running["skyways"].airline.auth;
        assert!(auth.by_key(lost.trim()).await.is_err());
        assert_eq!(fs::read_to_string(&file).unwrap(), later.expose_secret());
        second.stop().await;
    }

    #[tokio::test]
    async fn an_airline_stops_though_its_key_is_still_declared() {
        let data = tempfile::tempdir().unwrap();
        let mut fleet = fleet(data.path());
        fleet.apply(&declared(&["."])).await.unwrap();
        let fewer = declared(&[
            "00-namespace.yaml",
            "10-skyways.yaml",
            "20-skyways-acars.yaml",
            "21-nordwind-acars.yaml",
        ]);
        assert_eq!(fewer.waiting.len(), 1);
        fleet.apply(&fewer).await.unwrap();
        assert_eq!(fleet.running.keys().collect::<Vec<_>>(), ["skyways"]);
        fleet.stop().await;
    }

    #[tokio::test]
    async fn an_admin_who_has_logged_in_gets_no_link_any_more() {
        let data = tempfile::tempdir().unwrap();
        let mut fleet = fleet(data.path());
        let examples = declared(&["."]);
        let skyways = &examples.tenants["skyways"];
        let summary = fleet.apply_one("skyways", skyways).await.unwrap();
        let (_, link) = &summary.links[0];
        let token = link.expose_secret().rsplit('#').next().unwrap().to_owned();
        let auth = &fleet.running["skyways"].airline.auth;
        auth.log_in_with_link(&token, Ipv4Addr::LOCALHOST.into())
            .await
            .unwrap();

        let summary = fleet.apply_one("skyways", skyways).await.unwrap();
        assert!(summary.links.is_empty());
        let identity = fs::read_to_string(data.path().join("skyways/identity.json")).unwrap();
        assert!(!identity.contains(&token));
        fleet.stop().await;
    }

    #[tokio::test]
    async fn tables_that_it_uses_are_kept_while_another_release_has_others() {
        static OTHERS: Table = Table {
            name: "pireps",
            lane: FLIGHTS,
            revision: 1,
            columns: &[],
        };
        let data = tempfile::tempdir().unwrap();
        assert_eq!(refusal(data.path()).await, None);
        let url = format!("sqlite:{}", data.path().join("skyways").display());
        let stores = crate::adapters::open(&url).await.unwrap();
        stores.read_model.prepare(&[&OTHERS]).await.unwrap();
        let mut fleet = fleet(data.path());
        fleet.apply(&declared(&["."])).await.unwrap();
        let read_model = SqliteConnectOptions::new().filename(data.path().join("skyways/read.db"));
        let mut read_model = read_model.connect().await.unwrap();
        let looks =
            "SELECT count(*) FROM checkpoints WHERE lane LIKE 'flights@% unused' AND position > 0";
        let looked = async {
            while query_scalar::<_, i64>(looks)
                .fetch_one(&mut read_model)
                .await
                .unwrap()
                == 0
            {
                tokio::task::yield_now().await;
            }
        };
        let looked = tokio::time::timeout(Duration::from_secs(60), looked).await;
        fleet.stop().await;
        assert!(looked.is_ok(), "nobody looked after the tables");
    }

    async fn refusal(data: &Path) -> Option<String> {
        let mut fleet = fleet(data);
        let applied = fleet.apply(&declared(&["."])).await;
        fleet.stop().await;
        applied.err().map(|error| format!("{error:#}"))
    }

    fn remove(file: &Path) {
        for file in ["", "-wal", "-shm"].map(|end| format!("{}{end}", file.display())) {
            let removed = fs::remove_file(&file);
            assert!(removed.is_ok() || !Path::new(&file).exists(), "{file}");
        }
    }

    #[tokio::test]
    async fn a_log_that_has_begun_is_never_begun_anew() {
        let data = tempfile::tempdir().unwrap();
        assert_eq!(refusal(data.path()).await, None);
        let folder = data.path().join("skyways");
        let (log, identity) = (folder.join("log.db"), folder.join("identity.json"));
        let kept = fs::read(&log).unwrap();
        remove(&log);
        let missing = refusal(data.path()).await.unwrap();
        assert!(missing.contains("skyways/log.db is missing"), "{missing}");
        assert!(!log.exists());
        fs::write(&log, "").unwrap();
        let empty = refusal(data.path()).await.unwrap();
        assert!(empty.contains("restore it"), "{empty}");
        remove(&log);
        let other = data.path().join("other");
        let url = format!("sqlite:{}", other.display());
        let fresh = crate::adapters::open(&url).await.unwrap();
        fresh.close().await;
        fs::copy(other.join("log.db"), &log).unwrap();
        let fresh = refusal(data.path()).await.unwrap();
        assert!(fresh.contains("restore it"), "{fresh}");
        remove(&log);
        fs::write(&log, kept).unwrap();
        assert_eq!(refusal(data.path()).await, None);
        // As if the process had ended before the first state was applied.
        let text = fs::read_to_string(&identity).unwrap();
        let lines = text.lines().filter(|line| !line.contains("logEpoch"));
        fs::write(&identity, lines.collect::<Vec<_>>().join("\n")).unwrap();
        remove(&log);
        assert_eq!(refusal(data.path()).await, None);
    }

    #[tokio::test]
    async fn a_damaged_read_model_is_set_aside_and_made_anew() {
        let data = tempfile::tempdir().unwrap();
        assert_eq!(refusal(data.path()).await, None);
        let file = data.path().join("skyways/read.db");
        for damage in ["rubbish ".repeat(1_000), "SQLite format 3\0".repeat(1_000)] {
            remove(&file);
            fs::write(&file, &damage).unwrap();
            let mut fleet = fleet(data.path());
            fleet.apply(&declared(&["."])).await.unwrap();
            assert!(key_opens(&fleet, data.path(), "skyways").await);
            let report = fleet.running["skyways"].airline.desired.applied().await;
            assert_eq!(report.unwrap().unwrap().admins.len(), 1);
            fleet.stop().await;
            let aside = fs::read_to_string(file.with_extension("db.damaged"));
            assert_eq!(aside.unwrap(), damage);
        }
    }

    #[tokio::test]
    async fn an_unknown_default_is_refused() {
        let data = tempfile::tempdir().unwrap();
        let mut fleet = fleet(data.path());
        fleet.default_tenant = Some("westwind".to_owned());
        let error = fleet.apply(&declared(&["."])).await.unwrap_err();
        assert!(error.to_string().contains("westwind"), "{error}");
    }
}
