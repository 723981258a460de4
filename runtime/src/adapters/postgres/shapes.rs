//! The shapes of the read model's tables in PostgreSQL: this release's are made, and those that nobody uses dropped.

use std::collections::{BTreeMap, BTreeSet};
use std::iter;

use sqlx::{AssertSqlSafe, PgConnection, query, query_as, query_scalar};
use uuid::Uuid;

use crate::adapters::postgres::connections::Connections;
use crate::adapters::postgres::documents::DIALECT;
use crate::adapters::postgres::read_model::set_checkpoint;
use crate::adapters::shapes::{self, Look, Made, Shape, Shapes};
use crate::adapters::tables;
use crate::ports::event_store::StoreError;
use crate::ports::read_model::{Checkpoint, Table};

/// Two processes that start together make each table once.
const LOCK: &str = "SELECT pg_advisory_xact_lock(7021799004)";
/// Whoever still reads a table that is to go, a dump perhaps, is not waited for: another look comes.
const LOCK_TIMEOUT: &str = "SET LOCAL lock_timeout = '200ms'";
const MADE: &str = "SELECT name, lane, layout FROM read.layouts";

pub async fn prepare(
    pool: &Connections,
    shapes: &Shapes,
    tables: &[&'static Table],
) -> Result<(), StoreError> {
    tables.iter().try_for_each(|it| tables::check_table(it))?;
    let mut transaction = pool.begin().await?;
    query(LOCK).execute(&mut *transaction).await?;
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
    connection: &mut PgConnection,
    lane: &str,
    shape: Shape,
    tables: &[&'static Table],
) -> Result<(), sqlx::Error> {
    let (dialect, lane) = (DIALECT.of(shape), shape.name(lane));
    let start = Checkpoint {
        epoch: Uuid::nil(),
        position: 0,
    };
    set_checkpoint(connection, &lane, start).await?;
    for table in tables {
        let statements = iter::once(dialect.create(table)).chain(dialect.indexes(table, ""));
        for statement in statements {
            let statement = query(AssertSqlSafe(statement));
            statement.execute(&mut *connection).await?;
        }
        query("INSERT INTO read.layouts (name, lane, layout) VALUES ($1, $2, $3)")
            .bind(shape.name(table.name))
            .bind(&lane)
            .bind(tables::layout(table))
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

pub async fn keep(pool: &Connections, shapes: &Shapes) -> Result<(), StoreError> {
    let made: Vec<Made> = query_as(MADE).fetch_all(pool).await?;
    let look = Look::at(&made, shapes);
    if look.missing {
        return prepare(pool, shapes, &shapes.tables()).await;
    }
    let counts = match look.others.is_empty() {
        true => BTreeMap::new(),
        false => count(pool, shapes, look.others).await?,
    };
    for lane in shapes.look(counts.clone()) {
        if drop_lane(pool, &lane, counts[&lane]).await? {
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
    pool: &Connections,
    shapes: &Shapes,
    others: BTreeSet<String>,
) -> Result<BTreeMap<String, i64>, sqlx::Error> {
    let count_of = |lanes: &mut dyn Iterator<Item = &String>| -> Vec<String> {
        lanes.map(|lane| shapes::count_of(lane)).collect()
    };
    let sql = "INSERT INTO read.checkpoints AS c (lane, epoch, position) SELECT lane, $2, 1 FROM unnest($1) AS lane \
         ON CONFLICT (lane) DO UPDATE SET position = c.position + 1";
    query(sql)
        .bind(count_of(&mut shapes.lanes().iter()))
        .bind(Uuid::nil())
        .execute(pool)
        .await?;
    let sql = "SELECT lane, position FROM read.checkpoints WHERE lane = ANY ($1)";
    let counted: Vec<(String, i64)> = query_as(sql)
        .bind(count_of(&mut others.iter()))
        .fetch_all(pool)
        .await?;
    let counted: BTreeMap<_, _> = counted.into_iter().collect();
    let count = |lane: String| {
        let count = counted.get(&shapes::count_of(&lane)).copied();
        (lane, count.unwrap_or(0))
    };
    Ok(others.into_iter().map(count).collect())
}

/// Drops a lane's tables, unless they were looked after since it was counted; whether any were there.
async fn drop_lane(pool: &Connections, lane: &str, counted: i64) -> Result<bool, StoreError> {
    let mut transaction = pool.begin().await?;
    query(LOCK_TIMEOUT).execute(&mut *transaction).await?;
    query(LOCK).execute(&mut *transaction).await?;
    let used = query_scalar("SELECT position FROM read.checkpoints WHERE lane = $1 FOR UPDATE");
    let used: Option<i64> = used
        .bind(shapes::count_of(lane))
        .fetch_optional(&mut *transaction)
        .await?;
    if used.unwrap_or(0) != counted {
        return Ok(false);
    }
    let names = query_scalar("DELETE FROM read.layouts WHERE lane = $1 RETURNING name");
    let names: Vec<String> = names.bind(lane).fetch_all(&mut *transaction).await?;
    for name in &names {
        let drop = format!("DROP TABLE IF EXISTS {}\"{name}\"", DIALECT.schema);
        query(AssertSqlSafe(drop))
            .execute(&mut *transaction)
            .await?;
    }
    query("DELETE FROM read.checkpoints WHERE lane IN ($1, $2)")
        .bind(lane)
        .bind(shapes::count_of(lane))
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await?;
    Ok(!names.is_empty())
}
