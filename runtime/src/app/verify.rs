//! `albatross verify`: a log or an export is as it was written, or the first place where it is not.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use anyhow::Context;
use secrecy::ExposeSecret;

use crate::adapters;
use crate::adapters::archive::Reader;
use crate::adapters::chain::{Commits, Verified};
use crate::app::progress::Progress;
use crate::config::Verify;

pub async fn run(config: Verify) -> anyhow::Result<()> {
    if let Some(path) = &config.export {
        return export(path).with_context(|| format!("{} does not hold", path.display()));
    }
    let url = config.database_url.context("DATABASE_URL names no log")?;
    let stores = adapters::open_existing(url.expose_secret()).await?;
    let head = stores.events.head().await;
    let head = head.map_err(|error| anyhow::anyhow!("the log cannot be read: {error}"))?;
    let mut progress = Progress::new("verifying");
    let mut commits = Commits::of(&*stores.events);
    while commits.next().await?.is_some() {
        progress.at(commits.verified().events, head.position);
    }
    drop(progress);
    println!("{}", said(commits.verified()));
    Ok(())
}

fn export(path: &Path) -> anyhow::Result<()> {
    let file = File::open(path).context("it cannot be read")?;
    let mut export = Reader::open(BufReader::new(file))?;
    let mut progress = Progress::new("verifying");
    while export.next_commit()?.is_some() {
        progress.at(export.verified().events, export.header().head);
    }
    drop(progress);
    let (keys, tracks) = export.counts();
    println!("{}", said(export.verified()));
    println!("{keys} keys and {tracks} tracks are as they were written");
    Ok(())
}

fn said(verified: Verified) -> String {
    let hash = verified.hash.iter();
    let hash: String = hash.map(|byte| format!("{byte:02x}")).collect();
    let Verified {
        events, commits, ..
    } = verified;
    format!("{events} events in {commits} commits are as they were written; last link {hash}")
}
