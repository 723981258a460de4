//! Who may do what to a PIREP right now: the life-cycle table, and the conditions that a table cannot hold.

use std::sync::Arc;

use crate::domain::actor::Actor;
use crate::domain::aggregate::Context;
use crate::domain::catalogue::PirepField;
use crate::domain::ids::ScheduledFlightId;
use crate::domain::pirep::flight::SourceKind;
use crate::domain::pirep::life_cycle::{self, Action, Awaits, PirepState, Standing};
use crate::domain::pirep::state::Pirep;
use crate::domain::refusal::Refusal;

/// What a decision about a PIREP needs to know beside the PIREP.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PirepFacts {
    /// The tenant's settings let staff decide PIREPs of their own.
    pub self_review: bool,
    /// The pilot is suspended: no new flights, and begun ones are held.
    pub pilot_suspended: bool,
    /// Positions are stored for it, whether or not its stream says so: earlier releases wrote no such event.
    pub has_track: bool,
    /// No position has come for so long that it may be finished from those that have.
    pub silent: bool,
    /// The airline's limit on PIREPs a day, if so many have begun today.
    pub flights_reached: Option<u32>,
    /// The flight of the open bid that the new report names.
    pub booked: Option<ScheduledFlightId>,
    /// The scheduled flight that the new report names is known.
    pub scheduled: bool,
    /// What the airline's reports hold beside the usual.
    pub fields: Arc<[PirepField]>,
}

/// What `actor` is to this PIREP.
pub fn standing(pirep: &Pirep, actor: &Actor, facts: &PirepFacts) -> Standing {
    let owner = actor.user_id() == Some(pirep.pilot);
    Standing {
        owner,
        staff: actor.reviews() && (!owner || facts.self_review),
    }
}

/// Whether `actor` may do it right now.
pub fn may(pirep: &Pirep, action: Action, actor: &Actor, facts: &PirepFacts) -> bool {
    let standing = standing(pirep, actor, facts);
    life_cycle::who_may(pirep.state, action).is_some_and(|who| who.admits(standing))
        && is_possible(pirep, action, facts)
}

/// Everything that `actor` may do to it right now, by name.
pub fn allowed(pirep: &Pirep, actor: &Actor, facts: &PirepFacts) -> Vec<&'static str> {
    let actions = Action::ALL.into_iter();
    let allowed = actions.filter(|action| may(pirep, *action, actor, facts));
    allowed.map(Action::as_str).collect()
}

/// # Errors
/// A refusal that names what is allowed instead.
pub fn permit(pirep: &Pirep, action: Action, context: &Context<PirepFacts>) -> Result<(), Refusal> {
    if pirep.state == PirepState::Discarded {
        return Err(Refusal::not_found("PIREP"));
    }
    let standing = standing(pirep, &context.actor, &context.facts);
    let reviews_own = standing.owner && context.actor.reviews() && !standing.staff;
    if !standing.owner && !standing.staff {
        return Err(Refusal::forbidden(
            "not-yours",
            "This PIREP belongs to somebody else.",
        ));
    }
    let who = life_cycle::who_may(pirep.state, action);
    let refusal = match who {
        Some(who) if who.admits(standing) && is_possible(pirep, action, &context.facts) => {
            return Ok(());
        }
        Some(who) if !who.admits(standing) && reviews_own => {
            Refusal::forbidden("own-pirep", "Nobody decides their own PIREP.")
        }
        Some(who) if !who.admits(standing) => Refusal::forbidden(
            "not-permitted",
            format!("You may not {} this PIREP.", action.as_str()),
        ),
        _ => Refusal::illegal(
            format!(
                "Cannot {} a PIREP that is {}.",
                action.as_str(),
                describe(pirep)
            ),
            Vec::new(),
        ),
    };
    Err(Refusal {
        allowed: allowed(pirep, &context.actor, &context.facts),
        ..refusal
    })
}

/// Conditions beside state and actor.
fn is_possible(pirep: &Pirep, action: Action, facts: &PirepFacts) -> bool {
    match action {
        Action::Withdraw => pirep.source.kind == SourceKind::Manual,
        Action::Discard => pirep.submitted_at.is_none() && !pirep.tracked && !facts.has_track,
        Action::Finish => facts.silent,
        Action::Ask => pirep.awaits == Some(Awaits::Staff),
        Action::Answer => pirep.awaits == Some(Awaits::Pilot),
        _ => true,
    }
}

fn describe(pirep: &Pirep) -> String {
    match (pirep.state, pirep.awaits) {
        (PirepState::Submitted, Some(awaits)) => {
            format!("Submitted and awaits {}", awaits.as_str())
        }
        (state, _) => state.as_str().to_owned(),
    }
}
