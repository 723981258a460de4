//! Appends, durable before they are answered: PostgreSQL beside pgbench and COPY, and SQLite.

use std::collections::BTreeMap;

use albatross::adapters::{migrate, open};
use albatross::ports::event_store::{Append, NewEvent};
use albatross_tests::servers::servers;
use jiff::Timestamp;
use uuid::Uuid;

use crate::load::{Run, clients};
use crate::measured::Measured;
use crate::pgbench::Pgbench;
use crate::table::{Bar, Table};
use crate::{Effort, copy};

/// About what a PIREP's event takes.
pub const PAYLOAD_BYTES: usize = 256;
pub const ACTOR: &str = "user:5f0d0c1e-7f5b-4a57-9d5e-0a4b9f6e1c11";

/// Who appends, and how.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Contender {
    Ours { clients: usize, events: usize },
    Pgbench { clients: usize },
    Copy,
    Sqlite { clients: usize },
}

use Contender::{Copy, Ours, Sqlite};

/// In the order in which they take turns: side by side with what they are compared with.
const CONTENDERS: [Contender; 9] = [
    Ours {
        clients: 1,
        events: 1,
    },
    Contender::Pgbench { clients: 1 },
    Ours {
        clients: 64,
        events: 1,
    },
    Contender::Pgbench { clients: 64 },
    Ours {
        clients: 256,
        events: 1,
    },
    Copy,
    Ours {
        clients: 1,
        events: 1_000,
    },
    Sqlite { clients: 1 },
    Sqlite { clients: 64 },
];

struct Stage {
    effort: Effort,
    postgres: String,
    sqlite: String,
    pgbench: Pgbench,
}

impl Contender {
    fn name(self) -> String {
        match self {
            Ours { clients, events: 1 } => format!("append on PostgreSQL, {clients} clients"),
            Ours { events, .. } => format!("append on PostgreSQL, {events} events a command"),
            Self::Pgbench { clients } => format!("pgbench inserts of one row, {clients} clients"),
            Copy => "COPY, 1,000 rows a commit".to_owned(),
            Sqlite { clients } => format!("append on SQLite, {clients} clients"),
        }
    }

    async fn run(self, stage: &Stage) -> Run {
        let each = stage.effort.each;
        match self {
            Ours { clients, events } => append(&stage.postgres, clients, events, stage).await,
            Self::Pgbench { clients } => stage.pgbench.run(clients, each).await,
            Copy => copy::run(&stage.postgres, each).await,
            Sqlite { clients } => append(&stage.sqlite, clients, 1, stage).await,
        }
    }
}

/// Answers what one append of many at once takes of all processors together, in microseconds.
pub async fn measure(table: &mut Table, effort: Effort) -> f64 {
    let database = servers().await.database().await;
    assert!(migrate(&database.url).await.unwrap() > 0);
    let directory = tempfile::tempdir().unwrap();
    let stage = Stage {
        effort,
        sqlite: format!("sqlite:{}", directory.path().display()),
        pgbench: Pgbench::prepare(&database.url).await,
        postgres: database.url,
    };
    let mut measured = BTreeMap::<Contender, Measured>::new();
    for _ in 0..effort.rounds {
        for contender in CONTENDERS {
            let rounds = measured.entry(contender).or_default();
            rounds.round(&stage.postgres, contender.run(&stage)).await;
        }
    }
    compare(table, &measured);
    for contender in CONTENDERS {
        table.spent(&contender.name(), &measured[&contender]);
    }
    let many = Ours {
        clients: 64,
        events: 1,
    };
    measured[&many].processor().iter().sum()
}

fn compare(table: &mut Table, measured: &BTreeMap<Contender, Measured>) {
    let ours = |clients, events| Ours { clients, events };
    let pgbench = |clients| Contender::Pgbench { clients };
    for (mine, other, bar) in [
        (ours(1, 1), pgbench(1), 0.9),
        (ours(64, 1), pgbench(64), 3.0),
        (ours(256, 1), Copy, 0.35),
        (ours(1, 1_000), Copy, 1.0),
    ] {
        let what = format!("{} ÷ {}", mine.name(), other.name());
        let rates = [mine, other].map(|it| measured[&it].per_second());
        table.beside(&what, rates, "/s", Bar::AtLeast(bar));
    }
    for clients in [1, 64] {
        let sqlite = Sqlite { clients };
        let rate = crate::table::median(measured[&sqlite].per_second());
        table.figure(&sqlite.name(), rate, "/s", Bar::None);
    }
}

/// Opens the storage for this run, so that afterwards all its connections are closed.
async fn append(url: &str, count: usize, events: usize, stage: &Stage) -> Run {
    let log = open(url).await.unwrap().events;
    log.append(command(1)).await.unwrap();
    clients(count, stage.effort.each, move || {
        let log = log.clone();
        async move {
            log.append(command(events)).await.unwrap();
            events as u64
        }
    })
    .await
}

/// A command that begins a stream with so many events.
pub fn command(events: usize) -> Append {
    let event = |_| NewEvent {
        event_id: Uuid::new_v4(),
        kind: 1,
        schema: 1,
        payload: vec![7; PAYLOAD_BYTES],
    };
    Append {
        command_id: Uuid::new_v4(),
        stream_id: Uuid::new_v4(),
        expected_version: 0,
        events: (0..events).map(event).collect(),
        causation_id: None,
        correlation_id: None,
        actor: ACTOR.to_owned(),
        recorded_at: Timestamp::UNIX_EPOCH,
        claims: Vec::new(),
        request: None,
        credentials: Vec::new(),
        subject_keys: Vec::new(),
    }
}
