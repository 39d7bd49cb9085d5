//! Finds the factory that delivered a part of a query, for factories that deliver queries.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::Query;
use super::tree::{Key, Keys, bottom_up};

/// The queries that the factories of a run have delivered, by the keys of their plans. A factory is identified by its position in
/// the plan of the pipeline.
#[derive(Default)]
pub(crate) struct Origins {
    /// The first factory whose output contains a node with this key. A factory comes after its upstream factories.
    made: HashMap<Key, usize>,
    /// The factories that have delivered a plan with this key.
    delivered: HashMap<Key, Vec<usize>>,
    computed: BTreeMap<usize, BTreeSet<usize>>,
}

impl Origins {
    /// Records that a factory delivers a query that has not run yet.
    pub(crate) fn delivers(&mut self, factory: usize, query: &Query) {
        let mut keys = Keys::default();
        for node in bottom_up(&query.logical_plan) {
            if let Some(key) = keys.certain(node) {
                self.made.entry(key).or_insert(factory);
            }
        }
        if let Some(top) = keys.certain(&query.logical_plan) {
            self.delivered.entry(top).or_default().push(factory);
        }
    }

    /// Records that a query of a factory runs, including the delivered queries that it contains.
    pub(crate) fn runs(&mut self, factory: usize, query: &Query) {
        if self.delivered.is_empty() {
            return;
        }
        let mut keys = Keys::default();
        for node in bottom_up(&query.logical_plan) {
            let delivered = keys.certain(node).and_then(|key| self.delivered.get(&key));
            for origin in delivered.into_iter().flatten().filter(|origin| **origin != factory) {
                self.computed.entry(*origin).or_default().insert(factory);
            }
        }
    }

    /// For each lazy output, the factories in whose queries it was computed.
    pub(crate) fn computed(&self) -> &BTreeMap<usize, BTreeSet<usize>> {
        &self.computed
    }

    /// The factory that made a part of a query, and `true` if the part is its whole output.
    pub(crate) fn of(&self, part: &[u8; 32]) -> Option<(usize, bool)> {
        let factory = *self.made.get(part)?;
        Some((factory, self.delivered.get(part).is_some_and(|all| all.contains(&factory))))
    }
}
