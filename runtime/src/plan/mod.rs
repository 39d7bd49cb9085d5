//! The plan of a pipeline: its parts, its wiring, and an order of execution.
//!
//! For a `#[pipeline]` the plan is a constant. `Pipeline::builder()` makes the same plan at run time.

mod ambiguous;
pub mod dynamic;
mod fingerprints;
pub(crate) mod linked;
mod order;
mod presence;
mod text;

use std::borrow::Cow;
use std::fmt;

use crate::policy::Policy;

pub use fingerprints::check_fingerprints;
pub use order::{Links, Ordering, count_links, input_is_taken, kept, order};
pub use presence::check_presence;
pub(crate) use presence::mistake_in_fallback;
pub(crate) use text::Text;

/// The source of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Source {
    /// The input with this index.
    Input(usize),
    /// The factory with this index.
    Factory(usize),
    /// The [`Context`](crate::Context), which every run supplies.
    Context,
}

/// The sources of all deliveries of a factory and its fallback. The factory waits for both.
#[derive(Clone, Copy, Debug)]
pub struct Sources<'plan> {
    /// The sources of its own deliveries, in their order.
    pub own: &'plan [Source],
    /// The sources of its fallback's deliveries, in their order.
    pub fallback: &'plan [Source],
}

impl Sources<'_> {
    /// Returns the number of sources.
    pub(crate) const fn len(&self) -> usize {
        self.own.len() + self.fallback.len()
    }

    /// Returns a source by index: first its own, then its fallback's.
    pub(crate) const fn get(&self, at: usize) -> Source {
        if at < self.own.len() { self.own[at] } else { self.fallback[at - self.own.len()] }
    }
}

/// The way in which a factory takes a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeliveryMode {
    /// A value: a clone, or the payload itself for the last consumer.
    Owned,
    /// An `Arc` of the payload: `#[delivery(shared)]`.
    Shared,
    /// A value that is loaded from a delivered source: `#[delivery(auto_load)]`.
    Loaded,
}

/// One delivery that a factory declares.
#[derive(Clone, Copy, Debug)]
pub struct Delivery {
    /// The name of the field or parameter.
    pub name: &'static str,
    /// Its type, as written.
    pub type_name: &'static str,
    /// `id = …`, as written.
    pub id: Option<&'static str>,
    /// `producer = …`, as written.
    pub producer: Option<&'static str>,
    /// `true` if it may be absent.
    pub optional: bool,
    /// The way in which it is taken.
    pub mode: DeliveryMode,
}

/// An input: a value that the caller passes to the pipeline.
#[derive(Clone, Debug)]
pub struct Input {
    /// The field of the pipeline.
    pub name: Cow<'static, str>,
    /// Its type, as written.
    pub type_name: &'static str,
    /// `id = …`, as written.
    pub id: Option<&'static str>,
}

/// A named group of factories.
#[derive(Clone, Debug)]
pub struct Stage {
    /// The name in the pipeline.
    pub name: Cow<'static, str>,
    /// The number of its factories.
    pub factories: usize,
    /// `true` if later stages wait until this stage and all earlier ones have finished.
    pub barrier: bool,
    /// `true` if its factories run one after another, in the order in which they are listed.
    pub sequential: bool,
    /// `true` if its factories do not write.
    pub no_write: bool,
}

impl Stage {
    /// Makes a stage without options.
    pub const fn new(name: &'static str, factories: usize) -> Self {
        Self { name: Cow::Borrowed(name), factories, barrier: false, sequential: false, no_write: false }
    }

    /// Sets [`Stage::barrier`](Stage#structfield.barrier).
    pub const fn barrier(mut self) -> Self {
        self.barrier = true;
        self
    }

    /// Sets [`Stage::sequential`](Stage#structfield.sequential).
    pub const fn sequential(mut self) -> Self {
        self.sequential = true;
        self
    }

    /// Sets [`Stage::no_write`](Stage#structfield.no_write).
    pub const fn no_write(mut self) -> Self {
        self.no_write = true;
        self
    }
}

/// One factory in a plan.
#[derive(Clone, Debug)]
pub struct Node {
    /// Its name, as the pipeline lists it.
    pub name: Cow<'static, str>,
    /// The index of its stage.
    pub stage: usize,
    /// Its deliveries.
    pub deliveries: &'static [Delivery],
    /// The sources of its deliveries, in the same order.
    pub sources: Cow<'static, [Source]>,
    /// The id of its output.
    pub id: Option<&'static str>,
    /// `true` if its output is available after the run.
    pub kept: bool,
    /// `true` if it blocks a thread while it runs.
    pub blocking: bool,
    /// Returns the name of its output's type.
    pub output: fn() -> &'static str,
    /// Its retries, limits, conditions and fallbacks.
    pub policy: &'static Policy,
    /// The fallback that runs when it fails.
    pub fallback: Option<FallbackNode>,
}

/// The factory that runs in place of a failed one.
#[derive(Clone, Debug)]
pub struct FallbackNode {
    /// Its name.
    pub name: &'static str,
    /// Its deliveries.
    pub deliveries: &'static [Delivery],
    /// The sources of its deliveries, in the same order.
    pub sources: Cow<'static, [Source]>,
    /// Its own retries and timeouts.
    pub policy: &'static Policy,
    /// `true` if it blocks a thread while it runs.
    pub blocking: bool,
}

/// The parts of a pipeline and their links.
///
/// The nodes of the order are the factories, by their index, followed by one gate for each barrier.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The name of the pipeline.
    pub pipeline: Cow<'static, str>,
    /// Its inputs.
    pub inputs: Cow<'static, [Input]>,
    /// Its stages.
    pub stages: Cow<'static, [Stage]>,
    /// Its factories, stage by stage.
    pub factories: Cow<'static, [Node]>,
    /// The index in `successors` at which the successors of each node start. One more entry marks the end.
    pub offsets: Cow<'static, [u32]>,
    /// The nodes that wait for a node, one list after another.
    pub successors: Cow<'static, [u32]>,
    /// The number of predecessors that each node waits for.
    pub waits: Cow<'static, [u32]>,
    /// The nodes in an order in which they could run one by one.
    pub order: Cow<'static, [u32]>,
    /// The length of the longest path from the start to each node.
    pub levels: Cow<'static, [u32]>,
    /// The policy of all factories that do not set their own.
    pub defaults: Policy,
}

impl Node {
    /// Returns the sources of its own deliveries and those of its fallback.
    pub fn all_sources(&self) -> impl Iterator<Item = Source> {
        let of_fallback = self.fallback.iter().flat_map(|fallback| fallback.sources.iter());
        self.sources.iter().chain(of_fallback).copied()
    }
}

impl Plan {
    /// The plan of a pipeline whose attribute is invalid.
    #[doc(hidden)]
    pub const EMPTY: Self = Self {
        pipeline: Cow::Borrowed(""),
        inputs: Cow::Borrowed(&[]),
        stages: Cow::Borrowed(&[]),
        factories: Cow::Borrowed(&[]),
        offsets: Cow::Borrowed(&[0]),
        successors: Cow::Borrowed(&[]),
        waits: Cow::Borrowed(&[]),
        order: Cow::Borrowed(&[]),
        levels: Cow::Borrowed(&[]),
        defaults: Policy::NONE,
    };

    /// Returns `true` if there are no policies.
    pub(crate) fn is_default(&self) -> bool {
        self.defaults.is_trivial() && self.factories.iter().all(|node| node.policy.is_trivial())
    }

    /// Returns the nodes that wait for `node`.
    pub fn successors(&self, node: usize) -> &[u32] {
        &self.successors[self.offsets[node] as usize..self.offsets[node + 1] as usize]
    }

    /// Returns the factories of a stage, with their indices.
    pub fn factories_of(&self, stage: usize) -> impl Iterator<Item = (usize, &Node)> {
        self.factories.iter().enumerate().filter(move |(_, node)| node.stage == stage)
    }

    /// Returns the factories in an order in which they could run one by one.
    pub fn factory_order(&self) -> impl Iterator<Item = usize> {
        let factories = self.factories.len();
        self.order.iter().map(|&node| node as usize).filter(move |&node| node < factories)
    }

    /// Returns the name of a source.
    pub fn source_name(&self, source: Source) -> &str {
        match source {
            Source::Input(index) => &self.inputs[index].name,
            Source::Factory(index) => &self.factories[index].name,
            Source::Context => "Context",
        }
    }
}

/// A plan that is a constant, or one made at run time.
#[derive(Clone)]
pub enum PlanRef {
    /// The plan of a `#[pipeline]`.
    Static(&'static Plan),
    /// The plan of a `Pipeline`.
    Shared(std::sync::Arc<Plan>),
}

impl std::ops::Deref for PlanRef {
    type Target = Plan;

    fn deref(&self) -> &Plan {
        match self {
            PlanRef::Static(plan) => plan,
            PlanRef::Shared(plan) => plan,
        }
    }
}

impl fmt::Debug for PlanRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
