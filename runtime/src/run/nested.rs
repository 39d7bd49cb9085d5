//! Runs that a factory of another run has started: their reads and effects count as those of that factory.

use super::current::Current;
use super::shared::Shared;
use crate::checkpoint::Reads;

impl Current {
    /// Calls `record` with the reads of this factory, and with the reads of the factory that started its run, and so on, if
    /// outputs that depend on them are kept.
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

    /// Records the factory of another run that started this run. Nothing has started yet.
    pub(super) fn set_outer(&self, outer: &Current) {
        if outer.shared.session.is_some() || outer.shared.is_nested() {
            let _ = self.outer.set(outer.clone());
        }
    }

    /// `true` if this run was started in a factory of a run whose outputs depend on it.
    pub(super) fn is_nested(&self) -> bool {
        self.outer.get().is_some()
    }

    /// Records that the factory that started this run has effects: taking its output from an earlier run does not replace running
    /// it.
    pub(super) fn acts_in_outer(&self) {
        self.record_in_outer(&mut |reads| reads.record_act());
    }

    /// Records in the outer factory the outputs that this run took from earlier runs, and the volatile ones.
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
