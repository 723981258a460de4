//! A PIREP that a request is about, as far as the request has read it.

use crate::application::commands::Loaded;
use crate::domain::ids::{PirepId, UserId};
use crate::domain::pirep::{Pirep, PirepState};

/// Names a PIREP. Whoever has read its stream passes on what it said, so that one request reads it once:
/// an append that meets another version reads it again.
#[derive(Clone, Debug)]
pub struct Flight {
    pub id: PirepId,
    pub read: Option<Loaded<Pirep>>,
}

/// Whose a PIREP is.
#[derive(Clone, Copy, Debug)]
pub struct Owner {
    pub pilot: UserId,
    /// Everybody who is known may read it.
    pub published: bool,
}

impl From<PirepId> for Flight {
    fn from(id: PirepId) -> Self {
        Self { id, read: None }
    }
}

impl Flight {
    /// As it stood when it was read; none when it was not, or when there is nothing under its id.
    pub fn pirep(&self) -> Option<&Pirep> {
        self.read.as_ref()?.state.as_ref()
    }

    /// Of what was read; nobody's when there is no such PIREP or its draft was thrown away.
    pub fn owner(&self) -> Option<Owner> {
        let pirep = self.pirep()?;
        (pirep.state != PirepState::Discarded).then_some(Owner {
            pilot: pirep.pilot,
            published: pirep.state == PirepState::Accepted,
        })
    }
}
