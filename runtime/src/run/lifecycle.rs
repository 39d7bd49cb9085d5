//! The run lifecycle, from request to outcome.

use std::marker::PhantomData;
use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::sync::OwnedSemaphorePermit;
use uuid::Uuid;

use super::current::Current;
use super::error::{Failures, RunError};
use super::event::RunStatus;
use super::extension::{Extensions, Mode};
use super::finish::{Written, commit, roll_back, roll_back_for_certain};
use super::hook::{Points, RunEnd};
use super::observer::Part;
use super::outcome::{Outcome, Run};
use super::prepare::{complete, open_files, opens_files, prepare};
use super::report::Report;
use super::request::Request;
use super::run_plan::{Ending, RunPlan};
use super::shared::{CancelReason, Launch, Shared};
use super::signals::{Signals, has_timer, stop_after};
use super::step::BoxFuture;
use crate::base::panic::{caught, watch};

/// Runs a pipeline, from its request to its outcome.
pub(crate) async fn run<P>(launch: Launch, mut request: Box<Request>, extensions: Extensions) -> Outcome<P> {
    let Ok(runtime) = Handle::try_current() else {
        let pipeline = launch.plan.pipeline.to_string();
        return Outcome { run: None, error: Some(RunError::NoRuntime { pipeline }) };
    };
    let signals = request.cancel_on_ctrl_c.then(Signals::listen);
    if let Some(None) = signals {
        let pipeline = launch.plan.pipeline.to_string();
        let mistake =
            "`cancel_on_ctrl_c` needs a runtime that hears signals: call `enable_all` on its builder";
        let error = RunError::CannotStart { pipeline, mistakes: vec![mistake.to_owned()] };
        return Outcome { run: None, error: Some(error) };
    }
    let ready = match begin(launch, &mut request, extensions) {
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
    let beside: Vec<_> = shared.hooks.all().filter_map(|hook| hook.begin(&shared)).collect();
    let current = Current::get();
    shared.emit_start(current.as_ref());
    let outer = current.and_then(|current| {
        shared.set_outer(&current);
        // It may be dropped before its end.
        shared.tell_outer();
        current.shared.nest()
    });
    let mut unattended = Unattended { run: Some(Arc::clone(&shared)), runtime, part: shared.part(), outer };
    shared.run(&unattended.runtime).await;
    drop((deadline, beside));
    let outcome = finish(&shared, ending).await;
    unattended.run = None;
    let makespan = outcome.report().map(Report::makespan).unwrap_or_default();
    shared.set_status(RunStatus::of(outcome.error()), makespan);
    drop(unattended);
    if let Some(attended) = attended {
        attended.end(matches!(outcome.error, Some(RunError::Cancelled { .. })));
    }
    outcome
}

/// A run whose factories can start.
struct Ready {
    shared: Arc<Shared>,
    ending: Ending,
}

enum Prepared {
    Ready(Ready),
    /// Files have to be read first.
    Later(BoxFuture<Result<Ready, RunError>>),
    Failed(RunError),
}

/// Plans a run and prepares it. The preparation with files is a separate future, to keep the future of other runs small.
fn begin(launch: Launch, request: &mut Request, extensions: Extensions) -> Prepared {
    let pipeline = launch.plan.clone();
    let failed = |mistakes| {
        Prepared::Failed(RunError::CannotStart { pipeline: pipeline.pipeline.to_string(), mistakes })
    };
    let mut run_plan = match prepare(launch, request, extensions) {
        Ok(run_plan) => run_plan,
        Err(mistakes) => return failed(mistakes),
    };
    if run_plan.ending.deadline.is_some() && !has_timer() {
        let mistake =
            "`deadline` needs a runtime with a timer: call `enable_time` or `enable_all` on its builder";
        return failed(vec![mistake.to_owned()]);
    }
    watch();
    if opens_files(&run_plan, request, extensions) {
        return Prepared::Later(Box::pin(with_files(run_plan, std::mem::take(request), extensions)));
    }
    match complete(&mut run_plan, request, extensions) {
        Ok(()) => Prepared::Ready(ready(run_plan, request)),
        Err(mistakes) => failed(mistakes),
    }
}

fn ready(run_plan: RunPlan, request: &mut Request) -> Ready {
    let ending = run_plan.ending;
    Ready { shared: Arc::new(Shared::new(run_plan, request)), ending }
}

/// Opens the files of the run on a blocking thread.
async fn with_files(
    mut run_plan: RunPlan,
    request: Request,
    extensions: Extensions,
) -> Result<Ready, RunError> {
    let pipeline = run_plan.plan().pipeline.to_string();
    let cannot_start = |mistakes| RunError::CannotStart { pipeline, mistakes };
    run_plan.run_id = Some(Uuid::now_v7());
    let open = move || {
        let result = open_files(&mut run_plan, &request, extensions, Mode::Run);
        (result, run_plan, request)
    };
    let (mut run_plan, mut request) = match opened(open).await {
        Ok((Ok(()), run_plan, request)) => (run_plan, request),
        Ok((Err(mistake), ..)) | Err(mistake) => return Err(cannot_start(vec![mistake])),
    };
    complete(&mut run_plan, &request, extensions).map_err(cannot_start)?;
    Ok(ready(run_plan, &mut request))
}

/// Calls `open` on a thread for blocking work. Returns a mistake if that is not possible, or if it panics.
async fn opened<R: Send + 'static>(open: impl FnOnce() -> R + Send + 'static) -> Result<R, String> {
    match tokio::task::spawn_blocking(|| caught(open)).await {
        Ok(opened) => opened.map_err(|panic| format!("its files cannot be opened: {panic}")),
        Err(_) => Err("the tokio runtime is shut down".to_owned()),
    }
}

/// Ends a run whose factories have ended.
async fn finish<P>(shared: &Arc<Shared>, ending: Ending) -> Outcome<P> {
    shared.tell_outer();
    shared.tell_not_run(0..shared.plan.factories.len());
    let mut failures = shared.take_failures();
    // Boxed, because it is moved often from here on.
    let mut report = Box::new(Report::of(shared));
    // A run that keeps going ends early only if it is cancelled. A run that was cancelled before its commit ends without one,
    // even if nothing was left to do: it would be too late, or is no longer wanted.
    let may_be_told_to = failures.is_empty() || ending.keeps_going;
    let stopped = may_be_told_to && shared.is_stopped();
    let mut interrupted = stopped || shared.was_interrupted();
    let kept_going = ending.keeps_going && !failures.is_empty() && report.succeeded() > 0;
    report.kept_going = kept_going && !interrupted;
    let mut unfinished = None;
    let mut commits = !interrupted && (failures.is_empty() || ending.commits_partial);
    // Most runs write nothing and succeed. A separate future keeps their own future small.
    if commits && shared.has_to_commit() {
        // A dry run leaves the kept outputs of other runs in place.
        let whole = failures.is_empty() && !shared.is_partial && !shared.is_dry();
        match Box::pin(commit(shared, whole)).await {
            Written::Committed(targets) => {
                report.committed = targets;
                report.notes.extend(shared.take_notes());
            }
            Written::RolledBack(failure) => {
                commits = false;
                // There is no failure only if the runtime shuts down.
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
        // The undo functions may hold a context, and with it this run.
        shared.forget_undone();
    } else {
        let of_rollback = Box::pin(roll_back_for_certain(shared)).await;
        failures.extend(of_rollback);
    }
    for hook in shared.hooks.at(Points::FINISH) {
        let ended = RunEnd {
            succeeded: failures.is_empty() && !interrupted && unfinished.is_none(),
            committed: commits,
            failures: &failures,
            unfinished: unfinished.as_ref(),
            interrupted: interrupted.then(|| shared.cancel_reason()),
        };
        hook.finish(shared, &mut report, ended).await;
    }
    shared.add_sections(&mut report);
    let boxed = || report.clone();
    let error = if let Some(failure) = unfinished {
        failures.insert(0, failure);
        Some(RunError::CommitUnfinished { source: Failures(failures), report: boxed() })
    } else if interrupted {
        Some(match (shared.cancel_reason(), ending.deadline) {
            (CancelReason::Deadline, Some(deadline)) => {
                RunError::DeadlineExceeded { deadline, failures: Failures(failures), report: boxed() }
            }
            (CancelReason::Memory, _) => RunError::MemoryExceeded {
                limit: report.memory().map_or(0, |memory| memory.limit),
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
    // A remaining context is no longer part of this run.
    shared.hooks.all().for_each(|hook| hook.close());
    let remains = shared.hooks.all().filter_map(|hook| hook.remains()).collect();
    let run = Run { plan: shared.plan.clone(), outputs, report, _remains: remains, pipeline: PhantomData };
    Outcome { run: Some(run), error }
}

/// Undoes the effects of a run that is dropped before its end.
struct Unattended {
    run: Option<Arc<Shared>>,
    /// The runtime for the work after the drop, which may happen on any thread.
    runtime: Handle,
    /// The end of the run for its observers.
    part: Part,
    /// Prevents the outer run from ending before this one.
    outer: Option<OwnedSemaphorePermit>,
}

impl Drop for Unattended {
    fn drop(&mut self) {
        let Some(shared) = self.run.take() else { return };
        shared.tell_outer();
        let (outer, part) = (self.outer.take(), std::mem::take(&mut self.part));
        self.runtime.spawn(async move {
            let (_outer, _part) = (outer, part);
            // This includes its last blocking work, which may be its commit.
            shared.ended().await;
            shared.tell_not_run(0..shared.plan.factories.len());
            if shared.is_decided() {
                shared.forget_undone();
            } else if !shared.is_undone_in_task() {
                // There is no receiver for errors of the rollback.
                roll_back(&shared).await;
            }
            shared.hooks.all().for_each(|hook| hook.close());
        });
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail loudly")]
mod tests {
    use super::opened;

    #[tokio::test]
    async fn a_panic_while_files_are_opened_is_said() {
        let mistake = opened(|| -> u8 { panic!("no such page") }).await.unwrap_err();
        assert!(mistake.contains("cannot be opened: panic") && mistake.contains("no such page"), "{mistake}");
        assert_eq!(opened(|| 1).await, Ok(1));
    }
}
