//! A run that a factory of another one has started: what it reads and does, that factory reads and does.

use super::current::Current;
use super::shared::Shared;
use crate::checkpoint::Reads;

impl Current {
    /// Calls `record` with what this factory has read, and with what the factory has that started its run, and so on, where
    /// outputs are kept that depend on it.
    pub(crate) fn record(&self, mut record: impl FnMut(&Reads)) {
        self.shared.record_reads(self.owner.node, &mut record);
        self.shared.record_in_outer(&mut record);
    }
}

impl Shared {
    fn record_reads(&self, node: usize, record: &mut dyn FnMut(&Reads)) {
        if let Some(session) = &self.session {
            record(session.reads(node));
        }
    }

    fn record_in_outer(&self, record: &mut dyn FnMut(&Reads)) {
        let mut outer = self.outer.get();
        while let Some(Current { shared, owner }) = outer {
            shared.record_reads(owner.node, record);
            outer = shared.outer.get();
        }
    }

    /// That a factory of this other run has started it. Nothing has begun yet.
    pub(super) fn set_outer(&self, outer: &Current) {
        if outer.shared.session.is_some() || outer.shared.is_nested() {
            let _ = self.outer.set(outer.clone());
        }
    }

    /// Whether outputs of a run depend on this one, in one of whose factories it was started.
    pub(super) fn is_nested(&self) -> bool {
        self.outer.get().is_some()
    }

    /// Has the factory that has started this run count as one that acts: taking its output does not come to the same.
    pub(super) fn acts_in_outer(&self) {
        self.record_in_outer(&mut |reads| reads.record_act());
    }

    /// The same for what this run has taken from earlier ones, and what is another in each.
    pub(super) fn tell_outer(&self) {
        if !self.is_nested() {
            return;
        }
        for (factory, record) in self.plan.factories.iter().zip(self.records()) {
            if factory.policy.volatile && record.is_some() {
                let what = format!(
                    "what `{}` of pipeline `{}` delivers, which is volatile",
                    factory.name, self.plan.pipeline
                );
                self.record_in_outer(&mut |reads| reads.record_unknown(&*what));
            }
        }
        if let Some(session) = &self.session {
            let all = session.all_reads();
            self.record_in_outer(&mut |reads| reads.record_all(&all));
        }
    }
}
