//! Checkpoints in a run: what is taken from an earlier one, and what is kept for a later one.

use std::path::Path;
use std::sync::Arc;

use super::error::Cause;
use super::executor::{Launch, Shared};
use super::handling::Conduct;
use super::panic::caught;
use super::report::{Phase, Timing};
use super::runner::Options;
use super::step::{Besides, Completed, Unfinished};
use crate::Result;
use crate::checkpoint::{
    Ended, How, Part, Session, Setup, Validity, fingerprints_of_inputs, state_directory, with_fallback,
};
use crate::commit::{KeptWrite, Owner, StagedFile, StagedWrite, Transaction};

/// The attempt that stands for those of earlier runs.
pub(super) const EARLIER: u32 = 0;

/// Opens the checkpoints of a pipeline, if the run has to do with any. It blocks.
///
/// # Errors
/// Why the run cannot start.
pub(super) fn open(
    launch: &Launch,
    conduct: &Conduct,
    options: &Options,
    run: String,
) -> Result<Option<Box<Session>>> {
    let plan = &launch.plan;
    let concerned = conduct.handling.iter().any(|handling| handling.selected && handling.policy.checkpoint);
    // A run of some factories is no fresh start, and leaves alone what a run of all has kept.
    if !concerned || (options.is_partial && !options.resume) {
        return Ok(None);
    }
    let factories = launch.steps.iter().zip(&conduct.handling).zip(plan.factories.iter()).map(
        |((step, handling), node)| How {
            code: step.fallback.as_ref().map_or(step.code, |other| with_fallback(step.code, other.step.code)),
            checkpoint: handling.policy.checkpoint,
            persistence: (step.persistence)(),
            content: (step.content)(),
            writes: !options.no_write && !plan.stages[node.stage].no_write,
        },
    );
    let factories: Vec<_> = factories.collect();
    let mut how = launch.fingerprints.clone();
    how.resize(launch.inputs.len(), None);
    let inputs = fingerprints_of_inputs(plan, &launch.inputs, &how, &factories)?;
    let setup = Setup {
        plan: plan.clone(),
        factories,
        inputs,
        state: state_directory(options.state_dir.as_deref()),
        run,
        resume: options.resume,
        can_reopen: |kept| {
            let kept =
                serde_json::from_value::<KeptWrite>(kept.clone()).map_err(|error| error.to_string())?;
            kept.reopen().map(drop).map_err(|error| format!("{error:#}"))
        },
    };
    // The commit of a dead run may have to be finished, which decides about its checkpoints.
    crate::commit::recover(&setup.state)?;
    let (session, discarded) = Session::open(setup)?;
    discard(discarded)?;
    Ok(Some(Box::new(session)))
}

/// Notes of each factory why its checkpoint cannot be used, if so.
pub(super) fn note_stale(shared: &Shared) {
    let Some(session) = &shared.session else { return };
    for (factory, validity) in session.validities() {
        let node = shared.plan.factories.iter().position(|node| node.name == factory);
        if let (Some(node), Validity::Stale { because }) = (node, validity) {
            shared.note(node, format!("its checkpoint was not used: {because}"));
        }
    }
}

/// Removes writes that were kept with checkpoints which are gone.
fn discard(kept: Vec<serde_json::Value>) -> Result<()> {
    kept.into_iter().try_for_each(|kept| serde_json::from_value::<KeptWrite>(kept)?.discard())
}

/// What becomes of a factory of which checkpoints may decide: none if it runs.
pub(super) async fn restored(
    shared: &Arc<Shared>,
    node: usize,
) -> Option<std::result::Result<Completed, Unfinished>> {
    shared.session.as_ref()?;
    let of_run = Arc::clone(shared);
    let part = shared.pool.run(move || caught(|| part_of(&of_run, node))).await;
    let ended = match part {
        Some(Ok(Ok(None))) => return None,
        Some(Ok(Ok(Some(Part::Restored(restored))))) => {
            let start = shared.started.elapsed();
            let timing = Timing { start, ..Timing::default() };
            Ok(Completed {
                output: restored.payload,
                timing,
                rows: restored.rows,
                besides: Some(Box::new(Besides { attempt: EARLIER, restored: true, ..Besides::default() })),
            })
        }
        Some(Ok(Ok(Some(_)))) => Err(Unfinished::LeftOut),
        Some(Ok(Err(error))) => {
            shared.phases[node].set(Phase::Checkpoint);
            Err(Unfinished::Error(error))
        }
        Some(Err(panic)) => Err(Unfinished::Error(anyhow::Error::msg(panic.line()))),
        None => Err(Unfinished::Cancelled(0)),
    };
    shared.release_all(node);
    Some(ended)
}

/// What becomes of a factory; none if it runs. Writes that were kept with its checkpoint become part of this run.
fn part_of(shared: &Shared, node: usize) -> Result<Option<Part>> {
    let Some(session) = &shared.session else { return Ok(None) };
    let part = session.ready(node);
    if matches!(part, Part::Runs) {
        return Ok(None);
    }
    let kept = session.kept_writes_of(node).into_iter().map(serde_json::from_value::<KeptWrite>);
    let kept = kept.collect::<std::result::Result<Vec<_>, _>>()?;
    if !kept.is_empty() {
        shared.transaction().adopt(Owner { node, attempt: EARLIER }, &kept)?;
    }
    Ok(Some(part))
}

/// Keeps what a factory has delivered, if it is a checkpoint.
pub(super) async fn kept(
    shared: &Arc<Shared>,
    owner: Owner,
    by_fallback: bool,
    wrote: bool,
    completed: Completed,
) -> std::result::Result<Completed, Cause> {
    let of_run = Arc::clone(shared);
    let keep = move || caught(|| keep(&of_run, owner, by_fallback, wrote, completed));
    match shared.pool.run(keep).await {
        Some(Ok(Ok(completed))) => Ok(completed),
        Some(Ok(Err(error))) => {
            shared.phases[owner.node].set(Phase::Checkpoint);
            Err(Cause::Error(error.context("cannot keep the output as a checkpoint")))
        }
        Some(Err(panic)) => Err(panic),
        None => Err(Cause::Error(anyhow::anyhow!("the tokio runtime is shut down"))),
    }
}

fn keep(
    shared: &Shared,
    owner: Owner,
    by_fallback: bool,
    wrote: bool,
    completed: Completed,
) -> Result<Completed> {
    let Some(session) = &shared.session else { return Ok(completed) };
    let Owner { node, .. } = owner;
    let writes = shared.writes_of_run();
    let staged = writes.is_some_and(|writes| writes.has_any_of(owner));
    let kept = match writes {
        Some(writes) if staged && session.is_checkpoint(node) => writes.keep(owner)?.unwrap_or_default(),
        _ => Vec::new(),
    };
    let kept = kept.iter().map(serde_json::to_value).collect::<std::result::Result<_, _>>()?;
    let ended = Ended {
        payload: completed.output,
        rows: completed.rows,
        by_fallback,
        wrote: staged || wrote,
        kept_writes: kept,
    };
    let (output, discarded) = session.delivered(node, ended)?;
    discard(discarded)?;
    Ok(Completed { output, ..completed })
}

/// Has the commit of a run say that its checkpoints are forgotten, so that both come true in one step: a run that was killed
/// right after its commit is not resumed, which would write everything again. Gives the target of that write. It blocks.
pub(super) fn mark_forgotten(shared: &Shared) -> Result<Option<String>> {
    let Some(session) = shared.session.as_ref().filter(|_| !shared.is_partial) else { return Ok(None) };
    if shared.writes_of_run().is_none_or(Transaction::is_empty) {
        return Ok(None);
    }
    let mark = StagedFile::beside(session.mark())?;
    std::fs::write(mark.path(), shared.run_id.to_string())?;
    let target = mark.target();
    shared.transaction().enlist(Owner { node: 0, attempt: EARLIER }, Box::new(mark))?;
    Ok(Some(target))
}

/// Forgets the checkpoints of a pipeline whose run has succeeded: what they held is committed. It blocks.
pub(super) fn forget(shared: &Shared) -> Result<()> {
    match &shared.session {
        Some(session) if !shared.is_partial => discard(session.succeeded()?),
        _ => Ok(()),
    }
}

/// Forgets the checkpoint of a factory, since what it did is undone. It blocks.
pub(super) fn forget_undone(shared: &Shared, node: usize) -> Result<()> {
    match &shared.session {
        Some(session) => discard(session.undone(node)?),
        None => Ok(()),
    }
}

/// Records that the factory for which this thread works reads a file or directory, or a place of which nobody can tell
/// whether it changes.
pub(crate) fn record_read(path: Option<&Path>, place: impl FnOnce() -> String) -> Result<()> {
    let Some(current) = super::current::Current::get() else { return Ok(()) };
    let Some(session) = &current.shared.session else { return Ok(()) };
    let reads = session.reads(current.owner.node);
    match path {
        Some(path) => {
            let record = reads.record(path);
            record.map_err(|error| {
                anyhow::Error::new(error)
                    .context(format!("cannot take the fingerprint of {}", path.display()))
            })
        }
        None => {
            reads.record_unknown(place());
            Ok(())
        }
    }
}
