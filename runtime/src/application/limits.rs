//! Whether the airline has grown to what it may: looked at when something new begins, as far as is known then.

use crate::application::declared::{Declared, declared};
use crate::application::error::ServiceError;
use crate::application::projections::tables::{PIREPS, USERS};
use crate::application::shared::Shared;
use crate::domain::refusal::Refusal;
use crate::domain::user::UserStatus;
use crate::ports::read_model::{Filter, Table, Value};

/// Most changes of a stream that lives as long as its person does: whoever reads it reads all of it. Ten years of five bids
/// a day are fewer.
const MOST_CHANGES: i32 = 20_000;
const DAY_MICROSECONDS: i64 = 24 * 60 * 60 * 1_000_000;

/// The limit on pilots, if there are so many.
pub async fn pilots_reached(shared: &Shared) -> Result<Option<u32>, ServiceError> {
    let Some(most) = declared(shared).await?.limits.pilots else {
        return Ok(None);
    };
    // Whoever waits for approval is no pilot yet, or strangers could fill the airline.
    let admitted = [UserStatus::Active, UserStatus::Suspended];
    let admitted = admitted.map(|status| Value::Text(status.as_str().to_owned()));
    let filters = vec![
        Filter::OneOf("status", admitted.to_vec()),
        Filter::Equals("pilot", Value::Integer(1)),
        Filter::Equals("machine", Value::Integer(0)),
    ];
    reached(shared, most, &USERS, filters).await
}

/// The limit on PIREPs a day, if so many have begun today.
pub async fn flights_reached(shared: &Shared) -> Result<Option<u32>, ServiceError> {
    let Some(most) = declared(shared).await?.limits.pireps_per_day else {
        return Ok(None);
    };
    let now = shared.now().as_microsecond();
    let today = now - now.rem_euclid(DAY_MICROSECONDS);
    let filters = vec![Filter::AtLeast("created_at", Value::Integer(today))];
    reached(shared, most, &PIREPS, filters).await
}

/// Why nothing may be added any more, if the data takes all the room that it may. What has begun goes on, and so does
/// all that judges, protects or removes.
pub async fn full(shared: &Shared) -> Option<Refusal> {
    let declared = declared(shared).await.unwrap_or_else(|error| {
        tracing::warn!(%error, "the limit of storage cannot be read: none is held");
        Declared::default()
    });
    let most = declared.limits.storage_bytes?;
    (shared.room.taken() >= most).then(|| {
        let detail = format!(
            "The airline's data takes all of the {most} bytes that it is declared to take (limits.storage). Flights that have begun are flown, submitted and reviewed; for anything new, ask those who host the airline for more room."
        );
        Refusal::limit("storage-full", detail)
    })
}

/// Why nothing that could go on for ever is added to `what` is at this version, if it had its changes.
pub fn too_long(version: i32, what: &str) -> Option<Refusal> {
    (version >= MOST_CHANGES).then(|| {
        let detail = format!("{what} {MOST_CHANGES} changes at most, and had them.");
        Refusal::limit("too-many-changes", detail)
    })
}

async fn reached(
    shared: &Shared,
    most: u32,
    table: &'static Table,
    filters: Vec<Filter>,
) -> Result<Option<u32>, ServiceError> {
    let count = shared.read_model.count(table, filters).await?;
    Ok((count >= i64::from(most)).then_some(most))
}
