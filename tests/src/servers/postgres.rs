//! A database per test.

use std::error::Error;

use reqwest::Url;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::servers::names;

/// An empty database that belongs to one test.
pub struct Database {
    pub name: String,
    /// Of the role that created it, which owns it.
    pub url: String,
}

/// As `template` is, which nobody may be connected to.
pub async fn create(
    server: &str,
    template: &str,
) -> Result<Database, Box<dyn Error + Send + Sync>> {
    let name = names::unique()?;
    let mut url = Url::parse(server)?;
    url.set_path(&name);
    let mut connection = PgConnection::connect(server).await?;
    let statement = format!("CREATE DATABASE {name} TEMPLATE {template}");
    sqlx::query(AssertSqlSafe(statement))
        .execute(&mut connection)
        .await?;
    connection.close().await?;
    Ok(Database {
        name,
        url: url.into(),
    })
}

pub async fn sweep(server: &str) -> Result<(), Box<dyn Error + Send + Sync>> {
    let mut connection = PgConnection::connect(server).await?;
    let names: Vec<String> = sqlx::query_scalar("SELECT datname FROM pg_database")
        .fetch_all(&mut connection)
        .await?;
    for name in names.iter().filter(|name| names::is_abandoned(name)) {
        let statement = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
        let dropped = sqlx::query(AssertSqlSafe(statement))
            .execute(&mut connection)
            .await;
        // A vacuum that is under way there is the server's own, and is not ours to end.
        if let Err(error) = dropped {
            eprintln!("{name} is left to whoever comes next: {error}");
        }
    }
    connection.close().await?;
    Ok(())
}
