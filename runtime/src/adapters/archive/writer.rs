//! Writes an export while the log goes on: everything up to the position that was the last when it began.

use std::collections::HashMap;
use std::io::Write;

use jiff::Timestamp;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::adapters::archive::error::ArchiveError;
use crate::adapters::archive::format::{
    Base64, CommitLine, EndLine, Header, Line, LogOfFlight, TrackLine, VERSION,
};
use crate::adapters::chain::{Commit, Commits, Verified};
use crate::adapters::packing;
use crate::adapters::stores::Stores;
use crate::ports::event_store::{MAX_PAGE_BYTES, SubjectKey};

/// About how many events are written between two looks for keys and tracks.
const GROUP: usize = 1_000;

/// Lines of a flight's log in one line of the file.
const LOG_LINES: usize = 1_000;

/// What an export holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exported {
    pub verified: Verified,
    pub keys: u64,
    pub tracks: u64,
}

/// Writes the log with its keys and tracks; nothing of what proves who somebody is. `progress` learns the position
/// that was reached, and the last.
///
/// # Errors
/// When the storage cannot be read, the log is not as it was written, or `out` does not take it.
pub async fn export(
    stores: &Stores,
    out: &mut (dyn Write + Send),
    now: Timestamp,
    progress: &mut (dyn FnMut(i64, i64) + Send),
) -> Result<Exported, ArchiveError> {
    let head = stores.events.head().await;
    let head = head.map_err(ArchiveError::Unreadable)?;
    let mut writer = Writer {
        stores,
        out,
        digest: Sha256::new(),
        keys: 0,
        tracks: 0,
    };
    writer.line(&Line::Export(Header {
        version: VERSION,
        epoch: head.epoch,
        head: head.position,
        exported_at: now,
    }))?;
    let mut commits = Commits::of(&*stores.events);
    while commits.verified().events < head.position {
        let (mut group, mut events, mut bytes) = (Vec::new(), 0, 0);
        while events < GROUP && bytes < MAX_PAGE_BYTES && commits.verified().events < head.position
        {
            let Some(commit) = commits.next().await? else {
                break;
            };
            events += commit.events.len();
            bytes += commit
                .events
                .iter()
                .map(|event| event.payload.len())
                .sum::<usize>();
            group.push(commit);
        }
        if group.is_empty() {
            break;
        }
        writer.group(group).await?;
        progress(commits.verified().events, head.position);
    }
    let (keys, tracks) = (writer.keys, writer.tracks);
    let verified = commits.verified();
    let file = writer.file();
    writer.line(&Line::End(EndLine {
        events: verified.events,
        keys,
        tracks,
        file,
    }))?;
    out.flush()?;
    Ok(Exported {
        verified,
        keys,
        tracks,
    })
}

struct Writer<'a> {
    stores: &'a Stores,
    out: &'a mut (dyn Write + Send),
    digest: Sha256,
    keys: u64,
    tracks: u64,
}

impl Writer<'_> {
    /// Commits, each with the keys and tracks of the streams that begin in it.
    async fn group(&mut self, commits: Vec<Commit>) -> Result<(), ArchiveError> {
        let events = commits.iter().flat_map(|commit| &commit.events);
        let begun: Vec<Uuid> = events
            .filter(|event| event.version == 1)
            .map(|event| event.stream_id)
            .collect();
        let keys = self.stores.events.subject_keys(&begun).await;
        let keys = keys.map_err(ArchiveError::Unreadable)?.into_iter();
        let mut keys: HashMap<Uuid, SubjectKey> = keys.map(|key| (key.subject, key)).collect();
        let tracks = self.stores.tracks.extents(&begun).await;
        let tracks = tracks.map_err(ArchiveError::Unreadable)?;
        let logs = self.stores.tracks.with_logs(&begun).await;
        let logs = logs.map_err(ArchiveError::Unreadable)?;
        for Commit { events, link } in commits {
            let mut begun = Vec::new();
            for event in events {
                if event.version == 1 {
                    begun.push(event.stream_id);
                }
                self.line(&Line::Event(event.into()))?;
            }
            for stream in begun {
                if let Some(key) = keys.remove(&stream) {
                    self.line(&Line::Key(key.into()))?;
                    self.keys += 1;
                }
                if let Some(extent) = tracks.get(&stream) {
                    self.track(stream, extent.last_received_at).await?;
                }
                if logs.contains(&stream) {
                    self.log(stream).await?;
                }
            }
            let file = self.file();
            self.line(&Line::Commit(CommitLine {
                position: link.position,
                hash: Base64(link.hash.to_vec()),
                file,
            }))?;
        }
        Ok(())
    }

    /// One line, but for flights that are too long to be packed as one.
    async fn track(
        &mut self,
        flight: Uuid,
        received_at: Option<Timestamp>,
    ) -> Result<(), ArchiveError> {
        let mut after = None;
        loop {
            let page = self
                .stores
                .tracks
                .samples(flight, after, packing::MAX_SAMPLES);
            let page = page.await.map_err(ArchiveError::Unreadable)?;
            let Some(last) = page.last() else {
                return Ok(());
            };
            after = Some(last.sequence);
            let samples = packing::pack(&page);
            let samples = samples.map_err(|error| ArchiveError::Unreadable(error.into()))?;
            let samples = Base64(samples);
            self.line(&Line::Track(TrackLine {
                flight,
                samples,
                received_at,
            }))?;
            self.tracks += 1;
        }
    }

    async fn log(&mut self, flight: Uuid) -> Result<(), ArchiveError> {
        let mut after = None;
        loop {
            let page = self.stores.tracks.log(flight, after, LOG_LINES);
            let page = page.await.map_err(ArchiveError::Unreadable)?;
            let Some(last) = page.last() else {
                return Ok(());
            };
            after = Some(last.sequence);
            let lines = page.into_iter().map(Into::into).collect();
            self.line(&Line::Log(LogOfFlight { flight, lines }))?;
        }
    }

    fn line(&mut self, line: &Line) -> Result<(), ArchiveError> {
        let mut bytes = serde_json::to_vec(line).map_err(std::io::Error::from)?;
        bytes.push(b'\n');
        self.digest.update(&bytes);
        Ok(self.out.write_all(&bytes)?)
    }

    fn file(&self) -> Base64 {
        Base64(self.digest.clone().finalize().to_vec())
    }
}
