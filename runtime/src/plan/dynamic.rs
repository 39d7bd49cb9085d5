//! Pipelines that are put together at run time: in a loop, or from configuration.

use std::any::{TypeId, type_name};
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use petgraph::algo::{kosaraju_scc, toposort};
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::EdgeRef;

use super::order::{describe_cycle, for_each_link};
use super::{Delivery, Input, Node, Plan, PlanRef, Source, Stage};
use crate::context::Context;
use crate::delivery::Payload;
use crate::factory::{Factory, Produces};
use crate::inspect::{Diagram, describe, short_type};
use crate::pipeline::{AnyPayload, WithId};
use crate::run::{Launch, Runner, Step, Steps};

/// What a factory asks for, by type.
#[derive(Clone, Copy, Debug)]
pub struct Requirement {
    payload: TypeId,
    type_name: &'static str,
    key: TypeId,
    optional: bool,
    producer: Option<TypeId>,
}

impl Requirement {
    /// A delivery of `Payload`, which goes by `Key`.
    pub fn new<Payload: 'static, Key: 'static>(optional: bool, producer: Option<TypeId>) -> Self {
        Self {
            payload: TypeId::of::<Payload>(),
            type_name: type_name::<Payload>(),
            key: TypeId::of::<Key>(),
            optional,
            producer,
        }
    }
}

/// A pipeline that was put together at run time by [`Pipeline::builder`].
///
/// It has the same checks as a `#[pipeline]`, made when it is built, and reports mistakes in the same words. Prefer
/// `#[pipeline]` wherever the factories are known when the program is written.
///
/// ```
/// use setl::prelude::*;
///
/// #[derive(Clone)]
/// struct Numbers(Vec<i64>);
///
/// #[factory]
/// fn total(numbers: Numbers) -> i64 {
///     numbers.0.iter().sum()
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<()> {
/// let pipeline = Pipeline::builder("sums")
///     .input("numbers", Numbers(vec![1, 2, 3]))
///     .stage("add")
///     .factory::<total>()
///     .build()?;
/// assert_eq!(pipeline.run().await?.find::<total>(), Some(&6));
///
/// let mistake = Pipeline::builder("sums").stage("add").factory::<total>().build().unwrap_err();
/// assert!(mistake.to_string().contains("nothing in pipeline `sums` delivers `Numbers`"));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Pipeline {
    plan: Arc<Plan>,
    steps: Arc<[Step]>,
    inputs: Vec<Option<AnyPayload>>,
}

impl Pipeline {
    /// Starts an empty pipeline with this name.
    pub fn builder(name: impl Into<String>) -> Builder {
        Builder {
            name: name.into(),
            inputs: Vec::new(),
            payloads: Vec::new(),
            stages: Vec::new(),
            factories: Vec::new(),
            keep: Vec::new(),
            mistakes: Vec::new(),
        }
    }

    /// A run of this pipeline: `.await` it.
    pub fn run(self) -> Runner<Self> {
        let Self { plan, steps, inputs } = self;
        Runner::of(Launch { plan: PlanRef::Shared(plan), steps: Steps::Owned(steps), inputs })
    }

    /// What the pipeline consists of, and who delivers to whom.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The pipeline as a picture, in Mermaid or DOT.
    pub fn diagram(&self) -> Diagram<'_> {
        Diagram::of(&self.plan)
    }

    /// The pipeline as text: stages, factories, what each takes from whom.
    pub fn describe(&self) -> String {
        describe(&self.plan)
    }

    /// Inputs that no factory takes. In a `#[pipeline]` they are a warning of the compiler.
    pub fn inputs_without_consumer(&self) -> impl Iterator<Item = &str> {
        self.plan.inputs.iter().enumerate().filter_map(|(index, input)| {
            let mut sources = self.plan.factories.iter().flat_map(|factory| factory.sources.iter());
            (!sources.any(|source| *source == Source::Input(index))).then_some(&*input.name)
        })
    }
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Step")
    }
}

/// Puts a [`Pipeline`] together.
#[must_use = "call `build` to get the pipeline"]
pub struct Builder {
    name: String,
    inputs: Vec<InputDraft>,
    payloads: Vec<Option<AnyPayload>>,
    stages: Vec<Stage>,
    factories: Vec<FactoryDraft>,
    keep: Vec<String>,
    mistakes: Vec<String>,
}

struct InputDraft {
    name: String,
    type_name: &'static str,
    id: Option<&'static str>,
    supply: Supply,
}

/// What something delivers.
struct Supply {
    payload: TypeId,
    type_name: &'static str,
    /// What it goes by; nothing if it is only delivered by name.
    key: Option<TypeId>,
    /// Whether it may be absent.
    optional: bool,
}

struct FactoryDraft {
    name: String,
    item: TypeId,
    stage: usize,
    deliveries: &'static [Delivery],
    requirements: Vec<Requirement>,
    supply: Supply,
    id: Option<&'static str>,
    blocking: bool,
    output: fn() -> &'static str,
    step: Step,
    /// Deliveries that come from what has this name, whatever else there is of their type.
    takes: Vec<(String, String)>,
}

impl Builder {
    /// An input, delivered to every factory that asks for its type.
    pub fn input<T: Payload>(self, name: impl Into<String>, value: T) -> Self {
        self.add_input::<T>(name.into(), Some(TypeId::of::<T>()), None, Some(value), false)
    }

    /// An input with an id, as `#[delivery(id = Id)]`.
    pub fn input_with_id<Id: 'static, T: Payload>(self, name: impl Into<String>, value: T) -> Self {
        let id = Some(short_name(type_name::<Id>()));
        self.add_input::<T>(name.into(), Some(TypeId::of::<WithId<T, Id>>()), id, Some(value), false)
    }

    /// An input that may be absent, for `#[delivery(optional)]`.
    pub fn optional_input<T: Payload>(self, name: impl Into<String>, value: Option<T>) -> Self {
        self.add_input::<T>(name.into(), Some(TypeId::of::<T>()), None, value, true)
    }

    /// An input that is delivered only where its name is asked for: see [`Wiring::take`].
    pub fn named_input<T: Payload>(self, name: impl Into<String>, value: T) -> Self {
        self.add_input::<T>(name.into(), None, None, Some(value), false)
    }

    fn add_input<T: Payload>(
        mut self,
        name: String,
        key: Option<TypeId>,
        id: Option<&'static str>,
        value: Option<T>,
        optional: bool,
    ) -> Self {
        let supply = Supply { payload: TypeId::of::<T>(), type_name: type_name::<T>(), key, optional };
        let type_name = if optional { type_name::<Option<T>>() } else { supply.type_name };
        self.inputs.push(InputDraft { name, type_name, id, supply });
        self.payloads.push(value.map(|value| Arc::new(value) as AnyPayload));
        self
    }

    /// Starts a stage: the factories that follow belong to it.
    pub fn stage(mut self, name: impl Into<String>) -> Self {
        let mut stage = Stage::new("", 0);
        stage.name = Cow::Owned(name.into());
        self.stages.push(stage);
        self
    }

    /// Nothing of a later stage starts before the stage just started, and all before it, have finished.
    pub fn barrier(self) -> Self {
        self.stage_option(Stage::barrier)
    }

    /// The factories of the stage just started run one after another.
    pub fn sequential(self) -> Self {
        self.stage_option(Stage::sequential)
    }

    /// The factories of the stage just started do not write.
    pub fn no_write(self) -> Self {
        self.stage_option(Stage::no_write)
    }

    fn stage_option(mut self, set: fn(Stage) -> Stage) -> Self {
        match self.stages.pop() {
            Some(stage) => self.stages.push(set(stage)),
            None => self
                .mistakes
                .push("a stage option comes before the first stage: call `.stage(\"…\")` first".to_owned()),
        }
        self
    }

    /// Adds a factory to the stage just started. Its deliveries are found by their types.
    pub fn factory<F: Factory + Produces<Pipeline>>(self) -> Self {
        let key = TypeId::of::<<F as Produces<Pipeline>>::Key>();
        self.add_factory::<F>(F::NAME.to_owned(), Some(key), Vec::new())
    }

    /// Adds a factory under a name of its own, so that one type can be there several times.
    ///
    /// Its output goes only where that name is asked for; `wire` says which of its own deliveries come from where, and
    /// all others are found by their types.
    pub fn factory_named<F: Factory>(
        self,
        name: impl Into<String>,
        wire: impl FnOnce(Wiring) -> Wiring,
    ) -> Self {
        let wiring = wire(Wiring { takes: Vec::new() });
        self.add_factory::<F>(name.into(), None, wiring.takes)
    }

    fn add_factory<F: Factory>(
        mut self,
        name: String,
        key: Option<TypeId>,
        takes: Vec<(String, String)>,
    ) -> Self {
        let Some(stage) = self.stages.len().checked_sub(1) else {
            self.mistakes.push(format!("factory `{name}` is in no stage: call `.stage(\"…\")` before it"));
            return self;
        };
        self.stages[stage].factories += 1;
        self.factories.push(FactoryDraft {
            name,
            item: TypeId::of::<F>(),
            stage,
            deliveries: F::DELIVERIES,
            requirements: F::requirements(),
            supply: Supply {
                payload: TypeId::of::<F::Output>(),
                type_name: type_name::<F::Output>(),
                key,
                optional: false,
            },
            id: F::ID,
            blocking: F::BLOCKING,
            output: type_name::<F::Output>,
            step: Step::of::<F>(),
            takes,
        });
        self
    }

    /// Keeps the output of a factory, by its name, although others take it.
    pub fn keep(mut self, factory: impl Into<String>) -> Self {
        self.keep.push(factory.into());
        self
    }

    /// Checks the wiring.
    ///
    /// # Errors
    /// Lists every mistake: what is not delivered, delivered twice, or delivered in a cycle.
    pub fn build(mut self) -> Result<Pipeline, WiringError> {
        let mut mistakes = std::mem::take(&mut self.mistakes);
        self.check_names(&mut mistakes);
        self.check_producers(&mut mistakes);
        let sources = self.resolve(&mut mistakes);
        if self.factories.is_empty() && mistakes.is_empty() {
            mistakes
                .push(format!("pipeline `{}` has no factories: add a stage and factories to it", self.name));
        }
        let plan = mistakes.is_empty().then(|| self.plan(sources, &mut mistakes)).flatten();
        match plan {
            Some(plan) if mistakes.is_empty() => Ok(Pipeline {
                plan: Arc::new(plan),
                steps: self.factories.iter().map(|factory| factory.step).collect(),
                inputs: self.payloads,
            }),
            _ => Err(WiringError { pipeline: self.name, mistakes }),
        }
    }

    /// Names are how things are told apart in errors and reports, and asked for.
    fn check_names(&self, mistakes: &mut Vec<String>) {
        let mut seen = std::collections::HashSet::new();
        for factory in &self.factories {
            if !seen.insert(factory.name.as_str()) {
                mistakes.push(format!(
                    "factory `{0}` is listed twice: each factory runs once in a run; to run the same code on other \
                     deliveries, give it a name with `.factory_named::<{0}>(\"…\", …)`",
                    factory.name
                ));
            }
        }
        for input in &self.inputs {
            if !seen.insert(input.name.as_str()) {
                mistakes.push(format!(
                    "`{}` is the name of two things: an input needs a name of its own",
                    input.name
                ));
            }
        }
        for kept in &self.keep {
            if !self.factories.iter().any(|factory| factory.name == *kept) {
                mistakes
                    .push(format!("`keep({kept})` names a factory that is in no stage{}", self.near(kept)));
            }
        }
    }

    /// Exactly one factory or input delivers each type.
    fn check_producers(&self, mistakes: &mut Vec<String>) {
        let mut producers: Vec<(TypeId, &str)> = Vec::new();
        for (name, supply) in self.supplies() {
            let Some(key) = supply.key else { continue };
            match producers.iter().find(|(other, _)| *other == key) {
                // A factory that is listed twice has been told of.
                Some((_, first)) if *first == name => {}
                Some((_, first)) => mistakes.push(format!(
                    "both `{first}` and `{name}` deliver `{}`: give one of them an id, or a name of its own",
                    short_type(supply.type_name)
                )),
                None => producers.push((key, name)),
            }
        }
    }

    fn supplies(&self) -> impl Iterator<Item = (&str, &Supply)> {
        let inputs = self.inputs.iter().map(|input| (input.name.as_str(), &input.supply));
        let factories = self.factories.iter().map(|factory| (factory.name.as_str(), &factory.supply));
        inputs.chain(factories)
    }

    /// Where each delivery of each factory comes from.
    fn resolve(&self, mistakes: &mut Vec<String>) -> Vec<Vec<Source>> {
        let mut sources = Vec::with_capacity(self.factories.len());
        for factory in &self.factories {
            self.check_takes(factory, mistakes);
            let of_factory =
                factory.requirements.iter().zip(factory.deliveries).map(|(requirement, delivery)| {
                    self.resolve_one(factory, requirement, delivery).unwrap_or_else(|mistake| {
                        mistakes.push(mistake);
                        Source::Context
                    })
                });
            sources.push(of_factory.collect());
        }
        sources
    }

    /// What is wired by name is a delivery of the factory, and comes from one place.
    fn check_takes(&self, factory: &FactoryDraft, mistakes: &mut Vec<String>) {
        let FactoryDraft { name, deliveries, takes, .. } = factory;
        for (index, (delivery, producer)) in takes.iter().enumerate() {
            if !deliveries.iter().any(|known| known.name == delivery) {
                let known: Vec<_> = deliveries.iter().map(|known| format!("`{}`", known.name)).collect();
                let known = if known.is_empty() { "nothing".to_owned() } else { known.join(", ") };
                mistakes.push(format!("factory `{name}` has no delivery `{delivery}`: it takes {known}"));
            } else if let Some((_, first)) = takes[..index].iter().find(|(other, _)| other == delivery) {
                mistakes.push(format!(
                    "factory `{name}` takes `{delivery}` twice, from `{first}` and from `{producer}`: drop one of them"
                ));
            }
        }
    }

    fn resolve_one(
        &self,
        factory: &FactoryDraft,
        requirement: &Requirement,
        delivery: &Delivery,
    ) -> Result<Source, String> {
        let Self { name: pipeline, .. } = self;
        let payload = short_type(requirement.type_name);
        let consumer = format!("factory `{}` takes it as `{}`", factory.name, delivery.name);
        let id = delivery.id.map(|id| format!(" with id `{id}`")).unwrap_or_default();
        if let Some((_, producer)) = factory.takes.iter().find(|(name, _)| name == delivery.name) {
            let Some((source, supply)) = self.named(producer) else {
                return Err(format!(
                    "nothing in pipeline `{pipeline}` is named `{producer}`{}; {consumer}",
                    self.near(producer)
                ));
            };
            if supply.payload != requirement.payload {
                return Err(format!("`{producer}` does not deliver `{payload}`; {consumer}"));
            }
            if supply.optional && !requirement.optional {
                return Err(format!("`{producer}` may be absent; {}", must_be_optional(&consumer, delivery)));
            }
            return Ok(source);
        }
        if let Some(producer) = requirement.producer {
            let listed = self.factories.iter().enumerate().filter(|(_, other)| other.item == producer);
            return match *listed.collect::<Vec<_>>() {
                [(index, other)] if other.supply.payload == requirement.payload => Ok(Source::Factory(index)),
                [(_, other)] => {
                    Err(format!("factory `{}` does not deliver `{payload}`; {consumer}", other.name))
                }
                [(_, first), (_, second), ..] => Err(format!(
                    "`{}` and `{}` are both the factory `{}`; {consumer}: say which with `.take(\"{}\", …)`",
                    first.name,
                    second.name,
                    delivery.producer.unwrap_or_default(),
                    delivery.name
                )),
                [] => Err(format!(
                    "pipeline `{pipeline}` does not list the factory `{}`; {consumer}",
                    delivery.producer.unwrap_or_default()
                )),
            };
        }
        if requirement.key == TypeId::of::<Context>() {
            return Ok(Source::Context);
        }
        let inputs =
            self.inputs.iter().enumerate().map(|(index, input)| (Source::Input(index), &input.supply));
        let factories = self
            .factories
            .iter()
            .enumerate()
            .map(|(index, factory)| (Source::Factory(index), &factory.supply));
        match inputs.chain(factories).find(|(_, supply)| supply.key == Some(requirement.key)) {
            Some((_, supply)) if supply.optional && !requirement.optional => {
                Err(format!("`{payload}`{id} may be absent; {}", must_be_optional(&consumer, delivery)))
            }
            Some((source, _)) => Ok(source),
            None => Err(format!(
                "nothing in pipeline `{pipeline}` delivers `{payload}`{id}; {consumer}: add a factory whose output it is, or an input of this type"
            )),
        }
    }

    fn named(&self, name: &str) -> Option<(Source, &Supply)> {
        if let Some(index) = self.inputs.iter().position(|input| input.name == name) {
            return Some((Source::Input(index), &self.inputs[index].supply));
        }
        let index = self.factories.iter().position(|factory| factory.name == name)?;
        Some((Source::Factory(index), &self.factories[index].supply))
    }

    /// The names that exist, to choose from.
    fn near(&self, name: &str) -> String {
        let names = self.supplies().map(|(other, _)| other);
        let near = names
            .map(|other| (strsim::jaro_winkler(name, other), other))
            .filter(|(likeness, _)| *likeness > 0.75);
        match near.max_by(|a, b| a.0.total_cmp(&b.0)) {
            Some((_, other)) => format!(", did you mean `{other}`?"),
            None => String::new(),
        }
    }

    /// Orders the factories, unless they wait for each other in a cycle.
    fn plan(&self, sources: Vec<Vec<Source>>, mistakes: &mut Vec<String>) -> Option<Plan> {
        let from: Vec<&[Source]> = sources.iter().map(Vec::as_slice).collect();
        let mut graph = DiGraph::<usize, ()>::new();
        let gates = self.stages.iter().filter(|stage| stage.barrier).count();
        let nodes: Vec<_> = (0..self.factories.len() + gates).map(|node| graph.add_node(node)).collect();
        for_each_link!(&from, &self.stages, |before, after| {
            graph.add_edge(nodes[before], nodes[after], ());
        });
        let Ok(order) = toposort(&graph, None) else {
            mistakes.push(self.describe_cycle(&graph, &from));
            return None;
        };
        let order: Vec<u32> = order.into_iter().map(|node| graph[node] as u32).collect();
        let mut levels = vec![0u32; nodes.len()];
        let mut waits = vec![0u32; nodes.len()];
        for &node in &order {
            for edge in graph.edges(nodes[node as usize]) {
                let after = graph[edge.target()];
                levels[after] = levels[after].max(levels[node as usize] + 1);
                waits[after] += 1;
            }
        }
        let mut offsets = vec![0u32];
        let mut successors = Vec::new();
        for &node in &nodes {
            successors.extend(graph.neighbors(node).map(|after| graph[after] as u32));
            offsets.push(successors.len() as u32);
        }
        let mut taken = vec![false; self.factories.len()];
        for source in sources.iter().flatten() {
            if let Source::Factory(producer) = *source {
                taken[producer] = true;
            }
        }
        let factories = self.factories.iter().enumerate().map(|(index, factory)| Node {
            name: Cow::Owned(factory.name.clone()),
            stage: factory.stage,
            deliveries: factory.deliveries,
            sources: Cow::Owned(sources[index].clone()),
            id: factory.id,
            kept: self.keep.contains(&factory.name) || !taken[index],
            blocking: factory.blocking,
            output: factory.output,
        });
        let inputs = self.inputs.iter().map(|input| Input {
            name: Cow::Owned(input.name.clone()),
            type_name: input.type_name,
            id: input.id,
        });
        Some(Plan {
            pipeline: Cow::Owned(self.name.clone()),
            inputs: inputs.collect(),
            stages: self.stages.iter().cloned().collect(),
            factories: factories.collect(),
            offsets: offsets.into(),
            successors: successors.into(),
            waits: waits.into(),
            order: order.into(),
            levels: levels.into(),
        })
    }

    /// In the words of the compiler's check.
    fn describe_cycle(&self, graph: &DiGraph<usize, ()>, from: &[&[Source]]) -> String {
        let is_cycle = |component: &Vec<NodeIndex>| {
            component.len() > 1 || component.iter().any(|&node| graph.contains_edge(node, node))
        };
        let mut waits = vec![0; graph.node_count()];
        for node in kosaraju_scc(graph).into_iter().find(is_cycle).unwrap_or_default() {
            waits[graph[node]] = 1;
        }
        let names: Vec<_> = self.factories.iter().map(|factory| factory.name.as_str()).collect();
        let mut waits_for = vec![usize::MAX; waits.len()];
        let text = describe_cycle(&self.name, &names, &waits, &mut waits_for, from, &self.stages);
        text.as_str().to_owned()
    }
}

fn must_be_optional(consumer: &str, delivery: &Delivery) -> String {
    format!(
        "{consumer}, which must be optional: `#[delivery(optional)]` with the type `Option<{}>`",
        delivery.type_name
    )
}

/// Which deliveries of a named factory come from where.
#[must_use = "give it back from the closure"]
pub struct Wiring {
    takes: Vec<(String, String)>,
}

impl Wiring {
    /// The delivery (field or parameter) comes from the input or factory with this name.
    pub fn take(mut self, delivery: impl Into<String>, from: impl Into<String>) -> Self {
        self.takes.push((delivery.into(), from.into()));
        self
    }
}

/// Why a [`Pipeline`] could not be built: every mistake in its wiring.
#[derive(Debug, thiserror::Error)]
#[error("pipeline `{pipeline}` is not wired: {}", .mistakes.join("\n  "))]
#[non_exhaustive]
pub struct WiringError {
    /// The name of the pipeline.
    pub pipeline: String,
    /// Each mistake in a sentence.
    pub mistakes: Vec<String>,
}

/// The name of a type without its path. With generic parts it stays whole, as it is borrowed from the program.
fn short_name(full: &'static str) -> &'static str {
    if full.contains('<') { full } else { full.rsplit("::").next().unwrap_or(full) }
}
