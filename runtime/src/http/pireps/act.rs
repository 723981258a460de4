//! One command to one PIREP, and its answer.

use crate::application::flight::Flight;
use crate::application::write::WriteOptions;
use crate::domain::pirep::PirepCommand;
use crate::http::caller::Known;
use crate::http::pireps::entity::Pirep;
use crate::http::problem::Problem;
use crate::http::respond::Entity;
use crate::http::state::HttpState;

/// # Errors
/// When it is refused, or cannot be carried out now.
pub async fn act(
    state: &HttpState,
    known: &Known,
    flight: Flight,
    command: PirepCommand,
    options: WriteOptions,
) -> Result<Entity<Pirep>, Problem> {
    let pireps = &state.airline().pireps;
    let written = pireps
        .act(&known.identity, flight, command, options)
        .await?;
    Ok(Entity::written(written.map(Pirep::from)))
}
