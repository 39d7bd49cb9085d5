//! A pipeline: which factories there are, and who delivers to whom.

use std::any::Any;
use std::marker::PhantomData;
use std::sync::Arc;

use crate::delivery::AutoLoad;
use crate::factory::{Factory, Produces};
use crate::plan::{Plan, Source};
use crate::run::Step;

/// A payload whose type the executor does not know.
pub type AnyPayload = Arc<dyn Any + Send + Sync>;

/// A `T` that goes by an id: what is asked for by `#[delivery(id = …)]` and made by `#[factory(id = …)]`.
pub struct WithId<T, Id>(PhantomData<fn() -> (T, Id)>);

/// That exactly one factory or input of this pipeline delivers `T`, which is [`WithId`] where there is an id.
///
/// Where two deliver it, the compiler sees two implementations and names this trait: hence the name.
#[diagnostic::on_unimplemented(
    message = "nothing in pipeline `{Self}` delivers `{T}`",
    label = "takes `{T}`",
    note = "list a factory whose output is `{T}` in a stage of `{Self}`, or give `{Self}` an input field of this type"
)]
pub trait HasExactlyOneProducerOf<T> {
    /// What delivers it: [`Nth`] factory, or [`NoFactory`].
    type Producer;
    /// Who delivers it.
    const SOURCE: Source;
}

/// The factory `F`, which is the one with this index in its pipeline.
pub struct Nth<F, const INDEX: usize>(PhantomData<fn() -> F>);

/// That a `T` with this id is delivered: `#[delivery(id = …)]`.
#[diagnostic::on_unimplemented(
    message = "nothing in pipeline `{Self}` delivers `{T}` with id `{Id}`",
    label = "takes `{T}` with id `{Id}`",
    note = "give the id to who delivers it: `#[factory(id = {Id})]` on a factory of `{Self}`, or `#[delivery(id = {Id})]` on an input"
)]
pub trait HasProducerWithId<T, Id> {
    /// Who delivers it.
    const SOURCE: Source;
}

#[diagnostic::do_not_recommend]
impl<P, T, Id> HasProducerWithId<T, Id> for P
where
    P: HasExactlyOneProducerOf<WithId<T, Id>>,
{
    const SOURCE: Source = <P as HasExactlyOneProducerOf<WithId<T, Id>>>::SOURCE;
}

/// That what `T` is loaded from is delivered: `#[delivery(auto_load)]`.
///
/// It is no error of the factory if `T` cannot be loaded: that is found where it loads.
pub trait HasSourceOf<T> {
    /// Who delivers it.
    const SOURCE: Source;
}

impl<P, T> HasSourceOf<T> for P
where
    T: AutoLoad,
    P: HasExactlyOneProducerOf<<T as AutoLoad>::Source>,
{
    const SOURCE: Source = <P as HasExactlyOneProducerOf<<T as AutoLoad>::Source>>::SOURCE;
}

/// That what `T` is loaded from is delivered with an id: `#[delivery(auto_load, id = …)]`.
pub trait HasSourceWithId<T, Id> {
    /// Who delivers it.
    const SOURCE: Source;
}

impl<P, T, Id> HasSourceWithId<T, Id> for P
where
    T: AutoLoad,
    P: HasProducerWithId<<T as AutoLoad>::Source, Id>,
{
    const SOURCE: Source = <P as HasProducerWithId<<T as AutoLoad>::Source, Id>>::SOURCE;
}

/// What delivers the inputs and the context.
pub struct NoFactory;

/// Any factory at all, in a pipeline whose attribute could not be understood.
pub struct AnyFactory;

/// That this is the factory `F`.
pub trait IsFactory<F> {}

impl<F, const INDEX: usize> IsFactory<F> for Nth<F, INDEX> {}

impl<F> IsFactory<F> for AnyFactory {}

/// That this pipeline lists the factory `F`: it is who delivers the output of `F`.
#[diagnostic::on_unimplemented(
    message = "pipeline `{Self}` does not list the factory `{F}`",
    label = "`{F}` is not in a stage of `{Self}`",
    note = "list `{F}` in a stage of `{Self}`"
)]
pub trait Lists<F> {
    /// Its place: [`Nth`].
    type Place;
    /// Its position.
    const SOURCE: Source;
}

#[diagnostic::do_not_recommend]
impl<P, F> Lists<F> for P
where
    F: Produces<P>,
    P: HasExactlyOneProducerOf<<F as Produces<P>>::Key, Producer: IsFactory<F>>,
{
    type Place = <P as HasExactlyOneProducerOf<<F as Produces<P>>::Key>>::Producer;
    const SOURCE: Source = <P as HasExactlyOneProducerOf<<F as Produces<P>>::Key>>::SOURCE;
}

/// That the output of `F` is there after a run of this pipeline (`KEPT`), or not.
pub trait Keeps<F, const KEPT: bool> {}

impl<P, F, const KEPT: bool> Keeps<F, KEPT> for P where
    P: Lists<F> + KeepsOutputOf<F, <P as Lists<F>>::Place, KEPT>
{
}

/// What a pipeline says to [`Keeps`] of a factory that it lists.
#[diagnostic::on_unimplemented(
    message = "the output of `{F}` is not there after a run of `{Self}`: it moves on to the factories that take it",
    label = "its output is delivered to another factory",
    note = "keep it: `#[pipeline(..., keep({F}))]`",
    note = "outputs that no factory takes are always kept"
)]
pub trait KeepsOutputOf<F, Place, const KEPT: bool> {}

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

    /// The inputs, in the order of the plan; an optional input may be absent.
    fn into_inputs(self) -> Vec<Option<AnyPayload>>;
}

/// A factory by position: used where a pipeline is given a factory's type.
pub(crate) fn position<P: Lists<F>, F: Factory>() -> usize {
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
