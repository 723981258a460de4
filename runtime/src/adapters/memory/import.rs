//! The import of a whole log in memory.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;

use crate::adapters::memory::log::{MemoryLog, State};
use crate::ports::credentials::CredentialChange;
use crate::ports::event_store::{ChainLink, RecordedEvent, StoreError, SubjectKey};
use crate::ports::log_import::{Beside, ImportError, ImportGuard, LogImport};

#[async_trait]
impl LogImport for MemoryLog {
    async fn begin(&self) -> Result<Box<dyn ImportGuard>, ImportError> {
        check_empty(&self.state())?;
        Ok(Box::new(Import {
            log: self.state.clone(),
            imported: State::default(),
        }))
    }
}

struct Import {
    log: Arc<Mutex<State>>,
    imported: State,
}

#[async_trait]
impl ImportGuard for Import {
    async fn write(
        &mut self,
        events: &[RecordedEvent],
        links: &[ChainLink],
        keys: &[SubjectKey],
    ) -> Result<(), StoreError> {
        let imported = &mut self.imported;
        for event in events {
            let stream = imported.streams.entry(event.stream_id).or_default();
            stream.push(imported.events.len());
            imported.events.push(event.clone());
        }
        imported.chain.extend_from_slice(links);
        for key in keys {
            imported
                .subject_keys
                .insert(key.subject, key.wrapped.clone());
        }
        Ok(())
    }

    async fn commit(self: Box<Self>, beside: Beside) -> Result<(), StoreError> {
        let mut imported = self.imported;
        imported.epoch = beside.epoch;
        imported.claims.extend(beside.claims);
        let credentials = beside.credentials.into_iter();
        imported.apply(credentials.map(CredentialChange::Put).collect());
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        check_empty(&log)?;
        *log = imported;
        Ok(())
    }
}

fn check_empty(state: &State) -> Result<(), ImportError> {
    match state.events.len() as i64 {
        0 => Ok(()),
        head => Err(ImportError::NotEmpty { head }),
    }
}
