//! Random appends and reads against a model of a few lines.

use std::collections::HashMap;

use albatross::adapters::{Stores, chain};
use albatross::ports::event_store::{Append, AppendError, Appended, ClaimChange, ClientRequest};
use proptest::prelude::*;
use uuid::Uuid;

use crate::fixture::*;

#[derive(Clone, Debug)]
enum Step {
    /// Version as it is plus `off_by`; claim and request out of a few, so that they meet.
    Append {
        stream: u8,
        off_by: i32,
        count: usize,
        claim: Option<(u8, bool)>,
        request: Option<u8>,
    },
    /// The outcome of an earlier append was lost: the same once more.
    Repeat(prop::sample::Index),
    /// Several at once.
    Together(Vec<u8>),
}

fn step() -> impl Strategy<Value = Step> {
    let off_by = prop_oneof![8 => Just(0), 1 => -2..3];
    let claim = prop::option::weighted(0.3, (0..3_u8, any::<bool>()));
    let request = prop::option::weighted(0.3, 0..6_u8);
    prop_oneof![
        6 => (0..5_u8, off_by, 1..4_usize, claim, request).prop_map(
            |(stream, off_by, count, claim, request)| Step::Append { stream, off_by, count, claim, request }
        ),
        2 => any::<prop::sample::Index>().prop_map(Step::Repeat),
        1 => prop::collection::vec(0..5_u8, 2..8).prop_map(Step::Together),
    ]
}

/// What the log must hold.
#[derive(Default)]
struct Model {
    events: Vec<Uuid>,
    versions: HashMap<Uuid, i32>,
    claims: HashMap<Vec<u8>, Uuid>,
    requests: HashMap<[u8; 32], Appended>,
    accepted: Vec<(Append, Appended)>,
}

impl Model {
    fn version(&self, stream: Uuid) -> i32 {
        self.versions.get(&stream).copied().unwrap_or(0)
    }

    fn refuses(&self, append: &Append) -> Option<&'static str> {
        if append
            .request
            .as_ref()
            .is_some_and(|r| self.requests.contains_key(&r.key))
        {
            return Some("request");
        }
        if self.version(append.stream_id) != append.expected_version {
            return Some("conflict");
        }
        let taken = |change: &ClaimChange| match change {
            ClaimChange::Take { claim, owner } => {
                self.claims.get(claim).is_some_and(|o| o != owner)
            }
            ClaimChange::Release { .. } => false,
        };
        append.claims.iter().any(taken).then_some("claim")
    }

    fn accept(&mut self, append: Append) -> Appended {
        self.events
            .extend(append.events.iter().map(|event| event.event_id));
        let appended = Appended {
            version: append.expected_version + append.events.len() as i32,
            position: self.events.len() as i64,
        };
        self.versions.insert(append.stream_id, appended.version);
        for change in &append.claims {
            match change {
                ClaimChange::Take { claim, owner } => {
                    self.claims.insert(claim.clone(), *owner);
                }
                ClaimChange::Release { claim, owner } => {
                    if self.claims.get(claim) == Some(owner) {
                        self.claims.remove(claim);
                    }
                }
            }
        }
        if let Some(request) = &append.request {
            self.requests.insert(request.key, appended);
        }
        self.accepted.push((append, appended));
        appended
    }
}

fn stream_id(stream: u8) -> Uuid {
    Uuid::from_u128(1_000 + u128::from(stream))
}

async fn run(stores: &Stores, steps: Vec<Step>) -> Result<(), TestCaseError> {
    let mut model = Model::default();
    for step in steps {
        match step {
            Step::Append {
                stream,
                off_by,
                count,
                claim,
                request,
            } => {
                let stream = stream_id(stream);
                let version = (model.version(stream) + off_by).max(0);
                let mut next = append(stream, version, count);
                next.claims = claim
                    .into_iter()
                    .map(|(claim, take)| change(claim, take, stream))
                    .collect();
                next.request = request.map(|key| ClientRequest {
                    key: [key; 32],
                    body_digest: [0; 32],
                    secret: false,
                });
                check(&mut model, next.clone(), stores.events.append(next).await)?;
            }
            Step::Repeat(index) if !model.accepted.is_empty() => {
                let (append, first) = &model.accepted[index.index(model.accepted.len())];
                let again = stores.events.append(append.clone()).await;
                prop_assert_eq!(again.ok(), Some(*first));
            }
            Step::Repeat(_) => {}
            Step::Together(streams) => together(stores, &mut model, streams).await?,
        }
    }
    compare(stores, &model).await
}

fn change(claim: u8, take: bool, owner: Uuid) -> ClaimChange {
    let claim = vec![claim];
    match take {
        true => ClaimChange::Take { claim, owner },
        false => ClaimChange::Release { claim, owner },
    }
}

fn check(
    model: &mut Model,
    append: Append,
    outcome: Result<Appended, AppendError>,
) -> Result<(), TestCaseError> {
    let refusal = match &outcome {
        Ok(_) => None,
        Err(AppendError::RequestRepeated(_)) => Some("request"),
        Err(AppendError::Conflict { .. }) => Some("conflict"),
        Err(AppendError::ClaimTaken { .. }) => Some("claim"),
        Err(other) => return Err(TestCaseError::fail(other.to_string())),
    };
    prop_assert_eq!(refusal, model.refuses(&append));
    if let Ok(appended) = outcome {
        prop_assert_eq!(appended, model.accept(append));
    }
    Ok(())
}

/// Rivals for the same streams: whatever the order, positions tell it afterwards.
async fn together(
    stores: &Stores,
    model: &mut Model,
    streams: Vec<u8>,
) -> Result<(), TestCaseError> {
    let appends: Vec<Append> = streams
        .into_iter()
        .map(|stream| append(stream_id(stream), model.version(stream_id(stream)), 1))
        .collect();
    let outcomes =
        futures::future::join_all(appends.iter().map(|a| stores.events.append(a.clone()))).await;
    let mut won: Vec<(Append, Appended)> = Vec::new();
    for (append, outcome) in appends.iter().zip(outcomes) {
        match outcome {
            Ok(appended) => won.push((append.clone(), appended)),
            Err(AppendError::Conflict { actual }) => {
                prop_assert_eq!(actual, append.expected_version + 1)
            }
            Err(other) => return Err(TestCaseError::fail(other.to_string())),
        }
    }
    won.sort_by_key(|(_, appended)| appended.position);
    for (append, appended) in won {
        prop_assert_eq!(model.refuses(&append), None);
        prop_assert_eq!(model.accept(append), appended);
    }
    for append in appends {
        prop_assert_eq!(
            model.version(append.stream_id),
            append.expected_version + 1,
            "one won"
        );
    }
    Ok(())
}

async fn compare(stores: &Stores, model: &Model) -> Result<(), TestCaseError> {
    let log = stores.events.read_after(0, 10_000).await.unwrap();
    let ids: Vec<Uuid> = log.iter().map(|event| event.event_id).collect();
    prop_assert_eq!(&ids, &model.events);
    prop_assert!(
        log.iter()
            .zip(1..)
            .all(|(event, position)| event.position == position)
    );
    for claim in 0..3 {
        let owner = stores.events.claim_owner(&[claim]).await.unwrap();
        prop_assert_eq!(owner.as_ref(), model.claims.get(&vec![claim]));
    }
    for (key, appended) in &model.requests {
        let found = stores
            .events
            .request(key)
            .await
            .unwrap()
            .map(|r| r.position);
        prop_assert_eq!(found, Some(appended.position));
    }
    let verified = chain::verify(&*stores.events).await;
    prop_assert_eq!(verified.unwrap().events, log.len() as i64);
    Ok(())
}

fn against_the_model(adapter: Adapter, cases: u32) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    proptest!(ProptestConfig::with_cases(cases), |(steps in prop::collection::vec(step(), 1..30))| {
        runtime.block_on(async { run(&storage(adapter).await.stores, steps).await })?;
    });
}

#[test]
fn memory_behaves_as_the_model() {
    against_the_model(Memory, 256);
}

#[test]
fn sqlite_behaves_as_the_model() {
    against_the_model(Sqlite, 24);
}

#[test]
fn postgres_behaves_as_the_model() {
    against_the_model(Postgres, 12);
}
