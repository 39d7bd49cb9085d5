//! A run from its beginning to its end.

use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::OwnedSemaphorePermit;
use uuid::Uuid;

use super::current::Current;
use super::error::{Failures, RunError};
use super::finish::{Written, commit, roll_back, roll_back_for_certain};
use super::handling::{self, Conduct};
use super::memory::Memory;
#[cfg(feature = "optimize")]
use super::optimized::rewrite;
use super::options::Options;
use super::outcome::{Outcome, Run};
use super::report::Report;
use super::resume;
use super::shared::{Launch, Shared, Why};
use super::signals::{Signals, has_timer, stop_after};
use super::step::BoxFuture;
use crate::base::panic::watch;

/// Runs a pipeline, from what was said of the run to what came of it.
pub(super) async fn run<P>(launch: Launch, mut options: Box<Options>) -> Outcome<P> {
    let Ok(runtime) = Handle::try_current() else {
        let pipeline = launch.plan.pipeline.to_string();
        return Outcome { run: None, error: Some(RunError::NoRuntime { pipeline }) };
    };
    let signals = options.cancel_on_ctrl_c.then(Signals::listen);
    if let Some(None) = signals {
        let pipeline = launch.plan.pipeline.to_string();
        let mistake =
            "`cancel_on_ctrl_c` needs a runtime that hears signals: call `enable_all` on its builder";
        let error = RunError::CannotStart { pipeline, mistakes: vec![mistake.to_owned()] };
        return Outcome { run: None, error: Some(error) };
    }
    let ready = match prepare(launch, &mut options) {
        Prepared::Ready(ready) => Ok(ready),
        Prepared::Later(ready) => ready.await,
        Prepared::Failed(error) => Err(error),
    };
    let Ready { shared, ending } = match ready {
        Ok(ready) => ready,
        Err(error) => return Outcome { run: None, error: Some(error) },
    };
    let attended = signals.flatten().map(|signals| signals.attend(&shared));
    let deadline = ending.deadline.map(|deadline| stop_after(&shared, deadline));
    let watched = super::memory::watch(&shared);
    let outer = Current::get().and_then(|current| {
        shared.set_outer(&current);
        current.shared.nest()
    });
    let mut unattended = Unattended { run: Some(Arc::clone(&shared)), runtime, outer };
    shared.run(&unattended.runtime).await;
    drop((deadline, watched));
    let outcome = finish(&shared, ending).await;
    unattended.run = None;
    if let Some(attended) = attended {
        attended.end(matches!(outcome.error, Some(RunError::Cancelled { .. })));
    }
    outcome
}

/// A run whose factories can begin.
struct Ready {
    shared: Arc<Shared>,
    ending: Ending,
}

enum Prepared {
    Ready(Ready),
    /// Files have to be read before.
    Later(BoxFuture<Result<Ready, RunError>>),
    Failed(RunError),
}

/// Puts together what is said of a run. What waits is apart, so that the future of a run is not made for it.
fn prepare(mut launch: Launch, options: &mut Options) -> Prepared {
    let mut conduct = match handling::of_run(&launch, options) {
        Ok(conduct) => conduct,
        Err(mistakes) => {
            let pipeline = launch.plan.pipeline.to_string();
            return Prepared::Failed(RunError::CannotStart { pipeline, mistakes });
        }
    };
    if options.deadline.is_some() && !has_timer() {
        let pipeline = launch.plan.pipeline.to_string();
        let mistake =
            "`deadline` needs a runtime with a timer: call `enable_time` or `enable_all` on its builder";
        return Prepared::Failed(RunError::CannotStart { pipeline, mistakes: vec![mistake.to_owned()] });
    }
    if let Some(limit) = options.memory_limit {
        let memory = Memory::new(limit, options.state_dir.as_deref());
        let mistakes = memory.objections(&launch, |node| conduct.policy(&launch.plan, node));
        if !mistakes.is_empty() {
            let pipeline = launch.plan.pipeline.to_string();
            return Prepared::Failed(RunError::CannotStart { pipeline, mistakes });
        }
        options.memory = Some(Box::new(memory));
    }
    watch();
    let has_files = conduct.has_checkpoints() || conduct.has_cached() || options.resume || options.learns();
    if has_files {
        return Prepared::Later(Box::pin(with_files(launch, conduct, std::mem::take(options))));
    }
    match rewrite(&mut launch, &mut conduct, options) {
        Ok(()) => Prepared::Ready(ready(launch, conduct, options)),
        Err(mistakes) => {
            let pipeline = launch.plan.pipeline.to_string();
            Prepared::Failed(RunError::CannotStart { pipeline, mistakes })
        }
    }
}

/// There is nobody who rewrites what is run.
#[cfg(not(feature = "optimize"))]
fn rewrite(_: &mut Launch, _: &mut Conduct, _: &mut Options) -> Result<(), Vec<String>> {
    Ok(())
}

fn ready(launch: Launch, conduct: Conduct, options: &mut Options) -> Ready {
    let ending = Ending {
        deadline: options.deadline,
        keeps_going: options.keep_going,
        commits_partial: options.commit_partial,
    };
    Ready { shared: Arc::new(Shared::new(launch, conduct, options)), ending }
}

/// Opens the checkpoints, the cache and the history of the pipeline, on a thread for blocking work.
async fn with_files(launch: Launch, conduct: Conduct, mut options: Options) -> Result<Ready, RunError> {
    let pipeline = launch.plan.pipeline.to_string();
    let cannot_start = |mistake| RunError::CannotStart { pipeline, mistakes: vec![mistake] };
    let run_id = Uuid::now_v7();
    options.run_id = Some(run_id);
    #[cfg(feature = "optimize")]
    let threads = Handle::try_current().map_or(1, |runtime| runtime.metrics().num_workers());
    let open = move || {
        let mut options = options;
        #[cfg(feature = "optimize")]
        let mut conduct = conduct;
        #[cfg(feature = "optimize")]
        if let Some(learning) = options.learning.take() {
            let at_once = options.concurrency.unwrap_or(threads).min(threads);
            let state = options.state_dir.clone();
            let how = super::learn::How::of(&options.optimizer, at_once);
            let mut learned = super::learn::before(&launch, &learning, state, how);
            if conduct.cache.is_by_cost() {
                learned.choose_cached(&launch, &mut conduct);
            }
            options.learned = Some(Box::new(learned));
        }
        let mut notes = Vec::new();
        let session = resume::open(&launch, &conduct, &options, run_id.to_string(), &mut notes);
        options.notes = notes;
        (session, launch, conduct, options)
    };
    let Ok((session, mut launch, mut conduct, mut options)) = tokio::task::spawn_blocking(open).await else {
        return Err(cannot_start("the tokio runtime is shut down".to_owned()));
    };
    match session {
        Ok(session) => options.session = session,
        Err(error) => return Err(cannot_start(format!("{error:#}"))),
    }
    rewrite(&mut launch, &mut conduct, &mut options).map_err(|mistakes| {
        let pipeline = launch.plan.pipeline.to_string();
        RunError::CannotStart { pipeline, mistakes }
    })?;
    Ok(ready(launch, conduct, &mut options))
}

/// What was said of the end of a run.
#[derive(Clone, Copy)]
struct Ending {
    deadline: Option<Duration>,
    keeps_going: bool,
    commits_partial: bool,
}

/// Ends a run whose factories have ended.
async fn finish<P>(shared: &Arc<Shared>, ending: Ending) -> Outcome<P> {
    shared.tell_outer();
    let mut failures = shared.take_failures();
    // It is moved often from here on.
    let mut report = Box::new(Report::of(shared));
    // What goes on after a failure ends early only when it is told to. A run that was told to end before its commit ends
    // without one, even if nothing was left to do: it would be late, or not wanted any more.
    let may_be_told_to = failures.is_empty() || ending.keeps_going;
    let stopped = may_be_told_to && shared.is_stopped();
    let mut interrupted = stopped || shared.was_interrupted();
    let kept_going = ending.keeps_going && !failures.is_empty() && report.succeeded() > 0;
    report.kept_going = kept_going && !interrupted;
    let mut unfinished = None;
    let mut commits = !interrupted && (failures.is_empty() || ending.commits_partial);
    // Most runs write nothing and succeed; what the others need is not to make every future larger.
    if commits && shared.has_to_commit() {
        // A dry run leaves to others what they have kept.
        let whole = failures.is_empty() && !shared.is_partial && !shared.is_dry();
        match Box::pin(commit(shared, whole)).await {
            Written::Committed(targets) => report.committed = targets,
            Written::RolledBack(failure) => {
                commits = false;
                // Only a runtime that shuts down keeps it from being tried.
                interrupted |= failure.is_none();
                failures.extend(failure);
            }
            Written::Unfinished(failure, committed) => {
                report.committed = committed;
                unfinished = Some(failure);
            }
        }
    }
    if commits {
        // What would have been undone may hold a context, and with it this run.
        shared.forget_undone();
    } else {
        let of_rollback = Box::pin(roll_back_for_certain(shared)).await;
        failures.extend(of_rollback);
    }
    #[cfg(feature = "optimize")]
    if shared.learning.is_some() {
        let succeeded = failures.is_empty() && !interrupted && unfinished.is_none();
        let ended = super::learn::Ended {
            succeeded,
            failures: &failures,
            unfinished: unfinished.as_ref(),
            interrupted: interrupted.then(|| shared.why()),
        };
        report.learned = Box::pin(super::learn::after(shared, &report, ended)).await.map(Box::new);
    }
    // A run that has not committed leaves its checkpoints to the next.
    if !commits && shared.session.as_ref().is_some_and(|session| session.has_checkpoints()) {
        let is_kept = |node: &usize| {
            shared.handling.get(*node).is_some_and(|handling| handling.policy.checkpoint)
                && shared.is_delivered(*node)
        };
        report.resumable = (0..shared.plan.factories.len()).filter(is_kept).collect();
    }
    let boxed = || report.clone();
    let error = if let Some(failure) = unfinished {
        failures.insert(0, failure);
        Some(RunError::CommitUnfinished { source: Failures(failures), report: boxed() })
    } else if interrupted {
        Some(match (shared.why(), ending.deadline) {
            (Why::Deadline, Some(deadline)) => {
                RunError::DeadlineExceeded { deadline, failures: Failures(failures), report: boxed() }
            }
            (Why::Memory, _) => RunError::MemoryExceeded {
                limit: shared.memory.as_ref().map_or(0, |memory| memory.report().limit),
                failures: Failures(failures),
                report: boxed(),
            },
            _ => RunError::Cancelled { failures: Failures(failures), report: boxed() },
        })
    } else if !failures.is_empty() {
        Some(RunError::Failed { failures: Failures(failures), report: boxed() })
    } else {
        None
    };
    let outputs = (0..shared.plan.factories.len()).map(|node| shared.kept_output(node)).collect();
    if error.is_some() {
        shared.drop_undelivered();
    }
    // Whoever still holds a context is no longer in this run.
    if let Some(session) = &shared.session {
        session.close();
    }
    let run = Run {
        plan: shared.plan.clone(),
        outputs,
        report,
        #[cfg(feature = "polars")]
        _spill: shared.memory.as_ref().and_then(|memory| memory.spilled()),
        pipeline: PhantomData,
    };
    Outcome { run: Some(run), error }
}

/// A run that nobody awaits any more, if it is dropped before its end: what it did is undone nevertheless.
struct Unattended {
    run: Option<Arc<Shared>>,
    /// It may be dropped elsewhere.
    runtime: Handle,
    /// Keeps the run from ending in one of whose factories this one was started.
    outer: Option<OwnedSemaphorePermit>,
}

impl Drop for Unattended {
    fn drop(&mut self) {
        let Some(shared) = self.run.take() else { return };
        let outer = self.outer.take();
        self.runtime.spawn(async move {
            let _outer = outer;
            // With the last of its blocking work, which may be its commit.
            shared.ended().await;
            if shared.is_decided() {
                shared.forget_undone();
            } else if !shared.is_undone_in_task() {
                // Nobody is left to tell of what could not be undone.
                roll_back(&shared).await;
            }
            if let Some(session) = &shared.session {
                session.close();
            }
        });
    }
}
