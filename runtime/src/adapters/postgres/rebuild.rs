//! The next version of a lane's tables in PostgreSQL: one transaction from the first table to the swap, so that
//! whoever fails or is killed leaves nothing behind.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use sqlx::{AssertSqlSafe, Postgres, Transaction, query, query_scalar};
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use crate::adapters::postgres::connections::Connections;
use crate::adapters::postgres::copy;
use crate::adapters::postgres::documents::{self, DIALECT};
use crate::adapters::postgres::read_model::{checkpoint, set_checkpoint};
use crate::adapters::shapes::Shape;
use crate::adapters::sql::Dialect;
use crate::adapters::tables::{self, TableChanges};
use crate::ports::event_store::StoreError;
use crate::ports::read_model::{Change, Checkpoint, LaneRows, Query, Rebuild, Row, Table};

/// One rebuild at a time.
const LOCK: i64 = 7_021_799_005;
/// Readers behind the swap wait no longer than this for one before it to end.
const LOCK_TIMEOUT: &str = "SET LOCAL lock_timeout = '200ms'";
const RETRY: Duration = Duration::from_millis(300);
/// How long the lane stands still for a swap that waits for readers.
const PATIENCE: Duration = Duration::from_secs(30);

struct Building {
    transaction: Transaction<'static, Postgres>,
    living: Dialect,
    next: Dialect,
    /// Its name in the database.
    lane: String,
    tables: &'static [&'static Table],
    written: BTreeMap<&'static str, Written>,
    /// The lane's row is locked.
    holds_lane: bool,
}

/// What a table holds so far.
#[derive(Default)]
struct Written {
    /// The highest id.
    last: Option<Uuid>,
    keyed: bool,
}

pub async fn begin(
    pool: &Connections,
    shape: Shape,
    lane: &'static str,
    tables: &'static [&'static Table],
) -> Result<Option<Box<dyn Rebuild>>, StoreError> {
    let mut transaction = pool.begin().await?;
    // Of a process that vanished the server ends the transaction, and the lock with it.
    let sql = "SELECT pg_try_advisory_xact_lock($1) \
         FROM set_config('synchronous_commit', 'off', true) AS unsynced, \
              set_config('idle_in_transaction_session_timeout', '10min', true) AS patience";
    let lock = query_scalar(sql).bind(LOCK);
    if !lock.fetch_one(&mut *transaction).await? {
        return Ok(None);
    }
    let living = DIALECT.of(shape);
    let suffix = tables::NEXT;
    let next = Dialect { suffix, ..living };
    let mut building = Building {
        transaction,
        living,
        next,
        lane: shape.name(lane),
        tables,
        written: BTreeMap::new(),
        holds_lane: false,
    };
    building.check_layouts().await?;
    for table in tables {
        // Without indexes: rows come first.
        building.execute(next.create_without_key(table)).await?;
    }
    Ok(Some(Box::new(building)))
}

#[async_trait]
impl LaneRows for Building {
    async fn rows(&mut self, table: &'static Table, ids: &[Uuid]) -> Result<Vec<Row>, StoreError> {
        self.key(table).await?;
        Ok(documents::rows(&mut self.transaction, &self.next, table, ids).await?)
    }

    async fn list(&mut self, query: Query) -> Result<Vec<Row>, StoreError> {
        documents::list(&mut self.transaction, &self.next, &query).await
    }
}

#[async_trait]
impl Rebuild for Building {
    async fn write(&mut self, changes: Vec<Change>) -> Result<(), StoreError> {
        for of_table in tables::reduce(changes)? {
            self.write_table(of_table).await?;
        }
        Ok(())
    }

    async fn index(&mut self) -> Result<(), StoreError> {
        for table in self.tables {
            self.key(table).await?;
            for index in self.next.indexes(table, "") {
                self.execute(index).await?;
            }
        }
        Ok(())
    }

    async fn lock_lane(&mut self) -> Result<Checkpoint, StoreError> {
        let begin = "INSERT INTO read.checkpoints (lane, epoch, position) VALUES ($1, $2, 0) ON CONFLICT DO NOTHING";
        let begin = query(begin).bind(&self.lane).bind(Uuid::nil());
        begin.execute(&mut *self.transaction).await?;
        let sql = "SELECT epoch, position, set_config('idle_in_transaction_session_timeout', '30s', true) \
             FROM read.checkpoints WHERE lane = $1 FOR UPDATE";
        let lock = query(sql).bind(&self.lane).try_map(checkpoint);
        let living = lock.fetch_one(&mut *self.transaction).await?;
        self.holds_lane = true;
        Ok(living)
    }

    async fn swap(mut self: Box<Self>, checkpoint: Checkpoint) -> Result<(), StoreError> {
        if !self.holds_lane {
            return Err(format!("lane {} is not held", self.lane).into());
        }
        self.lock_living_tables().await?;
        self.check_layouts().await?;
        for table in self.tables {
            self.execute(self.living.drop(table)).await?;
            self.execute(self.next.rename(table)).await?;
        }
        set_checkpoint(&mut self.transaction, &self.lane, checkpoint).await?;
        Ok(self.transaction.commit().await?)
    }
}

impl Building {
    async fn execute(&mut self, sql: String) -> Result<(), sqlx::Error> {
        let statement = query(AssertSqlSafe(sql));
        statement.execute(&mut *self.transaction).await?;
        Ok(())
    }

    async fn write_table(&mut self, changes: TableChanges) -> Result<(), StoreError> {
        let TableChanges {
            table,
            upserts,
            mut deletes,
        } = changes;
        let first = upserts.first().map(|row| row.id);
        let written = self.written.entry(table.name).or_default();
        // Ids ascend: what begins behind the last one replaces nothing.
        if written.last >= first {
            deletes.extend(upserts.iter().map(|row| row.id));
        }
        written.last = written.last.max(upserts.last().map(|row| row.id));
        if !deletes.is_empty() {
            self.key(table).await?;
            let delete = format!("DELETE FROM {} WHERE id = ANY ($1)", self.next.name(table));
            let delete = query(AssertSqlSafe(delete)).bind(deletes);
            delete.execute(&mut *self.transaction).await?;
        }
        copy::rows(&mut self.transaction, &self.next, table, &upserts).await
    }

    /// Makes the primary key, unless it is there.
    async fn key(&mut self, table: &'static Table) -> Result<(), sqlx::Error> {
        let written = self.written.entry(table.name).or_default();
        if std::mem::replace(&mut written.keyed, true) {
            return Ok(());
        }
        let key = format!("ALTER TABLE {} ADD PRIMARY KEY (id)", self.next.name(table));
        self.execute(key).await
    }

    /// Whoever reads them for long, a dump for one, would keep all later readers waiting behind the swap:
    /// it tries again and again, and for a moment only.
    async fn lock_living_tables(&mut self) -> Result<(), StoreError> {
        let names: Vec<String> = self.tables.iter().map(|it| self.living.name(it)).collect();
        let lock = format!("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE", names.join(", "));
        let give_up = Instant::now() + PATIENCE;
        self.execute(LOCK_TIMEOUT.to_owned()).await?;
        loop {
            self.execute("SAVEPOINT swap".to_owned()).await?;
            match self.execute(lock.clone()).await {
                Ok(()) => return Ok(()),
                Err(error) if !is_lock_timeout(&error) => return Err(error.into()),
                Err(_) if Instant::now() >= give_up => {
                    return Err("somebody reads the living tables without end, a dump perhaps: run it again afterwards".into());
                }
                Err(_) => {}
            }
            self.execute("ROLLBACK TO SAVEPOINT swap".to_owned())
                .await?;
            sleep(RETRY).await;
        }
    }

    /// The living tables are those that this release has made; an earlier one replaced them under their plain names.
    async fn check_layouts(&mut self) -> Result<(), StoreError> {
        for table in self.tables {
            tables::check_table(table)?;
            let sql = "SELECT layout FROM read.layouts WHERE name = $1";
            let layout = query_scalar::<_, String>(sql).bind(self.living.shape.name(table.name));
            let layout = layout.fetch_optional(&mut *self.transaction).await?;
            tables::check_layout(table, layout)?;
        }
        Ok(())
    }
}

/// PostgreSQL's `lock_not_available`.
fn is_lock_timeout(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code());
    code.as_deref() == Some("55P03")
}
