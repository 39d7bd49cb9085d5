//! Which factory has delivered what a query is made of, where a factory delivers a query.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::Query;
use super::tree::{Key, Keys, bottom_up};

/// The queries that the factories of a run have delivered, by the keys of their plans. Factories are known by their places in the
/// plan of the pipeline.
#[derive(Default)]
pub(crate) struct Origins {
    /// The first factory whose output has such a node. A factory is later than those whose outputs it takes.
    made: HashMap<Key, usize>,
    /// The factories that have delivered such a plan.
    delivered: HashMap<Key, Vec<usize>>,
    computed: BTreeMap<usize, BTreeSet<usize>>,
}

impl Origins {
    /// A factory delivers a query that is not run yet.
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

    /// A query of a factory is run, and with it what others have delivered for it.
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

    /// The factories in whose queries each lazy output was computed.
    pub(crate) fn computed(&self) -> &BTreeMap<usize, BTreeSet<usize>> {
        &self.computed
    }

    /// The factory that has made a part of a query, and whether the part is all that it has delivered.
    pub(crate) fn of(&self, part: &[u8; 32]) -> Option<(usize, bool)> {
        let factory = *self.made.get(part)?;
        Some((factory, self.delivered.get(part).is_some_and(|all| all.contains(&factory))))
    }
}
