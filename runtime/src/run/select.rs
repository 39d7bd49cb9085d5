//! Selects the factories of a partial run.

use crate::base::names::quoted;
use crate::plan::{Plan, Source};

/// The selected factories, each by its index.
#[derive(Clone, Debug, Default)]
pub(crate) struct Selection {
    pub(crate) only: Vec<usize>,
    pub(crate) up_to: Vec<usize>,
    pub(crate) from: Vec<usize>,
    /// Selected names that belong to no factory.
    pub(crate) unknown: Vec<String>,
}

impl Selection {
    pub(crate) fn is_empty(&self) -> bool {
        self.only.is_empty() && self.up_to.is_empty() && self.from.is_empty() && self.unknown.is_empty()
    }

    /// For each factory, `true` if it runs. A factory for which `is_given` holds does not run, and neither do factories that only
    /// it needs.
    pub(crate) fn resolve(&self, plan: &Plan, is_given: impl Fn(usize) -> bool) -> Vec<bool> {
        let needed = needed(plan, &self.up_to, &is_given);
        let below = below(plan, &self.from);
        // `from` and `up_to` together select the factories between them.
        let between = !self.up_to.is_empty() && !self.from.is_empty();
        let is_selected = |node| {
            let by_others = if between { needed[node] && below[node] } else { needed[node] || below[node] };
            (by_others || self.only.contains(&node)) && !is_given(node)
        };
        (0..plan.factories.len()).map(is_selected).collect()
    }

    /// The mistake that no factory lies between the selections of `from` and `up_to`, if it applies.
    pub(crate) fn nothing_between(&self, plan: &Plan) -> Option<String> {
        let needed_by = |nodes| needed(plan, nodes, &|_| false);
        let needed = needed_by(&self.up_to);
        let below = below(plan, &self.from);
        let asked = !self.up_to.is_empty() && !self.from.is_empty();
        if !asked || needed.iter().zip(below).any(|(needed, below)| *needed && below) {
            return None;
        }
        let names = |nodes: &[usize]| quoted(nodes.iter().map(|node| &*plan.factories[*node].name));
        let (from, up_to) = (names(&self.from), names(&self.up_to));
        let does = if self.up_to.len() == 1 { "does" } else { "do" };
        let above = needed_by(&self.from);
        let swapped = if self.up_to.iter().any(|node| above[*node]) { "; are they swapped?" } else { "" };
        Some(format!("nothing lies between {from} and {up_to}: {up_to} {does} not need {from}{swapped}"))
    }

    /// The mistake that no selected factory takes a provided output, if it applies.
    pub(crate) fn not_taken(plan: &Plan, selected: &[bool], given: usize) -> Option<String> {
        let takers: Vec<_> = (0..plan.factories.len())
            .filter(|node| producers(plan, *node).any(|above| above == given))
            .collect();
        if takers.iter().any(|node| selected[*node]) {
            return None;
        }
        let name = &plan.factories[given].name;
        let cure = match takers.first() {
            Some(taker) => format!(
                "{} of the pipeline would: add it with `.only::<{}>()`",
                quoted(takers.iter().map(|node| &*plan.factories[*node].name)),
                plan.factories[*taker].name
            ),
            None => "no factory of the pipeline does: leave `provide` out".to_owned(),
        };
        Some(format!("the output of `{name}` is provided, but no factory of this run takes it; {cure}"))
    }

    /// The inputs that the selected factories need and would not get, each in a sentence. `is_there` is `true` for a factory that
    /// does not run but whose output is available.
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

/// These factories and all their upstream factories. The upstream factories of a given output are not needed.
fn needed(plan: &Plan, nodes: &[usize], is_given: &impl Fn(usize) -> bool) -> Vec<bool> {
    let mut needed = vec![false; plan.factories.len()];
    for &node in nodes {
        needed[node] = true;
    }
    let order: Vec<_> = plan.factory_order().collect();
    for &node in order.iter().rev() {
        if needed[node] && !is_given(node) {
            producers(plan, node).for_each(|above| needed[above] = true);
        }
    }
    needed
}

/// These factories and all their downstream factories.
fn below(plan: &Plan, nodes: &[usize]) -> Vec<bool> {
    let mut below = vec![false; plan.factories.len()];
    for &node in nodes {
        below[node] = true;
    }
    for node in plan.factory_order() {
        below[node] |= producers(plan, node).any(|above| below[above]);
    }
    below
}

fn producers(plan: &Plan, node: usize) -> impl Iterator<Item = usize> + '_ {
    plan.factories[node].all_sources().filter_map(|source| match source {
        Source::Factory(above) => Some(above),
        Source::Input(_) | Source::Context => None,
    })
}
