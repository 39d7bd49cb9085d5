//! Learning in a run: reads the history of its pipeline, and adds to it.
//!
//! A history that cannot be used never prevents a pipeline from running: the report mentions it.

mod ended;
mod evidence;
mod measured;
mod report;
#[cfg(test)]
mod tests;

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use crate::base::sync::held;
use crate::cache::{CachePolicy, CacheScope};
use crate::checkpoint::state_directory;
use crate::optimize::GathersQueries;
use crate::optimize::adapt::Adapting;
use crate::optimize::in_run::workers;
use crate::optimize::plan::Planned;
use crate::optimize::{
    Adaptation, Comparison, Drift, FactoryRecord, FactoryStatus, FileRecord, History, HistoryError, Learning,
    Optimizer, Pass, Prediction, Predictor, RunRecord,
};
use crate::plan::Source;
use crate::policy::Caching;
use crate::run::extension::{Extension, Mode};
use crate::run::factory_config::FactoryConfig;
use crate::run::hook::{BoxFutureOf, Hook, Points, RunEnd, find_mut};
use crate::run::report::{FactoryReport, Record, Report, Status};
use crate::run::request::Request;
use crate::run::run_builder::RunBuilder;
use crate::run::run_plan::RunPlan;
use crate::run::shared::{Launch, Shared};
use measured::{Measured, OfFactory};
pub use report::LearningReport;
use report::LearningSection;
use setl_learn::advisor::Advisor;
use setl_learn::history::{BatchRecord, ChoiceRun};
use setl_learn::keeping::{CacheDecision, worth_keeping};
use setl_learn::predict::LivePrediction;
use setl_learn::predict::RUNS;
use setl_learn::recommend::{self, recommend};

/// The data that is known before a run, and measured during it.
pub(crate) struct LearningState {
    path: PathBuf,
    began: SystemTime,
    workers: usize,
    /// The recorded code fingerprint of each factory.
    codes: Vec<String>,
    prediction: Option<Prediction>,
    /// Taken once the plan of the run is final.
    outlook: Option<LivePrediction>,
    adapting: Option<Mutex<Adapting>>,
    drifts: Vec<Drift>,
    set_aside: Option<PathBuf>,
    history_error: Option<String>,
    advisor: Advisor,
    measured: Measured,
    cache_decisions: Vec<CacheDecision>,
}

impl<P> RunBuilder<P> {
    /// Records the cost of this run, and predicts it from earlier runs. Factories start in critical-path order.
    pub fn learn(mut self, learning: Learning) -> Self {
        self.request.options.set(learning);
        self
    }
}

impl CachePolicy {
    /// Caches the factories that declare it, and those for which caching pays. Caching pays if the
    /// [history](crate::optimize::History) of the pipeline shows that computing the output takes at least three times as
    /// long as storing and loading it. If [`max_bytes`](Self::max_bytes) is less than all of them need, the factories
    /// that save the most seconds per byte are cached.
    ///
    /// The decision is made anew before each run. [`LearningReport::cache_decisions`] gives the decisions and their
    /// reasons. An output that was never measured or has no [size](crate::delivery::Inspect::bytes) is not cached. If a
    /// factory turns out to write while it runs, its output is not cached either. The run must
    /// [learn](crate::RunBuilder::learn), or it does not start.
    ///
    /// ```
    /// use setl::cache::CachePolicy;
    /// use setl::optimize::Learning;
    /// use setl::prelude::*;
    ///
    /// #[factory]
    /// fn train() -> Vec<f64> {
    ///     std::thread::sleep(std::time::Duration::from_millis(60)); // takes its time
    ///     vec![0.5]
    /// }
    ///
    /// #[factory]
    /// fn score(train: Vec<f64>) -> f64 {
    ///     train[0]
    /// }
    ///
    /// #[pipeline(all(train, score))]
    /// struct Nightly;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<()> {
    /// # let state = std::env::temp_dir().join(format!("setl-docs-by-cost-{}", std::process::id()));
    /// // The first is measured, the second is cached, the third takes it.
    /// for hits in [0, 0, 1] {
    ///     let run = Nightly.run().cache(CachePolicy::by_cost()).learn(Learning::new()).state_dir(&state).await?;
    ///     assert_eq!(run.report().cache().iter().map(|cache| cache.hits).sum::<u32>(), hits);
    ///     for factory in &run.learned().unwrap().cache_decisions {
    ///         println!("{factory}");
    ///     }
    /// }
    /// # std::fs::remove_dir_all(state)?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn by_cost() -> Self {
        Self { scope: Some(CacheScope::ByCost), ..Self::default() }
    }
}

/// Learning from runs, as an extension.
pub(crate) struct LearnsFromRuns;

impl Extension for LearnsFromRuns {
    fn prepare(&self, plan: &mut RunPlan, request: &Request) -> Result<(), Vec<String>> {
        if plan.cache.is_by_cost() && request.options.get::<Learning>().is_none() {
            return Err(vec![
                "`CachePolicy::by_cost()` needs to know what factories cost: add `.learn(Learning::new())` to the run"
                    .to_owned(),
            ]);
        }
        // The number of threads is unknown where files are opened.
        plan.options.set(Workers(workers(plan.concurrency)));
        Ok(())
    }

    fn opens(&self, _: &RunPlan, request: &Request) -> bool {
        request.options.get::<Learning>().is_some()
    }

    /// Reads the history of the pipeline, and decides which outputs are worth caching.
    fn open(&self, plan: &mut RunPlan, request: &Request, _: Mode) -> Result<(), String> {
        let Some(learning) = request.options.get::<Learning>() else { return Ok(()) };
        let Workers(workers) = plan.options.take().unwrap_or(Workers(1));
        let optimizer = plan.options.get::<Optimizer>().cloned().unwrap_or_default();
        let how = How {
            workers,
            gathers: plan.options.get::<GathersQueries>().is_some() && optimizer.has(Pass::Gather),
        };
        let mut state = before(&plan.launch, learning, plan.state_dir.clone(), how);
        if plan.cache.is_by_cost() {
            state.choose_cached(plan);
        }
        if let Some(prediction) = &state.prediction {
            plan.options.set(prediction.clone());
        }
        plan.hooks.push(Box::new(state));
        Ok(())
    }

    /// Prepares to change the order during the run, when the size of an output differs from its prediction.
    fn attach(&self, plan: &mut RunPlan) {
        let adapts =
            plan.options.get::<Optimizer>().is_some_and(|optimizer| optimizer.has(Pass::CriticalPath));
        let Some(planned) = plan.options.get::<Arc<Planned>>().filter(|_| adapts).cloned() else { return };
        if let Some(state) = find_mut::<LearningState>(&mut plan.hooks) {
            let adapting = |live| Mutex::new(Adapting::new(live, planned.after()));
            state.adapting = state.outlook.take().map(adapting);
        }
    }
}

/// The number of factories that can run at the same time.
struct Workers(usize);

impl Hook for LearningState {
    fn points(&self) -> Points {
        Points::ENDED.and(Points::MEASURE).and(Points::FINISH)
    }

    fn reads(&self, node: usize, path: &Path) {
        self.measured.reads(node, path);
    }

    fn delivers(&self, node: usize, bytes: Option<u64>) {
        self.measured.delivers(node, bytes);
    }

    fn waits(&self, node: usize) {
        self.measured.waits(node);
    }

    fn resumes(&self, node: usize) {
        self.measured.resumes(node);
    }

    fn advice(&self) -> Option<&dyn Any> {
        Some(&self.advisor)
    }

    /// Changes the order of the remaining factories if the size of an output differs from its prediction.
    fn ended(&self, run: &Shared, node: usize, record: &Record) {
        let delivered = matches!(record.status, Status::Succeeded | Status::Restored | Status::Cached);
        let Some(adapting) = self.adapting.as_ref().filter(|_| delivered) else { return };
        let bytes = self.measured.of(node).bytes_out;
        let rows = record.rows.known().map(|rows| rows as u64);
        // Held until the schedule has the new priorities, so that older ones do not replace them.
        let mut adapting = held(adapting.lock());
        let prefer = |priorities| run.schedule.prefer(priorities);
        adapting.delivered(node, rows, bytes, run.started.elapsed(), prefer);
    }

    fn finish<'run>(
        &'run self,
        run: &'run Arc<Shared>,
        report: &'run mut Report,
        ended: RunEnd<'run>,
    ) -> BoxFutureOf<'run, ()> {
        Box::pin(async move {
            let learned = self.after(run, report, ended).await;
            report.add(LearningSection(learned));
        })
    }
}

/// The properties of a run that affect its cost.
#[derive(Clone, Copy)]
pub(crate) struct How {
    /// The number of factories that can run at the same time.
    workers: usize,
    /// `true` if queries are run together.
    gathers: bool,
}

/// The code fingerprint of a factory with that of its fallback.
const fn with_fallback(code: u128, fallback: u128) -> u128 {
    // The order counts, and neither hides the other.
    code.rotate_left(1) ^ fallback.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)
}

/// Reads the history. This function blocks.
pub(crate) fn before(
    launch: &Launch,
    learning: &Learning,
    state: Option<PathBuf>,
    how: How,
) -> LearningState {
    let path = learning
        .path()
        .map_or_else(|| History::path_in(&state_directory(state.as_deref())), ToOwned::to_owned);
    let code = |step: &crate::run::Step| {
        let code =
            step.fallback.as_ref().map_or(step.code, |other| with_fallback(step.code, other.step.code));
        format!("{code:032x}")
    };
    let mut before = LearningState {
        path,
        began: SystemTime::now(),
        workers: how.workers,
        codes: launch.steps.iter().map(code).collect(),
        prediction: None,
        outlook: None,
        adapting: None,
        drifts: Vec::new(),
        set_aside: None,
        history_error: None,
        advisor: Advisor::default(),
        measured: Measured::new(launch.plan.factories.len()),
        cache_decisions: Vec::new(),
    };
    let predicted = || -> Result<_, HistoryError> {
        let history = History::open(&before.path)?;
        let aside = history.set_aside().map(ToOwned::to_owned);
        let choices = history.choices(&launch.plan.pipeline, RUNS)?;
        let mut predictor = Predictor::before_run(&history, &launch.plan.pipeline)?;
        if predictor.runs().is_empty() {
            return Ok((None, choices, aside));
        }
        for (factory, code) in launch.plan.factories.iter().zip(&before.codes) {
            predictor = predictor.code(&*factory.name, &**code);
        }
        let predictor = predictor.gathers(how.gathers);
        let sizes = learning.sizes().clone();
        Ok((Some(predictor.look_ahead(&(&*launch.plan).into(), sizes, how.workers)), choices, aside))
    };
    match predicted() {
        Ok((ahead, choices, aside)) => {
            before.set_aside = aside;
            if let Some((prediction, outlook, drifts)) = ahead {
                (before.prediction, before.outlook) = (Some(prediction), Some(outlook));
                before.drifts = drifts;
            }
            before.remember(choices);
        }
        Err(error) => before.history_error = Some(error.to_string()),
    }
    before
}

impl LearningState {
    fn remember(&mut self, choices: Vec<ChoiceRun>) {
        self.advisor = Advisor::of(choices);
    }

    fn adaptations(&self) -> Vec<Adaptation> {
        self.adapting.as_ref().map(|adapting| held(adapting.lock()).adaptations.clone()).unwrap_or_default()
    }

    /// Caches the outputs for which this pays.
    pub(crate) fn choose_cached(&mut self, plan: &mut RunPlan) {
        let Some(prediction) = &self.prediction else { return };
        let candidates = may_be_cached(plan);
        self.cache_decisions = worth_keeping(prediction, &candidates, plan.cache.limits().max_bytes);
        for (node, keeping) in candidates.iter().zip(&self.cache_decisions) {
            if keeping.is_kept {
                plan.factories[*node].policy.cache = Some(Caching::DEFAULT);
            }
        }
    }

    fn record(&self, shared: &Shared, report: &Report, ended: RunEnd<'_>) -> RunRecord {
        let mut run = RunRecord::new(report.run_id().to_string(), report.pipeline(), self.began);
        run.workers = self.workers;
        run.makespan = report.makespan();
        run.predicted.clone_from(&self.prediction);
        run.succeeded = ended.succeeded;
        run.error = ended::error(ended);
        run.peak_bytes = crate::memory::peak();
        run.cpu = self.measured.cpu();
        let entries = report.entries();
        let queries = Queries::of(report);
        let measured: Vec<_> = (0..entries.len()).map(|node| self.measured.of(node)).collect();
        for (node, (entry, code)) in entries.iter().zip(&self.codes).enumerate() {
            let mut record = FactoryRecord::new(&*entry.factory, &**code, entry.timing.total());
            record.status = entry.status.into();
            record.attempts = Some(entry.attempts);
            record.error = ended::error_of(ended, entry);
            record.rows_out = entry.rows.map(|rows| rows as u64);
            // The rows of all inputs must be known.
            record.rows_in = shared.plan.factories[node]
                .sources
                .iter()
                .filter_map(|source| match source {
                    Source::Factory(above) => Some(entries[*above].rows.map(|rows| rows as u64)),
                    Source::Input(_) | Source::Context => None,
                })
                .sum::<Option<u64>>()
                .filter(|rows| *rows > 0);
            let OfFactory { files, bytes_out, waited, .. } = &measured[node];
            record.files =
                files.iter().map(|(path, bytes)| FileRecord { path: path.clone(), bytes: *bytes }).collect();
            record.bytes_out = *bytes_out;
            record.bytes_in = bytes_in(shared, entries, &measured, node);
            if let Some(own) = queries.together.get(&entry.factory) {
                let alone = queries.alone.get(&entry.factory).copied().unwrap_or_default();
                (record.waited, record.queries) = (waited.saturating_sub(alone), *own);
            }
            let predicted = self.prediction.as_ref().and_then(|all| all.factories.get(node));
            record.predicted = predicted.filter(|of| of.in_query_of.is_none()).map(|of| of.wall.interval());
            run.factories.push(record);
        }
        run.batches = queries.batches;
        self.add_evidence(&mut run, shared, report);
        for part in report.queries().iter().flat_map(|queries| &queries.shared) {
            run.subplans.push(crate::optimize::SubplanRecord {
                fingerprint: part.fingerprint.clone(),
                consumers: part.factories.clone(),
                wall: part.wall,
                rows: Some(part.rows as u64),
                bytes: Some(part.bytes as u64),
                whole_of: part.whole_of.clone(),
            });
        }
        run
    }
}

impl From<Status> for FactoryStatus {
    fn from(status: Status) -> Self {
        match status {
            Status::Succeeded => Self::Succeeded,
            Status::Restored => Self::Restored,
            Status::Cached => Self::Cached,
            Status::Merged => Self::Merged,
            Status::Skipped => Self::Skipped,
            Status::Failed => Self::Failed,
            Status::Cancelled => Self::Cancelled,
            Status::NotRun => Self::NotRun,
            Status::NotSelected => Self::NotSelected,
        }
    }
}

/// The times of the queries of the factories of a run.
#[derive(Default)]
struct Queries {
    batches: Vec<BatchRecord>,
    /// For each factory whose queries were run with those of others, the time of its own queries.
    together: BTreeMap<String, Duration>,
    /// For each factory, the time of its queries that were run on their own.
    alone: BTreeMap<String, Duration>,
}

impl Queries {
    fn of(report: &Report) -> Self {
        let mut this = Self::default();
        for batch in report.queries() {
            let mut factories: Vec<String> = Vec::new();
            for factory in &batch.factories {
                if !factories.contains(factory) {
                    factories.push(factory.clone());
                }
            }
            if let [factory] = &factories[..] {
                *this.alone.entry(factory.clone()).or_default() += batch.wall;
                continue;
            }
            // Without a measurement, each query gets an equal share.
            let share = batch.wall / batch.factories.len().max(1) as u32;
            for (at, factory) in batch.factories.iter().enumerate() {
                let own = batch.queries.get(at).copied().unwrap_or(share);
                *this.together.entry(factory.clone()).or_default() += own;
            }
            this.batches.push(BatchRecord { factories, wall: batch.wall });
        }
        this
    }
}

/// The total input size of a factory in bytes: the files that it has read, and the deliveries whose size is known.
fn bytes_in(shared: &Shared, entries: &[FactoryReport], measured: &[OfFactory], node: usize) -> Option<u64> {
    let above = shared.plan.factories[node].all_sources().filter_map(|source| match source {
        Source::Factory(above) => Some(above),
        Source::Input(_) | Source::Context => None,
    });
    let above: BTreeSet<usize> = above.collect();
    // An output from an earlier run was not measured in this one.
    if above.iter().any(|&above| matches!(entries[above].status, Status::Cached | Status::Restored)) {
        return None;
    }
    let files = measured[node].files.values().copied();
    let delivered = above.iter().filter_map(|&above| measured[above].bytes_out);
    let parts: Vec<u64> = files.chain(delivered).collect();
    (!parts.is_empty()).then(|| parts.iter().sum())
}

impl LearningState {
    /// Adds a run to the history, and compares it with its prediction.
    async fn after(&self, shared: &Shared, report: &Report, ended: RunEnd<'_>) -> LearningReport {
        let before = self;
        let run = before.record(shared, report, ended);
        let from_earlier = run.factories.iter().any(|record| record.is_from_earlier());
        let compared = before.prediction.as_ref().filter(|_| !from_earlier);
        let comparison = compared.map(|prediction| Comparison::new(prediction, &run));
        let mut history_error = before.history_error.clone();
        let mut recommendations = Vec::new();
        // A partial run or a dry run is no example of a whole run.
        if history_error.is_none() && !shared.is_partial && !shared.is_dry() {
            let path = before.path.clone();
            let recorded = tokio::task::spawn_blocking(move || {
                let history = History::open(path)?;
                history.record(&run)?;
                Ok::<_, HistoryError>(recommend(&history.runs(&run.pipeline, recommend::LAST)?, &[]))
            });
            match recorded.await {
                Ok(Ok(recommended)) => recommendations = recommended,
                Ok(Err(error)) => history_error = Some(error.to_string()),
                // The runtime shuts down.
                Err(_) => {}
            }
        }
        LearningReport {
            prediction: before.prediction.clone(),
            comparison,
            adaptations: before.adaptations(),
            drifts: before.drifts.clone(),
            recommendations,
            cache_decisions: before.cache_decisions.clone(),
            set_aside: before.set_aside.clone(),
            history_error,
        }
    }
}

/// The factories that could be cached, and are not because of their options, the settings or the request: for these, the cost
/// decides.
fn may_be_cached(plan: &RunPlan) -> Vec<usize> {
    let may_be = |(node, config): (usize, &FactoryConfig)| {
        let by_settings = plan.effective.as_ref().and_then(|effective| effective.of_factory(node).cached);
        let can_be = !config.policy.volatile && (plan.launch.steps[node].persistence)().is_some();
        (config.selected && config.policy.cache.is_none() && by_settings != Some(false) && can_be)
            .then_some(node)
    };
    plan.factories.iter().enumerate().filter_map(may_be).collect()
}
