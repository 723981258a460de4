//! Whoever takes an admin from the airline takes a turn: two who counted the same admins cannot both go on.

use uuid::Uuid;

use crate::application::commands::CommandError;
use crate::application::shared::Shared;
use crate::ports::event_store::ClaimChange;

const PREFIX: &[u8] = b"fewer-admins:";

/// The claim of the first turn that nobody has taken. The append of one of several who ask at once is accepted.
pub async fn next(shared: &Shared) -> Result<ClaimChange, CommandError> {
    // Turns are taken in order and never given back: doubling and halving finds the end in a few steps.
    let (mut taken, mut free) = (0, 1);
    while is_taken(shared, free).await? {
        (taken, free) = (free, free * 2);
    }
    while free - taken > 1 {
        let middle = taken + (free - taken) / 2;
        match is_taken(shared, middle).await? {
            true => taken = middle,
            false => free = middle,
        }
    }
    Ok(ClaimChange::Take {
        claim: claim(free),
        // Nobody's: taking one's own claim again would be fine.
        owner: shared.new_id(),
    })
}

/// Whether a claim that was refused is a turn.
pub fn is_turn(claim: &[u8]) -> bool {
    claim.starts_with(PREFIX)
}

async fn is_taken(shared: &Shared, turn: u32) -> Result<bool, CommandError> {
    let owner: Option<Uuid> = shared
        .events
        .claim_owner(&claim(turn))
        .await
        .map_err(CommandError::Unavailable)?;
    Ok(owner.is_some())
}

fn claim(turn: u32) -> Vec<u8> {
    [PREFIX, turn.to_string().as_bytes()].concat()
}
