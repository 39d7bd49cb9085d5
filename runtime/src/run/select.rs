//! Which factories a run consists of, where it is not all of them.

use crate::plan::{Plan, Source};

/// What was asked for, each by the index of a factory.
#[derive(Clone, Debug, Default)]
pub(crate) struct Selection {
    pub(crate) only: Vec<usize>,
    pub(crate) up_to: Vec<usize>,
    pub(crate) from: Vec<usize>,
    /// Names that were asked for, and are no factories.
    pub(crate) unknown: Vec<String>,
}

impl Selection {
    pub(crate) fn is_empty(&self) -> bool {
        self.only.is_empty() && self.up_to.is_empty() && self.from.is_empty() && self.unknown.is_empty()
    }

    /// For each factory, whether it is to run.
    pub(crate) fn resolve(&self, plan: &Plan) -> Vec<bool> {
        let mut selected = vec![false; plan.factories.len()];
        for &node in &self.only {
            selected[node] = true;
        }
        let order: Vec<_> = plan.factory_order().collect();
        let mut needed = vec![false; selected.len()];
        for &node in &self.up_to {
            needed[node] = true;
        }
        for &node in order.iter().rev().filter(|_| !self.up_to.is_empty()) {
            if needed[node] {
                producers(plan, node).for_each(|above| needed[above] = true);
            }
        }
        let mut below = vec![false; selected.len()];
        for &node in &self.from {
            below[node] = true;
        }
        for &node in order.iter().filter(|_| !self.from.is_empty()) {
            below[node] |= producers(plan, node).any(|above| below[above]);
        }
        // `from` and `up_to` together are what lies between.
        let between = !self.up_to.is_empty() && !self.from.is_empty();
        for (node, selected) in selected.iter_mut().enumerate() {
            *selected |= if between { needed[node] && below[node] } else { needed[node] || below[node] };
        }
        selected
    }

    /// What the selected factories need and would not get, each in a sentence. `is_there` says of a factory that does
    /// not run whether its output is there nevertheless.
    pub(crate) fn missing(plan: &Plan, selected: &[bool], is_there: impl Fn(usize) -> bool) -> Vec<String> {
        let mut missing = Vec::new();
        for (node, factory) in plan.factories.iter().enumerate().filter(|(node, _)| selected[*node]) {
            let own = factory.sources.iter().zip(factory.deliveries);
            let fallback = factory.fallback.iter().flat_map(|of| of.sources.iter().zip(of.deliveries));
            for (source, delivery) in own.chain(fallback) {
                let Source::Factory(above) = *source else { continue };
                if selected[above] || delivery.optional || is_there(above) {
                    continue;
                }
                let (name, above) = (&plan.factories[node].name, &plan.factories[above].name);
                missing.push(format!(
                    "factory `{name}` needs `{}` from `{above}`, which is not part of this run: add it with \
                     `.only::<{above}>()`, ask for `.up_to::<{name}>()`, or give its output with `.provide::<{above}>(…)`",
                    delivery.name
                ));
            }
        }
        missing
    }
}

fn producers(plan: &Plan, node: usize) -> impl Iterator<Item = usize> + '_ {
    plan.factories[node].all_sources().filter_map(|source| match source {
        Source::Factory(above) => Some(above),
        Source::Input(_) | Source::Context => None,
    })
}
