//! A pipeline: its factories and their wiring.

pub mod fields;
pub mod finding;

use std::borrow::Cow;
use std::marker::PhantomData;
use std::mem;

use crate::checkpoint::FingerprintOf;
use crate::factory::{Factory, FactoryItem, Fallback, Produces};
use crate::plan::{Delivery, FallbackNode, Node, Plan, Source, Sources, Stage};
use crate::policy::Policy;
use crate::run::Step;

pub use crate::base::AnyPayload;

/// A `T` with an id: requested by `#[delivery(id = …)]` and delivered by `#[factory(id = …)]`.
pub struct WithId<T, Id>(PhantomData<fn() -> (T, Id)>);

/// Implemented if exactly one factory or input of this pipeline delivers `T`; with an id, `T` is a [`WithId`].
///
/// If two deliver it, the compiler finds two implementations and names this trait with its parameters. The error cannot have
/// other words: hence the names of the trait and of `Cure`.
pub trait HasExactlyOneProducerOf<T, Cure> {
    /// The producer: the [`Nth`] factory, or [`NoFactory`].
    type Producer;
    /// The source of the delivery.
    const SOURCE: Source;
}

/// The cure if two factories deliver one type. All factories share it: a type for each factory would cost the compiler as much
/// time as the wiring itself.
pub struct GiveOneAnIdOrAnotherType;

/// The factory with this index in its pipeline.
pub struct Nth<const INDEX: usize>;

/// The producer of inputs and of the context.
pub struct NoFactory;

/// Any factory, in a pipeline whose attribute is invalid.
pub struct AnyFactory;

/// Implemented if the factory `F` has this place in the pipeline: [`Nth`].
pub trait ListsAt<F, Place> {}

/// Implemented if this factory is in a stage of the pipeline `P`, and so delivers its output there.
#[diagnostic::on_unimplemented(
    message = "pipeline `{P}` does not list the factory `{Self}`: add it to a stage",
    label = "`{Self}` is in no stage of `{P}`",
    note = "a factory goes by its own name, not by the type of its output"
)]
pub trait ListedIn<P> {
    /// The place of the factory: [`Nth`].
    type Place;
    /// Its index in the pipeline, as a source.
    const SOURCE: Source;
}

#[diagnostic::do_not_recommend]
impl<F, P> ListedIn<P> for F
where
    F: Produces<P>,
    P: HasExactlyOneProducerOf<<F as Produces<P>>::Key, GiveOneAnIdOrAnotherType>,
    P: ListsAt<
            F,
            <P as HasExactlyOneProducerOf<<F as Produces<P>>::Key, GiveOneAnIdOrAnotherType>>::Producer,
        >,
{
    type Place = <P as HasExactlyOneProducerOf<<F as Produces<P>>::Key, GiveOneAnIdOrAnotherType>>::Producer;
    const SOURCE: Source =
        <P as HasExactlyOneProducerOf<<F as Produces<P>>::Key, GiveOneAnIdOrAnotherType>>::SOURCE;
}

/// Implemented if this pipeline lists the factory `F`.
pub trait Lists<F> {
    /// Its index in the pipeline, as a source.
    const SOURCE: Source;
}

impl<P, F: ListedIn<P>> Lists<F> for P {
    const SOURCE: Source = <F as ListedIn<P>>::SOURCE;
}

/// Implemented if this pipeline lists the factory `F`. `KEPT` is `true` if its output is available after a run.
pub trait Keeps<F, const KEPT: bool>: Lists<F> {}

impl<P, F, const KEPT: bool> Keeps<F, KEPT> for P where
    F: ListedIn<P> + KeptBy<P, <F as ListedIn<P>>::Place, KEPT>
{
}

/// The output of a factory. It goes through [`Produces`], as all bounds on the factory, so that a type that is not a factory
/// gives a single error.
pub type OutputOf<F, P> = <<F as Produces<P>>::ThisFactory as FactoryItem>::Output;

/// Implemented for the factory in this place of the pipeline `P`. `KEPT` is `true` if its output is available after a run.
#[diagnostic::on_unimplemented(
    message = "the output of `{Self}` is not there after a run of `{P}`, since another factory takes it: add `keep({Self})` to `#[pipeline(...)]`",
    label = "its output moved on",
    note = "outputs that no factory takes are always kept"
)]
pub trait KeptBy<P, Place, const KEPT: bool> {}

#[diagnostic::do_not_recommend]
impl<F, P, Place, const KEPT: bool> KeptBy<P, Place, KEPT> for F where P: KeepsAt<Place, KEPT> {}

/// Implemented by the pipeline for each place. It is the base of [`KeptBy`].
pub trait KeepsAt<Place, const KEPT: bool> {}

/// The items that `#[pipeline]` generates for a struct.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a pipeline: it has no `#[pipeline(...)]` attribute",
    label = "needs `#[pipeline(stage(Factory, ...))]`"
)]
pub trait PipelineItem: Sized {
    /// The plan of the pipeline.
    const PLAN: &'static Plan;
    /// The steps that run its factories, in the order of the plan.
    const STEPS: &'static [Step];

    /// Returns the function that fingerprints each input, in the order of the plan. `None` for an input that does not count or
    /// cannot be compared.
    fn fingerprints() -> Vec<Option<FingerprintOf>> {
        Vec::new()
    }

    /// Returns the inputs, in the order of the plan. An optional input may be absent.
    fn into_inputs(self) -> Vec<Option<AnyPayload>>;
}

/// The data of a factory that every pipeline needs that lists it.
#[diagnostic::on_unimplemented(
    message = "factory `{Self}` does not say what it does: `impl Factory for {Self}` is missing",
    label = "declared by `#[factory]`, but does nothing yet",
    note = "write `impl Factory for {Self} {{ async fn process(&mut self) -> Result<Self::Output> {{ ... }} }}`"
)]
pub trait Listed {
    /// The factory, before it has its place in a plan.
    ///
    /// It is a reference, since the compiler looks into the type of a constant wherever its value stands.
    const ENTRY: &'static FactoryEntry;
}

#[diagnostic::do_not_recommend]
impl<F: Factory> Listed for F {
    const ENTRY: &'static FactoryEntry = &FactoryEntry {
        step: Step::of::<F>(),
        deliveries: F::DELIVERIES,
        id: F::ID,
        blocking: F::BLOCKING,
        output: std::any::type_name::<F::Output>,
        policy: F::POLICY,
        fallback: F::FALLBACK,
    };
}

/// A factory, before it has its place in a plan.
pub struct FactoryEntry {
    /// The step that runs it.
    pub step: Step,
    /// Its deliveries.
    pub deliveries: &'static [Delivery],
    id: Option<&'static str>,
    blocking: bool,
    output: fn() -> &'static str,
    /// Its retries, limits, conditions and fallbacks.
    pub policy: &'static Policy,
    /// The fallback that runs when it fails.
    pub fallback: Option<Fallback>,
}

impl FactoryEntry {
    /// Makes the node of the factory in a constant plan.
    const fn node(&self, name: &'static str, stage: usize, sources: Sources<'static>, kept: bool) -> Node {
        let fallback = match &self.fallback {
            Some(fallback) => Some(FallbackNode {
                name: fallback.name,
                deliveries: fallback.deliveries,
                sources: Cow::Borrowed(sources.fallback),
                policy: fallback.policy,
                blocking: fallback.blocking,
            }),
            None => None,
        };
        Node {
            name: Cow::Borrowed(name),
            stage,
            deliveries: self.deliveries,
            sources: Cow::Borrowed(sources.own),
            id: self.id,
            kept,
            blocking: self.blocking,
            output: self.output,
            policy: self.policy,
            fallback,
        }
    }
}

/// The value of a node before [`nodes`] makes it.
const EMPTY: Node = Node {
    name: Cow::Borrowed(""),
    stage: 0,
    deliveries: &[],
    sources: Cow::Borrowed(&[]),
    id: None,
    kept: false,
    blocking: false,
    output: || "",
    policy: &Policy::NONE,
    fallback: None,
};

/// Makes the nodes of a constant plan. One call for all factories costs the compiler less than one for each.
pub const fn nodes<const FACTORIES: usize>(
    entries: &[&FactoryEntry; FACTORIES],
    names: &[&'static str; FACTORIES],
    stages: &[Stage],
    from: &[Sources<'static>; FACTORIES],
    kept: &[bool; FACTORIES],
) -> [Node; FACTORIES] {
    let mut nodes = [const { EMPTY }; FACTORIES];
    let (mut stage, mut factory, mut end) = (0, 0, 0);
    while stage < stages.len() {
        end += stages[stage].factories;
        while factory < end {
            let node = entries[factory].node(names[factory], stage, from[factory], kept[factory]);
            // A constant function cannot drop the empty node, which owns nothing.
            mem::forget(mem::replace(&mut nodes[factory], node));
            factory += 1;
        }
        stage += 1;
    }
    nodes
}

/// Returns the steps of the factories.
pub const fn steps<const FACTORIES: usize>(entries: &[&FactoryEntry; FACTORIES]) -> [Step; FACTORIES] {
    // A pipeline has at least one.
    let mut steps = [entries[0].step; FACTORIES];
    let mut factory = 1;
    while factory < FACTORIES {
        steps[factory] = entries[factory].step;
        factory += 1;
    }
    steps
}

/// Returns the index of a factory type in a pipeline. There is no bound on `F` as a factory, since it would give two errors for
/// one mistake.
pub(crate) fn position<P: Lists<F>, F>() -> usize {
    match P::SOURCE {
        Source::Factory(index) => index,
        // `#[pipeline]` implements `Lists` for factories only.
        Source::Input(_) | Source::Context => unreachable!("only factories are listed"),
    }
}

/// Tells a lint if a factory takes an input.
pub struct IsTaken<const TAKEN: bool>;

/// The type that the lint checks: it must be used if the input is not taken.
pub trait Lint {
    /// `()`, or [`PipelineInput`] in a tuple: for a nested value the compiler does not propose `let _ = …`.
    type Lint;
}

impl Lint for IsTaken<true> {
    type Lint = ();
}

impl Lint for IsTaken<false> {
    type Lint = (PipelineInput,);
}

/// An input of a pipeline that no factory takes.
#[must_use = "no factory of the pipeline takes this input: remove the field, or list the factory that takes it"]
pub struct PipelineInput;
