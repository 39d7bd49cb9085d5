//! Temporary files for data that a run computes and does not keep in memory.
//!
//! The files are in a directory of the run within the state directory. They are removed when nothing can read them any more: when
//! the run has ended, and its result and all its datasets are dropped. The files of a killed process are removed when another
//! process creates temporary files.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use uuid::Uuid;

use crate::Error;
use setl_commit::state;

/// The directory for the temporary files of all runs, within a state directory.
const SPILL: &str = "spill";
const LOCK: &str = "lock";
const NEW_LOCK: &str = "lock.new";

/// The age from which on a directory without a lock counts as abandoned.
const FORSAKEN: Duration = Duration::from_secs(24 * 60 * 60);

/// The temporary files of a run.
#[derive(Debug)]
pub(crate) struct Spill {
    directory: PathBuf,
    /// The lock of the directory. While it is held, no process takes the directory for the remains of a dead one.
    _lock: File,
    files: AtomicU64,
    bytes: AtomicU64,
}

impl Spill {
    /// Creates the directory of a run in a state directory. Removes the remains of dead processes there. This function blocks.
    pub(crate) fn create(state: &Path, run: Uuid) -> crate::Result<Self> {
        let all = state.join(SPILL);
        let run = run.to_string();
        let directory = all.join(&run);
        let cannot = |error| Error::new(error).context(format!("cannot spill to {}", directory.display()));
        state::create(state, [SPILL, &run]).map_err(cannot)?;
        let lock = lock(&directory).map_err(cannot)?;
        remove_forsaken(&all);
        Ok(Self { directory, _lock: lock, files: AtomicU64::new(0), bytes: AtomicU64::new(0) })
    }

    /// The path for one more file.
    pub(crate) fn file(&self) -> PathBuf {
        let number = self.files.fetch_add(1, Ordering::Relaxed);
        self.directory.join(format!("{number}.parquet"))
    }

    /// Adds the size of a written file.
    pub(crate) fn count(&self, file: &Path) {
        let bytes = fs::metadata(file).map_or(0, |metadata| metadata.len());
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// The total size of the written files.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }
}

/// `true` if the file is a temporary file of a run: no other run finds it again.
pub(crate) fn is_temporary(file: &Path) -> bool {
    file.parent().is_some_and(|of_run| {
        of_run.parent().is_some_and(|all| all.ends_with(SPILL)) && of_run.join(LOCK).exists()
    })
}

impl Drop for Spill {
    fn drop(&mut self) {
        // Files that cannot be removed now are removed when another process spills.
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// Takes the lock before other processes can find its file.
fn lock(directory: &Path) -> io::Result<File> {
    let path = directory.join(NEW_LOCK);
    let lock = state::create_file(&path)?;
    match lock.try_lock() {
        Err(TryLockError::WouldBlock) => return Err(io::ErrorKind::WouldBlock.into()),
        // Without locks, no process takes the directory for abandoned.
        Ok(()) | Err(TryLockError::Error(_)) => {}
    }
    fs::rename(path, directory.join(LOCK))?;
    Ok(lock)
}

/// Removes the directories of dead processes.
fn remove_forsaken(all: &Path) {
    for entry in fs::read_dir(all).into_iter().flatten().flatten() {
        if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            continue;
        }
        let is_forsaken = match state::open_to_read(&entry.path().join(LOCK)) {
            Ok(lock) => lock.try_lock().is_ok(),
            // The directory is about to get its lock, unless it is old.
            Err(_) => {
                let made = entry.metadata().and_then(|metadata| metadata.modified());
                made.is_ok_and(|made| made.elapsed().is_ok_and(|age| age > FORSAKEN))
            }
        };
        if is_forsaken {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

    use super::*;

    #[test]
    fn files_are_there_as_long_as_somebody_can_read_them() {
        let state = tempfile::tempdir().unwrap();
        let spill = Spill::create(state.path(), Uuid::now_v7()).unwrap();
        let (one, other) = (spill.file(), spill.file());
        assert_ne!(one, other);
        fs::write(&one, "1234").unwrap();
        spill.count(&one);
        assert_eq!(spill.bytes(), 4);
        let of_other_run = Spill::create(state.path(), Uuid::now_v7()).unwrap();
        assert!(one.exists(), "another run does not take it for what is left");
        drop((spill, of_other_run));
        assert_eq!(fs::read_dir(state.path().join("spill")).unwrap().count(), 0);
    }

    #[test]
    fn what_a_dead_process_has_left_goes() {
        let state = tempfile::tempdir().unwrap();
        let dead = state.path().join("spill/dead");
        fs::create_dir_all(&dead).unwrap();
        fs::write(dead.join(LOCK), "").unwrap();
        fs::write(dead.join("0.parquet"), "half").unwrap();
        let spill = Spill::create(state.path(), Uuid::now_v7()).unwrap();
        assert!(!dead.exists());
        drop(spill);
    }

    #[cfg(unix)]
    #[test]
    fn what_lies_behind_a_link_stays() {
        let state = tempfile::tempdir().unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        let dead = elsewhere.path().join("dead");
        fs::create_dir_all(&dead).unwrap();
        fs::write(dead.join(LOCK), "").unwrap();
        let link = state.path().join(SPILL);
        std::os::unix::fs::symlink(elsewhere.path(), &link).unwrap();
        let error = format!("{:#}", Spill::create(state.path(), Uuid::now_v7()).unwrap_err());
        assert!(error.contains("spill is a link, which is not followed"), "{error}");
        fs::remove_file(&link).unwrap();
        drop(Spill::create(state.path(), Uuid::now_v7()).unwrap());
        std::os::unix::fs::symlink(&dead, link.join("dead")).unwrap();
        drop(Spill::create(state.path(), Uuid::now_v7()).unwrap());
        assert!(dead.join(LOCK).exists());
    }

    #[test]
    fn where_nothing_can_be_written_the_directory_is_named() {
        let state = tempfile::tempdir().unwrap();
        fs::write(state.path().join("spill"), "a file").unwrap();
        let error = format!("{:#}", Spill::create(state.path(), Uuid::now_v7()).unwrap_err());
        assert!(error.starts_with("cannot spill to ") && error.contains("spill"), "{error}");
    }
}
