//! One or more of every event, by name: the golden corpus encodes exactly these.

use albatross::domain::bids::BidEvent;
use albatross::domain::catalogue::{
    Aircraft, CustomFields, FieldKind, ItemEvent, PirepField, Rank, ScheduledFlight,
};
use albatross::domain::event::DomainEvent;
use albatross::domain::ids::{BidId, KeyId, ScheduledFlightId, UserId};
use albatross::domain::personal::Personal;
use albatross::domain::pirep::{
    Credit, Edit, Filing, Milestone, PirepEvent, Plan, Report, Source, SourceKind,
};
use albatross::domain::review::{
    Answer, Finding, Inputs, PilotInputs, Review, Rule, Rules, TrackInputs,
};
use albatross::domain::roles::{Role, Scope};
use albatross::domain::tenant::{Limits, Profile, RegistrationPolicy, Settings, TenantEvent};
use albatross::domain::user::{ApiKeyGrant, Registration, UserEvent};
use jiff::Timestamp;
use uuid::Uuid;

pub const SUBJECT: UserId = UserId(Uuid::from_u128(0xA1BA));

/// Never change a sample that a golden line exists for: add another.
pub fn samples() -> Vec<(&'static str, DomainEvent)> {
    let mut samples = tenant();
    samples.extend(user());
    samples.extend(pirep());
    samples.extend(catalogue());
    samples
}

fn at(microseconds: i64) -> Timestamp {
    Timestamp::from_microsecond(microseconds).unwrap()
}

fn tenant() -> Vec<(&'static str, DomainEvent)> {
    let profile = |name: &str| Profile {
        display_name: name.into(),
        icao_code: "SKY".into(),
        public_url: "http://skyways.localhost:8080".into(),
        limits: Limits::default(),
    };
    let limited = Profile {
        limits: Limits {
            pilots: Some(20),
            pireps_per_day: Some(300),
            storage_bytes: None,
        },
        ..profile("Skyways")
    };
    let roomy = Profile {
        limits: Limits {
            storage_bytes: Some(20 << 30),
            ..Limits::default()
        },
        ..profile("Skyways")
    };
    let events = [
        (
            "tenant-created",
            TenantEvent::Created {
                name: "skyways".into(),
                profile: profile("Skyways"),
            },
        ),
        (
            "tenant-changed",
            TenantEvent::Changed {
                profile: profile("Skyways Ünited"),
            },
        ),
        (
            "tenant-changed-with-limits",
            TenantEvent::Changed { profile: limited },
        ),
        (
            "tenant-changed-with-storage",
            TenantEvent::Changed { profile: roomy },
        ),
        (
            "desired-state-applied",
            TenantEvent::DesiredStateApplied { number: u64::MAX },
        ),
        (
            "settings-changed",
            TenantEvent::SettingsChanged(Settings {
                self_review: true,
                accent_color: Some("#1e40af".into()),
                ..Settings::default()
            }),
        ),
        (
            "settings-changed-to-approval",
            TenantEvent::SettingsChanged(Settings {
                registration: RegistrationPolicy::Approval,
                ..Settings::default()
            }),
        ),
        (
            "settings-changed-to-invite-only",
            TenantEvent::SettingsChanged(Settings {
                registration: RegistrationPolicy::InviteOnly,
                ..Settings::default()
            }),
        ),
        (
            "settings-changed-to-defaults",
            TenantEvent::SettingsChanged(Settings::default()),
        ),
        ("rules-changed", TenantEvent::RulesChanged(every_rule())),
        (
            "rules-changed-to-accept-by-rank",
            TenantEvent::RulesChanged(Rules {
                version: 4,
                rules: vec![Rule::RankAutoAccept {
                    least_rank: "First officer".into(),
                }],
            }),
        ),
        (
            "rules-changed-to-none",
            TenantEvent::RulesChanged(Rules {
                version: i32::MAX,
                rules: Vec::new(),
            }),
        ),
        ("ranks-changed", TenantEvent::RanksChanged(ranks())),
        (
            "ranks-changed-to-none",
            TenantEvent::RanksChanged(Vec::new()),
        ),
        (
            "pirep-fields-changed",
            TenantEvent::PirepFieldsChanged(declared()),
        ),
    ];
    events.map(|(name, event)| (name, event.into())).into()
}

fn ranks() -> Vec<Rank> {
    let ranks = [("Cadet", 0), ("Captain", 1_000)];
    let ranks = ranks.map(|(name, min_hours)| Rank {
        name: name.into(),
        min_hours,
    });
    ranks.into()
}

fn declared() -> Vec<PirepField> {
    let choice = PirepField {
        key: "weather".into(),
        label: "Weather".into(),
        kind: FieldKind::Choice,
        choices: vec!["CAVOK".into(), "storms".into()],
        required: true,
    };
    let others = [FieldKind::Text, FieldKind::Number, FieldKind::Flag];
    let others = others.map(|kind| PirepField {
        key: kind.as_str().to_lowercase(),
        label: kind.as_str().into(),
        kind,
        choices: Vec::new(),
        required: false,
    });
    [choice].into_iter().chain(others).collect()
}

fn user() -> Vec<(&'static str, DomainEvent)> {
    let grant = ApiKeyGrant {
        key_id: KeyId::parse("0123456789ab").unwrap(),
        name: "my laptop".into(),
        scopes: Scope::ALL.iter().copied().collect(),
        expires_at: Some(at(1_800_000_000_123_456)),
        managed: true,
    };
    let person = Registration {
        email: Some("ada@skyways.example".into()),
        display_name: "Ada Łovelace ✈".into(),
        callsign: Some("SKY1".into()),
        roles: Role::ALL.into_iter().collect(),
        managed: true,
        machine: false,
        pending: true,
    };
    let machine = Registration {
        email: None,
        display_name: "airline-clients/skyways-acars".into(),
        callsign: None,
        roles: Role::Pilot.into(),
        managed: false,
        machine: true,
        pending: false,
    };
    let events = [
        ("user-registered", UserEvent::Registered(person)),
        ("user-registered-machine", UserEvent::Registered(machine)),
        (
            "management-changed",
            UserEvent::ManagementChanged { managed: true },
        ),
        (
            "roles-changed",
            UserEvent::RolesChanged {
                roles: [Role::Reviewer, Role::Pilot].into_iter().collect(),
            },
        ),
        ("user-approved", UserEvent::Approved),
        (
            "user-suspended",
            UserEvent::Suspended {
                reason: "no flight in a year".into(),
            },
        ),
        ("user-reinstated", UserEvent::Reinstated),
        ("password-changed", UserEvent::PasswordChanged),
        (
            "profile-changed",
            UserEvent::ProfileChanged {
                display_name: "Ada".into(),
                callsign: None,
            },
        ),
        ("api-key-issued", UserEvent::ApiKeyIssued(grant.clone())),
        (
            "api-key-changed",
            UserEvent::ApiKeyChanged(ApiKeyGrant {
                scopes: [Scope::PirepsRead].into(),
                expires_at: None,
                managed: false,
                ..grant.clone()
            }),
        ),
        (
            "api-key-revoked",
            UserEvent::ApiKeyRevoked {
                key_id: grant.key_id.clone(),
            },
        ),
        (
            "login-link-issued",
            UserEvent::LoginLinkIssued {
                link_id: grant.key_id,
                expires_at: at(1_800_000_000_000_001),
            },
        ),
        ("user-erased", UserEvent::Erased),
    ];
    events.map(|(name, event)| (name, event.into())).into()
}

fn plan() -> Plan {
    Plan {
        flight_number: Some("ELY1747".into()),
        callsign: Some("ELY1747".into()),
        departure: Some("LIRF".into()),
        arrival: Some("LLBG".into()),
        alternate: Some("LCLK".into()),
        aircraft_type: Some("B744".into()),
        registration: Some("4X-ELC".into()),
        network: Some("Offline".into()),
        route: Some("SOSAK UM603 SOR UN134".into()),
        planned_off_block_at: Some(at(1_777_000_000_000_000)),
        planned_on_block_at: Some(at(1_777_010_000_000_000)),
        cruise_level_ft: Some(35_000),
        fuel_planned_kg: Some(61_000),
        passengers: Some(403),
        cargo_kg: Some(0),
    }
}

fn report() -> Report {
    Report {
        off_block_at: Some(at(1_777_000_000_000_001)),
        take_off_at: Some(at(1_777_000_900_000_000)),
        landing_at: Some(at(1_777_009_000_000_000)),
        on_block_at: Some(at(1_777_009_600_999_999)),
        actual_arrival: Some("LLBG".into()),
        block_time_min: Some(160),
        flight_time_min: Some(135),
        distance_centi_nmi: Some(123_456),
        fuel_used_kg: Some(42_000),
        zero_fuel_weight_kg: Some(230_000),
        landing_rate_fpm: Some(-182),
        g_force_milli: Some(1_190),
    }
}

fn fields() -> CustomFields {
    let values = [("gate", "Roma 12"), ("smooth~", "\"yes\"")];
    let values = values.map(|(key, value)| (key.to_owned(), value.to_owned()));
    values.into()
}

fn pirep() -> Vec<(&'static str, DomainEvent)> {
    let by = Some(UserId(Uuid::from_u128(0xB0B)));
    let filing = Filing {
        pilot: SUBJECT,
        source: Source {
            kind: SourceKind::Acars,
            client: Some("file-a-flight 0.1".into()),
        },
        plan: plan(),
        report: report(),
        remarks: Some("Smooth.\nThanks, Roma!".into()),
        custom_fields: None,
        bid: None,
        scheduled_flight: None,
    };
    let bare = Filing {
        source: Source {
            kind: SourceKind::Manual,
            client: None,
        },
        plan: Plan::default(),
        report: Report::default(),
        remarks: None,
        ..filing.clone()
    };
    let booked = Filing {
        custom_fields: Some(fields().into()),
        bid: Some(BidId(Uuid::from_u128(0xB1D))),
        scheduled_flight: Some(ScheduledFlightId(Uuid::from_u128(0x5CED))),
        ..bare.clone()
    };
    let events = [
        ("pirep-prefiled-on-a-bid", PirepEvent::Prefiled(booked)),
        (
            "pirep-edited-custom-fields",
            PirepEvent::Edited(Edit {
                custom_fields: Some(fields().into()),
                ..Edit::default()
            }),
        ),
        ("pirep-drafted", PirepEvent::Drafted(bare)),
        ("pirep-prefiled", PirepEvent::Prefiled(filing)),
        (
            "pirep-edited",
            PirepEvent::Edited(Edit {
                plan: Some(plan()),
                report: Some(report()),
                remarks: Some("".into()),
                reason: Some("wrong aircraft".into()),
                custom_fields: None,
            }),
        ),
        ("pirep-edited-nothing", PirepEvent::Edited(Edit::default())),
        (
            "pirep-merged",
            PirepEvent::Merged {
                report: report(),
                last_sequence: Some(0),
            },
        ),
        ("flight-paused", PirepEvent::Paused),
        ("flight-resumed", PirepEvent::Resumed),
        (
            "pirep-submitted",
            PirepEvent::Submitted {
                report: report(),
                last_sequence: Some(2_109),
                held: true,
            },
        ),
        ("pirep-withdrawn", PirepEvent::Withdrawn),
        (
            "flight-reached-take-off",
            PirepEvent::Reached {
                milestone: Milestone::TakeOff,
                at: Timestamp::from_microsecond(1_777_000_000_000_001).unwrap(),
            },
        ),
        (
            "pirep-asked",
            PirepEvent::Asked {
                question: "Which runway?".into(),
            },
        ),
        (
            "pirep-answered",
            PirepEvent::Answered {
                answer: "Runway 12.".into(),
            },
        ),
        (
            "pirep-accepted",
            PirepEvent::Accepted {
                by,
                credit: Credit::Full,
                comment: Some("Well flown.".into()),
            },
        ),
        (
            "pirep-accepted-by-rule",
            PirepEvent::Accepted {
                by: None,
                credit: Credit::Hours,
                comment: None,
            },
        ),
        (
            "pirep-rejected",
            PirepEvent::Rejected {
                by,
                reason: "Too hard a landing.".into(),
                credit: Credit::None,
            },
        ),
        (
            "pirep-reopened",
            PirepEvent::Reopened {
                reason: "Wrong button.".into(),
            },
        ),
        (
            "pirep-appealed",
            PirepEvent::Appealed {
                comment: "The sensor lies.".into(),
            },
        ),
        (
            "pirep-cancelled",
            PirepEvent::Cancelled {
                reason: Some("Simulator crashed.".into()),
            },
        ),
        ("pirep-restored", PirepEvent::Restored),
        ("pirep-discarded", PirepEvent::Discarded),
        ("track-started", PirepEvent::TrackStarted),
        (
            "pirep-commented",
            PirepEvent::Commented {
                comment: "See you in Roma.".into(),
            },
        ),
        (
            "pirep-commented-by-an-erased-person",
            PirepEvent::Commented {
                comment: Personal::Erased,
            },
        ),
        (
            "pirep-reviewed",
            PirepEvent::Reviewed(Box::new(Review {
                rules_version: 3,
                answer: Answer::Reject,
                inputs: Inputs {
                    aircraft_type: Some("B744".into()),
                    block_time_min: Some(252),
                    landing_rate_fpm: Some(-742),
                    distance_centi_nmi: Some(121_950),
                    last_sequence: Some(2_109),
                    track: TrackInputs {
                        positions: 2_110,
                        great_circle_centi_nmi: Some(120_873),
                        largest_gap_s: Some(31),
                    },
                    held: true,
                    pilot: None,
                },
                findings: vec![
                    Finding {
                        rule: "maxLandingRate".into(),
                        answer: Answer::Reject,
                        measured: Some("-742 fpm".into()),
                        limit: "down to -600 fpm".into(),
                    },
                    Finding {
                        rule: "minBlockTime".into(),
                        answer: Answer::Hold,
                        measured: None,
                        limit: "at least 20 min".into(),
                    },
                ],
            })),
        ),
        (
            "pirep-reviewed-by-rank",
            PirepEvent::Reviewed(Box::new(Review {
                rules_version: 4,
                answer: Answer::Accept,
                inputs: Inputs {
                    pilot: Some(PilotInputs {
                        counted_min: 6_001,
                        ranks: vec!["First officer".into(), "Captain".into()],
                    }),
                    ..Inputs::default()
                },
                findings: vec![Finding {
                    rule: "rankAutoAccept".into(),
                    answer: Answer::Accept,
                    measured: Some("Captain".into()),
                    limit: "First officer or above".into(),
                }],
            })),
        ),
        (
            "pirep-reviewed-and-accepted-unseen",
            PirepEvent::Reviewed(Box::new(Review {
                rules_version: 1,
                answer: Answer::Accept,
                inputs: Inputs::default(),
                findings: Vec::new(),
            })),
        ),
    ];
    events.map(|(name, event)| (name, event.into())).into()
}

fn every_rule() -> Rules {
    let (hold, reject) = (Answer::Hold, Answer::Reject);
    Rules {
        version: 3,
        rules: vec![
            Rule::MinBlockTime {
                least_min: 20,
                otherwise: hold,
            },
            Rule::MaxLandingRate {
                most_fpm: 600,
                otherwise: reject,
            },
            Rule::DistanceRatio {
                least_percent: 95,
                most_percent: 140,
                otherwise: hold,
            },
            Rule::AircraftTypes {
                types: vec!["B744".into(), "A320".into()],
                otherwise: reject,
            },
            Rule::MaxTrackGap {
                most_s: 300,
                otherwise: hold,
            },
            Rule::AutoAccept,
        ],
    }
}

fn catalogue() -> Vec<(&'static str, DomainEvent)> {
    let aircraft = Aircraft {
        registration: "4X-ELC".into(),
        aircraft_type: "B744".into(),
        name: Some("Beer Sheva".into()),
    };
    let bare = Aircraft {
        name: None,
        ..aircraft.clone()
    };
    let flight = ScheduledFlight {
        flight_number: "ELY386".into(),
        callsign: Some("ELY386".into()),
        departure: "LIRF".into(),
        arrival: "LLBG".into(),
        aircraft_types: ["B744".into(), "B738".into()].into(),
        route: Some("SOSAK UM603 SOR UN134".into()),
        cruise_level_ft: Some(35_000),
        off_block_minute_utc: Some(575),
        block_time_min: Some(210),
        days_of_week: [1, 5, 7].into(),
    };
    let daily = ScheduledFlight {
        flight_number: "ELY1".into(),
        departure: "LLBG".into(),
        arrival: "KJFK".into(),
        ..ScheduledFlight::default()
    };
    let of_aircraft = [
        ("aircraft-added", ItemEvent::Added(aircraft)),
        ("aircraft-changed", ItemEvent::Changed(bare)),
        ("aircraft-archived", ItemEvent::Archived),
        ("aircraft-restored", ItemEvent::Restored),
    ];
    let of_schedule = [
        ("flight-scheduled", ItemEvent::Added(flight)),
        ("scheduled-flight-changed", ItemEvent::Changed(daily)),
        ("scheduled-flight-archived", ItemEvent::Archived),
        ("scheduled-flight-restored", ItemEvent::Restored),
    ];
    let of_aircraft = of_aircraft.map(|(name, event)| (name, event.into()));
    let of_schedule = of_schedule.map(|(name, event)| (name, event.into()));
    let bid = BidId(Uuid::from_u128(0xB1D));
    let made = BidEvent::Made {
        pilot: SUBJECT,
        bid,
        flight: ScheduledFlightId(Uuid::from_u128(0x5CED)),
        expires_at: at(1_800_000_000_000_001),
    };
    let of_bids = [
        ("bid-made", made.into()),
        ("bid-withdrawn", BidEvent::Withdrawn { bid }.into()),
    ];
    let all = of_aircraft.into_iter().chain(of_schedule);
    all.chain(of_bids).collect()
}
