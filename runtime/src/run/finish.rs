//! The end of a run: its writes become visible, or all of them are undone.

use std::sync::Arc;

use super::current::{Current, Scoped};
use super::error::{Cause, FactoryError};
use super::event::Event;
use super::hook::Points;
use super::report::{Phase, Status};
use super::shared::Shared;
use super::step::{EARLIER, Failure, Undone};
use crate::base::panic::{caught, contained};
use setl_commit::{CommitError, Owner, Transaction, WriteError};

/// The result of the commit of a run.
pub(crate) enum Written {
    /// These writes are visible. The list may be empty.
    Committed(Vec<String>),
    /// Nothing has changed. Has the failure, unless the runtime shut down.
    RolledBack(Option<FactoryError>),
    /// The commit was decided, but is not complete.
    Unfinished(FactoryError, Vec<String>),
}

/// Commits the writes of the factories that delivered. If the run is `whole`, all of them did.
pub(crate) async fn commit(shared: &Arc<Shared>, whole: bool) -> Written {
    let writes = shared.writes_of_run().map_or(0, Transaction::len);
    if writes > 0 && !shared.is_dry() {
        shared.emit(|| Event::Committing { writes });
    }
    let of_run = Arc::clone(shared);
    let committed = shared.pool.run(move || {
        let transaction = of_run.transaction();
        transaction.remove_unfinished();
        // Failed attempts have left nothing, except for writes that came too late for them. A factory that does not write in this
        // run may have saved before its `write`.
        let is_nothing = |owner: Owner| !of_run.has_delivered(owner) || !of_run.writes(owner.node);
        contained(|| drop(transaction.discard(is_nothing)));
        let committed = caught(|| {
            let mut marks = Vec::new();
            for hook in of_run.hooks.at(Points::COMMIT) {
                let sealed = hook.seal(&of_run, whole);
                marks.extend(sealed.map_err(|error| CommitError::RolledBack { owner: None, error })?);
            }
            let without_marks = |mut targets: Vec<String>| {
                targets.retain(|target| !marks.contains(target));
                targets
            };
            match transaction.commit() {
                Ok(targets) => Ok(without_marks(targets)),
                // Nothing is left for a later run to do.
                Err(CommitError::Unfinished { owner, error, committed, .. })
                    if matches!(error.downcast_ref(), Some(WriteError::Unflushed { .. })) =>
                {
                    of_run.note(owner.map_or(0, |owner| owner.node), format!("{error:#}"));
                    Ok(without_marks(committed))
                }
                Err(CommitError::Unfinished { owner, error, committed, open }) => {
                    let (committed, open) = (without_marks(committed), without_marks(open));
                    Err(CommitError::Unfinished { owner, error, committed, open })
                }
                Err(other) => Err(other),
            }
        });
        // This comes here, since the run may be dropped by now.
        if matches!(committed, Ok(Ok(_) | Err(CommitError::Unfinished { .. }))) {
            of_run.decide();
        }
        if let (true, Ok(Ok(_))) = (whole, &committed) {
            // Files that cannot be removed now are removed by the next run, which finds the mark.
            of_run.hooks.at(Points::COMMIT).for_each(|hook| contained(|| hook.committed(&of_run)));
        }
        committed
    });
    match committed.await {
        Some(Ok(Ok(targets))) => Written::Committed(targets),
        Some(Ok(Err(CommitError::RolledBack { owner, error }))) => {
            Written::RolledBack(Some(failure(shared, owner, Cause::Error(error))))
        }
        Some(Ok(Err(CommitError::Unfinished { owner, error, committed, open }))) => {
            let error = error.context(format!("still as before: {}", open.join(", ")));
            Written::Unfinished(failure(shared, owner, Cause::Error(error)), committed)
        }
        Some(Err(panic)) => Written::RolledBack(Some(failure(shared, None, panic.into()))),
        None => Written::RolledBack(None),
    }
}

fn failure(shared: &Shared, owner: Option<Owner>, cause: Cause) -> FactoryError {
    let attempts = owner.map_or(1, |owner| owner.attempt);
    let failure = Failure { phase: Phase::Commit, cause, attempts, no_time: None, fallback: None };
    match owner {
        Some(owner) => shared.error_of(owner.node, failure),
        None => of_no_factory(shared, failure),
    }
}

/// Creates a failure without a factory, such as one of a state directory that cannot be written to.
fn of_no_factory(shared: &Shared, failure: Failure) -> FactoryError {
    FactoryError { stage: String::new(), factory: String::new(), ..shared.error_of(0, failure) }
}

/// Discards the staged writes, and undoes in reverse order the effects of factories outside of the transaction.
///
/// An effect that cannot be undone does not prevent the others from being undone.
pub(crate) async fn roll_back(shared: &Arc<Shared>) -> Vec<FactoryError> {
    let mut failures = Vec::new();
    while let Some((node, undo)) = shared.last_undone() {
        shared.emit(|| Event::RollingBack { factory: &shared.plan.factories[node].name });
        let of_run = Arc::clone(shared);
        let undo_in = move || of_run.hooks.at(Points::COMMIT).try_for_each(|hook| hook.undo(&of_run, node));
        let forgotten = shared.pool.run(undo_in).await;
        let forgotten = forgotten.and_then(Result::err).map(Cause::Error);
        if let Some(cause) = undone(shared, node, undo).await.or(forgotten) {
            let failure =
                Failure { phase: Phase::Rollback, cause, attempts: 1, no_time: None, fallback: None };
            failures.push(shared.error_of(node, failure));
        }
    }
    if shared.writes_of_run().is_some_and(|writes| !writes.is_empty() || writes.has_unfinished()) {
        let of_run = Arc::clone(shared);
        let discard = move || {
            of_run.transaction().remove_unfinished();
            of_run.transaction().discard(|_| true)
        };
        let discarded = shared.pool.run(move || caught(discard)).await;
        let causes = match discarded {
            Some(Ok(errors)) => errors.into_iter().map(Cause::Error).collect(),
            Some(Err(panic)) => vec![Cause::from(panic)],
            None => Vec::new(),
        };
        for cause in causes {
            let failure =
                Failure { phase: Phase::Rollback, cause, attempts: 1, no_time: None, fallback: None };
            failures.push(of_no_factory(shared, failure));
        }
    }
    failures
}

/// Does the same as [`roll_back`], even if the caller is dropped.
pub(crate) async fn roll_back_for_certain(shared: &Arc<Shared>) -> Vec<FactoryError> {
    let mut failures = Vec::new();
    if shared.has_undone() {
        let of_task = Arc::clone(shared);
        shared.undo_in_task();
        let part = shared.part();
        let task = tokio::spawn(async move {
            let _part = part;
            roll_back(&of_task).await
        });
        // The task has no result if the runtime shuts down. The remaining work is then done here.
        failures = task.await.unwrap_or_default();
    }
    failures.extend(roll_back(shared).await);
    failures
}

/// Runs an undo function. Returns the cause if it failed.
pub(crate) async fn undone(shared: &Arc<Shared>, node: usize, undo: Undone) -> Option<Cause> {
    let current = Current { shared: Arc::clone(shared), owner: Owner { node, attempt: 0 } };
    let mut future = match caught(|| Box::pin(Scoped { current, future: undo() })) {
        Ok(future) => future,
        Err(panic) => return Some(panic.into()),
    };
    let polled = std::future::poll_fn(|cx| match caught(|| future.as_mut().poll(cx)) {
        Ok(std::task::Poll::Pending) => std::task::Poll::Pending,
        Ok(std::task::Poll::Ready(result)) => std::task::Poll::Ready(result.map_err(Cause::Error)),
        Err(panic) => std::task::Poll::Ready(Err(panic.into())),
    });
    polled.await.err()
}

impl Shared {
    /// `true` if there is anything to commit, or to delete with a commit.
    pub(crate) fn has_to_commit(&self) -> bool {
        self.hooks.at(Points::COMMIT).any(|hook| hook.has_to_commit())
            || self.writes_of_run().is_some_and(|writes| !writes.is_empty() || writes.has_unfinished())
    }

    /// `true` if the output of this factory was available: from this run or an earlier one.
    pub(crate) fn is_delivered(&self, node: usize) -> bool {
        self.records().nth(node).flatten().is_some_and(|record| {
            matches!(
                record.status,
                Status::Succeeded | Status::Restored | Status::Cached | Status::Merged | Status::NotSelected
            )
        })
    }

    /// `true` if the output of the factory comes from this attempt.
    fn has_delivered(&self, owner: Owner) -> bool {
        self.records().nth(owner.node).flatten().is_some_and(|record| {
            owner.attempt == EARLIER
                || (record.status == Status::Succeeded && record.delivered_by == owner.attempt)
        })
    }
}
