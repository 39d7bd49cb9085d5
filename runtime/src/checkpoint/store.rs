//! Where checkpoints are kept.

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

/// Where those of all pipelines are, in a state directory.
const CHECKPOINTS: &str = "checkpoints";
const LOCK: &str = "lock";
/// In a checkpoint: the factories whose writes are committed, although not all of their run was.
const COMMITTED: &str = "committed";

/// Why checkpoints cannot be used at all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum StoreError {
    /// Another run uses them.
    #[error(
        "another run of pipeline `{pipeline}` uses its checkpoints in {}{holder}: only one can at a time; wait for it, or give \
         this run a state directory of its own",
        .directory.display()
    )]
    Locked {
        /// The pipeline.
        pipeline: String,
        /// Where its checkpoints are.
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
        /// What was tried.
        action: &'static str,
        /// With what.
        path: PathBuf,
        /// What came of it.
        source: io::Error,
    },
}

/// The checkpoints of one pipeline, as long as a run uses them. All of it blocks.
///
/// Each checkpoint is a directory with the payload and a manifest. It is made aside and renamed when it is on disk, so
/// that whenever the program ends there is the old one, the new one, or none.
#[derive(Debug)]
pub(crate) struct Store {
    pipeline: String,
    directory: PathBuf,
    run: String,
    kept: KeptList,
    /// Locked until it is closed, which the system does when the program is killed.
    lock: Mutex<Option<File>>,
}

impl Store {
    /// Where the checkpoints of a pipeline are.
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
                // Where it cannot be read either, nothing more is known.
                let mut holder = String::new();
                let _ = lock.read_to_string(&mut holder);
                let holder = if holder.is_empty() { holder } else { format!(" ({})", holder.trim_end()) };
                return Err(StoreError::Locked { pipeline: pipeline.to_owned(), directory, holder });
            }
            Err(TryLockError::Error(error)) => return Err(failed("lock", &path)(error)),
        }
        let run = run.to_string();
        // Only for those who are turned away.
        let held = format!("process {}, run {run}\n", std::process::id());
        let written =
            lock.set_len(0).and_then(|()| lock.rewind()).and_then(|()| lock.write_all(held.as_bytes()));
        written.map_err(failed("write", &path))?;
        let kept = KeptList::new(directory.join(KEPT));
        Ok(Self { pipeline: pipeline.to_owned(), directory, run, kept, lock: Mutex::new(Some(lock)) })
    }

    /// Lets others use it.
    pub(super) fn close(&self) {
        if let Some(lock) = held(self.lock.lock()).take() {
            // A child of this process that has not begun its own program yet still holds the file, and would keep it locked.
            let _ = lock.unlock();
        }
    }

    /// Removes what a killed run has left unfinished, among it writes that were kept and that no checkpoint names. `discard`
    /// removes such a write.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub(super) fn tidy(&self, discard: &dyn Fn(&Value) -> Result<()>) -> Result<(), StoreError> {
        let failed = || self.failed("tidy up", &self.directory);
        self.remove_leftovers().map_err(failed())?;
        let mut named = Vec::new();
        for path in self.entries().map_err(failed())? {
            named.extend(Manifest::read(&path.join(MANIFEST)).into_iter().flat_map(|all| all.kept_writes));
        }
        self.kept.discard(|write| !named.contains(write), discard).map_err(failed())
    }

    /// Writes down that these writes are about to be kept, so that they are found whatever becomes of the run.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub(super) fn intend(&self, writes: &[Value]) -> Result<(), StoreError> {
        self.kept.add(writes).map_err(self.failed("write", self.kept.path()))
    }

    /// What is there when all checkpoints are of a run that has committed what they stand for.
    pub(super) fn mark(&self) -> PathBuf {
        self.directory.with_extension("committed")
    }

    pub(super) fn is_committed(&self) -> bool {
        state::has_file(&self.mark())
    }

    /// Whether there is anything of a factory.
    pub(crate) fn has(&self, factory: &str) -> bool {
        self.path(factory).exists()
    }

    /// What there is of a factory: nothing, its manifest, or why that cannot be used.
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

    /// What says in a checkpoint that the writes of some factories are committed. It goes with the checkpoint.
    pub(super) fn mark_of(&self, factory: &str) -> PathBuf {
        self.path(factory).join(COMMITTED)
    }

    /// Whether a checkpoint holds what the factory would deliver; `writes` is whether this run writes.
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

    /// Makes a checkpoint, in place of the one that may be there; `store` writes the payload into the directory that it is
    /// given. Gives what `store` gives.
    ///
    /// # Errors
    /// What `store` gives, or when the disk does not take it. The old one is there still, or none.
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

    /// Reads the payload of a factory's checkpoint, which was found to be whole.
    ///
    /// # Errors
    /// What `load` gives.
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
    /// When one cannot be removed.
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

    /// The checkpoints, and what is left of unfinished ones.
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
