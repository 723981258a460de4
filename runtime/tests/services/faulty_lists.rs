//! Lists that cannot be written for a while, or not even asked how far they are; and how often they are asked for rows.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use albatross::ports::event_store::StoreError;
use albatross::ports::read_model::{
    Checkpoint, Filter, LaneGuard, Query, ReadModel, Rebuild, Row, Table,
};
use async_trait::async_trait;
use uuid::Uuid;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    Unwritable,
    Unreadable,
    /// They are gone without a word.
    Silent,
}

pub struct FaultyLists {
    inner: Arc<dyn ReadModel>,
    pub trouble: Mutex<Option<Trouble>>,
    /// How often somebody asked for rows by their ids.
    pub asked: AtomicUsize,
}

impl FaultyLists {
    pub fn over(inner: Arc<dyn ReadModel>) -> Arc<Self> {
        Arc::new(Self {
            inner,
            trouble: Mutex::default(),
            asked: AtomicUsize::new(0),
        })
    }

    async fn suffer(&self, troubles: &[Trouble]) -> Result<(), StoreError> {
        let trouble = *self.trouble.lock().unwrap();
        match trouble.filter(|trouble| troubles.contains(trouble)) {
            None => Ok(()),
            Some(Trouble::Silent) => std::future::pending().await,
            Some(trouble) => Err(format!("{trouble:?}").into()),
        }
    }
}

#[async_trait]
impl ReadModel for FaultyLists {
    async fn prepare(&self, tables: &[&'static Table]) -> Result<(), StoreError> {
        self.inner.prepare(tables).await
    }

    async fn keep(&self) -> Result<(), StoreError> {
        self.inner.keep().await
    }

    async fn lock_lane(
        &self,
        lane: &'static str,
    ) -> Result<Option<Box<dyn LaneGuard>>, StoreError> {
        use Trouble::{Silent, Unreadable, Unwritable};
        self.suffer(&[Unwritable, Unreadable, Silent]).await?;
        self.inner.lock_lane(lane).await
    }

    async fn checkpoint(&self, lane: &'static str) -> Result<Checkpoint, StoreError> {
        self.suffer(&[Trouble::Unreadable, Trouble::Silent]).await?;
        self.inner.checkpoint(lane).await
    }

    async fn rows(&self, table: &'static Table, ids: &[Uuid]) -> Result<Vec<Row>, StoreError> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        self.inner.rows(table, ids).await
    }

    async fn list(&self, query: Query) -> Result<Vec<Row>, StoreError> {
        self.inner.list(query).await
    }

    async fn count(&self, table: &'static Table, filters: Vec<Filter>) -> Result<i64, StoreError> {
        self.inner.count(table, filters).await
    }

    async fn rebuild(
        &self,
        lane: &'static str,
        tables: &'static [&'static Table],
    ) -> Result<Option<Box<dyn Rebuild>>, StoreError> {
        self.inner.rebuild(lane, tables).await
    }
}
