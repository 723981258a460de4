//! `albatross verify`: the log is as it was written, or the first place where it is not.

use std::fmt::Write;

use secrecy::ExposeSecret;

use crate::adapters::{self, chain};
use crate::config::Verify;

pub async fn run(config: Verify) -> anyhow::Result<()> {
    let url = config.database.database_url.expose_secret();
    let stores = adapters::open_existing(url).await?;
    let verified = chain::verify(&*stores.events).await?;
    let hash = verified
        .hash
        .iter()
        .try_fold(String::new(), |mut text, byte| {
            write!(text, "{byte:02x}")?;
            Ok::<_, std::fmt::Error>(text)
        })?;
    println!(
        "{} events in {} commits are as they were written; last link {hash}",
        verified.events, verified.commits
    );
    Ok(())
}
