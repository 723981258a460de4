//! The storm: faults one after the other and several at once, until it is over and everything works again.

use std::time::Duration;

use rand::RngExt;
use rand::rngs::StdRng;
use turmoil::Sim;

use crate::REPLICAS;
use crate::remote::{POSTGRES, RABBITMQ, REDIS};
use crate::story::Story;

/// When it begins and ends. Before it, people get their keys.
pub const STORM: [Duration; 2] = [Duration::from_secs(10), Duration::from_secs(70)];
/// After the storm everything has been connected again.
pub const CALM: Duration = Duration::from_secs(115);
/// Nobody writes any more.
pub const END: Duration = Duration::from_secs(125);
const SERVERS: [&str; 3] = [POSTGRES, RABBITMQ, REDIS];
/// Between two faults.
const LULL: [u64; 2] = [500, 5_000];
const LONGEST: u64 = 12_000;

pub struct Weather {
    random: StdRng,
    next: Duration,
    raging: Vec<Fault>,
    past: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// The host's process is killed, and started again in the end.
    Crash,
    /// Nothing comes through between two hosts, and what is on its way is lost.
    Partition,
    /// The same in one direction.
    OneWay,
    /// What is on its way waits, and arrives all at once in the end.
    Hold,
    Slow,
}

#[derive(Clone, Debug)]
struct Fault {
    kind: Kind,
    replica: &'static str,
    server: &'static str,
    end: Duration,
}

impl Weather {
    pub fn new(random: StdRng) -> Self {
        Self {
            random,
            next: STORM[0],
            raging: Vec::new(),
            past: Vec::new(),
        }
    }

    /// Ends and begins what is due.
    pub fn pass(&mut self, sim: &mut Sim<'_>, story: &Story) {
        let now = sim.elapsed();
        let over = now >= STORM[1];
        let (ended, raging) = self
            .raging
            .drain(..)
            .partition(|fault| over || fault.end <= now);
        self.raging = raging;
        for fault in ended {
            let fault: Fault = fault;
            fault.cease(sim);
        }
        if now >= self.next && !over {
            let lull = self.random.random_range(LULL[0]..LULL[1]);
            self.next = now + Duration::from_millis(lull);
            self.begin(sim, story);
        }
    }

    /// What has happened, for whoever looks for the cause.
    pub fn report(&self) -> String {
        self.past.join("\n")
    }

    fn begin(&mut self, sim: &mut Sim<'_>, story: &Story) {
        let kinds = [
            Kind::Crash,
            Kind::Partition,
            Kind::OneWay,
            Kind::Hold,
            Kind::Slow,
        ];
        let lasts = self.random.random_range(200..LONGEST);
        let replica = self.random.random_range(0..REPLICAS.len());
        let mut fault = Fault {
            kind: kinds[self.random.random_range(0..kinds.len())],
            replica: REPLICAS[replica],
            server: SERVERS[self.random.random_range(0..SERVERS.len())],
            end: sim.elapsed() + Duration::from_millis(lasts),
        };
        // A way has one fault at a time, and so has a process.
        if self.raging.iter().any(|other| other.collides(&fault)) {
            return;
        }
        if fault.kind == Kind::Crash && self.random.random_bool(0.5) {
            fault.server = fault.replica;
            story.put(replica, None);
        }
        self.past.push(format!("{:?}: {fault:?}", sim.elapsed()));
        fault.strike(sim);
        self.raging.push(fault);
    }
}

impl Fault {
    fn collides(&self, other: &Self) -> bool {
        let crash = |fault: &Self| fault.kind == Kind::Crash;
        match (crash(self), crash(other)) {
            (true, true) => true,
            (false, false) => self.replica == other.replica && self.server == other.server,
            _ => false,
        }
    }

    fn strike(&self, sim: &mut Sim<'_>) {
        let (replica, server) = (self.replica, self.server);
        match self.kind {
            Kind::Crash => sim.crash(server),
            Kind::Partition => sim.partition(replica, server),
            Kind::OneWay => sim.partition_oneway(server, replica),
            Kind::Hold => sim.hold(replica, server),
            Kind::Slow => sim.set_link_max_message_latency(replica, server, Duration::from_secs(2)),
        }
    }

    fn cease(&self, sim: &mut Sim<'_>) {
        let (replica, server) = (self.replica, self.server);
        match self.kind {
            Kind::Crash => sim.bounce(server),
            Kind::Partition => sim.repair(replica, server),
            Kind::OneWay => sim.repair_oneway(server, replica),
            Kind::Hold => sim.release(replica, server),
            Kind::Slow => {
                sim.set_link_max_message_latency(replica, server, Duration::from_millis(30));
            }
        }
    }
}
