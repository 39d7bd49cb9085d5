//! The entries of a cache on disk: who uses one, how large it is, and how one is removed.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::Deserialize;

use super::policy::Limits;
use crate::checkpoint::entry::{self, MANIFEST, NEW, OLD, PAYLOAD};
use crate::checkpoint::{Fingerprint, seconds};
use setl_commit::state;

/// In an entry: a byte for each time that it was taken, so that whatever becomes of it, it says nothing wrong. Its time is
/// that of the last use.
pub(super) const USED: &str = "used";
/// In what is being made: locked by who makes it.
pub(super) const MAKING: &str = "making";

/// What is being made and not locked belongs to nobody after this time; before, it may be about to be locked.
const FORSAKEN: Duration = Duration::from_secs(24 * 60 * 60);

/// What could not be done, with what, and why.
pub(super) type Failed = (&'static str, PathBuf, io::Error);

pub(super) fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Failed + use<> {
    let path = path.to_owned();
    move |error| (action, path, error)
}

/// Keeps others from removing an entry. Whoever dies gives it up.
pub(super) struct InUse(#[allow(dead_code, reason = "it is held, not used")] File);

impl InUse {
    /// Of an entry; none if it is about to be removed, or gone. Where there are no locks, what is taken is compared with its
    /// fingerprint all the same.
    pub(super) fn of(entry: &Path) -> Option<Self> {
        let file = state::open_to_read(&entry.join(MANIFEST)).ok()?;
        match file.try_lock_shared() {
            Err(TryLockError::WouldBlock) => None,
            Ok(()) | Err(TryLockError::Error(_)) => Some(Self(file)),
        }
    }
}

/// Removes an entry, unless somebody uses it; whether it is gone.
pub(super) fn remove_unused(entry: &Path) -> io::Result<bool> {
    // What has no manifest is of no use to anybody.
    if let Ok(file) = state::open_to_read(&entry.join(MANIFEST)) {
        if let Err(TryLockError::WouldBlock) = file.try_lock() {
            return Ok(false);
        }
        if cfg!(windows) {
            // There, what is open cannot be renamed. That goes for those who use it, too, and protects it as well.
            drop(file);
            return entry::remove(entry).map(|()| true);
        }
        entry::remove(entry)?;
        return Ok(true);
    }
    entry::remove(entry)?;
    Ok(true)
}

/// Counts one more use of an entry. Where that cannot be written down, it is taken all the same.
pub(super) fn count_use(entry: &Path) {
    let file = state::open(File::options().append(true).create(true), &entry.join(USED));
    let _ = file.and_then(|mut file| file.write_all(b"."));
}

/// What every version of setl says of an entry, as far as this one can read it.
#[derive(Deserialize)]
struct Said {
    pipeline: String,
    factory: String,
    setl: String,
    made: u64,
    took: u64,
    max_age: Option<u64>,
}

/// An entry, for those who look at the whole cache.
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
    /// None if its manifest is damaged, so that it is of no use.
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

/// How long ago that was. Clocks may have been set back since: what is to be made long from now is of no known age, and counts
/// as old.
pub(super) fn age(made: u64) -> Duration {
    Duration::from_secs(seconds(SystemTime::now()).abs_diff(made))
}

/// Of all files in a directory. What goes away meanwhile does not count.
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

/// The directories in a directory; none if it is not there, or somebody else may have made it.
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
        // No link is.
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

/// What is whole among these, newest first.
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

/// All entries of a cache. What is damaged, and what dead processes have left half made, is removed on the way.
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

/// Removes what is being made, unless somebody makes it.
fn remove_forsaken(path: &Path) -> io::Result<()> {
    // A lock that is had is held meanwhile, so that whoever is about to have it sees that it is gone.
    match lock(&path.join(MAKING)) {
        Lock::Had(_making) => return entry::remove_all(path),
        Lock::Others => return Ok(()),
        Lock::None => {}
    }
    // What is whole is called what it is, next. If it is by now, there is nothing here.
    match lock(&path.join(MANIFEST)) {
        Lock::Had(_manifest) if cfg!(not(windows)) => return entry::remove_all(path),
        Lock::Others => return Ok(()),
        Lock::Had(_) | Lock::None => {}
    }
    // Of somebody who has only just begun, or has died then: the former begins once more. It is gone only if it is empty.
    if fs::remove_dir(path).is_ok() {
        return Ok(());
    }
    let changed = fs::metadata(path).and_then(|metadata| metadata.modified());
    let is_forsaken = changed.is_ok_and(|at| at.elapsed().is_ok_and(|age| age > FORSAKEN));
    if is_forsaken { entry::remove_all(path) } else { Ok(()) }
}

/// What came of asking for a lock.
enum Lock {
    Had(File),
    /// Somebody else has it, or there are no locks here.
    Others,
    /// There is no such file.
    None,
}

fn lock(path: &Path) -> Lock {
    match state::open_to_read(path) {
        Ok(file) if file.try_lock().is_ok() => Lock::Had(file),
        Ok(_) => Lock::Others,
        Err(_) => Lock::None,
    }
}

/// Removes what is too old, and of the rest what was not used for longest, until what is left is not too much. What somebody
/// uses stays. Gives what was removed.
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
