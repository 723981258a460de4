//! How rows of the log become values of the ports.

use jiff::Timestamp;
use jiff_sqlx::{Timestamp as PgTime, ToSqlx};
use sqlx::postgres::PgRow;
use sqlx::{Error, Row};

use crate::ports::credentials::{Credential, CredentialKind};
use crate::ports::event_store::{ClientRequest, RecordedEvent, RecordedRequest};

pub fn event(row: PgRow) -> Result<RecordedEvent, Error> {
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
        recorded_at: time(row.try_get(10)?),
        payload: row.try_get(11)?,
    })
}

pub fn request(row: PgRow) -> Result<RecordedRequest, Error> {
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

pub const CREDENTIAL_COLUMNS: &str =
    "kind, id, subject, verifier, data::text AS data, created_at, expires_at, last_used_at";

pub fn credential(row: PgRow) -> Result<Credential, Error> {
    let data: &str = row.try_get("data")?;
    let kind = CredentialKind::try_from(row.try_get::<i16, _>("kind")?);
    Ok(Credential {
        kind: kind.map_err(|kind| Error::Decode(format!("credential kind {kind}").into()))?,
        id: row.try_get("id")?,
        subject: row.try_get("subject")?,
        verifier: row.try_get("verifier")?,
        data: serde_json::from_str(data).map_err(|error| Error::Decode(error.into()))?,
        created_at: time(row.try_get("created_at")?),
        expires_at: row.try_get::<Option<_>, _>("expires_at")?.map(time),
        last_used_at: row.try_get::<Option<_>, _>("last_used_at")?.map(time),
    })
}

pub fn time(time: PgTime) -> Timestamp {
    time.to_jiff()
}

pub fn pg_time(time: Timestamp) -> PgTime {
    time.to_sqlx()
}

pub fn bytes32(bytes: Vec<u8>) -> Result<[u8; 32], Error> {
    let wrong = |bytes: Vec<u8>| Error::Decode(format!("{} bytes, not 32", bytes.len()).into());
    bytes.try_into().map_err(wrong)
}
