//! ACARS logs of flights: lines of free text that a program wrote on the way, for the pilot and staff.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;

use crate::application::error::ServiceError;
use crate::application::flight::Flight;
use crate::application::identity::Identity;
use crate::application::pirep_queries::is_party;
use crate::application::shared::Shared;
use crate::application::telemetry;
use crate::codec::{KeyRing, open_log_line, seal_log_line};
use crate::domain::ids::{PirepId, UserId};
use crate::domain::personal::Personal;
use crate::domain::refusal::Faults;
use crate::domain::text;
use crate::domain::time;
use crate::ports::track_store::LogLine;

/// Most lines that are sent at once.
pub const MAX_BATCH: usize = 500;
/// Most lines that are uploaded with a whole flight.
pub const MAX_WHOLE: usize = 1_000;
/// Most lines that are read at once.
pub const PAGE: usize = 100;
/// Most lines of one flight, numbered from 0.
const MAX_LINES: usize = 5_000;
const MAX_LINE_CHARS: usize = 500;

pub struct FlightLogs {
    shared: Arc<Shared>,
}

/// The log of one flight, for somebody who may read it.
pub struct FlightLog {
    shared: Arc<Shared>,
    flight: PirepId,
    pilot: UserId,
}

/// One line of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The client's own number, from 0; unique within a flight's log.
    pub sequence: i32,
    pub time: Timestamp,
    /// Erased with its pilot.
    pub text: Personal<String>,
}

/// What became of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinesStored {
    /// Lines that were new.
    pub stored: usize,
    /// Lines whose number was there already.
    pub duplicates: usize,
}

impl FlightLogs {
    pub fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Stores lines of the owner's flight, in whatever state it is, unless there is no room. Of two with one number the
    /// first stays, so that a batch may be sent again.
    pub async fn store(
        &self,
        identity: &Identity,
        flight: impl Into<Flight>,
        lines: Vec<Line>,
    ) -> Result<LinesStored, ServiceError> {
        check("/lines", MAX_BATCH, &lines)?;
        self.keep(identity, flight, lines).await
    }

    /// The same for the lines of a whole flight.
    pub async fn store_whole(
        &self,
        identity: &Identity,
        flight: impl Into<Flight>,
        lines: Vec<Line>,
    ) -> Result<LinesStored, ServiceError> {
        check("/log", MAX_WHOLE, &lines)?;
        self.keep(identity, flight, lines).await
    }

    async fn keep(
        &self,
        identity: &Identity,
        flight: impl Into<Flight>,
        lines: Vec<Line>,
    ) -> Result<LinesStored, ServiceError> {
        let flight = telemetry::admit(&self.shared, identity, flight).await?;
        let keys = keys(&self.shared, identity.user()).await?;
        let received = lines.len();
        let lines = lines.into_iter().map(|line| {
            let text = line.text.text().unwrap_or_default();
            let (sequence, pilot) = (line.sequence, identity.user());
            let sealed = seal_log_line(flight.id.0, sequence, pilot, text, &keys);
            Ok(LogLine {
                sequence,
                time: time::to_microsecond(line.time),
                sealed: sealed.map_err(|error| ServiceError::Corrupt(error.to_string()))?,
            })
        });
        let lines = lines.collect::<Result<Vec<_>, ServiceError>>()?;
        let stored = self.shared.tracks.store_log(flight.id.0, lines).await?;
        Ok(LinesStored {
            stored,
            duplicates: received - stored,
        })
    }

    /// The log of a flight, to be read; nothing of it for anybody but its pilot and staff.
    pub async fn open(
        &self,
        identity: &Identity,
        flight: impl Into<Flight>,
    ) -> Result<FlightLog, ServiceError> {
        let flight = self.shared.read_flight(flight).await?;
        let owner = flight.owner().filter(|it| is_party(identity, it.pilot));
        Ok(FlightLog {
            shared: self.shared.clone(),
            flight: flight.id,
            pilot: owner.ok_or_else(|| ServiceError::not_found("PIREP"))?.pilot,
        })
    }
}

impl FlightLog {
    /// Its lines after a sequence number, in order of that: a page, or all the rest.
    pub async fn lines(&self, after: Option<i32>) -> Result<Vec<Line>, ServiceError> {
        let (id, pilot) = (self.flight.0, self.pilot);
        let stored = self.shared.tracks.log(id, after, PAGE).await?;
        let keys = keys(&self.shared, pilot).await?;
        let lines = stored.into_iter().map(|line| {
            let text = open_log_line(id, line.sequence, pilot, &line.sealed, &keys);
            Ok(Line {
                sequence: line.sequence,
                time: line.time,
                text: text.map_err(|error| ServiceError::Corrupt(error.to_string()))?,
            })
        });
        lines.collect()
    }
}

/// The pilot's key, unless it was erased: by this process or, a moment ago, by another.
async fn keys(shared: &Shared, pilot: UserId) -> Result<KeyRing, ServiceError> {
    let known = shared.events.subject_keys(&[pilot.0]).await?;
    if known.is_empty() {
        return Ok(KeyRing::default());
    }
    Ok(shared.keys.load(&BTreeSet::from([pilot])).await?)
}

/// Faults of lines that stand at `pointer` of a request.
///
/// # Errors
/// When any of them is not valid, or there are none or more than `most`.
pub fn check(pointer: &str, most: usize, lines: &[Line]) -> Result<(), ServiceError> {
    let mut faults = Faults::default();
    if lines.is_empty() || lines.len() > most {
        let detail = format!("Must be 1 to {most} lines.");
        faults.add(pointer, "out-of-range", detail);
    }
    for (index, line) in lines.iter().enumerate().take(most) {
        let at = |member: &str| format!("{pointer}/{index}/{member}");
        let number = usize::try_from(line.sequence);
        faults.check(
            number.is_ok_and(|number| number < MAX_LINES),
            &at("sequence"),
            "out-of-range",
            "Must be from 0 to 4999.",
        );
        faults.check(
            line.time >= Timestamp::UNIX_EPOCH,
            &at("time"),
            "out-of-range",
            "Must not be before 1970.",
        );
        time::check(&mut faults, &at("time"), Some(line.time));
        let text = line.text.text().unwrap_or_default();
        text::check_text(&mut faults, &at("text"), text, MAX_LINE_CHARS);
    }
    Ok(faults.finish()?)
}
