//! `--demo`: a few pilots and recorded flights in several states, filed as clients would file them.

use anyhow::{Context, bail};
use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};
use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;
use uuid::Uuid;

use crate::adapters::system::SystemEntropy;
use crate::app::up::recording::{self, ANZ4376, ELY1747};
use crate::application::airline::Airline;
use crate::application::error::ServiceError;
use crate::application::identity::Identity;
use crate::application::paging::Page;
use crate::application::pireps::{Accept, FilePirep, Reject, Submit};
use crate::application::tracks::MAX_BATCH;
use crate::application::users::{Register, UserFilter};
use crate::application::views::PirepView;
use crate::application::write::WriteOptions;
use crate::domain::actor::Person;
use crate::domain::ids::{PirepId, UserId};
use crate::domain::pirep::{Credit, Intent, Plan, Report, Source, SourceKind};
use crate::domain::roles::Role;
use crate::ports::clock::Entropy;
use crate::ports::track_store::Sample;

/// Names ids of demo flights, so that a second start finds them.
const NAMESPACE: Uuid = Uuid::from_u128(0x8c1f_6f0e_3b5a_4f63_9a70_5d1b_4f1e_2ac4);

const PILOTS: [(&str, &str); 3] = [
    ("mae", "Mae Carter"),
    ("jonas", "Jonas Berg"),
    ("lucia", "Lucia Moretti"),
];

struct Flight {
    pilot: usize,
    number: Number,
    departure: &'static str,
    arrival: &'static str,
    aircraft: &'static str,
    registration: &'static str,
    recording: Recording,
    /// How long ago the flight came to its end, or to where it is now.
    ended_ago_min: i64,
    end: End,
}

enum Number {
    /// As it was recorded.
    Recorded(&'static str),
    /// The airline's own, after its ICAO code.
    Own(u16),
}

enum Recording {
    /// So many hundredths of a recording.
    Track(&'static str, usize),
    /// Typed in by hand: minutes in the air.
    None(i32),
}

enum End {
    Draft,
    InProgress,
    Submitted,
    Accepted,
    Rejected(&'static str),
}

const HOUR_MIN: i64 = 60;
const DAY_MIN: i64 = 24 * HOUR_MIN;

/// A week of an airline.
const FLIGHTS: [Flight; 8] = [
    Flight {
        pilot: 0,
        number: Number::Recorded("ELY1747"),
        departure: "LIRF",
        arrival: "LLBG",
        aircraft: "B744",
        registration: "4X-ELC",
        recording: Recording::Track(ELY1747, 100),
        ended_ago_min: 6 * DAY_MIN,
        end: End::Accepted,
    },
    Flight {
        pilot: 2,
        number: Number::Own(12),
        departure: "LOWW",
        arrival: "LOWI",
        aircraft: "DH8D",
        registration: "OE-LGA",
        recording: Recording::None(55),
        ended_ago_min: 5 * DAY_MIN + 3 * HOUR_MIN,
        end: End::Rejected("Please file it with the aircraft that you flew."),
    },
    Flight {
        pilot: 1,
        number: Number::Own(340),
        departure: "EDDM",
        arrival: "LIRF",
        aircraft: "A20N",
        registration: "D-AINA",
        recording: Recording::None(80),
        ended_ago_min: 4 * DAY_MIN + 7 * HOUR_MIN,
        end: End::Accepted,
    },
    Flight {
        pilot: 1,
        number: Number::Recorded("ANZ4376"),
        departure: "NZCH",
        arrival: "NZCH",
        aircraft: "A320",
        registration: "ZK-OXB",
        recording: Recording::Track(ANZ4376, 100),
        ended_ago_min: 2 * DAY_MIN + 5 * HOUR_MIN,
        end: End::Accepted,
    },
    Flight {
        pilot: 0,
        number: Number::Own(341),
        departure: "LIRF",
        arrival: "EDDM",
        aircraft: "A20N",
        registration: "D-AINA",
        recording: Recording::None(85),
        ended_ago_min: DAY_MIN + 2 * HOUR_MIN,
        end: End::Submitted,
    },
    Flight {
        pilot: 2,
        number: Number::Recorded("ANZ4376"),
        departure: "NZCH",
        arrival: "NZCH",
        aircraft: "A320",
        registration: "ZK-OXJ",
        recording: Recording::Track(ANZ4376, 100),
        ended_ago_min: 4 * HOUR_MIN,
        end: End::Submitted,
    },
    Flight {
        pilot: 1,
        number: Number::Recorded("ELY1747"),
        departure: "LIRF",
        arrival: "LLBG",
        aircraft: "B744",
        registration: "4X-ELC",
        recording: Recording::Track(ELY1747, 60),
        ended_ago_min: 0,
        end: End::InProgress,
    },
    Flight {
        pilot: 0,
        number: Number::Own(58),
        departure: "ESSA",
        arrival: "ENGM",
        aircraft: "E190",
        registration: "SE-RSA",
        recording: Recording::None(60),
        ended_ago_min: 2 * HOUR_MIN,
        end: End::Draft,
    },
];

/// Files what is not there yet. A second time changes nothing.
pub async fn seed(
    tenant: &str,
    icao_code: &str,
    airline: &Airline,
    now: Timestamp,
) -> anyhow::Result<()> {
    let report = airline.desired.applied().await?;
    let admin = report.and_then(|report| report.admins.first().map(|admin| admin.user_id));
    let admin = identity(UserId(admin.context("it has no admin")?), Role::TenantAdmin);
    let mut pilots = Vec::new();
    for (mailbox, name) in PILOTS {
        let email = format!("{mailbox}@{tenant}.example");
        pilots.push(pilot(airline, &admin, email, name).await?);
    }
    for (index, flight) in FLIGHTS.iter().enumerate() {
        let id = Uuid::new_v5(&NAMESPACE, format!("{tenant}/{index}").as_bytes());
        let demo = Demo {
            airline,
            admin: &admin,
            pilot: &pilots[flight.pilot],
            flight,
            icao_code,
            now,
            id: PirepId(id),
        };
        demo.file().await?;
    }
    airline.catch_up().await?;
    Ok(())
}

struct Demo<'a> {
    airline: &'a Airline,
    admin: &'a Identity,
    pilot: &'a Identity,
    flight: &'a Flight,
    icao_code: &'a str,
    now: Timestamp,
    id: PirepId,
}

impl Demo<'_> {
    async fn file(&self) -> anyhow::Result<()> {
        let pireps = &self.airline.pireps;
        match pireps.get(self.admin, self.id).await {
            // Whatever has become of it since: it is not touched again.
            Ok(_) => return Ok(()),
            Err(ServiceError::Refused(_)) => {}
            Err(error) => return Err(error.into()),
        }
        let samples = self.samples()?;
        let new = self.new_pirep(&samples)?;
        pireps
            .put(self.pilot, self.id, new, WriteOptions::default())
            .await?;
        for (batch, samples) in samples.chunks(MAX_BATCH).enumerate() {
            let batch = Uuid::new_v5(&self.id.0, &batch.to_be_bytes());
            let tracks = &self.airline.tracks;
            tracks
                .store(self.pilot, self.id, batch, samples.to_vec())
                .await?;
        }
        if matches!(self.flight.end, End::Draft | End::InProgress) {
            return Ok(());
        }
        let submit = Submit {
            last_sequence: samples.last().map(|sample| sample.sequence),
            ..Submit::default()
        };
        let options = WriteOptions::default();
        let filed = pireps.submit(self.pilot, self.id, submit, options).await?;
        self.decide(&filed.entity).await
    }

    async fn decide(&self, filed: &PirepView) -> anyhow::Result<()> {
        let pireps = &self.airline.pireps;
        let options = WriteOptions {
            if_match: Some(filed.version),
            ..WriteOptions::default()
        };
        match self.flight.end {
            End::Accepted => {
                let accept = Accept {
                    credit: Credit::Full,
                    comment: None,
                };
                pireps.accept(self.admin, self.id, accept, options).await?;
            }
            End::Rejected(reason) => {
                let reject = Reject {
                    reason: reason.to_owned(),
                    credit: Credit::None,
                };
                pireps.reject(self.admin, self.id, reject, options).await?;
            }
            End::Draft | End::InProgress | End::Submitted => {}
        }
        Ok(())
    }

    fn ended_at(&self) -> anyhow::Result<Timestamp> {
        let ago = SignedDuration::from_mins(self.flight.ended_ago_min);
        Ok(self.now.checked_sub(ago)?)
    }

    /// The recording, as if it had come to its end when the flight did.
    fn samples(&self) -> anyhow::Result<Vec<Sample>> {
        let Recording::Track(csv, hundredths) = self.flight.recording else {
            return Ok(Vec::new());
        };
        let mut samples = recording::samples(csv)?;
        samples.truncate(samples.len() * hundredths / 100);
        let last = samples.last().context("the recording is empty")?.time;
        let later = self.ended_at()?.duration_since(last);
        // Whole seconds, as a client sends them.
        let later = SignedDuration::from_secs(later.as_secs());
        for sample in &mut samples {
            sample.time = sample.time.checked_add(later)?;
        }
        Ok(samples)
    }

    /// What the pilot of a flight without a recording types in.
    fn report(&self, minutes: i32) -> anyhow::Result<Report> {
        let landing = self.ended_at()?;
        Ok(Report {
            take_off_at: Some(landing.checked_sub(SignedDuration::from_mins(minutes.into()))?),
            landing_at: Some(landing),
            flight_time_min: Some(minutes),
            ..Report::default()
        })
    }

    fn new_pirep(&self, samples: &[Sample]) -> anyhow::Result<FilePirep> {
        let flight = self.flight;
        let text = |text: &str| Some(text.to_owned());
        let (intent, kind, client, report) = match flight.recording {
            Recording::Track(..) => {
                let client = text("albatross demo");
                (Intent::Prefile, SourceKind::Acars, client, None)
            }
            Recording::None(minutes) => {
                let report = Some(self.report(minutes)?);
                (Intent::Draft, SourceKind::Manual, None, report)
            }
        };
        let number = match flight.number {
            Number::Recorded(number) => number.to_owned(),
            Number::Own(number) => format!("{}{number}", self.icao_code),
        };
        let measured = samples.first().map(|sample| sample.time);
        let typed = report.as_ref().and_then(|report| report.take_off_at);
        Ok(FilePirep {
            intent,
            source: Source { kind, client },
            plan: Plan {
                callsign: Some(number.clone()),
                flight_number: Some(number),
                departure: text(flight.departure),
                arrival: text(flight.arrival),
                aircraft_type: text(flight.aircraft),
                registration: text(flight.registration),
                network: text("Offline"),
                planned_off_block_at: measured.or(typed),
                ..Plan::default()
            },
            report,
            remarks: None,
            custom_fields: None,
            bid: None,
            scheduled_flight: None,
        })
    }
}

/// The pilot with this address, registered with a password that nobody knows.
async fn pilot(
    airline: &Airline,
    admin: &Identity,
    email: String,
    name: &str,
) -> anyhow::Result<Identity> {
    let filter = UserFilter {
        search: Some(email.clone()),
        ..UserFilter::default()
    };
    let page = Page {
        limit: 2,
        cursor: None,
    };
    let found = airline.users.list(admin, filter, page).await?.items;
    let user = match found.as_slice() {
        [known] => known.id,
        [] => {
            let new = Register {
                email,
                display_name: name.to_owned(),
                password: Some(unknown_password()),
            };
            let options = WriteOptions::default();
            airline
                .users
                .register(None, new, options)
                .await?
                .entity
                .user
                .id
        }
        _ => bail!("several users have {email} in their address"),
    };
    Ok(identity(user, Role::Pilot))
}

fn unknown_password() -> SecretString {
    let mut bytes = [0; 24];
    SystemEntropy.fill(&mut bytes);
    BASE64_URL_SAFE_NO_PAD.encode(bytes).into()
}

fn identity(id: UserId, role: Role) -> Identity {
    Identity {
        person: Person {
            id,
            roles: role.into(),
            key: None,
        },
        suspended: false,
        session: None,
    }
}
