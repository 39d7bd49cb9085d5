//! What a run takes from the history of its pipeline, and adds to it.
//!
//! A history that cannot be used never keeps a pipeline from running: the report says so.

mod evidence;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use super::report::Report;
use super::shared::{Launch, Shared};
use crate::checkpoint::{state_directory, with_fallback};
#[cfg(feature = "polars")]
use crate::optimize::advisor::Advisor;
use crate::optimize::history::ChoiceRun;
use crate::optimize::predict::RUNS;
use crate::optimize::recommend::{self, Recommendation, recommend};
use crate::optimize::{
    Comparison, Drift, FactoryRecord, History, HistoryError, Learning, Prediction, Predictor, RunRecord,
};
use crate::plan::Source;

/// What is known before a run.
pub(crate) struct Before {
    path: PathBuf,
    began: SystemTime,
    workers: usize,
    /// The code of each factory, as it is recorded.
    codes: Vec<String>,
    prediction: Option<Prediction>,
    drifts: Vec<Drift>,
    trouble: Option<String>,
    #[cfg(feature = "polars")]
    advisor: Advisor,
}

/// What the history of a pipeline said of a run, and how that went.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Learned {
    /// What was predicted, if the pipeline has run before.
    pub prediction: Option<Prediction>,
    /// That, beside what happened.
    pub comparison: Option<Comparison>,
    /// Factories that take longer or shorter than they did.
    pub drifts: Vec<Drift>,
    /// What to change in the pipeline.
    pub recommendations: Vec<Recommendation>,
    /// Why the history could not be read or written, if it could not.
    pub trouble: Option<String>,
}

/// Reads the history. It blocks.
pub(super) fn before(launch: &Launch, learning: &Learning, state: Option<PathBuf>, threads: usize) -> Before {
    let path = learning
        .path()
        .map_or_else(|| History::path_in(&state_directory(state.as_deref())), ToOwned::to_owned);
    let code = |step: &super::Step| {
        let code =
            step.fallback.as_ref().map_or(step.code, |other| with_fallback(step.code, other.step.code));
        format!("{code:032x}")
    };
    let mut before = Before {
        path,
        began: SystemTime::now(),
        workers: threads,
        codes: launch.steps.iter().map(code).collect(),
        prediction: None,
        drifts: Vec::new(),
        trouble: None,
        #[cfg(feature = "polars")]
        advisor: Advisor::default(),
    };
    let predicted = || -> Result<_, HistoryError> {
        let history = History::open(&before.path)?;
        let choices = history.choices(&launch.plan.pipeline, RUNS)?;
        let mut predictor = Predictor::new(&history, &launch.plan.pipeline)?;
        if predictor.runs().is_empty() {
            return Ok((None, Vec::new(), choices));
        }
        for (factory, code) in launch.plan.factories.iter().zip(&before.codes) {
            predictor = predictor.code(&*factory.name, &**code);
        }
        Ok((Some(predictor.predict(&launch.plan, learning.sizes(), threads)), predictor.drifts(), choices))
    };
    match predicted() {
        Ok((prediction, drifts, choices)) => {
            (before.prediction, before.drifts) = (prediction, drifts);
            before.remember(choices);
        }
        Err(error) => before.trouble = Some(error.to_string()),
    }
    before
}

#[cfg(feature = "polars")]
impl Shared {
    /// Who knows what ways to do something have cost in earlier runs, if this run is to learn from them.
    pub(super) fn advisor(&self) -> Option<&Advisor> {
        self.learning.as_ref().map(|before| &before.advisor)
    }
}

impl Before {
    #[cfg(feature = "polars")]
    fn remember(&mut self, choices: Vec<ChoiceRun>) {
        self.advisor = Advisor::of(choices);
    }

    /// Only queries are run in several ways.
    #[cfg(not(feature = "polars"))]
    fn remember(&mut self, _choices: Vec<ChoiceRun>) {}

    pub(super) fn prediction(&self) -> Option<&Prediction> {
        self.prediction.as_ref()
    }

    fn record(&self, shared: &Shared, report: &Report, succeeded: bool) -> RunRecord {
        let mut run = RunRecord::new(report.run_id().to_string(), report.pipeline(), self.began);
        run.workers = self.workers;
        run.makespan = report.makespan();
        run.predicted.clone_from(&self.prediction);
        run.succeeded = succeeded;
        run.peak_bytes = super::memory::peak();
        let entries = report.entries();
        for (node, (entry, code)) in entries.iter().zip(&self.codes).enumerate() {
            let mut record = FactoryRecord::new(&*entry.factory, &**code, entry.timing.total());
            record.status = entry.status.to_string();
            record.rows_out = entry.rows.map(|rows| rows as u64);
            // Of what it takes, all rows have to be known.
            record.rows_in = shared.plan.factories[node]
                .sources
                .iter()
                .filter_map(|source| match source {
                    Source::Factory(above) => Some(entries[*above].rows.map(|rows| rows as u64)),
                    Source::Input(_) | Source::Context => None,
                })
                .sum::<Option<u64>>()
                .filter(|rows| *rows > 0);
            run.factories.push(record);
        }
        self.add_evidence(&mut run, shared, report);
        #[cfg(feature = "polars")]
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

/// Adds a run to the history, and says how it went beside what was predicted.
pub(super) async fn after(shared: &Arc<Shared>, report: &Report, succeeded: bool) -> Option<Learned> {
    let before = shared.learning.as_ref()?;
    let run = before.record(shared, report, succeeded);
    let comparison = before.prediction.as_ref().map(|prediction| Comparison::new(prediction, &run));
    let mut trouble = before.trouble.clone();
    let mut recommendations = Vec::new();
    // What was asked for in part, or writes nothing, is no example of the whole.
    if trouble.is_none() && !shared.is_partial && !shared.is_dry() {
        let path = before.path.clone();
        let recorded = tokio::task::spawn_blocking(move || {
            let history = History::open(path)?;
            history.record(&run)?;
            Ok::<_, HistoryError>(recommend(&history.runs(&run.pipeline, recommend::LAST)?, &[]))
        });
        match recorded.await {
            Ok(Ok(recommended)) => recommendations = recommended,
            Ok(Err(error)) => trouble = Some(error.to_string()),
            // The runtime shuts down.
            Err(_) => {}
        }
    }
    Some(Learned {
        prediction: before.prediction.clone(),
        comparison,
        drifts: before.drifts.clone(),
        recommendations,
        trouble,
    })
}

impl fmt::Display for Learned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.trouble, &self.comparison) {
            (Some(trouble), _) => write!(f, "nothing was learned: {trouble}")?,
            (None, Some(comparison)) => write!(f, "{comparison}")?,
            (None, None) => {
                f.write_str("nothing was predicted: the first run that is recorded of this pipeline")?
            }
        }
        for drift in &self.drifts {
            write!(f, "\n{drift}")?;
        }
        for recommendation in &self.recommendations {
            write!(f, "\nrecommended: {recommendation}")?;
        }
        Ok(())
    }
}
