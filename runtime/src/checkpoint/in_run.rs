//! Checkpoints and the cache in a run: outputs that are taken from an earlier run, and outputs that are kept for a later one.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::Result;
use crate::base::panic::caught;
use crate::cache::{Cache, CacheSection};
use crate::checkpoint::{
    CacheFor, Code, Ended, From, How, Kept, Part, Reads, Session, Setup, Store, fingerprints_of_inputs,
    state_directory,
};
use crate::run::current::{Current, measure};
use crate::run::error::Cause;
use crate::run::extension::{Extension, Mode};
use crate::run::hook::{Attempt, BoxFutureOf, Hook, Points, RunEnd};
use crate::run::report::{Nanos, Phase, Record, Report, Status, duration, nanos};
use crate::run::request::Request;
use crate::run::rows::Rows;
use crate::run::run_plan::RunPlan;
use crate::run::shared::Shared;
use crate::run::step::{Besides, Completed, EARLIER, Outcome, Unfinished};
use setl_commit::state::{check, is_insecure};
use setl_commit::{KeptWrite, Owner, StagedFile, StagedWrite, Transaction, WriteError};

/// Checkpoints and the cache of runs, as an extension.
pub(crate) struct Persistence;

impl Extension for Persistence {
    fn opens(&self, plan: &RunPlan, request: &Request) -> bool {
        plan.has_checkpoints() || plan.has_cached() || request.resume
    }

    fn open(&self, plan: &mut RunPlan, request: &Request, mode: Mode) -> std::result::Result<(), String> {
        // Opening changes files, and decides nothing that is explained.
        if mode == Mode::Explain || !self.opens(plan, request) {
            return Ok(());
        }
        let run = plan.run_id.map(|id| id.to_string()).unwrap_or_default();
        let mut notes = Vec::new();
        let session = open(plan, request, run, &mut notes).map_err(|error| format!("{error:#}"))?;
        plan.notes.extend(notes);
        if let Some(session) = session {
            plan.hooks.push(session);
        }
        Ok(())
    }
}

impl Hook for Session {
    fn points(&self) -> Points {
        let of_all = Points::RESOLVE.and(Points::KEEP).and(Points::ENDED).and(Points::COMMIT);
        of_all.and(Points::EFFECTS).and(Points::FINISH)
    }

    fn resolve<'run>(&'run self, run: &'run Arc<Shared>, node: usize) -> BoxFutureOf<'run, Option<Outcome>> {
        Box::pin(restored(run, node))
    }

    fn keep<'run>(
        &'run self,
        run: &'run Arc<Shared>,
        attempt: Attempt,
        completed: Completed,
    ) -> BoxFutureOf<'run, std::result::Result<Completed, Cause>> {
        Box::pin(kept(run, attempt, completed))
    }

    fn ended(&self, _: &Shared, node: usize, record: &Record) {
        if record.status == Status::Skipped {
            self.skipped(node);
        }
    }

    fn has_to_commit(&self) -> bool {
        self.has_checkpoints()
    }

    /// Adds the state of the checkpoints to the commit of a run, so that both change in one step. Otherwise a run that was killed
    /// right after its commit would be resumed, and would write everything again. A run that is not `whole` keeps its checkpoints,
    /// and records in them the factories whose writes are committed. Returns the targets of these writes. This function blocks.
    fn seal(&self, run: &Shared, whole: bool) -> Result<Vec<String>> {
        let marks = match whole {
            true if run.writes_of_run().is_none_or(Transaction::is_empty) => Vec::new(),
            true => self.mark().into_iter().map(|mark| (mark, run.run_id.to_string())).collect(),
            false => self.marks(|node| run.is_delivered(node)),
        };
        let mut targets = Vec::new();
        for (path, text) in marks {
            let mark = StagedFile::beside(path)?;
            setl_commit::state::make_private(mark.path())?;
            std::fs::write(mark.path(), text)?;
            targets.push(mark.target());
            run.transaction().enlist(Owner { node: 0, attempt: EARLIER }, Box::new(mark))?;
        }
        Ok(targets)
    }

    /// Deletes the checkpoints of a pipeline whose run has succeeded, because their content is committed. Files that cannot be
    /// removed now are removed by the next run, which finds the mark. This function blocks.
    fn committed(&self, _: &Shared) {
        drop(self.succeeded());
    }

    /// Deletes the checkpoint of a factory whose effects are undone. This function blocks.
    fn undo(&self, run: &Shared, node: usize) -> Result<()> {
        if let Some(writes) = run.writes_of_run() {
            writes.unkeep(|of| of.node == node);
        }
        Ok(self.undone(node)?)
    }

    fn acted(&self, node: usize) {
        self.reads(node).record_act();
    }

    fn nested_ended(&self, node: usize, inner: &Shared) {
        for (factory, record) in inner.plan.factories.iter().zip(inner.records()) {
            if factory.policy.volatile && record.is_some() {
                self.reads(node).record_unknown(format!(
                    "what `{}` of pipeline `{}` delivers, which is volatile",
                    factory.name, inner.plan.pipeline
                ));
            }
        }
        if let Some(inner) = inner.hook::<Session>() {
            self.reads(node).record_all(&inner.all_reads());
        }
    }

    fn report(&self, _: &Shared, report: &mut Report) {
        report.add(CacheSection(self.cache_reports()));
    }

    /// A run without a commit leaves its checkpoints to the next run.
    fn finish<'run>(
        &'run self,
        run: &'run Arc<Shared>,
        report: &'run mut Report,
        ended: RunEnd<'run>,
    ) -> BoxFutureOf<'run, ()> {
        if !ended.committed && self.has_checkpoints() {
            let is_kept = |node: &usize| {
                run.configs.get(*node).is_some_and(|config| config.policy.checkpoint)
                    && run.is_delivered(*node)
            };
            report.resumable = (0..run.plan.factories.len()).filter(is_kept).collect();
        }
        Box::pin(std::future::ready(()))
    }

    fn close(&self) {
        Session::close(self);
    }
}

impl Current {
    /// Calls `record` with the reads of this factory, and with the reads of the factory that started its run, and so on, if
    /// outputs that depend on them are kept.
    pub(crate) fn record(&self, mut record: impl FnMut(&Reads)) {
        let mut current = Some(self);
        while let Some(Current { shared, owner }) = current {
            if let Some(session) = shared.hook::<Session>() {
                record(session.reads(owner.node));
            }
            current = shared.outer.get();
        }
    }
}

/// Opens the checkpoints and the cache of a pipeline, if the run uses them. This function blocks.
///
/// `notes` receives the remarks for the report about commits of earlier runs.
///
/// # Errors
/// When the run cannot start. A problem with the cache never prevents it.
pub(crate) fn open(
    run_plan: &RunPlan,
    request: &Request,
    run: String,
    notes: &mut Vec<String>,
) -> Result<Option<Box<Session>>> {
    let launch = &run_plan.launch;
    let plan = &launch.plan;
    let state = state_directory(run_plan.state_dir.as_deref());
    let is_there = || Store::directory_of(&state, &plan.pipeline).exists();
    // The kept output of a factory with a replacement is not the output of the replacement.
    if !request.replacements.is_empty() {
        return Ok(None);
    }
    // A partial run, or one that writes nothing, is no new beginning, and leaves the kept outputs of a whole run in place.
    let concerned = request.resume || !(run_plan.is_partial || request.no_write);
    let checkpoints = concerned && (run_plan.has_checkpoints() || (request.resume && is_there()));
    if !checkpoints && !run_plan.has_cached() {
        return Ok(None);
    }
    // This check comes before any content is trusted. Other problems are reported where the directory is needed.
    match check(&state) {
        Err(error) if is_insecure(&error) => return Err(error.into()),
        _ => {}
    }
    let limits = run_plan.cache.limits();
    let cache = run_plan.has_cached().then(|| Cache::new(&state, &plan.pipeline, &run, limits));
    let store = checkpoints.then(|| Store::open(&state, &plan.pipeline, run)).transpose()?;
    if store.is_some() {
        // The commit of a dead run may have to be completed, which decides about its checkpoints. Another run that is refused
        // here does not see it incomplete.
        notes.extend(setl_commit::notes_of(&setl_commit::recover(&state)?));
    }
    let factories = launch.steps.iter().zip(&run_plan.factories).zip(plan.factories.iter()).enumerate().map(
        |(index, ((step, config), node))| How {
            code: Code::of(step, config.policy.code.unwrap_or_default()),
            checkpoint: config.policy.checkpoint,
            cache: config.policy.cache.map(|caching| CacheFor {
                max_age: caching.max_age.unwrap_or(limits.max_age),
                is_own: caching.max_age.is_some(),
            }),
            // A dry run cannot find out whether the factory would have written.
            adds: !request.no_write,
            persistence: (step.persistence)(),
            content: (step.content)(),
            writes: !request.is_without_write(index) && !plan.stages[node.stage].no_write,
            selected: config.selected,
            enabled: config.enabled,
        },
    );
    let factories: Vec<_> = factories.collect();
    let mut how = launch.fingerprints.clone();
    how.resize(launch.inputs.len(), None);
    let counts = factories.iter().zip(plan.factories.iter());
    let is_kept = |factory: &str| store.as_ref().is_some_and(|store| request.resume && store.has(factory));
    let counts = counts.map(|(how, node)| how.checkpoint || how.cache.is_some() || is_kept(&node.name));
    let inputs = fingerprints_of_inputs(plan, &launch.inputs, &how, counts.collect(), store.is_none())?;
    let kept = Kept {
        check: |kept| {
            let kept =
                serde_json::from_value::<KeptWrite>(kept.clone()).map_err(|error| error.to_string())?;
            kept.reopen().map(drop).map_err(|error| not_used(&error))
        },
        discard: |kept| serde_json::from_value::<KeptWrite>(kept.clone())?.discard(),
    };
    let setup = Setup { plan: plan.clone(), factories, inputs, resume: request.resume, kept, cache };
    Ok(Some(Box::new(Session::open(setup, store)?)))
}

/// The reason why a kept write cannot become part of this run. The advice for other callers is left out, because this run follows
/// it.
fn not_used(error: &crate::Error) -> String {
    match error.downcast_ref() {
        Some(WriteError::Changed { target }) => {
            format!("{target} has been changed by somebody else since the rows for it were made")
        }
        _ => format!("{error:#}"),
    }
}

/// The result of a factory if a checkpoint or the cache decides it. `None` if it runs.
async fn restored(shared: &Arc<Shared>, node: usize) -> Option<Outcome> {
    let of_run = Arc::clone(shared);
    let part = shared.pool.run(move || caught(|| part_of(&of_run, node))).await;
    let ended = match part {
        Some(Ok(Ok(None))) => return None,
        Some(Ok(Ok(Some(Part::Restored(restored))))) => {
            let start = shared.started.elapsed();
            let timing = Nanos { start: nanos(start), ..Nanos::default() };
            // For a query that was run when it was stored, only the time to build it is known.
            if restored.from == From::Cache && !restored.took.is_zero() {
                shared.note(node, format!("took {} when it was computed", duration(restored.took)));
            }
            let earlier = Some(restored.from);
            Ok(Completed {
                output: restored.payload,
                timing,
                rows: restored.rows.into(),
                besides: Some(Box::new(Besides { attempt: EARLIER, earlier, ..Besides::default() })),
                spare: None,
            })
        }
        Some(Ok(Ok(Some(_)))) => Err(Unfinished::LeftOut),
        Some(Ok(Err(error))) => {
            shared.phases[node].set(Phase::Checkpoint);
            Err(Unfinished::Error(error))
        }
        Some(Err(panic)) => Err(Unfinished::Error(anyhow::Error::msg(panic.to_string()))),
        None => Err(Unfinished::Cancelled(0)),
    };
    shared.release_all(node);
    Some(ended)
}

/// The decision of checkpoints and cache about a factory. `None` if it runs. Writes that were kept with its checkpoint become
/// part of this run.
fn part_of(shared: &Shared, node: usize) -> Result<Option<Part>> {
    let Some(session) = shared.hook::<Session>() else { return Ok(None) };
    let part = session.ready(node);
    if matches!(part, Part::Runs) {
        if let Some(because) = session.objection(node) {
            shared.note(node, format!("its checkpoint was not used: {because}"));
        }
        if let Some(because) = session.cache_objection(node) {
            shared.note(node, format!("not taken from the cache: {because}"));
        }
        return Ok(None);
    }
    let kept = session.adopt_writes(node).into_iter().map(serde_json::from_value::<KeptWrite>);
    let kept = kept.collect::<std::result::Result<Vec<_>, _>>()?;
    if !kept.is_empty() {
        shared.acts_in_outer();
        shared.transaction().adopt(Owner { node, attempt: EARLIER }, &kept)?;
    }
    Ok(Some(part))
}

/// Keeps the output of a factory if it is a checkpoint or cached.
async fn kept(
    shared: &Arc<Shared>,
    attempt: Attempt,
    completed: Completed,
) -> std::result::Result<Completed, Cause> {
    let of_run = Arc::clone(shared);
    let keep = move || caught(|| keep(&of_run, attempt, completed));
    match shared.pool.run(keep).await {
        Some(Ok(Ok(completed))) => Ok(completed),
        Some(Ok(Err(error))) => {
            shared.phases[attempt.owner.node].set(Phase::Checkpoint);
            Err(Cause::Error(error.context("cannot keep the output as a checkpoint")))
        }
        Some(Err(panic)) => Err(panic.into()),
        None => Err(Cause::Error(anyhow::anyhow!("the tokio runtime is shut down"))),
    }
}

fn keep(shared: &Shared, attempt: Attempt, completed: Completed) -> Result<Completed> {
    let Some(session) = shared.hook::<Session>() else { return Ok(completed) };
    let Attempt { owner, by_fallback, wrote } = attempt;
    let Owner { node, .. } = owner;
    let writes = shared.writes_of_run();
    let staged = writes.is_some_and(|writes| writes.has_any_of(owner));
    let mut kept_writes = Vec::new();
    if let Some(writes) = writes.filter(|_| staged && session.keeps(node)) {
        let values = |kept: &[KeptWrite]| -> Result<Vec<_>> {
            Ok(kept.iter().map(serde_json::to_value).collect::<std::result::Result<_, _>>()?)
        };
        let kept = writes.keep(owner, |kept| Ok(session.intend(&values(kept)?)?))?;
        kept_writes = values(&kept.unwrap_or_default())?;
    }
    let wrote = staged || wrote;
    let acted = wrote || completed.besides.as_ref().is_some_and(|besides| besides.writes);
    let took = match completed.rows {
        Rows::Lazy => Duration::ZERO,
        Rows::Known(_) | Rows::Unknown => completed.timing.total().saturating_sub(shared.waited(node)),
    };
    let mut ended = Ended {
        payload: completed.output,
        rows: completed.rows.known(),
        by_fallback,
        wrote,
        acted,
        took,
        kept_writes,
    };
    cache(shared, session, node, &mut ended);
    match session.delivered(node, ended) {
        Ok(output) => Ok(Completed { output, ..completed }),
        Err(error) => {
            if let Some(writes) = writes {
                writes.unkeep(|of| of == owner);
            }
            Err(error)
        }
    }
}

/// Adds the output of a factory to the cache. The output stays delivered, even if this fails.
fn cache(shared: &Shared, session: &Session, node: usize, ended: &mut Ended) {
    let because = match caught(|| session.cache(node, ended)) {
        Ok((payload, because)) => {
            ended.payload = payload;
            because
        }
        Err(panic) => {
            let because = panic.to_string();
            session.not_cached(node, because.clone());
            Some(because)
        }
    };
    if let Some(because) = because {
        shared.note(node, format!("not cached: {because}"));
    }
}

/// Records that the current factory has an effect outside of the run that is never undone.
pub(crate) fn record_act() {
    if let Some(current) = Current::get() {
        current.record(Reads::record_act);
    }
}

/// Records that the current factory reads a file or directory, or a place whose changes cannot be detected.
pub(crate) fn record_read(path: Option<&Path>, place: impl FnOnce() -> String) -> Result<()> {
    if let Some(path) = path {
        measure(|hook, node| hook.reads(node, path));
    }
    record_look(path, place)
}

/// Does the same as [`record_read`], for a place that is inspected without reading its content.
pub(crate) fn record_look(path: Option<&Path>, place: impl FnOnce() -> String) -> Result<()> {
    let Some(current) = Current::get() else { return Ok(()) };
    let mut result = Ok(());
    let mut place = Some(place);
    let mut unknown = String::new();
    current.record(|reads| match path {
        Some(path) => {
            let recorded = reads.record(path);
            if let (Ok(()), Err(error)) = (&result, recorded) {
                result = Err(anyhow::Error::new(error)
                    .context(format!("cannot take the fingerprint of {}", path.display())));
            }
        }
        None => {
            if let Some(place) = place.take() {
                unknown = place();
            }
            reads.record_unknown(&*unknown);
        }
    });
    result
}
