//! The lock of a target, so that one commit at a time changes it, and the note of a commit that is unfinished there.
//!
//! Both are beside the target, because its writers may have different state directories. The lock belongs to the kernel
//! and ends with its process. The note outlives the process: it is a link that names the journal of a commit that has
//! begun and whose end is unknown.

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

/// The maximum time that a commit waits for other commits to the same targets.
const LONGEST: Duration = if cfg!(test) { Duration::from_millis(300) } else { Duration::from_secs(60) };

/// The lock of one target. Its file is removed when this value is dropped.
#[derive(Debug)]
pub(super) struct TargetLock {
    target: PathBuf,
    /// `None` where the file system has no locks.
    file: Option<File>,
}

impl TargetLock {
    /// Takes the lock. Returns `None` if another commit holds it.
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
                // The previous holder may have removed the file since it was opened.
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

    /// `true` if this is also the lock of `target`: a directory may have two names, such as those of a bind mount, and so
    /// may a file whose name is the same in upper and lower case.
    fn is_of(&self, target: &Path) -> bool {
        self.file.as_ref().is_some_and(|file| disk::is_at(file, &aside::beside(target, LOCK)))
    }

    /// Returns the journal of the commit that is unfinished at the target.
    pub(super) fn note(&self) -> Option<PathBuf> {
        fs::read_link(aside::beside(&self.target, NOTE)).ok()
    }

    /// Notes that the commit of `journal` is unfinished at the target. The note is durable once the directory is flushed.
    pub(super) fn set_note(&self, journal: &Path) -> Result<(), WriteError> {
        let path = aside::beside(&self.target, NOTE);
        disk::remove_file(&path).map_err(WriteError::io("remove", &path))?;
        match link(journal, &path) {
            // The file system has no links. A run with another state directory does not find the journal then.
            Err(error) if matches!(error.kind(), ErrorKind::Unsupported | ErrorKind::PermissionDenied) => {
                Ok(())
            }
            result => result.map_err(WriteError::io("create", &path)),
        }
    }

    /// Removes the note, because the commit is finished at this target. A remaining note does no harm once its journal is
    /// gone.
    pub(super) fn clear_note(&self) {
        let _ = disk::remove_file(&aside::beside(&self.target, NOTE));
    }
}

impl Drop for TargetLock {
    fn drop(&mut self) {
        // The file is removed before it is unlocked: a waiting process then sees that it is gone and creates a new one.
        if self.file.is_some() {
            let _ = disk::remove_file(&aside::beside(&self.target, LOCK));
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    match state::open_no_follow(&mut options, path) {
        // The lock file of another user can be locked too.
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

/// A holder of locks: a target, and optionally its staged file.
pub(super) trait Locking {
    fn target(&self) -> &Path;

    /// Called as soon as the target is locked.
    fn taken(&mut self) {}

    /// Called before the lock of the target is given up, to be taken again later.
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

/// Takes the locks of all targets. All commits use the same order, so that no two wait for each other. The locks are
/// returned in the order of `targets`.
///
/// A commit that died between two targets is finished or undone first.
///
/// # Errors
/// When another process holds a lock for too long, or a dead commit at a target can neither be finished nor undone.
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
                    // It would be waited for in vain.
                    None if taken.iter().any(|(_, lock)| lock.is_of(target)) => {
                        return Err(WriteError::Twice { target: disk::name_of(target) });
                    }
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
            // The recovery takes the locks of all its targets, and some of them may be held here.
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

/// Takes the lock of one target, as [`take_all`] does.
pub(super) fn take_one(target: &Path) -> Result<TargetLock, WriteError> {
    let taken = take_all(&mut [target])?;
    taken.into_iter().next().ok_or_else(|| WriteError::Busy { target: disk::name_of(target) })
}

/// Waits in short, growing intervals, up to a limit.
#[derive(Debug)]
pub(super) struct Patience {
    until: Instant,
    next: Duration,
}

impl Patience {
    pub(super) fn new() -> Self {
        Self { until: Instant::now() + LONGEST, next: Duration::from_micros(500) }
    }

    /// Waits once. Returns `None` if the time limit has passed.
    pub(super) fn wait(&mut self) -> Option<()> {
        if Instant::now() >= self.until {
            return None;
        }
        std::thread::sleep(self.next);
        self.next = (self.next * 2).min(Duration::from_millis(20));
        Some(())
    }
}
