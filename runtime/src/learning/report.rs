//! The part of a report about what a run has learned.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::optimize::{Adaptation, Comparison, Drift, Prediction};
use crate::run::report::Report;
use setl_learn::keeping::CacheDecision;
use setl_learn::model::unknown_since;
use setl_learn::recommend::Recommendation;

/// The prediction for a run, its comparison with the measurements, and the advice of the history.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LearningReport {
    /// The prediction, if the pipeline has run before.
    pub prediction: Option<Prediction>,
    /// The prediction compared with the measurements. `None` if an output was taken from an earlier run, because the prediction
    /// was that all outputs are computed.
    pub comparison: Option<Comparison>,
    /// The decisions that were made again during the run.
    pub adaptations: Vec<Adaptation>,
    /// The factories that have become slower or faster.
    pub drifts: Vec<Drift>,
    /// The recommended changes of the pipeline.
    pub recommendations: Vec<Recommendation>,
    /// The decisions about outputs that are worth [caching](crate::cache::CachePolicy::by_cost). Empty if the run does not decide
    /// by cost.
    pub cache_decisions: Vec<CacheDecision>,
    /// The new path of a damaged history that was replaced.
    pub set_aside: Option<PathBuf>,
    /// The error of reading or writing the history.
    pub history_error: Option<String>,
}

/// The part of a report about what was learned.
#[derive(Debug)]
pub(super) struct LearningSection(pub(super) LearningReport);

impl fmt::Display for LearningSection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.in_brief())
    }
}

impl Report {
    /// The prediction of this run compared with its measurements, if it [learns](crate::RunBuilder::learn).
    pub fn learned(&self) -> Option<&LearningReport> {
        self.section::<LearningSection>().map(|section| &section.0)
    }
}

impl LearningReport {
    /// The most important part of the text, in two lines.
    pub(crate) fn in_brief(&self) -> String {
        let mut brief = self.to_string().lines().next().unwrap_or_default().to_owned();
        let damaged = self.set_aside.iter().map(|aside| told_of_damage(aside));
        let drifts = self.drifts.iter().map(ToString::to_string);
        let recommendations = self.recommendations.iter().map(|one| format!("recommended: {one}"));
        let kept = self.cache_decisions.iter().filter(|keeping| keeping.is_kept).map(ToString::to_string);
        // Without a change of the order, the difference has no consequences.
        let adaptations = self.adaptations.iter().filter(|adaptation| adaptation.brought_forward.is_some());
        let adaptations = adaptations.map(ToString::to_string);
        let mut more = damaged.chain(drifts).chain(recommendations).chain(kept).chain(adaptations);
        if let Some(second) = more.next() {
            brief += &format!("\n{}", second.lines().next().unwrap_or_default());
            match more.count() {
                0 => {}
                rest => brief += &format!(" (and {rest} more: `learned()` of the report)"),
            }
        }
        brief
    }
}

fn told_of_damage(aside: &Path) -> String {
    format!("the history was damaged: a new one was begun, and the damaged one is {} now", aside.display())
}

impl fmt::Display for LearningReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.history_error, &self.comparison) {
            (Some(history_error), _) => write!(f, "nothing was learned: {history_error}")?,
            (None, Some(comparison)) => write!(f, "{comparison}")?,
            (None, None) => match &self.prediction {
                Some(Prediction { makespan, basis, .. }) => match makespan.if_known(*basis) {
                    Some(makespan) => {
                        write!(
                            f,
                            "predicted {}, had nothing been taken from earlier runs",
                            makespan.seconds()
                        )?;
                    }
                    None => write!(f, "nothing was predicted: {}", unknown_since(*basis))?,
                },
                None => {
                    f.write_str("nothing was predicted: the first run that is recorded of this pipeline")?;
                }
            },
        }
        if let Some(aside) = &self.set_aside {
            write!(f, "\n{}", told_of_damage(aside))?;
        }
        for adaptation in &self.adaptations {
            write!(f, "\n{adaptation}")?;
        }
        for kept in self.cache_decisions.iter().filter(|keeping| keeping.is_kept) {
            write!(f, "\n{kept}")?;
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
