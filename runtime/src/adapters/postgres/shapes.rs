//! The shapes of the read model's tables in PostgreSQL.

use sqlx::{
    AssertSqlSafe, PgConnection, Postgres, Transaction, query, query_as, query_scalar_with,
    query_with,
};

use crate::adapters::lane_tables::{self, Connection};
use crate::adapters::postgres::connections::Connections;
use crate::adapters::postgres::documents::{DIALECT, arguments};
use crate::adapters::shapes::{Look, Made, Shapes};
use crate::adapters::sql::Dialect;
use crate::ports::event_store::StoreError;
use crate::ports::read_model::{Table, Value};

/// Two processes that start together make each table once.
const LOCK: &str = "SELECT pg_advisory_xact_lock(7021799004)";
/// Whoever still reads a table that is to go, a dump perhaps, is not waited for: another look comes.
const LOCK_TIMEOUT: &str = "SET LOCAL lock_timeout = '200ms'";

impl Connection for PgConnection {
    const DIALECT: Dialect = DIALECT;

    async fn made(&mut self) -> Result<Vec<Made>, sqlx::Error> {
        let made = query_as("SELECT name, lane, layout FROM read.layouts");
        made.fetch_all(self).await
    }

    async fn execute(&mut self, sql: String, values: &[Value]) -> Result<(), StoreError> {
        let statement = query_with(AssertSqlSafe(sql), arguments(values)?);
        statement.execute(self).await?;
        Ok(())
    }

    async fn number(&mut self, sql: String, values: &[Value]) -> Result<i64, StoreError> {
        let statement = query_scalar_with(AssertSqlSafe(sql), arguments(values)?);
        Ok(statement.fetch_one(self).await?)
    }
}

pub async fn prepare(
    pool: &Connections,
    shapes: &Shapes,
    tables: &[&'static Table],
) -> Result<(), StoreError> {
    let mut transaction = begin(pool).await?;
    let chosen = lane_tables::prepare(&mut *transaction, tables).await?;
    transaction.commit().await?;
    shapes.note(chosen);
    Ok(())
}

pub async fn keep(pool: &Connections, shapes: &Shapes) -> Result<(), StoreError> {
    let look = Look::at(&pool.acquire().await?.made().await?, shapes);
    if look.missing {
        return prepare(pool, shapes, &shapes.tables()).await;
    }
    if look.others.is_empty() {
        return Ok(());
    }
    // By itself: a table that cannot be dropped now must not take it back.
    let mut transaction = begin(pool).await?;
    lane_tables::say_all_used(&mut *transaction, shapes).await?;
    transaction.commit().await?;
    // One that cannot be dropped, since a view is made of it perhaps, keeps none of the others.
    let mut looked = Ok(());
    for lane in look.others {
        looked = looked.and(look_at(pool, &lane).await);
    }
    looked
}

async fn look_at(pool: &Connections, lane: &str) -> Result<(), StoreError> {
    let mut transaction = begin(pool).await?;
    query(LOCK_TIMEOUT).execute(&mut *transaction).await?;
    let dropped = lane_tables::look_at(&mut *transaction, lane).await?;
    transaction.commit().await?;
    if dropped {
        lane_tables::tell(lane);
    }
    Ok(())
}

async fn begin(pool: &Connections) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
    let mut transaction = pool.begin().await?;
    query(LOCK).execute(&mut *transaction).await?;
    Ok(transaction)
}
