//! What a run makes of what it measures, while it is on: the order of what remains is decided anew.

use std::fmt;
use std::time::Duration;

use super::plan::{PipelinePlan, waiting};
use setl_learn::model::{Quantity, bytes, seconds};
use setl_learn::predict::Outlook;
use setl_learn::simulate::{Graph, upward_rank};

/// That an output was not of the size that was predicted, and what followed. Prints as a sentence.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Adaptation {
    /// The factory that delivered more or less than was predicted.
    pub factory: String,
    /// From the start of the run until then.
    pub after: Duration,
    /// In what the output is measured: its rows or its bytes.
    pub quantity: Quantity,
    /// So much it was predicted to deliver.
    pub predicted: f64,
    /// So much it delivered.
    pub measured: f64,
    /// The factories that are predicted to take longer or shorter now, by a tenth and more, in the order of the plan.
    pub predicted_anew: Vec<PredictedAnew>,
    /// A factory that starts before another now, of those that had not started, if it would have started after it.
    pub brought_forward: Option<(String, String)>,
}

/// How long a factory is predicted to take, since it is known what it takes.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct PredictedAnew {
    /// The factory.
    pub factory: String,
    /// Seconds, as they were predicted before.
    pub before: f64,
    /// Seconds, as they are predicted now.
    pub now: f64,
}

/// The times of the factories that remain, and the priorities that follow from them.
pub(crate) struct Adapting {
    outlook: Outlook,
    /// Who waits for whom.
    graph: Graph,
    /// Whether a factory takes time of its own.
    runs: Vec<bool>,
    /// Priorities that a pass of the user has given stay.
    held: Vec<Option<f64>>,
    pub(crate) adaptations: Vec<Adaptation>,
}

impl Adapting {
    /// Of a run of this plan, as all passes have left it.
    pub(crate) fn new(outlook: Outlook, plan: &PipelinePlan) -> Self {
        Self {
            outlook,
            graph: waiting(plan),
            runs: plan.factories().map(|factory| factory.runs()).collect(),
            held: plan.factories().map(|factory| factory.priority.filter(|_| factory.preferred)).collect(),
            adaptations: Vec::new(),
        }
    }

    /// A factory has delivered so much. If that is not what was predicted, `prefer` gets new priorities for all factories, and
    /// says which of those that have not started is to start before which.
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
        let predicted_anew = before.iter().zip(&now).enumerate().filter_map(|(node, (&before, &now))| {
            let differs = (now / before).ln().abs() > 1.1_f64.ln();
            differs.then(|| PredictedAnew { factory: name(node), before, now })
        });
        let adaptation = Adaptation {
            factory: name(node),
            after,
            quantity: surprise.quantity,
            predicted: surprise.predicted,
            measured: surprise.measured,
            predicted_anew: predicted_anew.collect(),
            brought_forward,
        };
        // What nothing follows from is told by the comparison after the run.
        if !adaptation.predicted_anew.is_empty() {
            self.adaptations.push(adaptation);
        }
    }

    fn seconds(&self) -> Vec<f64> {
        let runs = self.runs.iter().enumerate();
        runs.map(|(node, runs)| if *runs { self.outlook.seconds(node) } else { 0.0 }).collect()
    }
}

/// So many factories are named that are predicted anew.
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
        for (at, anew) in self.predicted_anew.iter().take(NAMED).enumerate() {
            let PredictedAnew { factory, before, now } = anew;
            f.write_str(if at == 0 { ": " } else { ", " })?;
            write!(f, "`{factory}` is expected to take {} instead of {}", seconds(*now), seconds(*before))?;
        }
        match self.predicted_anew.len().saturating_sub(NAMED) {
            0 => {}
            more => write!(f, ", and {more} more are predicted anew")?,
        }
        match &self.brought_forward {
            Some((first, then)) => write!(f, "; `{first}` is to start before `{then}`"),
            None => f.write_str("; the order stays"),
        }
    }
}
