//! Predicts the cost of the next run of a pipeline.
//!
//! Each factory has [models](super::model) of its time and of its output, at the size of its input. That size is [given](Sizes),
//! or follows from the predicted outputs of its upstream factories. An uncertain size makes the time less certain: with slope b
//! and a size whose logarithm has the standard deviation s, b·s is added to the scale in quadrature.
//!
//! The makespan comes from [simulations](super::simulate()) in which all times are drawn at random. The factories of one run are
//! slow together if the machine is slow: their common share of the variance is the mean product of the residuals of two factories
//! in one run. The overhead of a run beyond the times of its factories, such as the commit, is learned from earlier runs, as the
//! logarithm of the makespan over that of a simulation with the measured times.

mod compare;
mod outlook;
mod past;
mod show;
mod sizes;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::drift::Drift;
use super::history::{History, HistoryError, RunRecord};
use super::model::{Basis, Estimate, Interval, Model, Quantity, StudentT};
use super::simulate::{Costs, FactoryGraph, Spread, critical_path, simulate, spread, upward_rank};
pub use compare::{Comparison, Coverage};
pub use outlook::{LivePrediction, Surprise};
use past::Past;
pub use sizes::Sizes;
use sizes::{Size, Uncertain};

/// The number of the latest runs that are considered. Older ones would count for less than a thousandth of a new one.
pub const RUNS: usize = 200;

/// The number of the latest runs whose files are read. Files of earlier runs are not needed.
const FILES: usize = 20;

/// The predicted cost of the next run of a pipeline. Prints as a table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Prediction {
    /// The pipeline.
    pub pipeline: String,
    /// The number of factories that can run at the same time.
    pub workers: usize,
    /// The seconds from the start of the run to its end.
    pub makespan: Interval,
    /// The maximum size of the outputs in memory, in bytes, if the size of any output is known.
    pub peak_bytes: Option<Interval>,
    /// The smallest number of measurements of a factory on the critical path.
    pub basis: Basis,
    /// The factories, in the order of the plan.
    pub factories: Vec<FactoryPrediction>,
    /// The batches of queries that are run together, if they are as in the last run.
    #[serde(default)]
    pub batches: Vec<BatchPrediction>,
}

/// The predicted cost of queries that are run together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BatchPrediction {
    /// The factories that wait for the queries.
    pub factories: Vec<String>,
    /// The seconds from the start of the first query to the end of the last.
    pub wall: Estimate,
}

/// The predicted cost of one factory in the next run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FactoryPrediction {
    /// The name of the factory.
    pub factory: String,
    /// The seconds from its start to its end. For queries that are run together with those of other factories, only the time of
    /// its own queries counts.
    pub wall: Estimate,
    /// The bytes of its input, including the files that it reads, if they are known or predicted.
    #[serde(default)]
    pub bytes_in: Option<f64>,
    /// The rows of its output, if they were ever counted.
    pub rows_out: Option<Estimate>,
    /// The bytes of its output, if they were ever measured.
    pub bytes_out: Option<Estimate>,
    /// The seconds from the start of the run to the start of the factory, if each time is the most likely one.
    pub start: f64,
    /// Its [upward rank](upward_rank), in seconds: the higher, the more urgent.
    pub priority: f64,
    /// `true` if the factory is on the critical path: the run takes longer if the factory does, with enough workers.
    pub critical: bool,
    /// The factory whose query does the work of this one, if it was so in the last run. This factory then takes no time of its
    /// own.
    pub in_query_of: Option<String>,
}

/// Predicts the runs of one pipeline from its earlier runs.
///
/// ```
/// use std::time::{Duration, SystemTime};
///
/// use setl_learn::{Basis, FactoryGraph, FactoryRecord, Predictor, RunRecord, Sizes};
///
/// let run = |day: u32| {
///     let mut run = RunRecord::new(day.to_string(), "Nightly", SystemTime::UNIX_EPOCH);
///     let mut read = FactoryRecord::new("read", "c0de", Duration::from_secs(2));
///     read.bytes_in = Some(1_000_000);
///     run.factories = vec![read, FactoryRecord::new("count", "c0de", Duration::from_secs(1))];
///     run.makespan = Duration::from_secs(3);
///     run
/// };
/// let predictor = Predictor::of_runs("Nightly", (0..10).map(run).collect());
/// let nightly = FactoryGraph::new(["read", "count"], &[(0, 1)]);
/// let prediction = predictor.predict(nightly, &Sizes::new().bytes("read", 2_000_000), 4);
/// assert_eq!(prediction.basis, Basis::Observed(10));
/// assert!(prediction.makespan.contains(5.0)); // twice as much to read
/// println!("{prediction}");
/// ```
#[derive(Clone, Debug)]
pub struct Predictor {
    pipeline: String,
    runs: Vec<RunRecord>,
    codes: BTreeMap<String, String>,
    gathers: bool,
}

impl Predictor {
    /// Learns from the last [`RUNS`] runs of a pipeline.
    ///
    /// # Errors
    /// When the history cannot be read, or is damaged.
    pub fn new(history: &History, pipeline: &str) -> Result<Self, HistoryError> {
        Ok(Self::of_runs(pipeline, history.runs(pipeline, RUNS)?))
    }

    /// Does the same as [`Predictor::new`], but reads only the data that a prediction needs: for instance, no earlier
    /// predictions.
    pub fn before_run(history: &History, pipeline: &str) -> Result<Self, HistoryError> {
        Ok(Self::of_runs(pipeline, history.measured(pipeline, RUNS, FILES)?))
    }

    /// Learns from these runs, the oldest first.
    pub fn of_runs(pipeline: impl Into<String>, runs: Vec<RunRecord>) -> Self {
        Self { pipeline: pipeline.into(), runs, codes: BTreeMap::new(), gathers: true }
    }

    /// Sets the present code of a factory: measurements of other code count less. Default: the code of the last run.
    #[must_use]
    pub fn code(mut self, factory: impl Into<String>, code: impl Into<String>) -> Self {
        self.codes.insert(factory.into(), code.into());
        self
    }

    /// The runs on which predictions rest, the oldest first.
    pub fn runs(&self) -> &[RunRecord] {
        &self.runs
    }

    /// Predicts the cost of a run of `plan` with at most `workers` factories at the same time.
    pub fn predict(&self, plan: impl Into<FactoryGraph>, sizes: &Sizes, workers: usize) -> Prediction {
        self.outlook(&self.past(), &plan.into(), sizes, workers).0
    }

    /// Answers all questions of a run before it begins: the predicted cost with the present file sizes, the data for predictions
    /// during the run, and the recent changes. This function blocks.
    pub fn look_ahead(
        &self,
        plan: &FactoryGraph,
        mut sizes: Sizes,
        workers: usize,
    ) -> (Prediction, LivePrediction, Vec<Drift>) {
        let past = self.past();
        past.look_up(&mut sizes);
        let (prediction, outlook) = self.outlook(&past, plan, &sizes, workers);
        (prediction, outlook, past.news())
    }

    fn outlook(
        &self,
        past: &Past<'_>,
        plan: &FactoryGraph,
        sizes: &Sizes,
        workers: usize,
    ) -> (Prediction, LivePrediction) {
        let graph = plan.graph.clone();
        let overhead = past.overhead(plan, &graph);
        let members = if self.gathers { past.batches(plan) } else { Vec::new() };
        let graph = graph.with_batches(&members);
        // Batches that the graph leaves out are left out here, too.
        let members = &members[..graph.batches()];
        let mut known: Vec<Known> = plan.names.iter().map(|_| Known::default()).collect();
        let mut models: Vec<Models> = plan.names.iter().map(|_| Models::default()).collect();
        for node in plan.factory_order() {
            let name: &str = &plan.names[node];
            let size = sizes.of(name, graph.sources(node), &known);
            let waits = members.iter().any(|batch| batch.contains(&node));
            models[node] = Models::of(past, name, &size, waits);
            known[node] = models[node].at(&size);
        }
        let outlook = LivePrediction::new(plan, sizes, models, known.clone());
        let batches: Vec<_> = members.iter().map(|batch| of_batch(past, plan, batch, &known)).collect();
        let seconds =
            known.iter().map(Known::seconds).chain(batches.iter().map(|(_, batch)| batch.wall.median));
        let seconds: Vec<f64> = seconds.collect();
        let priorities = upward_rank(&graph, &seconds);
        let likely = Costs { seconds: &seconds, priorities: &priorities, bytes: &[] };
        let start = simulate(&graph, workers, likely).start;
        let critical = critical_path(&graph, &seconds);
        let has_bytes = known.iter().any(|known| known.bytes.is_some());
        let spread_of = Spread {
            seconds: &known
                .iter()
                .map(|known| known.beside)
                .chain(batches.iter().map(|(log, _)| Some(*log)))
                .collect::<Vec<_>>(),
            bytes: &known.iter().map(|known| known.bytes.map(|(log, _)| log)).collect::<Vec<_>>(),
            priorities: &priorities,
            common: past.common(),
            overhead,
        };
        let (makespan, peak) = spread(&graph, workers, &spread_of);
        let on_path = critical.iter().filter_map(|&node| known[node].wall);
        let basis = on_path.map(|(_, wall)| wall.basis.measurements()).min().map_or(Basis::Prior, Basis::of);
        // The batch is part of a factory that waits for it.
        let batches_of = |node: usize| {
            let places = (0..members.len()).filter(move |&batch| members[batch].contains(&node));
            places.map(|batch| graph.batch(batch))
        };
        let factories = known.into_iter().enumerate().map(|(node, known)| FactoryPrediction {
            factory: plan.names[node].clone(),
            wall: known.wall.map_or(NO_TIME, |(_, wall)| wall),
            rows_out: known.rows.map(|(_, rows)| rows),
            bytes_out: known.bytes.map(|(_, bytes)| bytes),
            bytes_in: known.bytes_in,
            start: batches_of(node).map(|batch| start[batch]).fold(start[node], f64::min),
            priority: batches_of(node).map(|batch| priorities[batch]).fold(priorities[node], f64::max),
            critical: critical.contains(&node),
            in_query_of: known.in_query_of,
        });
        let prediction = Prediction {
            pipeline: self.pipeline.clone(),
            workers,
            makespan,
            peak_bytes: has_bytes.then_some(peak),
            basis,
            factories: factories.collect(),
            batches: batches.into_iter().map(|(_, batch)| batch).collect(),
        };
        (prediction, outlook)
    }

    /// Adds the present sizes of the files that were read in the last runs to the sizes in `known`. This function blocks.
    ///
    /// ```
    /// use std::time::{Duration, SystemTime};
    ///
    /// use setl_learn::history::FileRecord;
    /// use setl_learn::{FactoryRecord, Predictor, RunRecord, Sizes};
    ///
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("flights.csv");
    /// std::fs::write(&path, "carrier\nUA\n")?;
    /// let mut read = FactoryRecord::new("read", "c0de", Duration::from_secs(2));
    /// read.files = vec![FileRecord { path, bytes: 7 }];
    /// let mut run = RunRecord::new("01", "Nightly", SystemTime::UNIX_EPOCH);
    /// run.factories = vec![read];
    /// let sizes = Predictor::of_runs("Nightly", vec![run]).present_sizes(Sizes::new());
    /// assert_eq!(sizes, Sizes::new().files("read", 11));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn present_sizes(&self, mut known: Sizes) -> Sizes {
        self.past().look_up(&mut known);
        known
    }

    /// Sets whether the predicted run executes queries [together](BatchPrediction). Default: `true`.
    #[must_use]
    pub fn gathers(mut self, gathers: bool) -> Self {
        self.gathers = gathers;
        self
    }

    /// The time of a subplan that is computed once for several factories, if it was ever measured.
    pub fn subplan(&self, fingerprint: &str) -> Option<Estimate> {
        past::subplan(&self.runs, fingerprint)
    }

    /// The factories whose time differs from the prediction, in the last 20 runs, by name.
    pub fn drifts(&self) -> Vec<Drift> {
        self.past().news()
    }

    /// The coverage of the earlier predictions.
    pub fn coverage(&self) -> Coverage {
        Coverage::of(&self.runs)
    }

    fn past(&self) -> Past<'_> {
        Past::of(&self.runs, &self.codes)
    }
}

/// The estimate of a model at a size that may be uncertain.
fn at(model: &Model, size: &Size) -> (StudentT, Estimate) {
    let of_size = size.in_unit(model.unit());
    let predictive = model.predictive(of_size.map(|size| size.median));
    let predictive = match of_size {
        Some(size) => predictive.widened(model.slope() * size.log_scale),
        None => predictive,
    };
    (predictive, model.estimate(&predictive))
}

/// The model of queries that are run together, at the total input size of their factories.
fn of_batch(
    past: &Past<'_>,
    plan: &FactoryGraph,
    members: &[usize],
    known: &[Known],
) -> (StudentT, BatchPrediction) {
    let names: Vec<&str> = members.iter().map(|&node| &*plan.names[node]).collect();
    let bytes: Vec<f64> = members.iter().filter_map(|&node| known[node].bytes_in).collect();
    let bytes = (!bytes.is_empty()).then(|| Uncertain { median: bytes.iter().sum(), log_scale: 0.0 });
    let (log, wall) = at(&past.batch(&names), &Size { bytes, rows: None });
    (log, BatchPrediction { factories: names.into_iter().map(str::to_owned).collect(), wall })
}

/// The time of a factory whose work is done in the query of another.
const NO_TIME: Estimate = Estimate { low: 0.0, median: 0.0, high: 0.0, basis: Basis::Prior };

/// The models of one factory, as functions of its input size.
#[derive(Clone, Debug, Default)]
struct Models {
    wall: Option<Model>,
    /// `None` if the factory waits for no queries that are run together with those of other factories.
    beside: Option<Model>,
    rows: Option<Model>,
    bytes: Option<Model>,
    in_query_of: Option<String>,
}

impl Models {
    /// `size` is the known part of the input size. `waits` is `true` if the factory waits for queries that are run together with
    /// those of other factories.
    fn of(past: &Past<'_>, factory: &str, size: &Size, waits: bool) -> Self {
        let in_query_of = past.in_query_of(factory).map(str::to_owned);
        let model = |quantity| past.model(factory, quantity, size);
        let has_time = in_query_of.is_none();
        Self {
            wall: if has_time { model(Quantity::Wall) } else { None },
            beside: (has_time && waits).then(|| past.beside(factory, size)),
            rows: model(Quantity::RowsOut),
            bytes: model(Quantity::BytesOut),
            in_query_of,
        }
    }

    fn at(&self, size: &Size) -> Known {
        let at = |model: &Option<Model>| Some(at(model.as_ref()?, size));
        let wall = at(&self.wall);
        Known {
            wall,
            beside: at(&self.beside).or(wall).map(|(log, _)| log),
            bytes_in: size.bytes.map(|bytes| bytes.median),
            rows: at(&self.rows),
            bytes: at(&self.bytes),
            in_query_of: self.in_query_of.clone(),
        }
    }
}

/// The estimates for one factory: distributions of logarithms, and the quantities themselves.
#[derive(Clone, Debug, Default)]
struct Known {
    /// `None` if its work is done in the query of another factory.
    wall: Option<(StudentT, Estimate)>,
    /// The time without the queries that are run together with those of other factories.
    beside: Option<StudentT>,
    bytes_in: Option<f64>,
    rows: Option<(StudentT, Estimate)>,
    bytes: Option<(StudentT, Estimate)>,
    in_query_of: Option<String>,
}

impl Known {
    fn seconds(&self) -> f64 {
        self.beside.map_or(0.0, |log| log.location.exp())
    }

    fn rows_out(&self) -> Option<Uncertain> {
        self.rows.map(|(log, rows)| Uncertain { median: rows.median, log_scale: log.scale })
    }

    fn bytes_out(&self) -> Option<Uncertain> {
        self.bytes.map(|(log, bytes)| Uncertain { median: bytes.median, log_scale: log.scale })
    }
}
