//! Runs that a factory of another run has started: their reads and effects count as those of that factory.

use super::current::Current;
use super::hook::Points;
use super::shared::Shared;

impl Shared {
    /// The factories of other runs within which this run was started, from the innermost.
    fn outer_factories(&self) -> impl Iterator<Item = &Current> {
        std::iter::successors(self.outer.get(), |outer| outer.shared.outer.get())
    }

    /// Records the factory of another run that started this run. Nothing has started yet.
    pub(crate) fn set_outer(&self, outer: &Current) {
        if outer.shared.hooks.has(Points::EFFECTS) || outer.shared.is_nested() {
            let _ = self.outer.set(outer.clone());
        }
    }

    /// `true` if this run was started in a factory of a run whose outputs depend on it.
    pub(crate) fn is_nested(&self) -> bool {
        self.outer.get().is_some()
    }

    /// Records that the factory that started this run has effects: taking its output from an earlier run does not replace running
    /// it.
    pub(crate) fn acts_in_outer(&self) {
        for Current { shared, owner } in self.outer_factories() {
            shared.hooks.at(Points::EFFECTS).for_each(|hook| hook.acted(owner.node));
        }
    }

    /// Records in the outer factories the end of this run.
    pub(crate) fn tell_outer(&self) {
        for Current { shared, owner } in self.outer_factories() {
            shared.hooks.at(Points::EFFECTS).for_each(|hook| hook.nested_ended(owner.node, self));
        }
    }
}
