//! The life cycle of a PIREP as the table that users know, tried cell by cell.

use albatross::domain::pirep::permission::allowed;
use albatross::domain::pirep::{
    Action, Credit, Filing, Milestones, Pirep, PirepCommand, PirepEvent, PirepFacts, PirepState,
    Plan, Report, Source, SourceKind,
};
use albatross::domain::refusal::RefusalKind;

use crate::given::{Given, PILOT, REVIEWER, pilot, reviewer, reviewing_pilot, stranger};

/// state | what the owner may do, and where it leads | what staff may do, and where it leads
const TABLE: &str = "
Draft              | edit merge submit>Submitted discard>Discarded comment                                    | edit comment
InProgress         | edit merge pause>Paused submit>Submitted cancel>Cancelled comment                        | edit cancel>Cancelled comment
Paused             | edit merge resume>InProgress submit>Submitted cancel>Cancelled comment                   | edit cancel>Cancelled comment
Submitted to staff | edit merge withdraw>Draft cancel>Cancelled comment                                       | edit ask>Submitted accept>Accepted reject>Rejected comment
Submitted to pilot | edit merge withdraw>Draft answer>Submitted cancel>Cancelled comment                      | edit accept>Accepted reject>Rejected comment
Accepted           | comment                                                                                  | edit reject>Rejected reopen>Submitted comment
Rejected           | edit appeal>Submitted comment                                                            | edit accept>Accepted reopen>Submitted comment
Cancelled          | merge restore>InProgress comment                                                         | edit restore>InProgress comment
";

pub fn filing(kind: SourceKind) -> Filing {
    Filing {
        pilot: PILOT,
        source: Source { kind, client: None },
        plan: plan(),
        report: Report {
            flight_time_min: Some(95),
            ..Report::default()
        },
        remarks: None,
        custom_fields: None,
        bid: None,
        scheduled_flight: None,
    }
}

pub fn plan() -> Plan {
    Plan {
        flight_number: Some("SKY101".into()),
        departure: Some("LIRF".into()),
        arrival: Some("LLBG".into()),
        aircraft_type: Some("B744".into()),
        ..Plan::default()
    }
}

pub fn submitted() -> PirepEvent {
    PirepEvent::Submitted {
        report: filing(SourceKind::Manual).report,
        last_sequence: None,
        held: false,
    }
}

pub fn accepted() -> PirepEvent {
    PirepEvent::Accepted {
        by: Some(REVIEWER),
        credit: Credit::Full,
        comment: None,
    }
}

pub fn rejected() -> PirepEvent {
    PirepEvent::Rejected {
        by: Some(REVIEWER),
        reason: "too hard".into(),
        credit: Credit::None,
    }
}

fn past(row: &str) -> Vec<PirepEvent> {
    let draft = PirepEvent::Drafted(filing(SourceKind::Manual));
    let flight = PirepEvent::Prefiled(filing(SourceKind::Manual));
    let asked = PirepEvent::Asked {
        question: "Which runway?".into(),
    };
    match row {
        "Draft" => vec![draft],
        "InProgress" => vec![flight],
        "Paused" => vec![flight, PirepEvent::Paused],
        "Submitted to staff" => vec![flight, submitted()],
        "Submitted to pilot" => vec![flight, submitted(), asked],
        "Accepted" => vec![flight, submitted(), accepted()],
        "Rejected" => vec![flight, submitted(), rejected()],
        "Cancelled" => vec![flight, PirepEvent::Cancelled { reason: None }],
        other => panic!("no such row: {other}"),
    }
}

/// A command that changes something, for each action.
fn command(action: Action) -> PirepCommand {
    use PirepCommand as C;
    let text = || "because".to_owned();
    match action {
        Action::Edit => C::Edit(albatross::domain::pirep::Changes {
            remarks: Some("smooth".into()),
            reason: Some(text()),
            ..Default::default()
        }),
        Action::Merge => C::Merge {
            plan: None,
            report: None,
            remarks: Some("smooth".into()),
            custom_fields: None,
            last_sequence: None,
        },
        Action::Pause => C::Pause,
        Action::Resume => C::Resume,
        Action::Submit => C::Submit {
            report: None,
            remarks: None,
            custom_fields: None,
            last_sequence: None,
            milestones: Milestones::new(),
        },
        Action::Finish => C::Finish {
            report: Report::default(),
            last_sequence: None,
            milestones: Milestones::new(),
        },
        Action::Withdraw => C::Withdraw,
        Action::Ask => C::Ask { question: text() },
        Action::Answer => C::Answer { answer: text() },
        Action::Accept => C::Accept {
            credit: Credit::Full,
            comment: Some(text()),
        },
        Action::Reject => C::Reject {
            reason: text(),
            credit: Credit::None,
        },
        Action::Reopen => C::Reopen { reason: text() },
        Action::Appeal => C::Appeal { comment: text() },
        Action::Cancel => C::Cancel {
            reason: Some(text()),
        },
        Action::Restore => C::Restore,
        Action::Discard => C::Discard,
        Action::Comment => C::Comment { comment: text() },
    }
}

#[test]
fn every_cell_of_the_table_holds_and_nothing_else_is_possible() {
    let mut cells = 0;
    for line in TABLE.lines().filter(|line| !line.is_empty()) {
        let columns: Vec<&str> = line.split('|').map(str::trim).collect();
        for (actor, column) in [(pilot(), columns[1]), (reviewer(), columns[2])] {
            let given = Given::<Pirep>::events(past(columns[0]));
            let before = given.state.clone().unwrap();
            let listed: Vec<(&str, Option<&str>)> = column
                .split_whitespace()
                .map(|cell| match cell.split_once('>') {
                    Some((action, state)) => (action, Some(state)),
                    None => (cell, None),
                })
                .collect();
            let mut names: Vec<&str> = listed.iter().map(|(name, _)| *name).collect();
            let mut offered = allowed(&before, &actor, &PirepFacts::default());
            names.sort_unstable();
            offered.sort_unstable();
            assert_eq!(offered, names, "{line}");

            for action in Action::ALL {
                cells += 1;
                let then = given.when(actor.clone(), command(action));
                let cell = listed.iter().find(|(name, _)| *name == action.as_str());
                match cell {
                    Some((_, state)) => {
                        let expected = state.unwrap_or(before.state.as_str());
                        let after = then.state();
                        assert_eq!(after.state.as_str(), expected, "{action:?} in {line}");
                    }
                    None => {
                        let mut refusal = then.outcome.expect_err("not listed");
                        refusal.allowed.sort_unstable();
                        assert_eq!(refusal.allowed, offered, "{action:?} in {line}");
                        assert!(
                            matches!(
                                refusal.kind,
                                RefusalKind::IllegalTransition | RefusalKind::Forbidden
                            ),
                            "{refusal:?}"
                        );
                    }
                }
            }
        }
    }
    assert_eq!(cells, 8 * 2 * 17);
}

#[test]
fn a_flight_that_fell_silent_is_finished_by_its_pilot_or_staff() {
    let silent = || PirepFacts {
        silent: true,
        ..PirepFacts::default()
    };
    for actor in [pilot(), reviewer()] {
        let given = Given::<Pirep>::events(past("InProgress")).with(silent());
        let before = given.state.clone().unwrap();
        assert!(allowed(&before, &actor, &silent()).contains(&"finish"));
        let command = PirepCommand::Finish {
            report: Report {
                fuel_used_kg: Some(41_000),
                ..before.report.clone()
            },
            last_sequence: Some(99),
            milestones: Milestones::new(),
        };
        let finished = given.when(actor, command).state();
        assert_eq!(finished.state, PirepState::Submitted);
        assert_eq!(finished.report.fuel_used_kg, Some(41_000));
        assert_eq!((finished.last_sequence, finished.held), (Some(99), false));
        assert_eq!(finished.source, before.source, "as it came into being");
    }
    for row in ["Draft", "Paused", "Submitted to staff", "Cancelled"] {
        let given = Given::<Pirep>::events(past(row)).with(silent());
        let refused = given.when(pilot(), command(Action::Finish));
        refused.outcome.expect_err("only what is under way");
    }
}

#[test]
fn a_stranger_may_nothing_in_any_state() {
    for line in TABLE.lines().filter(|line| !line.is_empty()) {
        let row = line.split('|').next().unwrap().trim();
        let given = Given::<Pirep>::events(past(row));
        for action in Action::ALL {
            given
                .when(stranger(), command(action))
                .forbidden("not-yours");
        }
    }
}

#[test]
fn a_discarded_draft_is_gone_for_everybody() {
    let given = Given::<Pirep>::events([
        PirepEvent::Drafted(filing(SourceKind::Manual)),
        PirepEvent::Discarded,
    ]);
    assert_eq!(given.state.clone().unwrap().state, PirepState::Discarded);
    for actor in [pilot(), reviewer()] {
        for action in Action::ALL {
            given
                .when(actor.clone(), command(action))
                .refused("not-found");
        }
    }
}

#[test]
fn nobody_decides_their_own_pirep_unless_the_settings_allow_it() {
    for action in [Action::Accept, Action::Reject, Action::Ask] {
        let given = Given::<Pirep>::events(past("Submitted to staff"));
        given
            .when(reviewing_pilot(), command(action))
            .forbidden("own-pirep");
        let given = given.with(PirepFacts {
            self_review: true,
            ..PirepFacts::default()
        });
        assert!(
            given
                .when(reviewing_pilot(), command(action))
                .outcome
                .is_ok()
        );
    }
    let own = Given::<Pirep>::events(past("Accepted"));
    own.when(reviewing_pilot(), command(Action::Reopen))
        .forbidden("own-pirep");
    own.when(reviewing_pilot(), command(Action::Edit))
        .forbidden("own-pirep");
}

#[test]
fn a_cancelled_pirep_returns_to_the_state_that_it_left() {
    for row in [
        "InProgress",
        "Paused",
        "Submitted to staff",
        "Submitted to pilot",
    ] {
        let given = Given::<Pirep>::events(past(row));
        let before = given.state.clone().unwrap();
        let mut events = past(row);
        events.push(PirepEvent::Cancelled { reason: None });
        let restored = Given::<Pirep>::events(events)
            .when(pilot(), PirepCommand::Restore)
            .then([PirepEvent::Restored])
            .unwrap();
        assert_eq!(
            (restored.state, restored.awaits, restored.question),
            (before.state, before.awaits, before.question),
            "{row}"
        );
    }
}
