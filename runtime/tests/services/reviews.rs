//! Review rules at work: what is submitted is looked at once, when its track is whole or late enough.

use std::time::Duration;

use albatross::adapters::memory;
use albatross::application::error::ServiceError;
use albatross::application::identity::Identity;
use albatross::application::pireps::{Accept, Reject, Submit};
use albatross::application::projections::lane::Lane;
use albatross::application::review_policy::POLICY;
use albatross::application::write::WriteOptions;
use albatross::domain::catalogue::Rank;
use albatross::domain::ids::PirepId;
use albatross::domain::pirep::{Credit, Pirep, PirepCommand, PirepState, Report};
use albatross::domain::refusal::RefusalKind;
use albatross::domain::review::{Answer, Rule, Rules};
use albatross::domain::roles::Role;
use albatross::ports::read_model::{Change, Row, Value};
use albatross::ports::track_store::Sample;
use jiff::SignedDuration;
use rstest::rstest;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::desired::{apply, nothing};
use crate::faulty_tracks::FaultyTracks;
use crate::stage::*;

/// A declared airline with a pilot and an admin.
struct Scene {
    stage: Stage,
    bob: Identity,
    ada: Identity,
}

fn landing() -> Rule {
    Rule::MaxLandingRate {
        most_fpm: 600,
        otherwise: Answer::Reject,
    }
}

fn gap() -> Rule {
    Rule::MaxTrackGap {
        most_s: 60,
        otherwise: Answer::Hold,
    }
}

fn flown(sequences: std::ops::Range<i32>) -> Vec<Sample> {
    sequences.map(|sequence| sample(sequence, 300)).collect()
}

impl Scene {
    async fn new() -> Self {
        Self::on(Stage::new().await).await
    }

    async fn on(stage: Stage) -> Self {
        apply(&stage, nothing(1)).await;
        Self {
            bob: stage.pilot("Bob").await,
            ada: stage.person("Ada", &[Role::TenantAdmin]).await,
            stage,
        }
    }

    async fn with(rules: Vec<Rule>) -> Self {
        let scene = Self::new().await;
        scene.set(rules).await;
        scene
    }

    async fn set(&self, rules: Vec<Rule>) -> Rules {
        let service = &self.stage.airline.rules;
        let version = service.get().await.unwrap().version;
        let written = service.change(&self.ada, rules, seen(version)).await;
        written.unwrap().entity
    }

    /// A flight that lands like this, whose client says that its track ends with this number.
    async fn submit(&self, landing_rate_fpm: i32, last_sequence: Option<i32>) -> PirepId {
        let id = self.stage.prefiled(&self.bob).await.entity.id;
        let submit = Submit {
            report: Some(Report {
                landing_rate_fpm: Some(landing_rate_fpm),
                ..Report::default()
            }),
            remarks: None,
            custom_fields: None,
            last_sequence,
        };
        let options = WriteOptions::default();
        let pireps = &self.stage.airline.pireps;
        pireps.submit(&self.bob, id, submit, options).await.unwrap();
        id
    }

    /// Everything that follows by itself has followed.
    async fn settle(&self) {
        self.stage.airline.catch_up().await.unwrap();
        self.stage.airline.reactions.catch_up().await.unwrap();
        self.stage.airline.catch_up().await.unwrap();
    }

    async fn pirep(&self, id: PirepId) -> Pirep {
        let pireps = &self.stage.airline.pireps;
        pireps.current(&self.ada, id).await.unwrap().pirep
    }

    async fn state(&self, id: PirepId) -> PirepState {
        self.pirep(id).await.state
    }

    /// How often rules have looked at it.
    async fn reviews(&self, id: PirepId) -> usize {
        let history = &self.stage.airline.history;
        let entries = history.of(&self.ada, id).await.unwrap();
        entries.iter().filter(|it| it.event == "Reviewed").count()
    }
}

#[tokio::test]
async fn without_rules_staff_decide_everything_and_nothing_is_recorded() {
    let scene = Scene::new().await;
    let id = scene.submit(-200, None).await;
    scene.settle().await;
    let pirep = scene.pirep(id).await;
    assert_eq!((pirep.state, pirep.review), (PirepState::Submitted, None));
    // What was submitted before the first rule is not judged by it.
    scene.set(vec![Rule::AutoAccept]).await;
    scene.settle().await;
    assert_eq!(scene.reviews(id).await, 0);
}

#[tokio::test]
async fn pilots_are_accepted_by_the_rank_that_they_had_when_they_submitted() {
    let scene = Scene::new().await;
    let rank = |name: &str, min_hours| Rank {
        name: name.to_owned(),
        min_hours,
    };
    let ranks = vec![rank("Cadet", 0), rank("Captain", 2)];
    let lists = &scene.stage.airline.lists;
    let version = scene.stage.airline.tenant().await.unwrap().unwrap().version;
    let set = lists.set_ranks(&scene.ada, ranks, seen(version));
    set.await.unwrap();
    let rule = Rule::RankAutoAccept {
        least_rank: "Captain".to_owned(),
    };
    scene.set(vec![rule.clone()]).await;

    let pireps = &scene.stage.airline.pireps;
    let flown = [
        (61, Some(Credit::Full)),
        (90, Some(Credit::Hours)),
        (40, None),
        (19, Some(Credit::Full)),
    ];
    for (minutes, credit) in flown {
        let id = scene.stage.prefiled(&scene.bob).await.entity.id;
        // Whoever does not say how long it flew is taken by the block time.
        let (flight_time_min, block_time_min) = match minutes {
            19 => (None, Some(minutes)),
            _ => (Some(minutes), Some(minutes + 20)),
        };
        let submit = Submit {
            report: Some(Report {
                flight_time_min,
                block_time_min,
                ..Report::default()
            }),
            ..Submit::default()
        };
        let options = WriteOptions::default();
        pireps
            .submit(&scene.bob, id, submit, options)
            .await
            .unwrap();
        scene.settle().await;
        let pirep = scene.pirep(id).await;
        assert_eq!(pirep.state, PirepState::Submitted, "a cadet's");
        let review = pirep.review.unwrap();
        assert_eq!(review.findings[0].measured.as_deref(), Some("Cadet"));
        let view = pireps.current(&scene.ada, id).await.unwrap();
        let version = seen(view.version);
        let decided = match credit {
            Some(credit) => {
                let accept = Accept {
                    credit,
                    comment: None,
                };
                pireps.accept(&scene.ada, id, accept, version).await
            }
            // Not as it should have been flown, but flown.
            None => {
                let reject = Reject {
                    reason: "Another route".to_owned(),
                    credit: Credit::Full,
                };
                pireps.reject(&scene.ada, id, reject, version).await
            }
        };
        decided.unwrap();
        scene.stage.clock.advance(SignedDuration::from_mins(1));
        scene.settle().await;
    }
    // A list of flights that is empty or lags makes nobody a cadet.
    let id = scene.submit(-200, None).await;
    let events = &scene.stage.stores.events;
    let epoch = events.head().await.unwrap().epoch;
    let (lane, read_model) = (Lane::Flights, &scene.stage.stores.read_model);
    let flights = read_model.lock_lane(lane.name()).await.unwrap().unwrap();
    flights.reset(lane.tables(), epoch).await.unwrap();
    let reactions = &scene.stage.airline.reactions;
    reactions.catch_up().await.unwrap();
    assert_eq!(scene.pirep(id).await.review, None);
    scene.stage.clock.advance(SignedDuration::from_secs(1));
    scene.settle().await;
    let pirep = scene.pirep(id).await;
    assert_eq!(pirep.state, PirepState::Accepted, "a captain's");
    let pilot = pirep.review.unwrap().inputs.pilot.unwrap();
    assert_eq!((pilot.counted_min, pilot.ranks.len()), (120, 2));

    let tried = scene
        .stage
        .airline
        .rules
        .try_out(vec![rule], 10)
        .await
        .unwrap();
    let answers: Vec<Answer> = tried.iter().map(|it| it.review.answer).collect();
    let (accept, hold) = (Answer::Accept, Answer::Hold);
    let then = [accept, hold, hold, hold, hold];
    assert_eq!(answers, then, "as they stood then");

    // However many flights they are.
    let flights = lane.tables().iter().find(|table| table.name == "pireps");
    let flights = *flights.unwrap();
    let rows = rows(&**read_model).await.into_iter();
    let mut rows = rows.filter(|(_, row)| row.values.contains(&Value::Text("Accepted".into())));
    let (_, row) = rows.next().unwrap();
    let many = (0..600).map(|number| {
        let id = Uuid::from_u128(number);
        Change::Upsert(flights, Row { id, ..row.clone() })
    });
    let guard = read_model.lock_lane(lane.name()).await.unwrap().unwrap();
    let checkpoint = guard.checkpoint();
    guard.commit(many.collect(), checkpoint).await.unwrap();
    let submit = scene.submit(-200, None);
    let id = submit.await;
    scene.settle().await;
    let pilot = scene.pirep(id).await.review.unwrap().inputs.pilot.unwrap();
    assert!(pilot.counted_min > 500 * 61, "{pilot:?}");
}

#[tokio::test]
async fn rules_accept_reject_or_hold_and_say_why() {
    let scene = Scene::with(vec![landing(), Rule::AutoAccept]).await;
    let [soft, hard] = [
        scene.submit(-200, None).await,
        scene.submit(-742, None).await,
    ];
    scene.settle().await;
    assert_eq!(scene.state(soft).await, PirepState::Accepted);
    let pirep = scene.pirep(hard).await;
    assert_eq!(pirep.state, PirepState::Rejected);
    let review = pirep.review.unwrap();
    assert_eq!((review.rules_version, review.answer), (1, Answer::Reject));
    assert_eq!(review.findings[0].measured.as_deref(), Some("-742 fpm"));
    let decision = pirep.decision.unwrap();
    assert_eq!(decision.by, None);
    let reason = decision.reason.unwrap();
    assert!(
        reason
            .text()
            .unwrap()
            .contains("-742 fpm / no harder than -600 fpm")
    );

    let entries = scene.stage.airline.history.of(&scene.bob, hard).await;
    let entries = entries.unwrap();
    let [.., reviewed, rejected] = entries.as_slice() else {
        panic!("{entries:?}");
    };
    assert_eq!(
        (reviewed.event.as_str(), rejected.event.as_str()),
        ("Reviewed", "Rejected")
    );
    assert_eq!(reviewed.actor.kind, "system");
    let finding = reviewed.changes.iter();
    let mut finding = finding.filter(|it| it.path == "/review/findings/maxLandingRate");
    let text = finding.next().unwrap().to.as_str();
    assert_eq!(text, Some("-742 fpm / no harder than -600 fpm: reject"));

    // Held: the rules have nothing against it, and none of them accepts.
    scene.set(vec![landing()]).await;
    let held = scene.submit(-200, None).await;
    scene.settle().await;
    let pirep = scene.pirep(held).await;
    assert_eq!(pirep.state, PirepState::Submitted);
    assert_eq!(pirep.review.unwrap().answer, Answer::Hold);
}

#[tokio::test]
async fn a_flight_is_judged_by_the_rules_that_stood_when_it_was_submitted() {
    let scene = Scene::with(vec![Rule::AutoAccept]).await;
    let id = scene.submit(-742, None).await;
    scene.set(vec![landing()]).await;
    scene.settle().await;
    let pirep = scene.pirep(id).await;
    assert_eq!(pirep.state, PirepState::Accepted);
    assert_eq!(pirep.review.unwrap().rules_version, 1);
}

#[tokio::test]
async fn rules_wait_for_the_whole_track() {
    let scene = Scene::with(vec![gap(), Rule::AutoAccept]).await;
    let id = scene.submit(-200, Some(9)).await;
    scene.stage.positions(&scene.bob, id, flown(0..5)).await;
    for _ in 0..8 {
        scene.settle().await;
        assert_eq!(scene.reviews(id).await, 0);
        scene.stage.clock.advance(SignedDuration::from_secs(15));
    }
    scene.stage.positions(&scene.bob, id, flown(5..10)).await;
    scene.settle().await;
    let pirep = scene.pirep(id).await;
    assert_eq!(pirep.state, PirepState::Accepted);
    let track = pirep.review.unwrap().inputs.track;
    assert_eq!((track.positions, track.largest_gap_s), (10, Some(60)));
    scene.stage.clock.advance(SignedDuration::from_hours(1));
    scene.settle().await;
    assert_eq!(scene.reviews(id).await, 1);
}

#[tokio::test]
async fn a_track_that_cannot_be_decoded_holds_up_no_other_flight() {
    let mut stores = memory::open();
    let tracks = FaultyTracks::over(stores.tracks.clone());
    stores.tracks = tracks.clone();
    let events = stores.events.clone();
    let scene = Scene::on(Stage::over(stores, events).await).await;
    scene.set(vec![Rule::AutoAccept]).await;
    let damaged = scene.submit(-200, Some(9)).await;
    let whole = scene.submit(-200, Some(9)).await;
    // Their tracks are waited for.
    scene.settle().await;
    for id in [damaged, whole] {
        scene.stage.positions(&scene.bob, id, flown(0..10)).await;
    }
    *tracks.undecodable.lock().unwrap() = Some(damaged.0);
    scene.stage.clock.advance(SignedDuration::from_secs(15));
    scene.settle().await;
    assert_eq!(scene.state(whole).await, PirepState::Accepted);
    assert_eq!(scene.reviews(damaged).await, 0);
    // What it was put off by.
    *tracks.undecodable.lock().unwrap() = None;
    scene.stage.clock.advance(SignedDuration::from_mins(5));
    scene.settle().await;
    assert_eq!(scene.state(damaged).await, PirepState::Accepted);
}

#[rstest]
#[case::from_0(0)]
#[case::from_1(1)]
#[tokio::test]
async fn a_track_is_whole_from_whichever_number_its_client_counts(#[case] first: i32) {
    let scene = Scene::with(vec![Rule::AutoAccept]).await;
    let id = scene.submit(-200, Some(9)).await;
    scene.stage.positions(&scene.bob, id, flown(first..5)).await;
    scene.stage.positions(&scene.bob, id, flown(6..10)).await;
    scene.settle().await;
    assert_eq!(scene.reviews(id).await, 0, "5 is missing");
    scene.stage.clock.advance(SignedDuration::from_secs(15));
    scene.stage.positions(&scene.bob, id, flown(5..6)).await;
    scene.settle().await;
    assert_eq!(scene.state(id).await, PirepState::Accepted);
    let service = &scene.stage.airline.rules;
    let tried = service.try_out(vec![Rule::AutoAccept], 1).await.unwrap();
    assert_eq!(tried[0].review.answer, Answer::Accept);
}

#[rstest]
#[case::from_0(0)]
#[case::from_1(1)]
#[tokio::test]
async fn a_flight_that_is_finished_from_its_track_needs_no_more_of_it(#[case] first: i32) {
    let scene = Scene::with(vec![Rule::AutoAccept]).await;
    let id = scene.stage.prefiled(&scene.bob).await.entity.id;
    scene.stage.positions(&scene.bob, id, flown(first..9)).await;
    scene.stage.clock.advance(SignedDuration::from_hours(13));
    let pireps = &scene.stage.airline.pireps;
    let finished = pireps.finish(&scene.bob, id, WriteOptions::default());
    finished.await.unwrap();
    scene.settle().await;
    assert_eq!(scene.state(id).await, PirepState::Accepted);
}

#[tokio::test]
async fn rules_wait_for_fifteen_minutes_at_most_and_accept_no_part_of_a_track() {
    let scene = Scene::with(vec![Rule::AutoAccept]).await;
    let id = scene.submit(-200, Some(9)).await;
    scene.stage.positions(&scene.bob, id, flown(0..5)).await;
    let last = SignedDuration::from_mins(15) - SignedDuration::from_micros(1);
    scene.settle().await;
    scene.stage.clock.advance(last);
    scene.settle().await;
    assert_eq!(scene.reviews(id).await, 0);
    scene.stage.clock.advance(SignedDuration::from_micros(1));
    scene.settle().await;
    let pirep = scene.pirep(id).await;
    assert_eq!(pirep.state, PirepState::Submitted);
    let finding = &pirep.review.unwrap().findings[0];
    assert_eq!(finding.rule, "wholeTrack");
    assert_eq!(finding.measured.as_deref(), Some("5 positions"));
}

#[tokio::test]
async fn whoever_was_first_is_not_overruled() {
    let scene = Scene::with(vec![Rule::AutoAccept]).await;
    let decided = scene.submit(-200, Some(9)).await;
    let reopened = scene.submit(-200, Some(9)).await;
    let again = scene.submit(-200, Some(9)).await;
    scene.settle().await;
    let pireps = &scene.stage.airline.pireps;
    let version = async |id| pireps.current(&scene.ada, id).await.unwrap().version;
    let reject = || Reject {
        reason: "No.".to_owned(),
        credit: Credit::None,
    };
    for id in [decided, reopened] {
        let options = seen(version(id).await);
        pireps
            .reject(&scene.ada, id, reject(), options)
            .await
            .unwrap();
    }
    let accept = Accept {
        credit: Credit::Hours,
        comment: Some("After all.".to_owned()),
    };
    let options = seen(version(reopened).await);
    pireps
        .accept(&scene.ada, reopened, accept, options)
        .await
        .unwrap();
    // Cancelled and restored: it stands as submitted, but a person has had it in hand.
    let options = WriteOptions::default;
    pireps
        .act(
            &scene.bob,
            again,
            PirepCommand::Cancel { reason: None },
            options(),
        )
        .await
        .unwrap();
    pireps
        .act(&scene.bob, again, PirepCommand::Restore, options())
        .await
        .unwrap();
    scene.stage.clock.advance(SignedDuration::from_mins(15));
    scene.settle().await;
    for (id, state) in [
        (decided, PirepState::Rejected),
        (reopened, PirepState::Accepted),
        (again, PirepState::Submitted),
    ] {
        assert_eq!((scene.state(id).await, scene.reviews(id).await), (state, 0));
    }
    let credit = scene.pirep(reopened).await.decision.unwrap().credit;
    assert_eq!(credit, Credit::Hours);
}

#[tokio::test]
async fn it_follows_by_itself_while_the_process_runs() {
    let scene = Scene::with(vec![Rule::AutoAccept]).await;
    let stop = CancellationToken::new();
    let (airline, stopped) = (scene.stage.airline.clone(), stop.clone());
    let running = tokio::spawn(async move { airline.reactions.run(&stopped).await });
    let id = scene.submit(-200, None).await;
    let accepted = async {
        while scene.state(id).await != PirepState::Accepted {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), accepted)
        .await
        .unwrap();
    stop.cancel();
    running.await.unwrap();
}

#[tokio::test]
async fn the_command_names_its_policy_and_its_cause() {
    let scene = Scene::with(vec![Rule::AutoAccept]).await;
    let id = scene.submit(-200, None).await;
    scene.settle().await;
    let events = scene
        .stage
        .stores
        .events
        .read_stream(id.0, 0)
        .await
        .unwrap();
    let [.., submitted, reviewed, accepted] = events.as_slice() else {
        panic!("{events:?}");
    };
    assert_eq!(reviewed.actor, format!("system:{POLICY}"));
    for event in [reviewed, accepted] {
        assert_eq!(event.causation_id, Some(submitted.event_id));
        assert_eq!(event.command_id, reviewed.command_id);
        assert_eq!(event.command_id.get_version_num(), 5);
    }
}

#[tokio::test]
async fn rules_are_changed_by_whoever_has_seen_them() {
    let scene = Scene::with(vec![landing()]).await;
    let service = &scene.stage.airline.rules;
    let stale = service.change(&scene.ada, vec![], seen(0)).await;
    assert!(matches!(stale, Err(ServiceError::Stale { actual: 1 })));
    let unseen = service.change(&scene.ada, vec![], WriteOptions::default());
    assert!(matches!(
        unseen.await,
        Err(ServiceError::PreconditionRequired)
    ));
    let refused_to = service.change(&scene.bob, vec![], seen(1)).await;
    assert_eq!(
        refused(refused_to),
        ("not-an-admin", RefusalKind::Forbidden)
    );
    // Whatever else happens to the airline is no change of its rules.
    apply(&scene.stage, nothing(2)).await;
    let changed = service.change(&scene.ada, vec![], seen(1)).await.unwrap();
    assert_eq!((changed.version, changed.entity.rules), (2, vec![]));
    assert_eq!(service.get().await.unwrap().version, 2);
}

#[tokio::test]
async fn a_dry_run_judges_what_was_flown_and_writes_nothing() {
    let scene = Scene::with(vec![Rule::AutoAccept]).await;
    let soft = scene.submit(-200, None).await;
    scene.stage.positions(&scene.bob, soft, flown(0..5)).await;
    scene.settle().await;
    scene.stage.clock.advance(SignedDuration::from_mins(1));
    let hard = scene.submit(-742, None).await;
    scene.settle().await;
    scene.stage.clock.advance(SignedDuration::from_mins(1));
    scene.set(vec![]).await;
    let late = scene.submit(-200, None).await;
    scene.stage.prefiled(&scene.bob).await;
    scene.settle().await;
    let head = scene.stage.stores.events.head().await.unwrap();

    let service = &scene.stage.airline.rules;
    let rules = vec![landing(), gap(), Rule::AutoAccept];
    let tried = service.try_out(rules.clone(), 500).await.unwrap();
    let answers: Vec<_> = tried
        .iter()
        .map(|it| (it.id, it.state, it.review.answer, it.differs()))
        .collect();
    // Those without a track are held by the rule that asks for one.
    let expected = [
        (late, PirepState::Submitted, Answer::Hold, false),
        (hard, PirepState::Accepted, Answer::Reject, true),
        (soft, PirepState::Accepted, Answer::Accept, false),
    ];
    assert_eq!(answers, expected);
    assert_eq!(tried[2].review.inputs.track.largest_gap_s, Some(60));
    assert_eq!(service.try_out(rules, 1).await.unwrap().len(), 1);
    for flights in [0, 501] {
        let wrong = service.try_out(vec![], flights).await;
        assert_eq!(refused(wrong).0, "invalid-input");
    }
    assert_eq!(scene.stage.stores.events.head().await.unwrap(), head);
    let stands = service.get().await.unwrap();
    assert_eq!((stands.version, stands.rules), (2, vec![]));
}

#[tokio::test]
async fn a_dry_run_waits_until_what_was_decided_is_listed() {
    let scene = Scene::with(vec![Rule::AutoAccept]).await;
    let first = scene.submit(-200, None).await;
    scene.settle().await;
    scene.set(vec![]).await;
    let late = scene.submit(-200, None).await;
    let airline = &scene.stage.airline;
    let tried = airline.rules.try_out(vec![Rule::AutoAccept], 500);
    let (tried, caught_up) = tokio::join!(tried, airline.catch_up());
    caught_up.unwrap();
    let mut tried: Vec<_> = tried.unwrap().iter().map(|it| it.id).collect();
    tried.sort();
    let mut expected = [first, late];
    expected.sort();
    assert_eq!(tried, expected);
}
