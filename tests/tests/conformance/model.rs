//! Random appends of many callers against a model of a few lines.

mod drafts;
mod spec;

use std::cmp::Reverse;

use albatross::adapters::{Stores, chain, open};
use albatross::ports::event_store::{Append, AppendError, Appended, ClientRequest};
use albatross_tests::wait::within;
use futures::future::join_all;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestRunner};
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use tokio::sync::watch;
use uuid::Uuid;

use crate::fixture::*;
use drafts::{CLAIMS, Draft, REQUESTS, STREAMS, claim, drafts, request, stream};
use spec::{Model, Refusal};

type Outcome = Result<(), TestCaseError>;

/// What happens at once.
#[derive(Clone, Debug)]
struct Burst {
    drafts: Vec<Draft>,
    /// Meanwhile the server cuts every connection, where there is one.
    cut: bool,
}

fn bursts() -> impl Strategy<Value = Vec<Burst>> {
    let cut = prop::bool::weighted(0.2);
    let burst = (drafts(), cut).prop_map(|(drafts, cut)| Burst { drafts, cut });
    prop::collection::vec(burst, 1..12)
}

/// One log, opened twice as by two processes, each with a reader that begins where it ended.
struct World {
    storage: Storage,
    openings: Vec<Stores>,
    readers: Vec<Vec<Uuid>>,
    admin: Option<PgPool>,
    model: Model,
    accepted: Vec<Append>,
}

impl World {
    async fn new(storage: Storage, adapter: Adapter) -> Self {
        let mut openings = vec![storage.stores.clone(), storage.stores.clone()];
        if !matches!(adapter, Memory) {
            openings[1] = open(&storage.url).await.unwrap();
        }
        let admin = matches!(adapter, Postgres).then(|| {
            let one = PgPoolOptions::new().max_connections(1);
            one.connect_lazy(&storage.url).unwrap()
        });
        Self {
            storage,
            openings,
            readers: vec![Vec::new(), Vec::new()],
            admin,
            model: Model::default(),
            accepted: Vec::new(),
        }
    }

    async fn burst(&mut self, burst: Burst) -> Outcome {
        let drafts = burst.drafts.iter();
        let appends = drafts.map(|draft| draft.append(&self.model, &self.accepted));
        let appends = without_rival_twins(appends.collect());
        let done = watch::Sender::new(false);
        let writing = async {
            let calls = burst.drafts.iter().zip(&appends).map(|(draft, append)| {
                let opening = &self.openings[usize::from(draft.second_opening)];
                call(opening, append, draft.lost)
            });
            let outcomes = join_all(calls).await;
            done.send_replace(true);
            outcomes
        };
        let readers = self.openings.iter().zip(&mut self.readers);
        let reading = join_all(readers.map(|(opening, seen)| read(opening, seen, &done)));
        let cutting = cut_connections(self.admin.as_ref().filter(|_| burst.cut));
        let (outcomes, reading, ()) = tokio::join!(writing, reading, cutting);
        reading.into_iter().collect::<Outcome>()?;
        self.explain(appends, outcomes)
    }

    /// Some order of the accepted explains every answer: their positions tell which, and each refusal fits in somewhere.
    fn explain(
        &mut self,
        appends: Vec<Append>,
        outcomes: Vec<Result<Appended, AppendError>>,
    ) -> Outcome {
        let mut accepted = Vec::new();
        let mut refused = Vec::new();
        for (append, outcome) in appends.into_iter().zip(outcomes) {
            match outcome {
                Ok(appended) => accepted.push((append, appended)),
                Err(error) => refused.push((append, Refusal::try_from(error)?)),
            }
        }
        // By their first events; of those that begin alike the longest was there before a repeated part of it.
        accepted.sort_by_key(|(append, appended)| {
            let count = append.events.len() as i64;
            (appended.position - count, Reverse(count))
        });
        let mut states = vec![self.model.clone()];
        for (append, appended) in accepted {
            prop_assert_eq!(self.model.apply(&append), Ok(appended));
            states.push(self.model.clone());
            self.accepted.push(append);
        }
        for (append, refusal) in refused {
            let fits = |state: &Model| state.clone().apply(&append).as_ref() == Err(&refusal);
            prop_assert!(states.iter().any(fits), "{refusal:?} of {append:?}");
        }
        Ok(())
    }

    /// At the end the log, whoever reads it, is what the model says.
    async fn compare(&self) -> Outcome {
        let store = match self.admin {
            // What was cut is not asked again.
            Some(_) => open(&self.storage.url).await.unwrap().events,
            None => self.storage.events.clone(),
        };
        let log = store.read_after(0, 10_000).await.unwrap();
        let ids: Vec<Uuid> = log.iter().map(|event| event.event_id).collect();
        prop_assert_eq!(&ids, &self.model.event_ids());
        for seen in &self.readers {
            prop_assert_eq!(seen, &ids, "a reader saw each event once, in order");
        }
        for stream in (0..STREAMS).map(stream) {
            let events = store.read_stream(stream, 0).await.unwrap();
            let found: Vec<_> = events.iter().map(|e| (e.version, e.position)).collect();
            let positions = self.model.positions(stream).into_iter();
            let expected: Vec<_> = (1..).zip(positions.map(|at| at as i64)).collect();
            prop_assert_eq!(found, expected);
        }
        for claim in (0..CLAIMS).map(claim) {
            let owner = store.claim_owner(&claim).await.unwrap();
            prop_assert_eq!(owner, self.model.owner(&claim));
        }
        for ClientRequest { key, .. } in (0..REQUESTS).map(request) {
            let found = store.request(&key).await.unwrap();
            let expected = self.model.answer(&key);
            prop_assert_eq!(found.map(|r| r.position), expected.map(|a| a.position));
        }
        let verified = chain::verify(&*store).await.unwrap();
        prop_assert_eq!(verified.events, log.len() as i64);
        Ok(())
    }
}

/// Of appends of the same events, whichever is written answers for all: if they claimed different things, no answer would
/// tell which it was.
fn without_rival_twins(mut appends: Vec<Append>) -> Vec<Append> {
    let events = |append: &Append| {
        let ids: Vec<Uuid> = append.events.iter().map(|event| event.event_id).collect();
        (append.stream_id, append.expected_version, ids)
    };
    for later in 1..appends.len() {
        let (before, rest) = appends.split_at_mut(later);
        if let Some(twin) = before.iter().find(|it| events(it) == events(&rest[0])) {
            rest[0] = twin.clone();
        }
    }
    appends
}

/// Whoever does not learn the outcome asks again with the same events, as applications do.
async fn call(stores: &Stores, append: &Append, lost: bool) -> Result<Appended, AppendError> {
    if lost {
        // Polled once, so that it has begun; then dropped.
        let _ = futures::poll!(&mut stores.events.append(append.clone()));
    }
    let answered = async {
        loop {
            match stores.events.append(append.clone()).await {
                Err(AppendError::Unavailable(_)) => tokio::task::yield_now().await,
                outcome => return outcome,
            }
        }
    };
    within("an answer", answered).await
}

/// Polls without pause until all is written, and then to the end; a gap is never visible.
async fn read(stores: &Stores, seen: &mut Vec<Uuid>, done: &watch::Sender<bool>) -> Outcome {
    loop {
        let finished = *done.borrow();
        let from = seen.len() as i64;
        let page = stores.events.read_after(from, 7).await;
        for (event, position) in page.iter().flatten().zip(from + 1..) {
            prop_assert_eq!(event.position, position, "a gap was visible");
            seen.push(event.event_id);
        }
        if finished && page.is_ok_and(|page| page.is_empty()) {
            return Ok(());
        }
        tokio::task::yield_now().await;
    }
}

async fn cut_connections(admin: Option<&PgPool>) {
    if let Some(admin) = admin {
        let others = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
             WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid()";
        let _: i64 = sqlx::query_scalar(others).fetch_one(admin).await.unwrap();
    }
}

/// A failing case shrinks; PROPTEST_RNG_SEED repeats the seed that it prints.
fn against_the_model(adapter: Adapter, cases: u32) {
    let mut config = Config {
        cases,
        failure_persistence: None,
        max_shrink_iters: 500,
        ..Config::default()
    };
    if config.rng_seed == RngSeed::Random {
        config.rng_seed = RngSeed::Fixed(Uuid::new_v4().as_u64_pair().1);
    }
    let seed = config.rng_seed;
    println!("{adapter:?}: {seed:?}");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let template = runtime.block_on(Template::of(adapter));
    let outcome = TestRunner::new(config).run(&bursts(), |bursts| {
        runtime.block_on(async {
            let mut world = World::new(template.storage().await, adapter).await;
            for burst in bursts {
                world.burst(burst).await?;
            }
            world.compare().await
        })
    });
    if let Err(error) = outcome {
        panic!("{error}\nrepeat it by PROPTEST_RNG_SEED, {seed:?}");
    }
}

#[test]
fn memory_behaves_as_the_model() {
    against_the_model(Memory, 512);
}

#[test]
fn sqlite_behaves_as_the_model() {
    against_the_model(Sqlite, 24);
}

#[test]
fn postgres_behaves_as_the_model() {
    against_the_model(Postgres, 64);
}
