//! Many rows at once: PostgreSQL's `COPY` in its binary format
//! (<https://www.postgresql.org/docs/15/sql-copy.html>, "Binary Format").

use sqlx::PgConnection;

use crate::adapters::postgres::documents::{as_integer, as_text, as_uuid};
use crate::adapters::sql::Dialect;
use crate::adapters::tables::columns;
use crate::ports::event_store::StoreError;
use crate::ports::read_model::{ColumnKind, Row, Table};

/// Signature, flags, and the length of an extension that is not there.
const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
const NULL: i32 = -1;
const END: i16 = -1;
/// About how many bytes are sent at a time.
const PIECE: usize = 256 * 1024;

/// Appends rows whose ids the table does not hold.
pub async fn rows(
    connection: &mut PgConnection,
    dialect: &Dialect,
    table: &Table,
    rows: &[Row],
) -> Result<(), StoreError> {
    if rows.is_empty() {
        return Ok(());
    }
    let (name, columns) = (dialect.name(table), columns(table));
    let statement = format!("COPY {name} ({columns}) FROM STDIN (FORMAT binary)");
    let mut copy = connection.copy_in_raw(&statement).await?;
    let mut piece = HEADER.to_vec();
    for row in rows {
        encode(&mut piece, table, row)?;
        if piece.len() >= PIECE {
            copy.send(&piece[..]).await?;
            piece.clear();
        }
    }
    piece.extend(END.to_be_bytes());
    copy.send(&piece[..]).await?;
    copy.finish().await?;
    Ok(())
}

fn encode(out: &mut Vec<u8>, table: &Table, row: &Row) -> Result<(), StoreError> {
    let fields = i16::try_from(table.columns.len() + 2)?;
    out.extend(fields.to_be_bytes());
    field(out, Some(row.id.as_bytes()))?;
    for (column, value) in table.columns.iter().zip(&row.values) {
        match column.kind {
            ColumnKind::Text => field(out, as_text(value).as_deref().map(str::as_bytes))?,
            ColumnKind::Integer => {
                field(
                    out,
                    as_integer(value)
                        .map(i64::to_be_bytes)
                        .as_ref()
                        .map(<[u8; 8]>::as_slice),
                )?;
            }
            ColumnKind::Uuid => field(
                out,
                as_uuid(value).as_ref().map(|it| it.as_bytes().as_slice()),
            )?,
        }
    }
    field(out, Some(row.document.as_bytes()))
}

fn field(out: &mut Vec<u8>, bytes: Option<&[u8]>) -> Result<(), StoreError> {
    match bytes {
        None => out.extend(NULL.to_be_bytes()),
        Some(bytes) => {
            out.extend(i32::try_from(bytes.len())?.to_be_bytes());
            out.extend(bytes);
        }
    }
    Ok(())
}
