//! Finds parts that occur in several places of several plans.

use std::collections::{HashMap, HashSet};

use polars_plan::dsl::DslPlan;

use super::tree::{Key, Keys, bottom_up_until, inputs, is_expensive, is_same};

/// The nodes of several plans, with equal nodes merged. A part that occurs in several places is then a node with several
/// consumers, and the occurrences of these consumers need not be counted.
pub(super) struct Places<'plan> {
    nodes: HashMap<Key, Place<'plan>>,
    tops: Vec<Key>,
}

struct Place<'plan> {
    plan: &'plan DslPlan,
    inputs: Vec<Key>,
    /// The number of nodes and plans that take this node.
    takers: usize,
    /// `true` if it is worthwhile to share the node, or a node below it.
    is_expensive: bool,
    /// `true` if all nodes with this key are the same, and all nodes below them are, too.
    is_one: bool,
    /// The maximum number of nodes from here to a leaf.
    height: usize,
}

impl<'plan> Places<'plan> {
    /// Collects the nodes of these plans.
    pub(super) fn of(plans: &'plan [DslPlan], keys: &mut Keys) -> Self {
        let mut nodes: HashMap<Key, Place<'plan>> = HashMap::new();
        let mut seen = HashSet::new();
        let mut tops = Vec::new();
        for plan in plans {
            let top = keys.of(plan);
            for node in bottom_up_until(plan, |_| false, &mut seen) {
                if matches!(node, DslPlan::IR { .. }) {
                    continue;
                }
                let key = keys.of(node);
                if let Some(known) = nodes.get_mut(&key) {
                    known.is_one &= is_same(known.plan, node);
                    continue;
                }
                let below: Vec<Key> = inputs(node).into_iter().map(|input| keys.of(input)).collect();
                let mut expensive = is_expensive(node);
                let mut height = 0;
                for input in &below {
                    if let Some(input) = nodes.get_mut(input) {
                        input.takers += 1;
                        height = height.max(input.height + 1);
                        expensive |= input.is_expensive;
                    }
                }
                let is_expensive = expensive;
                let place =
                    Place { plan: node, inputs: below, takers: 0, is_expensive, is_one: true, height };
                nodes.insert(key, place);
            }
            if let Some(top) = nodes.get_mut(&top) {
                top.takers += 1;
            }
            tops.push(top);
        }
        let mut places = Self { nodes, tops };
        places.spread_what_is_not_one();
        places
    }

    /// Clears `is_one` of all nodes above a node that only has the same key as another. This is possible once all nodes are
    /// known.
    fn spread_what_is_not_one(&mut self) {
        let mut from_leaves: Vec<(usize, Key)> =
            self.nodes.iter().map(|(key, place)| (place.height, *key)).collect();
        from_leaves.sort_unstable();
        for (_, key) in from_leaves {
            let below = |place: &Place<'_>| {
                place.inputs.iter().all(|input| self.nodes.get(input).is_none_or(|input| input.is_one))
            };
            let is_one = self.nodes.get(&key).is_some_and(below);
            if let Some(place) = self.nodes.get_mut(&key) {
                place.is_one &= is_one;
            }
        }
    }

    /// The first plan with this key.
    pub(super) fn plan(&self, key: &Key) -> Option<&'plan DslPlan> {
        self.nodes.get(key).map(|place| place.plan)
    }

    /// The number of places in which the plan with this key occurs.
    pub(super) fn places(&self, key: &Key) -> usize {
        self.nodes.get(key).map_or(1, |place| place.takers)
    }

    /// The largest expensive nodes with several consumers. A node that may contain another comes before it.
    pub(super) fn largest(&self, refused: &HashSet<Key>) -> Vec<(Key, &'plan DslPlan)> {
        let mut found = Vec::new();
        let mut seen: HashSet<Key> = HashSet::new();
        let mut todo: Vec<Key> = self.tops.iter().rev().copied().collect();
        while let Some(key) = todo.pop() {
            if !seen.insert(key) {
                continue;
            }
            let Some(place) = self.nodes.get(&key) else { continue };
            let is_found = place.takers > 1 && place.is_expensive && place.is_one;
            match is_found && !refused.contains(&key) {
                true => found.push((place.height, key, place.plan)),
                false => todo.extend(place.inputs.iter().rev()),
            }
        }
        found.sort_by_key(|(height, ..)| std::cmp::Reverse(*height));
        found.into_iter().map(|(_, key, plan)| (key, plan)).collect()
    }
}
