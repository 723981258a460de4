//! Ledgers of erased people: a file beside the log, or this process's memory.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use tokio::task::spawn_blocking;
use uuid::Uuid;

use crate::ports::erasures::Erasures;
use crate::ports::event_store::StoreError;

/// An id a line. It is replaced as a whole: a crash leaves the old one or the new one.
#[derive(Clone)]
pub struct FileErasures {
    path: PathBuf,
    writing: Arc<Mutex<()>>,
}

impl FileErasures {
    /// A file that is not there is an empty ledger.
    pub fn at(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            writing: Arc::default(),
        }
    }

    fn read(&self) -> Result<BTreeSet<Uuid>, StoreError> {
        let text = match fs::read_to_string(&self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
            text => text.map_err(|error| self.cannot("read", &error))?,
        };
        let ids = text.lines().map(|line| line.trim().parse());
        let ids: Result<_, uuid::Error> = ids.collect();
        ids.map_err(|_| format!("{} holds a line that is no id", self.path.display()).into())
    }

    fn write(&self, subjects: BTreeSet<Uuid>) -> Result<(), StoreError> {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let _alone = self.lock().map_err(|error| self.cannot("lock", &error))?;
        let mut all = self.read()?;
        if all.is_superset(&subjects) {
            return Ok(());
        }
        all.extend(subjects);
        let lines: String = all.iter().map(|id| format!("{id}\n")).collect();
        let replaced = self.replace(lines.as_bytes());
        replaced.map_err(|error| self.cannot("write", &error))
    }

    /// Against other processes: somebody may be erased from the command line beside one that serves.
    fn lock(&self) -> io::Result<File> {
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(self.path.with_extension("lock"))?;
        file.lock()?;
        Ok(file)
    }

    fn replace(&self, contents: &[u8]) -> io::Result<()> {
        let new = self.path.with_extension("new");
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&new)?;
        file.write_all(contents)?;
        file.sync_all()?;
        fs::rename(&new, &self.path)?;
        File::open(self.path.parent().unwrap_or(Path::new(".")))?.sync_all()
    }

    fn cannot(&self, what: &str, error: &io::Error) -> StoreError {
        format!("cannot {what} {}: {error}", self.path.display()).into()
    }
}

#[async_trait]
impl Erasures for FileErasures {
    async fn note(&self, subjects: BTreeSet<Uuid>) -> Result<(), StoreError> {
        let ledger = self.clone();
        spawn_blocking(move || ledger.write(subjects)).await?
    }

    async fn all(&self) -> Result<BTreeSet<Uuid>, StoreError> {
        let ledger = self.clone();
        spawn_blocking(move || ledger.read()).await?
    }
}

/// Lasts as long as the log in memory beside it.
#[derive(Default)]
pub struct MemoryErasures(Mutex<BTreeSet<Uuid>>);

#[async_trait]
impl Erasures for MemoryErasures {
    async fn note(&self, subjects: BTreeSet<Uuid>) -> Result<(), StoreError> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.extend(subjects);
        Ok(())
    }

    async fn all(&self) -> Result<BTreeSet<Uuid>, StoreError> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(all.clone())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[tokio::test]
    async fn who_is_noted_stays_noted_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("erased");
        let ledger = FileErasures::at(&path);
        assert!(ledger.all().await.unwrap().is_empty());
        let [one, other, third] = [1, 2, 3].map(Uuid::from_u128);
        for subjects in [vec![other], vec![one, third], vec![other]] {
            ledger.note(subjects.into_iter().collect()).await.unwrap();
        }
        let again = FileErasures::at(&path).all().await.unwrap();
        assert_eq!(again, BTreeSet::from([one, other, third]));
    }

    #[tokio::test]
    async fn a_damaged_ledger_is_not_taken_for_an_empty_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("erased");
        fs::write(&path, "00000000-0000-0000-0000-00000000000").unwrap();
        let ledger = FileErasures::at(&path);
        assert!(ledger.all().await.is_err());
        assert!(ledger.note([Uuid::nil()].into()).await.is_err());
    }

    proptest! {
        #[test]
        fn no_line_that_is_no_id_is_passed_over(text in "([0-9a-f]{32}\\n)?[-0-9a-f \\n\u{e9}]{0,40}") {
            let file = tempfile::NamedTempFile::new().unwrap();
            fs::write(file.path(), &text).unwrap();
            let lines: Vec<_> = text.lines().map(|line| line.trim().parse::<Uuid>()).collect();
            match FileErasures::at(file.path()).read() {
                Ok(ids) => prop_assert!(lines.iter().all(|it| it.as_ref().is_ok_and(|id| ids.contains(id)))),
                Err(_) => prop_assert!(lines.iter().any(Result::is_err)),
            }
        }
    }
}
