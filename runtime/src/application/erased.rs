//! Who has been erased, as the log says: whoever keeps a ledger outside the database takes it from here.

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};
use serde::Serialize;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::application::error::ServiceError;
use crate::application::projections::lane::Lane;
use crate::application::projections::tables::USERS;
use crate::application::shared::Shared;
use crate::domain::user::UserStatus;
use crate::ports::read_model::{Filter, Query, Value};

/// Some of them, in ascending order.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ErasedPage {
    pub items: Vec<Uuid>,
    /// The last item, if more come after it.
    pub next: Option<Uuid>,
}

/// The page behind `after`, of at most `limit` ids, by all that is in the log now.
pub async fn page(
    shared: &Shared,
    after: Option<Uuid>,
    limit: usize,
) -> Result<ErasedPage, ServiceError> {
    let mut items = list(shared, after, limit + 1).await?;
    let more = items.len() > limit;
    items.truncate(limit);
    Ok(ErasedPage {
        next: items.last().copied().filter(|_| more),
        items,
    })
}

/// All of them, of the log as far as it can be read.
pub async fn as_far_as_readable(shared: &Shared) -> Result<Vec<Uuid>, ServiceError> {
    match shared.projections.catch_up_lane(Lane::People).await {
        Ok(()) => {}
        Err(ServiceError::Corrupt(error)) => {
            tracing::warn!(
                error,
                "who was erased behind what cannot be read is not looked for"
            );
        }
        Err(error) => return Err(error),
    }
    projected(shared, None, usize::MAX).await
}

/// Another text for other people; empty for nobody.
pub async fn digest(shared: &Shared) -> Result<String, ServiceError> {
    let all = list(shared, None, usize::MAX).await?;
    if all.is_empty() {
        return Ok(String::new());
    }
    let mut digest = Sha256::new();
    for id in all {
        digest.update(id.as_bytes());
    }
    Ok(BASE64_URL_SAFE_NO_PAD.encode(&digest.finalize()[..15]))
}

async fn list(
    shared: &Shared,
    after: Option<Uuid>,
    limit: usize,
) -> Result<Vec<Uuid>, ServiceError> {
    shared.projections.catch_up_lane(Lane::People).await?;
    projected(shared, after, limit).await
}

async fn projected(
    shared: &Shared,
    after: Option<Uuid>,
    limit: usize,
) -> Result<Vec<Uuid>, ServiceError> {
    let status = Value::Text(UserStatus::Erased.as_str().to_owned());
    let query = Query {
        table: &USERS,
        filters: vec![Filter::Equals("status", status)],
        order_by: "id",
        descending: false,
        after: after.map(|id| (Value::Uuid(id), id)),
        limit,
    };
    let rows = shared.read_model.list(query).await?;
    Ok(rows.into_iter().map(|row| row.id).collect())
}
