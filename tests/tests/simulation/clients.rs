//! Whoever uses the airline: pilots who file and submit, a page that follows the changes, keys that are revoked.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use albatross::application::changes::notice::Notice;
use albatross::application::error::ServiceError;
use albatross::application::identity::Identity;
use albatross::domain::review::Rule;
use albatross_tests::replica::{Answer, Pilot, Replica};
use futures::StreamExt;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, RngExt, SeedableRng};
use tokio::sync::Mutex;
use tokio::time::sleep;
use turmoil::Sim;
use uuid::{Builder, Uuid};

use crate::REPLICAS;
use crate::clocks::now;
use crate::remote::Servers;
use crate::story::{Flown, Revocation, Story};
use crate::weather::{CALM, STORM};
use crate::wire::{Connection, Link};
use crate::{telemetry, verdict};

const PILOTS: usize = 2;
/// Pauses between calls, in milliseconds.
const THINKING: u64 = 400;
/// A key's time to live in the cache, and how long a message may be held up on its way there.
const BY_TIME_TO_LIVE: Duration = Duration::from_secs(60 + 15);
/// A second, and the network's own time.
const TOLD: Duration = Duration::from_millis(1_500);

/// One client of the airline.
struct Client {
    servers: Arc<Servers>,
    story: Arc<Story>,
    random: StdRng,
}

pub fn add(sim: &mut Sim<'_>, random: &mut StdRng, servers: &Arc<Servers>, story: &Arc<Story>) {
    let mut client = || Client {
        servers: servers.clone(),
        story: story.clone(),
        random: StdRng::seed_from_u64(random.random()),
    };
    for number in 0..PILOTS {
        sim.client(format!("pilot-{number}"), client().fly(number));
    }
    sim.client("page", client().follow());
    // One key is revoked in the storm, one when it is over.
    let moment = client()
        .random
        .random_range(STORM[0].as_secs()..STORM[1].as_secs());
    let storm = Duration::from_secs(moment);
    sim.client("storm", client().revoke("storm", storm, BY_TIME_TO_LIVE));
    sim.client("calm", client().revoke("calm", CALM, TOLD));
}

impl Client {
    /// Calls a replica once; none when nobody knows what became of it.
    async fn once<T, F>(&mut self, ask: impl FnOnce(Replica) -> F + Send + 'static) -> Option<T>
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        let number = self.random.random_range(0..REPLICAS.len());
        let story = self.story.clone();
        let asked = async move { Some(ask(story.replica(number)?).await) };
        let answer = self.link(number).call(asked).await;
        if !matches!(answer, Ok(Some(_))) {
            self.story.note_repeat();
        }
        answer.ok()?
    }

    fn link(&self, number: usize) -> Link {
        Link {
            wire: self.servers.wire.clone(),
            host: REPLICAS[number],
            patience: Duration::from_secs(35),
        }
    }

    async fn think(&mut self) {
        sleep(Duration::from_millis(self.random.random_range(1..THINKING))).await;
    }

    /// Until it is done, whoever does it.
    async fn done<F>(&mut self, ask: impl Fn(Replica) -> F + Clone + Send + 'static) -> Answer
    where
        F: Future<Output = Answer> + Send + 'static,
    {
        loop {
            match self.once(ask.clone()).await {
                Some(answer) if answer.is_done() => return answer,
                Some(_) => self.story.note_repeat(),
                None => {}
            }
            self.think().await;
        }
    }

    /// Somebody with a key.
    async fn join(&mut self, name: String) -> Pilot {
        self.succeed(move |replica| {
            let name = name.clone();
            async move { replica.pilot(&name).await.ok() }
        })
        .await
    }

    /// Until it succeeds, wherever it does.
    async fn succeed<T, F>(&mut self, ask: impl Fn(Replica) -> F + Clone + Send + 'static) -> T
    where
        T: Send + 'static,
        F: Future<Output = Option<T>> + Send + 'static,
    {
        loop {
            if let Some(Some(answer)) = self.once(ask.clone()).await {
                return answer;
            }
            self.think().await;
        }
    }

    /// Files, flies and submits flights until the storm is over, and reads what it wrote.
    async fn fly(mut self, number: usize) -> turmoil::Result {
        self.succeed(|replica| async move { replica.declare(vec![Rule::AutoAccept]).await.ok() })
            .await;
        let pilot = self.join(format!("pilot{number}")).await;
        while now() < STORM[1] {
            let id = self.id();
            let by = pilot.clone();
            let filed = self.done(move |replica| {
                let by = by.clone();
                async move { replica.file(&by, id).await }
            });
            let filed = filed.await.position.unwrap();
            self.read(&pilot, id, filed, 1).await;
            let mut batches: Vec<_> = telemetry::BATCHES.map(|batch| (self.id(), batch)).into();
            batches.shuffle(&mut self.random);
            // What is not sent by then comes after the submission: rules wait for it.
            let late = batches.split_off(self.random.random_range(0..=batches.len()));
            let arrived: Vec<_> = batches.iter().map(|(_, batch)| batch.clone()).collect();
            self.send(&pilot, id, batches).await;
            let by = pilot.clone();
            let submitted = self.done(move |replica| {
                let by = by.clone();
                async move { replica.submit_tracked(&by, id, Some(telemetry::LAST)).await }
            });
            let submitted = submitted.await.position.unwrap();
            self.read(&pilot, id, submitted, 2).await;
            self.send(&pilot, id, late).await;
            let mut flights = self.story.flights.lock().unwrap();
            let flown = Flown {
                filed,
                submitted,
                milestones: telemetry::certain(&arrived),
            };
            flights.insert(id, flown);
        }
        self.converged().await
    }

    /// Batches of a flight, each until it is acknowledged, and now and then once more.
    async fn send(&mut self, pilot: &Pilot, id: Uuid, batches: Vec<(Uuid, Range<i32>)>) {
        for (batch_id, samples) in batches {
            for _ in 0..self.random.random_range(1..=2) {
                let (by, samples) = (pilot.clone(), samples.clone());
                self.done(move |replica| {
                    let (by, positions) = (by.clone(), telemetry::positions(samples.clone()));
                    async move { replica.positions(&by, id, batch_id, positions).await }
                })
                .await;
            }
            self.think().await;
        }
    }

    fn id(&mut self) -> Uuid {
        let mut bytes = [0; 16];
        self.random.fill_bytes(&mut bytes);
        Builder::from_random_bytes(bytes).into_uuid()
    }

    /// Whoever names the position of a write sees it, or is told to come later.
    async fn read(&mut self, pilot: &Pilot, id: Uuid, position: i64, version: i64) {
        let by = pilot.clone();
        let read = self.once(move |replica| async move { replica.read(&by, id, position).await });
        if let Some(read) = read.await.filter(Answer::is_done) {
            assert!(
                read.body["version"].as_i64() >= Some(version),
                "a read that missed a write: {read:?}"
            );
        }
    }

    /// Follows the changes from the first on, and goes on where it was after each interruption.
    async fn follow(mut self) -> turmoil::Result {
        let by = self
            .succeed(|replica| async move { replica.staff("page").await.ok() })
            .await;
        let mut seen = 0;
        while !verdict::has_converged(&self.servers, seen).await {
            if let Ok(Some((connection, stream))) = self.subscribe(by.clone(), seen).await {
                self.listen(connection, stream, &mut seen).await;
            }
            self.think().await;
        }
        Ok(())
    }

    async fn subscribe(
        &mut self,
        by: Identity,
        seen: i64,
    ) -> Result<Option<(Connection, Changes)>, albatross::ports::event_store::StoreError> {
        let number = self.random.random_range(0..REPLICAS.len());
        let (story, epoch) = (self.story.clone(), verdict::EPOCH);
        let mut connection = self.link(number).open().await?;
        let stream = connection.call(move |_| async move {
            let changes = &story.replica(number)?.airline.changes;
            let stream = changes.subscribe(by, Some((epoch, seen))).await.ok()?;
            Some(Arc::new(Mutex::new(stream.boxed())))
        });
        Ok(stream.await?.map(|stream| (connection, stream)))
    }

    async fn listen(&mut self, mut connection: Connection, stream: Changes, seen: &mut i64) {
        loop {
            let stream = stream.clone();
            let next = connection.call(|_| async move {
                let next = async { stream.lock().await.next().await };
                tokio::time::timeout(Duration::from_secs(5), next).await
            });
            match next.await {
                Ok(Ok(Some(Notice::Changed(changed)))) => {
                    self.story.told.lock().unwrap().push(changed.position);
                    *seen = changed.position;
                }
                Ok(Ok(Some(Notice::Reset))) => {
                    panic!("a reader of this log was told to begin anew")
                }
                Ok(Err(_)) if !verdict::has_converged(&self.servers, *seen).await => {}
                // Interrupted, or at the end.
                _ => return,
            }
        }
    }

    /// Asks for a key all along, which is revoked at some moment.
    async fn revoke(mut self, name: &str, at: Duration, within: Duration) -> turmoil::Result {
        let pilot = self.join(name.to_owned()).await;
        while now() < at {
            self.ask(&pilot).await;
        }
        let revoked = pilot.clone();
        self.succeed(move |replica| {
            let revoked = revoked.clone();
            async move { replica.revoke(&revoked).await.ok() }
        })
        .await;
        let mut revocation = Revocation {
            at: now(),
            within,
            opened: Vec::new(),
            asked: 0,
        };
        while now() < revocation.at + within + Duration::from_secs(10) {
            let asked = now();
            revocation.asked += 1;
            if self.ask(&pilot).await {
                revocation.opened.push(asked);
            }
        }
        self.story.revocations.lock().unwrap().push(revocation);
        self.converged().await
    }

    /// Whether the key opens anything.
    async fn ask(&mut self, pilot: &Pilot) -> bool {
        let key = pilot.key.clone();
        let opened = self.once(|replica| async move { replica.airline.auth.by_key(&key).await });
        let opened = opened.await;
        self.think().await;
        match opened {
            Some(Ok(_)) => true,
            None | Some(Err(ServiceError::Unauthenticated | ServiceError::Unavailable(_))) => false,
            Some(Err(error)) => panic!("a key could not be checked: {error}"),
        }
    }

    /// The simulation goes on until everything that was written has arrived everywhere.
    async fn converged(self) -> turmoil::Result {
        while !verdict::has_converged(&self.servers, i64::MAX).await {
            sleep(Duration::from_secs(1)).await;
        }
        Ok(())
    }
}

/// On the host of a replica.
type Changes = Arc<Mutex<futures::stream::BoxStream<'static, Notice>>>;
