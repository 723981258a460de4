//! `albatross migrate`: the database is brought to this version's schema.

use secrecy::ExposeSecret;

use crate::adapters;
use crate::config::Migrate;

pub async fn run(config: Migrate) -> anyhow::Result<()> {
    let version = adapters::migrate(config.database.database_url.expose_secret()).await?;
    println!("schema {version}");
    Ok(())
}
