//! An output on disk: a directory with the payload and a manifest, which is made aside and renamed when it is whole.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::manifest::{fingerprint_of_files, sync_directory};
use super::{Fingerprint, Manifest, Validity};
use crate::{Error, Result};
use setl_commit::state;

/// What was made of what, in an entry.
pub(crate) const MANIFEST: &str = "manifest";
/// What was delivered, in an entry.
pub(crate) const PAYLOAD: &str = "payload";
/// How what is being made or removed is called.
pub(crate) const NEW: &str = ".new-";
pub(crate) const OLD: &str = ".old-";

/// A directory that is removed unless it was renamed.
pub(crate) struct Aside(pub(crate) PathBuf);

impl Aside {
    /// A name that nobody else has, in this directory.
    pub(crate) fn within(directory: &Path) -> Self {
        Self(directory.join(format!("{NEW}{}", uuid::Uuid::now_v7())))
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        // The next run tries again.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Why an entry could not be made.
pub(crate) enum Unfilled {
    /// What the output itself says, or what became of writing it.
    Output(Error),
    /// What the system says.
    Io(&'static str, PathBuf, io::Error),
}

impl Unfilled {
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |error| Self::Io(action, path, error)
    }
}

/// Fills a directory that is to become an entry, down to the disk: `store` writes the payload into the directory that it is
/// given, `describe` says what it is made of. Gives what `store` gives. It blocks.
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

/// Whether the payload of an entry is what its manifest says. It blocks, since it reads all of it.
pub(crate) fn check_payload(entry: &Path, manifest: &Manifest) -> Validity {
    match fingerprint_of_files(&entry.join(PAYLOAD), false) {
        Ok(found) if found == manifest.payload => Validity::Valid,
        Ok(_) => Validity::stale("its file is damaged"),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Validity::stale("its file is missing"),
        Err(error) => Validity::stale(format!("its file cannot be read: {error}")),
    }
}

/// Removes an entry. It is gone in one step; what is left of it is removed now, or by whoever tidies up.
pub(crate) fn remove(entry: &Path) -> io::Result<()> {
    let old = entry.with_file_name(format!("{OLD}{}", uuid::Uuid::now_v7()));
    match fs::rename(entry, &old) {
        Ok(()) => remove_all(&old),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// Whatever it is: somebody may have left a file among the entries.
pub(crate) fn remove_all(path: &Path) -> io::Result<()> {
    let removed = match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        // Somebody else tidies up, too.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// A name that every file system takes, and that no other factory has, for `Load<Flight>` and for `load`, which some
/// file systems do not tell from `Load`.
pub(crate) fn file_name(name: &str) -> String {
    let readable: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' }).take(80).collect();
    format!("{readable}-{}", &Fingerprint::of_bytes(name.as_bytes()).to_string()[..8])
}
