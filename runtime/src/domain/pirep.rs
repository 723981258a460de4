//! A pilot report: what was planned, flown, filed and decided.

pub mod command;
pub mod event;
pub mod flight;
pub mod life_cycle;
pub mod milestone;
pub mod permission;
pub mod rules;
pub mod state;

use jiff::Timestamp;
use uuid::Uuid;

use crate::domain::aggregate::{Aggregate, Context};
use crate::domain::ids::UserId;
use crate::domain::refusal::Refusal;

pub use command::{Changes, Intent, NewPirep, PirepCommand};
pub use event::{Credit, Edit, Filing, PirepEvent};
pub use flight::{Plan, Report, Source, SourceKind};
pub use life_cycle::{Action, Awaits, PirepState};
pub use milestone::{Milestone, Milestones};
pub use permission::PirepFacts;
pub use state::{Decision, Pirep, Sent, Verdict};

impl Aggregate for Pirep {
    type Command = PirepCommand;
    type Event = PirepEvent;
    type Facts = PirepFacts;

    const NAME: &'static str = "PIREP";

    fn decide(
        state: Option<&Self>,
        command: &PirepCommand,
        context: &Context<PirepFacts>,
    ) -> Result<Vec<PirepEvent>, Refusal> {
        use PirepCommand as C;
        let pirep = match (command, state) {
            (C::File(new), None) => return rules::file(new, context),
            (_, None) => return Err(Refusal::not_found(Self::NAME)),
            (_, Some(pirep)) => pirep,
        };
        let permit = |action| permission::permit(pirep, action, context);
        match command {
            C::File(_) => Err(Refusal::conflict(
                "already-filed",
                "There is such a PIREP already.",
            )),
            C::Merge {
                plan,
                report,
                remarks,
                custom_fields,
                last_sequence,
            } => rules::merge(
                pirep,
                plan.as_ref(),
                report.as_ref(),
                rules::Said::of(remarks, custom_fields),
                *last_sequence,
                context,
            ),
            C::Edit(changes) => rules::edit(pirep, changes, context),
            C::Pause => permit(Action::Pause).map(|()| vec![PirepEvent::Paused]),
            C::Resume => permit(Action::Resume).map(|()| vec![PirepEvent::Resumed]),
            C::Reach(milestones) => Ok(rules::reach(pirep, milestones, context)),
            C::Submit {
                report,
                remarks,
                custom_fields,
                last_sequence,
                milestones,
            } => {
                permit(Action::Submit)?;
                let said = rules::Said::of(remarks, custom_fields);
                let reached = rules::reach(pirep, milestones, context);
                let submitted =
                    rules::submit(pirep, report.as_ref(), said, *last_sequence, context)?;
                Ok([reached, submitted].concat())
            }
            C::Finish {
                report,
                last_sequence,
                milestones,
            } => {
                permit(Action::Finish)?;
                let said = rules::Said::nothing();
                let reached = rules::reach(pirep, milestones, context);
                let submitted = rules::submit(pirep, Some(report), said, *last_sequence, context)?;
                Ok([reached, submitted].concat())
            }
            C::Review(review) => rules::review(pirep, review, context),
            C::Withdraw => permit(Action::Withdraw).map(|()| vec![PirepEvent::Withdrawn]),
            C::Ask { question } => {
                permit(Action::Ask)?;
                let question = rules::required_text("/question", question)?;
                Ok(vec![PirepEvent::Asked { question }])
            }
            C::Answer { answer } => {
                permit(Action::Answer)?;
                let answer = rules::required_text("/answer", answer)?;
                Ok(vec![PirepEvent::Answered { answer }])
            }
            C::Accept { credit, comment } => {
                permit(Action::Accept)?;
                rules::accept(pirep, *credit, comment.as_deref(), context)
            }
            C::Reject { reason, credit } => {
                permit(Action::Reject)?;
                Ok(vec![PirepEvent::Rejected {
                    by: context.actor.user_id(),
                    reason: rules::required_text("/reason", reason)?,
                    credit: *credit,
                }])
            }
            C::Reopen { reason } => {
                permit(Action::Reopen)?;
                let reason = rules::required_text("/reason", reason)?;
                Ok(vec![PirepEvent::Reopened { reason }])
            }
            C::Appeal { comment } => {
                permit(Action::Appeal)?;
                let comment = rules::required_text("/comment", comment)?;
                Ok(vec![PirepEvent::Appealed { comment }])
            }
            C::Cancel { reason } => {
                permit(Action::Cancel)?;
                rules::cancel(pirep, reason.as_deref(), context)
            }
            C::Restore => permit(Action::Restore).map(|()| vec![PirepEvent::Restored]),
            C::StartTrack => rules::start_track(pirep, context),
            C::Discard => permit(Action::Discard).map(|()| vec![PirepEvent::Discarded]),
            C::Comment { comment } => {
                permit(Action::Comment)?;
                let comment = rules::required_text("/comment", comment)?;
                Ok(vec![PirepEvent::Commented { comment }])
            }
        }
    }

    fn evolve(state: Option<Self>, event: &PirepEvent, at: Timestamp) -> Option<Self> {
        match (state, event) {
            (None, PirepEvent::Drafted(filing)) => Some(Self::filed(PirepState::Draft, filing, at)),
            (None, PirepEvent::Prefiled(filing)) => {
                Some(Self::filed(PirepState::InProgress, filing, at))
            }
            (None, _) => None,
            (Some(pirep), event) => Some(pirep.after(event, at)),
        }
    }

    /// The pilot, of whom every text of the report speaks.
    fn subject(&self, _stream: Uuid) -> Option<UserId> {
        Some(self.pilot)
    }
}
