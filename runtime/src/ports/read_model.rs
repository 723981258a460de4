//! Query tables that projections fill: rows and checkpoint change together, so each event counts once.

use async_trait::async_trait;
use uuid::Uuid;

use crate::ports::event_store::StoreError;

/// A table of a read model: one JSON document a row, beside the columns that can be asked for.
///
/// Every table has the columns `id uuid primary key` and `document` (JSON); `columns` come in between.
#[derive(Debug, PartialEq, Eq)]
pub struct Table {
    pub name: &'static str,
    /// The lane that fills it.
    pub lane: &'static str,
    /// Of its documents, from 1: another one as soon as they hold other members or values.
    pub revision: u32,
    pub columns: &'static [Column],
}

#[derive(Debug, PartialEq, Eq)]
pub struct Column {
    pub name: &'static str,
    pub kind: ColumnKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnKind {
    Text,
    Integer,
    Uuid,
}

/// A value of a column. Times are integers: microseconds since the Unix epoch.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Value {
    Null,
    Integer(i64),
    Text(String),
    Uuid(Uuid),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    pub id: Uuid,
    /// One value per [`Table::columns`], in their order.
    pub values: Vec<Value>,
    /// JSON text.
    pub document: String,
}

/// One change to a table.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    Upsert(&'static Table, Row),
    Delete(&'static Table, Uuid),
}

/// A list query. `after` continues behind the row that the previous page ended with.
#[derive(Clone, Debug)]
pub struct Query {
    pub table: &'static Table,
    /// All must hold.
    pub filters: Vec<Filter>,
    /// Column to sort by; the id breaks ties in the same direction.
    pub order_by: &'static str,
    pub descending: bool,
    pub after: Option<(Value, Uuid)>,
    pub limit: usize,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Filter {
    Equals(&'static str, Value),
    OneOf(&'static str, Vec<Value>),
    AtLeast(&'static str, Value),
    Below(&'static str, Value),
    /// Text contains, ignoring the case of ASCII letters. A column that holds lower-cased text finds the rest.
    Contains(&'static str, String),
}

/// How far a lane has read. A lane that never ran stands at position 0 of the nil epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    pub epoch: Uuid,
    pub position: i64,
}

/// Where a projection finds how things stood before its events.
#[async_trait]
pub trait LaneRows: Send {
    /// The same as [`ReadModel::rows`], as of the lane's own transaction or of the version that is being built.
    async fn rows(&mut self, table: &'static Table, ids: &[Uuid]) -> Result<Vec<Row>, StoreError>;

    /// The same as [`ReadModel::list`].
    async fn list(&mut self, query: Query) -> Result<Vec<Row>, StoreError>;
}

/// A lane that this caller alone may advance until it commits or drops it.
#[async_trait]
pub trait LaneGuard: LaneRows {
    fn checkpoint(&self) -> Checkpoint;

    /// Applies the changes in order and moves the checkpoint, in one transaction.
    async fn commit(
        self: Box<Self>,
        changes: Vec<Change>,
        checkpoint: Checkpoint,
    ) -> Result<(), CommitError>;

    /// Empties `tables`, which are all of the lane's, and sets its checkpoint to the start of `epoch`'s log, in one transaction.
    async fn reset(
        self: Box<Self>,
        tables: &[&'static Table],
        epoch: Uuid,
    ) -> Result<(), CommitError>;
}

/// Why a lane stays as it is.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// Where no lock reaches other processes. Whoever tries again begins where that one has come.
    #[error("another process has advanced the lane meanwhile")]
    Overtaken,
    #[error("the read model is unavailable")]
    Unavailable(#[source] StoreError),
}

impl From<StoreError> for CommitError {
    fn from(error: StoreError) -> Self {
        Self::Unavailable(error)
    }
}

/// The next version of a lane's tables, built beside the living ones, which are served and advanced meanwhile.
/// Whoever drops it, or is killed, leaves them as they are; what is left of it is removed by the next one.
#[async_trait]
pub trait Rebuild: LaneRows {
    /// Applies the changes in order to the tables that are being built. Fastest where ids ascend from call to call.
    async fn write(&mut self, changes: Vec<Change>) -> Result<(), StoreError>;

    /// Makes the indexes.
    async fn index(&mut self) -> Result<(), StoreError>;

    /// Waits for the lane and holds it, so that nobody advances it before the swap; answers how far it is.
    async fn lock_lane(&mut self) -> Result<Checkpoint, StoreError>;

    /// Puts the tables in the place of the living ones and sets the lane's checkpoint, in one transaction.
    ///
    /// # Errors
    /// Without [`Rebuild::lock_lane`] before it; when another release has made the living tables anew meanwhile; when
    /// somebody reads them without end.
    async fn swap(self: Box<Self>, checkpoint: Checkpoint) -> Result<(), StoreError>;
}

/// The query side of one tenant.
#[async_trait]
pub trait ReadModel: Send + Sync {
    /// Creates what is missing of `tables`, which are all tables of their lanes. Idempotent. Where another release has
    /// made a lane's tables with other columns, or others of them, it goes on with those and their checkpoint: this one
    /// gets its own beside, empty, and its lane has yet to run.
    async fn prepare(&self, tables: &[&'static Table]) -> Result<(), StoreError>;

    /// Says that this process uses the tables that it prepared, and makes again what is missing of them. Of another release,
    /// of which no process said so during 1,000 calls of any others, the tables are dropped. For about once a minute.
    async fn keep(&self) -> Result<(), StoreError>;

    /// Takes the lane, or none when somebody else holds it (`FOR UPDATE SKIP LOCKED`).
    async fn lock_lane(&self, lane: &'static str)
    -> Result<Option<Box<dyn LaneGuard>>, StoreError>;

    async fn checkpoint(&self, lane: &'static str) -> Result<Checkpoint, StoreError>;

    /// The rows with these ids, in no particular order; ids that nothing has are left out.
    async fn rows(&self, table: &'static Table, ids: &[Uuid]) -> Result<Vec<Row>, StoreError>;

    async fn get(&self, table: &'static Table, id: Uuid) -> Result<Option<Row>, StoreError> {
        Ok(self.rows(table, &[id]).await?.pop())
    }

    async fn list(&self, query: Query) -> Result<Vec<Row>, StoreError>;

    async fn count(&self, table: &'static Table, filters: Vec<Filter>) -> Result<i64, StoreError>;

    /// Begins the next version of the lane's tables; none while somebody else, in whatever process, builds one.
    async fn rebuild(
        &self,
        lane: &'static str,
        tables: &'static [&'static Table],
    ) -> Result<Option<Box<dyn Rebuild>>, StoreError>;
}
