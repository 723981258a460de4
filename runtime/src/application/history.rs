//! The history of one PIREP: who changed what, when and why, as a difference.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;

use crate::application::error::ServiceError;
use crate::application::events::DecodedEvent;
use crate::application::identity::Identity;
use crate::application::pirep_queries::{People, PirepQueries, is_party};
use crate::application::shared::Shared;
use crate::domain::aggregate::Aggregate;
use crate::domain::event::DomainEvent;
use crate::domain::ids::{PirepId, UserId};
use crate::domain::personal::Personal;
use crate::domain::pirep::{Pirep, PirepEvent};

/// What staff asked and the pilot has not answered yet.
const QUESTION: &str = "/question";

pub struct History {
    shared: Arc<Shared>,
    queries: Arc<PirepQueries>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct HistoryEntry {
    pub position: i64,
    /// Version of the PIREP after it.
    pub version: i32,
    /// Name of the event without its aggregate: `Submitted`.
    pub event: String,
    pub at: Timestamp,
    pub actor: HistoryActor,
    /// Why, in the words of whoever did it.
    pub reason: Option<String>,
    pub changes: Vec<FieldChange>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct HistoryActor {
    /// `user`, `operator`, `command-line`, …
    pub kind: &'static str,
    pub id: Option<UserId>,
    /// None for what is no person, and once erased.
    pub display_name: Option<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct FieldChange {
    /// JSON pointer into the PIREP.
    pub path: String,
    pub from: Value,
    pub to: Value,
}

impl History {
    pub fn new(shared: Arc<Shared>, queries: Arc<PirepQueries>) -> Self {
        Self { shared, queries }
    }

    /// Everything that happened to a PIREP that the caller may read, oldest first. What its pilot and staff said to each
    /// other is for them.
    pub async fn of(
        &self,
        identity: &Identity,
        pirep: PirepId,
    ) -> Result<Vec<HistoryEntry>, ServiceError> {
        let pilot = self.queries.get(identity, pirep).await?.pirep.pilot;
        let party = is_party(identity, pilot);
        let mut entries = Vec::new();
        let mut state: Option<Pirep> = None;
        let envelopes = self.shared.stream(pirep.0).await?;
        let actors = envelopes.iter().filter_map(|it| it.who().user_id());
        let people = People::of(&self.shared, actors.chain([pilot]).collect()).await?;
        let mut before = BTreeMap::new();
        for envelope in envelopes {
            let DomainEvent::Pirep(event) = &envelope.event else {
                continue;
            };
            state = Pirep::evolve(state, event, envelope.recorded_at);
            let shown = state.clone().map(|it| people.show(it));
            let shown = shown.map(|it| it.as_reported(envelope.recorded_at));
            let mut after = facts(shown.as_ref())?;
            if !party {
                after.remove(QUESTION);
            }
            entries.push(HistoryEntry {
                position: envelope.position,
                version: envelope.version,
                event: short_name(event).to_owned(),
                at: envelope.recorded_at,
                actor: actor(&envelope, &people),
                reason: reason(event).filter(|_| party).map(str::to_owned),
                changes: difference(&before, &after),
            });
            before = after;
        }
        Ok(entries)
    }
}

fn actor(envelope: &DecodedEvent, people: &People) -> HistoryActor {
    let who = envelope.who();
    let id = who.user_id();
    HistoryActor {
        kind: who.kind(),
        id,
        display_name: id.and_then(|user| people.name(user)),
    }
}

fn short_name(event: &PirepEvent) -> &'static str {
    let name = event.name();
    let short = name.strip_prefix("Pirep").or(name.strip_prefix("Flight"));
    short.unwrap_or(name)
}

fn reason(event: &PirepEvent) -> Option<&str> {
    use PirepEvent as E;
    let text: Option<&Personal<String>> = match event {
        E::Edited(edit) => edit.reason.as_ref(),
        E::Asked { question } => Some(question),
        E::Answered { answer } => Some(answer),
        E::Accepted { comment, .. } => comment.as_ref(),
        E::Rejected { reason, .. } | E::Reopened { reason } => Some(reason),
        E::Appealed { comment } | E::Commented { comment } => Some(comment),
        E::Cancelled { reason } => reason.as_ref(),
        _ => None,
    };
    text.and_then(Personal::text)
}

/// What people see of a PIREP, by JSON pointer. Absent and null are the same.
fn facts(pirep: Option<&Pirep>) -> Result<BTreeMap<String, Value>, ServiceError> {
    let mut facts = BTreeMap::new();
    let Some(pirep) = pirep else {
        return Ok(facts);
    };
    let json = |value: serde_json::Result<Value>| {
        value.map_err(|error| ServiceError::Corrupt(error.to_string()))
    };
    let decision = pirep.decision.as_ref();
    let text = |text: Option<&Personal<String>>| text.and_then(Personal::text).map(str::to_owned);
    let remarks = text(pirep.remarks.as_ref());
    let question = text(pirep.question.as_ref());
    let fields = pirep.custom_fields.as_ref().and_then(Personal::known);
    let members = [
        ("state", json(serde_json::to_value(pirep.state))?),
        ("awaits", json(serde_json::to_value(pirep.awaits))?),
        ("plan", json(serde_json::to_value(&pirep.plan))?),
        ("report", report(json(serde_json::to_value(&pirep.report))?)),
        ("remarks", json(serde_json::to_value(remarks))?),
        ("customFields", json(serde_json::to_value(fields))?),
    ];
    for (name, value) in members {
        flatten(&format!("/{name}"), value, &mut facts);
    }
    if let Some(question) = question {
        facts.insert(QUESTION.to_owned(), Value::from(question));
    }
    if let Some(decision) = decision {
        let verdict = Value::from(decision.verdict.as_str());
        facts.insert("/decision/verdict".to_owned(), verdict);
        let credit = Value::from(decision.credit.as_str());
        facts.insert("/decision/credit".to_owned(), credit);
    }
    for finding in pirep.review.iter().flat_map(|review| &review.findings) {
        let measured = finding.measured.as_deref().unwrap_or("not known");
        let text = format!(
            "{measured} / {}: {}",
            finding.limit,
            finding.answer.as_str()
        );
        let path = format!("/review/findings/{}", finding.rule);
        facts.insert(path, Value::from(text));
    }
    if let Some(review) = &pirep.review {
        let answer = Value::from(review.answer.as_str());
        facts.insert("/review/answer".to_owned(), answer);
        let version = Value::from(review.rules_version);
        facts.insert("/review/rulesVersion".to_owned(), version);
    }
    Ok(facts)
}

/// In the units in which the API gives them.
fn report(mut report: Value) -> Value {
    let members = [
        ("distanceCentiNmi", "distanceNmi", 100.0),
        ("gForceMilli", "gForce", 1_000.0),
    ];
    if let Some(object) = report.as_object_mut() {
        for (stored, shown, parts) in members {
            if let Some(value) = object.remove(stored) {
                let value = value.as_f64().map(|value| value / parts);
                object.insert(shown.to_owned(), Value::from(value));
            }
        }
    }
    report
}

fn flatten(path: &str, value: Value, facts: &mut BTreeMap<String, Value>) {
    match value {
        Value::Null => {}
        Value::Object(members) => {
            for (name, value) in members {
                flatten(&format!("{path}/{name}"), value, facts);
            }
        }
        value => {
            facts.insert(path.to_owned(), value);
        }
    }
}

fn difference(
    before: &BTreeMap<String, Value>,
    after: &BTreeMap<String, Value>,
) -> Vec<FieldChange> {
    let paths: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let value = |facts: &BTreeMap<String, Value>, path: &String| {
        facts.get(path).cloned().unwrap_or_default()
    };
    let changes = paths.into_iter().map(|path| FieldChange {
        path: path.clone(),
        from: value(before, path),
        to: value(after, path),
    });
    changes.filter(|change| change.from != change.to).collect()
}
