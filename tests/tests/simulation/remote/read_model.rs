//! The read model, with lanes that are held by a connection.

use std::sync::{Arc, Weak};

use albatross::ports::event_store::StoreError;
use albatross::ports::read_model::{
    Change, Checkpoint, CommitError, Filter, LaneGuard, LaneRows, Query, ReadModel, Rebuild, Row,
    Table,
};
use async_trait::async_trait;
use tokio::sync::Mutex;
use uuid::Uuid;

use crate::remote::Servers;
use crate::wire::{Connection, Link};

pub struct RemoteReadModel {
    inner: Arc<dyn ReadModel>,
    link: Link,
}

impl RemoteReadModel {
    pub fn new(servers: &Servers, link: Link) -> Self {
        Self {
            inner: servers.read_model.clone(),
            link,
        }
    }
}

/// The lane is free when the server notices that the connection has ended.
type Held = Mutex<Option<Box<dyn LaneGuard>>>;

struct RemoteGuard {
    connection: Connection,
    checkpoint: Checkpoint,
    held: Weak<Held>,
}

#[async_trait]
impl ReadModel for RemoteReadModel {
    async fn prepare(&self, tables: &[&'static Table]) -> Result<(), StoreError> {
        let (inner, tables) = (self.inner.clone(), tables.to_vec());
        let work = async move { inner.prepare(&tables).await };
        self.link.call(work).await?
    }

    async fn keep(&self) -> Result<(), StoreError> {
        let inner = self.inner.clone();
        self.link.call(async move { inner.keep().await }).await?
    }

    async fn lock_lane(
        &self,
        lane: &'static str,
    ) -> Result<Option<Box<dyn LaneGuard>>, StoreError> {
        let inner = self.inner.clone();
        let mut connection = self.link.open().await?;
        let locked = connection.call(move |session| async move {
            let Some(guard) = inner.lock_lane(lane).await? else {
                return Ok::<_, StoreError>(None);
            };
            let checkpoint = guard.checkpoint();
            let held = Arc::new(Held::new(Some(guard)));
            let weak = Arc::downgrade(&held);
            session.keep(held);
            Ok(Some((checkpoint, weak)))
        });
        let locked = locked.await??;
        Ok(locked.map(|(checkpoint, held)| {
            Box::new(RemoteGuard {
                connection,
                checkpoint,
                held,
            }) as Box<dyn LaneGuard>
        }))
    }

    async fn checkpoint(&self, lane: &'static str) -> Result<Checkpoint, StoreError> {
        let inner = self.inner.clone();
        self.link
            .call(async move { inner.checkpoint(lane).await })
            .await?
    }

    async fn rows(&self, table: &'static Table, ids: &[Uuid]) -> Result<Vec<Row>, StoreError> {
        let (inner, ids) = (self.inner.clone(), ids.to_vec());
        self.link
            .call(async move { inner.rows(table, &ids).await })
            .await?
    }

    async fn list(&self, query: Query) -> Result<Vec<Row>, StoreError> {
        let inner = self.inner.clone();
        self.link
            .call(async move { inner.list(query).await })
            .await?
    }

    async fn count(&self, table: &'static Table, filters: Vec<Filter>) -> Result<i64, StoreError> {
        let inner = self.inner.clone();
        self.link
            .call(async move { inner.count(table, filters).await })
            .await?
    }

    async fn rebuild(
        &self,
        _: &'static str,
        _: &'static [&'static Table],
    ) -> Result<Option<Box<dyn Rebuild>>, StoreError> {
        Err("nobody rebuilds in the simulation".into())
    }
}

#[async_trait]
impl LaneRows for RemoteGuard {
    async fn rows(&mut self, table: &'static Table, ids: &[Uuid]) -> Result<Vec<Row>, StoreError> {
        let (held, ids) = (self.held.clone(), ids.to_vec());
        let work = move |_| async move {
            let held = held.upgrade().ok_or("the lane was let go")?;
            let mut guard = held.lock().await;
            guard.as_mut().ok_or("committed")?.rows(table, &ids).await
        };
        self.connection.call(work).await?
    }

    async fn list(&mut self, query: Query) -> Result<Vec<Row>, StoreError> {
        let held = self.held.clone();
        let work = move |_| async move {
            let held = held.upgrade().ok_or("the lane was let go")?;
            let mut guard = held.lock().await;
            guard.as_mut().ok_or("committed")?.list(query).await
        };
        self.connection.call(work).await?
    }
}

#[async_trait]
impl LaneGuard for RemoteGuard {
    fn checkpoint(&self) -> Checkpoint {
        self.checkpoint
    }

    async fn commit(
        mut self: Box<Self>,
        changes: Vec<Change>,
        checkpoint: Checkpoint,
    ) -> Result<(), CommitError> {
        let held = self.held.clone();
        let work = move |_| async move {
            let guard = take(held).await?;
            guard.commit(changes, checkpoint).await
        };
        self.connection.call(work).await?
    }

    async fn reset(
        mut self: Box<Self>,
        tables: &[&'static Table],
        epoch: Uuid,
    ) -> Result<(), CommitError> {
        let (held, tables) = (self.held.clone(), tables.to_vec());
        let work = move |_| async move {
            let guard = take(held).await?;
            guard.reset(&tables, epoch).await
        };
        self.connection.call(work).await?
    }
}

async fn take(held: Weak<Held>) -> Result<Box<dyn LaneGuard>, StoreError> {
    let held = held.upgrade().ok_or("the lane was let go")?;
    let guard = held.lock().await.take();
    Ok(guard.ok_or("committed")?)
}
