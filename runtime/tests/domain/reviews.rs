//! What review rules say of a flight, and what follows from it.

use albatross::domain::actor::{Actor, KeyUse, Person};
use albatross::domain::catalogue::Rank;
use albatross::domain::ids::KeyId;
use albatross::domain::pirep::{
    Credit, Pirep, PirepCommand, PirepEvent, PirepState, SourceKind, Verdict,
};
use albatross::domain::refusal::{Faults, RefusalKind};
use albatross::domain::review::{
    Answer, Inputs, PilotInputs, Review, Rule, Rules, TrackInputs, check,
};
use albatross::domain::roles::{Role, Scope};
use albatross::domain::tenant::{Limits, Profile, Tenant, TenantCommand, TenantEvent};
use rstest::rstest;

use crate::given::{ADMIN, Given, admin, pilot, reviewer};
use crate::life_cycle::{accepted, filing, submitted};
use Answer::{Accept, Hold, Reject};

const RULES: Actor = Actor::System("review-rules");

/// A whole flight that keeps every limit below.
fn flown() -> Inputs {
    Inputs {
        aircraft_type: Some("B744".into()),
        block_time_min: Some(60),
        landing_rate_fpm: Some(-300),
        distance_centi_nmi: Some(110_000),
        last_sequence: Some(99),
        track: TrackInputs {
            positions: 100,
            great_circle_centi_nmi: Some(100_000),
            largest_gap_s: Some(30),
        },
        held: false,
        pilot: Some(PilotInputs {
            counted_min: 6_000,
            ranks: vec!["First officer".into(), "Captain".into()],
        }),
    }
}

fn block_time(otherwise: Answer) -> Rule {
    Rule::MinBlockTime {
        least_min: 60,
        otherwise,
    }
}

fn landing(otherwise: Answer) -> Rule {
    Rule::MaxLandingRate {
        most_fpm: 300,
        otherwise,
    }
}

fn distance() -> Rule {
    Rule::DistanceRatio {
        least_percent: 95,
        most_percent: 110,
        otherwise: Reject,
    }
}

fn types() -> Rule {
    Rule::AircraftTypes {
        types: vec!["A320".into(), "B744".into()],
        otherwise: Reject,
    }
}

fn gap() -> Rule {
    Rule::MaxTrackGap {
        most_s: 30,
        otherwise: Reject,
    }
}

fn review(rules: Vec<Rule>, inputs: &Inputs) -> Review {
    Rules { version: 7, rules }.review(inputs)
}

type Change = fn(&mut Inputs);

/// Given a flight that keeps the limit to the last unit, when one thing changes, then the rule says and shows this.
#[rstest]
#[case(block_time(Reject), |_: &mut Inputs| {}, Accept, Some("60 min"), "at least 60 min")]
#[case(block_time(Reject), |it: &mut Inputs| it.block_time_min = Some(59), Reject, Some("59 min"), "at least 60 min")]
#[case(block_time(Hold), |it: &mut Inputs| it.block_time_min = Some(59), Hold, Some("59 min"), "at least 60 min")]
#[case(block_time(Reject), |it: &mut Inputs| it.block_time_min = None, Hold, None, "at least 60 min")]
#[case(landing(Reject), |_: &mut Inputs| {}, Accept, Some("-300 fpm"), "no harder than -300 fpm")]
#[case(landing(Reject), |it: &mut Inputs| it.landing_rate_fpm = Some(-301), Reject, Some("-301 fpm"), "no harder than -300 fpm")]
#[case(landing(Reject), |it: &mut Inputs| it.landing_rate_fpm = Some(12), Accept, Some("12 fpm"), "no harder than -300 fpm")]
#[case(landing(Reject), |it: &mut Inputs| it.landing_rate_fpm = None, Hold, None, "no harder than -300 fpm")]
#[case(distance(), |_: &mut Inputs| {}, Accept, Some("110 %"), "95 to 110 %")]
#[case(distance(), |it: &mut Inputs| it.distance_centi_nmi = Some(95_000), Accept, Some("95 %"), "95 to 110 %")]
#[case(distance(), |it: &mut Inputs| it.distance_centi_nmi = Some(94_000), Reject, Some("94 %"), "95 to 110 %")]
#[case(distance(), |it: &mut Inputs| it.distance_centi_nmi = Some(111_000), Reject, Some("111 %"), "95 to 110 %")]
#[case(distance(), |it: &mut Inputs| it.distance_centi_nmi = Some(i32::MAX), Reject, Some("2147484 %"), "95 to 110 %")]
#[case(distance(), |it: &mut Inputs| it.distance_centi_nmi = None, Hold, None, "95 to 110 %")]
#[case(distance(), |it: &mut Inputs| it.track.great_circle_centi_nmi = None, Hold, None, "95 to 110 %")]
#[case(types(), |_: &mut Inputs| {}, Accept, Some("B744"), "A320, B744")]
#[case(types(), |it: &mut Inputs| it.aircraft_type = Some("A388".into()), Reject, Some("A388"), "A320, B744")]
#[case(types(), |it: &mut Inputs| it.aircraft_type = None, Hold, None, "A320, B744")]
#[case(gap(), |_: &mut Inputs| {}, Accept, Some("30 s"), "at most 30 s")]
#[case(gap(), |it: &mut Inputs| it.track.largest_gap_s = Some(31), Reject, Some("31 s"), "at most 30 s")]
#[case(gap(), |it: &mut Inputs| it.track.largest_gap_s = None, Hold, None, "at most 30 s")]
fn a_rule_answers_by_what_was_measured(
    #[case] rule: Rule,
    #[case] change: Change,
    #[case] answer: Answer,
    #[case] measured: Option<&str>,
    #[case] limit: &str,
) {
    let mut inputs = flown();
    change(&mut inputs);
    let name = rule.name();
    let review = review(vec![rule, Rule::AutoAccept], &inputs);
    let [finding] = review.findings.as_slice() else {
        panic!("{review:?}");
    };
    assert_eq!(finding.rule, name);
    assert_eq!(finding.measured.as_deref(), measured);
    assert_eq!((finding.answer, finding.limit.as_str()), (answer, limit));
    assert_eq!((review.answer, review.rules_version), (answer, 7));
    assert_eq!(review.inputs, inputs);
}

/// Given a captain, when rules accept from this rank on, then they say and show this.
#[rstest]
#[case("First officer", |_: &mut Inputs| {}, Accept, Some("Captain"), "First officer or above")]
#[case("Captain", |_: &mut Inputs| {}, Accept, Some("Captain"), "Captain or above")]
#[case("Chief", |_: &mut Inputs| {}, Hold, Some("Captain"), "Chief or above")]
#[case("Captain", |it: &mut Inputs| it.pilot = Some(PilotInputs::default()), Hold, Some("none"), "Captain or above")]
#[case("Captain", |it: &mut Inputs| it.pilot = None, Hold, None, "Captain or above")]
fn pilots_of_a_rank_are_accepted_and_others_held(
    #[case] rank: &str,
    #[case] change: Change,
    #[case] answer: Answer,
    #[case] measured: Option<&str>,
    #[case] limit: &str,
) {
    let mut inputs = flown();
    change(&mut inputs);
    let least_rank = rank.to_owned();
    let by_rank = Rule::RankAutoAccept { least_rank };
    let review = review(vec![by_rank.clone()], &inputs);
    let finding = &review.findings[0];
    assert_eq!(finding.rule, "rankAutoAccept");
    assert_eq!(finding.measured.as_deref(), measured);
    assert_eq!((finding.answer, finding.limit.as_str()), (answer, limit));
    assert_eq!((review.answer, review.inputs), (answer, inputs.clone()));
    // Whatever the rank, another rule's objection counts.
    inputs.block_time_min = Some(59);
    let strict = Rules {
        version: 7,
        rules: vec![by_rank, block_time(Reject)],
    };
    assert_eq!(strict.review(&inputs).answer, Reject);
}

fn owned(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

#[test]
fn ranks_follow_from_the_minutes_that_count() {
    let rank = |name: &str, min_hours| Rank {
        name: name.into(),
        min_hours,
    };
    let ranks = [rank("Cadet", 0), rank("Captain", 100)];
    for (minutes, expected) in [
        (0, &["Cadet"][..]),
        (5_999, &["Cadet"]),
        (6_000, &["Cadet", "Captain"]),
    ] {
        let pilot = PilotInputs::of(minutes, &ranks);
        assert_eq!((pilot.counted_min, pilot.ranks), (minutes, owned(expected)));
    }
}

#[test]
fn a_rule_names_a_rank_of_the_airlines_and_accepts_alone() {
    let captain = Rank {
        name: "Captain".into(),
        min_hours: 100,
    };
    let by_rank = |name: &str| Rule::RankAutoAccept {
        least_rank: name.into(),
    };
    let faults = |rules: &[Rule]| {
        let mut faults = Faults::default();
        check(&mut faults, rules, std::slice::from_ref(&captain));
        match faults.finish().map_err(|refusal| refusal.kind) {
            Err(RefusalKind::Invalid { errors }) => {
                errors.into_iter().map(|it| it.pointer).collect()
            }
            _ => Vec::new(),
        }
    };
    assert_eq!(faults(&[by_rank("Captain")]), Vec::<String>::new());
    assert_eq!(faults(&[by_rank("Chief")]), ["/rules/0/leastRank"]);
    assert_eq!(
        faults(&[Rule::AutoAccept, by_rank("Captain")]),
        ["/rules/1"]
    );
}

#[test]
fn a_flight_that_ends_where_it_began_has_no_ratio() {
    let mut local = flown();
    local.track.great_circle_centi_nmi = Some(999);
    let review = review(vec![distance(), Rule::AutoAccept], &local);
    assert_eq!((review.answer, review.findings), (Accept, Vec::new()));
}

#[rstest]
#[case(vec![], Hold)]
#[case(vec![Rule::AutoAccept], Accept)]
#[case(vec![landing(Hold)], Hold)]
#[case(vec![landing(Hold), Rule::AutoAccept], Accept)]
#[case(vec![Rule::AutoAccept, block_time(Hold)], Hold)]
#[case(vec![Rule::AutoAccept, block_time(Reject), landing(Hold)], Reject)]
#[case(vec![block_time(Reject)], Reject)]
fn the_worst_answer_wins_and_nothing_is_accepted_unless_a_rule_says_so(
    #[case] rules: Vec<Rule>,
    #[case] answer: Answer,
) {
    let short = Inputs {
        block_time_min: Some(12),
        ..flown()
    };
    assert_eq!(review(rules, &short).answer, answer);
}

#[rstest]
#[case(|it: &mut Inputs| it.held = true, "pilot", "suspended", "not suspended")]
#[case(|it: &mut Inputs| it.last_sequence = Some(100), "wholeTrack", "100 positions", "101 positions")]
fn some_flights_no_rule_accepts(
    #[case] change: Change,
    #[case] rule: &str,
    #[case] measured: &str,
    #[case] limit: &str,
) {
    let mut inputs = flown();
    change(&mut inputs);
    let review = review(vec![Rule::AutoAccept], &inputs);
    assert_eq!(review.answer, Hold);
    let finding = &review.findings[0];
    assert_eq!((finding.rule.as_str(), finding.answer), (rule, Hold));
    assert_eq!(finding.measured.as_deref(), Some(measured));
    assert_eq!(finding.limit, limit);
}

fn awaiting() -> [PirepEvent; 2] {
    let begun = PirepEvent::Prefiled(filing(SourceKind::Acars));
    [begun, submitted()]
}

fn command(rules: Vec<Rule>) -> (Box<Review>, PirepCommand) {
    let review = Box::new(review(rules, &flown()));
    (review.clone(), PirepCommand::Review(review))
}

#[test]
fn what_rules_accept_or_reject_is_decided_and_what_they_hold_is_not() {
    let given = Given::<Pirep>::events(awaiting());
    let (review, hold) = command(vec![]);
    let state = given
        .when(RULES, hold)
        .then([PirepEvent::Reviewed(review.clone())]);
    let state = state.unwrap();
    assert_eq!(state.state, PirepState::Submitted);
    assert_eq!(state.review, Some(*review));

    let (review, accept) = command(vec![Rule::AutoAccept]);
    let accepted = PirepEvent::Accepted {
        by: None,
        credit: Credit::Full,
        comment: None,
    };
    given
        .when(RULES, accept)
        .then([PirepEvent::Reviewed(review), accepted]);

    let hard = Rule::MaxLandingRate {
        most_fpm: 200,
        otherwise: Reject,
    };
    let (review, reject) = command(vec![Rule::AutoAccept, hard, block_time(Hold)]);
    let rejected = PirepEvent::Rejected {
        by: None,
        reason: "By the airline's rules: maxLandingRate: -300 fpm / no harder than -200 fpm."
            .into(),
        credit: Credit::None,
    };
    let state = given
        .when(RULES, reject)
        .then([PirepEvent::Reviewed(review), rejected]);
    let decision = state.unwrap().decision.unwrap();
    assert_eq!((decision.verdict, decision.by), (Verdict::Rejected, None));
}

#[test]
fn rules_decide_nothing_but_what_awaits_staff() {
    let (_, accept) = command(vec![Rule::AutoAccept]);
    let given = Given::<Pirep>::events(awaiting());
    for person in [pilot(), reviewer(), admin(), Actor::CommandLine] {
        given
            .when(person, accept.clone())
            .forbidden("not-permitted");
    }
    let under_way = [PirepEvent::Prefiled(filing(SourceKind::Acars))];
    Given::<Pirep>::events(under_way)
        .when(RULES, accept.clone())
        .refused("illegal-transition");
    Given::<Pirep>::events(awaiting().into_iter().chain([accepted()]))
        .when(RULES, accept.clone())
        .refused("illegal-transition");
    let asked = PirepEvent::Asked {
        question: "Why?".into(),
    };
    Given::<Pirep>::events(awaiting().into_iter().chain([asked]))
        .when(RULES, accept)
        .refused("illegal-transition");
}

fn tenant(rules: &[Rules]) -> Given<Tenant> {
    let created = TenantEvent::Created {
        name: "skyways".into(),
        profile: Profile {
            display_name: "Skyways".into(),
            icao_code: "SKY".into(),
            public_url: "http://skyways.localhost".into(),
            limits: Limits::default(),
        },
    };
    let changes = rules.iter().cloned().map(TenantEvent::RulesChanged);
    Given::events([created].into_iter().chain(changes))
}

fn change(rules: Vec<Rule>, seen: i32) -> TenantCommand {
    TenantCommand::ChangeRules { rules, seen }
}

#[test]
fn rules_are_numbered_and_changed_by_whoever_has_seen_them() {
    let rules = |version, rules| Rules { version, rules };
    let given = tenant(&[]);
    given
        .when(admin(), change(vec![Rule::AutoAccept], 0))
        .then([TenantEvent::RulesChanged(rules(1, vec![Rule::AutoAccept]))]);
    let given = tenant(&[rules(1, vec![Rule::AutoAccept])]);
    given
        .when(admin(), change(vec![Rule::AutoAccept], 1))
        .then([]);
    given
        .when(admin(), change(vec![], 1))
        .then([TenantEvent::RulesChanged(rules(2, vec![]))]);
    given
        .when(admin(), change(vec![], 0))
        .conflicts("stale-rules");
    given
        .when(admin(), change(vec![], 2))
        .conflicts("stale-rules");
    let key = |scope| {
        Actor::User(Person {
            id: ADMIN,
            roles: Role::TenantAdmin.into(),
            key: Some(KeyUse {
                id: KeyId::parse("0123456789ab").unwrap(),
                scopes: [scope].into(),
            }),
        })
    };
    given.when(key(Scope::Settings), change(vec![], 1)).state();
    for actor in [pilot(), reviewer(), key(Scope::Users), RULES] {
        given
            .when(actor, change(vec![], 1))
            .forbidden("not-an-admin");
    }
}

#[test]
fn wrong_rules_are_named_by_pointer() {
    let wrong = vec![
        Rule::MinBlockTime {
            least_min: -1,
            otherwise: Accept,
        },
        Rule::AircraftTypes {
            types: vec!["B744".into(), "jumbo".into()],
            otherwise: Hold,
        },
        Rule::DistanceRatio {
            least_percent: 120,
            most_percent: 110,
            otherwise: Hold,
        },
        block_time(Hold),
    ];
    tenant(&[]).when(admin(), change(wrong, 0)).invalid(&[
        "/rules/0/leastMin out-of-range",
        "/rules/0/otherwise not-an-objection",
        "/rules/1/types/1 not-a-designator",
        "/rules/2/mostPercent out-of-order",
        "/rules/3 duplicate",
    ]);
}
