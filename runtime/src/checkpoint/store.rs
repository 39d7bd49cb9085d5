//! The store of checkpoints.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use serde_json::Value;

use super::entry::{self, Aside, MANIFEST, NEW, OLD, PAYLOAD, Unfilled, file_name};
use super::kept::{KEPT, KeptList};
use super::manifest::sync_directory;
use super::reads::Contents;
use super::{Components, Made, Manifest, Validity};
use crate::Result;
use crate::base::sync::held;
use setl_commit::state;

/// The folder of the checkpoints of all pipelines in a state directory.
const CHECKPOINTS: &str = "checkpoints";
const LOCK: &str = "lock";
/// The file of a checkpoint that lists factories whose writes are committed, although their run did not commit
/// everything.
const COMMITTED: &str = "committed";

/// An error that prevents the use of checkpoints.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum StoreError {
    /// Another run uses the checkpoints.
    #[error(
        "another run of pipeline `{pipeline}` uses its checkpoints in {}{holder}: only one can at a time; wait for it, or give \
         this run a state directory of its own",
        .directory.display()
    )]
    Locked {
        /// The pipeline.
        pipeline: String,
        /// The directory of its checkpoints.
        directory: PathBuf,
        /// ` (process 12, run …)`, if it is known.
        holder: String,
    },
    /// A file or directory cannot be used.
    #[error(
        "cannot {action} {} for the checkpoints of pipeline `{pipeline}`: give the run another place for them with \
         `state_dir` or the environment variable SETL_STATE_DIR, or see that this one can be written to and has room",
        .path.display()
    )]
    Io {
        /// The pipeline.
        pipeline: String,
        /// The operation that failed.
        action: &'static str,
        /// The path of the operation.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
}

/// The checkpoints of one pipeline while a run uses them. All methods block.
///
/// Each checkpoint is a directory with the payload and a manifest. It is made in a temporary directory and renamed once
/// it is on disk. So the old checkpoint, the new one, or none exists, whenever the program ends.
#[derive(Debug)]
pub(crate) struct Store {
    pipeline: String,
    directory: PathBuf,
    run: String,
    kept: KeptList,
    /// The lock. It is held until the store is closed, and the system releases it when the program is killed.
    lock: Mutex<Option<File>>,
}

impl Store {
    /// Returns the directory of a pipeline's checkpoints.
    pub(crate) fn directory_of(state: &Path, pipeline: &str) -> PathBuf {
        state.join(CHECKPOINTS).join(file_name(pipeline))
    }

    /// Opens the store of a pipeline for a run.
    ///
    /// # Errors
    /// When another run uses it, or its directory cannot be used.
    pub(crate) fn open(state: &Path, pipeline: &str, run: impl ToString) -> Result<Self, StoreError> {
        let directory = Self::directory_of(state, pipeline);
        let failed = |action, path: &Path| {
            let (pipeline, path) = (pipeline.to_owned(), path.to_owned());
            move |source| StoreError::Io { pipeline, action, path, source }
        };
        let names = [CHECKPOINTS, &file_name(pipeline)];
        state::create(state, names).map_err(failed("create", &directory))?;
        let path = directory.join(LOCK);
        let mut options = File::options();
        options.read(true).write(true).create(true).truncate(false);
        let mut lock = state::open(&mut options, &path).map_err(failed("open", &path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                // If the lock file cannot be read either, the holder is unknown.
                let mut holder = String::new();
                let _ = lock.read_to_string(&mut holder);
                let holder = if holder.is_empty() { holder } else { format!(" ({})", holder.trim_end()) };
                return Err(StoreError::Locked { pipeline: pipeline.to_owned(), directory, holder });
            }
            Err(TryLockError::Error(error)) => return Err(failed("lock", &path)(error)),
        }
        let run = run.to_string();
        // The text serves the error of another run.
        let held = format!("process {}, run {run}\n", std::process::id());
        let written =
            lock.set_len(0).and_then(|()| lock.rewind()).and_then(|()| lock.write_all(held.as_bytes()));
        written.map_err(failed("write", &path))?;
        let kept = KeptList::new(directory.join(KEPT));
        Ok(Self { pipeline: pipeline.to_owned(), directory, run, kept, lock: Mutex::new(Some(lock)) })
    }

    /// Releases the lock, so that other runs can use the store.
    pub(super) fn close(&self) {
        if let Some(lock) = held(self.lock.lock()).take() {
            // A child of this process that has not executed its own program yet still holds the file, which would keep it
            // locked.
            let _ = lock.unlock();
        }
    }

    /// Removes the left-overs of a killed run, including kept writes that no checkpoint names. `discard` removes such a
    /// write.
    ///
    /// # Errors
    /// When a left-over cannot be removed.
    pub(super) fn tidy(&self, discard: &dyn Fn(&Value) -> Result<()>) -> Result<(), StoreError> {
        let failed = || self.failed("tidy up", &self.directory);
        self.remove_leftovers().map_err(failed())?;
        let mut named = Vec::new();
        for path in self.entries().map_err(failed())? {
            named.extend(Manifest::read(&path.join(MANIFEST)).into_iter().flat_map(|all| all.kept_writes));
        }
        self.kept.discard(|write| !named.contains(write), discard).map_err(failed())
    }

    /// Records that these writes are about to be kept, so that they are found even if the run is killed.
    ///
    /// # Errors
    /// When the record cannot be written.
    pub(super) fn intend(&self, writes: &[Value]) -> Result<(), StoreError> {
        self.kept.add(writes).map_err(self.failed("write", self.kept.path()))
    }

    /// Returns the path of the mark that all checkpoints belong to a run that has committed the writes that they cover.
    pub(super) fn mark(&self) -> PathBuf {
        self.directory.with_extension("committed")
    }

    pub(super) fn is_committed(&self) -> bool {
        state::has_file(&self.mark())
    }

    /// Returns `true` if there is any checkpoint of a factory.
    pub(crate) fn has(&self, factory: &str) -> bool {
        self.path(factory).exists()
    }

    /// Returns the manifest of a factory's checkpoint, or the reason why it cannot be used. Returns `None` if there is no
    /// checkpoint.
    pub(super) fn find(&self, factory: &str) -> Option<Result<Manifest, String>> {
        let path = self.path(factory);
        self.has(factory).then(|| {
            let mut manifest = Manifest::read(&path.join(MANIFEST))?;
            match state::read_to_string(&path.join(COMMITTED)).map(|text| serde_json::from_str(&text)) {
                Ok(Ok(committed)) => manifest.are_committed(committed),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                _ => return Err("what is committed of it cannot be read".into()),
            }
            Ok(manifest)
        })
    }

    /// Returns the path of the mark in a checkpoint that the writes of some factories are committed. It is removed with
    /// the checkpoint.
    pub(super) fn mark_of(&self, factory: &str) -> PathBuf {
        self.path(factory).join(COMMITTED)
    }

    /// Checks that a checkpoint holds the output that the factory would deliver. `writes` is set if this run writes.
    pub(super) fn check(
        &self,
        manifest: &Manifest,
        now: &Components,
        writes: bool,
        contents: &Contents,
    ) -> Validity {
        match manifest.check(now, writes, contents) {
            Validity::Valid => entry::check_payload(&self.path(&manifest.factory), manifest),
            stale => stale,
        }
    }

    /// Makes a checkpoint, and replaces the existing one. `store` writes the payload into the given directory, and its
    /// result is returned.
    ///
    /// # Errors
    /// The error of `store`, or when the disk refuses. Then the old checkpoint remains, or none.
    pub(super) fn put<T>(
        &self,
        factory: &str,
        made: Made,
        store: impl FnOnce(&Path) -> Result<T>,
    ) -> Result<T> {
        let aside = Aside::within(&self.directory);
        let stored = entry::fill(&aside.0, store, |payload| {
            Manifest::new(&self.pipeline, factory, &self.run, made, payload)
        });
        let stored = stored.map_err(|unfilled| match unfilled {
            Unfilled::Output(error) => error,
            Unfilled::Io(action, path, error) => self.failed(action, &path)(error).into(),
        })?;
        self.remove(factory)?;
        let path = self.path(factory);
        fs::rename(&aside.0, &path).map_err(self.failed("rename", &path))?;
        sync_directory(&self.directory).map_err(self.failed("flush", &self.directory))?;
        Ok(stored)
    }

    /// Reads the payload of a factory's checkpoint, which has been checked.
    ///
    /// # Errors
    /// The error of `load`.
    pub(super) fn load<T>(&self, factory: &str, load: impl FnOnce(&Path) -> Result<T>) -> Result<T> {
        load(&self.path(factory).join(PAYLOAD))
    }

    /// Removes the checkpoint of a factory.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub(super) fn remove(&self, factory: &str) -> Result<(), StoreError> {
        self.remove_at(&self.path(factory))
    }

    fn remove_at(&self, path: &Path) -> Result<(), StoreError> {
        entry::remove(path).map_err(self.failed("remove", path))
    }

    /// Removes all checkpoints of the pipeline, and the writes that were kept with them.
    ///
    /// # Errors
    /// When a checkpoint cannot be removed.
    pub(super) fn clear(&self, discard: &dyn Fn(&Value) -> Result<()>) -> Result<(), StoreError> {
        for path in self.entries().map_err(self.failed("read", &self.directory))? {
            self.remove_at(&path)?;
        }
        sync_directory(&self.directory).map_err(self.failed("flush", &self.directory))?;
        self.kept.discard(|_| true, discard).map_err(self.failed("write", self.kept.path()))?;
        match fs::remove_file(self.mark()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(self.failed("remove", &self.mark())(error))
            }
            _ => Ok(()),
        }
    }

    /// Returns the paths of all checkpoints and of the left-overs of unfinished ones.
    fn entries(&self) -> io::Result<Vec<PathBuf>> {
        let mut paths = Vec::new();
        for entry in fs::read_dir(&self.directory)? {
            let entry = entry?;
            if entry.file_name() != LOCK && !self.kept.is_at(&entry.path()) {
                paths.push(entry.path());
            }
        }
        paths.sort();
        Ok(paths)
    }

    fn remove_leftovers(&self) -> io::Result<()> {
        for path in self.entries()? {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if name.starts_with(NEW) || name.starts_with(OLD) {
                entry::remove_all(&path)?;
            }
        }
        Ok(())
    }

    fn path(&self, factory: &str) -> PathBuf {
        self.directory.join(file_name(factory))
    }

    fn failed(&self, action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StoreError + use<> {
        let (pipeline, path) = (self.pipeline.clone(), path.to_owned());
        move |source| StoreError::Io { pipeline, action, path, source }
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.close();
    }
}

#[cfg(test)]
pub(crate) mod tests;
