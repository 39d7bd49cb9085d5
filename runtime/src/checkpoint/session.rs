//! The checkpoints and the cache of one run. They decide which factories run, which are restored, and which outputs are
//! kept.

mod caching;
mod inputs;
mod roles;
mod setup;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use serde_json::Value;

use super::reads::Contents;
use super::{Code, Components, Fingerprint, Key, Made, Manifest, Read, Reads, Store, StoreError, Validity};
use crate::base::sync::held;
pub(crate) use crate::run::step::From;
use caching::Cached;
pub(crate) use inputs::fingerprints_of_inputs;
pub(crate) use setup::{CacheFor, Ended, How, Kept, Part, Restored, Setup};

use crate::Result;
use crate::cache::Cache;
use crate::pipeline::AnyPayload;
use crate::plan::{Plan, PlanRef, Source};

/// The sources of a factory's deliveries and of its fallback's.
fn sources(plan: &Plan, node: usize) -> impl Iterator<Item = Source> + '_ {
    let factory = &plan.factories[node];
    let fallback = factory.fallback.iter().flat_map(|fallback| fallback.sources.iter());
    factory.sources.iter().chain(fallback).copied()
}

/// The checkpoints and the cache of one run. Every method that can read or write files blocks.
pub(crate) struct Session {
    plan: PlanRef,
    factories: Vec<How>,
    inputs: Vec<Option<Fingerprint>>,
    contents: Arc<Contents>,
    reads: Vec<Arc<Reads>>,
    /// The store of checkpoints. `None` if there is only a cache, which any number of runs may use at the same time.
    store: Option<Store>,
    cache: Option<Cache>,
    kept: Kept,
    state: Mutex<State>,
}

struct State {
    nodes: Vec<NodeState>,
    /// Is set if a result differs from the expectation, so that more may be known about downstream factories.
    outdated: bool,
    /// Is set if factories may have begun.
    under_way: bool,
}

#[derive(Default)]
struct NodeState {
    /// The existing checkpoint, or the reason why it cannot be read.
    found: Option<Result<Manifest, String>>,
    checked: Option<(Key, Validity)>,
    cached: Cached,
    role: Role,
    /// Is set if its role is final.
    begun: bool,
    /// The fingerprint that counts for downstream factories, once it has ended.
    delivers: Option<Option<Fingerprint>>,
    above: Above,
    restored: Option<Restored>,
    /// The factories whose writes the checkpoint of this run covers. `None` if there is no such checkpoint.
    kept: Option<BTreeSet<String>>,
    /// Is set if its writes are part of this run.
    writes: bool,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Role {
    #[default]
    Runs,
    Restored,
    LeftOut,
}

/// The history of a factory and of the upstream factories that its output depends on.
#[derive(Clone, Default)]
struct Above {
    reads: BTreeSet<Read>,
    wrote: BTreeSet<String>,
    acted: BTreeSet<String>,
    unwritten: BTreeSet<String>,
}

impl Session {
    /// Finds the valid checkpoints of a store and the valid entries of the cache. This blocks.
    ///
    /// # Errors
    /// When left-overs in the store cannot be removed.
    pub(crate) fn open(setup: Setup, store: Option<Store>) -> Result<Self, StoreError> {
        let Setup { plan, factories, inputs, resume, kept, cache } = setup;
        if let Some(store) = &store {
            if !resume || store.is_committed() {
                store.clear(&kept.discard)?;
            }
            store.tidy(&kept.discard)?;
        }
        let contents = Arc::new(Contents::default());
        let nodes = plan.factories.iter().zip(&factories).map(|(factory, how)| {
            let (delivers, found) = match (how.selected, how.enabled) {
                // The value that replaces its output may be anything.
                (false, _) => (Some(None), None),
                (true, false) => (Some(Some(Fingerprint::ABSENT)), None),
                (true, true) => {
                    let store = store.as_ref().filter(|_| how.persistence.is_some());
                    (None, store.and_then(|store| store.find(&factory.name)))
                }
            };
            NodeState { found, delivers, begun: delivers.is_some(), ..NodeState::default() }
        });
        let state = Mutex::new(State { nodes: nodes.collect(), outdated: false, under_way: false });
        let reads = factories.iter().map(|_| Arc::new(Reads::new(Arc::clone(&contents)))).collect();
        let this = Self { plan, factories, inputs, contents, reads, store, cache, kept, state };
        {
            let mut state = held(this.state.lock());
            this.assign(&mut state);
            state.under_way = true;
        }
        Ok(this)
    }

    /// Lets other runs use the checkpoints.
    pub(crate) fn close(&self) {
        if let Some(store) = &self.store {
            store.close();
        }
    }

    /// Returns `true` if there are checkpoints, so that a commit must mark or remove them.
    pub(crate) fn has_checkpoints(&self) -> bool {
        self.store.is_some()
    }

    /// Returns the path of the mark of a run that has committed everything that its checkpoints cover, but could not
    /// remove them.
    pub(crate) fn mark(&self) -> Option<PathBuf> {
        self.store.as_ref().map(Store::mark)
    }

    /// Returns the marks to create, with their texts, if a run commits some writes and keeps its checkpoints. They
    /// prevent committed writes from being written again. `commits` returns `true` if the run commits the writes of a
    /// factory.
    pub(crate) fn marks(&self, commits: impl Fn(usize) -> bool) -> Vec<(PathBuf, String)> {
        let Some(store) = &self.store else { return Vec::new() };
        let state = held(self.state.lock());
        let names = || state.nodes.iter().zip(self.plan.factories.iter()).enumerate();
        let committed: BTreeSet<_> = names()
            .filter(|(node, (this, _))| this.writes && commits(*node))
            .map(|(_, (_, factory))| factory.name.to_string())
            .collect();
        let mark = |(_, (this, factory)): (usize, (&NodeState, &crate::plan::Node))| {
            let (wrote, mut before) = match (&this.kept, this.valid_checkpoint()) {
                (Some(wrote), _) => (wrote.clone(), BTreeSet::new()),
                (None, Some(manifest)) => (manifest.writers(), manifest.committed.clone()),
                (None, None) => return None,
            };
            if wrote.is_disjoint(&committed) {
                return None;
            }
            before.extend(committed.iter().cloned());
            Some((store.mark_of(&factory.name), serde_json::to_string(&before).ok()?))
        };
        names().filter_map(mark).collect()
    }

    /// Returns the reads of all factories, including those of earlier runs whose outputs were restored.
    pub(crate) fn all_reads(&self) -> BTreeSet<Read> {
        held(self.state.lock()).nodes.iter().flat_map(|node| node.above.reads.iter().cloned()).collect()
    }

    /// Returns the record of the factory's reads.
    pub(crate) fn reads(&self, node: usize) -> &Arc<Reads> {
        &self.reads[node]
    }

    /// Returns the reason why the checkpoint of a factory cannot be used, as far as known. Returns `None` if there is
    /// none, or if it is valid.
    pub(crate) fn objection(&self, node: usize) -> Option<String> {
        let state = held(self.state.lock());
        let this = &state.nodes[node];
        match (&this.found, &this.checked) {
            (None, _) | (Some(Ok(_)), Some((_, Validity::Valid))) => None,
            (Some(Err(because)), _) | (Some(Ok(_)), Some((_, Validity::Stale { because }))) => {
                Some(because.clone())
            }
            (Some(Ok(_)), None) => Some(self.unknown(node, &state)),
        }
    }

    /// Returns the writes that were kept with the checkpoint of a factory that does not run. They are part of this run
    /// from now on.
    pub(crate) fn adopt_writes(&self, node: usize) -> Vec<Value> {
        let mut state = held(self.state.lock());
        let this = &mut state.nodes[node];
        // In a dry run, the writes of a real run are left to the next real run.
        let Some(manifest) =
            this.valid_checkpoint().filter(|found| found.writes == self.factories[node].writes)
        else {
            return Vec::new();
        };
        let writes = manifest.kept_writes.clone();
        this.writes = !writes.is_empty();
        writes
    }

    /// Returns the reason why a change of a factory's code cannot be detected, if so.
    pub(crate) fn unknown_code(&self, node: usize) -> Option<String> {
        match self.factories[node].code {
            Code::Unknown(because) => Some(format!("whether its code has changed cannot be told: {because}")),
            Code::Known(..) => None,
        }
    }

    /// Returns `true` if the output of this factory is kept, now that it has ended.
    pub(crate) fn keeps(&self, node: usize) -> bool {
        let how = &self.factories[node];
        self.store.is_some()
            && how.checkpoint
            && !self.plan.factories[node].policy.volatile
            && how.persistence.is_some()
            && {
                let state = held(self.state.lock());
                self.so_far(node, &state).0.is_some()
            }
    }

    /// Records that these writes are about to be kept.
    ///
    /// # Errors
    /// When the record cannot be written.
    pub(crate) fn intend(&self, writes: &[Value]) -> Result<(), StoreError> {
        self.store.as_ref().map_or(Ok(()), |store| store.intend(writes))
    }

    /// Returns the role of a ready factory. This blocks only downstream of volatile factories, of skipped factories, and
    /// of factories whose fallback has delivered.
    pub(crate) fn ready(&self, node: usize) -> Part {
        let mut state = held(self.state.lock());
        if std::mem::take(&mut state.outdated) {
            self.assign(&mut state);
        }
        let this = &mut state.nodes[node];
        this.begun = true;
        match (this.role, this.restored.take()) {
            (Role::Restored, Some(restored)) => Part::Restored(restored),
            (Role::LeftOut, _) => Part::LeftOut,
            _ => Part::Runs,
        }
    }

    /// Keeps the output of a factory if it is a checkpoint, and returns the payload to deliver from then on.
    ///
    /// # Errors
    /// When the output cannot be kept, or its fingerprint cannot be computed.
    pub(crate) fn delivered(&self, node: usize, ended: Ended) -> Result<AnyPayload> {
        let Ended { mut payload, rows, by_fallback, wrote, acted, took, kept_writes } = ended;
        let keeps = self.keeps(node);
        let (components, mut above) = {
            let state = held(self.state.lock());
            self.so_far(node, &state)
        };
        let factory = &self.plan.factories[node];
        let how = &self.factories[node];
        if acted || wrote || self.reads[node].has_acted() {
            above.acted.insert(factory.name.to_string());
        }
        let mut kept = None;
        if let (true, Some(store), Some(persistence), Some(components)) =
            (keeps, &self.store, how.persistence, components.clone())
        {
            let Above { reads, wrote: wrote_above, acted, unwritten } = above.clone();
            let (writes, max_age) = (how.writes, None);
            let made = Made {
                took,
                max_age,
                components,
                reads,
                rows,
                by_fallback,
                writes,
                wrote,
                kept_writes,
                wrote_above,
                acted,
                unwritten,
            };
            payload = store.put(&factory.name, made, |directory| (persistence.store)(payload, directory))?;
            kept = Some(());
        }
        let key = components.map(|components| components.key());
        let expected = key.map(Key::fingerprint);
        let delivers = match (factory.policy.volatile, how.content) {
            (true, Some(content)) => Some(content(&payload)?),
            (true, None) => None,
            (false, _) if by_fallback && is_volatile_fallback(factory) => None,
            (false, _) if by_fallback => key.map(Key::by_fallback),
            (false, _) => expected,
        };
        if factory.policy.volatile {
            // Its output counts by its content, whatever its origin.
            above.reads.clear();
        }
        if wrote {
            above.wrote.insert(factory.name.to_string());
        }
        let mut state = held(self.state.lock());
        state.outdated |= delivers != expected;
        let this = &mut state.nodes[node];
        this.delivers = Some(delivers);
        this.kept = kept.map(|_| above.wrote.clone());
        this.above = above;
        this.writes = wrote;
        Ok(payload)
    }

    /// Records that a factory was skipped and the run continues.
    pub(crate) fn skipped(&self, node: usize) {
        let mut state = held(self.state.lock());
        // The factory may have been skipped because of a file that it has read.
        let (_, above) = self.so_far(node, &state);
        state.outdated = true;
        state.nodes[node].delivers = Some(Some(Fingerprint::ABSENT));
        state.nodes[node].above = above;
    }

    /// Removes the checkpoint of a factory whose effects were undone.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub(crate) fn undone(&self, node: usize) -> Result<(), StoreError> {
        self.store.as_ref().map_or(Ok(()), |store| store.remove(&self.plan.factories[node].name))
    }

    /// Removes all checkpoints, because the run has succeeded and all its writes are committed.
    ///
    /// # Errors
    /// When one cannot be removed.
    pub(crate) fn succeeded(&self) -> Result<(), StoreError> {
        self.store.as_ref().map_or(Ok(()), |store| store.clear(&self.kept.discard))
    }

    /// Returns the components of a factory's key as its sources have delivered, and its history.
    fn so_far(&self, node: usize, state: &State) -> (Option<Components>, Above) {
        let components = Components::of(&self.plan, node, self.factories[node].code, |source| match source {
            Source::Input(input) => self.inputs[input],
            Source::Factory(factory) => state.nodes[factory].delivers.flatten(),
            Source::Context => None,
        });
        let mut above =
            Above { reads: self.reads[node].recorded().into_iter().collect(), ..Above::default() };
        if !self.factories[node].writes {
            above.unwritten.insert(self.plan.factories[node].name.to_string());
        }
        for source in sources(&self.plan, node) {
            let Source::Factory(factory) = source else { continue };
            above.reads.extend(state.nodes[factory].above.reads.iter().cloned());
            above.wrote.extend(state.nodes[factory].above.wrote.iter().cloned());
            above.acted.extend(state.nodes[factory].above.acted.iter().cloned());
            above.unwritten.extend(state.nodes[factory].above.unwritten.iter().cloned());
        }
        (components, above)
    }
}

impl NodeState {
    fn valid_checkpoint(&self) -> Option<&Manifest> {
        match (&self.found, &self.checked) {
            (Some(Ok(manifest)), Some((_, Validity::Valid))) => Some(manifest),
            _ => None,
        }
    }

    /// Returns a valid output. A checkpoint takes precedence, because it includes the writes.
    fn valid(&self) -> Option<&Manifest> {
        self.valid_checkpoint().or_else(|| self.cached.valid())
    }
}

/// `true` if the fallback declares itself volatile, so that its output is unpredictable.
fn is_volatile_fallback(factory: &crate::plan::Node) -> bool {
    factory.fallback.as_ref().is_some_and(|fallback| fallback.policy.volatile)
}

#[cfg(test)]
mod tests;
