//! Which calls there were, for whom, and what is to go wrong with which.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::faults::Fault;

/// Whom calls are for that are for nobody in particular.
pub const SHARED: &str = "";
/// What a record holds and must never hold another value of.
const IDENTITY: [&str; 9] = [
    "tenantId",
    "database",
    "tenantKey",
    "pepper",
    "internalToken",
    "appPassword",
    "migratePassword",
    "brokerPassword",
    "cachePassword",
];

/// A call within the life of its subject.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Call {
    /// What its subject was going through.
    pub phase: String,
    /// To whom, and what for; names of the subject replaced.
    pub what: String,
    /// The how-manieth call of the kind in this phase, from 1.
    pub number: usize,
}

/// Shared by all gates of one process.
pub struct Journal {
    state: Mutex<State>,
    deaths: UnboundedSender<()>,
}

#[derive(Default)]
struct State {
    /// How calls name their subjects.
    names: BTreeMap<String, String>,
    /// How PostgreSQL's locks name them.
    locks: BTreeMap<[u8; 8], String>,
    phases: BTreeMap<String, String>,
    calls: BTreeMap<String, BTreeSet<Call>>,
    plan: BTreeMap<String, BTreeMap<Call, Fault>>,
    /// How many calls are yet to go well before one goes wrong.
    strikes: BTreeMap<String, Vec<(usize, Fault)>>,
    /// Every identity that was stored, by subject.
    identities: BTreeMap<String, BTreeSet<Vec<String>>>,
    /// What went wrong, by subject.
    met: BTreeMap<String, Vec<(Call, Fault)>>,
}

impl Journal {
    /// The journal, and a message for each time that the process must die.
    pub fn new() -> (Self, UnboundedReceiver<()>) {
        let (deaths, dying) = unbounded_channel();
        let state = Mutex::default();
        (Self { state, deaths }, dying)
    }

    /// From now on calls that name `name` are for `subject`.
    pub fn learn(&self, name: &str, subject: &str) {
        let mut state = self.state();
        state.names.insert(name.to_owned(), subject.to_owned());
    }

    /// No more calls are for `subject`.
    pub fn forget(&self, subject: &str) {
        let mut state = self.state();
        state.names.retain(|_, of| of != subject);
        state.locks.retain(|_, of| of != subject);
    }

    /// `subject` begins something new.
    pub fn enter(&self, subject: &str, phase: &str) {
        let mut state = self.state();
        state.phases.insert(subject.to_owned(), phase.to_owned());
    }

    /// What is to go wrong with a call of `subject`, once.
    pub fn plan(&self, subject: &str, call: Call, fault: Fault) {
        let mut state = self.state();
        let plan = state.plan.entry(subject.to_owned()).or_default();
        plan.insert(call, fault);
    }

    /// What is to go wrong with whichever call of `subject` comes after so many others.
    pub fn strike(&self, subject: &str, after: usize, fault: Fault) {
        let mut state = self.state();
        let strikes = state.strikes.entry(subject.to_owned()).or_default();
        strikes.push((after, fault));
    }

    /// Nothing more goes wrong with whichever call.
    pub fn calm(&self, subject: &str) {
        self.state().strikes.remove(subject);
    }

    /// What was planned for `subject` and has not happened.
    pub fn left(&self, subject: &str) -> Vec<(Call, Fault)> {
        let plan = self.state().plan.remove(subject).unwrap_or_default();
        plan.into_iter().collect()
    }

    /// Whether all that was planned for `subject` has happened.
    pub fn is_met(&self, subject: &str) -> bool {
        self.state()
            .plan
            .get(subject)
            .is_none_or(BTreeMap::is_empty)
    }

    /// What went wrong of the calls of `subject`, in order.
    pub fn met(&self, subject: &str) -> Vec<(Call, Fault)> {
        self.state().met.get(subject).cloned().unwrap_or_default()
    }

    /// Every call for `subject`.
    pub fn calls(&self, subject: &str) -> BTreeSet<Call> {
        self.state().calls.get(subject).cloned().unwrap_or_default()
    }

    /// How many different identities were ever stored for `subject`.
    pub fn identities(&self, subject: &str) -> usize {
        self.state()
            .identities
            .get(subject)
            .map_or(0, BTreeSet::len)
    }

    /// Whom a message is about.
    pub fn subject(&self, message: &[u8]) -> Option<String> {
        let state = self.state();
        let text = String::from_utf8_lossy(message);
        let mut names = state.names.iter();
        let named = names.find(|(name, _)| text.contains(name.as_str()));
        let mut locks = state.locks.iter();
        let mut locked = || locks.find(|(lock, _)| message.windows(8).any(|bytes| bytes == *lock));
        let found = match named {
            None if message.len() < 256 => locked().map(|(_, subject)| subject),
            named => named.map(|(_, subject)| subject),
        };
        found.cloned()
    }

    /// `text` without what differs from subject to subject.
    pub fn normal(&self, text: &str, subject: &str) -> String {
        let state = self.state();
        let own = state.names.iter().filter(|(_, of)| *of == subject);
        own.fold(text.to_owned(), |text, (name, _)| text.replace(name, "*"))
    }

    /// Notes a call, and says what is to go wrong with it.
    pub fn pass(&self, subject: &str, what: String) -> Option<Fault> {
        let mut state = self.state();
        let phase = state.phases.get(subject).cloned().unwrap_or_default();
        let calls = state.calls.entry(subject.to_owned()).or_default();
        let before = calls
            .iter()
            .filter(|call| call.phase == phase && call.what == what);
        let number = before.count() + 1;
        let call = Call {
            phase,
            what,
            number,
        };
        calls.insert(call.clone());
        let planned = state.plan.get_mut(subject);
        let planned = planned.and_then(|plan| plan.remove(&call));
        let struck = state.strikes.get_mut(subject).and_then(struck);
        let fault = planned.or(struck)?;
        let met = state.met.entry(subject.to_owned()).or_default();
        met.push((call, fault));
        Some(fault)
    }

    /// The process must die now.
    pub fn die(&self) {
        // Without a listener the test is over.
        let _ = self.deaths.send(());
    }

    /// Notes a stored record of a tenant, and by which names other systems know the tenant.
    pub fn stored(&self, secret: &Value) {
        let name = secret["metadata"]["name"].as_str().unwrap_or_default();
        let Some(tenant) = name.strip_prefix("tenant-") else {
            return;
        };
        let decoded = IDENTITY.map(|key| {
            let text = secret["data"][key].as_str().unwrap_or_default();
            let bytes = BASE64_STANDARD.decode(text).unwrap_or_default();
            String::from_utf8_lossy(&bytes).into_owned()
        });
        let [id, database, ..] = &decoded;
        self.learn(database, tenant);
        self.learn(id, tenant);
        let mut state = self.state();
        // The first half of its id.
        if let Ok(id) = id.parse::<uuid::Uuid>() {
            let lock = (id.as_u64_pair().0).to_be_bytes();
            state.locks.insert(lock, tenant.to_owned());
        }
        let known = state.identities.entry(tenant.to_owned()).or_default();
        known.insert(decoded.to_vec());
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts one call, and says what goes wrong with it.
fn struck(strikes: &mut Vec<(usize, Fault)>) -> Option<Fault> {
    let due = strikes.iter().position(|(after, _)| *after == 0);
    let fault = due.map(|due| strikes.swap_remove(due).1);
    for (after, _) in strikes {
        *after = after.saturating_sub(1);
    }
    fault
}
