//! A pipeline: which factories there are, and who delivers to whom.

pub mod fields;
pub mod finding;

use std::any::Any;
use std::marker::PhantomData;
use std::sync::Arc;

use crate::checkpoint::FingerprintOf;
use crate::factory::{Factory, Fallback, Produces};
use crate::plan::{Delivery, FallbackNode, Node, Plan, Source, Sources};
use crate::policy::Policy;
use crate::run::Step;

/// A payload whose type the executor does not know.
pub type AnyPayload = Arc<dyn Any + Send + Sync>;

/// A `T` that goes by an id: what is asked for by `#[delivery(id = …)]` and made by `#[factory(id = …)]`.
pub struct WithId<T, Id>(PhantomData<fn() -> (T, Id)>);

/// That exactly one factory or input of this pipeline delivers `T`, which is [`WithId`] where there is an id.
///
/// Where two deliver it, the compiler sees two implementations and names this trait with its parameters. It has no other
/// words to add: hence the names of the trait and of `Cure`.
pub trait HasExactlyOneProducerOf<T, Cure> {
    /// What delivers it: [`Nth`] factory, or [`NoFactory`].
    type Producer;
    /// Who delivers it.
    const SOURCE: Source;
}

/// The cure where two deliver one type. It is the same for all: a cure of each factory's own would cost the compiler as much time
/// as the wiring itself.
pub struct GiveOneAnIdOrAnotherType;

/// The factory with this index in its pipeline.
pub struct Nth<const INDEX: usize>;

/// What delivers the inputs and the context.
pub struct NoFactory;

/// Any factory at all, in a pipeline whose attribute could not be understood.
pub struct AnyFactory;

/// That in this pipeline the factory `F` has this place: [`Nth`].
pub trait ListsAt<F, Place> {}

/// That this factory is in a stage of the pipeline `P`: it is who delivers its output there.
#[diagnostic::on_unimplemented(
    message = "pipeline `{P}` does not list the factory `{Self}`: add it to a stage",
    label = "`{Self}` is in no stage of `{P}`",
    note = "a factory goes by its own name, not by the type of its output"
)]
pub trait ListedIn<P> {
    /// Its place: [`Nth`].
    type Place;
    /// Its position.
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

/// That this pipeline lists the factory `F`.
pub trait Lists<F> {
    /// Its position.
    const SOURCE: Source;
}

impl<P, F: ListedIn<P>> Lists<F> for P {
    const SOURCE: Source = <F as ListedIn<P>>::SOURCE;
}

/// That this pipeline lists the factory `F`, and that its output is there after a run (`KEPT`), or not.
pub trait Keeps<F, const KEPT: bool>: Lists<F> {}

impl<P, F, const KEPT: bool> Keeps<F, KEPT> for P where
    F: ListedIn<P> + KeptBy<P, <F as ListedIn<P>>::Place, KEPT>
{
}

/// That the output of this factory, which has this place in the pipeline `P`, is there after a run (`KEPT`), or not.
#[diagnostic::on_unimplemented(
    message = "the output of `{Self}` is not there after a run of `{P}`, since another factory takes it: add `keep({Self})` to `#[pipeline(...)]`",
    label = "its output moved on",
    note = "outputs that no factory takes are always kept"
)]
pub trait KeptBy<P, Place, const KEPT: bool> {}

#[diagnostic::do_not_recommend]
impl<F, P, Place, const KEPT: bool> KeptBy<P, Place, KEPT> for F where P: KeepsAt<Place, KEPT> {}

/// What a pipeline says to [`KeptBy`] of the factory in a place.
pub trait KeepsAt<Place, const KEPT: bool> {}

/// What `#[pipeline]` says of a struct.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a pipeline: it has no `#[pipeline(...)]` attribute",
    label = "needs `#[pipeline(stage(Factory, ...))]`"
)]
pub trait PipelineItem: Sized {
    /// What it consists of.
    const PLAN: &'static Plan;
    /// How its factories are run, in the order of the plan.
    const STEPS: &'static [Step];

    /// How the fingerprint of each input is taken, in the order of the plan, where there is one that counts.
    fn fingerprints() -> Vec<Option<FingerprintOf>> {
        Vec::new()
    }

    /// The inputs, in the order of the plan; an optional input may be absent.
    fn into_inputs(self) -> Vec<Option<AnyPayload>>;
}

/// What a pipeline that lists a factory needs of it, whatever the pipeline.
#[diagnostic::on_unimplemented(
    message = "factory `{Self}` does not say what it does: `impl Factory for {Self}` is missing",
    label = "declared by `#[factory]`, but does nothing yet",
    note = "write `impl Factory for {Self} {{ async fn process(&mut self) -> Result<Self::Output> {{ ... }} }}`"
)]
pub trait Listed {
    /// All of it.
    const ENTRY: Entry;
}

#[diagnostic::do_not_recommend]
impl<F: Factory> Listed for F {
    const ENTRY: Entry = Entry {
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
pub struct Entry {
    /// How to run it.
    pub step: Step,
    /// What it takes.
    pub deliveries: &'static [Delivery],
    id: Option<&'static str>,
    blocking: bool,
    output: fn() -> &'static str,
    /// What is done when it fails, and before.
    pub policy: &'static Policy,
    /// Who stands in for it when it fails.
    pub fallback: Option<Fallback>,
}

impl Entry {
    /// The factory in a plan that is a constant.
    pub const fn node(
        &self,
        name: &'static str,
        stage: usize,
        sources: Sources<'static>,
        kept: bool,
    ) -> Node {
        let fallback = match &self.fallback {
            Some(fallback) => Some(FallbackNode {
                name: fallback.name,
                deliveries: fallback.deliveries,
                sources: std::borrow::Cow::Borrowed(sources.fallback),
                policy: fallback.policy,
                blocking: fallback.blocking,
            }),
            None => None,
        };
        Node {
            name: std::borrow::Cow::Borrowed(name),
            stage,
            deliveries: self.deliveries,
            sources: std::borrow::Cow::Borrowed(sources.own),
            id: self.id,
            kept,
            blocking: self.blocking,
            output: self.output,
            policy: self.policy,
            fallback,
        }
    }
}

/// A factory by position: used where a pipeline is given a factory's type. What a pipeline lists is a factory; to ask for
/// that, too, would give two errors for one mistake.
pub(crate) fn position<P: Lists<F>, F>() -> usize {
    match P::SOURCE {
        Source::Factory(index) => index,
        // `#[pipeline]` implements `Lists` for factories only.
        Source::Input(_) | Source::Context => unreachable!("only factories are listed"),
    }
}

/// Whether a factory takes an input, for a lint.
pub struct IsTaken<const TAKEN: bool>;

/// What the lint sees: a value that must be used, if the input is not taken.
pub trait Lint {
    /// `()`, or [`PipelineInput`] in a tuple: for a value within another the compiler does not propose `let _ = …`.
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
