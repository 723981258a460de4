//! `albatross verify`: the log is as it was written, or the first place where it is not.

use std::fmt::Write;

use crate::adapters::chain;
use crate::app::assemble;
use crate::config::Verify;

pub async fn run(config: Verify) -> anyhow::Result<()> {
    let stores = assemble::stores(&config.database).await?;
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
