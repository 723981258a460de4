//! PIREP events as stored.

use albatross_proto::v1::{self as wire, EventKind};
use prost::Message;

use crate::codec::error::{DecodeError, EncodeError};
use crate::codec::flight;
use crate::codec::review;
use crate::codec::sealing::{Opening, Sealing};
use crate::codec::values;
use crate::domain::catalogue::CustomFields;
use crate::domain::ids::UserId;
use crate::domain::personal::Personal;
use crate::domain::pirep::{Edit, Filing, PirepEvent, Report};

pub fn encode(
    event: &PirepEvent,
    sealing: &Sealing<'_>,
) -> Result<(EventKind, Vec<u8>), EncodeError> {
    use EventKind as K;
    use PirepEvent as E;
    Ok(match event {
        E::Drafted(filing) => (
            K::PirepDrafted,
            wire::PirepDrafted {
                filing: Some(filing_to_wire(filing, sealing)?),
            }
            .encode_to_vec(),
        ),
        E::Prefiled(filing) => (
            K::PirepPrefiled,
            wire::PirepPrefiled {
                filing: Some(filing_to_wire(filing, sealing)?),
            }
            .encode_to_vec(),
        ),
        E::Edited(edit) => (K::PirepEdited, edit_to_wire(edit, sealing)?.encode_to_vec()),
        E::Merged {
            report,
            last_sequence,
        } => (
            K::PirepMerged,
            wire::PirepMerged {
                report: Some(flight::report_to_wire(report)),
                last_sequence: *last_sequence,
            }
            .encode_to_vec(),
        ),
        E::Paused => (K::FlightPaused, wire::FlightPaused {}.encode_to_vec()),
        E::Resumed => (K::FlightResumed, wire::FlightResumed {}.encode_to_vec()),
        E::Reached { milestone, at } => (
            K::MilestoneReached,
            wire::MilestoneReached {
                milestone: flight::milestone_to_wire(*milestone),
                at: at.as_microsecond(),
            }
            .encode_to_vec(),
        ),
        E::Submitted {
            report,
            last_sequence,
            held,
        } => (
            K::PirepSubmitted,
            wire::PirepSubmitted {
                report: Some(flight::report_to_wire(report)),
                last_sequence: *last_sequence,
                held: *held,
            }
            .encode_to_vec(),
        ),
        E::Reviewed(review) => (
            K::PirepReviewed,
            review::review_to_wire(review).encode_to_vec(),
        ),
        E::Withdrawn => (K::PirepWithdrawn, wire::PirepWithdrawn {}.encode_to_vec()),
        E::Restored => (K::PirepRestored, wire::PirepRestored {}.encode_to_vec()),
        E::Discarded => (K::PirepDiscarded, wire::PirepDiscarded {}.encode_to_vec()),
        E::TrackStarted => (K::TrackStarted, wire::TrackStarted {}.encode_to_vec()),
        E::Asked { question } => (
            K::PirepAsked,
            wire::PirepAsked {
                question: sealing.seal("question", question)?,
            }
            .encode_to_vec(),
        ),
        E::Answered { answer } => (
            K::PirepAnswered,
            wire::PirepAnswered {
                answer: sealing.seal("answer", answer)?,
            }
            .encode_to_vec(),
        ),
        E::Accepted {
            by,
            credit,
            comment,
        } => (
            K::PirepAccepted,
            wire::PirepAccepted {
                by: by.map(|by| by.0.as_bytes().to_vec()),
                credit: flight::credit_to_wire(*credit),
                comment: sealing.seal_optional("comment", comment.as_ref())?,
            }
            .encode_to_vec(),
        ),
        E::Rejected { by, reason, credit } => (
            K::PirepRejected,
            wire::PirepRejected {
                by: by.map(|by| by.0.as_bytes().to_vec()),
                reason: sealing.seal("reason", reason)?,
                credit: flight::credit_to_wire(*credit),
            }
            .encode_to_vec(),
        ),
        E::Reopened { reason } => (
            K::PirepReopened,
            wire::PirepReopened {
                reason: sealing.seal("reason", reason)?,
            }
            .encode_to_vec(),
        ),
        E::Appealed { comment } => (
            K::PirepAppealed,
            wire::PirepAppealed {
                comment: sealing.seal("comment", comment)?,
            }
            .encode_to_vec(),
        ),
        E::Cancelled { reason } => (
            K::PirepCancelled,
            wire::PirepCancelled {
                reason: sealing.seal_optional("reason", reason.as_ref())?,
            }
            .encode_to_vec(),
        ),
        E::Commented { comment } => (
            K::PirepCommented,
            wire::PirepCommented {
                comment: sealing.seal("comment", comment)?,
            }
            .encode_to_vec(),
        ),
    })
}

pub fn decode(
    kind: EventKind,
    payload: &[u8],
    opening: &Opening<'_>,
) -> Result<PirepEvent, DecodeError> {
    use EventKind as K;
    use PirepEvent as E;
    Ok(match kind {
        K::PirepDrafted => {
            let message = wire::PirepDrafted::decode(payload)?;
            E::Drafted(filing(message.filing, opening)?)
        }
        K::PirepPrefiled => {
            let message = wire::PirepPrefiled::decode(payload)?;
            E::Prefiled(filing(message.filing, opening)?)
        }
        K::PirepEdited => E::Edited(edit(wire::PirepEdited::decode(payload)?, opening)?),
        K::PirepMerged => {
            let message = wire::PirepMerged::decode(payload)?;
            E::Merged {
                report: report(message.report)?,
                last_sequence: message.last_sequence,
            }
        }
        K::FlightPaused => wire::FlightPaused::decode(payload).map(|_| E::Paused)?,
        K::FlightResumed => wire::FlightResumed::decode(payload).map(|_| E::Resumed)?,
        K::MilestoneReached => {
            let message = wire::MilestoneReached::decode(payload)?;
            E::Reached {
                milestone: flight::milestone(message.milestone)?,
                at: values::time("at", message.at)?,
            }
        }
        K::PirepSubmitted => {
            let message = wire::PirepSubmitted::decode(payload)?;
            E::Submitted {
                report: report(message.report)?,
                last_sequence: message.last_sequence,
                held: message.held,
            }
        }
        K::PirepReviewed => {
            let message = wire::PirepReviewed::decode(payload)?;
            E::Reviewed(Box::new(review::review(message)?))
        }
        K::PirepWithdrawn => wire::PirepWithdrawn::decode(payload).map(|_| E::Withdrawn)?,
        K::PirepRestored => wire::PirepRestored::decode(payload).map(|_| E::Restored)?,
        K::PirepDiscarded => wire::PirepDiscarded::decode(payload).map(|_| E::Discarded)?,
        K::TrackStarted => wire::TrackStarted::decode(payload).map(|_| E::TrackStarted)?,
        K::PirepAsked => E::Asked {
            question: opening.open("question", wire::PirepAsked::decode(payload)?.question)?,
        },
        K::PirepAnswered => E::Answered {
            answer: opening.open("answer", wire::PirepAnswered::decode(payload)?.answer)?,
        },
        K::PirepAccepted => {
            let message = wire::PirepAccepted::decode(payload)?;
            E::Accepted {
                by: by(message.by)?,
                credit: flight::credit(message.credit)?,
                comment: opening.open_optional("comment", message.comment)?,
            }
        }
        K::PirepRejected => {
            let message = wire::PirepRejected::decode(payload)?;
            E::Rejected {
                by: by(message.by)?,
                reason: opening.open("reason", message.reason)?,
                credit: flight::credit(message.credit)?,
            }
        }
        K::PirepReopened => E::Reopened {
            reason: opening.open("reason", wire::PirepReopened::decode(payload)?.reason)?,
        },
        K::PirepAppealed => E::Appealed {
            comment: opening.open("comment", wire::PirepAppealed::decode(payload)?.comment)?,
        },
        K::PirepCancelled => E::Cancelled {
            reason: opening
                .open_optional("reason", wire::PirepCancelled::decode(payload)?.reason)?,
        },
        K::PirepCommented => E::Commented {
            comment: opening.open("comment", wire::PirepCommented::decode(payload)?.comment)?,
        },
        other => return Err(DecodeError::UnknownKind(other as i16)),
    })
}

fn filing_to_wire(filing: &Filing, sealing: &Sealing<'_>) -> Result<wire::Filing, EncodeError> {
    Ok(wire::Filing {
        pilot: filing.pilot.0.as_bytes().to_vec(),
        source: Some(flight::source_to_wire(&filing.source)),
        plan: Some(flight::plan_to_wire(&filing.plan)),
        report: Some(flight::report_to_wire(&filing.report)),
        remarks: sealing.seal_optional("remarks", filing.remarks.as_ref())?,
        custom_fields: seal_fields(filing.custom_fields.as_ref(), sealing)?,
        bid: filing.bid.map(|bid| bid.0.as_bytes().to_vec()),
        scheduled_flight: filing.scheduled_flight.map(|it| it.0.as_bytes().to_vec()),
    })
}

fn filing(message: Option<wire::Filing>, opening: &Opening<'_>) -> Result<Filing, DecodeError> {
    let message = message.ok_or(DecodeError::Missing("filing"))?;
    let plan = message.plan.ok_or(DecodeError::Missing("plan"))?;
    Ok(Filing {
        pilot: values::user_id("pilot", &message.pilot)?,
        source: flight::source(message.source)?,
        plan: flight::plan(plan)?,
        report: report(message.report)?,
        remarks: opening.open_optional("remarks", message.remarks)?,
        custom_fields: open_fields(message.custom_fields, opening)?,
        bid: values::optional_id("bid", message.bid.as_deref())?,
        scheduled_flight: values::optional_id(
            "scheduled_flight",
            message.scheduled_flight.as_deref(),
        )?,
    })
}

fn edit_to_wire(edit: &Edit, sealing: &Sealing<'_>) -> Result<wire::PirepEdited, EncodeError> {
    Ok(wire::PirepEdited {
        plan: edit.plan.as_ref().map(flight::plan_to_wire),
        report: edit.report.as_ref().map(flight::report_to_wire),
        remarks: sealing.seal_optional("remarks", edit.remarks.as_ref())?,
        reason: sealing.seal_optional("reason", edit.reason.as_ref())?,
        custom_fields: seal_fields(edit.custom_fields.as_ref(), sealing)?,
    })
}

fn edit(message: wire::PirepEdited, opening: &Opening<'_>) -> Result<Edit, DecodeError> {
    Ok(Edit {
        plan: message.plan.map(flight::plan).transpose()?,
        report: message.report.map(flight::report).transpose()?,
        remarks: opening.open_optional("remarks", message.remarks)?,
        reason: opening.open_optional("reason", message.reason)?,
        custom_fields: open_fields(message.custom_fields, opening)?,
    })
}

/// As one text, a JSON object: what a person put into a field is nobody else's business.
fn seal_fields(
    fields: Option<&Personal<CustomFields>>,
    sealing: &Sealing<'_>,
) -> Result<Option<wire::Sealed>, EncodeError> {
    let text = fields.map(|fields| match fields.known() {
        Some(fields) => {
            let members = fields
                .iter()
                .map(|(key, value)| (key.clone(), value.clone()));
            Personal::Known(members.collect::<serde_json::Value>().to_string())
        }
        None => Personal::Erased,
    });
    sealing.seal_optional("custom_fields", text.as_ref())
}

fn open_fields(
    sealed: Option<wire::Sealed>,
    opening: &Opening<'_>,
) -> Result<Option<Personal<CustomFields>>, DecodeError> {
    let text = opening.open_optional("custom_fields", sealed)?;
    let fields = text.map(|text| match text.text() {
        Some(text) => {
            let fields = serde_json::from_str::<CustomFields>(text);
            let fields = fields.map_err(|_| DecodeError::Invalid("custom_fields"))?;
            Ok(Personal::Known(fields))
        }
        None => Ok(Personal::Erased),
    });
    fields.transpose()
}

fn report(message: Option<wire::Report>) -> Result<Report, DecodeError> {
    flight::report(message.ok_or(DecodeError::Missing("report"))?)
}

fn by(bytes: Option<Vec<u8>>) -> Result<Option<UserId>, DecodeError> {
    bytes.map(|bytes| values::user_id("by", &bytes)).transpose()
}
