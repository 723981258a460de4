//! Private PostgreSQL, RabbitMQ and Redis, shared by every test binary of a run; each test takes a corner of its own.

mod names;
mod postgres;
mod private;
mod rabbitmq;
mod redis;
mod start;

use tokio::sync::OnceCell;

pub use self::postgres::Database;
pub use self::private::PrivateServer;
pub use self::rabbitmq::VirtualHost;
pub use self::redis::{RedisUser, connect as connect_to_redis};

/// The servers' addresses with credentials that may create databases, virtual hosts and users.
pub struct Servers {
    /// `postgres://user:password@host:port/database`
    pub database_url: String,
    /// `amqp://user:password@host:port/%2f`
    pub amqp_url: String,
    /// `http://user:password@host:port`
    pub rabbitmq_management_url: String,
    /// `redis://user:password@host:port`
    pub redis_url: String,
    /// Held until this process ends: while anybody holds it, the servers stay.
    _in_use: Option<std::fs::File>,
}

/// The servers of this run. `DATABASE_URL`, `AMQP_URL`, `RABBITMQ_MANAGEMENT_URL` and `REDIS_URL` win when given;
/// what is not given is started, and ends by itself five minutes after the last test process.
///
/// # Panics
/// When a server is missing: a test that needs one fails rather than being skipped.
pub async fn servers() -> &'static Servers {
    static SERVERS: OnceCell<Result<Servers, String>> = OnceCell::const_new();
    let started = SERVERS.get_or_init(|| async {
        let servers = start().await?;
        servers.sweep().await?;
        Ok(servers)
    });
    match started.await {
        Ok(servers) => servers,
        Err(error) => panic!("the servers that the tests need are missing: {error}"),
    }
}

impl Servers {
    /// A new, empty database.
    pub async fn database(&self) -> Database {
        postgres::create(&self.database_url, "template0")
            .await
            .unwrap_or_else(|error| panic!("PostgreSQL gives no database: {error}"))
    }

    /// A database as another one is now, as a dump of it would restore it. Nobody may be connected to that.
    ///
    /// # Panics
    /// When somebody is.
    pub async fn copy_of(&self, database: &Database) -> Database {
        postgres::create(&self.database_url, &database.name)
            .await
            .unwrap_or_else(|error| panic!("PostgreSQL gives no copy: {error}"))
    }

    /// A new virtual host, and a user who may do everything there and nothing elsewhere.
    pub async fn virtual_host(&self) -> VirtualHost {
        rabbitmq::create(&self.amqp_url, &self.rabbitmq_management_url)
            .await
            .unwrap_or_else(|error| panic!("RabbitMQ gives no virtual host: {error}"))
    }

    /// A new user with a key and channel prefix of its own, limited as the operator limits a tenant's.
    pub async fn redis_user(&self) -> RedisUser {
        redis::create(&self.redis_url)
            .await
            .unwrap_or_else(|error| panic!("Redis gives no user: {error}"))
    }

    /// Removes what processes that have ended left behind.
    async fn sweep(&self) -> Result<(), String> {
        postgres::sweep(&self.database_url)
            .await
            .map_err(|error| format!("PostgreSQL: {error}"))?;
        rabbitmq::sweep(&self.rabbitmq_management_url)
            .await
            .map_err(|error| format!("RabbitMQ: {error}"))?;
        redis::sweep(&self.redis_url)
            .await
            .map_err(|error| format!("Redis: {error}"))
    }
}

async fn start() -> Result<Servers, String> {
    let started = tokio::task::spawn_blocking(start::addresses)
        .await
        .map_err(|error| error.to_string())??;
    Ok(Servers {
        database_url: started.address("DATABASE_URL")?,
        amqp_url: started.address("AMQP_URL")?,
        rabbitmq_management_url: started.address("RABBITMQ_MANAGEMENT_URL")?,
        redis_url: started.address("REDIS_URL")?,
        _in_use: started.in_use,
    })
}
