//! Calls over the simulated network: a future is polled on the host that it is sent to, and its answer comes back.

use std::any::Any;
use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use albatross::ports::event_store::StoreError;
use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;
use turmoil::net::{TcpListener, TcpStream};

const PORT: u16 = 1;
/// A server closes a connection on which nothing was asked for this long, as PostgreSQL does within a lane's transaction.
const IDLE: Duration = Duration::from_secs(30);

type Answer = Box<dyn Any + Send>;
type Job = Box<dyn FnOnce(Session) -> BoxFuture<'static, Answer> + Send>;

/// What frames stand for: these carry a number, and the rest waits here. A lost frame loses what it stands for.
#[derive(Default)]
pub struct Wire {
    calls: AtomicU64,
    jobs: Mutex<HashMap<u64, Job>>,
    answers: Mutex<HashMap<u64, Answer>>,
}

/// What a server keeps for a connection, until that ends.
#[derive(Clone, Default)]
pub struct Session(Arc<Mutex<Vec<Answer>>>);

impl Session {
    pub fn keep(&self, thing: impl Any + Send) {
        self.0.lock().unwrap().push(Box::new(thing));
    }
}

/// The way to a host.
#[derive(Clone)]
pub struct Link {
    pub wire: Arc<Wire>,
    pub host: &'static str,
    /// How long an answer may take.
    pub patience: Duration,
}

pub struct Connection {
    stream: TcpStream,
    link: Link,
}

impl Link {
    /// One call over a connection of its own. What failed may have been done, or be done later.
    pub async fn call<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.open().await?.call(|_| work).await
    }

    pub async fn open(&self) -> Result<Connection, StoreError> {
        let stream = timeout(self.patience, TcpStream::connect((self.host, PORT)));
        Ok(Connection {
            stream: stream.await??,
            link: self.clone(),
        })
    }
}

impl Connection {
    pub async fn call<T, F>(
        &mut self,
        work: impl FnOnce(Session) -> F + Send + 'static,
    ) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        let wire = self.link.wire.clone();
        let number = wire.calls.fetch_add(1, Ordering::Relaxed);
        let job: Job = Box::new(|session| {
            let work = work(session);
            async move { Box::new(work.await) as Answer }.boxed()
        });
        wire.jobs.lock().unwrap().insert(number, job);
        let asked = async {
            self.stream.write_u64(number).await?;
            self.stream.read_u64().await
        };
        let number = timeout(self.link.patience, asked).await??;
        let answer = wire.answers.lock().unwrap().remove(&number);
        let answer = answer.and_then(|answer| answer.downcast().ok());
        Ok(*answer.ok_or("an answer to something else")?)
    }
}

/// Answers calls until the host crashes.
pub async fn serve(wire: Arc<Wire>) -> turmoil::Result {
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, PORT)).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(answer(wire.clone(), stream));
    }
}

/// Until the caller ends the connection, or is silent for too long.
async fn answer(wire: Arc<Wire>, mut stream: TcpStream) {
    let session = Session::default();
    while let Ok(Ok(number)) = timeout(IDLE, stream.read_u64()).await {
        let job = wire.jobs.lock().unwrap().remove(&number);
        let Some(job) = job else { return };
        let answer = job(session.clone()).await;
        wire.answers.lock().unwrap().insert(number, answer);
        if stream.write_u64(number).await.is_err() {
            return;
        }
    }
}
