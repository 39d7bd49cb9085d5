//! File system operations: identify a file, lock it, and put it in the place of another.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};

use crate::state;
pub(super) use crate::state::if_there;

/// The identity of a file, or of a directory of files. It serves to recognise the file at its path and to notice changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    inode: u64,
    length: u64,
    /// The modification time in seconds and nanoseconds since 1970.
    modified: Option<(u64, u32)>,
    /// The hash of the identities of all entries, if this is a directory.
    entries: Option<String>,
}

impl Identity {
    /// Returns the identity of the file or directory at `path`, or `None` if nothing is there.
    pub fn of(path: &Path) -> io::Result<Option<Self>> {
        let Some(metadata) = if_there(fs::metadata(path))? else {
            return Ok(None);
        };
        let mut this = Self::from_metadata(&metadata);
        if metadata.is_dir() {
            // Other files are created and removed beside the data, which changes the modification time of the directory.
            this.modified = None;
            this.length = 0;
            let mut entries = Vec::new();
            for entry in fs::read_dir(path)? {
                let entry = entry?;
                let one = if_there(entry.metadata())?.map(|one| Self::from_metadata(&one));
                entries.push(format!("{:?} {one:?}\n", entry.file_name()));
            }
            entries.sort();
            this.entries = Some(blake3::hash(entries.concat().as_bytes()).to_hex().to_string());
        }
        Ok(Some(this))
    }

    /// Returns `true` if the file at `path` still has this identity. The files of a directory are compared only if
    /// `thoroughly` is set.
    pub fn is_at(&self, path: &Path, thoroughly: bool) -> bool {
        if self.is_directory() && !thoroughly {
            return fs::metadata(path).is_ok_and(|found| found.is_dir() && node_of(&found).1 == self.inode);
        }
        Self::of(path).is_ok_and(|found| found.as_ref() == Some(self))
    }

    fn from_metadata(metadata: &fs::Metadata) -> Self {
        let (_, inode) = node_of(metadata);
        let modified = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        let modified = modified.map(|since| (since.as_secs(), since.subsec_nanos()));
        Self { inode, length: metadata.len(), modified, entries: None }
    }

    /// The inode [`number`], or `None` if the platform has none.
    pub(super) fn number(&self) -> Option<u64> {
        (self.inode != 0).then_some(self.inode)
    }

    pub(super) fn is_directory(&self) -> bool {
        self.entries.is_some()
    }
}

/// The device and inode number of a file. A rename does not change them.
#[cfg(unix)]
pub(super) fn node_of(metadata: &fs::Metadata) -> (u64, u64) {
    use std::os::unix::fs::MetadataExt;
    (metadata.dev(), metadata.ino())
}

#[cfg(not(unix))]
pub(super) fn node_of(_: &fs::Metadata) -> (u64, u64) {
    (0, 0)
}

/// The inode number of the entry at `path`. `None` if nothing is there, or if the platform has no inode numbers.
///
/// The device is not recorded, because its number may change when the machine restarts.
pub(super) fn number(path: &Path) -> Option<u64> {
    let (_, inode) = fs::symlink_metadata(path).map(|metadata| node_of(&metadata)).ok()?;
    (inode != 0).then_some(inode)
}

/// `true` if there is an entry at `path`, even a dangling link.
pub(super) fn is_there(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}

/// Returns one path for all spellings of `path`, before and after the file exists. A link is followed, even if its
/// destination does not exist yet.
pub fn resolved(path: &Path) -> PathBuf {
    let mut path = path.to_owned();
    for _ in 0..LINKS {
        if let Ok(resolved) = fs::canonicalize(&path) {
            return resolved;
        }
        let (Ok(directory), Some(name)) = (fs::canonicalize(directory_of(&path)), path.file_name()) else {
            return path;
        };
        let place = directory.join(name);
        match fs::read_link(&place) {
            Ok(next) => path = directory.join(next),
            Err(_) => return place,
        }
    }
    path
}

/// The maximum number of links that are followed, as on Linux.
const LINKS: usize = 40;

/// Formats a path as a text that no other path has. A path that is not UTF-8 is quoted and escaped.
pub fn name_of(path: &Path) -> String {
    path.to_str().map_or_else(|| format!("{path:?}"), str::to_owned)
}

/// Returns the directory of a path, or `.` if it has none.
pub fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Makes renames within a directory survive a crash. If the system cannot flush directories, it keeps them itself.
pub(super) fn sync_directory(directory: &Path) -> io::Result<()> {
    #[cfg(test)]
    if NO_FLUSH.with(|directories| directories.borrow().iter().any(|one| one == directory)) {
        return Err(io::Error::other("no flush"));
    }
    if !cfg!(unix) {
        return Ok(());
    }
    match File::open(directory)?.sync_all() {
        Err(error) if refused(&error) => Ok(()),
        result => result,
    }
}

/// Flushes a file, or a directory with its files, to disk.
pub(super) fn sync_all(path: &Path) -> io::Result<()> {
    if !fs::metadata(path)?.is_dir() {
        // On other platforms, a file must be open for writing. On Unix, it may not be writable.
        return fs::OpenOptions::new().read(true).write(cfg!(not(unix))).open(path)?.sync_all();
    }
    for entry in fs::read_dir(path)? {
        sync_all(&entry?.path())?;
    }
    sync_directory(path)
}

/// `true` if the file system does not support the operation.
fn refused(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::Unsupported | ErrorKind::InvalidInput)
}

/// The result of an attempt to lock a file.
#[derive(Debug)]
pub(super) enum Locked {
    /// This process holds the lock until the file is dropped.
    Yes(File),
    /// Another process holds the lock.
    Busy,
    /// The file is missing, or was replaced meanwhile.
    Gone,
    /// The file system has no locks.
    Unsupported,
}

/// Locks the file at `path` and checks that it is still there, because it may be renamed or removed in between.
pub(super) fn lock(path: &Path) -> io::Result<Locked> {
    if !cfg!(unix) {
        return Ok(if path.exists() { Locked::Unsupported } else { Locked::Gone });
    }
    let Some(file) = if_there(state::open_no_follow(OpenOptions::new().read(true), path))? else {
        return Ok(Locked::Gone);
    };
    match file.try_lock() {
        Ok(()) if is_at(&file, path) => Ok(Locked::Yes(file)),
        Ok(()) => Ok(Locked::Gone),
        Err(TryLockError::WouldBlock) => Ok(Locked::Busy),
        Err(TryLockError::Error(_)) => Ok(Locked::Unsupported),
    }
}

/// `true` if `file` is the file at `path`.
pub(super) fn is_at(file: &File, path: &Path) -> bool {
    let here = fs::symlink_metadata(path).map(|metadata| node_of(&metadata));
    let open = file.metadata().map(|metadata| node_of(&metadata));
    matches!((here, open), (Ok(here), Ok(open)) if here == open)
}

/// Removes a file, if it exists.
pub(super) fn remove_file(path: &Path) -> io::Result<()> {
    if_there(fs::remove_file(path)).map(|_| ())
}

/// Removes a file, or a directory that holds only files, if it exists. Staged directories hold only files, so any other
/// directory of such a name stays.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    let Some(metadata) = if_there(fs::symlink_metadata(path))? else {
        return Ok(());
    };
    if !metadata.is_dir() {
        return remove_file(path);
    }
    let Some(entries) = if_there(fs::read_dir(path))? else {
        return Ok(());
    };
    let entries = entries.collect::<io::Result<Vec<_>>>()?;
    for entry in &entries {
        if entry.file_type()?.is_dir() {
            let entry = name_of(&entry.path());
            return Err(io::Error::new(
                ErrorKind::DirectoryNotEmpty,
                format!("it holds the directory {entry}"),
            ));
        }
    }
    for entry in entries {
        remove_file(&entry.path())?;
    }
    if_there(fs::remove_dir(path)).map(|_| ())
}

/// Renames `from` to `to`. Fails if there is an entry at `to`.
pub(super) fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    match rename_no_replace(from, to) {
        Err(error) if refused(&error) => {}
        result => return result,
    }
    // A hard link is also created or refused in one step. Directories have no hard links, so the target is checked first.
    if fs::symlink_metadata(from)?.is_file() {
        match fs::hard_link(from, to) {
            Ok(()) => return fs::remove_file(from),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => return Err(error),
            Err(_) => {}
        }
    }
    match if_there(fs::symlink_metadata(to))? {
        Some(_) => Err(ErrorKind::AlreadyExists.into()),
        None => fs::rename(from, to),
    }
}

#[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
fn rename_no_replace(from: &Path, to: &Path) -> io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    Ok(renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE)?)
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
fn rename_no_replace(_: &Path, _: &Path) -> io::Result<()> {
    Err(ErrorKind::Unsupported.into())
}

#[cfg(test)]
thread_local! {
    /// Makes the file system of this thread refuse an exchange.
    pub(crate) static NO_EXCHANGE: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
    /// The directories whose flush fails on this thread.
    pub(crate) static NO_FLUSH: std::cell::RefCell<Vec<PathBuf>> = const { std::cell::RefCell::new(Vec::new()) };
}

/// Exchanges two entries in one step. Returns `false` if the file system cannot do so.
pub(super) fn exchange(one: &Path, other: &Path) -> io::Result<bool> {
    #[cfg(test)]
    if NO_EXCHANGE.get() {
        return Ok(false);
    }
    match rename_exchange(one, other) {
        Ok(()) => Ok(true),
        Err(error) if refused(&error) => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
fn rename_exchange(one: &Path, other: &Path) -> io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    Ok(renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE)?)
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
fn rename_exchange(_: &Path, _: &Path) -> io::Result<()> {
    Err(ErrorKind::Unsupported.into())
}
