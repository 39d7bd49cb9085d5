//! The checkpoints of one run: which factories run, which are restored, and what is kept of those that have run.

mod roles;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use super::reads::Contents;
use super::{
    Components, Fingerprint, FingerprintOf, Key, Made, Manifest, Persistence, Read, Reads, Store, StoreError,
    Validity, held,
};
use crate::Result;
use crate::pipeline::AnyPayload;
use crate::plan::{Plan, PlanRef, Source};

/// What has to be known of a factory.
#[derive(Clone, Copy, Default)]
pub(crate) struct How {
    /// The fingerprint of its code, [with that of its fallback](super::with_fallback).
    pub(crate) code: u128,
    /// Whether its output is kept.
    pub(crate) checkpoint: bool,
    /// How its output is kept, if it can be.
    pub(crate) persistence: Option<Persistence>,
    /// How the fingerprint of its output is taken, if it is volatile.
    pub(crate) content: Option<FingerprintOf>,
    /// Whether it writes in this run.
    pub(crate) writes: bool,
}

/// What a run knows before it begins.
pub(crate) struct Setup {
    pub(crate) plan: PlanRef,
    /// In the order of the plan.
    pub(crate) factories: Vec<How>,
    /// In the order of the plan; [`Fingerprint::ABSENT`] for those that are absent, none for those that have none.
    pub(crate) inputs: Vec<Option<Fingerprint>>,
    /// See [`state_directory`](super::state_directory).
    pub(crate) state: PathBuf,
    pub(crate) run: String,
    /// Whether checkpoints of earlier runs are used. Otherwise they are removed.
    pub(crate) resume: bool,
    /// Whether a write that was kept can be committed still; why not, if not.
    pub(crate) can_reopen: fn(&serde_json::Value) -> Result<(), String>,
}

/// The fingerprints of the inputs' values, for [`Setup::inputs`]: of those that a checkpoint depends on, since one may be a
/// query which is run for it. It blocks.
///
/// # Errors
/// When one cannot be taken.
pub(crate) fn fingerprints_of_inputs(
    plan: &Plan,
    payloads: &[Option<AnyPayload>],
    how: &[Option<FingerprintOf>],
    factories: &[How],
) -> Result<Vec<Option<Fingerprint>>> {
    let mut counts: Vec<bool> = factories.iter().map(|factory| factory.checkpoint).collect();
    let mut taken = vec![false; payloads.len()];
    let order: Vec<_> = plan.factory_order().collect();
    for node in order.into_iter().rev() {
        if !counts[node] {
            continue;
        }
        for source in sources(plan, node) {
            match source {
                Source::Input(input) => taken[input] = true,
                // What is volatile counts by what it delivers.
                Source::Factory(above) => counts[above] |= !plan.factories[above].policy.volatile,
                Source::Context => {}
            }
        }
    }
    let of =
        |((payload, how), taken): ((&Option<AnyPayload>, &Option<FingerprintOf>), bool)| match (payload, how)
        {
            _ if !taken => Ok(None),
            (None, _) => Ok(Some(Fingerprint::ABSENT)),
            (Some(payload), Some(how)) => how(payload).map(Some),
            (Some(_), None) => Ok(None),
        };
    payloads.iter().zip(how).zip(taken).map(of).collect()
}

/// Where the deliveries of a factory and of its fallback come from.
fn sources(plan: &Plan, node: usize) -> impl Iterator<Item = Source> + '_ {
    let factory = &plan.factories[node];
    let fallback = factory.fallback.iter().flat_map(|fallback| fallback.sources.iter());
    factory.sources.iter().chain(fallback).copied()
}

/// What becomes of a factory in this run.
pub(crate) enum Part {
    /// It runs.
    Runs,
    /// Its output is there already.
    Restored(Restored),
    /// It has nothing to deliver that anybody needs.
    LeftOut,
}

/// An output from a checkpoint.
pub(crate) struct Restored {
    pub(crate) payload: AnyPayload,
    pub(crate) rows: Option<usize>,
}

/// A factory that has delivered.
pub(crate) struct Ended {
    pub(crate) payload: AnyPayload,
    pub(crate) rows: Option<usize>,
    /// Whether its fallback has delivered in its place.
    pub(crate) by_fallback: bool,
    /// Whether it has written anything that goes with the run if that fails.
    pub(crate) wrote: bool,
    /// The staged writes that are kept with its checkpoint.
    pub(crate) kept_writes: Vec<serde_json::Value>,
}

/// Writes that nobody needs any more: they are to be discarded.
pub(crate) type Discarded = Vec<serde_json::Value>;

/// The checkpoints of one run. All that can read or write files blocks.
pub(crate) struct Session {
    plan: PlanRef,
    factories: Vec<How>,
    inputs: Vec<Option<Fingerprint>>,
    contents: Arc<Contents>,
    reads: Vec<Arc<Reads>>,
    store: Store,
    can_reopen: fn(&serde_json::Value) -> Result<(), String>,
    state: Mutex<State>,
}

struct State {
    nodes: Vec<NodeState>,
    /// Whether something has come out otherwise than expected, so that more may be known of those below.
    outdated: bool,
}

#[derive(Default)]
struct NodeState {
    /// The checkpoint that is there, and whether it can be used by what was last known.
    found: Option<Result<Manifest, String>>,
    checked: Option<(Key, Validity)>,
    role: Role,
    /// Whether its role is final.
    begun: bool,
    /// What counts for those who take what it delivers, once it has ended.
    delivers: Option<Option<Fingerprint>>,
    above: Above,
    restored: Option<Restored>,
    /// Whether there is a checkpoint of this run.
    kept: bool,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Role {
    #[default]
    Runs,
    Restored,
    LeftOut,
}

/// What has happened in a factory and in those above it that the output depends on.
#[derive(Clone, Default)]
struct Above {
    reads: BTreeSet<Read>,
    wrote: BTreeSet<String>,
}

impl Session {
    /// Opens the checkpoints of the pipeline, and finds out which can be used.
    ///
    /// # Errors
    /// When another run uses them, or their directory cannot be used.
    pub(crate) fn open(setup: Setup) -> Result<(Self, Discarded), StoreError> {
        let Setup { plan, factories, inputs, state, run, resume, can_reopen } = setup;
        let store = Store::open(&state, &plan.pipeline, run)?;
        let discarded = if resume && !store.is_committed() { Vec::new() } else { store.clear()? };
        let contents = Arc::new(Contents::default());
        let nodes = plan.factories.iter().zip(&factories).map(|(factory, how)| NodeState {
            found: if how.checkpoint { store.find(&factory.name) } else { None },
            ..NodeState::default()
        });
        let state = Mutex::new(State { nodes: nodes.collect(), outdated: false });
        let reads = factories.iter().map(|_| Arc::new(Reads::new(Arc::clone(&contents)))).collect();
        let this = Self { plan, factories, inputs, contents, reads, store, can_reopen, state };
        {
            let mut state = held(this.state.lock());
            this.assign(&mut state);
        }
        Ok((this, discarded))
    }

    /// What is there when a run has committed all that its checkpoints stand for, and could not remove them any more.
    pub(crate) fn mark(&self) -> PathBuf {
        self.store.mark()
    }

    /// Where the factory records what it reads.
    pub(crate) fn reads(&self, node: usize) -> &Arc<Reads> {
        &self.reads[node]
    }

    /// Of each factory that has a checkpoint, by its name, whether it can be used.
    pub(crate) fn validities(&self) -> Vec<(String, Validity)> {
        let state = held(self.state.lock());
        let nodes = state.nodes.iter().zip(self.plan.factories.iter());
        let of = |(node, factory): (&NodeState, &crate::plan::Node)| {
            let validity = match (&node.found, &node.checked) {
                (None, _) => return None,
                (Some(Err(because)), _) => Validity::stale(because.clone()),
                (Some(Ok(_)), Some((_, validity))) => validity.clone(),
                (Some(Ok(_)), None) => Validity::stale("what it takes is not known before the run"),
            };
            Some((factory.name.to_string(), validity))
        };
        nodes.filter_map(of).collect()
    }

    /// The writes that were kept with the checkpoints which are used: they are part of this run's.
    pub(crate) fn kept_writes(&self) -> Vec<(usize, serde_json::Value)> {
        let state = held(self.state.lock());
        let used = state.nodes.iter().enumerate().filter(|(_, node)| node.role != Role::Runs);
        let manifests = used.filter_map(|(at, node)| Some((at, node.valid()?)));
        manifests
            .flat_map(|(at, manifest)| manifest.kept_writes.iter().map(move |write| (at, write.clone())))
            .collect()
    }

    /// The writes that were kept with the checkpoint of a factory.
    pub(crate) fn kept_writes_of(&self, node: usize) -> Vec<serde_json::Value> {
        let state = held(self.state.lock());
        state.nodes[node].valid().map(|manifest| manifest.kept_writes.clone()).unwrap_or_default()
    }

    /// Whether the output of this factory is kept.
    pub(crate) fn is_checkpoint(&self, node: usize) -> bool {
        self.factories[node].checkpoint
    }

    /// What becomes of a factory, now that all it takes is there. It blocks only below volatile factories, and below those
    /// that were skipped or whose fallback has delivered.
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

    /// Keeps what a factory has delivered, if it is a checkpoint, and gives what is delivered from then on.
    ///
    /// # Errors
    /// When the output cannot be kept, or its fingerprint not be taken.
    pub(crate) fn delivered(&self, node: usize, ended: Ended) -> Result<(AnyPayload, Discarded)> {
        let Ended { payload, rows, by_fallback, wrote, kept_writes } = ended;
        let (components, above) = {
            let state = held(self.state.lock());
            self.so_far(node, &state)
        };
        let factory = &self.plan.factories[node];
        let mut result = (Arc::clone(&payload), Vec::new());
        let how = &self.factories[node];
        if let (true, false, Some(persistence), Some(components)) =
            (how.checkpoint, factory.policy.volatile, how.persistence, components.clone())
        {
            let Above { reads, wrote: wrote_above } = above.clone();
            let writes = how.writes;
            let made = Made { components, reads, rows, by_fallback, writes, wrote, kept_writes, wrote_above };
            let store = |directory: &std::path::Path| (persistence.store)(payload, directory);
            result = self.store.put(&factory.name, made, store)?;
        }
        let key = components.map(|components| components.key());
        let expected = key.map(Key::fingerprint);
        let delivers = match (factory.policy.volatile, how.content) {
            (true, Some(content)) => Some(content(&result.0)?),
            (true, None) => None,
            (false, _) if by_fallback => key.map(Key::by_fallback),
            (false, _) => expected,
        };
        let mut state = held(self.state.lock());
        state.outdated |= delivers != expected;
        let this = &mut state.nodes[node];
        this.delivers = Some(delivers);
        this.above = above;
        this.kept = how.checkpoint;
        if factory.policy.volatile {
            // What it delivers counts by its content, whatever that was made of.
            this.above.reads.clear();
        }
        if wrote {
            this.above.wrote.insert(factory.name.to_string());
        }
        Ok(result)
    }

    /// That a factory has delivered nothing, and the run goes on.
    pub(crate) fn skipped(&self, node: usize) {
        let mut state = held(self.state.lock());
        // It is not there because of what it has read.
        let (_, above) = self.so_far(node, &state);
        state.outdated = true;
        state.nodes[node].delivers = Some(Some(Fingerprint::ABSENT));
        state.nodes[node].above = above;
    }

    /// That what a factory did is undone: its checkpoint is removed.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub(crate) fn undone(&self, node: usize) -> Result<Discarded, StoreError> {
        self.store.remove(&self.plan.factories[node].name)
    }

    /// That the run has succeeded and all its writes are committed: no checkpoint is needed any more.
    ///
    /// # Errors
    /// When one cannot be removed.
    pub(crate) fn succeeded(&self) -> Result<Discarded, StoreError> {
        let state = held(self.state.lock());
        for (node, factory) in state.nodes.iter().zip(self.plan.factories.iter()) {
            let committed = node.kept || (node.role != Role::Runs && node.valid().is_some());
            if committed {
                self.store.remove(&factory.name)?;
            }
        }
        self.store.clear()
    }

    /// What the output of a factory depends on by what its sources have delivered, and what has happened above it.
    fn so_far(&self, node: usize, state: &State) -> (Option<Components>, Above) {
        let components = Components::of(&self.plan, node, self.factories[node].code, |source| match source {
            Source::Input(input) => self.inputs[input],
            Source::Factory(factory) => state.nodes[factory].delivers.flatten(),
            Source::Context => None,
        });
        let mut above =
            Above { reads: self.reads[node].recorded().into_iter().collect(), ..Above::default() };
        for source in sources(&self.plan, node) {
            let Source::Factory(factory) = source else { continue };
            above.reads.extend(state.nodes[factory].above.reads.iter().cloned());
            above.wrote.extend(state.nodes[factory].above.wrote.iter().cloned());
        }
        (components, above)
    }
}

impl NodeState {
    fn valid(&self) -> Option<&Manifest> {
        match (&self.found, &self.checked) {
            (Some(Ok(manifest)), Some((_, Validity::Valid))) => Some(manifest),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
