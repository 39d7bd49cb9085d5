//! The plan of a pipeline: what is in it, who delivers to whom, and in which order it can run.
//!
//! For a `#[pipeline]` the plan is a constant. `Pipeline::builder()` makes the same thing at run time.

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

/// Where a delivery comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Source {
    /// The input with this index.
    Input(usize),
    /// The factory with this index.
    Factory(usize),
    /// The [`Context`](crate::Context) that every run supplies.
    Context,
}

/// Where all that a factory takes comes from. It waits for what its fallback takes, too.
#[derive(Clone, Copy, Debug)]
pub struct Sources<'plan> {
    /// Of its own deliveries, in their order.
    pub own: &'plan [Source],
    /// Of its fallback's deliveries, in their order.
    pub fallback: &'plan [Source],
}

impl Sources<'_> {
    /// How many there are.
    pub(crate) const fn len(&self) -> usize {
        self.own.len() + self.fallback.len()
    }

    /// First its own, then its fallback's.
    pub(crate) const fn get(&self, at: usize) -> Source {
        if at < self.own.len() { self.own[at] } else { self.fallback[at - self.own.len()] }
    }
}

/// How a factory takes a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Taking {
    /// By value: a clone, or the payload itself for the last consumer.
    Owned,
    /// As an `Arc` of the payload: `#[delivery(shared)]`.
    Shared,
    /// Loaded from a delivered source: `#[delivery(auto_load)]`.
    Loaded,
}

/// One delivery that a factory declares.
#[derive(Clone, Copy, Debug)]
pub struct Delivery {
    /// The field or parameter.
    pub name: &'static str,
    /// Its type, as written.
    pub type_name: &'static str,
    /// `id = …`, as written.
    pub id: Option<&'static str>,
    /// `producer = …`, as written.
    pub producer: Option<&'static str>,
    /// Whether it may be absent.
    pub optional: bool,
    /// How it is taken.
    pub taking: Taking,
}

/// A value that is given to the pipeline when it is constructed.
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
    /// The name the pipeline gives it.
    pub name: Cow<'static, str>,
    /// How many factories it has.
    pub factories: usize,
    /// Nothing of a later stage starts before everything up to and including this stage has finished.
    pub barrier: bool,
    /// Its factories run one after another, in the order in which they are listed.
    pub sequential: bool,
    /// Its factories do not write.
    pub no_write: bool,
}

impl Stage {
    /// A stage without options.
    pub const fn new(name: &'static str, factories: usize) -> Self {
        Self { name: Cow::Borrowed(name), factories, barrier: false, sequential: false, no_write: false }
    }

    /// See [`Stage::barrier`](Stage#structfield.barrier).
    pub const fn barrier(mut self) -> Self {
        self.barrier = true;
        self
    }

    /// See [`Stage::sequential`](Stage#structfield.sequential).
    pub const fn sequential(mut self) -> Self {
        self.sequential = true;
        self
    }

    /// See [`Stage::no_write`](Stage#structfield.no_write).
    pub const fn no_write(mut self) -> Self {
        self.no_write = true;
        self
    }
}

/// One factory of a plan.
#[derive(Clone, Debug)]
pub struct Node {
    /// Its name, as the pipeline lists it.
    pub name: Cow<'static, str>,
    /// The index of its stage.
    pub stage: usize,
    /// What it takes.
    pub deliveries: &'static [Delivery],
    /// Where each delivery comes from, in the same order.
    pub sources: Cow<'static, [Source]>,
    /// The id of its output.
    pub id: Option<&'static str>,
    /// Whether its output is there after the run.
    pub kept: bool,
    /// Whether it occupies a thread while it runs.
    pub blocking: bool,
    /// Gives the name of its output's type.
    pub output: fn() -> &'static str,
    /// What is done when it fails, and before.
    pub policy: &'static Policy,
    /// Who stands in for it when it fails.
    pub fallback: Option<FallbackNode>,
}

/// The factory that stands in for another when that fails.
#[derive(Clone, Debug)]
pub struct FallbackNode {
    /// Its name.
    pub name: &'static str,
    /// What it takes.
    pub deliveries: &'static [Delivery],
    /// Where each delivery comes from, in the same order.
    pub sources: Cow<'static, [Source]>,
    /// Its own retries and timeouts.
    pub policy: &'static Policy,
    /// Whether it occupies a thread while it runs.
    pub blocking: bool,
}

/// What a pipeline consists of and how it hangs together.
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
    /// For each node, where its successors start in `successors`; one more entry marks the end.
    pub offsets: Cow<'static, [u32]>,
    /// The nodes that wait for a node, one list after another.
    pub successors: Cow<'static, [u32]>,
    /// For how many predecessors each node waits.
    pub waits: Cow<'static, [u32]>,
    /// The nodes in an order in which they could run one by one.
    pub order: Cow<'static, [u32]>,
    /// The length of the longest way to each node from the start.
    pub levels: Cow<'static, [u32]>,
    /// What holds for all factories that say nothing else.
    pub defaults: Policy,
}

impl Node {
    /// Where all that it takes comes from, and what its fallback takes.
    pub fn all_sources(&self) -> impl Iterator<Item = Source> {
        let of_fallback = self.fallback.iter().flat_map(|fallback| fallback.sources.iter());
        self.sources.iter().chain(of_fallback).copied()
    }
}

impl Plan {
    /// Of a pipeline whose attribute could not be understood.
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

    /// Whether there are no policies.
    pub(crate) fn says_nothing(&self) -> bool {
        self.defaults.is_trivial() && self.factories.iter().all(|node| node.policy.is_trivial())
    }

    /// The nodes that wait for `node`.
    pub fn successors(&self, node: usize) -> &[u32] {
        &self.successors[self.offsets[node] as usize..self.offsets[node + 1] as usize]
    }

    /// The factories of a stage, by index.
    pub fn factories_of(&self, stage: usize) -> impl Iterator<Item = (usize, &Node)> {
        self.factories.iter().enumerate().filter(move |(_, node)| node.stage == stage)
    }

    /// The factories in an order in which they could run one by one.
    pub fn factory_order(&self) -> impl Iterator<Item = usize> {
        let factories = self.factories.len();
        self.order.iter().map(|&node| node as usize).filter(move |&node| node < factories)
    }

    /// The name of what a delivery comes from.
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
    /// Of a `#[pipeline]`.
    Static(&'static Plan),
    /// Of a `Pipeline`.
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
