//! One PostgreSQL database: its migrations, and pools that start empty and close what idles.

use std::time::Duration;

use sqlx::migrate::{Migrate, MigrateError, Migrator};
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection};
use tokio::time::Instant;

use crate::adapters::postgres::connections::Connections;
use crate::adapters::postgres::silence::Silence;
use crate::adapters::stores::OpenError;

/// Reads, lanes and telemetry; the log's writer has one connection more.
const CONNECTIONS: u32 = 7;
/// Of these, so many stay at hand between statements.
const KEPT: usize = 3;
const IDLE: Duration = Duration::from_secs(30);
const ACQUIRE: Duration = Duration::from_secs(5);
/// A connection that was used this recently is taken for alive.
const FRESH: Duration = Duration::from_secs(1);
/// Statements are few, short and prepared. Left to choose, PostgreSQL plans most of them anew each time, since a known
/// value promises fewer rows than an unknown one; that takes longer than they do.
const PLAN_ONCE: &str = "SET plan_cache_mode = force_generic_plan";
const MIGRATIONS: &str = "log.schema_migrations";

#[derive(Clone)]
pub struct Database {
    /// For the combiner alone: an append never waits behind reads.
    pub writer: Connections,
    pub pool: Connections,
    pub schema_version: i64,
}

impl Database {
    pub async fn open(url: &str) -> Result<Self, OpenError> {
        let options = options(url)?;
        let known = newest(&migrator());
        let silence = Silence::default();
        let pool = pool(&options, CONNECTIONS, &silence);
        let sql = "SELECT max(version) FROM log.schema_migrations WHERE success";
        let version: Result<Option<i64>, _> = sqlx::query_scalar(sql).fetch_one(&pool).await;
        let schema_version = match version {
            Ok(version) => version.unwrap_or(0),
            Err(error) if is_missing(&error) => 0,
            Err(error) => return Err(unreachable(&options, &error)),
        };
        if schema_version < known {
            return Err(OpenError::NotMigrated {
                found: schema_version,
                known,
            });
        }
        if schema_version > known {
            tracing::warn!(
                schema_version,
                known,
                "the database is newer than this executable"
            );
        }
        Ok(Self {
            writer: Connections::new(self::pool(&options, 1, &silence), 1, silence.clone()),
            pool: Connections::new(pool, KEPT, silence),
            schema_version,
        })
    }
}

/// Brings the schema up to date and returns its version. Acts as the role `<database>_owner` where the user is a
/// member of it, so that objects belong to a role that cannot log in.
pub async fn migrate(url: &str) -> Result<i64, OpenError> {
    let options = options(url)?;
    let mut connection = options
        .connect()
        .await
        .map_err(|error| unreachable(&options, &error))?;
    let migrator = migrator();
    let version = run(&mut connection, &migrator)
        .await
        .map_err(|error| match error {
            MigrateError::VersionMissing(found) => OpenError::FromTheFuture {
                found,
                known: newest(&migrator),
            },
            error => OpenError::Migration(error.to_string()),
        })?;
    // The server notices anyway when the process ends.
    connection.close().await.ok();
    Ok(version)
}

async fn run(connection: &mut PgConnection, migrator: &Migrator) -> Result<i64, MigrateError> {
    let owner: Option<String> = sqlx::query_scalar(
        "SELECT quote_ident(rolname) FROM pg_roles \
         WHERE rolname = current_database() || '_owner' AND pg_has_role(oid, 'MEMBER')",
    )
    .fetch_optional(&mut *connection)
    .await?;
    if let Some(owner) = owner {
        let set_role = AssertSqlSafe(format!("SET ROLE {owner}"));
        sqlx::query(set_role).execute(&mut *connection).await?;
    }
    migrator.run_direct(None, connection, false).await?;
    let applied = connection.list_applied_migrations(MIGRATIONS).await?;
    Ok(applied.iter().map(|m| m.version).max().unwrap_or(0))
}

fn migrator() -> Migrator {
    let mut migrator = sqlx::migrate!("../migrations/postgres");
    migrator.create_schema("log");
    migrator.dangerous_set_table_name(MIGRATIONS);
    migrator
}

fn newest(migrator: &Migrator) -> i64 {
    migrator.iter().map(|m| m.version).max().unwrap_or(0)
}

fn options(url: &str) -> Result<PgConnectOptions, OpenError> {
    let options: PgConnectOptions = url
        .parse()
        .map_err(|error: sqlx::Error| OpenError::InvalidUrl(error.to_string()))?;
    Ok(options.application_name("albatross"))
}

fn pool(options: &PgConnectOptions, size: u32, silence: &Silence) -> PgPool {
    let (before, after) = (silence.clone(), silence.clone());
    PgPoolOptions::new()
        .min_connections(0)
        .max_connections(size)
        .idle_timeout(IDLE)
        .acquire_timeout(ACQUIRE)
        .test_before_acquire(false)
        .after_connect(|connection, _| {
            Box::pin(async move {
                sqlx::query(PLAN_ONCE).execute(connection).await?;
                Ok(())
            })
        })
        .before_acquire(move |connection, meta| {
            let silence = before.clone();
            Box::pin(async move {
                let last_used = Instant::now().checked_sub(meta.idle_for);
                if last_used.is_none_or(|moment| silence.is_since(moment)) {
                    return Ok(false);
                }
                if meta.idle_for > FRESH {
                    silence.within(connection.ping()).await?;
                }
                Ok(true)
            })
        })
        // Of whoever gave up waiting: what is on its way is awaited, at no cost where nothing is.
        .after_release(move |connection, _| {
            let silence = after.clone();
            Box::pin(async move {
                silence.within(connection.flush()).await?;
                Ok(true)
            })
        })
        .connect_lazy_with(options.clone())
}

/// Neither the schema nor its table of migrations is there yet.
fn is_missing(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code());
    matches!(code.as_deref(), Some("3F000" | "42P01"))
}

fn unreachable(options: &PgConnectOptions, error: &sqlx::Error) -> OpenError {
    OpenError::Unreachable {
        server: format!("{}:{}", options.get_host(), options.get_port()),
        database: options.get_database().unwrap_or_default().to_owned(),
        reason: error.to_string(),
    }
}
