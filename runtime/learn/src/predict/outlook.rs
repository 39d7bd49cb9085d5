//! What is expected of a run while it is on.
//!
//! What a factory has delivered replaces what was predicted of it. If it departs from that, what depends on it is predicted
//! anew, by the same models.

use super::sizes::{Size, Sizes};
use super::{Known, Models};
use crate::model::{Estimate, Quantity, StudentT};
use crate::simulate::{FactoryGraph, Graph};

/// From this ratio of what was measured to what was predicted on, either way, what depends on it is predicted anew.
const WORTH: f64 = 1.25;

/// What is expected of the factories of a run.
#[derive(Clone, Debug)]
pub struct Outlook {
    graph: Graph,
    order: Vec<usize>,
    names: Vec<String>,
    sizes: Sizes,
    models: Vec<Models>,
    known: Vec<Known>,
    done: Vec<bool>,
}

/// An output that is not of the size that was predicted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Surprise {
    /// The quantity that departs.
    pub quantity: Quantity,
    /// Its predicted value.
    pub predicted: f64,
    /// Its measured value.
    pub measured: f64,
}

impl Outlook {
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

    /// How long a factory takes if all goes as is most likely.
    pub fn seconds(&self, node: usize) -> f64 {
        self.known[node].wall.map_or(0.0, |(_, wall)| wall.median)
    }

    /// A factory has ended, and has delivered so much, as far as it was measured. What depends on it is predicted anew if that
    /// is not what was predicted.
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

/// Puts what was measured in the place of what was predicted.
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
