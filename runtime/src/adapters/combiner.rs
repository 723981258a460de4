//! The write combiner: one commit at a time, and each carries whatever queued up while the previous one ran.

use std::collections::{HashSet, VecDeque};
use std::panic::AssertUnwindSafe;

use async_trait::async_trait;
use futures::FutureExt;
use tokio::sync::{mpsc, oneshot};

use crate::adapters::failure::Failure;
use crate::ports::event_store::StoreError;

/// Commands that wait beyond these make their callers wait.
const QUEUE: usize = 1_024;
/// Of one batch.
pub const MAX_COMMANDS: usize = 256;
const MAX_WEIGHT: usize = 4 * 1024 * 1024;

/// What executes batches: all commands of a batch in one transaction.
#[async_trait]
pub trait Backend: Send + Sync + 'static {
    type Command: Send + Sync + 'static;
    type Answer: Send + 'static;

    /// What two commands of one batch must not share, such as a stream; hashed.
    fn keys(command: &Self::Command) -> Vec<u64>;

    /// About how many bytes the command writes.
    fn weight(command: &Self::Command) -> usize;

    /// One answer per command, in order. Repeating a command that was executed gives its first answer,
    /// so that a failure with unknown outcome may be followed by a repetition.
    async fn execute(&self, commands: &[Self::Command]) -> Result<Vec<Self::Answer>, Failure>;

    /// The answer to a command that could not be executed.
    fn unavailable(error: StoreError) -> Self::Answer;
}

/// A queue in front of a [`Backend`].
pub struct Combiner<B: Backend> {
    queue: mpsc::Sender<Pending<B>>,
}

struct Pending<B: Backend> {
    command: B::Command,
    reply: oneshot::Sender<B::Answer>,
}

impl<B: Backend> Combiner<B> {
    /// Starts the task that commits; it ends when the combiner is dropped and its queue is empty.
    pub fn start(backend: B) -> Self {
        let (queue, commands) = mpsc::channel(QUEUE);
        tokio::spawn(run(backend, commands));
        Self { queue }
    }

    /// Queues a command and waits for its answer. Once queued it is executed, even if the caller goes away.
    pub async fn submit(&self, command: B::Command) -> B::Answer {
        let (reply, answer) = oneshot::channel();
        let stopped = || B::unavailable("the write was broken off".into());
        if self.queue.send(Pending { command, reply }).await.is_err() {
            return stopped();
        }
        answer.await.unwrap_or_else(|_| stopped())
    }
}

async fn run<B: Backend>(backend: B, mut queue: mpsc::Receiver<Pending<B>>) {
    let mut waiting = VecDeque::new();
    loop {
        if waiting.is_empty() {
            match queue.recv().await {
                Some(pending) => waiting.push_back(pending),
                None => return,
            }
        }
        // Those who were answered just now come first: what they write next goes along.
        tokio::task::yield_now().await;
        while waiting.len() < QUEUE {
            match queue.try_recv() {
                Ok(pending) => waiting.push_back(pending),
                Err(_) => break,
            }
        }
        let commit = commit(&backend, next_batch(&mut waiting));
        // Whose command it was gets no answer, and may ask again; everybody else goes on.
        if AssertUnwindSafe(commit).catch_unwind().await.is_err() {
            tracing::error!("a commit panicked");
        }
    }
}

/// Takes what fits into one transaction; a command that shares a key with an earlier one waits behind it.
fn next_batch<B: Backend>(waiting: &mut VecDeque<Pending<B>>) -> Vec<Pending<B>> {
    let mut batch = Vec::new();
    let mut later = VecDeque::new();
    let mut taken = HashSet::new();
    let mut weight = 0;
    while let Some(pending) = waiting.pop_front() {
        let keys = B::keys(&pending.command);
        let collides = keys.iter().any(|key| taken.contains(key));
        taken.extend(keys);
        if collides {
            later.push_back(pending);
            continue;
        }
        weight += B::weight(&pending.command);
        if !batch.is_empty() && weight > MAX_WEIGHT {
            later.push_back(pending);
            break;
        }
        batch.push(pending);
        if batch.len() == MAX_COMMANDS {
            break;
        }
    }
    later.append(waiting);
    *waiting = later;
    batch
}

async fn commit<B: Backend>(backend: &B, batch: Vec<Pending<B>>) {
    let (commands, replies): (Vec<_>, Vec<_>) =
        batch.into_iter().map(|p| (p.command, p.reply)).unzip();
    match backend.execute(&commands).await {
        Ok(answers) => {
            for (reply, answer) in replies.into_iter().zip(answers) {
                // A caller that went away has its command executed all the same.
                let _ = reply.send(answer);
            }
        }
        Err(failure) => {
            tracing::warn!(
                ?failure,
                commands = commands.len(),
                "batch failed; repeating singly"
            );
            repeat_singly(backend, &commands, replies).await;
        }
    }
}

/// One command's error must not take others with it; and what the lost commit did write, the repetition finds.
async fn repeat_singly<B: Backend>(
    backend: &B,
    commands: &[B::Command],
    replies: Vec<oneshot::Sender<B::Answer>>,
) {
    let mut away: Option<String> = None;
    for (command, reply) in commands.chunks(1).zip(replies) {
        let answer = match &away {
            Some(reason) => B::unavailable(reason.clone().into()),
            None => match backend.execute(command).await {
                Ok(mut answers) => answers
                    .pop()
                    .unwrap_or_else(|| B::unavailable("the store gave no answer".into())),
                Err(Failure::Failed(error)) => B::unavailable(error),
                Err(Failure::Unreachable(error)) => {
                    away = Some(error.to_string());
                    B::unavailable(error)
                }
            },
        };
        let _ = reply.send(answer);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tokio::sync::Semaphore;

    use super::*;

    type Batches = Arc<Mutex<Vec<Vec<u64>>>>;

    /// Commands are their own keys modulo 100; 13 is poison for a batch and alone.
    struct Recorder {
        batches: Batches,
        gate: Arc<Semaphore>,
    }

    #[async_trait]
    impl Backend for Recorder {
        type Command = u64;
        type Answer = Result<u64, String>;

        fn keys(command: &u64) -> Vec<u64> {
            vec![command % 100]
        }

        fn weight(_: &u64) -> usize {
            1
        }

        async fn execute(&self, commands: &[u64]) -> Result<Vec<Self::Answer>, Failure> {
            self.gate.acquire().await.unwrap().forget();
            self.batches.lock().unwrap().push(commands.to_vec());
            assert!(!commands.contains(&99), "a fault of ours");
            if commands.contains(&13) {
                return Err(Failure::Failed("poison".into()));
            }
            if commands.contains(&66) {
                return Err(Failure::Unreachable("away".into()));
            }
            Ok(commands.iter().map(|&command| Ok(command)).collect())
        }

        fn unavailable(error: StoreError) -> Self::Answer {
            Err(error.to_string())
        }
    }

    /// Queues `commands` behind a first one that has begun, lets all of it run, and returns answers and batches.
    async fn combine(commands: &[u64]) -> (Vec<Result<u64, String>>, Vec<Vec<u64>>) {
        let (batches, gate) = (Batches::default(), Arc::new(Semaphore::new(0)));
        let backend = Recorder {
            batches: batches.clone(),
            gate: gate.clone(),
        };
        let combiner = Combiner::start(backend);
        let answers = futures::future::join_all(commands.iter().map(|&c| combiner.submit(c)));
        let open = async { gate.add_permits(100) };
        let (answers, ()) = tokio::join!(answers, open);
        let batches = batches.lock().unwrap().clone();
        (answers, batches)
    }

    #[tokio::test]
    async fn what_queued_up_goes_together_but_one_key_only_once() {
        let (answers, batches) = combine(&[1, 2, 101, 3, 201]).await;
        assert_eq!(batches, [vec![1, 2, 3], vec![101], vec![201]]);
        assert!(answers.iter().all(Result::is_ok));
    }

    #[tokio::test]
    async fn a_poisonous_command_fails_alone() {
        let (answers, batches) = combine(&[1, 13, 2]).await;
        assert_eq!(batches, [vec![1, 13, 2], vec![1], vec![13], vec![2]]);
        assert_eq!(answers, [Ok(1), Err("poison".into()), Ok(2)]);
    }

    #[tokio::test]
    async fn when_the_database_is_away_nobody_waits_in_turn() {
        let (answers, batches) = combine(&[66, 1, 2]).await;
        assert_eq!(batches, [vec![66, 1, 2], vec![66]]);
        assert!(answers.iter().all(|answer| *answer == Err("away".into())));
    }

    #[tokio::test]
    async fn a_commit_that_panics_stops_nobody_who_comes_later() {
        let (answers, batches) = combine(&[99, 1, 101]).await;
        assert_eq!(batches, [vec![99, 1], vec![101]]);
        let stopped = || Err("the write was broken off".to_owned());
        assert_eq!(answers, [stopped(), stopped(), Ok(101)]);
    }

    #[tokio::test]
    async fn a_dropped_caller_cancels_nothing() {
        let (batches, gate) = (Batches::default(), Arc::new(Semaphore::new(0)));
        let backend = Recorder {
            batches: batches.clone(),
            gate: gate.clone(),
        };
        let combiner = Combiner::start(backend);
        futures::select_biased! {
            _ = futures::FutureExt::fuse(Box::pin(combiner.submit(1))) => panic!("the gate is closed"),
            _ = futures::FutureExt::fuse(Box::pin(tokio::task::yield_now())) => {}
        }
        gate.add_permits(2);
        assert_eq!(combiner.submit(101).await, Ok(101));
        assert_eq!(*batches.lock().unwrap(), [vec![1], vec![101]]);
    }
}
