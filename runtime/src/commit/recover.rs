//! Finishes or undoes what runs have left that are no more.

use std::path::Path;

use anyhow::Context as _;

use super::Decision;
use super::journal::{self, Journal};
use super::ticket::{FileStep, Ticket};

/// What became of the writes that dead runs had left; [`recover`] gives it.
///
/// ```
/// # let state = std::env::temp_dir().join("setl-no-such-state");
/// let recovered = setl::commit::recover(state)?;
/// for target in &recovered.finished {
///     println!("{target} holds the new data now");
/// }
/// # Ok::<(), setl::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Recovered {
    /// Targets that hold the new data now, because their run was decided.
    pub finished: Vec<String>,
    /// Targets that keep their old data, because their run was not decided.
    pub undone: Vec<String>,
    /// Places that wait for their connector: it settles them when it is used in a run.
    pub waiting: Vec<String>,
}

/// Finishes or undoes what runs have left that were killed while they committed.
///
/// Every run does this for its own state directory when it first loads or saves something, or opens checkpoints, so it is
/// only needed where no such run will come. What living runs have is left alone. It blocks.
///
/// ```
/// # let state = std::env::temp_dir().join("setl-no-such-state");
/// let recovered = setl::commit::recover(&state)?;
/// assert!(recovered.finished.is_empty());
/// # Ok::<(), setl::Error>(())
/// ```
///
/// # Errors
/// When a target refuses, or has been changed by somebody else so that rows would be lost. What could be finished is
/// finished then; the journal stays, and is named.
pub fn recover(state_dir: impl AsRef<Path>) -> crate::Result<Recovered> {
    let mut recovered = Recovered::default();
    let mut first_error = None;
    for path in journal::paths(state_dir.as_ref())? {
        let result = match Journal::open(&path) {
            Ok(Some(journal)) => one(journal, &mut recovered),
            Ok(None) => Ok(()),
            Err(error) => Err(error.into()),
        };
        if let Err(error) = result.with_context(|| format!("cannot recover what {} names", path.display())) {
            first_error.get_or_insert(error);
        }
    }
    first_error.map_or(Ok(recovered), Err)
}

/// However far this came before, it may be done again.
fn one(mut journal: Journal, recovered: &mut Recovered) -> crate::Result<()> {
    let content = journal.read()?;
    let mut first_error = None;
    let mut waits = false;
    for (ticket, settled) in &content.tickets {
        for step in ticket.steps() {
            match if content.decided { step.forward() } else { step.back() } {
                Ok(()) if content.decided => recovered.finished.push(step.target()),
                Ok(()) => recovered.undone.push(step.target()),
                Err(error) => drop(first_error.get_or_insert(error)),
            }
        }
        if let (Ticket::Place { place, .. }, false) = (ticket, settled) {
            recovered.waiting.push(place.clone());
            waits = true;
        }
    }
    match first_error {
        Some(error) => Err(error.into()),
        None if waits => Ok(()),
        None => journal.remove(),
    }
}

/// Lets the connector of `place` settle what dead runs have left there.
pub(super) fn settle(
    state: &Path,
    place: &str,
    settle: &dyn Fn(&str, Decision) -> crate::Result<()>,
) -> crate::Result<()> {
    for path in journal::paths(state)? {
        let Some(mut journal) = Journal::open(&path)? else {
            continue;
        };
        let content = journal.read()?;
        let decision = if content.decided { Decision::Commit } else { Decision::Rollback };
        let mut waits = false;
        for (index, (ticket, settled)) in content.tickets.iter().enumerate() {
            match ticket {
                Ticket::Place { place: at, token } if !settled && at == place => {
                    settle(token, decision)
                        .with_context(|| format!("cannot settle what {} names", path.display()))?;
                    journal.settle(index)?;
                }
                Ticket::Place { .. } => waits |= !settled,
                // These are recovered before; a journal whose files refuse stays.
                Ticket::Files { steps } => waits |= !steps.iter().all(FileStep::is_over),
                Ticket::None => {}
            }
        }
        if !waits {
            journal.remove()?;
        }
    }
    Ok(())
}
