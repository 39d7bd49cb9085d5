//! Files and directories beside their targets, which belong to the living process that makes them.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use uuid::Uuid;

use super::disk::{self, Locked};
use super::lock::TargetLock;

/// Of a process that may have died: it can be removed as soon as nobody has it locked.
const TEMPORARY: &str = "setl-tmp";
/// Named by a journal: only recovery may touch it.
const READY: &str = "setl-ready";
/// Named by a checkpoint: it stays until that is discarded, or it is committed.
const KEPT: &str = "setl-kept";
/// An old directory, while it and a new one change places.
const OLD: &str = "setl-old";
/// What an operator has given up. Nobody touches it.
const SET_ASIDE: &str = "setl-aside";

/// What is staged by this process, and to be removed should it end at once.
static LIVING: Living = Living(Mutex::new(Some(BTreeSet::new())));

/// Paths that are removed when the process ends at once; `None` from when it does.
struct Living(Mutex<Option<BTreeSet<PathBuf>>>);

impl Living {
    fn lock(&self) -> MutexGuard<'_, Option<BTreeSet<PathBuf>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it is removed should the process end at once; otherwise the process is about to.
    fn add(&self, path: &Path) -> bool {
        self.lock().as_mut().map(|living| living.insert(path.to_owned())).is_some()
    }

    /// Whether it is certain that it stays; otherwise the process is about to end, and it may be removed at any moment.
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

/// Removes all that this process has staged, and has it stage nothing more: it is about to end. What is being committed stays.
pub(super) fn remove_living() {
    for path in LIVING.take_all() {
        // Whoever writes in a directory goes on for now.
        let mut tries = (0..10).map(|_| disk::remove(&path));
        tries.any(|removed| removed.is_ok());
    }
}

/// A file or directory beside its target. It is removed when it is dropped, unless it is kept.
#[derive(Debug)]
pub(super) struct Aside {
    path: PathBuf,
    /// Tells other processes that this one is alive; `None` where there are no locks.
    lock: Option<File>,
    /// Whether it outlives this.
    stays: bool,
}

impl Aside {
    /// A new one, empty and locked. A rename within a directory is one step, so it is beside the target.
    pub(super) fn new(target: &Path, directory: bool) -> io::Result<Self> {
        loop {
            let path = named(target, TEMPORARY);
            create(&path, directory, mode_of(target))?;
            // Before it is locked, somebody may take it for a left-over and remove it.
            let lock = match disk::lock(&path)? {
                Locked::Yes(file) => Some(file),
                Locked::Unsupported => None,
                Locked::Busy | Locked::Gone => continue,
            };
            let this = Self { path, lock, stays: false };
            // Otherwise it is removed when it is dropped.
            return if LIVING.add(&this.path) { Ok(this) } else { Err(about_to_end()) };
        }
    }

    /// One that an earlier process has kept; `Err` says what is the matter with it.
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

    /// What the old directory is called, if two renames put this one in its place.
    pub(super) fn old_path(&self) -> PathBuf {
        self.path.with_extension(OLD)
    }

    /// What the old directory is called while it is removed.
    pub(super) fn trash_path(&self) -> PathBuf {
        self.path.with_extension(TEMPORARY)
    }

    /// What it is called once a journal names it.
    pub(super) fn ready_path(&self) -> PathBuf {
        self.path.with_extension(READY)
    }

    /// What it is called once it is kept.
    pub(super) fn kept_path(&self) -> PathBuf {
        self.path.with_extension(KEPT)
    }

    /// Has it stay for later runs.
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

    /// Gives up the lock, while that of the target is held: clean-up asks for that first. So a commit has one file open for each
    /// of its targets, and not two.
    pub(super) fn unlock(&mut self) {
        // Of what is kept, whoever wants to go on with it asks for this one.
        if !self.stays {
            self.lock = None;
        }
    }

    /// Takes the lock again, before that of the target is given up.
    pub(super) fn relock(&mut self) -> io::Result<()> {
        if self.lock.is_none()
            && let Locked::Yes(lock) = disk::lock(&self.path)?
        {
            self.lock = Some(lock);
        }
        Ok(())
    }

    /// Has it go with this, whatever it is called.
    pub(super) fn unkeep(&mut self) {
        self.stays = false;
    }

    pub(super) fn is_kept(&self) -> bool {
        self.stays
    }

    /// Has it be whole while it is put in its place, also if the process is told to end at once.
    ///
    /// # Errors
    /// When the process is about to end: some of it may be removed already.
    pub(super) fn claim(&self) -> io::Result<()> {
        if LIVING.forget(&self.path) { Ok(()) } else { Err(about_to_end()) }
    }

    /// Leaves it to whoever knows its name now.
    pub(super) fn leave(&mut self) {
        LIVING.forget(&self.path);
        self.stays = true;
    }

    /// Removes it, unless it is kept.
    pub(super) fn discard(mut self) -> io::Result<()> {
        self.remove()
    }

    fn remove(&mut self) -> io::Result<()> {
        let stays = std::mem::replace(&mut self.stays, true);
        let removed = if stays { Ok(()) } else { disk::remove(&self.path) };
        // Not before: this may take its time, and the process end meanwhile.
        LIVING.forget(&self.path);
        removed
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        // Nobody is left to tell; the name says that it is to be removed, and the next write to the target does.
        let _ = self.remove();
        if let Some(lock) = self.lock.take() {
            // A child of this process may still hold the file, and would keep it locked.
            let _ = lock.unlock();
        }
    }
}

/// The permissions of what is replaced: nobody is to read the new data who may not read the old.
fn mode_of(target: &Path) -> Option<u32> {
    #[cfg(unix)]
    return fs::metadata(target).ok().map(|old| std::os::unix::fs::MetadataExt::mode(&old) & 0o777);
    #[cfg(not(unix))]
    return None;
}

/// Without a mode, it is as the process says of new files.
fn create(path: &Path, directory: bool, mode: Option<u32>) -> io::Result<()> {
    if directory {
        let mut builder = DirBuilder::new();
        #[cfg(unix)]
        if mode.is_some() {
            // What is made in it is not said here. It gets the permissions of the target when all of it is there.
            std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        }
        return builder.create(path);
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    if let Some(mode) = mode {
        // To write it, this user must be able to open it.
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode | 0o600);
    }
    options.open(path).map(drop)
}

/// Longer names are cut, so that what is added fits into the 255 bytes that file systems take.
const LONGEST: usize = 200;

/// `.delays.parquet.` of `delays.parquet`, with which the names of all begin that is beside it.
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

/// `.delays.parquet.setl-lock` beside `delays.parquet`.
pub(super) fn beside(target: &Path, kind: &str) -> PathBuf {
    let mut name = prefix(target);
    name.push(kind);
    target.with_file_name(name)
}

/// `.delays.parquet.<uuid>.setl-tmp` beside `delays.parquet`.
fn named(target: &Path, kind: &str) -> PathBuf {
    beside(target, &format!("{}.{kind}", Uuid::now_v7()))
}

/// What stands behind the name of the target and a number in the name of something beside it.
fn kind_of<'name>(name: &'name OsStr, prefix: &OsStr) -> Option<&'name str> {
    let rest = name.as_encoded_bytes().strip_prefix(prefix.as_encoded_bytes())?;
    let (uuid, kind) = std::str::from_utf8(rest).ok()?.split_once('.')?;
    // With a name in between, it belongs to another target whose name begins alike.
    Uuid::parse_str(uuid).is_ok().then_some(kind)
}

/// Whether `path` has a name that only what is staged for `target` has.
pub(super) fn is_of(path: &Path, target: &Path) -> bool {
    let kind = path.file_name().and_then(|name| kind_of(name, &prefix(target)));
    path.parent() == target.parent() && kind.is_some_and(|kind| [TEMPORARY, READY, KEPT, OLD].contains(&kind))
}

/// What that is called which was ready and is given up.
pub(super) fn set_aside_path(ready: &Path) -> PathBuf {
    ready.with_extension(SET_ASIDE)
}

/// Whether `path` is kept by a checkpoint.
pub(super) fn is_kept(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == KEPT)
}

/// Removes what processes that are no more have left beside `target`. What cannot be removed is in nobody's way.
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
    // It may be of a commit, which has nothing locked but its target.
    let Ok(Some(_target)) = TargetLock::take(target) else { return };
    for path in left {
        if let Some(_lock) = lock_of(&path) {
            let _ = disk::remove(&path);
        }
    }
}

/// The lock of what nobody has locked.
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
        // From here on nothing is certain.
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
        // A journal names it, and renames it next.
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
        // Until it begins its own program, it holds what this process has open.
        let _child = aside.lock.as_ref().unwrap().try_clone().unwrap();
        let path = aside.path().to_owned();
        drop(aside);
        assert!(Aside::reopen(path).unwrap().is_ok());
    }
}
