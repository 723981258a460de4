//! SierraDB within this process: <https://docs.rs/sierradb>.

use std::path::Path;
use std::time::Duration;

use sierradb::StreamId;
use sierradb::database::{DatabaseBuilder, ExpectedVersion, NewEvent, Transaction};
use sierradb::id::{uuid_to_partition_hash, uuid_v7_with_partition_hash};
use smallvec::smallvec;
use uuid::Uuid;

use crate::{Run, clients, payload};

/// As in its server.
const PARTITIONS: u16 = 32;
/// With which 64 clients get furthest: by its defaults (5 ms, 4 KiB) they wait for the timer, at a fifth of the speed.
const SYNC_INTERVAL: Duration = Duration::from_millis(1);
const SYNC_BYTES: usize = 2048;

pub async fn append(directory: &Path, count: u32, time: Duration) -> anyhow::Result<Run> {
    let mut builder = DatabaseBuilder::new();
    builder.sync_interval(SYNC_INTERVAL).min_sync_bytes(SYNC_BYTES);
    let database = builder.open(directory)?;
    clients(count, time, move || {
        let database = database.clone();
        async move {
            database.append_events(filing()?).await?;
            Ok(())
        }
    })
    .await
}

/// The first event of a flight: fails where there is one already.
fn filing() -> anyhow::Result<Transaction> {
    let flight = Uuid::new_v4();
    let hash = uuid_to_partition_hash(flight);
    let filed = NewEvent {
        event_id: uuid_v7_with_partition_hash(hash),
        stream_id: StreamId::new(flight.to_string())?,
        stream_version: ExpectedVersion::Empty,
        event_name: "Filed".to_owned(),
        timestamp: 0,
        metadata: Vec::new(),
        payload: payload().into_bytes(),
    };
    let filing = Transaction::new(flight, hash % PARTITIONS, smallvec![filed])?;
    Ok(filing)
}
