//! An aircraft of the airline's.

use serde::{Deserialize, Serialize};

use crate::domain::catalogue::item::Details;
use crate::domain::refusal::Faults;
use crate::domain::text;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Aircraft {
    /// As painted on it, such as `4X-ELC`.
    pub registration: String,
    /// ICAO type designator.
    pub aircraft_type: String,
    /// What people call it.
    pub name: Option<String>,
}

impl Details for Aircraft {
    const NAME: &'static str = "aircraft";
    const UNIQUE: &'static str = "a registration is one aircraft's";
    const EVENTS: [&'static str; 4] = [
        "AircraftAdded",
        "AircraftChanged",
        "AircraftArchived",
        "AircraftRestored",
    ];

    fn tidied(&self) -> Self {
        Self {
            registration: text::code(&self.registration),
            aircraft_type: text::code(&self.aircraft_type),
            name: text::trimmed(self.name.as_deref()),
        }
    }

    fn check(&self, faults: &mut Faults) {
        text::check_line(faults, "/registration", &self.registration, 16);
        text::check_line(faults, "/aircraftType", &self.aircraft_type, 8);
        if let Some(name) = &self.name {
            text::check_line(faults, "/name", name, text::MAX_NAME);
        }
    }

    fn unique(&self) -> String {
        self.registration.clone()
    }
}
