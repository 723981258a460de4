//! What is kept of each thing of the catalogue, beside its document.

use serde::de::DeserializeOwned;

use crate::application::projections::tables::{AIRCRAFT, SCHEDULED_FLIGHTS};
use crate::application::views::ItemView;
use crate::domain::catalogue::{Aircraft, Details, ScheduledFlight};
use crate::ports::read_model::{Table, Value};

/// Details of what a table lists.
pub trait Tabled: Details + DeserializeOwned {
    const TABLE: &'static Table;
    /// The column that lists go by.
    const ORDER: &'static str;

    /// One value per column of the table.
    fn columns(view: &ItemView<Self>) -> Vec<Value>;
}

impl Tabled for Aircraft {
    const TABLE: &'static Table = &AIRCRAFT;
    const ORDER: &'static str = "registration";

    fn columns(view: &ItemView<Self>) -> Vec<Value> {
        let aircraft = &view.entity.details;
        let name = aircraft.name.as_deref().unwrap_or_default();
        vec![
            Value::Text(aircraft.registration.clone()),
            Value::Text(aircraft.aircraft_type.clone()),
            archived(view),
            search(&[&aircraft.registration, &aircraft.aircraft_type, name]),
        ]
    }
}

impl Tabled for ScheduledFlight {
    const TABLE: &'static Table = &SCHEDULED_FLIGHTS;
    const ORDER: &'static str = "flight_number";

    fn columns(view: &ItemView<Self>) -> Vec<Value> {
        let flight = &view.entity.details;
        let callsign = flight.callsign.as_deref().unwrap_or_default();
        vec![
            Value::Text(flight.flight_number.clone()),
            Value::Text(flight.departure.clone()),
            Value::Text(flight.arrival.clone()),
            archived(view),
            search(&[
                &flight.flight_number,
                callsign,
                &flight.departure,
                &flight.arrival,
            ]),
        ]
    }
}

fn archived<D>(view: &ItemView<D>) -> Value {
    Value::Integer(i64::from(view.entity.archived_at.is_some()))
}

fn search(texts: &[&str]) -> Value {
    Value::Text(texts.join(" ").to_lowercase())
}
