//! The hash chain over the log: `hash = sha256(previous ‖ rows of the commit)`, the same bytes in every store.

use std::collections::VecDeque;

use sha2::{Digest, Sha256};

use crate::ports::event_store::{ChainLink, EventStore, RecordedEvent, StoreError};

/// What the first link follows. Not the epoch: a restore changes that, and the chain survives a restore.
pub const GENESIS: [u8; 32] = [0; 32];

/// PostgreSQL counts time from 2000-01-01 UTC; so does the encoding, whose other half is written in its built-ins.
const POSTGRES_EPOCH_MICROSECONDS: i64 = 946_684_800_000_000;
const PAGE: usize = 1_000;

/// The link behind `previous` for a commit that wrote `events`, in order of position.
pub fn link(previous: &[u8; 32], events: &[RecordedEvent]) -> [u8; 32] {
    let mut hasher = Sha256::new_with_prefix(previous);
    let mut row = Vec::with_capacity(512);
    for event in events {
        row.clear();
        encode(event, &mut row);
        hasher.update((row.len() as u32).to_be_bytes());
        hasher.update(&row);
    }
    hasher.finalize().into()
}

/// One row: integers big-endian, an absent id as `00`, a present one as `01` and its bytes, text and payload
/// behind their length (u32), time in microseconds since 2000-01-01 UTC. The row's own length (u32) precedes it.
fn encode(event: &RecordedEvent, row: &mut Vec<u8>) {
    row.extend(event.position.to_be_bytes());
    row.extend(event.stream_id.as_bytes());
    row.extend(event.version.to_be_bytes());
    row.extend(event.kind.to_be_bytes());
    row.extend(event.schema.to_be_bytes());
    row.extend(event.event_id.as_bytes());
    row.extend(event.command_id.as_bytes());
    for id in [event.causation_id, event.correlation_id] {
        match id {
            None => row.push(0),
            Some(id) => {
                row.push(1);
                row.extend(id.as_bytes());
            }
        }
    }
    for bytes in [event.actor.as_bytes(), &event.payload] {
        row.extend((bytes.len() as u32).to_be_bytes());
        row.extend(bytes);
    }
    let time = event.recorded_at.as_microsecond() - POSTGRES_EPOCH_MICROSECONDS;
    row.extend(time.to_be_bytes());
}

/// A log that is as it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verified {
    pub events: i64,
    pub commits: i64,
    /// The last link: keep it elsewhere, and nobody can rewrite the log unseen.
    pub hash: [u8; 32],
}

/// The first place where a log is not as it was written.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    #[error("position {position} is missing from the log")]
    Missing { position: i64 },
    #[error("positions {first} to {last} are not as they were written")]
    Altered { first: i64, last: i64 },
    #[error("position {position} is not covered by the hash chain")]
    Unchained { position: i64 },
    #[error("the log cannot be read: {0}")]
    Unreadable(#[source] StoreError),
}

/// Walks the whole log and its chain; names the first bad position.
pub async fn verify(store: &dyn EventStore) -> Result<Verified, VerifyError> {
    let mut commits = Commits::of(store);
    while commits.next().await?.is_some() {}
    Ok(commits.verified())
}

/// The events of one commit and the link that covers them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    pub events: Vec<RecordedEvent>,
    pub link: ChainLink,
}

/// Reads a log from its start, one verified commit after the other.
pub struct Commits<'a> {
    store: &'a dyn EventStore,
    verified: Verified,
    links: VecDeque<ChainLink>,
    /// Events that were read ahead.
    pending: Vec<RecordedEvent>,
}

impl<'a> Commits<'a> {
    pub fn of(store: &'a dyn EventStore) -> Self {
        Self {
            store,
            verified: Verified::NOTHING,
            links: VecDeque::new(),
            pending: Vec::new(),
        }
    }

    /// What has been read so far.
    pub fn verified(&self) -> Verified {
        self.verified
    }

    /// The next commit; none at the end of the log.
    ///
    /// # Errors
    /// At the first position that is not as it was written.
    pub async fn next(&mut self) -> Result<Option<Commit>, VerifyError> {
        if self.links.is_empty() {
            let links = self.store.chain_after(self.verified.events, PAGE).await;
            self.links = links.map_err(VerifyError::Unreadable)?.into();
        }
        let Some(link) = self.links.pop_front() else {
            return self.end().await.map(|()| None);
        };
        let events = self.take(link.position).await?;
        self.verified = self.verified.followed_by(&events, &link)?;
        Ok(Some(Commit { events, link }))
    }

    /// Commits made while we walked have their links; an event still without one after a second look has none.
    async fn end(&self) -> Result<(), VerifyError> {
        let (store, end) = (self.store, self.verified.events);
        let more = store.read_after(end, 1).await;
        let links = store.chain_after(end, 1).await;
        let is_covered = more.map_err(VerifyError::Unreadable)?.is_empty()
            || !links.map_err(VerifyError::Unreadable)?.is_empty();
        let position = end + 1;
        is_covered
            .then_some(())
            .ok_or(VerifyError::Unchained { position })
    }

    /// The events up to `last`, without gaps.
    async fn take(&mut self, last: i64) -> Result<Vec<RecordedEvent>, VerifyError> {
        let mut read_to = match self.pending.last() {
            Some(event) => event.position,
            None => self.verified.events,
        };
        while read_to < last {
            let page = self.store.read_after(read_to, PAGE).await;
            let page = page.map_err(VerifyError::Unreadable)?;
            let Some(end) = page.last().map(|event| event.position) else {
                break;
            };
            self.pending.extend(page);
            read_to = end;
        }
        let count = self.pending.partition_point(|event| event.position <= last);
        Ok(self.pending.drain(..count).collect())
    }
}

impl Verified {
    /// Before the first commit.
    pub const NOTHING: Self = Self {
        events: 0,
        commits: 0,
        hash: GENESIS,
    };

    /// What is verified with one commit more.
    ///
    /// # Errors
    /// When the commit has a gap, or its link is not the one that follows.
    pub fn followed_by(
        self,
        events: &[RecordedEvent],
        link: &ChainLink,
    ) -> Result<Self, VerifyError> {
        for (position, index) in (self.events + 1..=link.position).zip(0..) {
            if events.get(index).map(|event| event.position) != Some(position) {
                return Err(VerifyError::Missing { position });
            }
        }
        let first = self.events + 1;
        let hash = self::link(&self.hash, events);
        let follows = hash == link.hash && events.last().map(|e| e.position) == Some(link.position);
        if !follows {
            let last = link.position;
            return Err(VerifyError::Altered { first, last });
        }
        Ok(Self {
            events: link.position,
            commits: self.commits + 1,
            hash,
        })
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use uuid::Uuid;

    use super::*;

    fn event() -> RecordedEvent {
        RecordedEvent {
            position: 7,
            stream_id: Uuid::from_u128(1),
            version: 2,
            kind: 3,
            schema: 4,
            event_id: Uuid::from_u128(5),
            command_id: Uuid::from_u128(6),
            causation_id: None,
            correlation_id: Some(Uuid::from_u128(8)),
            actor: "pilot:é".into(),
            recorded_at: Timestamp::from_microsecond(1_700_000_000_000_001).unwrap(),
            payload: vec![1, 2, 3],
        }
    }

    #[test]
    fn the_encoding_never_changes() {
        let hash = link(&GENESIS, &[event()]);
        let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(
            hex,
            "c4c5d9a96fad2244e88560005aa40489b22feaec86735ff1b7d6135a2da55740"
        );
    }

    #[test]
    fn every_field_counts() {
        let reference = link(&GENESIS, &[event()]);
        let changes: [fn(&mut RecordedEvent); 12] = [
            |e| e.position = 8,
            |e| e.stream_id = Uuid::from_u128(9),
            |e| e.version = 9,
            |e| e.kind = 9,
            |e| e.schema = 9,
            |e| e.event_id = Uuid::from_u128(9),
            |e| e.command_id = Uuid::from_u128(9),
            |e| e.causation_id = Some(Uuid::from_u128(8)),
            |e| e.correlation_id = None,
            |e| e.actor.push('x'),
            |e| e.recorded_at = Timestamp::from_microsecond(1).unwrap(),
            |e| e.payload.push(0),
        ];
        for change in changes {
            let mut altered = event();
            change(&mut altered);
            assert_ne!(link(&GENESIS, &[altered]), reference);
        }
    }
}
