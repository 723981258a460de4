//! Appends, durable before they are answered: PostgreSQL beside pgbench, COPY and other event stores, and SQLite.

use std::collections::BTreeMap;
use std::time::Duration;

use albatross::adapters::{migrate, open};
use albatross::ports::event_store::{Append, NewEvent};
use albatross_tests::servers::servers;
use jiff::Timestamp;
use uuid::Uuid;

use crate::load::{Run, clients};
use crate::measured::Measured;
use crate::peers::Peer;
use crate::pgbench::Pgbench;
use crate::table::{Bar, Table};
use crate::{Effort, copy, peers};

/// About what a PIREP's event takes.
pub const PAYLOAD_BYTES: usize = 256;
pub const ACTOR: &str = "user:5f0d0c1e-7f5b-4a57-9d5e-0a4b9f6e1c11";

/// Who appends, and how.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Contender {
    Ours {
        clients: usize,
        events: usize,
    },
    Pgbench {
        clients: usize,
    },
    /// By `COPY`.
    Copied,
    Sqlite {
        clients: usize,
    },
    Peer {
        number: usize,
        clients: usize,
    },
}

use Contender::{Copied, Ours, Sqlite};

struct Stage {
    effort: Effort,
    postgres: String,
    sqlite: String,
    pgbench: Pgbench,
    peers: Vec<Peer>,
}

impl Stage {
    /// In the order in which they take turns: side by side with what they are compared with.
    fn contenders(&self) -> Vec<Contender> {
        let ours = |clients, events| Ours { clients, events };
        let mut contenders = Vec::new();
        for clients in [1, 64] {
            contenders.extend([ours(clients, 1), Contender::Pgbench { clients }]);
            contenders.extend(self.peers(false, clients));
        }
        contenders.extend([ours(256, 1), Copied, ours(1, 1_000)]);
        for clients in [1, 64] {
            contenders.push(Sqlite { clients });
            contenders.extend(self.peers(true, clients));
        }
        contenders
    }

    /// Those on PostgreSQL or those with files of their own, where they are measured with so many clients.
    fn peers(&self, embedded: bool, clients: usize) -> impl Iterator<Item = Contender> {
        let peers = self.peers.iter().enumerate();
        let asked =
            peers.filter(move |(_, it)| it.embedded == embedded && it.clients.contains(&clients));
        asked.map(move |(number, _)| Contender::Peer { number, clients })
    }

    fn name(&self, contender: Contender) -> String {
        match contender {
            Ours { clients, events: 1 } => format!("append on PostgreSQL, {clients} clients"),
            Ours { events, .. } => format!("append on PostgreSQL, {events} events a command"),
            Contender::Pgbench { clients } => {
                format!("pgbench inserts of one row, {clients} clients")
            }
            Copied => "COPY, 1,000 rows a commit".to_owned(),
            Sqlite { clients } => format!("append on SQLite, {clients} clients"),
            Contender::Peer { number, clients } => {
                format!("{}, {clients} clients", self.peers[number].name)
            }
        }
    }

    async fn run(&self, contender: Contender) -> Run {
        let each = self.effort.each;
        match contender {
            Ours { clients, events } => append(&self.postgres, clients, events, each).await,
            Contender::Pgbench { clients } => self.pgbench.run(clients, each).await,
            Copied => copy::run(&self.postgres, each).await,
            Sqlite { clients } => append(&self.sqlite, clients, 1, each).await,
            Contender::Peer { number, clients } => self.peers[number].append(clients, each).await,
        }
    }

    /// Each pair whose ratio is promised.
    fn comparisons(&self) -> Vec<(Contender, Contender, Bar)> {
        let ours = |clients, events| Ours { clients, events };
        let pgbench = |clients| Contender::Pgbench { clients };
        let mut comparisons = vec![
            (ours(1, 1), pgbench(1), Bar::AtLeast(0.9)),
            (ours(64, 1), pgbench(64), Bar::AtLeast(3.0)),
            (ours(256, 1), Copied, Bar::AtLeast(0.35)),
            (ours(1, 1_000), Copied, Bar::AtLeast(1.0)),
        ];
        for (number, peer) in self.peers.iter().enumerate() {
            for &clients in &peer.clients {
                let (mine, bar) = match (peer.embedded, clients) {
                    (true, _) => (Sqlite { clients }, Bar::AtLeast(1.0)),
                    (false, 1) => (ours(1, 1), Bar::None),
                    (false, _) => (ours(clients, 1), Bar::AtLeast(7.0)),
                };
                comparisons.push((mine, Contender::Peer { number, clients }, bar));
            }
        }
        comparisons
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
        peers: peers::all(directory.path()).await,
    };
    if stage.peers.is_empty() {
        table.note("other event stores: not asked for (make bench builds them)");
    } else {
        peers::NOTES.iter().for_each(|note| table.note(note));
    }
    let mut measured = BTreeMap::<Contender, Measured>::new();
    for _ in 0..effort.rounds {
        for contender in stage.contenders() {
            let rounds = measured.entry(contender).or_default();
            rounds.round(&stage.postgres, stage.run(contender)).await;
        }
    }
    for (mine, other, bar) in stage.comparisons() {
        let what = format!("{} ÷ {}", stage.name(mine), stage.name(other));
        let rates = [mine, other].map(|it| measured[&it].per_second());
        table.beside(&what, rates, "/s", bar);
    }
    for contender in stage.contenders() {
        table.detail(measured[&contender].row(&stage.name(contender)));
    }
    let many = Ours {
        clients: 64,
        events: 1,
    };
    measured[&many].processor().iter().sum()
}

/// Opens the storage for this run, so that afterwards all its connections are closed.
async fn append(url: &str, count: usize, events: usize, each: Duration) -> Run {
    let log = open(url).await.unwrap().events;
    log.append(command(1)).await.unwrap();
    clients(count, each, move || {
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
