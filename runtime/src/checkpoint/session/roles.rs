//! Which factories run, which are restored, and which are not needed.

use std::collections::BTreeSet;

use super::super::Validity;
use super::super::key::{all_components, expected};
use super::{Above, Restored, Role, Session, State, sources};
use crate::plan::Source;

impl Session {
    /// Gives each factory that has not begun its role, by what is known now.
    ///
    /// Roles change in one direction only: who has run because too little was known is restored or left out when more is.
    /// So what is restored is loaded at once, since another role may depend on it.
    pub(super) fn assign(&self, state: &mut State) {
        loop {
            self.check(state);
            self.choose(state);
            if self.load(state) {
                return;
            }
        }
    }

    /// Finds out which checkpoints are valid.
    fn check(&self, state: &mut State) {
        let code = |node: usize| self.factories[node].code;
        all_components(&self.plan, code, &self.inputs, |node, components| {
            let writes = self.factories[node].writes;
            let this = &mut state.nodes[node];
            if let Some(delivers) = this.delivers {
                return delivers;
            }
            let expected = expected(&self.plan, node, components);
            let (Some(components), Some(Ok(manifest))) = (components, &this.found) else { return expected };
            let key = components.key();
            if this.checked.as_ref().is_none_or(|(checked, _)| *checked != key) {
                let validity = if expected.is_some() {
                    let validity = self.store.check(manifest, components, writes, &self.contents);
                    let lost =
                        || manifest.kept_writes.iter().find_map(|write| (self.kept.check)(write).err());
                    let lost = if validity.is_valid() { lost() } else { None };
                    lost.map_or(validity, Validity::stale)
                } else {
                    Validity::stale("it is volatile now")
                };
                this.checked = Some((key, validity));
            }
            this.valid().map_or(expected, |manifest| Some(manifest.delivers()))
        });
    }

    /// Who runs, from the end to the beginning: whoever has to deliver something, or to write something that is not kept.
    fn choose(&self, state: &mut State) {
        let mut consumers = vec![(0u32, false); self.plan.factories.len()];
        let mut has_to_write: BTreeSet<String> = BTreeSet::new();
        let order: Vec<_> = self.plan.factory_order().collect();
        for node in order.into_iter().rev() {
            if !self.factories[node].selected {
                continue;
            }
            let factory = &self.plan.factories[node];
            let this = &mut state.nodes[node];
            let (taken, wanted) = consumers[node];
            let delivers = factory.kept || taken == 0 || wanted;
            if !this.begun {
                this.role = match (this.valid().is_some(), delivers, has_to_write.contains(&*factory.name)) {
                    (_, false, false) | (true, false, true) => Role::LeftOut,
                    (true, true, _) => Role::Restored,
                    (false, _, _) => Role::Runs,
                };
            }
            if this.role != Role::Runs
                && let Some(manifest) = this.valid()
            {
                has_to_write.extend(manifest.wrote_above.iter().cloned());
            }
            let runs = this.role == Role::Runs;
            for source in sources(&self.plan, node) {
                if let Source::Factory(factory) = source {
                    consumers[factory].0 += 1;
                    consumers[factory].1 |= runs;
                }
            }
        }
    }

    /// Loads what is restored; whether all of it could be.
    fn load(&self, state: &mut State) -> bool {
        for (node, this) in state.nodes.iter_mut().enumerate() {
            if this.role != Role::Restored || this.begun || this.restored.is_some() {
                continue;
            }
            let (Some(Ok(manifest)), Some(persistence)) = (&this.found, self.factories[node].persistence)
            else {
                continue;
            };
            match self.store.load(&self.plan.factories[node].name, persistence.load) {
                Ok(payload) => {
                    this.restored = Some(Restored { payload, rows: manifest.rows });
                    this.delivers = Some(Some(manifest.delivers()));
                    this.above = Above { reads: manifest.reads.clone(), wrote: manifest.writers() };
                }
                Err(error) => {
                    this.found = Some(Err(format!("its file cannot be read: {error:#}")));
                    return false;
                }
            }
        }
        true
    }
}
