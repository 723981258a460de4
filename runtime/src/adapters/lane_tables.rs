//! The tables of shapes, alike in SQLite and PostgreSQL: this release's are made, and those that nobody uses dropped.

use std::iter;

use sqlx::Error;
use uuid::Uuid;

use crate::adapters::shapes::{self, Chosen, Made, Shape, Shapes};
use crate::adapters::sql::Dialect;
use crate::adapters::tables;
use crate::ports::event_store::StoreError;
use crate::ports::read_model::{Table, Value};

/// A shape that was looked at so often by others, and not once by a process that uses it, is dropped. A process looks once
/// or twice a minute: even a hundred of another release come to 200 while the only one of this release looks once, and one
/// by itself gets there in 17 hours of running at most. No time is measured, so that neither a wrong clock nor a database
/// that was away ends a living release; one that ends all the same builds its tables anew, and nothing is lost.
const UNUSED: i64 = 1_000;

/// What this takes of a database, as a rule in a transaction that no other process's overlaps.
pub trait Connection: Send {
    const DIALECT: Dialect;

    fn made(&mut self) -> impl Future<Output = Result<Vec<Made>, Error>> + Send;

    fn execute(
        &mut self,
        sql: String,
        values: &[Value],
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// The number that a statement returns.
    fn number(
        &mut self,
        sql: String,
        values: &[Value],
    ) -> impl Future<Output = Result<i64, StoreError>> + Send;
}

/// Makes what is missing of these tables, which are all of their lanes; answers which shape each lane has.
pub async fn prepare(
    connection: &mut impl Connection,
    tables: &[&'static Table],
) -> Result<Chosen, StoreError> {
    tables.iter().try_for_each(|it| tables::check_table(it))?;
    let made = connection.made().await?;
    let mut chosen = Chosen::new();
    for (lane, tables) in shapes::by_lane(tables) {
        let (shape, is_made) = shapes::choose(lane, &tables, &made);
        match is_made {
            true => say_used(connection, &shape.name(lane)).await?,
            false => make(connection, lane, shape, &tables).await?,
        }
        chosen.insert(lane, (shape, tables));
    }
    Ok(chosen)
}

/// Makes the tables of a lane, which stands at the start of the log.
async fn make<C: Connection>(
    connection: &mut C,
    lane: &str,
    shape: Shape,
    tables: &[&'static Table],
) -> Result<(), StoreError> {
    let (dialect, lane) = (C::DIALECT.of(shape), text(shape.name(lane)));
    let start = format!(
        "INSERT INTO {}checkpoints (lane, epoch, position) VALUES ($1, $2, 0) \
         ON CONFLICT (lane) DO UPDATE SET epoch = excluded.epoch, position = 0",
        dialect.schema
    );
    let never = Value::Uuid(Uuid::nil());
    connection.execute(start, &[lane.clone(), never]).await?;
    for table in tables {
        for statement in iter::once(dialect.create(table)).chain(dialect.indexes(table, "")) {
            connection.execute(statement, &[]).await?;
        }
        let note = format!(
            "INSERT INTO {}layouts (name, lane, layout) VALUES ($1, $2, $3)",
            dialect.schema
        );
        let (name, layout) = (text(shape.name(table.name)), text(tables::layout(table)));
        let values = [name, lane.clone(), layout];
        connection.execute(note, &values).await?;
    }
    Ok(())
}

/// Says that all lanes of this release are used.
pub async fn say_all_used(
    connection: &mut impl Connection,
    shapes: &Shapes,
) -> Result<(), StoreError> {
    for lane in shapes.lanes() {
        say_used(connection, &lane).await?;
    }
    Ok(())
}

async fn say_used<C: Connection>(connection: &mut C, lane: &str) -> Result<(), StoreError> {
    let schema = C::DIALECT.schema;
    let sql = format!("UPDATE {schema}checkpoints SET position = 0 WHERE lane = $1");
    connection.execute(sql, &[text(looks_at(lane))]).await
}

/// Counts a look at a lane of another release, and drops its tables if nobody uses them; whether it did.
pub async fn look_at<C: Connection>(connection: &mut C, lane: &str) -> Result<bool, StoreError> {
    let schema = C::DIALECT.schema;
    let tables = connection.made().await?;
    let tables: Vec<_> = tables.iter().filter(|it| it.lane == lane).collect();
    if tables.is_empty() {
        return Ok(false); // Somebody else was first.
    }
    let looks = text(looks_at(lane));
    let count = format!(
        "INSERT INTO {schema}checkpoints AS c (lane, epoch, position) VALUES ($1, $2, 1) \
         ON CONFLICT (lane) DO UPDATE SET position = c.position + 1 RETURNING position"
    );
    let values = [looks.clone(), Value::Uuid(Uuid::nil())];
    if connection.number(count, &values).await? < UNUSED {
        return Ok(false);
    }
    for Made { name, .. } in tables {
        // And what a rebuild that was killed has left.
        for suffix in ["", tables::NEXT] {
            let drop = format!("DROP TABLE IF EXISTS {schema}\"{name}{suffix}\"");
            connection.execute(drop, &[]).await?;
        }
    }
    let lane = text(lane.to_owned());
    let forget = format!("DELETE FROM {schema}layouts WHERE lane = $1");
    let of_lane = std::slice::from_ref(&lane);
    connection.execute(forget, of_lane).await?;
    let forget = format!("DELETE FROM {schema}checkpoints WHERE lane IN ($1, $2)");
    connection.execute(forget, &[lane, looks]).await?;
    Ok(true)
}

pub fn tell(lane: &str) {
    tracing::info!(
        lane,
        "tables of another release, which nobody uses, are dropped"
    );
}

/// The lane, of no shape and without tables, whose position counts how often others have looked at a lane.
fn looks_at(lane: &str) -> String {
    format!("{lane} unused")
}

fn text(text: String) -> Value {
    Value::Text(text)
}
