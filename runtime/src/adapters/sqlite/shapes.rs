//! The shapes of the read model's tables in SQLite: this release's are made, and those that nobody uses dropped.

use std::collections::{BTreeMap, BTreeSet};
use std::iter;

use sqlx::{AssertSqlSafe, SqliteConnection, query, query_as, query_scalar};
use uuid::Uuid;

use crate::adapters::shapes::{self, Look, Made, Shape, Shapes};
use crate::adapters::sqlite::database::Database;
use crate::adapters::sqlite::documents::DIALECT;
use crate::adapters::sqlite::read_model::{START, set_checkpoint};
use crate::adapters::tables;
use crate::ports::event_store::StoreError;
use crate::ports::read_model::Table;

const MADE: &str = "SELECT name, lane, layout FROM layouts";

pub async fn prepare(
    database: &Database,
    shapes: &Shapes,
    tables: &[&'static Table],
) -> Result<(), StoreError> {
    tables.iter().try_for_each(|it| tables::check_table(it))?;
    let mut transaction = database.writer.begin().await?;
    let made: Vec<Made> = query_as(MADE).fetch_all(&mut *transaction).await?;
    let mut chosen = Vec::new();
    for (lane, tables) in shapes::by_lane(tables) {
        let (shape, is_made) = shapes::choose(lane, &tables, &made);
        if !is_made {
            make(&mut transaction, lane, shape, &tables).await?;
        }
        chosen.push((lane, shape, tables));
    }
    transaction.commit().await?;
    for (lane, shape, tables) in chosen {
        shapes.note(lane, shape, tables);
    }
    Ok(())
}

/// Makes the tables of a lane, which stands at the start of the log.
async fn make(
    connection: &mut SqliteConnection,
    lane: &str,
    shape: Shape,
    tables: &[&'static Table],
) -> Result<(), sqlx::Error> {
    let (dialect, lane) = (DIALECT.of(shape), shape.name(lane));
    set_checkpoint(connection, &lane, START).await?;
    for table in tables {
        let statements = iter::once(dialect.create(table)).chain(dialect.indexes(table, ""));
        for statement in statements {
            let statement = query(AssertSqlSafe(statement));
            statement.execute(&mut *connection).await?;
        }
        query("INSERT INTO layouts (name, lane, layout) VALUES (?, ?, ?)")
            .bind(shape.name(table.name))
            .bind(&lane)
            .bind(tables::layout(table))
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

pub async fn keep(database: &Database, shapes: &Shapes) -> Result<(), StoreError> {
    let made: Vec<Made> = query_as(MADE).fetch_all(&database.reader).await?;
    let look = Look::at(&made, shapes);
    if look.missing {
        return prepare(database, shapes, &shapes.tables()).await;
    }
    let counts = match look.others.is_empty() {
        true => BTreeMap::new(),
        false => count(database, shapes, look.others).await?,
    };
    for lane in shapes.look(counts.clone()) {
        if drop_lane(database, &lane, counts[&lane]).await? {
            tracing::info!(
                lane,
                "tables of another release, which nobody uses, are dropped"
            );
        }
    }
    Ok(())
}

/// Counts this look for this release's lanes; answers how often the others were looked after.
async fn count(
    database: &Database,
    shapes: &Shapes,
    others: BTreeSet<String>,
) -> Result<BTreeMap<String, i64>, StoreError> {
    let mut transaction = database.writer.begin().await?;
    for lane in shapes.lanes() {
        let sql = "INSERT INTO checkpoints (lane, epoch, position) VALUES (?, ?, 1) \
             ON CONFLICT (lane) DO UPDATE SET position = position + 1";
        query(sql)
            .bind(shapes::count_of(&lane))
            .bind(Uuid::nil())
            .execute(&mut *transaction)
            .await?;
    }
    let mut counts = BTreeMap::new();
    for lane in others {
        let count = counted(&mut transaction, &lane).await?;
        counts.insert(lane, count);
    }
    transaction.commit().await?;
    Ok(counts)
}

async fn counted(connection: &mut SqliteConnection, lane: &str) -> Result<i64, sqlx::Error> {
    let count = query_scalar("SELECT position FROM checkpoints WHERE lane = ?");
    let count = count.bind(shapes::count_of(lane));
    Ok(count.fetch_optional(connection).await?.unwrap_or(0))
}

/// Drops a lane's tables, unless they were looked after since it was counted; whether any were there.
async fn drop_lane(database: &Database, lane: &str, count: i64) -> Result<bool, StoreError> {
    let mut transaction = database.writer.begin().await?;
    if counted(&mut transaction, lane).await? != count {
        return Ok(false);
    }
    let names = query_scalar("DELETE FROM layouts WHERE lane = ? RETURNING name");
    let names: Vec<String> = names.bind(lane).fetch_all(&mut *transaction).await?;
    for name in &names {
        // And what a rebuild that was killed has left.
        for name in [name.clone(), format!("{name}{}", tables::NEXT)] {
            let drop = format!("DROP TABLE IF EXISTS \"{name}\"");
            query(AssertSqlSafe(drop))
                .execute(&mut *transaction)
                .await?;
        }
    }
    query("DELETE FROM checkpoints WHERE lane IN (?, ?)")
        .bind(lane)
        .bind(shapes::count_of(lane))
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await?;
    Ok(!names.is_empty())
}
