//! What may be declared and set about a tenant.

use albatross::domain::actor::Actor;
use albatross::domain::catalogue::{FieldKind, PirepField, Rank};
use albatross::domain::review::{Rule, Rules};
use albatross::domain::tenant::{Limits, Profile, Settings, Tenant, TenantCommand, TenantEvent};

use crate::given::{Given, admin, pilot};

fn profile(display_name: &str) -> Profile {
    Profile {
        display_name: display_name.into(),
        icao_code: "SKY".into(),
        public_url: "http://skyways.localhost:8080".into(),
        limits: Limits::default(),
    }
}

fn declare(name: &str, profile: Profile) -> TenantCommand {
    TenantCommand::Declare {
        name: name.into(),
        profile,
    }
}

fn created() -> TenantEvent {
    TenantEvent::Created {
        name: "skyways".into(),
        profile: profile("Skyways"),
    }
}

#[test]
fn declaring_creates_then_changes_then_does_nothing() {
    let same = || declare("skyways", profile("Skyways"));
    Given::<Tenant>::nothing()
        .when(Actor::Operator, same())
        .then([created()]);
    let given = Given::<Tenant>::events([created()]);
    given.when(Actor::Operator, same()).then([]);
    given
        .when(Actor::Operator, declare("skyways", profile("Skyways II")))
        .then([TenantEvent::Changed {
            profile: profile("Skyways II"),
        }]);
    given
        .when(Actor::Operator, declare("nordwind", profile("Nordwind")))
        .conflicts("other-tenant");
    given.when(admin(), same()).forbidden("declared-elsewhere");
}

#[test]
fn a_wrong_profile_names_its_fields() {
    let wrong = Profile {
        display_name: " ".into(),
        icao_code: "sky".into(),
        public_url: String::new(),
        limits: Limits::default(),
    };
    Given::<Tenant>::nothing()
        .when(Actor::Operator, declare("skyways", wrong))
        .invalid(&[
            "/tenant/displayName required",
            "/tenant/icaoCode not-a-designator",
            "/tenant/publicUrl required",
        ]);
}

#[test]
fn the_number_of_the_desired_state_only_rises() {
    let applied = |number| TenantEvent::DesiredStateApplied { number };
    let given = Given::<Tenant>::events([created(), applied(7)]);
    let record = |number| TenantCommand::RecordDesired { number };
    given.when(Actor::Operator, record(8)).then([applied(8)]);
    given.when(Actor::Operator, record(7)).then([]);
    given
        .when(Actor::Operator, record(6))
        .conflicts("desired-state-outdated");
    Given::<Tenant>::nothing()
        .when(Actor::Operator, record(1))
        .refused("not-found");
}

#[test]
fn settings_are_the_airlines_own_admins() {
    let settings = |color: &str| Settings {
        self_review: true,
        accent_color: Some(color.into()),
        ..Settings::default()
    };
    let given = Given::<Tenant>::events([created()]);
    let change = |color| TenantCommand::ChangeSettings(settings(color));
    given
        .when(admin(), change("#1e40af"))
        .then([TenantEvent::SettingsChanged(settings("#1e40af"))]);
    given
        .when(admin(), change("blue"))
        .invalid(&["/accentColor not-a-color"]);
    given
        .when(pilot(), change("#1e40af"))
        .forbidden("not-an-admin");
}

fn rank(name: &str, min_hours: u32) -> Rank {
    Rank {
        name: name.into(),
        min_hours,
    }
}

#[test]
fn ranks_are_replaced_as_a_whole_and_kept_in_order() {
    let given = Given::<Tenant>::events([created()]);
    let change = TenantCommand::ChangeRanks;
    let rising = vec![rank("Cadet", 0), rank("Captain", 500)];
    let mixed = vec![rank(" Captain", 500), rank("Cadet ", 0)];
    let after = given.when(admin(), change(mixed.clone()));
    let after = after.then([TenantEvent::RanksChanged(rising.clone())]);
    assert_eq!(after.unwrap().ranks, rising);
    let events = [created(), TenantEvent::RanksChanged(rising)];
    let ranked = Given::<Tenant>::events(events);
    ranked.when(admin(), change(mixed)).then([]);
    ranked
        .when(admin(), change(Vec::new()))
        .then([TenantEvent::RanksChanged(Vec::new())]);
    given
        .when(pilot(), change(Vec::new()))
        .forbidden("not-an-admin");
    let wrong = vec![rank("Cadet", 5), rank("cadet", 5), rank("", 1_000_001)];
    given.when(admin(), change(wrong)).invalid(&[
        "/items/1/name duplicate",
        "/items/1/minHours duplicate",
        "/items/2/name required",
        "/items/2/minHours out-of-range",
    ]);
    let many = (0..51).map(|number| rank(&format!("R{number}"), number));
    given
        .when(admin(), change(many.collect()))
        .invalid(&["/items too-many"]);
}

#[test]
fn a_rank_that_a_rule_names_stays_until_the_rule_is_changed() {
    let rule = |least_rank: &str| {
        let least_rank = least_rank.to_owned();
        TenantEvent::RulesChanged(Rules {
            version: 1,
            rules: vec![Rule::AutoAccept, Rule::RankAutoAccept { least_rank }],
        })
    };
    let ranks = |names: &[&str]| -> Vec<Rank> {
        let ranks = (0..).zip(names).map(|(hours, name)| rank(name, hours));
        ranks.collect()
    };
    let ranked = TenantEvent::RanksChanged(ranks(&["Cadet", "Captain"]));
    let given = Given::<Tenant>::events([created(), ranked.clone(), rule("Captain")]);
    for names in [&["Cadet"][..], &["Cadet", "captain"]] {
        given
            .when(admin(), TenantCommand::ChangeRanks(ranks(names)))
            .conflicts("rank-in-use");
    }
    let kept = ranks(&["Pupil", "Officer", "Captain"]);
    given
        .when(admin(), TenantCommand::ChangeRanks(kept.clone()))
        .then([TenantEvent::RanksChanged(kept)]);
    // What a rule names in vain already keeps nobody from changing ranks.
    let other = ranks(&["Cadet"]);
    Given::<Tenant>::events([created(), ranked, rule("Chief")])
        .when(admin(), TenantCommand::ChangeRanks(other.clone()))
        .then([TenantEvent::RanksChanged(other)]);
}

fn field(key: &str, kind: FieldKind, choices: &[&str]) -> PirepField {
    PirepField {
        key: key.into(),
        label: "Gate".into(),
        kind,
        choices: choices.iter().map(|it| (*it).to_owned()).collect(),
        required: false,
    }
}

#[test]
fn fields_are_replaced_as_a_whole() {
    let given = Given::<Tenant>::events([created()]);
    let change = TenantCommand::ChangePirepFields;
    let fields = vec![
        field("gate", FieldKind::Text, &[]),
        field("weather_2", FieldKind::Choice, &["CAVOK", "storms"]),
    ];
    let changed = TenantEvent::PirepFieldsChanged(fields.clone());
    let after = given.when(admin(), change(fields.clone()));
    assert_eq!(after.then([changed]).unwrap().pirep_fields, fields);
    given
        .when(pilot(), change(fields))
        .forbidden("not-an-admin");
    let mut blank = field("gate", FieldKind::Text, &["A"]);
    blank.label = " ".into();
    let wrong = vec![
        field("1gate", FieldKind::Text, &[]),
        blank,
        field("gate", FieldKind::Choice, &[]),
        field("x", FieldKind::Choice, &["A", "A", ""]),
    ];
    given.when(admin(), change(wrong)).invalid(&[
        "/items/0/key not-a-key",
        "/items/1/label required",
        "/items/1/choices not-allowed",
        "/items/2/key duplicate",
        "/items/2/choices required",
        "/items/3/choices/1 duplicate",
        "/items/3/choices/2 required",
    ]);
}
