//! Temporary files and directories beside their targets. They belong to the living process that creates them.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use uuid::Uuid;

use super::disk::{self, Locked};
use super::lock::TargetLock;

/// The extension of a temporary entry. It can be removed as soon as no process has it locked, because its process may
/// have died.
const TEMPORARY: &str = "setl-tmp";
/// The extension of an entry that a journal names. Only recovery may touch it.
const READY: &str = "setl-ready";
/// The extension of an entry that a checkpoint names. It stays until the checkpoint is discarded or the write is
/// committed.
const KEPT: &str = "setl-kept";
/// The extension of an old directory while it and a new directory are exchanged.
const OLD: &str = "setl-old";
/// The extension of data that an operator has given up. No run touches it.
const SET_ASIDE: &str = "setl-aside";

/// The entries that this process has staged. They are removed if the process exits early.
static LIVING: Living = Living(Mutex::new(Some(BTreeSet::new())));

/// Paths that are removed if the process exits early. `None` once it is exiting.
struct Living(Mutex<Option<BTreeSet<PathBuf>>>);

impl Living {
    fn lock(&self) -> MutexGuard<'_, Option<BTreeSet<PathBuf>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Registers `path` for removal at an early exit. Returns `false` if the process is already exiting.
    fn add(&self, path: &Path) -> bool {
        self.lock().as_mut().map(|living| living.insert(path.to_owned())).is_some()
    }

    /// Unregisters `path`. Returns `true` if it is certain that `path` stays, and `false` if the process is already
    /// exiting, which may remove `path` at any moment.
    fn forget(&self, path: &Path) -> bool {
        self.lock().as_mut().map(|living| living.remove(path)).is_some()
    }

    fn take_all(&self) -> BTreeSet<PathBuf> {
        self.lock().take().unwrap_or_default()
    }
}

fn about_to_end() -> io::Error {
    io::Error::new(io::ErrorKind::Interrupted, "the process is about to end")
}

/// Removes all temporary entries of this process and refuses new ones, because the process is about to exit. Writes that
/// are being committed stay.
pub(super) fn remove_living() {
    for path in LIVING.take_all() {
        // Another thread may still write in the directory, so the removal is tried several times.
        let mut tries = (0..10).map(|_| disk::remove(&path));
        tries.any(|removed| removed.is_ok());
    }
}

/// A temporary file or directory beside its target. It is removed when this value is dropped, unless it is kept.
#[derive(Debug)]
pub(super) struct Aside {
    path: PathBuf,
    /// The lock that tells other processes that this one is alive. `None` where the file system has no locks.
    lock: Option<File>,
    /// Is set if the entry outlives this value.
    stays: bool,
}

impl Aside {
    /// Creates an empty, locked entry. It is beside the target because a rename within a directory is one step.
    pub(super) fn new(target: &Path, directory: bool) -> io::Result<Self> {
        loop {
            let path = named(target, TEMPORARY);
            create(&path, directory, mode_of(target))?;
            // Before the entry is locked, another process may take it for a left-over and remove it.
            let lock = match disk::lock(&path)? {
                Locked::Yes(file) => Some(file),
                Locked::Unsupported => None,
                Locked::Busy | Locked::Gone => continue,
            };
            let this = Self { path, lock, stays: false };
            // On an error, dropping `this` removes the entry.
            return if LIVING.add(&this.path) { Ok(this) } else { Err(about_to_end()) };
        }
    }

    /// Opens an entry that an earlier process has kept. The inner `Err` says why it cannot be used.
    pub(super) fn reopen(path: PathBuf) -> io::Result<Result<Self, &'static str>> {
        Ok(match disk::lock(&path)? {
            Locked::Yes(file) => Ok(Self { path, lock: Some(file), stays: true }),
            Locked::Unsupported => Ok(Self { path, lock: None, stays: true }),
            Locked::Busy => Err("in use by another run"),
            Locked::Gone => Err("not there any more"),
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The name of the old directory while two renames put this entry in its place.
    pub(super) fn old_path(&self) -> PathBuf {
        self.path.with_extension(OLD)
    }

    /// The name of the old directory while it is being removed.
    pub(super) fn trash_path(&self) -> PathBuf {
        self.path.with_extension(TEMPORARY)
    }

    /// The name of this entry once a journal names it.
    pub(super) fn ready_path(&self) -> PathBuf {
        self.path.with_extension(READY)
    }

    /// The name of this entry once it is kept.
    pub(super) fn kept_path(&self) -> PathBuf {
        self.path.with_extension(KEPT)
    }

    /// Keeps the entry for later runs.
    pub(super) fn keep(&mut self) -> io::Result<()> {
        let kept = self.kept_path();
        if self.path != kept {
            fs::rename(&self.path, &kept)?;
            LIVING.forget(&self.path);
            self.path = kept;
        }
        self.stays = true;
        disk::sync_directory(disk::directory_of(&self.path))
    }

    /// Gives up the lock while the lock of the target is held. Clean-up takes the target's lock first, so a commit needs
    /// one open file per target instead of two.
    pub(super) fn unlock(&mut self) {
        // A kept entry keeps its lock, because a process that wants to reopen it asks for this lock.
        if !self.stays {
            self.lock = None;
        }
    }

    /// Takes the lock again before the lock of the target is given up.
    pub(super) fn relock(&mut self) -> io::Result<()> {
        if self.lock.is_none()
            && let Locked::Yes(lock) = disk::lock(&self.path)?
        {
            self.lock = Some(lock);
        }
        Ok(())
    }

    /// Marks the entry for removal when this value is dropped, under whatever name it has.
    pub(super) fn unkeep(&mut self) {
        self.stays = false;
    }

    pub(super) fn is_kept(&self) -> bool {
        self.stays
    }

    /// Unregisters the entry from removal at an early exit, so that it is complete while it is put in its place.
    ///
    /// # Errors
    /// When the process is already exiting, because part of the entry may have been removed.
    pub(super) fn claim(&self) -> io::Result<()> {
        if LIVING.forget(&self.path) { Ok(()) } else { Err(about_to_end()) }
    }

    /// Leaves the entry to another owner that knows its name.
    pub(super) fn leave(&mut self) {
        LIVING.forget(&self.path);
        self.stays = true;
    }

    /// Removes the entry, unless it is kept.
    pub(super) fn discard(mut self) -> io::Result<()> {
        self.remove()
    }

    fn remove(&mut self) -> io::Result<()> {
        let stays = std::mem::replace(&mut self.stays, true);
        let removed = if stays { Ok(()) } else { disk::remove(&self.path) };
        // Unregisters the path only after the removal, because the removal may take long and the process may exit
        // meanwhile.
        LIVING.forget(&self.path);
        removed
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        // No caller can receive the error. The name marks the entry as removable, and the next write to the target
        // removes it.
        let _ = self.remove();
        if let Some(lock) = self.lock.take() {
            // A child of this process may still hold the file, which would keep it locked.
            let _ = lock.unlock();
        }
    }
}

/// The permissions of the entry at the target. A user who may not read the old data must not read the new data.
fn mode_of(target: &Path) -> Option<u32> {
    #[cfg(unix)]
    return fs::metadata(target).ok().map(|old| std::os::unix::fs::MetadataExt::mode(&old) & 0o777);
    #[cfg(not(unix))]
    return None;
}

/// Creates the file or directory. Without a mode, it gets the default permissions of the process.
fn create(path: &Path, directory: bool, mode: Option<u32>) -> io::Result<()> {
    if directory {
        let mut builder = DirBuilder::new();
        #[cfg(unix)]
        if mode.is_some() {
            // The permissions of files inside it are not set here. The directory gets the permissions of the target once
            // it is complete.
            std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        }
        return builder.create(path);
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    if let Some(mode) = mode {
        // This user must be able to open the file to write it.
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode | 0o600);
    }
    options.open(path).map(drop)
}

/// Longer names are truncated, so that the suffix fits into the 255 bytes that file systems allow.
const LONGEST: usize = 200;

/// The prefix `.delays.parquet.` for `delays.parquet`. The names of all entries beside the target begin with it.
fn prefix(target: &Path) -> OsString {
    let name = target.file_name().unwrap_or_default();
    let mut prefix = OsString::from(".");
    if name.len() <= LONGEST {
        prefix.push(name);
    } else {
        let text = name.to_string_lossy();
        prefix.push(&text[..text.floor_char_boundary(LONGEST / 3)]);
        prefix.push("~");
        prefix.push(&blake3::hash(name.as_encoded_bytes()).to_hex()[..32]);
    }
    prefix.push(".");
    prefix
}

/// The path `.delays.parquet.setl-lock` beside `delays.parquet`.
pub(super) fn beside(target: &Path, kind: &str) -> PathBuf {
    let mut name = prefix(target);
    name.push(kind);
    target.with_file_name(name)
}

/// The path `.delays.parquet.<uuid>.setl-tmp` beside `delays.parquet`.
fn named(target: &Path, kind: &str) -> PathBuf {
    beside(target, &format!("{}.{kind}", Uuid::now_v7()))
}

/// The part of a name after the target's prefix and a UUID.
fn kind_of<'name>(name: &'name OsStr, prefix: &OsStr) -> Option<&'name str> {
    let rest = name.as_encoded_bytes().strip_prefix(prefix.as_encoded_bytes())?;
    let (uuid, kind) = std::str::from_utf8(rest).ok()?.split_once('.')?;
    // If another name is in between, the entry belongs to a target whose name begins alike.
    Uuid::parse_str(uuid).is_ok().then_some(kind)
}

/// `true` if `path` has a name that only a staged entry of `target` has.
pub(super) fn is_of(path: &Path, target: &Path) -> bool {
    let kind = path.file_name().and_then(|name| kind_of(name, &prefix(target)));
    path.parent() == target.parent() && kind.is_some_and(|kind| [TEMPORARY, READY, KEPT, OLD].contains(&kind))
}

/// The name of a ready entry after it is given up.
pub(super) fn set_aside_path(ready: &Path) -> PathBuf {
    ready.with_extension(SET_ASIDE)
}

/// `true` if a checkpoint keeps `path`.
pub(super) fn is_kept(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == KEPT)
}

/// Removes the entries that dead processes have left beside `target`. An entry that cannot be removed does no harm.
pub(super) fn remove_left_overs(target: &Path) {
    let prefix = prefix(target);
    let Ok(entries) = fs::read_dir(disk::directory_of(target)) else {
        return;
    };
    let temporary = entries.flatten().filter(|entry| kind_of(&entry.file_name(), &prefix) == Some(TEMPORARY));
    let left: Vec<_> = temporary.map(|entry| entry.path()).filter(|path| lock_of(path).is_some()).collect();
    if left.is_empty() {
        return;
    }
    // The entry may belong to a commit, which has locked only its target.
    let Ok(Some(_target)) = TargetLock::take(target) else { return };
    for path in left {
        if let Some(_lock) = lock_of(&path) {
            let _ = disk::remove(&path);
        }
    }
}

/// The lock of an entry, if no process holds it.
fn lock_of(path: &Path) -> Option<File> {
    match disk::lock(path) {
        Ok(Locked::Yes(file)) => Some(file),
        _ => None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail loudly")]
mod tests {
    use super::super::{StagedFile, StagedWrite};
    use super::*;

    #[test]
    fn what_is_forgotten_is_not_removed_when_the_process_ends() {
        let living = Living(Mutex::new(Some(BTreeSet::new())));
        let (one, other) = (Path::new("one"), Path::new("other"));
        assert!(living.add(one) && living.add(other));
        assert!(living.forget(one));
        assert_eq!(living.take_all(), BTreeSet::from([other.to_owned()]));
        // From here on, the process is exiting and nothing is certain.
        assert!(!living.forget(other) && !living.forget(one) && !living.add(one));
        assert!(living.take_all().is_empty());
    }

    fn is_living(path: &Path) -> bool {
        LIVING.lock().as_ref().unwrap().contains(path)
    }

    #[test]
    fn what_is_being_committed_is_not_removed_when_the_process_ends() {
        let directory = tempfile::tempdir().unwrap();
        let mut staged = StagedFile::beside(directory.path().join("file")).unwrap();
        let aside = staged.path().to_owned();
        assert!(is_living(&aside));
        staged.prepare().unwrap();
        // A journal names the entry and renames it next.
        staged.ticket().unwrap();
        assert!(!is_living(&aside) && aside.exists());
        Box::new(staged).rollback().unwrap();
        assert!(!aside.exists());
    }

    #[test]
    fn a_child_that_was_just_started_keeps_nothing_locked() {
        let directory = tempfile::tempdir().unwrap();
        let mut aside = Aside::new(&directory.path().join("file"), false).unwrap();
        aside.keep().unwrap();
        // Until the child executes its own program, it holds the open files of this process.
        let _child = aside.lock.as_ref().unwrap().try_clone().unwrap();
        let path = aside.path().to_owned();
        drop(aside);
        assert!(Aside::reopen(path).unwrap().is_ok());
    }
}
