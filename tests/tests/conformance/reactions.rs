//! What the lane of reactions promises over every storage: each event is acted upon once, whatever happens.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use albatross::adapters::{Stores, open};
use albatross::application::airline::Airline;
use albatross::application::commands::{CommandError, Order};
use albatross::application::error::ServiceError;
use albatross::application::events::DecodedEvent;
use albatross::application::projections::lane::Lane;
use albatross::application::reactions::due::{Cause, DUE, LANE, Timer};
use albatross::application::reactions::policy::{Policy, Timing, settled};
use albatross::application::reactions::{ReactionParts, Reactions};
use albatross::application::shared::{Parts, Shared};
use albatross::domain::actor::Actor;
use albatross::domain::event::DomainEvent;
use albatross::domain::tenant::{Limits, Profile, Settings, Tenant, TenantCommand, TenantEvent};
use albatross::ports::clock::Clock;
use albatross::ports::read_model::Change;
use albatross_tests::parts::{TENANT_ID, parts};
use albatross_tests::wait::within;
use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use rstest::rstest;
use uuid::Uuid;

use crate::fixture::*;

const ECHO: &str = "echo";
/// From the declaration of the airline until its timer is due.
const WAIT: SignedDuration = SignedDuration::from_mins(15);

/// Stands still until it is moved.
struct HandClock(Mutex<Timestamp>);

impl HandClock {
    fn advance(&self, by: SignedDuration) {
        let mut now = self.0.lock().unwrap();
        *now = now.checked_add(by).unwrap();
    }
}

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}

/// Colours the airline after every desired state, and lets staff decide their own flights once a timer is due.
struct Echo {
    shared: Arc<Shared>,
    /// The next command is carried out, and then the process dies before anything else.
    dies: AtomicBool,
    /// It cannot make sense of this number.
    poisoned: AtomicI64,
}

impl Echo {
    async fn change(&self, cause: Cause, settings: Settings) -> Result<(), ServiceError> {
        let command = TenantCommand::ChangeSettings(settings);
        let order = Order::<Tenant>::new(TENANT_ID, command, Actor::CommandLine, ())
            .with_command_id(cause.command_id(ECHO))
            .caused_by(cause.event_id);
        settled(self.shared.commands.execute(order).await)?;
        match self.dies.swap(false, Ordering::Relaxed) {
            true => Err(ServiceError::Unavailable("the process is gone".into())),
            false => Ok(()),
        }
    }
}

/// What the lane tells it.
struct Told(Arc<Echo>);

#[async_trait]
impl Policy for Told {
    fn name(&self) -> &'static str {
        ECHO
    }

    fn reads(&self, event: &str) -> bool {
        matches!(event, "TenantCreated" | "DesiredStateApplied")
    }

    async fn react(&self, event: &DecodedEvent) -> Result<Option<Timing>, ServiceError> {
        let cause = Cause::from(event);
        match &event.event {
            DomainEvent::Tenant(TenantEvent::DesiredStateApplied { number }) => {
                if i64::try_from(*number).unwrap() == self.0.poisoned.load(Ordering::Relaxed) {
                    return Err(ServiceError::Corrupt("poisoned".to_owned()));
                }
                self.0.change(cause, colour(*number)).await?;
                Ok(None)
            }
            _ => Ok(Some(Timing::Set(Timer {
                policy: ECHO.to_owned(),
                subject: event.stream_id,
                due_at: event.recorded_at.checked_add(WAIT).unwrap(),
                cause,
            }))),
        }
    }

    async fn due(&self, timer: &Timer) -> Result<Option<Timing>, ServiceError> {
        let settings = Settings {
            self_review: true,
            ..Settings::default()
        };
        self.0.change(timer.cause, settings).await?;
        Ok(None)
    }
}

fn colour(number: u64) -> Settings {
    Settings {
        self_review: false,
        accent_color: Some(format!("#{number:06x}")),
        ..Settings::default()
    }
}

/// One process of the airline.
struct Replica {
    shared: Arc<Shared>,
    echo: Arc<Echo>,
    reactions: Reactions,
    clock: Arc<HandClock>,
}

impl Replica {
    async fn over(stores: &Stores) -> Self {
        let clock = Arc::new(HandClock(Mutex::new(time(1_700_000_000_000_000))));
        let shared = Shared::new(Parts {
            clock: clock.clone(),
            ..parts(stores)
        });
        let echo = Arc::new(Echo {
            shared: shared.clone(),
            dies: AtomicBool::new(false),
            poisoned: AtomicI64::new(-1),
        });
        let policies: Vec<Box<dyn Policy>> = vec![Box::new(Told(echo.clone()))];
        let reactions = Reactions::new(ReactionParts::of(&shared), policies);
        reactions.prepare().await.unwrap();
        shared.projections.prepare().await.unwrap();
        Self {
            shared,
            echo,
            reactions,
            clock,
        }
    }

    async fn give(&self, command: TenantCommand) -> Result<(), CommandError> {
        let order = Order::<Tenant>::new(TENANT_ID, command, Actor::CommandLine, ());
        self.shared.commands.execute(order).await.map(|_| ())
    }

    async fn declare(&self) {
        let profile = Profile {
            display_name: "Skyways".to_owned(),
            icao_code: "SKY".to_owned(),
            public_url: "http://skyways.localhost".to_owned(),
            limits: Limits::default(),
        };
        let name = "skyways".to_owned();
        let declared = self.give(TenantCommand::Declare { name, profile });
        declared.await.unwrap();
    }

    async fn desire(&self, number: u64) {
        let command = TenantCommand::RecordDesired { number };
        while let Err(error) = self.give(command.clone()).await {
            assert!(matches!(error, CommandError::Contended), "{error}");
        }
    }

    /// Every event of the airline's stream, in order.
    async fn events(&self) -> Vec<DecodedEvent> {
        self.shared.stream(TENANT_ID).await.unwrap()
    }

    /// What followed from each desired state, and from the timer.
    async fn assert_each_echoed_once(&self) {
        let events = self.events().await;
        let mut caused = 0;
        for event in &events {
            let DomainEvent::Tenant(TenantEvent::DesiredStateApplied { number }) = event.event
            else {
                continue;
            };
            let echoes: Vec<_> = events
                .iter()
                .filter(|it| it.causation_id == Some(event.event_id))
                .collect();
            let [echo] = echoes.as_slice() else {
                panic!("{} echoes of {number}", echoes.len());
            };
            let expected = DomainEvent::Tenant(TenantEvent::SettingsChanged(colour(number)));
            assert_eq!(echo.event, expected);
            assert_eq!(echo.command_id, Cause::from(event).command_id(ECHO));
            caused += 1;
        }
        let reactions = events.iter().filter(|it| it.causation_id.is_some());
        let timers = events.iter().filter(|it| opened(it)).count();
        assert_eq!(reactions.count(), caused + timers);
    }
}

fn opened(event: &DecodedEvent) -> bool {
    let DomainEvent::Tenant(TenantEvent::SettingsChanged(settings)) = &event.event else {
        return false;
    };
    settings.self_review
}

async fn timers(storage: &Storage) -> i64 {
    storage.read_model.count(&DUE, Vec::new()).await.unwrap()
}

#[rstest]
#[tokio::test]
async fn two_replicas_act_upon_each_event_once(
    #[values(Memory, Sqlite, Postgres)] adapter: Adapter,
) {
    let storage = storage(adapter).await;
    let other = match adapter {
        Postgres => open(&storage.url).await.unwrap(),
        Memory | Sqlite => storage.stores.clone(),
    };
    let [one, other] = [Replica::over(&storage).await, Replica::over(&other).await];
    one.declare().await;
    let write = async {
        for number in 1..=25 {
            one.desire(number).await;
        }
    };
    let follow = |replica| async move {
        let replica: &Replica = replica;
        loop {
            // It may be overtaken by the writer again and again.
            let _ = replica.reactions.catch_up().await;
            if replica.events().await.len() >= 51 {
                return replica.reactions.catch_up().await.unwrap();
            }
            tokio::task::yield_now().await;
        }
    };
    let all = async { tokio::join!(write, follow(&one), follow(&other)) };
    within("both replicas", all).await;
    one.assert_each_echoed_once().await;
}

#[rstest]
#[tokio::test]
async fn who_dies_between_the_command_and_the_checkpoint_repeats_nothing(
    #[values(Memory, Sqlite, Postgres)] adapter: Adapter,
) {
    let storage = storage(adapter).await;
    let replica = Replica::over(&storage).await;
    replica.declare().await;
    replica.desire(1).await;
    replica.desire(2).await;
    replica.echo.dies.store(true, Ordering::Relaxed);
    replica.reactions.catch_up().await.unwrap_err();
    let checkpoint = storage.read_model.checkpoint(LANE).await.unwrap();
    assert_eq!(checkpoint.position, 0, "nothing was committed");
    assert_eq!(replica.events().await.len(), 4, "the command was");
    replica.desire(3).await;
    catch_up(&replica).await;
    replica.assert_each_echoed_once().await;
}

/// A transaction that was dropped may take a moment to let go of the lane.
async fn catch_up(replica: &Replica) {
    within("the lane", replica.reactions.catch_up())
        .await
        .unwrap();
}

#[rstest]
#[tokio::test]
async fn a_timer_fires_once_when_it_is_due_or_late(
    #[values(Memory, Sqlite, Postgres)] adapter: Adapter,
) {
    let storage = storage(adapter).await;
    let replica = Replica::over(&storage).await;
    replica.declare().await;
    catch_up(&replica).await;
    assert_eq!(timers(&storage).await, 1);
    replica.clock.advance(WAIT - SignedDuration::from_micros(1));
    catch_up(&replica).await;
    assert!(!replica.events().await.iter().any(opened), "too early");

    replica.clock.advance(SignedDuration::from_hours(30));
    replica.echo.dies.store(true, Ordering::Relaxed);
    replica.reactions.catch_up().await.unwrap_err();
    assert_eq!(timers(&storage).await, 1, "it is still due");
    catch_up(&replica).await;
    replica.clock.advance(WAIT);
    catch_up(&replica).await;
    assert_eq!(timers(&storage).await, 0);
    let fired = replica.events().await;
    assert_eq!(fired.iter().filter(|it| opened(it)).count(), 1);
}

#[rstest]
#[tokio::test]
async fn one_timer_is_set_for_a_policy_and_subject(
    #[values(Memory, Sqlite, Postgres)] adapter: Adapter,
) {
    use albatross::application::reactions::due::{clear, due, next};
    let storage = storage(adapter).await;
    let replica = Replica::over(&storage).await;
    let timer = |subject, policy: &str, due_at| Timer {
        policy: policy.to_owned(),
        subject: Uuid::from_u128(subject),
        due_at: time(due_at),
        cause: Cause {
            position: 7,
            event_id: Uuid::from_u128(70),
        },
    };
    let commit = async |changes: Vec<Change>| {
        let lane = storage.read_model.lock_lane(LANE).await.unwrap().unwrap();
        let checkpoint = lane.checkpoint();
        lane.commit(changes, checkpoint).await.unwrap();
    };
    let read_model = &*replica.shared.read_model;
    assert_eq!(next(read_model).await.unwrap(), None);
    let set = [
        timer(1, "bids", 500),
        timer(1, "bids", 300),
        timer(1, "rules", 200),
        timer(2, "bids", 100),
    ];
    commit(set.iter().map(|timer| timer.set().unwrap()).collect()).await;
    commit(vec![clear("bids", Uuid::from_u128(2))]).await;
    assert_eq!(next(read_model).await.unwrap(), Some(time(200)));
    let mut lane = storage.read_model.lock_lane(LANE).await.unwrap().unwrap();
    let [bids, rules] = [&set[1], &set[2]].map(Timer::clone);
    assert_eq!(due(&mut *lane, time(199), 9).await.unwrap(), []);
    assert_eq!(
        due(&mut *lane, time(200), 9).await.unwrap(),
        std::slice::from_ref(&rules)
    );
    let both = [rules.clone(), bids];
    assert_eq!(due(&mut *lane, time(300), 9).await.unwrap(), both);
    assert_eq!(due(&mut *lane, time(900), 1).await.unwrap(), [rules]);
}

#[rstest]
#[tokio::test]
async fn neither_a_rebuild_nor_a_lost_checkpoint_fires_anything_again(
    #[values(Memory, Sqlite, Postgres)] adapter: Adapter,
) {
    let storage = storage(adapter).await;
    let replica = Replica::over(&storage).await;
    replica.declare().await;
    replica.desire(1).await;
    replica.desire(2).await;
    catch_up(&replica).await;
    let before = replica.events().await;

    let airline = Airline::new(parts(&storage), storage.schema_version);
    for lane in Lane::ALL {
        airline.rebuild(lane, &mut |_, _| {}).await.unwrap();
    }
    catch_up(&replica).await;
    assert_eq!(replica.events().await, before);
    assert_eq!(timers(&storage).await, 1);

    let epoch = Uuid::nil();
    let guard = storage.read_model.lock_lane(LANE).await.unwrap();
    guard.unwrap().reset(&[&DUE], epoch).await.unwrap();
    assert_eq!(timers(&storage).await, 0);
    catch_up(&replica).await;
    assert_eq!(replica.events().await, before);
    assert_eq!(
        timers(&storage).await,
        1,
        "what is not due yet is set again"
    );
}

#[rstest]
#[tokio::test]
async fn an_event_that_cannot_be_acted_upon_stops_this_lane_only(
    #[values(Memory, Sqlite, Postgres)] adapter: Adapter,
) {
    let storage = storage(adapter).await;
    let replica = Replica::over(&storage).await;
    replica.declare().await;
    for number in 1..=3 {
        replica.desire(number).await;
    }
    replica.echo.poisoned.store(2, Ordering::Relaxed);
    for _ in 0..2 {
        let stopped = within("the lane", replica.reactions.catch_up()).await;
        assert!(matches!(stopped, Err(ServiceError::Corrupt(_))));
        let checkpoint = storage.read_model.checkpoint(LANE).await.unwrap();
        assert_eq!(checkpoint.position, 2, "up to the event before it");
    }
    replica.shared.projections.catch_up().await.unwrap();
    // A release that can.
    replica.echo.poisoned.store(-1, Ordering::Relaxed);
    catch_up(&replica).await;
    replica.assert_each_echoed_once().await;
}
