//! What the commands that carry content lead to.

use crate::domain::actor::Actor;
use crate::domain::aggregate::Context;
use crate::domain::catalogue::{CustomFields, custom_fields};
use crate::domain::ids::ScheduledFlightId;
use crate::domain::personal::Personal;
use crate::domain::pirep::command::{Changes, Intent, NewPirep};
use crate::domain::pirep::event::{Credit, Edit, Filing, PirepEvent};
use crate::domain::pirep::flight::{self, Plan, Report, SourceKind};
use crate::domain::pirep::life_cycle::{Action, Awaits, PirepState};
use crate::domain::pirep::milestone::Milestones;
use crate::domain::pirep::permission::{self, PirepFacts};
use crate::domain::pirep::state::{Pirep, known_fields};
use crate::domain::refusal::{Faults, Refusal};
use crate::domain::review::{Answer, Review};
use crate::domain::text;

type Ctx = Context<PirepFacts>;
type Decision = Result<Vec<PirepEvent>, Refusal>;

/// What somebody put into words.
#[derive(Clone, Copy)]
pub struct Said<'a> {
    remarks: Option<&'a str>,
    custom_fields: Option<&'a CustomFields>,
}

impl<'a> Said<'a> {
    pub fn nothing() -> Self {
        Self {
            remarks: None,
            custom_fields: None,
        }
    }

    pub fn of(remarks: &'a Option<String>, custom_fields: &'a Option<CustomFields>) -> Self {
        Self {
            remarks: remarks.as_deref(),
            custom_fields: custom_fields.as_ref(),
        }
    }

    /// As an edit of the report: values of fields are added to those that were there.
    fn edit(self, present: &Option<Personal<CustomFields>>) -> Edit {
        let fields = self.custom_fields.map(|new| {
            let mut fields = known_fields(present);
            fields.extend(custom_fields::tidied(new));
            fields
        });
        Edit {
            remarks: self.remarks.map(Personal::from),
            custom_fields: fields.map(Personal::from),
            ..Edit::default()
        }
    }
}

/// Files a draft or a flight that begins.
pub fn file(new: &NewPirep, context: &Ctx) -> Decision {
    may_file(new, context)?;
    let plan = new.plan.tidied();
    let report = new.report.as_ref().map(Report::tidied).unwrap_or_default();
    let remarks = new.remarks.as_deref().filter(|text| !text.is_empty());
    let mut faults = Faults::default();
    plan.check(&mut faults);
    report.check(&mut faults, context.now);
    check_remarks(&mut faults, remarks);
    let fields = new.custom_fields.as_ref().map(custom_fields::tidied);
    let fields = fields.filter(|fields| !fields.is_empty());
    if let Some(values) = &fields {
        custom_fields::check(&mut faults, &context.facts.fields, values, None);
    }
    let scheduled_flight = flown(&mut faults, new, context);
    if let Some(client) = &new.source.client {
        text::check_line(&mut faults, "/source/client", client, text::MAX_NAME);
    }
    if new.intent == Intent::Prefile {
        plan.check_complete(&mut faults);
    }
    faults.finish()?;
    let filing = Filing {
        pilot: new.pilot,
        source: new.source.clone(),
        plan,
        report,
        remarks: remarks.map(Personal::from),
        custom_fields: fields.map(Personal::from),
        bid: new.bid,
        scheduled_flight,
    };
    Ok(vec![match new.intent {
        Intent::Draft => PirepEvent::Drafted(filing),
        Intent::Prefile => PirepEvent::Prefiled(filing),
    }])
}

fn may_file(new: &NewPirep, context: &Ctx) -> Result<(), Refusal> {
    let for_others = matches!(context.actor, Actor::CommandLine | Actor::System(_));
    if context.actor.user_id() != Some(new.pilot) && !for_others {
        return Err(Refusal::forbidden(
            "not-yours",
            "Everybody files their own flights only.",
        ));
    }
    if context.facts.pilot_suspended {
        return Err(Refusal::forbidden(
            "suspended",
            "A suspended pilot starts no new flight.",
        ));
    }
    if let Some(most) = context.facts.flights_reached {
        return Err(Refusal::limit(
            "too-many-flights-today",
            format!(
                "The airline is declared to begin at most {most} flights a day (UTC), and has: file it after midnight."
            ),
        ));
    }
    Ok(())
}

/// The flight of the schedule that a new report flies: by its bid, or by itself. A bid that is not open any more, such
/// as that of a flight which is uploaded days later, keeps nobody from filing.
fn flown(faults: &mut Faults, new: &NewPirep, context: &Ctx) -> Option<ScheduledFlightId> {
    let named = new.scheduled_flight;
    let Some(booked) = context.facts.booked.filter(|_| new.bid.is_some()) else {
        let known = named.is_none() || context.facts.scheduled;
        let detail = "There is no such flight in the schedule.";
        faults.check(known, "/scheduledFlight", "unknown", detail);
        return named;
    };
    let same = named.is_none_or(|named| named == booked);
    let detail = "The bid is for another flight.";
    faults.check(same, "/scheduledFlight", "other-flight", detail);
    Some(booked)
}

/// Replaces what differs, in states in which that may be. Measured values are not their pilot's to change; staff say why.
pub fn edit(pirep: &Pirep, changes: &Changes, context: &Ctx) -> Decision {
    let standing = permission::standing(pirep, &context.actor, &context.facts);
    let fields = changes.custom_fields.as_ref().map(custom_fields::tidied);
    let mut edit = Edit {
        plan: changes.plan.as_ref().map(Plan::tidied),
        report: changes.report.as_ref().map(Report::tidied),
        remarks: changes.remarks.as_deref().map(Personal::from),
        custom_fields: fields.map(Personal::from),
        reason: None,
    };
    if changes.sent_whole {
        keep_corrections(pirep, &mut edit);
    }
    drop_unchanged(pirep, &mut edit);
    let kept = pirep.state != PirepState::Discarded;
    if edit == Edit::default() && kept && (standing.owner || standing.staff) {
        return Ok(Vec::new());
    }
    permission::permit(pirep, Action::Edit, context)?;
    check_edit(pirep, &edit, context)?;
    if edit.report.is_some() && !standing.staff && pirep.source.kind == SourceKind::Acars {
        return Err(Refusal::forbidden(
            "measured",
            "Measured values cannot be edited.",
        ));
    }
    let counts = pirep.decision.as_ref().map(|it| it.credit);
    if edit.report.is_some() && !standing.staff && counts.is_some_and(|it| it != Credit::None) {
        return Err(Refusal::forbidden(
            "credited",
            "The flight counts as it was decided: an appeal lets staff change what it reports.",
        ));
    }
    edit.reason = if standing.owner {
        optional_text("/reason", changes.reason.as_deref())?
    } else {
        let reason = changes.reason.as_deref().unwrap_or_default();
        Some(required_text("/reason", reason)?)
    };
    Ok(vec![PirepEvent::Edited(edit)])
}

/// The first positions of a draft keep it from being discarded; whatever else it is, it is kept anyway.
pub fn start_track(pirep: &Pirep, context: &Ctx) -> Decision {
    if pirep.state == PirepState::Discarded {
        return Err(Refusal::not_found("PIREP"));
    }
    if context.actor.user_id() != Some(pirep.pilot) {
        return Err(Refusal::forbidden(
            "not-yours",
            "Only the pilot's own programs send positions.",
        ));
    }
    let starts = pirep.state == PirepState::Draft && !pirep.tracked;
    Ok(starts
        .then_some(PirepEvent::TrackStarted)
        .into_iter()
        .collect())
}

/// Adds what is new. A repeat that says nothing new is fine in every state but of a draft that was thrown away.
pub fn merge(
    pirep: &Pirep,
    plan: Option<&Plan>,
    report: Option<&Report>,
    said: Said<'_>,
    last_sequence: Option<i32>,
    context: &Ctx,
) -> Decision {
    let sent = pirep.sent();
    let last_sequence = last_sequence.max(pirep.last_sequence);
    let mut edit = Edit {
        plan: plan.map(Plan::tidied),
        report: report.map(|report| report.tidied().over(&sent.report)),
        ..said.edit(&sent.custom_fields)
    };
    let own = context.actor.user_id() == Some(pirep.pilot);
    keep_corrections(pirep, &mut edit);
    drop_unchanged(pirep, &mut edit);
    let kept = pirep.state != PirepState::Discarded;
    if own && kept && edit == Edit::default() && last_sequence == pirep.last_sequence {
        return Ok(Vec::new());
    }
    permission::permit(pirep, Action::Merge, context)?;
    check_edit(pirep, &edit, context)?;
    let report = edit.report.take();
    let edited = (edit != Edit::default()).then_some(PirepEvent::Edited(edit));
    let measures = report.is_some() || last_sequence != pirep.last_sequence;
    let measured = measures.then(|| PirepEvent::Merged {
        report: report.unwrap_or_else(|| pirep.report.clone()),
        last_sequence,
    });
    Ok(edited.into_iter().chain(measured).collect())
}

/// Notes each milestone once, of a flight under way: what comes later changes nothing that staff look at. What a wrong clock
/// puts into the future is left out.
pub fn reach(pirep: &Pirep, milestones: &Milestones, context: &Ctx) -> Vec<PirepEvent> {
    if !pirep.state.is_under_way() {
        return Vec::new();
    }
    let new = milestones.iter().filter(|(milestone, at)| {
        !pirep.milestones.contains_key(milestone) && !flight::is_ahead(**at, context.now)
    });
    new.map(|(milestone, at)| PirepEvent::Reached {
        milestone: *milestone,
        at: *at,
    })
    .collect()
}

/// Hands it to staff, with the last of what was measured.
pub fn submit(
    pirep: &Pirep,
    report: Option<&Report>,
    said: Said<'_>,
    last_sequence: Option<i32>,
    context: &Ctx,
) -> Decision {
    let report = match report {
        Some(report) => report.tidied().over(&pirep.report),
        None => pirep.report.clone(),
    };
    let mut edit = said.edit(&pirep.custom_fields);
    drop_unchanged(pirep, &mut edit);
    let mut faults = Faults::default();
    pirep.plan.check_complete(&mut faults);
    report.check(&mut faults, context.now);
    if pirep.source.kind == SourceKind::Manual {
        report.check_complete(&mut faults);
        let new = edit.custom_fields.as_ref().and_then(Personal::known);
        let values = new.or(present_fields(pirep));
        custom_fields::check_complete(&mut faults, &context.facts.fields, values);
    }
    check_words(&mut faults, pirep, &edit, context);
    faults.check(
        last_sequence.is_none_or(|last| last >= 0),
        "/lastSequence",
        "out-of-range",
        "Must not be negative.",
    );
    faults.finish()?;
    let edited = (edit != Edit::default()).then_some(PirepEvent::Edited(edit));
    let submitted = PirepEvent::Submitted {
        report,
        last_sequence: last_sequence.max(pirep.last_sequence),
        held: context.facts.pilot_suspended,
    };
    Ok(edited.into_iter().chain([submitted]).collect())
}

/// Rules decide what awaits staff, and nothing else.
pub fn review(pirep: &Pirep, review: &Review, context: &Ctx) -> Decision {
    if !matches!(context.actor, Actor::System(_)) {
        return Err(Refusal::forbidden(
            "not-permitted",
            "Rules speak for themselves.",
        ));
    }
    permission::permit(pirep, Action::Accept, context)?;
    if pirep.awaits != Some(Awaits::Staff) {
        return Err(Refusal::illegal("It does not await staff.", Vec::new()));
    }
    let decided = match review.answer {
        Answer::Hold => None,
        Answer::Accept => Some(PirepEvent::Accepted {
            by: None,
            credit: Credit::Full,
            comment: None,
        }),
        Answer::Reject => Some(PirepEvent::Rejected {
            by: None,
            reason: required_text("", &review.reason())?,
            credit: Credit::None,
        }),
    };
    let reviewed = PirepEvent::Reviewed(Box::new(review.clone()));
    Ok([reviewed].into_iter().chain(decided).collect())
}

/// Staff say why they accept what was rejected.
pub fn accept(pirep: &Pirep, credit: Credit, comment: Option<&str>, context: &Ctx) -> Decision {
    let comment = match pirep.state {
        PirepState::Rejected => {
            let comment = comment.unwrap_or_default();
            Some(required_text("/comment", comment)?)
        }
        _ => optional_text("/comment", comment)?,
    };
    Ok(vec![PirepEvent::Accepted {
        by: context.actor.user_id(),
        credit,
        comment,
    }])
}

/// Staff say why they cancel somebody's flight.
pub fn cancel(pirep: &Pirep, reason: Option<&str>, context: &Ctx) -> Decision {
    let standing = permission::standing(pirep, &context.actor, &context.facts);
    let reason = if standing.owner {
        optional_text("/reason", reason)?
    } else {
        Some(required_text("/reason", reason.unwrap_or_default())?)
    };
    Ok(vec![PirepEvent::Cancelled { reason }])
}

/// # Errors
/// When it says nothing or too much.
pub fn required_text(pointer: &str, value: &str) -> Result<Personal<String>, Refusal> {
    let mut faults = Faults::default();
    text::check_required_text(&mut faults, pointer, value, text::MAX_REASON);
    faults.finish()?;
    Ok(value.trim().into())
}

/// # Errors
/// When it says too much. Blank text counts as absent.
pub fn optional_text(
    pointer: &str,
    value: Option<&str>,
) -> Result<Option<Personal<String>>, Refusal> {
    match value.filter(|text| !text.trim().is_empty()) {
        Some(text) => required_text(pointer, text).map(Some),
        None => Ok(None),
    }
}

fn check_edit(pirep: &Pirep, edit: &Edit, context: &Ctx) -> Result<(), Refusal> {
    let mut faults = Faults::default();
    if let Some(plan) = &edit.plan {
        plan.check(&mut faults);
        if pirep.state != PirepState::Draft {
            plan.check_complete(&mut faults);
        }
    }
    if let Some(report) = &edit.report {
        report.check(&mut faults, context.now);
    }
    check_words(&mut faults, pirep, edit, context);
    faults.finish()
}

fn check_words(faults: &mut Faults, pirep: &Pirep, edit: &Edit, context: &Ctx) {
    check_remarks(faults, edit.remarks.as_ref().and_then(Personal::text));
    if let Some(values) = edit.custom_fields.as_ref().and_then(Personal::known) {
        let present = present_fields(pirep);
        custom_fields::check(faults, &context.facts.fields, values, present);
    }
}

fn present_fields(pirep: &Pirep) -> Option<&CustomFields> {
    pirep.custom_fields.as_ref().and_then(Personal::known)
}

fn check_remarks(faults: &mut Faults, remarks: Option<&str>) {
    if let Some(remarks) = remarks {
        text::check_text(faults, "/remarks", remarks, text::MAX_REMARKS);
    }
}

/// Of a report that is sent whole, what its owner did not change since it was sent last stays as staff made it.
fn keep_corrections(pirep: &Pirep, edit: &mut Edit) {
    let sent = pirep.sent();
    let plan = edit.plan.take();
    edit.plan = plan.map(|plan| plan.rebased(&sent.plan, &pirep.plan));
    let report = edit.report.take();
    edit.report = report.map(|report| report.rebased(&sent.report, &pirep.report));
    let remarks = sent.remarks.as_ref().and_then(Personal::text);
    edit.remarks
        .take_if(|new| new.text() == Some(remarks.unwrap_or_default()));
    if let Some(fields) = edit.custom_fields.take().and_then(Personal::into_known) {
        let [sent, present] = [&sent.custom_fields, &pirep.custom_fields].map(known_fields);
        let fields = custom_fields::rebased(fields, &sent, &present);
        edit.custom_fields = Some(fields.into());
    }
}

fn drop_unchanged(pirep: &Pirep, edit: &mut Edit) {
    edit.plan.take_if(|plan| *plan == pirep.plan);
    edit.report.take_if(|report| *report == pirep.report);
    let present = pirep.remarks.as_ref().and_then(Personal::text);
    edit.remarks
        .take_if(|new| new.text() == Some(present.unwrap_or_default()));
    let none = CustomFields::new();
    let present = present_fields(pirep).unwrap_or(&none);
    edit.custom_fields
        .take_if(|new| new.known() == Some(present));
}
