//! The roles of factories: run, be restored, or be left out.

use std::collections::BTreeSet;

use std::time::Duration;

use super::super::key::{all_components, expected};
use super::super::{Components, Manifest, Validity};
use super::{Above, From, NodeState, Restored, Role, Session, State, sources};
use crate::pipeline::AnyPayload;
use crate::plan::Source;

impl Session {
    /// Gives a role to each factory that has not begun, by the current knowledge.
    ///
    /// Roles change in one direction only: a factory that was to run because too little was known is restored or left out
    /// when more is known. So a restored output is loaded immediately, because other roles may depend on it.
    pub(super) fn assign(&self, state: &mut State) {
        loop {
            self.check(state);
            self.give_up_late(state);
            self.choose(state);
            if self.load(state) {
                return;
            }
        }
    }

    /// Finds the valid checkpoints and cache entries.
    fn check(&self, state: &mut State) {
        let code = |node: usize| self.factories[node].code;
        all_components(&self.plan, code, &self.inputs, |node, components| {
            let this = &mut state.nodes[node];
            if let Some(delivers) = this.delivers {
                return delivers;
            }
            let expected = expected(&self.plan, node, components);
            let Some(components) = components else { return expected };
            self.check_checkpoint(node, components, expected.is_some(), this);
            if expected.is_some() && this.valid_checkpoint().is_none() {
                self.look_up(node, components, this);
            }
            this.valid().map_or(expected, |manifest| Some(manifest.delivers()))
        });
    }

    fn check_checkpoint(&self, node: usize, now: &Components, is_stable: bool, this: &mut NodeState) {
        let (Some(store), Some(Ok(manifest))) = (&self.store, &this.found) else { return };
        let key = now.key();
        if this.checked.as_ref().is_some_and(|(checked, _)| *checked == key) {
            return;
        }
        let validity = if is_stable {
            let validity = store.check(manifest, now, self.factories[node].writes, &self.contents);
            let lost = || manifest.kept_writes.iter().find_map(|write| (self.kept.check)(write).err());
            let lost = if validity.is_valid() { lost() } else { None };
            lost.map_or(validity, Validity::stale)
        } else {
            Validity::stale("it is volatile now")
        };
        this.checked = Some((key, validity));
    }

    /// Chooses the factories to run, from the end of the plan to its beginning: those that must deliver an output, or
    /// repeat writes that are not kept.
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
                let has_to_write = has_to_write.contains(&*factory.name);
                // With a checkpoint, the writes are kept or committed. A cached output does not replace them.
                let is_there = match (this.valid_checkpoint(), this.cached.valid()) {
                    (Some(_), _) => true,
                    (None, cached) => cached.is_some() && !has_to_write,
                };
                this.role = match (is_there, delivers, has_to_write) {
                    (_, false, false) | (true, false, true) => Role::LeftOut,
                    (true, true, _) => Role::Restored,
                    (false, _, _) => Role::Runs,
                };
            }
            if this.role != Role::Runs {
                match (this.valid_checkpoint(), this.cached.valid()) {
                    (Some(checkpoint), _) => has_to_write.extend(checkpoint.wrote_above.iter().cloned()),
                    (None, Some(cached)) => has_to_write.extend(cached.acted.iter().cloned()),
                    (None, None) => {}
                }
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

    /// Loads the outputs of restored factories. Returns `true` if all could be loaded.
    fn load(&self, state: &mut State) -> bool {
        for (node, this) in state.nodes.iter_mut().enumerate() {
            if this.role != Role::Restored || this.begun || this.restored.is_some() {
                continue;
            }
            if this.valid_checkpoint().is_none() {
                let Some((payload, manifest)) = self.take_cached(node, this) else { return false };
                this.restore(payload, &manifest, From::Cache);
                continue;
            }
            let (Some(store), Some(Ok(manifest)), Some(persistence)) =
                (&self.store, &this.found, self.factories[node].persistence)
            else {
                continue;
            };
            match store.load(&self.plan.factories[node].name, persistence.load) {
                Ok(payload) => {
                    let manifest = manifest.clone();
                    this.restore(payload, &manifest, From::Checkpoint);
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

impl NodeState {
    fn restore(&mut self, payload: AnyPayload, manifest: &Manifest, from: From) {
        let took = Duration::from_nanos(manifest.took);
        self.restored = Some(Restored { payload, rows: manifest.rows, from, took });
        self.delivers = Some(Some(manifest.delivers()));
        let Manifest { reads, acted, unwritten, .. } = manifest.clone();
        self.above = Above { reads, wrote: manifest.writers(), acted, unwritten };
    }
}
