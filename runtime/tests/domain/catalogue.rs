//! What may be done to aircraft and to the schedule.

use albatross::domain::actor::{Actor, KeyUse, Person};
use albatross::domain::catalogue::{Aircraft, Item, ItemCommand, ItemEvent, ScheduledFlight};
use albatross::domain::ids::KeyId;
use albatross::domain::roles::{Role, Scope};
use rstest::rstest;

use crate::given::*;

type Fleet = Given<Item<Aircraft>>;
type Schedule = Given<Item<ScheduledFlight>>;

fn aircraft(registration: &str) -> Aircraft {
    Aircraft {
        registration: registration.into(),
        aircraft_type: "B744".into(),
        name: None,
    }
}

fn added() -> ItemEvent<Aircraft> {
    ItemEvent::Added(aircraft("4X-ELC"))
}

fn flight() -> ScheduledFlight {
    ScheduledFlight {
        flight_number: "ELY386".into(),
        departure: "LIRF".into(),
        arrival: "LLBG".into(),
        ..ScheduledFlight::default()
    }
}

#[test]
fn what_is_added_is_tidied() {
    let untidy = Aircraft {
        registration: " 4x-elc ".into(),
        aircraft_type: "b744".into(),
        name: Some("  ".into()),
    };
    Fleet::nothing()
        .when(admin(), ItemCommand::Add(untidy))
        .then([added()]);
    let untidy = ScheduledFlight {
        flight_number: "ely386 ".into(),
        departure: "lirf".into(),
        arrival: "llbg".into(),
        route: Some(String::new()),
        ..ScheduledFlight::default()
    };
    Schedule::nothing()
        .when(admin(), ItemCommand::Add(untidy))
        .then([ItemEvent::Added(flight())]);
}

#[test]
fn it_is_changed_archived_and_restored_and_each_once() {
    let (change, changed) = (ItemCommand::Change, ItemEvent::Changed);
    let given = Fleet::events([added()]);
    given.when(admin(), change(aircraft("4X-ELC"))).then([]);
    given
        .when(admin(), change(aircraft("4X-ELD")))
        .then([changed(aircraft("4X-ELD"))]);
    let after = given.when(admin(), ItemCommand::Archive);
    let after = after.then([ItemEvent::Archived]).unwrap();
    assert_eq!((after.archived_at, after.claim()), (Some(now()), None));
    given.when(admin(), ItemCommand::Restore).then([]);

    let given = Fleet::events([added(), ItemEvent::Archived]);
    given.when(admin(), ItemCommand::Archive).then([]);
    let refusal = given
        .when(admin(), change(aircraft("4X-ELD")))
        .refused("illegal-transition");
    assert_eq!(refusal.allowed, ["restore"]);
    let after = given.when(admin(), ItemCommand::Restore);
    let after = after.then([ItemEvent::Restored]).unwrap();
    assert_eq!(after.claim().unwrap(), b"aircraft:4X-ELC");
}

#[test]
fn what_is_not_there_cannot_be_changed_and_what_is_there_not_added() {
    let nothing = Fleet::nothing();
    for command in [
        ItemCommand::Change(aircraft("4X-ELC")),
        ItemCommand::Archive,
        ItemCommand::Restore,
    ] {
        nothing.when(admin(), command).refused("not-found");
    }
    Fleet::events([added()])
        .when(admin(), ItemCommand::Add(aircraft("4X-ELC")))
        .conflicts("already-added");
}

fn key(scope: Scope) -> Actor {
    Actor::User(Person {
        id: ADMIN,
        roles: Role::TenantAdmin.into(),
        key: Some(KeyUse {
            id: KeyId::parse("0123456789ab").unwrap(),
            scopes: [scope].into(),
        }),
    })
}

#[rstest]
#[case::an_admin(admin(), true)]
#[case::an_admins_key_for_it(key(Scope::CatalogueWrite), true)]
#[case::the_machine_itself(Actor::CommandLine, true)]
#[case::an_admins_key_for_users(key(Scope::Users), false)]
#[case::a_reviewer(reviewer(), false)]
#[case::a_pilot(pilot(), false)]
#[case::nobody(Actor::Anonymous, false)]
#[case::the_operator(Actor::Operator, false)]
fn the_catalogue_is_kept_by_admins(#[case] actor: Actor, #[case] may: bool) {
    let given = Fleet::events([added()]);
    for command in [ItemCommand::Archive, ItemCommand::Change(aircraft("4X"))] {
        let outcome = given.when(actor.clone(), command);
        match may {
            true => assert!(outcome.outcome.is_ok(), "{:?}", outcome.outcome),
            false => outcome.forbidden("not-an-admin"),
        }
    }
}

#[test]
fn every_fault_is_named() {
    let wrong = Aircraft {
        registration: "4X-ELC-WITH-A-LONG-TAIL".into(),
        aircraft_type: " ".into(),
        name: Some("a\u{202e}b".into()),
    };
    Fleet::nothing()
        .when(admin(), ItemCommand::Add(wrong))
        .invalid(&[
            "/registration too-long",
            "/aircraftType required",
            "/name not-text",
        ]);
    let wrong = ScheduledFlight {
        flight_number: String::new(),
        callsign: Some("x".repeat(17)),
        departure: "Rome".into(),
        arrival: "L".into(),
        aircraft_types: (0..21).map(|number| format!("T{number}")).collect(),
        route: Some("x".repeat(4_001)),
        cruise_level_ft: Some(-1),
        off_block_minute_utc: Some(24 * 60),
        block_time_min: Some(2_881),
        days_of_week: [0, 8].into(),
    };
    Schedule::nothing()
        .when(admin(), ItemCommand::Add(wrong))
        .invalid(&[
            "/flightNumber required",
            "/callsign too-long",
            "/arrival not-an-airport-code",
            "/aircraftTypes too-many",
            "/route too-long",
            "/cruiseLevelFt out-of-range",
            "/offBlockTimeUtc out-of-range",
            "/blockTimeMin out-of-range",
            "/daysOfWeek out-of-range",
        ]);
}

#[test]
fn legs_of_one_number_are_told_apart() {
    let given = Schedule::events([ItemEvent::Added(flight())]);
    let back = ScheduledFlight {
        departure: "LLBG".into(),
        arrival: "LIRF".into(),
        ..flight()
    };
    let here = given.state.as_ref().unwrap().claim().unwrap();
    let there = given
        .when(admin(), ItemCommand::Change(back))
        .state()
        .claim();
    assert_eq!(here, b"scheduled flight:ELY386 LIRF LLBG");
    assert_eq!(there.unwrap(), b"scheduled flight:ELY386 LLBG LIRF");
}
