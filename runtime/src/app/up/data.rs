//! The data directory: one process at a time, a folder per tenant.

use std::fs::{self, File, TryLockError};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

/// A data directory that this process holds.
pub struct DataDirectory {
    path: PathBuf,
    /// Released when the process ends, however it ends.
    _lock: File,
}

impl DataDirectory {
    /// Makes the directory, if need be, and takes it.
    ///
    /// # Errors
    /// When it cannot be written, or another process holds it.
    pub fn take(path: &Path) -> anyhow::Result<Self> {
        make(path)?;
        let lock = path.join("lock");
        let file =
            File::create(&lock).with_context(|| format!("cannot write {}", lock.display()))?;
        match file.try_lock() {
            Ok(()) => Ok(Self {
                path: path.to_owned(),
                _lock: file,
            }),
            Err(TryLockError::WouldBlock) => {
                bail!("another process already runs on {}", path.display())
            }
            Err(TryLockError::Error(error)) => {
                Err(error).with_context(|| format!("cannot lock {}", lock.display()))
            }
        }
    }

    /// The folder of one tenant.
    pub fn tenant(&self, name: &str) -> anyhow::Result<PathBuf> {
        let path = self.path.join(name);
        make(&path.join("keys"))?;
        Ok(path)
    }
}

/// Only its owner may look into it.
fn make(path: &Path) -> anyhow::Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .with_context(|| format!("cannot create the directory {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_process_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let held = DataDirectory::take(directory.path()).unwrap();
        let refused = DataDirectory::take(directory.path()).err().unwrap();
        assert!(refused.to_string().contains("another process"), "{refused}");
        drop(held);
        DataDirectory::take(directory.path()).unwrap();
    }
}
