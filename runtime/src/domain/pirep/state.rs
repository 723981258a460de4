//! A PIREP as its events add up.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::domain::catalogue::{CustomFields, custom_fields};
use crate::domain::ids::{BidId, ScheduledFlightId, UserId};
use crate::domain::personal::Personal;
use crate::domain::pirep::event::{Credit, Edit, Filing, PirepEvent};
use crate::domain::pirep::flight::{Plan, Report, Source};
use crate::domain::pirep::life_cycle::{Awaits, PirepState};
use crate::domain::pirep::milestone::{Milestone, Milestones};
use crate::domain::review::{Inputs, PilotInputs, Review, TrackInputs};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pirep {
    pub pilot: UserId,
    pub source: Source,
    pub state: PirepState,
    /// Set while `Submitted`, and kept through a cancellation.
    pub awaits: Option<Awaits>,
    /// What a restore returns to; set while `Cancelled`.
    pub cancelled_from: Option<PirepState>,
    pub plan: Plan,
    pub report: Report,
    pub remarks: Option<Personal<String>>,
    /// What the airline's own fields hold.
    #[serde(default)]
    pub custom_fields: Option<Personal<CustomFields>>,
    /// The pilot's booking that it flies.
    #[serde(default)]
    pub bid: Option<BidId>,
    /// The flight of the schedule that it flies.
    #[serde(default)]
    pub scheduled_flight: Option<ScheduledFlightId>,
    /// The last sequence number that the client named.
    pub last_sequence: Option<i32>,
    /// Submitted while the pilot was suspended: no rule may accept it.
    pub held: bool,
    /// What staff asked last and has not been answered.
    pub question: Option<Personal<String>>,
    pub created_at: Timestamp,
    /// When it was submitted last.
    pub submitted_at: Option<Timestamp>,
    pub decision: Option<Decision>,
    /// What the airline's rules made of it when it was submitted last; none when there were no rules, or yet.
    #[serde(default)]
    pub review: Option<Review>,
    /// Set while `Paused`.
    #[serde(default)]
    pub paused_at: Option<Timestamp>,
    /// Positions were sent while it was a draft: it is not discarded any more.
    #[serde(default)]
    pub tracked: bool,
    /// What its positions have shown so far.
    #[serde(default, skip_serializing_if = "Milestones::is_empty")]
    pub milestones: Milestones,
    /// What its owner sent last, once somebody has corrected it and said why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub corrected: Option<Box<Sent>>,
}

/// A report as its owner sent it last: the same again is no change, whatever staff made of it meanwhile.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sent {
    pub plan: Plan,
    pub report: Report,
    pub remarks: Option<Personal<String>>,
    pub custom_fields: Option<Personal<CustomFields>>,
}

impl From<&Pirep> for Sent {
    fn from(pirep: &Pirep) -> Self {
        Self {
            plan: pirep.plan.clone(),
            report: pirep.report.clone(),
            remarks: pirep.remarks.clone(),
            custom_fields: pirep.custom_fields.clone(),
        }
    }
}

/// The verdict that stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    pub verdict: Verdict,
    /// None when a review rule decided.
    pub by: Option<UserId>,
    /// The reason of a rejection, the comment of an acceptance.
    pub reason: Option<Personal<String>>,
    pub credit: Credit,
    pub at: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Verdict {
    Accepted,
    Rejected,
}

impl Verdict {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "Accepted",
            Self::Rejected => "Rejected",
        }
    }
}

impl Pirep {
    /// Right after it was filed.
    pub fn filed(state: PirepState, filing: &Filing, at: Timestamp) -> Self {
        Self {
            pilot: filing.pilot,
            source: filing.source.clone(),
            state,
            awaits: None,
            cancelled_from: None,
            plan: filing.plan.clone(),
            report: filing.report.clone(),
            remarks: filing.remarks.clone(),
            custom_fields: filing.custom_fields.clone(),
            bid: filing.bid,
            scheduled_flight: filing.scheduled_flight,
            last_sequence: None,
            held: false,
            question: None,
            created_at: at,
            submitted_at: None,
            decision: None,
            review: None,
            paused_at: None,
            tracked: false,
            milestones: Milestones::new(),
            corrected: None,
        }
    }

    /// As its owner sent it last.
    pub fn sent(&self) -> Sent {
        match &self.corrected {
            Some(sent) => (**sent).clone(),
            None => self.into(),
        }
    }

    /// What rules look at, of a flight whose client counts its positions from this number.
    pub fn inputs(
        &self,
        track: TrackInputs,
        counted_from: i32,
        pilot: Option<PilotInputs>,
    ) -> Inputs {
        Inputs {
            aircraft_type: self.plan.aircraft_type.clone(),
            block_time_min: self.report.block_time_min,
            landing_rate_fpm: self.report.landing_rate_fpm,
            distance_centi_nmi: self.report.distance_centi_nmi,
            last_sequence: self.last_sequence.map(|last| last - counted_from),
            track,
            held: self.held,
            pilot,
        }
    }

    /// With the milestones of a flight that is under way in its report. Once it is submitted, that says all that its track
    /// tells.
    #[must_use]
    pub fn as_reported(mut self, now: Timestamp) -> Self {
        if self.state.is_under_way() && !self.milestones.is_empty() {
            let at = |milestone| self.milestones.get(&milestone).copied();
            let reached = Report {
                off_block_at: at(Milestone::OffBlock),
                take_off_at: at(Milestone::TakeOff),
                landing_at: at(Milestone::Landing),
                on_block_at: at(Milestone::OnBlock),
                ..Report::default()
            };
            self.report = self.report.completed(&reached, now);
        }
        self
    }

    /// After one more event.
    #[must_use]
    pub fn after(mut self, event: &PirepEvent, at: Timestamp) -> Self {
        use PirepEvent as E;
        match event {
            E::Drafted(_) | E::Prefiled(_) | E::Commented { .. } => {}
            E::Edited(edit) => self.edit(edit),
            E::Merged {
                report,
                last_sequence,
            } => self.measure(report, *last_sequence),
            E::Paused => {
                self.state = PirepState::Paused;
                self.paused_at = Some(at);
            }
            E::Resumed => {
                self.state = PirepState::InProgress;
                self.paused_at = None;
            }
            E::Reached { milestone, at } => {
                self.milestones.entry(*milestone).or_insert(*at);
            }
            E::Submitted {
                report,
                last_sequence,
                held,
            } => {
                self.measure(report, *last_sequence);
                self.held = *held;
                self.submitted_at = Some(at);
                self.review = None;
                self.submit(Awaits::Staff);
            }
            E::Reviewed(review) => self.review = Some((**review).clone()),
            E::Withdrawn => {
                self.state = PirepState::Draft;
                self.awaits = None;
                self.question = None;
            }
            E::Asked { question } => {
                self.submit(Awaits::Pilot);
                self.question = Some(question.clone());
            }
            E::Answered { .. } | E::Reopened { .. } | E::Appealed { .. } => {
                self.submit(Awaits::Staff);
            }
            E::Accepted {
                by,
                credit,
                comment,
            } => self.decide(Decision {
                verdict: Verdict::Accepted,
                by: *by,
                reason: comment.clone(),
                credit: *credit,
                at,
            }),
            E::Rejected { by, reason, credit } => self.decide(Decision {
                verdict: Verdict::Rejected,
                by: *by,
                reason: Some(reason.clone()),
                credit: *credit,
                at,
            }),
            E::Cancelled { .. } => {
                self.cancelled_from = Some(self.state);
                self.state = PirepState::Cancelled;
            }
            E::Restored => {
                if let Some(state) = self.cancelled_from.take() {
                    self.state = state;
                }
            }
            E::Discarded => self.state = PirepState::Discarded,
            E::TrackStarted => self.tracked = true,
        }
        self
    }

    /// What people wrote about the flight is gone with its pilot. Whether there were remarks cannot be told afterwards:
    /// some were taken back, and look like those that were not once they cannot be read.
    pub fn erase(&mut self) {
        self.plan.callsign = None;
        self.plan.route = None;
        self.remarks = None;
        self.custom_fields = None;
        self.corrected = None;
        let texts = [
            self.question.as_mut(),
            self.decision.as_mut().and_then(|it| it.reason.as_mut()),
        ];
        for text in texts.into_iter().flatten() {
            *text = Personal::Erased;
        }
    }

    fn edit(&mut self, edit: &Edit) {
        // Whoever says why corrects what was sent, so that sending it again does not undo it: staff must, a pilot may.
        if edit.reason.is_some() {
            self.corrected = Some(Box::new(self.sent()));
        } else if let Some(mut sent) = self.corrected.take() {
            sent.edit(self, edit);
            self.corrected = Some(sent);
        }
        if let Some(plan) = &edit.plan {
            self.plan = plan.clone();
        }
        if let Some(report) = &edit.report {
            self.report = report.clone();
        }
        if let Some(remarks) = &edit.remarks {
            self.remarks = said(remarks);
        }
        if let Some(fields) = &edit.custom_fields {
            self.custom_fields = held(fields);
        }
    }

    fn measure(&mut self, report: &Report, last_sequence: Option<i32>) {
        if let Some(sent) = &mut self.corrected {
            sent.report = report.clone().rebased(&self.report, &sent.report);
        }
        self.report = report.clone();
        self.last_sequence = self.last_sequence.max(last_sequence);
    }

    fn submit(&mut self, awaits: Awaits) {
        self.state = PirepState::Submitted;
        self.awaits = Some(awaits);
        self.question = None;
        self.decision = None;
    }

    fn decide(&mut self, decision: Decision) {
        self.state = match decision.verdict {
            Verdict::Accepted => PirepState::Accepted,
            Verdict::Rejected => PirepState::Rejected,
        };
        self.awaits = None;
        self.question = None;
        self.decision = Some(decision);
    }
}

impl Sent {
    /// The owner's own change of a report that staff have corrected.
    fn edit(&mut self, before: &Pirep, edit: &Edit) {
        if let Some(plan) = edit.plan.clone() {
            self.plan = plan.rebased(&before.plan, &self.plan);
        }
        if let Some(report) = edit.report.clone() {
            self.report = report.rebased(&before.report, &self.report);
        }
        if let Some(remarks) = &edit.remarks {
            self.remarks = said(remarks);
        }
        if let Some(fields) = edit.custom_fields.as_ref().and_then(Personal::known) {
            let [before, sent] = [&before.custom_fields, &self.custom_fields].map(known_fields);
            let fields = custom_fields::rebased(fields.clone(), &before, &sent);
            self.custom_fields = held(&fields.into());
        }
    }
}

/// Nothing, if they are none or could not be read any more.
pub fn known_fields(fields: &Option<Personal<CustomFields>>) -> CustomFields {
    let known = fields.as_ref().and_then(Personal::known);
    known.cloned().unwrap_or_default()
}

fn said(remarks: &Personal<String>) -> Option<Personal<String>> {
    Some(remarks.clone()).filter(|text| text.text() != Some(""))
}

fn held(fields: &Personal<CustomFields>) -> Option<Personal<CustomFields>> {
    let any = |fields: &CustomFields| !fields.is_empty();
    Some(fields.clone()).filter(|fields| fields.known().is_none_or(any))
}
