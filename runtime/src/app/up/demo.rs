//! `--demo`: a few pilots and recorded flights in several states, filed as clients would file them.

use anyhow::{Context, bail};
use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};
use jiff::Timestamp;
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
    number: &'static str,
    departure: &'static str,
    arrival: &'static str,
    aircraft: &'static str,
    registration: &'static str,
    recording: Recording,
    end: End,
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

const FLIGHTS: [Flight; 5] = [
    Flight {
        pilot: 0,
        number: "ELY1747",
        departure: "LIRF",
        arrival: "LLBG",
        aircraft: "B744",
        registration: "4X-ELC",
        recording: Recording::Track(ELY1747, 100),
        end: End::Accepted,
    },
    Flight {
        pilot: 1,
        number: "ANZ4376",
        departure: "NZCH",
        arrival: "NZCH",
        aircraft: "A320",
        registration: "ZK-OXB",
        recording: Recording::Track(ANZ4376, 100),
        end: End::Submitted,
    },
    Flight {
        pilot: 2,
        number: "ANZ4376",
        departure: "NZCH",
        arrival: "NZCH",
        aircraft: "A320",
        registration: "ZK-OXJ",
        recording: Recording::Track(ANZ4376, 60),
        end: End::InProgress,
    },
    Flight {
        pilot: 2,
        number: "SKY12",
        departure: "LOWW",
        arrival: "LOWI",
        aircraft: "DH8D",
        registration: "OE-LGA",
        recording: Recording::None(55),
        end: End::Rejected("Please file it with the aircraft that you flew."),
    },
    Flight {
        pilot: 0,
        number: "SKY34",
        departure: "EDDM",
        arrival: "LIRF",
        aircraft: "A20N",
        registration: "D-AINA",
        recording: Recording::None(80),
        end: End::Draft,
    },
];

/// Files what is not there yet. A second time changes nothing.
pub async fn seed(tenant: &str, airline: &Airline) -> anyhow::Result<()> {
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
        let new = self.new_pirep(&samples);
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

    fn samples(&self) -> anyhow::Result<Vec<Sample>> {
        let Recording::Track(csv, hundredths) = self.flight.recording else {
            return Ok(Vec::new());
        };
        let mut samples = recording::samples(csv)?;
        samples.truncate(samples.len() * hundredths / 100);
        Ok(samples)
    }

    fn new_pirep(&self, samples: &[Sample]) -> FilePirep {
        let flight = self.flight;
        let text = |text: &str| Some(text.to_owned());
        let (kind, client, report) = match flight.recording {
            Recording::Track(..) => (SourceKind::Acars, text("albatross demo"), None),
            Recording::None(minutes) => {
                let report = Report {
                    flight_time_min: Some(minutes),
                    ..Report::default()
                };
                (SourceKind::Manual, None, Some(report))
            }
        };
        let first: Option<Timestamp> = samples.first().map(|sample| sample.time);
        FilePirep {
            intent: match flight.recording {
                Recording::Track(..) => Intent::Prefile,
                Recording::None(_) => Intent::Draft,
            },
            source: Source { kind, client },
            plan: Plan {
                flight_number: text(flight.number),
                callsign: text(flight.number),
                departure: text(flight.departure),
                arrival: text(flight.arrival),
                aircraft_type: text(flight.aircraft),
                registration: text(flight.registration),
                network: text("Offline"),
                planned_off_block_at: first,
                ..Plan::default()
            },
            report,
            remarks: None,
        }
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
        session: None,
    }
}
