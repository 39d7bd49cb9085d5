//! Pipelines that are built at run time: in a loop, or from configuration.

mod check;
mod inputs;

use std::any::{TypeId, type_name};
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use super::{Delivery, Node, Plan, PlanRef, Source, Stage};
use crate::checkpoint::FingerprintOf;
use crate::factory::{Factory, Fallback, Produces};
use crate::inspect::{Diagram, describe};
use crate::pipeline::AnyPayload;
use crate::policy::Policy;
use crate::run::{Launch, RunBuilder, Step, Steps};

/// A delivery that a factory requires, by type.
#[derive(Clone, Copy, Debug)]
pub struct Requirement {
    payload: TypeId,
    type_name: &'static str,
    key: TypeId,
    optional: bool,
    producer: Option<TypeId>,
}

impl Requirement {
    /// Makes the requirement of a delivery of type `Payload` that is looked up by `Key`.
    pub fn new<Payload: 'static, Key: 'static>(optional: bool, producer: Option<TypeId>) -> Self {
        Self {
            payload: TypeId::of::<Payload>(),
            type_name: type_name::<Payload>(),
            key: TypeId::of::<Key>(),
            optional,
            producer,
        }
    }

    /// Returns the full type name of the delivery, with modules.
    pub(crate) const fn type_name(&self) -> &'static str {
        self.type_name
    }
}

/// A pipeline that was built at run time by [`Pipeline::builder`].
///
/// It has the same checks as a `#[pipeline]`, made when it is built, and reports mistakes in the same words. Prefer `#[pipeline]`
/// if the factories are known when the program is written.
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
    fingerprints: Vec<Option<FingerprintOf>>,
    has_twins: bool,
}

impl Pipeline {
    /// Starts an empty pipeline with this name.
    pub fn builder(name: impl Into<String>) -> Builder {
        Builder {
            name: name.into(),
            inputs: Vec::new(),
            payloads: Vec::new(),
            fingerprints: Vec::new(),
            stages: Vec::new(),
            factories: Vec::new(),
            keep: Vec::new(),
            defaults: Policy::NONE,
            mistakes: Vec::new(),
        }
    }

    /// Makes a run of this pipeline: `.await` it.
    pub fn run(self) -> RunBuilder<Self> {
        let Self { plan, steps, inputs, fingerprints, has_twins } = self;
        let (plan, steps) = (PlanRef::Shared(plan), Steps::Owned(steps));
        RunBuilder::of(Launch { plan, steps, inputs, fingerprints, has_twins })
    }

    /// Returns the plan: the parts of the pipeline and their links.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Draws the pipeline as a diagram, in Mermaid or DOT.
    pub fn diagram(&self) -> Diagram<'_> {
        Diagram::of(&self.plan)
    }

    /// Describes the pipeline as text: stages, factories, and the source of each delivery.
    pub fn describe(&self) -> String {
        describe(&self.plan)
    }

    /// Lists the inputs that no factory takes. In a `#[pipeline]` the compiler warns of them.
    pub fn inputs_without_consumer(&self) -> impl Iterator<Item = &str> {
        let mut taken = vec![false; self.plan.inputs.len()];
        for source in self.plan.factories.iter().flat_map(Node::all_sources) {
            if let Source::Input(index) = source {
                taken[index] = true;
            }
        }
        self.plan.inputs.iter().zip(taken).filter(|(_, taken)| !taken).map(|(input, _)| &*input.name)
    }
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Step")
    }
}

/// Builds a [`Pipeline`].
#[must_use = "call `build` to get the pipeline"]
pub struct Builder {
    name: String,
    inputs: Vec<InputDraft>,
    payloads: Vec<Option<AnyPayload>>,
    fingerprints: Vec<Option<FingerprintOf>>,
    stages: Vec<Stage>,
    factories: Vec<FactoryDraft>,
    keep: Vec<String>,
    defaults: Policy,
    mistakes: Vec<String>,
}

struct InputDraft {
    name: String,
    type_name: &'static str,
    id: Option<&'static str>,
    supply: Supply,
}

/// The value that an input or a factory delivers.
struct Supply {
    payload: TypeId,
    type_name: &'static str,
    /// The type by which it is looked up. `None` if it is only delivered by name.
    key: Option<TypeId>,
    /// `true` if it may be absent.
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
    policy: &'static Policy,
    fallback: Option<FallbackDraft>,
    step: Step,
    /// Pairs of a delivery and the name of its source, which takes precedence over its type.
    takes: Vec<(String, String)>,
}

struct FallbackDraft {
    item: Fallback,
    requirements: Vec<Requirement>,
}

impl Builder {
    /// Starts a stage. The following factories belong to it.
    pub fn stage(mut self, name: impl Into<String>) -> Self {
        let mut stage = Stage::new("", 0);
        stage.name = Cow::Owned(name.into());
        self.stages.push(stage);
        self
    }

    /// Delays all later stages until this stage and everything before it have finished.
    pub fn barrier(self) -> Self {
        self.stage_option(Stage::barrier)
    }

    /// Runs the factories of this stage one after another.
    pub fn sequential(self) -> Self {
        self.stage_option(Stage::sequential)
    }

    /// Disables the writes of the factories in this stage.
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

    /// Adds a factory to this stage. Its deliveries are found by their types.
    pub fn factory<F: Factory + Produces<Pipeline>>(self) -> Self {
        let key = TypeId::of::<<F as Produces<Pipeline>>::Key>();
        self.add_factory::<F>(F::NAME.to_owned(), Some(key), Vec::new())
    }

    /// Adds a factory under its own name, so that one type can be listed several times.
    ///
    /// Its output is delivered only where that name is requested. `wire` sets the sources of its own deliveries by name. All
    /// others are found by their types.
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
                optional: F::POLICY.is_skippable(),
            },
            id: F::ID,
            blocking: F::BLOCKING,
            output: type_name::<F::Output>,
            policy: F::POLICY,
            fallback: F::FALLBACK.map(|item| FallbackDraft { item, requirements: (item.requirements)() }),
            step: Step::of::<F>(),
            takes,
        });
        self
    }

    /// Sets the retries and timeouts of all factories that do not set their own, like `defaults(…)` in `#[pipeline]`.
    pub fn defaults(mut self, defaults: Policy) -> Self {
        self.defaults = defaults;
        self
    }

    /// Keeps the output of the factory with this name after the run, although other factories take it.
    pub fn keep(mut self, factory: impl Into<String>) -> Self {
        self.keep.push(factory.into());
        self
    }

    /// Checks the wiring and builds the pipeline.
    ///
    /// # Errors
    /// Lists every mistake: deliveries without a source, with two sources, or in a cycle.
    pub fn build(mut self) -> Result<Pipeline, WiringError> {
        let mut mistakes = std::mem::take(&mut self.mistakes);
        let index = self.index();
        self.check_names(&index, &mut mistakes);
        self.check_stages(&mut mistakes);
        self.check_outputs(&mut mistakes);
        self.check_producers(&index, &mut mistakes);
        self.check_defaults(&mut mistakes);
        let sources = self.resolve(&index, &mut mistakes);
        if self.factories.is_empty() && mistakes.is_empty() {
            mistakes
                .push(format!("pipeline `{}` has no factories: add a stage and factories to it", self.name));
        }
        let has_twins = mistakes.is_empty() && self.has_twins(&sources);
        let plan = mistakes.is_empty().then(|| self.plan(sources, &mut mistakes)).flatten();
        match plan {
            Some(plan) if mistakes.is_empty() => Ok(Pipeline {
                plan: Arc::new(plan),
                steps: self.factories.iter().map(|factory| factory.step).collect(),
                inputs: self.payloads,
                fingerprints: self.fingerprints,
                has_twins,
            }),
            _ => Err(WiringError { pipeline: self.name, mistakes }),
        }
    }
}

/// The deliveries of a named factory that have a source by name.
#[must_use = "give it back from the closure"]
pub struct Wiring {
    takes: Vec<(String, String)>,
}

impl Wiring {
    /// Takes the delivery (field or parameter) from the input or factory with this name.
    pub fn take(mut self, delivery: impl Into<String>, from: impl Into<String>) -> Self {
        self.takes.push((delivery.into(), from.into()));
        self
    }
}

/// The error of a [`Pipeline`] that could not be built: every mistake in its wiring.
#[derive(Debug, thiserror::Error)]
#[error("pipeline `{pipeline}` is not wired:\n  {}", .mistakes.join("\n  "))]
#[non_exhaustive]
pub struct WiringError {
    /// The name of the pipeline.
    pub pipeline: String,
    /// The mistakes, each in a sentence.
    pub mistakes: Vec<String>,
}

/// Returns the name of a type without its path. A generic type keeps its path, since the text is borrowed from the program.
fn short_name(full: &'static str) -> &'static str {
    if full.contains('<') { full } else { full.rsplit("::").next().unwrap_or(full) }
}
