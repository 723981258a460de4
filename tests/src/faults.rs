//! Something goes wrong with one call that a process makes to the outside, whichever it is: calls are learnt by running.
//!
//! The process is led through gates that know whom each call is for. A gate asks its journal what is to go wrong.

mod http;
mod journal;
mod tcp;

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

pub use self::http::HttpGate;
pub use self::journal::{Call, Journal, SHARED};
pub use self::tcp::TcpGate;

/// How long a call hangs that gets no answer.
const SILENCE: Duration = Duration::from_secs(3);

/// What goes wrong with a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// It does not arrive, and the caller learns of it.
    Error,
    /// It does not arrive, and the caller waits in vain.
    Timeout,
    /// It is done, and its answer gets lost. A watch stays open, and what it tells gets lost.
    LostAnswer,
    /// It is done, and its caller dies before the answer.
    Death,
}

impl Fault {
    pub const ALL: [Self; 4] = [Self::Error, Self::Timeout, Self::LostAnswer, Self::Death];

    /// One of them, for one call, in one run.
    pub fn seeded(seed: u64, call: &Call) -> Self {
        let mut hasher = DefaultHasher::new();
        (seed, call).hash(&mut hasher);
        Self::ALL[(hasher.finish() % 4) as usize]
    }
}
