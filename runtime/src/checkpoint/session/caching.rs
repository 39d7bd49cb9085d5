//! Taking outputs from the cache and adding outputs to it.

use std::time::Duration;

use super::super::{Components, Manifest};
use super::{Above, Ended, NodeState, Role, Session, State};
use crate::Result;
use crate::base::sync::held;
use crate::cache::{CacheReport, Found};
use crate::pipeline::AnyPayload;
use crate::plan::Source;

/// The cache state of a factory under `cache`.
#[derive(Default)]
pub(super) struct Cached {
    /// The key of the last look-up.
    looked_up: Option<super::Key>,
    /// The valid entries, newest first.
    found: Vec<Found>,
    /// The reason why other entries are invalid.
    because: Option<String>,
    /// Is set if its output was taken from the cache.
    taken: bool,
    ran: bool,
    added: bool,
    not_added: Option<String>,
}

impl Cached {
    pub(super) fn valid(&self) -> Option<&Manifest> {
        self.found.first().map(|found| &found.manifest)
    }
}

impl Session {
    /// Finds the valid entries for a factory, now that its key is known.
    pub(super) fn look_up(&self, node: usize, components: &Components, this: &mut NodeState) {
        let (Some(cache), Some(cache_for)) = (&self.cache, self.factories[node].cache) else { return };
        let key = components.key();
        if this.cached.looked_up == Some(key) {
            return;
        }
        let name = &self.plan.factories[node].name;
        let writes = self.factories[node].writes;
        let mut result = cache.look_up(name, components, writes, cache_for.max_age, &self.contents);
        result.found.retain(|found| match self.would_write(found) {
            None => true,
            Some(other) => {
                let because = format!("made by a run in which `{other}` did not write");
                result.because.get_or_insert(because);
                false
            }
        });
        this.cached = Cached {
            looked_up: Some(key),
            found: result.found,
            because: result.because,
            ..Cached::default()
        };
    }

    /// Returns the factory that did not write when this output was made, and would write now.
    fn would_write<'a>(&self, found: &'a Found) -> Option<&'a str> {
        let writes = |name: &str| {
            let position = self.plan.factories.iter().position(|node| node.name == name);
            position.is_some_and(|node| self.factories[node].writes)
        };
        found.manifest.unwritten.iter().map(String::as_str).find(|name| writes(name))
    }

    /// Gives up entries that would require an upstream factory to run which is left out by now, because its own inputs
    /// may be gone.
    pub(super) fn give_up_late(&self, state: &mut State) {
        if !state.under_way {
            return;
        }
        for node in 0..state.nodes.len() {
            let this = &state.nodes[node];
            if this.begun || this.restored.is_some() {
                continue;
            }
            let Some(manifest) = this.cached.valid() else { continue };
            let is_out = |name: &String| {
                let of = self.plan.factories.iter().position(|node| node.name == **name);
                of.is_some_and(|of| {
                    state.nodes[of].role != Role::Runs && state.nodes[of].valid_checkpoint().is_none()
                })
            };
            if manifest.acted.iter().any(is_out) {
                let cached = &mut state.nodes[node].cached;
                cached.found.clear();
                cached.because = Some("somebody above it has to write first, and was left out".to_owned());
            }
        }
    }

    /// Loads the newest valid entry of a restored factory. Returns `None` if it is damaged.
    pub(super) fn take_cached(&self, node: usize, this: &mut NodeState) -> Option<(AnyPayload, Manifest)> {
        let (Some(cache), Some(persistence)) = (&self.cache, self.factories[node].persistence) else {
            return None;
        };
        let found = this.cached.found.first()?;
        match cache.take(found, persistence.load) {
            Ok(payload) => {
                this.cached.taken = true;
                Some((payload, found.manifest.clone()))
            }
            Err(because) => {
                this.cached.found.remove(0);
                this.cached.because = Some(because);
                None
            }
        }
    }

    /// Records that a factory runs. Returns the reason why no cache entry was used, if there was one.
    pub(crate) fn cache_objection(&self, node: usize) -> Option<String> {
        self.factories[node].cache?;
        let mut state = held(self.state.lock());
        let this = &mut state.nodes[node].cached;
        this.ran = true;
        this.because.clone()
    }

    /// Adds the output of a factory to the cache if it is to be cached, and returns the payload to deliver from then on.
    /// The text is the reason why it was not added.
    pub(crate) fn cache(&self, node: usize, ended: &Ended) -> (AnyPayload, Option<String>) {
        let as_it_is = || AnyPayload::clone(&ended.payload);
        let how = &self.factories[node];
        let (Some(_), Some(cache_for)) = (&self.cache, how.cache) else { return (as_it_is(), None) };
        if !how.adds {
            return (as_it_is(), None);
        }
        match self.add(node, ended, cache_for) {
            Ok(payload) => {
                held(self.state.lock()).nodes[node].cached.added = true;
                (payload, None)
            }
            Err(because) => {
                self.not_cached(node, because.clone());
                (as_it_is(), Some(because))
            }
        }
    }

    /// Records why the output of a factory is not kept.
    pub(crate) fn not_cached(&self, node: usize, because: String) {
        held(self.state.lock()).nodes[node].cached.not_added = Some(because);
    }

    fn add(
        &self,
        node: usize,
        ended: &Ended,
        cache_for: super::CacheFor,
    ) -> std::result::Result<AnyPayload, String> {
        let how = &self.factories[node];
        let factory = &self.plan.factories[node];
        let (components, above) = {
            let state = held(self.state.lock());
            let (components, above) = self.so_far(node, &state);
            let components = match components {
                Some(components) => components,
                None => return Err(self.unknown(node, &state)),
            };
            (components, above)
        };
        if factory.policy.volatile {
            return Err("it is volatile, and so runs in every run".to_owned());
        }
        if ended.acted || self.reads[node].has_acted() {
            return Err("it writes, and so runs in every run".to_owned());
        }
        if ended.by_fallback {
            return Err("its fallback has delivered in its place".to_owned());
        }
        if let Some(read) = above.reads.iter().find(|read| !read.is_known()) {
            return Err(format!("it read {}, and whether that has changed cannot be told", read.place));
        }
        let (Some(cache), Some(persistence)) = (&self.cache, how.persistence) else {
            return Err("its output cannot be kept on disk".to_owned());
        };
        let Above { reads, wrote: wrote_above, acted, unwritten } = above;
        let made = super::Made {
            took: ended.took,
            max_age: cache_for.is_own.then_some(cache_for.max_age),
            components,
            reads,
            rows: ended.rows,
            by_fallback: false,
            writes: how.writes,
            wrote: false,
            kept_writes: Vec::new(),
            wrote_above,
            acted,
            unwritten,
        };
        let payload = AnyPayload::clone(&ended.payload);
        let added: Result<AnyPayload> = cache
            .put(&factory.name, made, &self.contents, |directory| (persistence.store)(payload, directory));
        added.map_err(|error| format!("{error:#}"))
    }

    /// Describes the part of a factory or of its sources whose changes cannot be detected.
    pub(super) fn unknown(&self, node: usize, state: &State) -> String {
        if let Some(because) = self.unknown_code(node) {
            return because;
        }
        for source in super::sources(&self.plan, node) {
            let name = self.plan.source_name(source);
            match source {
                Source::Input(input) if self.inputs[input].is_none() => {
                    return format!("of input `{name}` it cannot be told whether it has changed");
                }
                Source::Factory(factory) if state.nodes[factory].delivers.flatten().is_none() => {
                    return format!(
                        "of what it takes from `{name}` it cannot be told whether it has changed"
                    );
                }
                _ => {}
            }
        }
        "of what it takes it cannot be told whether it has changed".to_owned()
    }

    /// Returns the effect of the cache on each factory whose output is cached.
    pub(crate) fn cache_reports(&self) -> Vec<CacheReport> {
        let state = held(self.state.lock());
        let nodes = state.nodes.iter().zip(&self.factories).zip(self.plan.factories.iter());
        let cached = nodes.filter(|((_, how), _)| how.cache.is_some() && how.selected);
        let report = |((this, _), factory): ((&NodeState, _), &crate::plan::Node)| {
            let spared =
                this.begun && !this.cached.ran && this.delivers != Some(Some(super::Fingerprint::ABSENT));
            let took = this.cached.valid().filter(|_| spared).map(|manifest| manifest.took);
            let Cached { taken, ran, added, because, not_added, .. } = &this.cached;
            CacheReport {
                factory: factory.name.to_string(),
                hits: u32::from(*taken && !ran),
                misses: u32::from(*ran),
                because: because.clone().filter(|_| *ran),
                saved: Duration::from_nanos(took.unwrap_or_default()),
                saved_unknown: took == Some(0),
                added: *added,
                not_added: not_added.clone(),
            }
        };
        cached.map(report).collect()
    }
}
