//! Who may send what was measured in a flight: its owner, in whatever state it is, as long as there is room.

use crate::application::commands::Order;
use crate::application::error::ServiceError;
use crate::application::flight::Flight;
use crate::application::identity::Identity;
use crate::application::limits;
use crate::application::shared::Shared;
use crate::domain::pirep::{Pirep, PirepCommand, PirepFacts, PirepState};
use crate::domain::refusal::Refusal;

/// The flight, if the caller may send telemetry of it now. From then on a draft is kept.
///
/// # Errors
/// When it is not there or somebody else's, or the airline has no room.
pub async fn admit(
    shared: &Shared,
    identity: &Identity,
    flight: impl Into<Flight>,
) -> Result<Flight, ServiceError> {
    let flight = shared.read_flight(flight).await?;
    let owner = flight.owner();
    let owner = owner.ok_or_else(|| ServiceError::not_found("PIREP"))?;
    if owner.pilot != identity.user() {
        let detail = "Only the pilot's own programs send what was measured.";
        return Err(Refusal::forbidden("not-yours", detail).into());
    }
    find_room(shared, &flight).await?;
    keep_draft(shared, identity, &flight).await?;
    Ok(flight)
}

/// Said in the draft's stream before the first of it is stored: whoever discards it at the same moment comes before that,
/// and there is no draft any more, or after it, and is refused. Nothing is kept that nobody sees.
async fn keep_draft(
    shared: &Shared,
    identity: &Identity,
    flight: &Flight,
) -> Result<(), ServiceError> {
    let pirep = flight.pirep();
    if !pirep.is_some_and(|it| it.state == PirepState::Draft && !it.tracked) {
        return Ok(());
    }
    let (command, facts) = (PirepCommand::StartTrack, PirepFacts::default());
    let order = Order::<Pirep>::new(flight.id, command, identity.actor(), facts)
        .having_read(flight.read.clone());
    shared.commands.execute(order).await?;
    Ok(())
}

/// There is always room for a flight that is being flown, or that was and awaits its review.
async fn find_room(shared: &Shared, flight: &Flight) -> Result<(), ServiceError> {
    use PirepState::{InProgress, Paused, Submitted};
    let state = flight.pirep().map(|pirep| pirep.state);
    if matches!(state, Some(InProgress | Paused | Submitted)) {
        return Ok(());
    }
    match limits::full(shared).await {
        Some(refusal) => Err(refusal.into()),
        None => Ok(()),
    }
}
