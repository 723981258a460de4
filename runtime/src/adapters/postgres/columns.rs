//! The events of a batch as arrays, one for each column of the log.

use jiff_sqlx::Timestamp as PgTime;
use sqlx::Postgres;
use sqlx::postgres::PgArguments;
use sqlx::query::Query;
use uuid::Uuid;

use crate::adapters::postgres::rows;
use crate::ports::event_store::{Append, NewEvent};

/// In the order of the log's columns, from `stream_id` on.
#[derive(Default)]
pub struct Columns<'a> {
    streams: Vec<Uuid>,
    versions: Vec<i32>,
    kinds: Vec<i16>,
    schemas: Vec<i16>,
    ids: Vec<Uuid>,
    commands: Vec<Uuid>,
    causations: Vec<Option<Uuid>>,
    correlations: Vec<Option<Uuid>>,
    actors: Vec<&'a str>,
    times: Vec<PgTime>,
    payloads: Vec<&'a [u8]>,
}

impl<'a> Columns<'a> {
    pub fn of(commands: &'a [Append]) -> Self {
        let mut columns = Self::default();
        for command in commands {
            for (event, version) in command.events.iter().zip(command.expected_version + 1..) {
                columns.streams.push(command.stream_id);
                columns.versions.push(version);
                columns.kinds.push(event.kind);
                columns.schemas.push(event.schema);
                columns.ids.push(event.event_id);
                columns.commands.push(command.command_id);
                columns.causations.push(command.causation_id);
                columns.correlations.push(command.correlation_id);
                columns.actors.push(&command.actor);
                columns.times.push(rows::pg_time(command.recorded_at));
                columns.payloads.push(&event.payload);
            }
        }
        columns
    }

    /// Binds them behind what is bound already.
    pub fn bind(self, query: Query<'a, Postgres, PgArguments>) -> Query<'a, Postgres, PgArguments> {
        query
            .bind(self.streams)
            .bind(self.versions)
            .bind(self.kinds)
            .bind(self.schemas)
            .bind(self.ids)
            .bind(self.commands)
            .bind(self.causations)
            .bind(self.correlations)
            .bind(self.actors)
            .bind(self.times)
            .bind(self.payloads)
    }
}

/// Binds one event behind what is bound already, the column `version` left out.
pub fn bind_event<'a>(
    query: Query<'a, Postgres, PgArguments>,
    command: &'a Append,
    event: &'a NewEvent,
) -> Query<'a, Postgres, PgArguments> {
    query
        .bind(command.stream_id)
        .bind(event.kind)
        .bind(event.schema)
        .bind(event.event_id)
        .bind(command.command_id)
        .bind(command.causation_id)
        .bind(command.correlation_id)
        .bind(&command.actor)
        .bind(rows::pg_time(command.recorded_at))
        .bind(&event.payload[..])
}
