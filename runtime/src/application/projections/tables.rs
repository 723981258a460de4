//! The tables of the query side, and the lanes that fill them.

use crate::ports::read_model::{Column, ColumnKind, Table};

/// Fills what is known about the airline and its people.
pub const PEOPLE: &str = "people";
/// Fills what is known about flights.
pub const FLIGHTS: &str = "flights";

pub static TENANTS: Table = Table {
    name: "tenants",
    lane: PEOPLE,
    revision: 2,
    columns: &[],
};

pub static USERS: Table = Table {
    name: "users",
    lane: PEOPLE,
    revision: 1,
    columns: &[
        column("created_at", ColumnKind::Integer),
        column("name", ColumnKind::Text),
        column("status", ColumnKind::Text),
        column("pilot", ColumnKind::Integer),
        column("reviewer", ColumnKind::Integer),
        column("tenant_admin", ColumnKind::Integer),
        column("platform_admin", ColumnKind::Integer),
        column("machine", ColumnKind::Integer),
        column("managed", ColumnKind::Integer),
        column("search", ColumnKind::Text),
    ],
};

pub static USER_API_KEYS: Table = Table {
    name: "user_api_keys",
    lane: PEOPLE,
    revision: 1,
    columns: &[
        column("user_id", ColumnKind::Uuid),
        column("issued_at", ColumnKind::Integer),
        column("key_id", ColumnKind::Text),
        column("managed", ColumnKind::Integer),
        column("expires_at", ColumnKind::Integer),
    ],
};

pub static PIREPS: Table = Table {
    name: "pireps",
    lane: FLIGHTS,
    revision: 2,
    columns: &[
        column("state", ColumnKind::Text),
        column("pilot", ColumnKind::Uuid),
        column("created_at", ColumnKind::Integer),
        column("submitted_at", ColumnKind::Integer),
        column("search", ColumnKind::Text),
    ],
};

pub static AIRCRAFT: Table = Table {
    name: "aircraft",
    lane: FLIGHTS,
    revision: 1,
    columns: &[
        column("registration", ColumnKind::Text),
        column("aircraft_type", ColumnKind::Text),
        column("archived", ColumnKind::Integer),
        column("search", ColumnKind::Text),
    ],
};

pub static SCHEDULED_FLIGHTS: Table = Table {
    name: "scheduled_flights",
    lane: FLIGHTS,
    revision: 1,
    columns: &[
        column("flight_number", ColumnKind::Text),
        column("departure", ColumnKind::Text),
        column("arrival", ColumnKind::Text),
        column("archived", ColumnKind::Integer),
        column("search", ColumnKind::Text),
    ],
};

/// A row holds all bids of a pilot.
pub static BIDS: Table = Table {
    name: "bids",
    lane: FLIGHTS,
    revision: 1,
    columns: &[],
};

/// What [`PEOPLE`] fills.
pub static PEOPLE_TABLES: &[&Table] = &[&TENANTS, &USERS, &USER_API_KEYS];
/// What [`FLIGHTS`] fills.
pub static FLIGHTS_TABLES: &[&Table] = &[&PIREPS, &AIRCRAFT, &SCHEDULED_FLIGHTS, &BIDS];

/// All of them, for [`ReadModel::prepare`](crate::ports::read_model::ReadModel::prepare).
pub static ALL: &[&Table] = &[
    &TENANTS,
    &USERS,
    &USER_API_KEYS,
    &PIREPS,
    &AIRCRAFT,
    &SCHEDULED_FLIGHTS,
    &BIDS,
];

const fn column(name: &'static str, kind: ColumnKind) -> Column {
    Column { name, kind }
}
