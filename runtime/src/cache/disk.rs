//! The entries of a cache on disk: their use, their size, and their removal.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::Deserialize;

use super::policy::Limits;
use crate::checkpoint::entry::{self, MANIFEST, NEW, OLD, PAYLOAD};
use crate::checkpoint::{Fingerprint, seconds};
use setl_commit::state;

/// The file of an entry that holds one byte for each use, so that a torn write cannot corrupt it. Its modification time
/// is the time of the last use.
pub(super) const USED: &str = "used";
/// The marker file of an unfinished entry. The process that makes the entry holds its lock.
pub(super) const MAKING: &str = "making";

/// An unfinished entry without a lock is abandoned after this time. A younger one may be about to be locked.
const FORSAKEN: Duration = Duration::from_secs(24 * 60 * 60);

/// The operation that failed, its path, and the error.
pub(super) type Failed = (&'static str, PathBuf, io::Error);

pub(super) fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Failed + use<> {
    let path = path.to_owned();
    move |error| (action, path, error)
}

/// Keeps other processes from removing an entry. The death of the process releases it.
pub(super) struct InUse(#[allow(dead_code, reason = "it is held, not used")] File);

impl InUse {
    /// Marks an entry as used. Returns `None` if the entry is about to be removed, or is gone. On a file system without
    /// locks, the payload is still compared with its fingerprint.
    pub(super) fn of(entry: &Path) -> Option<Self> {
        let file = state::open_to_read(&entry.join(MANIFEST)).ok()?;
        match file.try_lock_shared() {
            Err(TryLockError::WouldBlock) => None,
            Ok(()) | Err(TryLockError::Error(_)) => Some(Self(file)),
        }
    }
}

/// Removes an entry, unless a process uses it. Returns `true` if it is gone.
pub(super) fn remove_unused(entry: &Path) -> io::Result<bool> {
    // An entry without a manifest is useless.
    if let Ok(file) = state::open_to_read(&entry.join(MANIFEST)) {
        if let Err(TryLockError::WouldBlock) = file.try_lock() {
            return Ok(false);
        }
        if cfg!(windows) {
            // On Windows, an open file cannot be renamed. This also applies to the processes that use the entry, and
            // protects it too.
            drop(file);
            return entry::remove(entry).map(|()| true);
        }
        entry::remove(entry)?;
        return Ok(true);
    }
    entry::remove(entry)?;
    Ok(true)
}

/// Counts one more use of an entry. If the count cannot be written, the entry is used all the same.
pub(super) fn count_use(entry: &Path) {
    let file = state::open(File::options().append(true).create(true), &entry.join(USED));
    let _ = file.and_then(|mut file| file.write_all(b"."));
}

/// The fields of a manifest that every version of setl writes and that this version can read.
#[derive(Deserialize)]
struct Said {
    pipeline: String,
    factory: String,
    setl: String,
    made: u64,
    took: u64,
    max_age: Option<u64>,
}

/// An entry, for functions that process the whole cache.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    pub(super) path: PathBuf,
    pub(super) pipeline: String,
    pub(super) factory: String,
    pub(super) setl: String,
    pub(super) bytes: u64,
    pub(super) made: u64,
    pub(super) took: Duration,
    pub(super) max_age: Option<Duration>,
    pub(super) last_used: SystemTime,
    pub(super) hits: u64,
}

impl Stored {
    /// Reads the entry at `path`. Returns `None` if its manifest is damaged, which makes it useless.
    fn at(path: &Path) -> Option<Self> {
        let text = state::read_to_string(&path.join(MANIFEST)).ok()?;
        let (checksum, text) = text.split_once('\n')?;
        let text = text.strip_suffix('\n')?;
        if checksum.parse() != Ok(Fingerprint::of_bytes(text.as_bytes())) {
            return None;
        }
        let Said { pipeline, factory, setl, made, took, max_age } = serde_json::from_str(text).ok()?;
        let used = fs::symlink_metadata(path.join(USED)).ok();
        let since =
            SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(made)).unwrap_or(SystemTime::UNIX_EPOCH);
        Some(Self {
            path: path.to_owned(),
            pipeline,
            factory,
            setl,
            bytes: bytes_of(path),
            made,
            took: Duration::from_nanos(took),
            max_age: max_age.map(Duration::from_secs),
            last_used: used.as_ref().and_then(|used| used.modified().ok()).unwrap_or(since),
            hits: used.map_or(0, |used| used.len()),
        })
    }

    pub(super) fn age(&self) -> Duration {
        age(self.made)
    }
}

/// The time since `made`. A clock may have been set back since, so an entry from the far future has an unknown age and
/// counts as old.
pub(super) fn age(made: u64) -> Duration {
    Duration::from_secs(seconds(SystemTime::now()).abs_diff(made))
}

/// The total size of all files in a directory. Files that disappear meanwhile are not counted.
pub(super) fn bytes_of(directory: &Path) -> u64 {
    let mut bytes = 0;
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => bytes += bytes_of(&entry.path()),
            Ok(metadata) => bytes += metadata.len(),
            Err(_) => {}
        }
    }
    bytes
}

/// Returns the directories in a directory. Returns none if it is missing, or another user may have made it.
pub(super) fn directories(directory: &Path) -> Result<Vec<PathBuf>, Failed> {
    if !matches!(state::check_directory(directory), Ok(true)) {
        return Ok(Vec::new());
    }
    let entries = match fs::read_dir(directory) {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound) => return Ok(Vec::new()),
        entries => entries.map_err(failed("read", directory))?,
    };
    let mut paths = Vec::new();
    for entry in entries {
        let entry = entry.map_err(failed("read", directory))?;
        // A link is not a directory here.
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            paths.push(entry.path());
        }
    }
    paths.sort();
    Ok(paths)
}

fn is_called(path: &Path, start: &str) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(start.as_bytes()))
}

/// Returns the complete entries of a factory, newest first.
pub(super) fn whole(factory: &Path) -> Vec<PathBuf> {
    let mut paths = directories(factory).unwrap_or_default();
    paths.retain(|path| !is_called(path, "."));
    // The second half of the name begins with the time.
    paths.sort_by_key(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        std::cmp::Reverse(name.split_once('-').map_or(String::new(), |(_, made)| made.to_owned()))
    });
    paths
}

/// Returns all entries of a cache. Removes damaged entries and the unfinished entries of dead processes.
pub(super) fn all(root: &Path) -> Result<Vec<Stored>, Failed> {
    let mut all = Vec::new();
    for pipeline in directories(root)? {
        for factory in directories(&pipeline)? {
            for path in directories(&factory)? {
                if is_called(&path, OLD) {
                    entry::remove_all(&path).map_err(failed("remove", &path))?;
                } else if is_called(&path, NEW) {
                    remove_forsaken(&path).map_err(failed("remove", &path))?;
                } else if !is_called(&path, ".") {
                    match Stored::at(&path) {
                        Some(stored) => all.push(stored),
                        None => drop(remove_unused(&path).map_err(failed("remove", &path))?),
                    }
                }
            }
        }
    }
    Ok(all)
}

/// Removes an unfinished entry, unless a process is making it.
fn remove_forsaken(path: &Path) -> io::Result<()> {
    // An acquired lock is held during the removal, so that a process that is about to lock the file sees that it is gone.
    match lock(&path.join(MAKING)) {
        Lock::Had(_making) => return entry::remove_all(path),
        Lock::Others => return Ok(()),
        Lock::None => {}
    }
    // A complete entry is about to be renamed. If it has been renamed by now, nothing is left here.
    match lock(&path.join(MANIFEST)) {
        Lock::Had(_manifest) if cfg!(not(windows)) => return entry::remove_all(path),
        Lock::Others => return Ok(()),
        Lock::Had(_) | Lock::None => {}
    }
    // The process that made it has just begun, or has died at that point. A living process starts again if its directory
    // is removed. An empty directory is removed immediately.
    if fs::remove_dir(path).is_ok() {
        return Ok(());
    }
    let changed = fs::metadata(path).and_then(|metadata| metadata.modified());
    let is_forsaken = changed.is_ok_and(|at| at.elapsed().is_ok_and(|age| age > FORSAKEN));
    if is_forsaken { entry::remove_all(path) } else { Ok(()) }
}

/// The result of an attempt to lock a file.
enum Lock {
    Had(File),
    /// Another process holds the lock, or the file system has no locks.
    Others,
    /// The file does not exist.
    None,
}

fn lock(path: &Path) -> Lock {
    match state::open_to_read(path) {
        Ok(file) if file.try_lock().is_ok() => Lock::Had(file),
        Ok(_) => Lock::Others,
        Err(_) => Lock::None,
    }
}

/// Removes expired entries, and then the least recently used entries until the rest is within the limit. Entries in use
/// stay. Returns the removed entries.
pub(super) fn sweep(root: &Path, limits: Limits) -> Result<Vec<Stored>, Failed> {
    let mut all = all(root)?;
    all.sort_by_key(|stored| stored.last_used);
    let mut left: u64 = all.iter().map(|stored| stored.bytes).sum();
    let mut removed = Vec::new();
    let too_old = |stored: &Stored| stored.age() > stored.max_age.unwrap_or(limits.max_age);
    let (old, rest): (Vec<_>, Vec<_>) = all.into_iter().partition(too_old);
    for (stored, is_old) in
        old.into_iter().map(|old| (old, true)).chain(rest.into_iter().map(|of| (of, false)))
    {
        let goes = is_old || left > limits.max_bytes;
        if goes && remove_unused(&stored.path).map_err(failed("remove", &stored.path))? {
            left -= stored.bytes;
            removed.push(stored);
        }
    }
    Ok(removed)
}

/// The payload of an entry.
pub(super) fn payload(entry: &Path) -> PathBuf {
    entry.join(PAYLOAD)
}
