//! The lines of an export, version 1: JSON objects with one member that says what they are. See docs/export.md.

use base64::prelude::{BASE64_STANDARD, Engine};
use jiff::Timestamp;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

use crate::ports::event_store::{ChainLink, RecordedEvent, SubjectKey};
use crate::ports::track_store::LogLine;

pub const VERSION: u32 = 1;
/// A longer line is none of an export's: a track of 100,000 samples takes a fraction of it.
pub const MAX_LINE_BYTES: usize = 16 * 1024 * 1024;

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Line {
    Export(Header),
    Event(EventLine),
    Key(KeyLine),
    Track(TrackLine),
    Log(LogOfFlight),
    Commit(CommitLine),
    End(EndLine),
}

/// The first line.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Header {
    pub version: u32,
    /// Of the log that was exported; an import gives another.
    pub epoch: Uuid,
    /// The last position.
    pub head: i64,
    pub exported_at: Timestamp,
}

/// All that later versions promise of their first line.
#[derive(Deserialize)]
pub struct AnyHeader {
    pub export: AnyVersion,
}

#[derive(Deserialize)]
pub struct AnyVersion {
    pub version: u32,
}

/// A row of the log.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EventLine {
    position: i64,
    stream_id: Uuid,
    version: i32,
    #[serde(rename = "type")]
    kind: i16,
    schema: i16,
    event_id: Uuid,
    command_id: Uuid,
    causation_id: Option<Uuid>,
    correlation_id: Option<Uuid>,
    actor: String,
    recorded_at: Timestamp,
    payload: Base64,
}

/// A person's data key, wrapped by the tenant key.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KeyLine {
    subject: Uuid,
    wrapped: Base64,
}

/// Samples of a flight, packed.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TrackLine {
    pub flight: Uuid,
    pub samples: Base64,
    /// When the server received its last sample; absent in older exports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub received_at: Option<Timestamp>,
}

/// Lines of a flight's ACARS log.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LogOfFlight {
    pub flight: Uuid,
    pub lines: Vec<LoggedLine>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LoggedLine {
    sequence: i32,
    time: Timestamp,
    sealed: Base64,
}

/// The end of a commit.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CommitLine {
    /// Of the commit's last event.
    pub position: i64,
    /// The link of the log's hash chain.
    pub hash: Base64,
    /// SHA-256 over every byte of the file before this line.
    pub file: Base64,
}

/// The last line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EndLine {
    pub events: i64,
    pub keys: u64,
    pub tracks: u64,
    /// SHA-256 over every byte of the file before this line.
    pub file: Base64,
}

/// Bytes as standard base64.
#[derive(Debug)]
pub struct Base64(pub Vec<u8>);

impl Serialize for Base64 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&BASE64_STANDARD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Base64 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = BASE64_STANDARD.decode(text);
        bytes.map(Self).map_err(|_| D::Error::custom("not base64"))
    }
}

impl From<RecordedEvent> for EventLine {
    fn from(event: RecordedEvent) -> Self {
        Self {
            position: event.position,
            stream_id: event.stream_id,
            version: event.version,
            kind: event.kind,
            schema: event.schema,
            event_id: event.event_id,
            command_id: event.command_id,
            causation_id: event.causation_id,
            correlation_id: event.correlation_id,
            actor: event.actor,
            recorded_at: event.recorded_at,
            payload: Base64(event.payload),
        }
    }
}

impl From<EventLine> for RecordedEvent {
    fn from(line: EventLine) -> Self {
        Self {
            position: line.position,
            stream_id: line.stream_id,
            version: line.version,
            kind: line.kind,
            schema: line.schema,
            event_id: line.event_id,
            command_id: line.command_id,
            causation_id: line.causation_id,
            correlation_id: line.correlation_id,
            actor: line.actor,
            recorded_at: line.recorded_at,
            payload: line.payload.0,
        }
    }
}

impl From<SubjectKey> for KeyLine {
    fn from(key: SubjectKey) -> Self {
        Self {
            subject: key.subject,
            wrapped: Base64(key.wrapped),
        }
    }
}

impl From<KeyLine> for SubjectKey {
    fn from(line: KeyLine) -> Self {
        Self {
            subject: line.subject,
            wrapped: line.wrapped.0,
        }
    }
}

impl From<LogLine> for LoggedLine {
    fn from(line: LogLine) -> Self {
        Self {
            sequence: line.sequence,
            time: line.time,
            sealed: Base64(line.sealed),
        }
    }
}

impl From<LoggedLine> for LogLine {
    fn from(line: LoggedLine) -> Self {
        Self {
            sequence: line.sequence,
            time: line.time,
            sealed: line.sealed.0,
        }
    }
}

impl CommitLine {
    /// None when its hash has not the length of one.
    pub fn link(&self) -> Option<ChainLink> {
        Some(ChainLink {
            position: self.position,
            hash: self.hash.0.as_slice().try_into().ok()?,
        })
    }
}
