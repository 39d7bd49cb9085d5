//! Files and directories beside their targets, which belong to the living process that makes them.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use uuid::Uuid;

use super::disk::{self, Locked};

/// Of a process that may have died: it can be removed as soon as nobody has it locked.
const TEMPORARY: &str = "setl-tmp";
/// Named by a journal: only recovery may touch it.
const READY: &str = "setl-ready";
/// Named by a checkpoint: it stays until that is discarded, or it is committed.
const KEPT: &str = "setl-kept";

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
            if directory {
                fs::create_dir(&path)?;
            } else {
                OpenOptions::new().write(true).create_new(true).open(&path)?;
            }
            // Before it is locked, somebody may take it for a left-over and remove it.
            let lock = match disk::lock(&path)? {
                Locked::Yes(file) => Some(file),
                Locked::Unsupported => None,
                Locked::Busy | Locked::Gone => continue,
            };
            return Ok(Self { path, lock, stays: false });
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
            self.path = kept;
        }
        self.stays = true;
        disk::sync_directory(disk::directory_of(&self.path))
    }

    /// Has it go with this, whatever it is called.
    pub(super) fn unkeep(&mut self) {
        self.stays = false;
    }

    pub(super) fn is_kept(&self) -> bool {
        self.stays
    }

    /// Leaves it to whoever knows its name now.
    pub(super) fn leave(&mut self) {
        self.stays = true;
    }

    /// Removes it, unless it is kept.
    pub(super) fn discard(mut self) -> io::Result<()> {
        self.remove()
    }

    fn remove(&mut self) -> io::Result<()> {
        if std::mem::replace(&mut self.stays, true) { Ok(()) } else { disk::remove(&self.path) }
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        // Nobody is left to tell; the name says that it is to be removed, and the next write to the target does.
        let _ = self.remove();
        self.lock = None;
    }
}

/// `.delays.parquet.<uuid>.setl-tmp` beside `delays.parquet`.
fn named(target: &Path, kind: &str) -> PathBuf {
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    target.with_file_name(format!(".{name}.{}.{kind}", Uuid::now_v7()))
}

/// Whether `path` is kept by a checkpoint.
pub(super) fn is_kept(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == KEPT)
}

/// Removes what processes that are no more have left beside `target`. What cannot be removed is in nobody's way.
pub(super) fn remove_left_overs(target: &Path) {
    let Some(name) = target.file_name().map(|name| format!(".{}.", name.to_string_lossy())) else {
        return;
    };
    let Ok(entries) = fs::read_dir(disk::directory_of(target)) else {
        return;
    };
    for entry in entries.flatten() {
        let entry_name = entry.file_name();
        let Some(rest) = entry_name.to_str().and_then(|entry| entry.strip_prefix(&name)) else {
            continue;
        };
        // With a name in between, it belongs to another target whose name begins alike.
        let uuid = rest.strip_suffix(TEMPORARY).and_then(|rest| rest.strip_suffix('.'));
        if uuid.is_some_and(|uuid| Uuid::parse_str(uuid).is_ok())
            && let Ok(Locked::Yes(_lock)) = disk::lock(&entry.path())
        {
            let _ = disk::remove(&entry.path());
        }
    }
}
