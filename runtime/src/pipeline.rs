//! A pipeline: which factories there are, and who delivers to whom.

use std::any::Any;
use std::marker::PhantomData;
use std::sync::Arc;

use crate::factory::Factory;
use crate::plan::{Plan, Source};
use crate::run::Step;

/// A payload whose type the executor does not know.
pub type AnyPayload = Arc<dyn Any + Send + Sync>;

/// A `T` that goes by an id: what is asked for by `#[delivery(id = …)]` and made by `#[factory(id = …)]`.
pub struct WithId<T, Id>(PhantomData<fn() -> (T, Id)>);

/// That exactly one factory or input of this pipeline delivers `T`, which is [`WithId`] where there is an id.
#[diagnostic::on_unimplemented(
    message = "nothing in pipeline `{Self}` delivers `{T}`",
    label = "this factory needs a `{T}`",
    note = "list a factory whose output is `{T}` in a stage of `{Self}`, or give `{Self}` an input field of this type"
)]
pub trait SoleProducer<T> {
    /// Who delivers it.
    const SOURCE: Source;
}

/// That this pipeline lists the factory `F`.
#[diagnostic::on_unimplemented(
    message = "pipeline `{Self}` does not list the factory `{F}`",
    label = "`{F}` is not in a stage of `{Self}`",
    note = "list `{F}` in a stage of `{Self}`"
)]
pub trait Lists<F> {
    /// Its position.
    const SOURCE: Source;
}

/// That the output of `F` is there after a run of this pipeline (`KEPT`), or not.
#[diagnostic::on_unimplemented(
    message = "the output of `{F}` is not there after a run of `{Self}`: it moves on to the factories that take it",
    label = "delivered to another factory, or not in this pipeline",
    note = "keep it: `#[pipeline(keep({F}), ...)]`",
    note = "outputs that no factory takes are always kept"
)]
pub trait Keeps<F, const KEPT: bool> {}

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

/// Asks that an input is taken by a factory, as a lint.
pub struct Input<const TAKEN: bool>;

/// What the lint sees: a value that must be used, if the input is not taken.
pub trait TakenInput {
    /// `()` or [`InputWithoutConsumer`].
    type Lint;
}

impl TakenInput for Input<true> {
    type Lint = ();
}

impl TakenInput for Input<false> {
    type Lint = InputWithoutConsumer;
}

/// An input of a pipeline that no factory takes.
#[must_use = "no factory of the pipeline takes this input: remove the field, or list the factory that takes it"]
pub struct InputWithoutConsumer;
