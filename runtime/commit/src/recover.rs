//! Finishes or undoes what runs have left that are no more.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::Decision;
use super::disk;
use super::error::WriteError;
use super::journal::{self, Content, Journal};
use super::lock::{Patience, TargetLock};
use super::ticket::{FileStep, Ticket};

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
    /// Places that wait for their connector: it settles them when it is used in a run.
    pub waiting: Vec<String>,
    /// Targets whose run was decided, and for which there is no new data: it was put in place and the target has been changed
    /// or moved since, or somebody has removed it.
    pub lost: Vec<String>,
    /// Journals that cannot be recovered now. Each stays, and the next recovery tries again.
    pub kept: Vec<Kept>,
}

/// A journal that cannot be recovered; its `Display` says why, and what an operator can do.
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
    /// The journal.
    pub journal: PathBuf,
    /// The pipeline of its run; empty if that is unknown.
    pub pipeline: String,
    /// The targets that are neither finished nor undone.
    pub targets: Vec<String>,
    /// Why.
    pub reason: String,
}

impl std::fmt::Display for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let journal = disk::name_of(&self.journal);
        write!(f, "the commit in {journal} cannot be recovered: {}", self.reason)?;
        write!(f, "; `setl recover --set-aside {journal}` gives it up and keeps its data beside the targets")
    }
}

/// Finishes or undoes what runs have left that were killed while they committed.
///
/// Every run does this for its own state directory when it first loads or saves something, or opens checkpoints, so it is
/// only needed where no such run will come. What living runs have is left alone. It blocks.
///
/// A commit that cannot be recovered now, because a target refuses or its directory is gone, is in
/// [`kept`](Recovered::kept). It is tried again by the next recovery, and is in the way of nobody but of those who write to
/// its targets. [`set_aside`] gives it up.
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

/// Gives up a commit that cannot be recovered: its journal is removed, and its targets stay as they are. Returns where the
/// data lies now that was not put in place: beside the targets, with names that end in `.setl-aside`.
///
/// `recover` names the journals for which this is of use in [`kept`](Recovered::kept). It blocks.
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
    // One that cannot be read names nothing.
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

/// What became of a journal that a note beside a target names.
pub(super) enum OfNote {
    Gone,
    /// Another process recovers it.
    InUse,
    Kept(String),
}

/// Recovers the journal that is noted beside this target.
pub(super) fn of_note(path: &Path, target: &Path) -> OfNote {
    let opened = match fs::symlink_metadata(path) {
        // Somebody has planted it.
        _ if !path.is_absolute() || !journal::is_journal(path) => {
            clear(target, path, |_| true);
            return OfNote::Gone;
        }
        // All it named is done: its process died before it could remove the note.
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

/// However far this came before, it may be done again.
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
        if let Ticket::Place { place, .. } = ticket {
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
        // What is done is not looked at again: later runs may change it.
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
    /// There is nothing that could be put in place any more.
    Lost,
    Failed(WriteError),
}

fn settle_step(step: &FileStep, journal: &Path, decided: bool) -> Result<(), NotSettled> {
    if !decided {
        // Only what nobody else touches is removed, so it needs no lock.
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
        // The note is where the new data was, so that this is no directory that is not mounted.
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

/// Removes the note of a commit that owes nothing any more, where nobody is at work.
fn forget(step: &FileStep, journal: &Path) {
    if step.check_directory().is_ok() {
        clear(step.target_path(), journal, |_| true);
    }
}

/// Removes the note that names `journal`, if that `may` be.
fn clear(target: &Path, journal: &Path, may: impl Fn(&Path) -> bool) {
    if let Ok(Some(lock)) = TargetLock::take(target)
        && lock.note().is_some_and(|note| note == journal)
        && may(journal)
    {
        lock.clear_note();
    }
}

/// Lets the connector of `place` settle what dead runs have left there.
pub(super) fn settle(
    state: &Path,
    place: &str,
    settle: &dyn Fn(&str, Decision) -> crate::Result<()>,
) -> crate::Result<()> {
    for path in journal::paths(state)? {
        let Ok(Some(mut journal)) = Journal::open(&path) else {
            continue;
        };
        let Ok(content) = journal.read() else { continue };
        let decision = if content.decided { Decision::Commit } else { Decision::Rollback };
        let mut has_settled = false;
        for (index, (ticket, settled)) in content.tickets.iter().enumerate() {
            if let Ticket::Place { place: at, token } = ticket
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
            // It was told of what else it holds when the run began.
            one(journal, &mut Recovered::default());
        }
    }
    Ok(())
}
