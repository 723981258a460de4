//! The model: what a log is when one caller comes after the other.

use std::collections::BTreeMap;

use albatross::ports::event_store::{Append, AppendError, Appended, ClaimChange};
use proptest::test_runner::TestCaseError;
use uuid::Uuid;

#[derive(Clone, Debug, Default)]
pub struct Model {
    /// Stream and id, by position.
    log: Vec<(Uuid, Uuid)>,
    claims: BTreeMap<Vec<u8>, Uuid>,
    requests: BTreeMap<[u8; 32], Appended>,
}

/// Why an append is refused.
#[derive(Clone, Debug, PartialEq)]
pub enum Refusal {
    Request(i64),
    Conflict(i32),
    Claim(Vec<u8>, Uuid),
}

impl Model {
    pub fn apply(&mut self, append: &Append) -> Result<Appended, Refusal> {
        let written = self.positions(append.stream_id);
        let first = append.expected_version as usize;
        let ids = append.events.iter().map(|event| event.event_id);
        let there = written.iter().skip(first).take(append.events.len());
        if there.map(|at| self.log[at - 1].1).eq(ids.clone()) {
            return Ok(appended(append, written[first + append.events.len() - 1]));
        }
        if let Some(before) = append
            .request
            .as_ref()
            .and_then(|r| self.requests.get(&r.key))
        {
            return Err(Refusal::Request(before.position));
        }
        if written.len() != first {
            return Err(Refusal::Conflict(written.len() as i32));
        }
        for change in &append.claims {
            if let ClaimChange::Take { claim, owner } = change
                && let Some(holder) = self.claims.get(claim).filter(|holder| *holder != owner)
            {
                return Err(Refusal::Claim(claim.clone(), *holder));
            }
        }
        self.log.extend(ids.map(|id| (append.stream_id, id)));
        for change in append.claims.clone() {
            match change {
                ClaimChange::Take { claim, owner } => drop(self.claims.insert(claim, owner)),
                ClaimChange::Release { claim, owner } => {
                    self.claims
                        .retain(|held, holder| *held != claim || *holder != owner);
                }
            }
        }
        let appended = appended(append, self.log.len());
        self.requests
            .extend(append.request.iter().map(|r| (r.key, appended)));
        Ok(appended)
    }

    /// Of a stream's events, in order.
    pub fn positions(&self, stream: Uuid) -> Vec<usize> {
        let log = (1..).zip(&self.log);
        log.filter(|(_, event)| event.0 == stream)
            .map(|(at, _)| at)
            .collect()
    }

    pub fn version(&self, stream: Uuid) -> i32 {
        self.positions(stream).len() as i32
    }

    pub fn event_ids(&self) -> Vec<Uuid> {
        self.log.iter().map(|(_, id)| *id).collect()
    }

    pub fn owner(&self, claim: &[u8]) -> Option<Uuid> {
        self.claims.get(claim).copied()
    }

    pub fn answer(&self, request: &[u8; 32]) -> Option<Appended> {
        self.requests.get(request).copied()
    }
}

fn appended(append: &Append, position: usize) -> Appended {
    Appended {
        version: append.expected_version + append.events.len() as i32,
        position: position as i64,
    }
}

impl TryFrom<AppendError> for Refusal {
    type Error = TestCaseError;

    fn try_from(error: AppendError) -> Result<Self, TestCaseError> {
        match error {
            AppendError::RequestRepeated(before) => Ok(Self::Request(before.position)),
            AppendError::Conflict { actual } => Ok(Self::Conflict(actual)),
            AppendError::ClaimTaken { claim, owner } => Ok(Self::Claim(claim, owner)),
            other => Err(TestCaseError::fail(other.to_string())),
        }
    }
}
