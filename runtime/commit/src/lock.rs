//! The lock of a target, so that one commit at a time changes it, and the note of the commit that still owes it something.
//!
//! Both lie beside the target, since that is what all who write to it have in common: they may have different state
//! directories. The lock is the kernel's, and dies with its process. The note outlives it: a link that names the journal
//! of a commit that has begun and whose end is not known yet.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::aside;
use super::disk;
use super::error::WriteError;
use super::file::StagedFile;
use super::recover;
use crate::state;

const LOCK: &str = "setl-lock";
const NOTE: &str = "setl-open";

/// How long a commit waits for others that write to the same targets.
const LONGEST: Duration = if cfg!(test) { Duration::from_millis(300) } else { Duration::from_secs(60) };

/// The lock of one target. Its file is removed when it is dropped.
#[derive(Debug)]
pub(super) struct TargetLock {
    target: PathBuf,
    /// `None` where the file system has no locks.
    file: Option<File>,
}

impl TargetLock {
    /// `None` if another commit holds it.
    pub(super) fn take(target: &Path) -> Result<Option<Self>, WriteError> {
        let target = target.to_owned();
        if !cfg!(unix) {
            return Ok(Some(Self { target, file: None }));
        }
        let path = aside::beside(&target, LOCK);
        let failed = || WriteError::io("lock", &path);
        loop {
            let file = open(&path).map_err(failed())?;
            if !file.metadata().map_err(failed())?.is_file() {
                return Err(failed()(io::Error::new(ErrorKind::InvalidInput, "it is no regular file")));
            }
            match file.try_lock() {
                // Whoever had it before may have removed the file since it was opened.
                Ok(()) if disk::is_at(&file, &path) => return Ok(Some(Self { target, file: Some(file) })),
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Ok(None),
                Err(TryLockError::Error(_)) => {
                    let _ = disk::remove_file(&path);
                    return Ok(Some(Self { target, file: None }));
                }
            }
        }
    }

    pub(super) fn target(&self) -> &Path {
        &self.target
    }

    /// The journal of the commit that owes the target something.
    pub(super) fn note(&self) -> Option<PathBuf> {
        fs::read_link(aside::beside(&self.target, NOTE)).ok()
    }

    /// Notes that the commit of this journal owes the target something. It is on disk when the directory is.
    pub(super) fn set_note(&self, journal: &Path) -> Result<(), WriteError> {
        let path = aside::beside(&self.target, NOTE);
        disk::remove_file(&path).map_err(WriteError::io("remove", &path))?;
        match link(journal, &path) {
            // A file system without links. Who has another state directory does not find the journal then.
            Err(error) if matches!(error.kind(), ErrorKind::Unsupported | ErrorKind::PermissionDenied) => {
                Ok(())
            }
            result => result.map_err(WriteError::io("create", &path)),
        }
    }

    /// Removes the note: the target is owed nothing any more. One that stays is no harm once its journal is gone.
    pub(super) fn clear_note(&self) {
        let _ = disk::remove_file(&aside::beside(&self.target, NOTE));
    }
}

impl Drop for TargetLock {
    fn drop(&mut self) {
        // Before it is unlocked: who waits for it then sees that it is gone, and makes a new one.
        if self.file.is_some() {
            let _ = disk::remove_file(&aside::beside(&self.target, LOCK));
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    match state::open_no_follow(&mut options, path) {
        // That of another user can be locked too.
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            state::open_no_follow(OpenOptions::new().read(true), path).map_err(|_| error)
        }
        result => result,
    }
}

#[cfg(unix)]
fn link(journal: &Path, path: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(journal, path)
}

#[cfg(not(unix))]
fn link(_: &Path, _: &Path) -> io::Result<()> {
    Err(ErrorKind::Unsupported.into())
}

/// What takes its lock: a target, and what is staged for it.
pub(super) trait Locking {
    fn target(&self) -> &Path;

    /// Called as soon as the target is locked.
    fn taken(&mut self) {}

    /// Called before the lock of the target is given up, to be taken again.
    fn giving_up(&mut self) -> Result<(), WriteError> {
        Ok(())
    }
}

impl Locking for &Path {
    fn target(&self) -> &Path {
        self
    }
}

impl Locking for (PathBuf, &mut StagedFile) {
    fn target(&self) -> &Path {
        &self.0
    }

    fn taken(&mut self) {
        self.1.rely_on_target();
    }

    fn giving_up(&mut self) -> Result<(), WriteError> {
        self.1.rely_on_itself()
    }
}

/// Takes the locks of all targets, in one order for all commits, so that no two wait for each other. They are given in the
/// order of `targets`.
///
/// A commit that has died between two targets is finished or undone before.
///
/// # Errors
/// When others hold a lock for too long, or what a dead commit owes a target can neither be finished nor undone.
pub(super) fn take_all<T: Locking>(targets: &mut [T]) -> Result<Vec<TargetLock>, WriteError> {
    let mut order: Vec<_> = (0..targets.len()).collect();
    order.sort_by(|one, other| targets[*one].target().cmp(targets[*other].target()));
    let mut patience = Patience::new();
    let mut tried: Option<(PathBuf, String)> = None;
    'again: loop {
        let mut taken: Vec<(usize, TargetLock)> = Vec::with_capacity(order.len());
        for index in &order {
            let target = targets[*index].target();
            let busy = || WriteError::Busy { target: disk::name_of(target) };
            let lock = loop {
                match TargetLock::take(target)? {
                    Some(lock) => break lock,
                    None => patience.wait().ok_or_else(busy)?,
                }
            };
            let Some(journal) = lock.note() else {
                targets[*index].taken();
                taken.push((*index, lock));
                continue;
            };
            if let Some((_, reason)) = tried.take_if(|(before, _)| *before == journal) {
                return Err(WriteError::Pending { target: disk::name_of(target), journal, reason });
            }
            // Its recovery takes the locks of all its targets, among which may be those that are held here.
            let target = target.to_owned();
            drop(lock);
            for (index, lock) in taken {
                targets[index].giving_up()?;
                drop(lock);
            }
            match recover::of_note(&journal, &target) {
                recover::OfNote::Gone => {}
                recover::OfNote::InUse => {
                    patience.wait().ok_or_else(|| WriteError::Busy { target: disk::name_of(&target) })?;
                }
                recover::OfNote::Kept(reason) => tried = Some((journal, reason)),
            }
            continue 'again;
        }
        taken.sort_by_key(|(index, _)| *index);
        return Ok(taken.into_iter().map(|(_, lock)| lock).collect());
    }
}

/// As [`take_all`], of one.
pub(super) fn take_one(target: &Path) -> Result<TargetLock, WriteError> {
    let taken = take_all(&mut [target])?;
    taken.into_iter().next().ok_or_else(|| WriteError::Busy { target: disk::name_of(target) })
}

/// Waits now and then, and not for ever.
#[derive(Debug)]
pub(super) struct Patience {
    until: Instant,
    next: Duration,
}

impl Patience {
    pub(super) fn new() -> Self {
        Self { until: Instant::now() + LONGEST, next: Duration::from_micros(500) }
    }

    /// `None` when it has waited for long enough.
    pub(super) fn wait(&mut self) -> Option<()> {
        if Instant::now() >= self.until {
            return None;
        }
        std::thread::sleep(self.next);
        self.next = (self.next * 2).min(Duration::from_millis(20));
        Some(())
    }
}
