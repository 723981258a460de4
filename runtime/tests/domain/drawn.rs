//! Events of every kind, drawn at random, for what must hold of them all.

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
use albatross::domain::roles::{Role, Roles, Scope};
use albatross::domain::tenant::{Limits, Profile, RegistrationPolicy, Settings, TenantEvent};
use albatross::domain::user::{ApiKeyGrant, Registration, UserEvent};
use albatross_proto::v1::{EventKind, ReviewRuleKind};
use jiff::Timestamp;
use proptest::collection::{btree_map, btree_set, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use uuid::Uuid;

/// All kinds that there are.
pub fn kinds() -> impl Iterator<Item = EventKind> {
    (1..=i16::MAX).filter_map(|kind| EventKind::try_from(i32::from(kind)).ok())
}

/// An event of some kind.
pub fn event() -> impl Strategy<Value = DomainEvent> {
    select(kinds().collect::<Vec<_>>()).prop_flat_map(of)
}

/// One event of each kind, in their order.
pub fn each() -> impl Strategy<Value = Vec<DomainEvent>> {
    kinds().map(of).collect::<Vec<_>>()
}

/// A kind without a row here does not compile.
fn of(kind: EventKind) -> BoxedStrategy<DomainEvent> {
    use EventKind as K;
    match kind {
        K::Unspecified => panic!("no event is of this kind"),

        K::TenantCreated => drawn(
            (text(), profile()).prop_map(|(name, profile)| TenantEvent::Created { name, profile }),
        ),
        K::TenantChanged => drawn(profile().prop_map(|profile| TenantEvent::Changed { profile })),
        K::DesiredStateApplied => {
            drawn(any::<u64>().prop_map(|number| TenantEvent::DesiredStateApplied { number }))
        }
        K::SettingsChanged => drawn(settings().prop_map(TenantEvent::SettingsChanged)),
        K::RulesChanged => drawn(rules().prop_map(TenantEvent::RulesChanged)),
        K::RanksChanged => drawn(vec(rank(), 0..5).prop_map(TenantEvent::RanksChanged)),
        K::PirepFieldsChanged => {
            drawn(vec(pirep_field(), 0..5).prop_map(TenantEvent::PirepFieldsChanged))
        }

        K::UserRegistered => drawn(registration().prop_map(UserEvent::Registered)),
        K::ManagementChanged => {
            drawn(any::<bool>().prop_map(|managed| UserEvent::ManagementChanged { managed }))
        }
        K::RolesChanged => drawn(roles().prop_map(|roles| UserEvent::RolesChanged { roles })),
        K::UserApproved => drawn(Just(UserEvent::Approved)),
        K::UserSuspended => drawn(personal().prop_map(|reason| UserEvent::Suspended { reason })),
        K::UserReinstated => drawn(Just(UserEvent::Reinstated)),
        K::PasswordChanged => drawn(Just(UserEvent::PasswordChanged)),
        K::ProfileChanged => drawn((personal(), option::of(personal())).prop_map(
            |(display_name, callsign)| UserEvent::ProfileChanged {
                display_name,
                callsign,
            },
        )),
        K::ApiKeyIssued => drawn(grant().prop_map(UserEvent::ApiKeyIssued)),
        K::ApiKeyChanged => drawn(grant().prop_map(UserEvent::ApiKeyChanged)),
        K::ApiKeyRevoked => drawn(key_id().prop_map(|key_id| UserEvent::ApiKeyRevoked { key_id })),
        K::LoginLinkIssued => {
            drawn(
                (key_id(), time()).prop_map(|(link_id, expires_at)| UserEvent::LoginLinkIssued {
                    link_id,
                    expires_at,
                }),
            )
        }
        K::UserErased => drawn(Just(UserEvent::Erased)),

        K::PirepDrafted => drawn(filing().prop_map(PirepEvent::Drafted)),
        K::PirepPrefiled => drawn(filing().prop_map(PirepEvent::Prefiled)),
        K::PirepEdited => drawn(edit().prop_map(PirepEvent::Edited)),
        K::PirepMerged => drawn((report(), option::of(any::<i32>())).prop_map(
            |(report, last_sequence)| PirepEvent::Merged {
                report,
                last_sequence,
            },
        )),
        K::FlightPaused => drawn(Just(PirepEvent::Paused)),
        K::FlightResumed => drawn(Just(PirepEvent::Resumed)),
        K::MilestoneReached => drawn(
            (select(Milestone::ALL.to_vec()), time())
                .prop_map(|(milestone, at)| PirepEvent::Reached { milestone, at }),
        ),
        K::PirepSubmitted => drawn(
            (report(), option::of(any::<i32>()), any::<bool>()).prop_map(
                |(report, last_sequence, held)| PirepEvent::Submitted {
                    report,
                    last_sequence,
                    held,
                },
            ),
        ),
        K::PirepReviewed => {
            drawn(review().prop_map(|review| PirepEvent::Reviewed(Box::new(review))))
        }
        K::PirepWithdrawn => drawn(Just(PirepEvent::Withdrawn)),
        K::PirepAsked => drawn(personal().prop_map(|question| PirepEvent::Asked { question })),
        K::PirepAnswered => drawn(personal().prop_map(|answer| PirepEvent::Answered { answer })),
        K::PirepAccepted => drawn((by(), credit(), option::of(personal())).prop_map(
            |(by, credit, comment)| PirepEvent::Accepted {
                by,
                credit,
                comment,
            },
        )),
        K::PirepRejected => {
            drawn(
                (by(), personal(), credit())
                    .prop_map(|(by, reason, credit)| PirepEvent::Rejected { by, reason, credit }),
            )
        }
        K::PirepReopened => drawn(personal().prop_map(|reason| PirepEvent::Reopened { reason })),
        K::PirepAppealed => drawn(personal().prop_map(|comment| PirepEvent::Appealed { comment })),
        K::PirepCancelled => {
            drawn(option::of(personal()).prop_map(|reason| PirepEvent::Cancelled { reason }))
        }
        K::PirepRestored => drawn(Just(PirepEvent::Restored)),
        K::PirepDiscarded => drawn(Just(PirepEvent::Discarded)),
        K::PirepCommented => {
            drawn(personal().prop_map(|comment| PirepEvent::Commented { comment }))
        }
        K::TrackStarted => drawn(Just(PirepEvent::TrackStarted)),

        K::AircraftAdded => drawn(aircraft().prop_map(ItemEvent::Added)),
        K::AircraftChanged => drawn(aircraft().prop_map(ItemEvent::Changed)),
        K::AircraftArchived => drawn(Just(ItemEvent::<Aircraft>::Archived)),
        K::AircraftRestored => drawn(Just(ItemEvent::<Aircraft>::Restored)),
        K::FlightScheduled => drawn(scheduled_flight().prop_map(ItemEvent::Added)),
        K::ScheduledFlightChanged => drawn(scheduled_flight().prop_map(ItemEvent::Changed)),
        K::ScheduledFlightArchived => drawn(Just(ItemEvent::<ScheduledFlight>::Archived)),
        K::ScheduledFlightRestored => drawn(Just(ItemEvent::<ScheduledFlight>::Restored)),

        K::BidMade => drawn((id(), id(), id(), time()).prop_map(
            |(pilot, bid, flight, expires_at)| BidEvent::Made {
                pilot,
                bid,
                flight,
                expires_at,
            },
        )),
        K::BidWithdrawn => drawn(id().prop_map(|bid| BidEvent::Withdrawn { bid })),
    }
}

fn drawn<E: Into<DomainEvent> + 'static>(
    events: impl Strategy<Value = E> + 'static,
) -> BoxedStrategy<DomainEvent> {
    events.prop_map(Into::into).boxed()
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[ -~]{0,40}", any::<String>()]
}

fn personal() -> impl Strategy<Value = Personal<String>> {
    prop_oneof![
        9 => text().prop_map(Personal::Known),
        1 => Just(Personal::Erased),
    ]
}

fn time() -> impl Strategy<Value = Timestamp> {
    let least = Timestamp::MIN.as_microsecond();
    let most = Timestamp::MAX.as_microsecond();
    let last_second = most - 999_999..=most;
    prop_oneof![8 => least..=most, 1 => last_second, 1 => Just(least)].prop_map(at)
}

/// Of all times that there are, where jiff's own `from_microsecond` leaves out the last second.
pub fn at(microseconds: i64) -> Timestamp {
    let nanoseconds = microseconds.rem_euclid(1_000_000) as i32 * 1_000;
    Timestamp::new(microseconds.div_euclid(1_000_000), nanoseconds).unwrap()
}

fn id<Id: From<Uuid> + std::fmt::Debug>() -> impl Strategy<Value = Id> {
    any::<u128>().prop_map(|id| Id::from(Uuid::from_u128(id)))
}

fn key_id() -> impl Strategy<Value = KeyId> {
    "[0-9A-Za-z]{12}".prop_map(|id| KeyId::parse(&id).unwrap())
}

fn profile() -> impl Strategy<Value = Profile> {
    let limits = (
        option::of(any::<u32>()),
        option::of(any::<u32>()),
        option::of(any::<u64>()),
    )
        .prop_map(|(pilots, pireps_per_day, storage_bytes)| Limits {
            pilots,
            pireps_per_day,
            storage_bytes,
        });
    (text(), text(), text(), limits).prop_map(|(display_name, icao_code, public_url, limits)| {
        Profile {
            display_name,
            icao_code,
            public_url,
            limits,
        }
    })
}

fn settings() -> impl Strategy<Value = Settings> {
    let registration = select(RegistrationPolicy::ALL.to_vec());
    (any::<bool>(), option::of(text()), registration).prop_map(
        |(self_review, accent_color, registration)| Settings {
            self_review,
            accent_color,
            registration,
        },
    )
}

fn rules() -> impl Strategy<Value = Rules> {
    let kinds = (1..=i16::MAX).filter_map(|it| ReviewRuleKind::try_from(i32::from(it)).ok());
    let each = kinds.map(rule).collect::<Vec<_>>();
    (any::<i32>(), each).prop_map(|(version, rules)| Rules { version, rules })
}

/// A kind without a row here does not compile.
fn rule(kind: ReviewRuleKind) -> BoxedStrategy<Rule> {
    use ReviewRuleKind as K;
    match kind {
        K::Unspecified => panic!("no rule is of this kind"),
        K::MinBlockTime => (any::<i32>(), answer())
            .prop_map(|(least_min, otherwise)| Rule::MinBlockTime {
                least_min,
                otherwise,
            })
            .boxed(),
        K::MaxLandingRate => (any::<i32>(), answer())
            .prop_map(|(most_fpm, otherwise)| Rule::MaxLandingRate {
                most_fpm,
                otherwise,
            })
            .boxed(),
        K::DistanceRatio => (any::<i32>(), any::<i32>(), answer())
            .prop_map(
                |(least_percent, most_percent, otherwise)| Rule::DistanceRatio {
                    least_percent,
                    most_percent,
                    otherwise,
                },
            )
            .boxed(),
        K::AircraftTypes => (vec(text(), 0..4), answer())
            .prop_map(|(types, otherwise)| Rule::AircraftTypes { types, otherwise })
            .boxed(),
        K::MaxTrackGap => (any::<i32>(), answer())
            .prop_map(|(most_s, otherwise)| Rule::MaxTrackGap { most_s, otherwise })
            .boxed(),
        K::AutoAccept => Just(Rule::AutoAccept).boxed(),
        K::RankAutoAccept => text()
            .prop_map(|least_rank| Rule::RankAutoAccept { least_rank })
            .boxed(),
    }
}

fn answer() -> impl Strategy<Value = Answer> {
    select(vec![Answer::Accept, Answer::Hold, Answer::Reject])
}

fn rank() -> impl Strategy<Value = Rank> {
    (text(), any::<u32>()).prop_map(|(name, min_hours)| Rank { name, min_hours })
}

fn pirep_field() -> impl Strategy<Value = PirepField> {
    let kind = select(FieldKind::ALL.to_vec());
    (text(), text(), kind, vec(text(), 0..4), any::<bool>()).prop_map(
        |(key, label, kind, choices, required)| PirepField {
            key,
            label,
            kind,
            choices,
            required,
        },
    )
}

fn roles() -> impl Strategy<Value = Roles> {
    subsequence(Role::ALL.to_vec(), 0..=Role::ALL.len())
        .prop_map(|roles| roles.into_iter().collect())
}

fn registration() -> impl Strategy<Value = Registration> {
    let names = (option::of(personal()), personal(), option::of(personal()));
    (names, roles(), any::<[bool; 3]>()).prop_map(|(names, roles, flags)| Registration {
        email: names.0,
        display_name: names.1,
        callsign: names.2,
        roles,
        managed: flags[0],
        machine: flags[1],
        pending: flags[2],
    })
}

fn grant() -> impl Strategy<Value = ApiKeyGrant> {
    let scopes = btree_set(select(Scope::ALL.to_vec()), 0..=Scope::ALL.len());
    let times = option::of(time());
    (key_id(), personal(), scopes, times, any::<bool>()).prop_map(
        |(key_id, name, scopes, expires_at, managed)| ApiKeyGrant {
            key_id,
            name,
            scopes,
            expires_at,
            managed,
        },
    )
}

fn plan() -> impl Strategy<Value = Plan> {
    let texts = vec(option::of(text()), 9);
    let times = (option::of(time()), option::of(time()));
    (texts, times, vec(option::of(any::<i32>()), 4)).prop_map(|(texts, times, numbers)| {
        let mut texts = texts.into_iter();
        let mut text = || texts.next().flatten();
        Plan {
            flight_number: text(),
            callsign: text(),
            departure: text(),
            arrival: text(),
            alternate: text(),
            aircraft_type: text(),
            registration: text(),
            network: text(),
            route: text(),
            planned_off_block_at: times.0,
            planned_on_block_at: times.1,
            cruise_level_ft: numbers[0],
            fuel_planned_kg: numbers[1],
            passengers: numbers[2],
            cargo_kg: numbers[3],
        }
    })
}

fn report() -> impl Strategy<Value = Report> {
    let times = vec(option::of(time()), 4);
    let numbers = vec(option::of(any::<i32>()), 7);
    (times, option::of(text()), numbers).prop_map(|(times, actual_arrival, numbers)| Report {
        off_block_at: times[0],
        take_off_at: times[1],
        landing_at: times[2],
        on_block_at: times[3],
        actual_arrival,
        block_time_min: numbers[0],
        flight_time_min: numbers[1],
        distance_centi_nmi: numbers[2],
        fuel_used_kg: numbers[3],
        zero_fuel_weight_kg: numbers[4],
        landing_rate_fpm: numbers[5],
        g_force_milli: numbers[6],
    })
}

fn fields() -> impl Strategy<Value = Option<Personal<CustomFields>>> {
    let known = btree_map(text(), text(), 0..4).prop_map(Personal::Known);
    option::of(prop_oneof![9 => known, 1 => Just(Personal::Erased)])
}

fn filing() -> impl Strategy<Value = Filing> {
    let kind = select(vec![SourceKind::Manual, SourceKind::Acars]);
    let source = (kind, option::of(text()));
    let content = (plan(), report(), option::of(personal()), fields());
    let flown = (
        option::of(id::<BidId>()),
        option::of(id::<ScheduledFlightId>()),
    );
    (id(), source, content, flown).prop_map(|(pilot, (kind, client), content, flown)| {
        let (plan, report, remarks, custom_fields) = content;
        Filing {
            pilot,
            source: Source { kind, client },
            plan,
            report,
            remarks,
            custom_fields,
            bid: flown.0,
            scheduled_flight: flown.1,
        }
    })
}

fn edit() -> impl Strategy<Value = Edit> {
    let texts = (option::of(personal()), option::of(personal()));
    (option::of(plan()), option::of(report()), texts, fields()).prop_map(
        |(plan, report, (remarks, reason), custom_fields)| Edit {
            plan,
            report,
            remarks,
            custom_fields,
            reason,
        },
    )
}

fn credit() -> impl Strategy<Value = Credit> {
    select(vec![Credit::Full, Credit::Hours, Credit::None])
}

fn by() -> impl Strategy<Value = Option<UserId>> {
    option::of(id())
}

fn review() -> impl Strategy<Value = Review> {
    (any::<i32>(), answer(), inputs(), vec(finding(), 0..4)).prop_map(
        |(rules_version, answer, inputs, findings)| Review {
            rules_version,
            answer,
            inputs,
            findings,
        },
    )
}

fn inputs() -> impl Strategy<Value = Inputs> {
    let track =
        (any::<i64>(), vec(option::of(any::<i32>()), 2)).prop_map(|(positions, numbers)| {
            TrackInputs {
                positions,
                great_circle_centi_nmi: numbers[0],
                largest_gap_s: numbers[1],
            }
        });
    let pilot = (any::<i64>(), vec(text(), 0..4))
        .prop_map(|(counted_min, ranks)| PilotInputs { counted_min, ranks });
    let numbers = vec(option::of(any::<i32>()), 4);
    (
        option::of(text()),
        numbers,
        track,
        any::<bool>(),
        option::of(pilot),
    )
        .prop_map(|(aircraft_type, numbers, track, held, pilot)| Inputs {
            aircraft_type,
            block_time_min: numbers[0],
            landing_rate_fpm: numbers[1],
            distance_centi_nmi: numbers[2],
            last_sequence: numbers[3],
            track,
            held,
            pilot,
        })
}

fn finding() -> impl Strategy<Value = Finding> {
    (text(), answer(), option::of(text()), text()).prop_map(|(rule, answer, measured, limit)| {
        Finding {
            rule,
            answer,
            measured,
            limit,
        }
    })
}

fn aircraft() -> impl Strategy<Value = Aircraft> {
    (text(), text(), option::of(text())).prop_map(|(registration, aircraft_type, name)| Aircraft {
        registration,
        aircraft_type,
        name,
    })
}

fn scheduled_flight() -> impl Strategy<Value = ScheduledFlight> {
    let route = (text(), text(), option::of(text()));
    let types = btree_set(text(), 0..4);
    let numbers = vec(option::of(any::<i32>()), 3);
    let days = btree_set(any::<u8>(), 0..8);
    (text(), option::of(text()), route, types, numbers, days).prop_map(
        |(flight_number, callsign, route, aircraft_types, numbers, days_of_week)| ScheduledFlight {
            flight_number,
            callsign,
            departure: route.0,
            arrival: route.1,
            aircraft_types,
            route: route.2,
            cruise_level_ft: numbers[0],
            off_block_minute_utc: numbers[1],
            block_time_min: numbers[2],
            days_of_week,
        },
    )
}
