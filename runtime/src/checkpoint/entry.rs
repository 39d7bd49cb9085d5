//! An output on disk: a directory with the payload and a manifest. It is made in a temporary directory and renamed once
//! it is complete.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::manifest::{fingerprint_of_files, sync_directory};
use super::{Fingerprint, Manifest, Validity};
use crate::{Error, Result};
use setl_commit::state;

/// The file of an entry that describes its payload.
pub(crate) const MANIFEST: &str = "manifest";
/// The folder of an entry that holds the delivered value.
pub(crate) const PAYLOAD: &str = "payload";
/// The prefixes of the names of entries that are being made or removed.
pub(crate) const NEW: &str = ".new-";
pub(crate) const OLD: &str = ".old-";

/// A temporary directory. It is removed when this value is dropped, unless it was renamed.
pub(crate) struct Aside(pub(crate) PathBuf);

impl Aside {
    /// Returns a unique path in `directory`.
    pub(crate) fn within(directory: &Path) -> Self {
        Self(directory.join(format!("{NEW}{}", uuid::Uuid::now_v7())))
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        // If this fails, the next run tries again.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The reason why an entry could not be made.
pub(crate) enum Unfilled {
    /// The error of the output itself or of writing it.
    Output(Error),
    /// The error of the operating system.
    Io(&'static str, PathBuf, io::Error),
}

impl Unfilled {
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |error| Self::Io(action, path, error)
    }
}

/// Fills a directory that becomes an entry, and flushes it to disk. `store` writes the payload into the given directory,
/// and `describe` makes the manifest. Returns the result of `store`. This blocks.
pub(crate) fn fill<T>(
    aside: &Path,
    store: impl FnOnce(&Path) -> Result<T>,
    describe: impl FnOnce(Fingerprint) -> Manifest,
) -> Result<T, Unfilled> {
    let payload = aside.join(PAYLOAD);
    state::create_directory(&payload).map_err(Unfilled::io("create", &payload))?;
    let stored = store(&payload)
        .map_err(|error| Unfilled::Output(error.context(format!("cannot write to {}", payload.display()))))?;
    let fingerprint = fingerprint_of_files(&payload, true).map_err(Unfilled::io("flush", &payload))?;
    let manifest = aside.join(MANIFEST);
    describe(fingerprint).write(&manifest).map_err(Unfilled::io("write", &manifest))?;
    sync_directory(aside).map_err(Unfilled::io("flush", aside))?;
    Ok(stored)
}

/// Checks that the payload of an entry matches its manifest. This blocks, because it reads the whole payload.
pub(crate) fn check_payload(entry: &Path, manifest: &Manifest) -> Validity {
    match fingerprint_of_files(&entry.join(PAYLOAD), false) {
        Ok(found) if found == manifest.payload => Validity::Valid,
        Ok(_) => Validity::stale("its file is damaged"),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Validity::stale("its file is missing"),
        Err(error) => Validity::stale(format!("its file cannot be read: {error}")),
    }
}

/// Removes an entry. It disappears in one step. Its remains are removed now, or by a later clean-up.
pub(crate) fn remove(entry: &Path) -> io::Result<()> {
    let old = entry.with_file_name(format!("{OLD}{}", uuid::Uuid::now_v7()));
    match fs::rename(entry, &old) {
        Ok(()) => remove_all(&old),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// Removes a file or a directory, because a user may have left a file among the entries.
pub(crate) fn remove_all(path: &Path) -> io::Result<()> {
    let removed = match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        // Another process may clean up at the same time.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Returns a name that every file system accepts and that is unique to the factory. It distinguishes `load` from `Load`,
/// which some file systems do not.
pub(crate) fn file_name(name: &str) -> String {
    let readable: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' }).take(80).collect();
    format!("{readable}-{}", &Fingerprint::of_bytes(name.as_bytes()).to_string()[..8])
}
