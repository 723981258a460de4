//! A server that a test may kill, apart from the servers that all tests share.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs::{self, File, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use reqwest::Url;
use sqlx::{Connection, PgConnection};

use crate::servers::{Database, RedisUser, VirtualHost, postgres, rabbitmq, redis, start};
use crate::wait::RECOVERY;

/// One of a kind at a time on this machine; whoever comes next removes what a killed test left.
pub struct PrivateServer {
    name: &'static str,
    directory: PathBuf,
    addresses: BTreeMap<String, String>,
    /// Released by the kernel when this process ends, however it ends.
    _alone: File,
}

impl PrivateServer {
    /// Takes some seconds, and longer while another test has one.
    ///
    /// # Panics
    /// When it cannot be started.
    pub async fn postgres() -> Self {
        Self::start("postgres", None).await
    }

    /// One that Debian does not have, beside one of Debian's. `version` is `16` or `18`.
    ///
    /// # Panics
    /// When it cannot be started.
    pub async fn newer_postgres(version: &'static str) -> Self {
        Self::start("postgres", Some(version)).await
    }

    /// The same.
    ///
    /// # Panics
    /// When it cannot be started.
    pub async fn rabbitmq() -> Self {
        Self::start("rabbitmq", None).await
    }

    /// The same.
    ///
    /// # Panics
    /// When it cannot be started.
    pub async fn redis() -> Self {
        Self::start("redis", None).await
    }

    async fn start(name: &'static str, version: Option<&'static str>) -> Self {
        let started = tokio::task::spawn_blocking(move || start_alone(name, version)).await;
        started
            .expect("starting does not panic")
            .unwrap_or_else(|error| panic!("the test needs a {name} of its own: {error}"))
    }

    /// Of an account that may create databases and roles.
    ///
    /// # Panics
    /// When it is no PostgreSQL.
    pub fn database_url(&self) -> &str {
        &self.addresses["DATABASE_URL"]
    }

    /// Of an account that may do everything.
    ///
    /// # Panics
    /// When it is no Redis.
    pub fn redis_url(&self) -> &str {
        &self.addresses["REDIS_URL"]
    }

    /// Of an account that may do everything, by AMQP and on the management API.
    ///
    /// # Panics
    /// When it is no RabbitMQ.
    pub fn rabbitmq_urls(&self) -> [&str; 2] {
        ["AMQP_URL", "RABBITMQ_MANAGEMENT_URL"].map(|name| &*self.addresses[name])
    }

    /// A new, empty database.
    ///
    /// # Panics
    /// When it gives none.
    pub async fn database(&self) -> Database {
        postgres::create(&self.addresses["DATABASE_URL"], "template0")
            .await
            .unwrap_or_else(|error| panic!("PostgreSQL gives no database: {error}"))
    }

    /// Of who may do everything on a PostgreSQL.
    ///
    /// # Panics
    /// When it is another server.
    pub fn superuser_url(&self) -> String {
        let settings = fs::read_to_string(self.directory.join("settings"));
        let settings = settings.expect("it was started");
        let name = "POSTGRES_SUPERUSER_PASSWORD=";
        let mut lines = settings.lines();
        let password = lines.find_map(|line| line.strip_prefix(name));
        let mut url = Url::parse(&self.addresses["DATABASE_URL"]).expect("a URL");
        url.set_username("postgres")
            .and_then(|()| url.set_password(password))
            .expect("the URL of a server holds a user");
        url.into()
    }

    /// From now on a PostgreSQL speaks TLS with whoever asks for it.
    ///
    /// # Panics
    /// When it is another server, or refuses.
    pub async fn speak_tls(&self, (certificate, key): &(String, String)) {
        let data = self.directory.join("postgres/data");
        let owner = fs::metadata(&data).expect("its data are there");
        for (name, text) in [("server.crt", certificate), ("server.key", key)] {
            let file = data.join(name);
            let written = fs::write(&file, text)
                .and_then(|()| fs::set_permissions(&file, Permissions::from_mode(0o600)))
                .and_then(|()| chown(&file, Some(owner.uid()), Some(owner.gid())));
            written.expect("a written file");
        }
        let mut connection = PgConnection::connect(&self.superuser_url())
            .await
            .expect("PostgreSQL is there");
        for statement in ["ALTER SYSTEM SET ssl = on", "SELECT pg_reload_conf()"] {
            let done = sqlx::raw_sql(statement).execute(&mut connection).await;
            done.expect("a superuser may do that");
        }
    }

    /// A new virtual host.
    ///
    /// # Panics
    /// When it gives none.
    pub async fn virtual_host(&self) -> VirtualHost {
        let [amqp, management] = self.rabbitmq_urls();
        rabbitmq::create(amqp, management)
            .await
            .unwrap_or_else(|error| panic!("RabbitMQ gives no virtual host: {error}"))
    }

    /// A new user, who outlives a restart; nothing else does.
    ///
    /// # Panics
    /// When it gives none.
    pub async fn redis_user(&self) -> RedisUser {
        let url = &self.addresses["REDIS_URL"];
        let created = async {
            let user = redis::create(url).await?;
            redis::save_users(url).await?;
            Ok::<_, Box<dyn Error + Send + Sync>>(user)
        };
        created
            .await
            .unwrap_or_else(|error| panic!("Redis gives no user: {error}"))
    }

    /// Ends its first process as the kernel does; what else it has of them follows.
    ///
    /// # Panics
    /// When it does not run.
    pub fn kill(&self) {
        self.signal("KILL");
    }

    /// Asks it to end; PostgreSQL then tells its clients.
    ///
    /// # Panics
    /// When it does not run.
    pub fn stop(&self) {
        self.signal(match self.name {
            "postgres" => "INT",
            _ => "TERM",
        });
    }

    fn signal(&self, signal: &str) {
        let sent = Command::new("kill")
            .args(["-s", signal, &self.id()])
            .status();
        assert!(sent.expect("kill runs").success(), "it runs");
    }

    /// Of its first process.
    fn id(&self) -> String {
        let file = self.directory.join(self.name).with_extension("pid");
        let id = fs::read_to_string(file).expect("it was started");
        id.split_whitespace().next().unwrap_or_default().to_owned()
    }

    /// Waits until its first process has ended.
    ///
    /// # Panics
    /// When that goes on.
    pub fn ended(&self) {
        let (id, limit) = (self.id(), Instant::now() + RECOVERY);
        while is_running(&id) {
            assert!(Instant::now() < limit, "{} does not end", self.name);
            sleep(Duration::from_millis(10));
        }
    }

    /// Starts it again once it has ended, on the same port; it goes on with what it has on its disk.
    ///
    /// # Panics
    /// When it does not become ready.
    pub fn restart(&self) {
        self.ended();
        if let Err(error) = start::run(&self.directory, &["up", self.name]) {
            panic!("{} does not come back: {error}", self.name);
        }
    }

    /// Kills a RabbitMQ and starts it again as on a new disk.
    ///
    /// # Panics
    /// When it is another server, does not run, or does not become ready.
    pub fn restart_empty(&self) {
        self.kill();
        self.ended();
        let data = self.directory.join("rabbitmq/mnesia");
        fs::remove_dir_all(data).expect("its data are there");
        self.restart();
    }
}

impl Drop for PrivateServer {
    fn drop(&mut self) {
        if let Err(error) = start::run(&self.directory, &["down"]) {
            eprintln!("a {} stays behind: {error}", self.name);
        }
    }
}

fn start_alone(name: &'static str, version: Option<&'static str>) -> Result<PrivateServer, String> {
    let kind = format!("{name}{}", version.unwrap_or_default());
    let directory = start::directory().with_extension(format!("private-{kind}"));
    let alone = lock(&directory)?;
    start::run(&directory, &["down"])?;
    start::run_version(&directory, &["up", name], version)?;
    Ok(PrivateServer {
        name,
        addresses: start::told(&directory)?,
        directory,
        _alone: alone,
    })
}

/// A zombie is none: nobody may be there to take note of its end.
fn is_running(id: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{id}/stat"));
    stat.is_ok_and(|stat| !stat.contains(") Z "))
}

fn lock(directory: &Path) -> Result<File, String> {
    let file = directory.with_added_extension("user");
    let describe = |error| format!("{}: {error}", file.display());
    if let Some(parent) = file.parent() {
        fs::create_dir_all(parent).map_err(describe)?;
    }
    let alone = File::create(&file).map_err(describe)?;
    alone.lock().map_err(describe)?;
    Ok(alone)
}
