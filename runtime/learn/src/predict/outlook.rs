//! Updates the prediction of a run while it is in progress.
//!
//! A measured output replaces its prediction. If the two differ, the factories that depend on the output are predicted again, by
//! the same models.

use super::sizes::{Size, Sizes};
use super::{Known, Models};
use crate::model::{Estimate, Quantity, StudentT};
use crate::simulate::{FactoryGraph, Graph};

/// The ratio of a measured value to its prediction, or its inverse, from which on dependent factories are predicted again.
const WORTH: f64 = 1.25;

/// The current predictions for the factories of a run.
#[derive(Clone, Debug)]
pub struct LivePrediction {
    graph: Graph,
    order: Vec<usize>,
    names: Vec<String>,
    sizes: Sizes,
    models: Vec<Models>,
    known: Vec<Known>,
    done: Vec<bool>,
}

/// An output whose size differs from its prediction.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Surprise {
    /// The quantity that differs.
    pub quantity: Quantity,
    /// Its predicted value.
    pub predicted: f64,
    /// Its measured value.
    pub measured: f64,
}

impl LivePrediction {
    pub(super) fn new(plan: &FactoryGraph, sizes: &Sizes, models: Vec<Models>, known: Vec<Known>) -> Self {
        Self {
            graph: plan.graph.clone(),
            order: plan.factory_order().collect(),
            names: plan.names.clone(),
            sizes: sizes.clone(),
            done: vec![false; models.len()],
            models,
            known,
        }
    }

    /// The name of a factory.
    pub fn name(&self, node: usize) -> &str {
        &self.names[node]
    }

    /// The most likely time of a factory, in seconds.
    pub fn seconds(&self, node: usize) -> f64 {
        self.known[node].wall.map_or(0.0, |(_, wall)| wall.median)
    }

    /// Records that a factory has ended, with the measured size of its output, if it is known. Predicts the remaining factories
    /// again if the size differs from its prediction, and then returns the difference.
    pub fn measured(&mut self, node: usize, rows: Option<u64>, bytes: Option<u64>) -> Option<Surprise> {
        self.done[node] = true;
        let known = &mut self.known[node];
        let rows = replace(&mut known.rows, Quantity::RowsOut, rows);
        let bytes = replace(&mut known.bytes, Quantity::BytesOut, bytes);
        let surprise = bytes.or(rows)?;
        for &node in self.order.iter().filter(|&&node| !self.done[node]) {
            let size: Size = self.sizes.of(&self.names[node], self.graph.sources(node), &self.known);
            self.known[node] = self.models[node].at(&size);
        }
        Some(surprise)
    }
}

/// Replaces a prediction by the measured value.
fn replace(
    known: &mut Option<(StudentT, Estimate)>,
    quantity: Quantity,
    measured: Option<u64>,
) -> Option<Surprise> {
    let measured = measured? as f64;
    let before = known.as_ref().map(|(_, estimate)| (estimate.median, estimate.basis));
    let (predicted, basis) = before?;
    let log = StudentT { location: measured.ln_1p(), scale: 0.0, freedom: 1.0 };
    *known = Some((log, Estimate { low: measured, median: measured, high: measured, basis }));
    let departs = (measured.ln_1p() - predicted.ln_1p()).abs() > WORTH.ln();
    departs.then_some(Surprise { quantity, predicted, measured })
}
