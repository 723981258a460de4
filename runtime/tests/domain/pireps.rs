//! What the commands on a PIREP lead to, beyond the table of states.

use albatross::domain::actor::{Actor, KeyUse, Person};
use albatross::domain::aggregate::Aggregate;
use albatross::domain::catalogue::{FieldKind, PirepField};
use albatross::domain::ids::{BidId, KeyId, ScheduledFlightId};
use albatross::domain::pirep::{
    Awaits, Changes, Credit, Edit, Intent, Milestone, Milestones, NewPirep, Pirep, PirepCommand,
    PirepEvent, PirepFacts, PirepState, Plan, Report, Source, SourceKind, Verdict,
};
use albatross::domain::roles::{Role, Scope};
use jiff::{Timestamp, ToSpan};
use rstest::rstest;
use uuid::Uuid;

use crate::given::{Given, PILOT, REVIEWER, now, pilot, reviewer, stranger};
use crate::life_cycle::{accepted, filing, plan, rejected, submitted};

fn new(intent: Intent) -> NewPirep {
    NewPirep {
        intent,
        pilot: PILOT,
        source: Source {
            kind: SourceKind::Acars,
            client: Some("smartCARS 3".into()),
        },
        plan: plan(),
        report: None,
        remarks: None,
        custom_fields: None,
        bid: None,
        scheduled_flight: None,
    }
}

fn flight(kind: SourceKind) -> Given<Pirep> {
    Given::events([PirepEvent::Prefiled(filing(kind))])
}

fn submit(report: Option<Report>) -> PirepCommand {
    PirepCommand::Submit {
        report,
        remarks: None,
        custom_fields: None,
        last_sequence: None,
        milestones: Milestones::new(),
    }
}

#[test]
fn prefiling_begins_a_flight_and_tidies_what_was_typed() {
    let mut untidy = new(Intent::Prefile);
    untidy.plan.departure = Some(" lirf ".into());
    untidy.plan.route = Some("  ".into());
    untidy.remarks = Some(String::new());
    let pirep = Given::<Pirep>::nothing()
        .when(pilot(), PirepCommand::File(untidy))
        .state();
    assert_eq!(pirep.state, PirepState::InProgress);
    assert_eq!(pirep.plan.departure.as_deref(), Some("LIRF"));
    assert_eq!(pirep.plan.route, None);
    assert_eq!(pirep.remarks, None);
    assert_eq!(pirep.created_at, now());
}

#[test]
fn a_draft_may_lack_anything_but_a_flight_may_not() {
    let empty = |intent| {
        let mut new = new(intent);
        new.plan = Plan::default();
        PirepCommand::File(new)
    };
    let given = Given::<Pirep>::nothing();
    let draft = given.when(pilot(), empty(Intent::Draft)).state();
    assert_eq!(draft.state, PirepState::Draft);
    given.when(pilot(), empty(Intent::Prefile)).invalid(&[
        "/plan/flightNumber required",
        "/plan/departure required",
        "/plan/arrival required",
        "/plan/aircraftType required",
    ]);
}

#[test]
fn wrong_values_are_named_all_at_once() {
    let mut wrong = new(Intent::Draft);
    wrong.plan.departure = Some("L!".into());
    wrong.plan.passengers = Some(-1);
    wrong.plan.callsign = Some("A".repeat(17));
    wrong.plan.planned_on_block_at = "2200-01-01T00:00:00Z".parse().ok();
    wrong.report = Some(Report {
        take_off_at: Some(now()),
        landing_at: "2026-05-01T11:00:00Z".parse().ok(),
        on_block_at: "2026-06-01T00:00:00Z".parse().ok(),
        fuel_used_kg: Some(-5),
        ..Report::default()
    });
    wrong.remarks = Some("x".repeat(4_001));
    Given::<Pirep>::nothing()
        .when(pilot(), PirepCommand::File(wrong))
        .invalid(&[
            "/plan/departure not-an-airport-code",
            "/plan/callsign too-long",
            "/plan/plannedOnBlockAt out-of-range",
            "/plan/passengers out-of-range",
            "/report/landingAt out-of-order",
            "/report/onBlockAt in-the-future",
            "/report/fuelUsedKg out-of-range",
            "/remarks too-long",
        ]);
}

#[test]
fn times_are_kept_to_the_microsecond_up_to_the_last_that_there_is() {
    let plan = Plan {
        planned_off_block_at: Some(Timestamp::MAX),
        planned_on_block_at: "1969-12-31T23:59:59.1234567Z".parse().ok(),
        ..Plan::default()
    };
    let tidied = plan.tidied();
    let time = |text: &str| text.parse::<Timestamp>().ok();
    let last = time("9999-12-30T22:00:00.999999Z");
    assert_eq!(tidied.planned_off_block_at, last);
    let early = plan.planned_on_block_at.map(Timestamp::as_microsecond);
    let kept = tidied.planned_on_block_at;
    assert_eq!(kept.map(Timestamp::as_microsecond), early);
    assert_eq!(kept.map(|time| time.subsec_nanosecond() % 1_000), Some(0));
}

#[test]
fn flights_are_filed_by_their_own_pilot_once() {
    let command = || PirepCommand::File(new(Intent::Prefile));
    let given = Given::<Pirep>::nothing();
    given.when(stranger(), command()).forbidden("not-yours");
    given
        .when(Actor::Operator, command())
        .forbidden("not-yours");
    flight(SourceKind::Acars)
        .when(pilot(), command())
        .conflicts("already-filed");
    Given::<Pirep>::nothing()
        .when(pilot(), PirepCommand::Pause)
        .refused("not-found");
}

#[test]
fn a_suspended_pilot_starts_nothing_but_a_begun_flight_is_held() {
    let suspended = PirepFacts {
        pilot_suspended: true,
        ..PirepFacts::default()
    };
    Given::<Pirep>::nothing()
        .with(suspended.clone())
        .when(pilot(), PirepCommand::File(new(Intent::Prefile)))
        .forbidden("suspended");
    let begun = flight(SourceKind::Acars).with(suspended);
    assert!(begun.when(pilot(), submit(None)).state().held);
}

#[test]
fn a_limit_refuses_a_new_flight_and_none_that_has_begun() {
    let full = PirepFacts {
        flights_reached: Some(300),
        ..PirepFacts::default()
    };
    Given::<Pirep>::nothing()
        .with(full.clone())
        .when(pilot(), PirepCommand::File(new(Intent::Prefile)))
        .refused("too-many-flights-today");
    let begun = flight(SourceKind::Acars).with(full);
    begun.when(pilot(), submit(None)).state();
}

#[test]
fn submitting_hands_it_to_staff_with_the_last_of_what_was_measured() {
    let report = Report {
        take_off_at: "2026-05-01T08:00:00Z".parse().ok(),
        landing_at: "2026-05-01T10:30:59Z".parse().ok(),
        landing_rate_fpm: Some(-180),
        ..Report::default()
    };
    let command = PirepCommand::Submit {
        report: Some(report),
        remarks: Some("smooth".into()),
        custom_fields: None,
        last_sequence: Some(2_109),
        milestones: Milestones::new(),
    };
    let mut filing = filing(SourceKind::Acars);
    filing.report = Report {
        fuel_used_kg: Some(61_000),
        ..Report::default()
    };
    let pirep = Given::<Pirep>::events([PirepEvent::Prefiled(filing)])
        .when(pilot(), command)
        .state();
    assert_eq!(pirep.state, PirepState::Submitted);
    assert_eq!(pirep.awaits, Some(Awaits::Staff));
    assert_eq!(pirep.last_sequence, Some(2_109));
    assert_eq!(pirep.submitted_at, Some(now()));
    assert_eq!(pirep.remarks, Some("smooth".into()));
    let report = pirep.report;
    assert_eq!(report.fuel_used_kg, Some(61_000), "kept");
    assert_eq!(report.flight_time_min, Some(150), "follows from the times");
    assert_eq!(report.landing_rate_fpm, Some(-180));
}

#[test]
fn a_report_by_hand_needs_a_time_but_a_tracked_flight_does_not() {
    let timeless = |kind| {
        let mut filing = filing(kind);
        filing.report = Report::default();
        Given::<Pirep>::events([PirepEvent::Prefiled(filing)])
    };
    timeless(SourceKind::Manual)
        .when(pilot(), submit(None))
        .invalid(&["/report/flightTimeMin required"]);
    let sent = timeless(SourceKind::Acars).when(pilot(), submit(None));
    assert_eq!(sent.state().state, PirepState::Submitted);
}

#[test]
fn a_verdict_names_who_gave_it_and_a_rejection_why() {
    let given = Given::<Pirep>::events([
        PirepEvent::Prefiled(filing(SourceKind::Manual)),
        submitted(),
    ]);
    let accept = PirepCommand::Accept {
        credit: Credit::Full,
        comment: Some("  ".into()),
    };
    let decision = given
        .when(reviewer(), accept.clone())
        .then([accepted()])
        .and_then(|pirep| pirep.decision)
        .unwrap();
    assert_eq!(decision.by, Some(REVIEWER));
    assert_eq!(decision.verdict, Verdict::Accepted);
    assert_eq!(decision.reason, None);
    assert_eq!(decision.at, now());

    let by_rule = given.when(Actor::System("review-rules"), accept).state();
    assert_eq!(by_rule.decision.unwrap().by, None);

    let reject = |reason: &str| PirepCommand::Reject {
        reason: reason.into(),
        credit: Credit::None,
    };
    given
        .when(reviewer(), reject(" "))
        .invalid(&["/reason required"]);
    given
        .when(reviewer(), reject("too hard"))
        .then([rejected()]);
}

#[test]
fn staff_say_why_they_accept_what_was_rejected() {
    let given = Given::<Pirep>::events([
        PirepEvent::Prefiled(filing(SourceKind::Manual)),
        submitted(),
        rejected(),
    ]);
    let accept = |comment: Option<&str>| PirepCommand::Accept {
        credit: Credit::Full,
        comment: comment.map(str::to_owned),
    };
    for nothing in [None, Some("  ")] {
        let then = given.when(reviewer(), accept(nothing));
        then.invalid(&["/comment required"]);
    }
    let pirep = given
        .when(reviewer(), accept(Some("the sensor lies")))
        .state();
    assert_eq!(pirep.state, PirepState::Accepted);
    assert_eq!(
        pirep.decision.unwrap().reason,
        Some("the sensor lies".into())
    );
}

#[test]
fn a_key_without_the_review_scope_does_not_decide_even_for_a_reviewer() {
    let with_key = |scopes: &[Scope]| {
        Actor::User(Person {
            id: REVIEWER,
            roles: Role::Reviewer.into(),
            key: Some(KeyUse {
                id: KeyId::parse("0123456789ab").unwrap(),
                scopes: scopes.iter().copied().collect(),
            }),
        })
    };
    let given = Given::<Pirep>::events([
        PirepEvent::Prefiled(filing(SourceKind::Manual)),
        submitted(),
    ]);
    let accept = || PirepCommand::Accept {
        credit: Credit::Full,
        comment: None,
    };
    given
        .when(with_key(&[Scope::PirepsWrite]), accept())
        .forbidden("not-yours");
    given.when(with_key(&[Scope::Review]), accept()).state();
}

#[test]
fn a_reopened_or_appealed_pirep_has_no_verdict() {
    let reopened = Given::<Pirep>::events([
        PirepEvent::Prefiled(filing(SourceKind::Manual)),
        submitted(),
        accepted(),
    ])
    .when(
        reviewer(),
        PirepCommand::Reopen {
            reason: "wrong aircraft".into(),
        },
    )
    .state();
    let appealed = Given::<Pirep>::events([
        PirepEvent::Prefiled(filing(SourceKind::Manual)),
        submitted(),
        rejected(),
    ])
    .when(
        pilot(),
        PirepCommand::Appeal {
            comment: "the sensor lies".into(),
        },
    )
    .state();
    for pirep in [reopened, appealed] {
        assert_eq!(pirep.state, PirepState::Submitted);
        assert_eq!(pirep.awaits, Some(Awaits::Staff));
        assert_eq!(pirep.decision, None);
    }
}

#[test]
fn staff_say_why_they_edit_or_cancel_somebody_elses_flight() {
    let given = flight(SourceKind::Manual);
    let remarks = || Changes {
        remarks: Some("corrected".into()),
        ..Changes::default()
    };
    given
        .when(reviewer(), PirepCommand::Edit(remarks()))
        .invalid(&["/reason required"]);
    given
        .when(reviewer(), PirepCommand::Cancel { reason: None })
        .invalid(&["/reason required"]);
    given
        .when(pilot(), PirepCommand::Cancel { reason: None })
        .then([PirepEvent::Cancelled { reason: None }]);
    given
        .when(pilot(), PirepCommand::Edit(remarks()))
        .then([PirepEvent::Edited(Edit {
            remarks: Some("corrected".into()),
            ..Edit::default()
        })]);
}

#[test]
fn measured_values_are_not_their_pilots_to_edit() {
    let softer = |reason: Option<&str>| {
        PirepCommand::Edit(Changes {
            report: Some(Report {
                landing_rate_fpm: Some(-20),
                ..Report::default()
            }),
            reason: reason.map(str::to_owned),
            ..Changes::default()
        })
    };
    flight(SourceKind::Acars)
        .when(pilot(), softer(None))
        .forbidden("measured");
    flight(SourceKind::Manual)
        .when(pilot(), softer(None))
        .state();
    flight(SourceKind::Acars)
        .when(reviewer(), softer(Some("sensor fault")))
        .state();
}

#[test]
fn what_counts_is_not_its_pilots_to_edit_once_it_was_decided() {
    let longer = |reason: Option<&str>| {
        PirepCommand::Edit(Changes {
            report: Some(Report {
                flight_time_min: Some(9_999),
                ..Report::default()
            }),
            reason: reason.map(str::to_owned),
            ..Changes::default()
        })
    };
    for (credit, is_counted) in [
        (Credit::Full, true),
        (Credit::Hours, true),
        (Credit::None, false),
    ] {
        let rejected = Given::<Pirep>::events([
            PirepEvent::Prefiled(filing(SourceKind::Manual)),
            submitted(),
            PirepEvent::Rejected {
                by: Some(REVIEWER),
                reason: "too hard".into(),
                credit,
            },
        ]);
        let edited = rejected.when(pilot(), longer(None));
        match is_counted {
            true => edited.forbidden("credited"),
            false => drop(edited.state()),
        }
        let remarks = Changes {
            remarks: Some("corrected".into()),
            ..Changes::default()
        };
        rejected.when(pilot(), PirepCommand::Edit(remarks)).state();
        rejected.when(reviewer(), longer(Some("a slip"))).state();
    }
}

#[test]
fn an_edit_that_changes_nothing_and_a_repeated_merge_write_nothing() {
    let same = PirepCommand::Edit(Changes {
        plan: Some(plan()),
        remarks: Some(String::new()),
        ..Changes::default()
    });
    flight(SourceKind::Manual)
        .when(pilot(), same.clone())
        .then([]);
    let decided = Given::<Pirep>::events([
        PirepEvent::Prefiled(filing(SourceKind::Manual)),
        submitted(),
        accepted(),
    ]);
    decided.when(pilot(), same.clone()).then([]);
    decided.when(stranger(), same).forbidden("not-yours");

    let repeat = || PirepCommand::Merge {
        plan: Some(plan()),
        report: Some(filing(SourceKind::Acars).report),
        remarks: None,
        custom_fields: None,
        last_sequence: None,
    };
    flight(SourceKind::Acars).when(pilot(), repeat()).then([]);
    let decided = Given::<Pirep>::events([
        PirepEvent::Prefiled(filing(SourceKind::Acars)),
        submitted(),
        accepted(),
    ]);
    decided.when(pilot(), repeat()).then([]);
    decided.when(stranger(), repeat()).forbidden("not-yours");
}

#[test]
fn a_whole_flight_sent_again_is_united_with_what_is_known() {
    let more = PirepCommand::Merge {
        plan: None,
        report: Some(Report {
            fuel_used_kg: Some(61_000),
            ..Report::default()
        }),
        remarks: None,
        custom_fields: None,
        last_sequence: Some(40),
    };
    let pirep = flight(SourceKind::Acars).when(pilot(), more).state();
    assert_eq!(pirep.report.fuel_used_kg, Some(61_000));
    assert_eq!(pirep.report.flight_time_min, Some(95), "kept");
    assert_eq!(pirep.last_sequence, Some(40));
}

#[test]
fn a_draft_with_a_track_or_once_submitted_is_not_thrown_away() {
    let draft = PirepEvent::Drafted(filing(SourceKind::Manual));
    Given::<Pirep>::events([draft.clone(), PirepEvent::TrackStarted])
        .when(pilot(), PirepCommand::Discard)
        .refused("illegal-transition");
    // A track that came before drafts said so.
    Given::<Pirep>::events([draft.clone()])
        .with(PirepFacts {
            has_track: true,
            ..PirepFacts::default()
        })
        .when(pilot(), PirepCommand::Discard)
        .refused("illegal-transition");
    Given::<Pirep>::events([draft, submitted(), PirepEvent::Withdrawn])
        .when(pilot(), PirepCommand::Discard)
        .refused("illegal-transition");
}

#[test]
fn the_first_positions_of_a_draft_are_said_once_and_of_nothing_else() {
    let draft = PirepEvent::Drafted(filing(SourceKind::Manual));
    let start = || PirepCommand::StartTrack;
    let given = |events: Vec<PirepEvent>| Given::<Pirep>::events(events);
    let untracked = given(vec![draft.clone()]);
    untracked
        .when(pilot(), start())
        .then([PirepEvent::TrackStarted]);
    untracked.when(stranger(), start()).forbidden("not-yours");
    given(vec![draft.clone(), PirepEvent::TrackStarted])
        .when(pilot(), start())
        .then([]);
    given(vec![draft.clone(), submitted()])
        .when(pilot(), start())
        .then([]);
    flight(SourceKind::Acars).when(pilot(), start()).then([]);
    given(vec![draft, PirepEvent::Discarded])
        .when(pilot(), start())
        .refused("not-found");
}

#[test]
fn a_measured_flight_is_not_withdrawn_into_a_form() {
    Given::<Pirep>::events([PirepEvent::Prefiled(filing(SourceKind::Acars)), submitted()])
        .when(pilot(), PirepCommand::Withdraw)
        .refused("illegal-transition");
}

fn declared(kind: FieldKind, required: bool) -> PirepFacts {
    let field = PirepField {
        key: "x".into(),
        label: "X".into(),
        kind,
        choices: vec!["CAVOK".into(), "storms".into()],
        required,
    };
    PirepFacts {
        fields: [field].into(),
        ..PirepFacts::default()
    }
}

#[rstest]
#[case(FieldKind::Text, "anything\nat all", true)]
#[case(FieldKind::Text, "a\u{7}b", false)]
#[case(FieldKind::Number, "12.5", true)]
#[case(FieldKind::Number, "-3", true)]
#[case(FieldKind::Number, "inf", false)]
#[case(FieldKind::Number, "1e9", false)]
#[case(FieldKind::Number, "12 kg", false)]
#[case(FieldKind::Flag, "true", true)]
#[case(FieldKind::Flag, "yes", false)]
#[case(FieldKind::Choice, "storms", true)]
#[case(FieldKind::Choice, "rain", false)]
fn a_value_of_the_airlines_own_field_is_of_its_kind(
    #[case] kind: FieldKind,
    #[case] value: &str,
    #[case] valid: bool,
) {
    let mut report = new(Intent::Prefile);
    let values = [("x".to_owned(), value.to_owned())];
    report.custom_fields = Some(values.into());
    let given = Given::<Pirep>::nothing().with(declared(kind, false));
    let outcome = given.when(pilot(), PirepCommand::File(report)).outcome;
    assert_eq!(outcome.is_ok(), valid, "{outcome:?}");
}

#[test]
fn a_new_report_flies_the_flight_of_its_bid() {
    let [east, west] = [7, 8].map(|id| ScheduledFlightId(Uuid::from_u128(id)));
    let file = |bid: bool, flight| {
        PirepCommand::File(NewPirep {
            bid: bid.then(|| BidId(Uuid::from_u128(1))),
            scheduled_flight: flight,
            ..new(Intent::Prefile)
        })
    };
    let booked = || {
        Given::<Pirep>::nothing().with(PirepFacts {
            booked: Some(east),
            ..PirepFacts::default()
        })
    };
    for named in [None, Some(east)] {
        let pirep = booked().when(pilot(), file(true, named)).state();
        assert_eq!(pirep.scheduled_flight, Some(east));
    }
    booked()
        .when(pilot(), file(true, Some(west)))
        .invalid(&["/scheduledFlight other-flight"]);
    let nothing = Given::<Pirep>::nothing;
    let pirep = nothing().when(pilot(), file(true, None)).state();
    assert!(pirep.bid.is_some() && pirep.scheduled_flight.is_none());
    nothing()
        .when(pilot(), file(false, Some(west)))
        .invalid(&["/scheduledFlight unknown"]);
    let known = PirepFacts {
        scheduled: true,
        ..PirepFacts::default()
    };
    let pirep = nothing()
        .with(known)
        .when(pilot(), file(false, Some(west)))
        .state();
    assert_eq!((pirep.bid, pirep.scheduled_flight), (None, Some(west)));
}

#[test]
fn a_milestone_is_noted_once_and_shows_in_the_report_of_a_flight_under_way() {
    let at = |minute: i64| now() - minute.minutes();
    let reached = |milestone, at| PirepEvent::Reached { milestone, at };
    let both = Milestones::from([(Milestone::OffBlock, at(60)), (Milestone::TakeOff, at(50))]);
    let noted = flight(SourceKind::Acars)
        .when(pilot(), PirepCommand::Reach(both.clone()))
        .then([
            reached(Milestone::OffBlock, at(60)),
            reached(Milestone::TakeOff, at(50)),
        ])
        .unwrap();
    assert_eq!(noted.report.take_off_at, None, "nobody said so");
    let shown = noted.as_reported(now()).report;
    assert_eq!(
        (shown.off_block_at, shown.take_off_at, shown.landing_at),
        (Some(at(60)), Some(at(50)), None)
    );

    let past = || {
        let flight = PirepEvent::Prefiled(filing(SourceKind::Acars));
        Given::<Pirep>::events([flight, reached(Milestone::TakeOff, at(50))])
    };
    let other = Milestones::from([(Milestone::TakeOff, at(10))]);
    past()
        .when(pilot(), PirepCommand::Reach(other.clone()))
        .then([]);
    // What a submission finds in the track is noted with it.
    let submit = PirepCommand::Submit {
        report: None,
        remarks: None,
        custom_fields: None,
        last_sequence: None,
        milestones: both,
    };
    let events = past().when(pilot(), submit).outcome.unwrap();
    assert_eq!(events[0], reached(Milestone::OffBlock, at(60)));
    assert!(
        matches!(events[1], PirepEvent::Submitted { .. }),
        "{events:?}"
    );
    let before = [
        PirepEvent::Prefiled(filing(SourceKind::Acars)),
        reached(Milestone::TakeOff, at(50)),
    ];
    let all = before.iter().chain(&events);
    let submitted = all.fold(None, |pirep, event| Pirep::evolve(pirep, event, now()));
    let shown = submitted.unwrap().as_reported(now()).report;
    assert_eq!(shown.take_off_at, None, "it says what was submitted");
}

#[test]
fn neither_a_wrong_clock_nor_a_submitted_flight_reaches_anything() {
    let ahead = Milestones::from([(Milestone::TakeOff, now() + 25.hours())]);
    flight(SourceKind::Acars)
        .when(pilot(), PirepCommand::Reach(ahead))
        .then([]);
    let earlier = Milestones::from([(Milestone::TakeOff, now() - 1.hours())]);
    let decided = [
        PirepEvent::Prefiled(filing(SourceKind::Acars)),
        submitted(),
        accepted(),
    ];
    for events in [&decided[..2], &decided] {
        Given::<Pirep>::events(events.to_vec())
            .when(pilot(), PirepCommand::Reach(earlier.clone()))
            .then([]);
    }
}
