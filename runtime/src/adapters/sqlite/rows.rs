//! How times and ids stand in SQLite: microseconds as integers, 16 bytes as blobs.

use jiff::Timestamp;
use sqlx::sqlite::SqliteRow;
use sqlx::{Error, Row};

use crate::adapters::limits;
use crate::ports::credentials::{Credential, CredentialKind};
use crate::ports::event_store::{ClientRequest, RecordedEvent, RecordedRequest};

pub const EVENT_COLUMNS: &str = "position, stream_id, version, kind, schema, event_id, command_id, \
     causation_id, correlation_id, actor, recorded_at, payload";

pub fn event(row: SqliteRow) -> Result<RecordedEvent, Error> {
    Ok(RecordedEvent {
        position: row.try_get(0)?,
        stream_id: row.try_get(1)?,
        version: row.try_get(2)?,
        kind: row.try_get(3)?,
        schema: row.try_get(4)?,
        event_id: row.try_get(5)?,
        command_id: row.try_get(6)?,
        causation_id: row.try_get(7)?,
        correlation_id: row.try_get(8)?,
        actor: row.try_get(9)?,
        recorded_at: time(row.try_get(10)?)?,
        payload: row.try_get(11)?,
    })
}

pub fn request(row: SqliteRow) -> Result<RecordedRequest, Error> {
    Ok(RecordedRequest {
        request: ClientRequest {
            key: bytes32(row.try_get("key")?)?,
            body_digest: bytes32(row.try_get("body_digest")?)?,
            secret: row.try_get("secret")?,
        },
        stream_id: row.try_get("stream_id")?,
        version: row.try_get("version")?,
        position: row.try_get("position")?,
    })
}

pub fn credential(row: SqliteRow) -> Result<Credential, Error> {
    let optional = |micros: Option<i64>| micros.map(time).transpose();
    let data: &str = row.try_get("data")?;
    Ok(Credential {
        kind: kind(row.try_get("kind")?)?,
        id: row.try_get("id")?,
        subject: row.try_get("subject")?,
        verifier: row.try_get("verifier")?,
        data: serde_json::from_str(data).map_err(|error| Error::Decode(error.into()))?,
        created_at: time(row.try_get("created_at")?)?,
        expires_at: optional(row.try_get("expires_at")?)?,
        last_used_at: optional(row.try_get("last_used_at")?)?,
    })
}

pub fn time(microseconds: i64) -> Result<Timestamp, Error> {
    limits::from_microsecond(microseconds).map_err(|error| Error::Decode(error.into()))
}

pub fn bytes32(bytes: Vec<u8>) -> Result<[u8; 32], Error> {
    let wrong = |bytes: Vec<u8>| Error::Decode(format!("{} bytes, not 32", bytes.len()).into());
    bytes.try_into().map_err(wrong)
}

fn kind(kind: i16) -> Result<CredentialKind, Error> {
    CredentialKind::try_from(kind)
        .map_err(|kind| Error::Decode(format!("credential kind {kind}").into()))
}
