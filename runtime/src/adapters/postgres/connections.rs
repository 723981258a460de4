//! Connections to one database.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgPool, PgQueryResult, PgRow, PgStatement, PgTypeInfo};
use sqlx::{Connection, Describe, Either, Error, Execute, Executor, Postgres, SqlStr, Transaction};
use tokio::runtime::Handle;
use tokio::time::Instant;

use crate::adapters::failure::Failure;
use crate::adapters::postgres::silence::Silence;

/// So long a connection may lie unused before it goes back to the pool, which closes it in time.
const FRESH: Duration = Duration::from_secs(1);

/// A pool, and a few of its connections at hand: the pool asks the server about each that comes back, which costs a
/// single statement as much again as it takes itself.
#[derive(Clone, Debug)]
pub struct Connections {
    pool: PgPool,
    kept: Arc<Mutex<Kept>>,
    /// The pool's other connections are there for transactions.
    most: usize,
    silence: Silence,
}

#[derive(Debug, Default)]
struct Kept {
    /// With the moment at which all was well, the oldest first.
    connections: Vec<(Instant, PoolConnection<Postgres>)>,
    sweeping: bool,
}

impl Connections {
    /// Keeps at most so many of the pool's connections at hand. `silence` is what the pool knows of, too.
    pub fn new(pool: PgPool, most: usize, silence: Silence) -> Self {
        let kept = Arc::default();
        Self {
            pool,
            kept,
            most,
            silence,
        }
    }

    pub async fn acquire(&self) -> Result<PoolConnection<Postgres>, Error> {
        let kept = self.kept().take(&self.silence);
        match kept {
            Some(connection) => Ok(connection),
            None => self.pool.acquire().await,
        }
    }

    pub async fn begin(&self) -> Result<Transaction<'static, Postgres>, Error> {
        self.pool.begin().await
    }

    /// What a server says, unless it says nothing: others wait behind it.
    pub async fn in_time<T>(
        &self,
        batch: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        self.silence.in_time(batch).await
    }

    /// Waits for what is under way.
    pub async fn close(&self) {
        let closed = self.pool.close();
        drop(self.kept().take_all());
        closed.await;
    }

    /// For a connection on which all went well. Any other is dropped: the pool looks at it.
    pub fn keep(&self, connection: PoolConnection<Postgres>) {
        let mut kept = self.kept();
        if self.pool.is_closed() || kept.connections.len() >= self.most {
            return;
        }
        kept.connections.push((Instant::now(), connection));
        if !std::mem::replace(&mut kept.sweeping, true) {
            tokio::spawn(sweep(Arc::downgrade(&self.kept), self.silence.clone()));
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        lock(&self.kept)
    }
}

impl Kept {
    /// The one that was used last. Those that may lead nowhere are closed.
    fn take(&mut self, silence: &Silence) -> Option<PoolConnection<Postgres>> {
        while let Some((since, mut connection)) = self.connections.pop() {
            if !silence.is_since(since) {
                return Some(connection);
            }
            connection.close_on_drop();
        }
        None
    }

    fn take_all(&mut self) -> Vec<PoolConnection<Postgres>> {
        let all = self.connections.drain(..);
        all.map(|(_, connection)| connection).collect()
    }

    /// Takes out those which nobody has used for a while.
    fn take_unused(&mut self) -> Vec<PoolConnection<Postgres>> {
        let is_unused = |(since, _): &mut (Instant, _)| since.elapsed() >= FRESH;
        let unused = self.connections.extract_if(.., is_unused);
        unused.map(|(_, connection)| connection).collect()
    }
}

impl Drop for Kept {
    /// To give a connection back takes a runtime, which may be gone.
    fn drop(&mut self) {
        let all = self.take_all();
        if Handle::try_current().is_err() {
            all.into_iter().for_each(|it| drop(it.leak()));
        }
    }
}

/// Runs as long as there is something to sweep, and keeps none of it for longer than its owner does.
async fn sweep(kept: Weak<Mutex<Kept>>, silence: Silence) {
    loop {
        tokio::time::sleep(FRESH).await;
        let Some(kept) = kept.upgrade() else {
            return;
        };
        let mut kept = lock(&kept);
        for unused in kept.take_unused() {
            tokio::spawn(give_back(unused, silence.clone()));
        }
        if kept.connections.is_empty() {
            kept.sweeping = false;
            return;
        }
    }
}

/// The pool asks each connection that comes back, and would wait for the answer of a dead one for ever.
async fn give_back(mut connection: PoolConnection<Postgres>, silence: Silence) {
    if silence.within(connection.ping()).await.is_err() {
        connection.close_on_drop();
    }
}

fn lock(kept: &Mutex<Kept>) -> MutexGuard<'_, Kept> {
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}

type Step = Either<PgQueryResult, PgRow>;

impl<'c> Executor<'c> for &'_ Connections {
    type Database = Postgres;

    /// Whole: a connection is at hand again when its answer has been read.
    fn fetch_many<'e, 'q: 'e, E>(self, query: E) -> BoxStream<'e, Result<Step, Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        let connections = self.clone();
        let steps = async move {
            let mut connection = connections.acquire().await?;
            let steps: Vec<Step> = connection.fetch_many(query).try_collect().await?;
            connections.keep(connection);
            Ok::<_, Error>(stream::iter(steps.into_iter().map(Ok)))
        };
        stream::once(steps).try_flatten().boxed()
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<Option<PgRow>, Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        let connections = self.clone();
        Box::pin(async move {
            let mut connection = connections.acquire().await?;
            let row = connection.fetch_optional(query).await?;
            connections.keep(connection);
            Ok(row)
        })
    }

    fn prepare_with<'e>(
        self,
        sql: SqlStr,
        parameters: &'e [PgTypeInfo],
    ) -> BoxFuture<'e, Result<PgStatement, Error>>
    where
        'c: 'e,
    {
        let pool = self.pool.clone();
        Box::pin(async move { pool.acquire().await?.prepare_with(sql, parameters).await })
    }
    #[doc(hidden)]
    fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, Result<Describe<Postgres>, Error>>
    where
        'c: 'e,
    {
        let pool = self.pool.clone();
        Box::pin(async move { pool.acquire().await?.describe(sql).await })
    }
}
