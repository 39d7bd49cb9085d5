//! Adapts a run to its measurements while it is in progress: the order of the remaining factories is decided again.

use std::fmt;
use std::time::Duration;

use super::plan::{PipelinePlan, waiting};
use setl_learn::model::{Quantity, bytes, seconds};
use setl_learn::predict::LivePrediction;
use setl_learn::simulate::{Graph, upward_rank};

/// An output whose size differs from its prediction, with the consequences. Prints as a sentence.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Adaptation {
    /// The factory that delivered more or less than predicted.
    pub factory: String,
    /// The time from the start of the run to the delivery.
    pub after: Duration,
    /// The measured quantity: the rows or the bytes of the output.
    pub quantity: Quantity,
    /// The predicted value.
    pub predicted: f64,
    /// The measured value.
    pub measured: f64,
    /// The factories whose predicted time changes by at least a tenth, in the order of the plan.
    pub revised_predictions: Vec<RevisedPrediction>,
    /// The first factory of the pair now starts before the second, although it would have started after it. Neither has started
    /// yet.
    pub brought_forward: Option<(String, String)>,
}

/// The predicted time of a factory, updated with the known size of its input.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct RevisedPrediction {
    /// The factory.
    pub factory: String,
    /// The seconds that were predicted before.
    pub before: f64,
    /// The seconds that are predicted now.
    pub now: f64,
}

/// The predicted times of the remaining factories, and the priorities that follow from them.
pub(crate) struct Adapting {
    outlook: LivePrediction,
    /// The dependencies between the nodes.
    graph: Graph,
    /// `true` for each factory that takes time of its own.
    runs: Vec<bool>,
    /// The priorities that a pass of the user has set. They stay as they are.
    held: Vec<Option<f64>>,
    pub(crate) adaptations: Vec<Adaptation>,
}

impl Adapting {
    /// Starts with the predictions for a run of this plan after all passes.
    pub(crate) fn new(outlook: LivePrediction, plan: &PipelinePlan) -> Self {
        Self {
            outlook,
            graph: waiting(plan),
            runs: plan.factories().map(|factory| factory.runs()).collect(),
            held: plan.factories().map(|factory| factory.priority.filter(|_| factory.preferred)).collect(),
            adaptations: Vec::new(),
        }
    }

    /// Records the measured output of a factory. If it differs from its prediction, calls `prefer` with the new priorities of all
    /// factories. `prefer` returns the first pair of waiting factories whose order has changed.
    pub(crate) fn delivered(
        &mut self,
        node: usize,
        rows: Option<u64>,
        bytes: Option<u64>,
        after: Duration,
        prefer: impl FnOnce(Vec<f64>) -> Option<(u32, u32)>,
    ) {
        let before = self.seconds();
        let Some(surprise) = self.outlook.measured(node, rows, bytes) else { return };
        let now = self.seconds();
        let mut priorities = upward_rank(&self.graph, &now);
        priorities.truncate(now.len());
        for (priority, held) in priorities.iter_mut().zip(&self.held) {
            *priority = held.unwrap_or(*priority);
        }
        let name = |node: usize| self.outlook.name(node).to_owned();
        let brought_forward =
            prefer(priorities).map(|(first, then)| (name(first as usize), name(then as usize)));
        let revised_predictions =
            before.iter().zip(&now).enumerate().filter_map(|(node, (&before, &now))| {
                let differs = (now / before).ln().abs() > 1.1_f64.ln();
                differs.then(|| RevisedPrediction { factory: name(node), before, now })
            });
        let adaptation = Adaptation {
            factory: name(node),
            after,
            quantity: surprise.quantity,
            predicted: surprise.predicted,
            measured: surprise.measured,
            revised_predictions: revised_predictions.collect(),
            brought_forward,
        };
        // A difference without consequences appears in the comparison after the run.
        if !adaptation.revised_predictions.is_empty() {
            self.adaptations.push(adaptation);
        }
    }

    fn seconds(&self) -> Vec<f64> {
        let runs = self.runs.iter().enumerate();
        runs.map(|(node, runs)| if *runs { self.outlook.seconds(node) } else { 0.0 }).collect()
    }
}

/// The maximum number of factories that are named in the text.
const NAMED: usize = 3;

impl fmt::Display for Adaptation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let size = |value: f64| match self.quantity {
            Quantity::BytesOut => bytes(value).to_string(),
            _ => format!("{value:.0} rows"),
        };
        let (measured, predicted) = (size(self.measured), size(self.predicted));
        let after = seconds(self.after.as_secs_f64());
        write!(f, "after {after}, `{}` had delivered {measured} instead of {predicted}", self.factory)?;
        for (at, anew) in self.revised_predictions.iter().take(NAMED).enumerate() {
            let RevisedPrediction { factory, before, now } = anew;
            f.write_str(if at == 0 { ": " } else { ", " })?;
            write!(f, "`{factory}` is expected to take {} instead of {}", seconds(*now), seconds(*before))?;
        }
        match self.revised_predictions.len().saturating_sub(NAMED) {
            0 => {}
            more => write!(f, ", and {more} more are predicted anew")?,
        }
        match &self.brought_forward {
            Some((first, then)) => write!(f, "; `{first}` is to start before `{then}`"),
            None => f.write_str("; the order stays"),
        }
    }
}
