//! `albatross export`: a whole log as one file, which is there whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{BufWriter, stdout};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use secrecy::ExposeSecret;

use crate::adapters::archive::{self, Exported};
use crate::adapters::system::SystemClock;
use crate::adapters::{self, Stores};
use crate::app::progress::Progress;
use crate::config::Export;
use crate::ports::clock::Clock;

pub async fn run(config: Export) -> anyhow::Result<()> {
    let url = config.database.database_url.expose_secret();
    let stores = adapters::open_existing(url).await?;
    if config.export == Path::new("-") {
        write(&stores, &mut BufWriter::new(stdout())).await?;
        stores.close().await;
        return Ok(());
    }
    let exported = to_file(&stores, &config.export).await?;
    stores.close().await;
    println!(
        "{} events, {} keys and {} tracks are in {}",
        exported.verified.events,
        exported.keys,
        exported.tracks,
        config.export.display()
    );
    Ok(())
}

async fn to_file(stores: &Stores, path: &Path) -> anyhow::Result<Exported> {
    let shown = path.display();
    if path.exists() {
        bail!("{shown} exists already: remove it or name another file");
    }
    let partial = Partial::create(path)?;
    let mut out = BufWriter::new(&partial.file);
    let exported = write(stores, &mut out).await?;
    drop(out);
    partial.keep(path)?;
    Ok(exported)
}

async fn write(stores: &Stores, out: &mut (dyn std::io::Write + Send)) -> anyhow::Result<Exported> {
    let mut progress = Progress::new("exporting");
    let mut at = |done, of| progress.at(done, of);
    Ok(archive::export(stores, out, SystemClock.now(), &mut at).await?)
}

/// A file that is removed unless it is kept.
struct Partial {
    path: PathBuf,
    file: File,
}

impl Partial {
    /// Readable by its owner only: it holds wrapped keys, and everything that is not personal in the clear.
    fn create(path: &Path) -> anyhow::Result<Self> {
        let mut name = path.as_os_str().to_owned();
        name.push(".partial");
        let path = PathBuf::from(name);
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&path);
        let file = file.with_context(|| format!("cannot write {}", path.display()))?;
        Ok(Self { path, file })
    }

    /// Whole, and on the disk, under its own name.
    fn keep(&self, path: &Path) -> anyhow::Result<()> {
        let cannot = || format!("cannot write {}", path.display());
        self.file.sync_all().with_context(cannot)?;
        fs::rename(&self.path, path).with_context(cannot)?;
        let parent = path.parent().filter(|it| !it.as_os_str().is_empty());
        let directory = File::open(parent.unwrap_or(Path::new("."))).with_context(cannot)?;
        directory.sync_all().with_context(cannot)
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        // Once it was kept there is nothing under this name.
        let _ = fs::remove_file(&self.path);
    }
}
