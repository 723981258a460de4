//! What may be declared and set about a tenant.

use albatross::domain::actor::Actor;
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
