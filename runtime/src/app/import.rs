//! `albatross import`: an airline's log begins with an export, all of it or nothing.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, bail};
use sha2::{Digest, Sha256};
use uuid::{Builder, Uuid};

use crate::adapters::archive::{Archived, FlightLog, Reader, Track};
use crate::adapters::chain::Commit;
use crate::adapters::system::{SystemClock, SystemEntropy};
use crate::adapters::{Stores, packing};
use crate::app::assemble::{self, Backends};
use crate::app::progress::Progress;
use crate::app::{ledger, resources};
use crate::application::derived::{Derivation, Derived};
use crate::config::{Import, Tenant};
use crate::domain::ids::{TenantId, UserId};
use crate::ports::clock::{Clock, Entropy};
use crate::ports::event_store::{ChainLink, MAX_PAGE_BYTES, RecordedEvent, SubjectKey};
use crate::ports::log_import::{Beside, ImportGuard};

/// About how many events go to the storage at a time.
const GROUP: usize = 1_000;

pub async fn run(config: Import) -> anyhow::Result<()> {
    let path = &config.export;
    let plan = plan(path, &config.tenant, config.until)
        .with_context(|| format!("{} is not imported", path.display()))?;
    let stores = assemble::stores(&config.database).await?;
    let (until, events) = (plan.until, plan.events);
    let erased = plan.derived.erased.clone();
    let tracks = write(path, &stores, plan).await?;
    erase_again(&config, &stores, erased).await.context(
        "the log is imported, but those who were erased after the export are not erased again",
    )?;
    stores.close().await;
    println!("{events} events and {tracks} tracks are imported, up to position {until}");
    println!("Passwords and keys are not: `albatross admin` makes a link to log in with.");
    Ok(())
}

/// Whoever was erased after what is imported: `erased`, and by the ledger in place and the one that is named.
async fn erase_again(config: &Import, stores: &Stores, erased: Vec<UserId>) -> anyhow::Result<()> {
    let backends = Backends::local(stores.clone());
    let passwords = resources::passwords(Arc::new(SystemEntropy));
    let airline = assemble::airline(&config.tenant, &backends, passwords).await?;
    for user in erased {
        airline.erasure.again(user).await?;
    }
    ledger::replay(&airline, &config.ledger).await
}

/// What is going to be imported, all of it read once and found good.
struct Plan {
    /// Where a commit ends.
    until: i64,
    events: i64,
    derived: Derived,
}

/// Reads the whole file, whatever of it is wanted.
fn plan(path: &Path, tenant: &Tenant, until: Option<i64>) -> anyhow::Result<Plan> {
    let mut progress = Progress::new("verifying");
    let mut export = open(path)?;
    let head = export.header().head;
    let wanted = until.unwrap_or(i64::MAX);
    let mut derivation = Derivation::new(
        TenantId(tenant.tenant_id),
        &tenant.tenant_key.bytes(),
        tenant.pepper.bytes(),
    );
    let mut end = 0;
    while let Some(Archived { commit, keys, .. }) = export.next_commit()? {
        progress.at(commit.link.position, head);
        if commit.link.position <= wanted {
            end = commit.link.position;
            derivation.commit(&commit.events, &keys)?;
        }
    }
    if end == 0 {
        match until {
            Some(until) => {
                bail!("no commit ends at position {until} or before: there is nothing to import")
            }
            None => bail!("it holds no event: there is nothing to import"),
        }
    }
    Ok(Plan {
        until: end,
        events: end,
        derived: derivation.finish(SystemClock.now())?,
    })
}

/// Tracks and flights' logs come first: the airline's log is what makes it an import, and a repetition finds them stored.
async fn write(path: &Path, stores: &Stores, plan: Plan) -> anyhow::Result<u64> {
    let mut progress = Progress::new("importing");
    let mut import = stores.import.begin().await?;
    let mut export = open(path)?;
    let (mut group, mut tracks) = (Group::default(), 0);
    while export.verified().events < plan.until {
        let Some(archived) = export.next_commit()? else {
            bail!(
                "{} has changed meanwhile: nothing is imported",
                path.display()
            );
        };
        for track in archived.tracks {
            store(stores, &track).await?;
            tracks += 1;
        }
        for FlightLog { flight, lines } in archived.logs {
            let stored = stores.tracks.store_log(flight, lines).await;
            stored.map_err(|error| {
                anyhow::anyhow!("nothing is imported, the log of {flight} is refused: {error}")
            })?;
        }
        group.add(archived.commit, archived.keys);
        if group.events.len() >= GROUP || group.bytes >= MAX_PAGE_BYTES {
            std::mem::take(&mut group).flush(&mut *import).await?;
            progress.at(export.verified().events, plan.until);
        }
    }
    group.flush(&mut *import).await?;
    let Derived {
        claims,
        credentials,
        ..
    } = plan.derived;
    let beside = Beside {
        epoch: new_epoch(),
        claims,
        credentials,
    };
    let done = import.commit(beside).await;
    done.map_err(|error| anyhow::anyhow!("the import was not written: {error}"))?;
    Ok(tracks)
}

/// Commits that go to the storage together; tracks and logs are there before them.
#[derive(Default)]
struct Group {
    events: Vec<RecordedEvent>,
    links: Vec<ChainLink>,
    keys: Vec<SubjectKey>,
    /// Of the events' payloads.
    bytes: usize,
}

impl Group {
    fn add(&mut self, commit: Commit, keys: Vec<SubjectKey>) {
        let payloads = commit.events.iter().map(|event| event.payload.len());
        self.bytes += payloads.sum::<usize>();
        self.events.extend(commit.events);
        self.links.push(commit.link);
        self.keys.extend(keys);
    }

    async fn flush(self, import: &mut dyn ImportGuard) -> anyhow::Result<()> {
        let written = import.write(&self.events, &self.links, &self.keys).await;
        written.map_err(|error| anyhow::anyhow!("nothing is imported: {error}"))
    }
}

/// As one batch whose id follows from what it holds: a repetition stores nothing twice.
async fn store(stores: &Stores, track: &Track) -> anyhow::Result<()> {
    let digest: [u8; 32] = Sha256::digest(&track.packed).into();
    let batch = Uuid::new_v5(&track.flight, &digest);
    let samples = packing::unpack(&track.packed)?;
    let received_at = track.received_at.unwrap_or_else(|| SystemClock.now());
    let stored = stores
        .tracks
        .store(track.flight, batch, digest, received_at, samples);
    stored.await.map(|_| ()).map_err(|error| {
        anyhow::anyhow!(
            "nothing is imported, the track of {} is refused: {error}",
            track.flight
        )
    })
}

fn open(path: &Path) -> anyhow::Result<Reader<BufReader<File>>> {
    let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(Reader::open(BufReader::new(file))?)
}

fn new_epoch() -> Uuid {
    let mut bytes = [0; 16];
    SystemEntropy.fill(&mut bytes);
    Builder::from_random_bytes(bytes).into_uuid()
}
