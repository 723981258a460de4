//! What an airline flies with and where to, what its pilots rise to, and what its reports hold beside the usual.

pub mod aircraft;
pub mod custom_fields;
pub mod item;
pub mod pirep_field;
pub mod rank;
pub mod scheduled_flight;

pub use aircraft::Aircraft;
pub use custom_fields::CustomFields;
pub use item::{Details, Item, ItemCommand, ItemEvent};
pub use pirep_field::{FieldKind, PirepField};
pub use rank::Rank;
pub use scheduled_flight::ScheduledFlight;
