//! Finishes or undoes the commits of dead runs.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::CommitDecision;
use super::disk;
use super::error::WriteError;
use super::journal::{self, Content, Journal};
use super::lock::{Patience, TargetLock};
use super::ticket::{FileStep, RecoveryTicket};

/// The result of a recovery; [`recover`] returns it.
///
/// ```
/// # let state = std::env::temp_dir().join("setl-no-such-state");
/// let recovered = setl_commit::recover(state)?;
/// for target in &recovered.finished {
///     println!("{target} holds the new data now");
/// }
/// for kept in &recovered.kept {
///     println!("{kept}");
/// }
/// # Ok::<(), setl_commit::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use = "what could not be recovered is in `kept` and `lost`"]
#[non_exhaustive]
pub struct Recovered {
    /// Targets that hold the new data now, because their run was decided.
    pub finished: Vec<String>,
    /// Targets that keep their old data, because their run was not decided.
    pub undone: Vec<String>,
    /// Places that wait for their connector, which settles them when a run uses it.
    pub waiting: Vec<String>,
    /// Targets whose run was decided and whose new data is missing: the data was put in place and the target has been
    /// changed or moved since, or somebody has removed it.
    pub lost: Vec<String>,
    /// Journals that cannot be recovered now. Each journal stays, and the next recovery tries again.
    pub kept: Vec<Kept>,
}

/// A journal that cannot be recovered. Its `Display` gives the reason and the ways to solve it.
///
/// ```
/// # let state = std::env::temp_dir().join("setl-no-such-state");
/// let recovered = setl_commit::recover(state)?;
/// assert!(recovered.kept.is_empty(), "{}", recovered.kept[0]);
/// # Ok::<(), setl_commit::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Kept {
    /// The path of the journal.
    pub journal: PathBuf,
    /// The pipeline of its run. Empty if it is unknown.
    pub pipeline: String,
    /// The targets that are neither finished nor undone.
    pub targets: Vec<String>,
    /// The reason.
    pub reason: String,
}

impl std::fmt::Display for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let journal = disk::name_of(&self.journal);
        write!(f, "the commit in {journal} cannot be recovered: {}", self.reason)?;
        write!(f, "; `setl recover --set-aside {journal}` gives it up and keeps its data beside the targets")
    }
}

/// Finishes or undoes the commits of runs that were killed.
///
/// Every run does this for its own state directory when it first loads or saves data, or opens checkpoints. So it is only
/// needed where no such run will follow. The journals of living runs are left alone. This blocks.
///
/// A commit that cannot be recovered now, because a target refuses or its directory is missing, is in
/// [`kept`](Recovered::kept). The next recovery tries it again, and it blocks only runs that write to its targets.
/// [`set_aside`] gives it up.
///
/// ```
/// # let state = std::env::temp_dir().join("setl-no-such-state");
/// let recovered = setl_commit::recover(&state)?;
/// assert!(recovered.finished.is_empty());
/// # Ok::<(), setl_commit::Error>(())
/// ```
///
/// # Errors
/// When the state directory cannot be read.
pub fn recover(state_dir: impl AsRef<Path>) -> crate::Result<Recovered> {
    let mut recovered = Recovered::default();
    for path in journal::paths(state_dir.as_ref())? {
        match Journal::open(&path) {
            Ok(Some(journal)) => one(journal, &mut recovered),
            Ok(None) => {}
            Err(error) => recovered.kept.push(kept(&path, &Content::default(), &error.into())),
        }
    }
    Ok(recovered)
}

/// Gives up a commit that cannot be recovered: removes its journal and leaves its targets unchanged. Returns the paths of
/// the new data that was not put in place. They are beside the targets, with names that end in `.setl-aside`.
///
/// [`kept`](Recovered::kept) lists the journals for which this is useful. This blocks.
///
/// ```
/// # let state = std::env::temp_dir().join("setl-no-such-state");
/// for kept in setl_commit::recover(&state)?.kept {
///     for path in setl_commit::set_aside(&kept.journal)? {
///         println!("what was to be committed lies in {}", path.display());
///     }
/// }
/// # Ok::<(), setl_commit::Error>(())
/// ```
///
/// # Errors
/// When the journal is that of a living run, belongs to another user, or something cannot be renamed.
pub fn set_aside(journal: impl AsRef<Path>) -> crate::Result<Vec<PathBuf>> {
    let path = journal.as_ref();
    if !journal::is_journal(path) {
        anyhow::bail!(
            "{} is no journal: `setl recover` names those that can be set aside",
            disk::name_of(path)
        );
    }
    if !disk::is_there(path) {
        return Err(WriteError::io("open", path)(ErrorKind::NotFound.into()).into());
    }
    let Some(mut journal) = Journal::open(path)? else {
        anyhow::bail!("{} belongs to a run that is in progress: wait for it", disk::name_of(path));
    };
    let mut asides = Vec::new();
    // An unreadable journal names no paths.
    let content = journal.read().unwrap_or_default();
    content.tickets.iter().flat_map(|(ticket, _)| ticket.steps()).try_for_each(FileStep::check)?;
    for (ticket, settled) in &content.tickets {
        for step in ticket.steps().iter().filter(|_| !settled) {
            if content.decided {
                asides.extend(step.set_aside()?);
            } else {
                step.back()?;
            }
            forget(step, path);
        }
    }
    journal.remove()?;
    Ok(asides)
}

/// The result of recovering a journal that a note names.
pub(super) enum OfNote {
    Gone,
    /// Another process is recovering the journal.
    InUse,
    Kept(String),
}

/// Recovers the journal that the note beside `target` names.
pub(super) fn of_note(path: &Path, target: &Path) -> OfNote {
    let opened = match fs::symlink_metadata(path) {
        // Another user has planted the note.
        _ if !path.is_absolute() || !journal::is_journal(path) => {
            clear(target, path, |_| true);
            return OfNote::Gone;
        }
        // All steps of the journal are done, and its process died before it could remove the note.
        Err(error) if error.kind() == ErrorKind::NotFound => {
            clear(target, path, |path| !disk::is_there(path));
            return OfNote::Gone;
        }
        Err(source) => Err(WriteError::io("open", path)(source)),
        Ok(_) => Journal::open(path),
    };
    match opened {
        Ok(Some(journal)) => {
            let mut recovered = Recovered::default();
            one(journal, &mut recovered);
            recovered.kept.pop().map_or(OfNote::Gone, |kept| OfNote::Kept(kept.reason))
        }
        Ok(None) => OfNote::InUse,
        Err(error) => OfNote::Kept(format!("{:#}", crate::Error::from(error))),
    }
}

/// Recovers one journal. It is safe to repeat, whatever an earlier recovery has done.
fn one(mut journal: Journal, recovered: &mut Recovered) {
    let path = journal.path().to_owned();
    let content = match journal.read() {
        Ok(content) => content,
        Err(error) => return recovered.kept.push(kept(&path, &Content::default(), &error.into())),
    };
    let steps = || content.tickets.iter().flat_map(|(ticket, _)| ticket.steps());
    if let Err(error) = steps().try_for_each(FileStep::check) {
        return recovered.kept.push(kept(&path, &content, &error.into()));
    }
    let mut failed: Option<Kept> = None;
    let mut settled = Vec::new();
    let mut waits = false;
    for (index, (ticket, is_settled)) in content.tickets.iter().enumerate() {
        if *is_settled {
            continue;
        }
        if let RecoveryTicket::Place { place, .. } = ticket {
            recovered.waiting.push(place.clone());
            waits = true;
            continue;
        }
        let result = ticket.steps().iter().try_for_each(|step| {
            match (content.decided, settle_step(step, &path, content.decided)) {
                (true, Ok(())) => recovered.finished.push(step.target()),
                (false, Ok(())) => recovered.undone.push(step.target()),
                (_, Err(NotSettled::Lost)) => recovered.lost.push(step.target()),
                (_, Err(NotSettled::Failed(error))) => return Err(error),
            }
            Ok(())
        });
        match result {
            Ok(()) => settled.push(index),
            Err(error) => {
                let kept = failed.get_or_insert_with(|| {
                    let error = crate::Error::from(error);
                    Kept { targets: Vec::new(), ..kept(&path, &content, &error) }
                });
                kept.targets.extend(ticket.steps().iter().map(FileStep::target));
            }
        }
    }
    if failed.is_some() || waits {
        // Settled tickets are not processed again, because later runs may change their targets.
        if !settled.is_empty() && content.decided {
            let _ = journal.settle(settled);
        }
    } else if let Err(error) = journal.remove() {
        failed = Some(kept(&path, &content, &error));
    }
    recovered.kept.extend(failed);
}

fn kept(path: &Path, content: &Content, error: &crate::Error) -> Kept {
    let targets = content.tickets.iter().flat_map(|(ticket, _)| ticket.steps()).map(FileStep::target);
    Kept {
        journal: path.to_owned(),
        pipeline: content.pipeline.clone(),
        targets: targets.collect(),
        reason: format!("{error:#}"),
    }
}

enum NotSettled {
    /// The new data is missing, so nothing can be put in place.
    Lost,
    Failed(WriteError),
}

fn settle_step(step: &FileStep, journal: &Path, decided: bool) -> Result<(), NotSettled> {
    if !decided {
        // Only entries that no other process touches are removed, so no lock is needed.
        step.back().map_err(NotSettled::Failed)?;
        forget(step, journal);
        return Ok(());
    }
    step.check_directory().map_err(NotSettled::Failed)?;
    let mut patience = Patience::new();
    let lock = loop {
        match TargetLock::take(step.target_path()).map_err(NotSettled::Failed)? {
            Some(lock) => break lock,
            None => patience
                .wait()
                .ok_or_else(|| NotSettled::Failed(WriteError::Busy { target: step.target() }))?,
        }
    };
    let noted = lock.note().is_some_and(|note| note == journal);
    let result = match step.forward() {
        // The note proves that this directory held the new data, and is not an unmounted directory.
        Err(WriteError::Lost { .. }) if noted => Err(NotSettled::Lost),
        Err(error) => return Err(NotSettled::Failed(error)),
        Ok(()) => Ok(()),
    };
    step.sync().map_err(NotSettled::Failed)?;
    if noted {
        lock.clear_note();
    }
    result
}

/// Removes the note of a finished commit, unless another process holds the lock.
fn forget(step: &FileStep, journal: &Path) {
    if step.check_directory().is_ok() {
        clear(step.target_path(), journal, |_| true);
    }
}

/// Removes the note that names `journal`, if `may` allows it.
fn clear(target: &Path, journal: &Path, may: impl Fn(&Path) -> bool) {
    if let Ok(Some(lock)) = TargetLock::take(target)
        && lock.note().is_some_and(|note| note == journal)
        && may(journal)
    {
        lock.clear_note();
    }
}

/// Lets the connector of `place` settle the writes that dead runs have left there.
pub(super) fn settle(
    state: &Path,
    place: &str,
    settle: &dyn Fn(&str, CommitDecision) -> crate::Result<()>,
) -> crate::Result<()> {
    for path in journal::paths(state)? {
        let Ok(Some(mut journal)) = Journal::open(&path) else {
            continue;
        };
        let Ok(content) = journal.read() else { continue };
        let decision = if content.decided { CommitDecision::Commit } else { CommitDecision::Rollback };
        let mut has_settled = false;
        for (index, (ticket, settled)) in content.tickets.iter().enumerate() {
            if let RecoveryTicket::Place { place: at, token } = ticket
                && !settled
                && at == place
            {
                settle(token, decision)
                    .with_context(|| format!("cannot settle what {} names", disk::name_of(&path)))?;
                journal.settle(vec![index])?;
                has_settled = true;
            }
        }
        if has_settled {
            // The run has already reported the other tickets when it began.
            one(journal, &mut Recovered::default());
        }
    }
    Ok(())
}
