//! Credentials in memory.

use async_trait::async_trait;
use jiff::Timestamp;
use uuid::Uuid;

use crate::adapters::limits::{request_horizon, to_minute};
use crate::adapters::memory::log::{MemoryLog, State};
use crate::ports::credentials::{Credential, CredentialChange, CredentialKind, Credentials};
use crate::ports::event_store::StoreError;

#[async_trait]
impl Credentials for MemoryLog {
    async fn credential(
        &self,
        kind: CredentialKind,
        id: &str,
    ) -> Result<Option<Credential>, StoreError> {
        let key = (kind, id.to_owned());
        Ok(self.state().credentials.get(&key).cloned())
    }

    async fn credentials_of(
        &self,
        kind: CredentialKind,
        subject: Uuid,
    ) -> Result<Vec<Credential>, StoreError> {
        let state = self.state();
        let of_subject = |c: &&Credential| c.kind == kind && c.subject == subject;
        let mut found: Vec<_> = state
            .credentials
            .values()
            .filter(of_subject)
            .cloned()
            .collect();
        found.sort_by_key(|credential| credential.created_at);
        Ok(found)
    }

    async fn change(&self, changes: Vec<CredentialChange>) -> Result<(), StoreError> {
        self.state().apply(changes);
        Ok(())
    }

    async fn take(&self, kind: CredentialKind, id: &str) -> Result<Option<Credential>, StoreError> {
        Ok(self.state().credentials.remove(&(kind, id.to_owned())))
    }

    async fn replace_verifier(
        &self,
        kind: CredentialKind,
        id: &str,
        old: &[u8],
        new: &[u8],
    ) -> Result<bool, StoreError> {
        let mut state = self.state();
        match state.credentials.get_mut(&(kind, id.to_owned())) {
            Some(credential) if credential.verifier == old => {
                credential.verifier = new.to_vec();
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    async fn touch(
        &self,
        kind: CredentialKind,
        id: &str,
        used_at: Timestamp,
    ) -> Result<(), StoreError> {
        let mut state = self.state();
        if let Some(credential) = state.credentials.get_mut(&(kind, id.to_owned())) {
            credential.last_used_at = credential.last_used_at.max(Some(to_minute(used_at)));
        }
        Ok(())
    }

    async fn sweep(&self, now: Timestamp) -> Result<u64, StoreError> {
        let mut state = self.state();
        let count = |state: &State| state.credentials.len() + state.requests.len();
        let before = count(&state);
        state
            .credentials
            .retain(|_, credential| credential.expires_at.is_none_or(|at| at >= now));
        let horizon = request_horizon(now);
        state.requests.retain(|_, (_, at)| *at >= horizon);
        Ok((before - count(&state)) as u64)
    }
}
