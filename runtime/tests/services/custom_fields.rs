//! Fields that an airline adds to its reports: checked where they are declared, and no report is lost to them.

use albatross::application::error::ServiceError;
use albatross::application::identity::Identity;
use albatross::application::pireps::{FilePirep, Submit};
use albatross::application::views::PirepView;
use albatross::application::write::WriteOptions;
use albatross::domain::catalogue::{CustomFields, FieldKind, PirepField, Rank};
use albatross::domain::pirep::{Intent, PirepState, Report, Source, SourceKind};
use albatross::domain::refusal::RefusalKind;

use crate::catalogue::keeper;
use crate::stage::*;

const NONE: fn() -> WriteOptions = WriteOptions::default;

fn field(key: &str, kind: FieldKind, required: bool) -> PirepField {
    PirepField {
        key: key.to_owned(),
        label: key.to_uppercase(),
        kind,
        choices: Vec::new(),
        required,
    }
}

fn values(values: &[(&str, &str)]) -> CustomFields {
    let values = values.iter();
    let values = values.map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    values.collect()
}

/// Replaces the airline's fields.
async fn declare(stage: &Stage, fields: Vec<PirepField>) {
    stage.airline.catch_up().await.unwrap();
    let version = stage.airline.tenant().await.unwrap().unwrap().version;
    let lists = &stage.airline.lists;
    let set = lists.set_pirep_fields(keeper(), fields, seen(version));
    set.await.unwrap();
    stage.airline.catch_up().await.unwrap();
}

/// An airline that has been declared, with a pilot.
async fn stage() -> (Stage, Identity) {
    let stage = Stage::new().await;
    let wish = crate::desired::nothing(1);
    stage.airline.desired.apply(wish).await.unwrap();
    let bob = stage.pilot("Bob").await;
    (stage, bob)
}

fn with(custom_fields: CustomFields, kind: SourceKind) -> FilePirep {
    FilePirep {
        custom_fields: Some(custom_fields),
        intent: Intent::Prefile,
        source: Source { kind, client: None },
        report: Some(Report {
            flight_time_min: Some(95),
            ..Report::default()
        }),
        ..flight("SKY1")
    }
}

fn codes(view: &PirepView) -> Vec<(String, &'static str)> {
    let warnings = view.warnings.iter();
    warnings
        .map(|it| (it.pointer.clone().into_owned(), it.code))
        .collect()
}

fn faults<T: std::fmt::Debug>(answer: Result<T, ServiceError>) -> Vec<String> {
    match refused(answer).1 {
        RefusalKind::Invalid { errors } => {
            let faults = errors
                .iter()
                .map(|it| format!("{} {}", it.pointer, it.code));
            faults.collect()
        }
        other => panic!("not an invalid input, but {other:?}"),
    }
}

#[tokio::test]
async fn a_value_of_a_declared_field_is_checked_and_any_other_is_kept() {
    let (stage, bob) = stage().await;
    declare(&stage, vec![field("pax", FieldKind::Number, false)]).await;
    let pireps = &stage.airline.pireps;
    let wrong = with(values(&[("pax", "many")]), SourceKind::Acars);
    let wrong = pireps.create(&bob, wrong, NONE()).await;
    assert_eq!(faults(wrong), ["/customFields/pax invalid"]);
    let right = values(&[("pax", " 120 "), ("seat/row", "1A"), ("empty", " ")]);
    let filed = with(right, SourceKind::Acars);
    let filed = pireps.create(&bob, filed, NONE()).await.unwrap().entity;
    let kept = values(&[("pax", "120"), ("seat/row", "1A")]);
    assert_eq!(filed.pirep.custom_fields, Some(kept.into()));
    let unknown = ("/customFields/seat~1row".to_owned(), "unknown-field");
    assert_eq!(codes(&filed), [unknown]);
}

#[tokio::test]
async fn a_typed_report_is_not_submitted_without_a_required_field_and_a_measured_one_is() {
    let (stage, bob) = stage().await;
    let pireps = &stage.airline.pireps;
    let begun = |kind| pireps.create(&bob, with(values(&[]), kind), NONE());
    let typed = begun(SourceKind::Manual).await.unwrap().entity.id;
    let measured = begun(SourceKind::Acars).await.unwrap().entity.id;
    declare(&stage, vec![field("gate", FieldKind::Text, true)]).await;
    let refused = pireps.submit(&bob, typed, Submit::default(), NONE()).await;
    assert_eq!(faults(refused), ["/customFields/gate required"]);
    let submit = Submit {
        custom_fields: Some(values(&[("gate", "B7")])),
        ..Submit::default()
    };
    let submitted = pireps.submit(&bob, typed, submit, NONE()).await.unwrap();
    assert_eq!(submitted.entity.pirep.state, PirepState::Submitted);
    assert_eq!(codes(&submitted.entity), []);
    let submitted = pireps.submit(&bob, measured, Submit::default(), NONE());
    let missing = ("/customFields/gate".to_owned(), "field-missing");
    assert_eq!(codes(&submitted.await.unwrap().entity), [missing]);
}

#[tokio::test]
async fn a_report_keeps_what_it_held_before_its_field_changed() {
    let (stage, bob) = stage().await;
    declare(&stage, vec![field("gate", FieldKind::Text, false)]).await;
    let pireps = &stage.airline.pireps;
    let held = values(&[("gate", "B7")]);
    let filed = pireps
        .create(&bob, with(held.clone(), SourceKind::Manual), NONE())
        .await;
    let id = filed.unwrap().entity.id;
    declare(&stage, vec![field("gate", FieldKind::Number, false)]).await;
    let mut more = held.clone();
    more.insert("note".to_owned(), "late".to_owned());
    let same = pireps.put(&bob, id, with(more.clone(), SourceKind::Manual), NONE());
    let same = same.await.unwrap().entity.pirep.custom_fields;
    assert_eq!(same, Some(more.into()));
    let other = with(values(&[("gate", "B8")]), SourceKind::Manual);
    let other = pireps.put(&bob, id, other, NONE()).await;
    assert_eq!(faults(other), ["/customFields/gate invalid"]);
    let none = with(values(&[]), SourceKind::Manual);
    let none = pireps.put(&bob, id, none, NONE()).await.unwrap();
    assert_eq!(none.entity.pirep.custom_fields, None);
}

#[tokio::test]
async fn what_a_program_sends_later_is_added() {
    let (stage, bob) = stage().await;
    let pireps = &stage.airline.pireps;
    let filed = pireps
        .create(&bob, with(values(&[("a", "1")]), SourceKind::Acars), NONE())
        .await;
    let id = filed.unwrap().entity.id;
    let more = with(values(&[("b", "2")]), SourceKind::Acars);
    let merged = pireps.put(&bob, id, more, NONE()).await.unwrap();
    let all = values(&[("a", "1"), ("b", "2")]);
    assert_eq!(merged.entity.pirep.custom_fields, Some(all.into()));
}

#[tokio::test]
async fn what_a_pilot_wrote_into_fields_goes_with_the_pilot() {
    let (stage, bob) = stage().await;
    let held = values(&[("gate", "Bobs gate")]);
    let new = with(held, SourceKind::Acars);
    let filed = stage.airline.pireps.create(&bob, new, NONE()).await;
    filed.unwrap();
    let host = somebody(
        uuid::Uuid::nil().into(),
        &[albatross::domain::roles::Role::TenantAdmin],
    );
    let erasure = &stage.airline.erasure;
    erasure.erase(&host, bob.user(), NONE()).await.unwrap();
    stage.airline.catch_up().await.unwrap();
    for (table, row) in rows(&*stage.stores.read_model).await {
        assert!(!row.document.contains("Bobs gate"), "{table}: {row:?}");
    }
}

#[tokio::test]
async fn lists_are_replaced_by_whoever_has_seen_them() {
    let (stage, bob) = stage().await;
    stage.airline.catch_up().await.unwrap();
    let version = stage.airline.tenant().await.unwrap().unwrap().version;
    let rank = |name: &str, min_hours| Rank {
        name: name.to_owned(),
        min_hours,
    };
    let ranks = || vec![rank("Captain", 500), rank("Cadet", 0)];
    let lists = &stage.airline.lists;
    let blind = lists.set_ranks(keeper(), ranks(), NONE()).await;
    assert!(matches!(blind, Err(ServiceError::PreconditionRequired)));
    let pilot = lists.set_ranks(&bob, ranks(), seen(version)).await;
    assert_eq!(refused(pilot).0, "not-an-admin");
    let set = lists.set_ranks(keeper(), ranks(), seen(version)).await;
    let rising = [rank("Cadet", 0), rank("Captain", 500)];
    assert_eq!(set.unwrap().entity.entity.ranks, rising);
    let late = lists.set_ranks(keeper(), Vec::new(), seen(version)).await;
    assert!(matches!(late, Err(ServiceError::Stale { .. })));
}
