//! UmaDB's engine within this process, as its server runs it: <https://docs.rs/umadb-core>.

use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::anyhow;
use tokio::sync::{mpsc, oneshot, watch};
use umadb_core::mvcc::{Mvcc, StorageOptions};
use umadb_core::writer_thread_blocking::writer_thread_blocking;
use umadb_core::writer_thread_request::WriterThreadRequest;
use umadb_dcb::{DcbAppendCondition, DcbEvent, DcbQuery, DcbQueryItem};
use uuid::Uuid;

use crate::{Run, clients, payload};

/// Both as in its server.
const REQUESTS_THAT_WAIT: usize = 1_024;
const EVENTS_OF_A_COMMIT: usize = 2_048;

pub async fn append(directory: &Path, count: u32, time: Duration) -> anyhow::Result<Run> {
    let options = StorageOptions::default().db_path(directory);
    let engine = Arc::new(Mvcc::new(false, options)?);
    let (requests, received) = mpsc::channel(REQUESTS_THAT_WAIT);
    let (head, _) = watch::channel(None);
    thread::spawn(move || writer_thread_blocking(engine, received, head, EVENTS_OF_A_COMMIT));
    clients(count, time, move || {
        let requests = requests.clone();
        async move {
            let (response_tx, response) = oneshot::channel();
            let sent = requests.send(filing(response_tx)).await;
            sent.map_err(|_| anyhow!("the writer of UmaDB has ended"))?;
            response.await??;
            Ok(())
        }
    })
    .await
}

/// The first event of a flight: fails where there is one already.
fn filing(response_tx: oneshot::Sender<umadb_dcb::DcbResult<u64>>) -> WriterThreadRequest {
    let flight = Uuid::new_v4().to_string();
    let filed = DcbEvent {
        event_type: "Filed".to_owned(),
        tags: vec![flight.clone()],
        data: payload().into_bytes(),
        uuid: Some(Uuid::new_v4()),
        metadata: Vec::new(),
    };
    let same_flight = DcbQuery::new().item(DcbQueryItem::new().tags([flight]));
    WriterThreadRequest::Append {
        events: vec![filed],
        condition: Some(DcbAppendCondition::new(same_flight)),
        tracking_info: None,
        response_tx,
        cancel: None,
    }
}
