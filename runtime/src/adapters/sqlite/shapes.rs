//! The shapes of the read model's tables in SQLite.

use sqlx::{AssertSqlSafe, SqliteConnection, query_as, query_scalar_with, query_with};

use crate::adapters::lane_tables::{self, Connection};
use crate::adapters::shapes::{Look, Made, Shapes};
use crate::adapters::sql::Dialect;
use crate::adapters::sqlite::database::Database;
use crate::adapters::sqlite::documents::{DIALECT, arguments};
use crate::ports::event_store::StoreError;
use crate::ports::read_model::{Table, Value};

impl Connection for SqliteConnection {
    const DIALECT: Dialect = DIALECT;

    async fn made(&mut self) -> Result<Vec<Made>, sqlx::Error> {
        let made = query_as("SELECT name, lane, layout FROM layouts");
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
    database: &Database,
    shapes: &Shapes,
    tables: &[&'static Table],
) -> Result<(), StoreError> {
    let mut transaction = database.writer.begin().await?;
    let chosen = lane_tables::prepare(&mut *transaction, tables).await?;
    transaction.commit().await?;
    shapes.note(chosen);
    Ok(())
}

pub async fn keep(database: &Database, shapes: &Shapes) -> Result<(), StoreError> {
    let look = Look::at(&database.reader.acquire().await?.made().await?, shapes);
    if look.missing {
        return prepare(database, shapes, &shapes.tables()).await;
    }
    if look.others.is_empty() {
        return Ok(());
    }
    // By itself: a table that cannot be dropped now must not take it back.
    let mut transaction = database.writer.begin().await?;
    lane_tables::say_all_used(&mut *transaction, shapes).await?;
    transaction.commit().await?;
    // One that cannot be dropped, since rows of somebody else's refer to it perhaps, keeps none of the others.
    let mut looked = Ok(());
    for lane in look.others {
        looked = looked.and(look_at(database, &lane).await);
    }
    looked
}

async fn look_at(database: &Database, lane: &str) -> Result<(), StoreError> {
    let mut transaction = database.writer.begin().await?;
    let dropped = lane_tables::look_at(&mut *transaction, lane).await?;
    transaction.commit().await?;
    if dropped {
        lane_tables::tell(lane);
    }
    Ok(())
}
