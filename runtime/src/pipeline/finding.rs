//! The ways in which a delivery finds its producer in a pipeline: one trait for each way, so that each has its own error.
//!
//! They are implemented for [`TheWiring`] and have the pipeline as a parameter. If they were implemented for the pipeline, the
//! compiler would show its declaration in each error, and list all its other deliveries in alphabetical order.

use crate::delivery::AutoLoad;
use crate::factory::Wired;
use crate::pipeline::{GiveOneAnIdOrAnotherType, HasExactlyOneProducerOf, WithId};
use crate::plan::Source;
use crate::plan::Sources;

/// The wiring of a pipeline, as the subject of the compiler's sentences.
pub struct TheWiring;

/// Implemented if all deliveries of the factory `F` are delivered in this pipeline.
///
/// This is [`Wired`] as a trait of the pipeline. Without it, the compiler would add to each error that `Wired` is implemented for
/// the factory.
pub trait Wires<F> {
    /// The sources of the deliveries.
    const SOURCES: Sources<'static>;
}

impl<P, F: Wired<P>> Wires<F> for P {
    const SOURCES: Sources<'static> = Sources { own: F::FROM, fallback: F::FALLBACK_FROM };
}

/// Implemented if a `T` is delivered in the pipeline `P`: a plain `#[delivery]`.
#[diagnostic::on_unimplemented(
    message = "nothing in pipeline `{P}` delivers `{T}`: list a factory whose output it is, or add an input of this type",
    label = "takes `{T}`",
    note = "an output with an id is taken with it: `#[delivery(id = ...)]`"
)]
pub trait Finds<T, P> {
    /// The source of the delivery.
    const SOURCE: Source;
}

#[diagnostic::do_not_recommend]
impl<T, P: HasExactlyOneProducerOf<T, GiveOneAnIdOrAnotherType>> Finds<T, P> for TheWiring {
    const SOURCE: Source = P::SOURCE;
}

/// Implemented if a `T` with this id is delivered in the pipeline `P`: `#[delivery(id = …)]`.
#[diagnostic::on_unimplemented(
    message = "nothing in pipeline `{P}` delivers `{T}` with id `{Id}`: give its producer `id = {Id}`, or add an input with it",
    label = "takes `{T}` with id `{Id}`",
    note = "a producer has its id from `#[factory(id = {Id})]`, an input from `#[delivery(id = {Id})]`"
)]
pub trait FindsWithId<T, Id, P> {
    /// The source of the delivery.
    const SOURCE: Source;
}

#[diagnostic::do_not_recommend]
impl<T, Id, P: HasExactlyOneProducerOf<WithId<T, Id>, GiveOneAnIdOrAnotherType>> FindsWithId<T, Id, P>
    for TheWiring
{
    const SOURCE: Source = P::SOURCE;
}

/// Declares the traits of deliveries whose type looks as if an option of `#[delivery]` is missing or superfluous. `$asked` is the
/// requested type, and `$Other` the type that was probably meant.
macro_rules! by_shape {
    ($(#[$attribute:meta])* $name:ident<$asked:ident, $Other:ident>) => {
        $(#[$attribute])*
        pub trait $name<$asked, $Other: ?Sized, P> {
            /// The source of the delivery.
            const SOURCE: Source;
        }

        #[diagnostic::do_not_recommend]
        impl<$asked, $Other: ?Sized, P> $name<$asked, $Other, P> for TheWiring
        where
            P: HasExactlyOneProducerOf<$asked, GiveOneAnIdOrAnotherType>,
        {
            const SOURCE: Source = P::SOURCE;
        }
    };
}

by_shape! {
    /// Implemented if an `Option<T>` itself is delivered: without `optional`.
    #[diagnostic::on_unimplemented(
        message = "nothing in pipeline `{P}` delivers `{O}`: to take a `{T}` that may be absent, write `#[delivery(optional)]`",
        label = "takes `{O}`, without `optional`"
    )]
    FindsOption<O, T>
}

by_shape! {
    /// Implemented if an `Option<Arc<T>>` itself is delivered: without `optional` and `shared`.
    #[diagnostic::on_unimplemented(
        message = "nothing in pipeline `{P}` delivers `{O}`: to share a `{T}` that may be absent, write `#[delivery(optional, shared)]`",
        label = "takes `{O}`, without `optional` and `shared`"
    )]
    FindsOptionOfArc<O, T>
}

by_shape! {
    /// Implemented if an `Arc<T>` itself is delivered: without `shared`.
    #[diagnostic::on_unimplemented(
        message = "nothing in pipeline `{P}` delivers `{A}`: to share a `{T}` with other factories, write `#[delivery(shared)]`",
        label = "takes `{A}`, without `shared`"
    )]
    FindsArc<A, T>
}

by_shape! {
    /// Implemented if a `Result<T>` itself is delivered.
    #[diagnostic::on_unimplemented(
        message = "nothing in pipeline `{P}` delivers `{R}`: take `{T}`, since an output is delivered only if there was no error",
        label = "takes `{R}` instead of `{T}`"
    )]
    FindsResult<R, T>
}

by_shape! {
    /// Implemented if a `T` that may be absent is delivered: `optional`.
    #[diagnostic::on_unimplemented(
        message = "nothing in pipeline `{P}` delivers `{T}`: list a factory whose output it is, or add an input `#[delivery(optional)] ...: {O}`",
        label = "takes `{T}`, if it is there",
        note = "where `{O}` itself is delivered, remove `optional`"
    )]
    FindsOptional<T, O>
}

by_shape! {
    /// Implemented if a `T` that is shared with other factories is delivered: `shared`.
    #[diagnostic::on_unimplemented(
        message = "nothing in pipeline `{P}` delivers `{T}`: list a factory whose output it is, or add an input of this type",
        label = "takes `{T}`, shared",
        note = "where `{A}` itself is delivered, remove `shared`"
    )]
    FindsShared<T, A>
}

/// Implemented if the source from which `T` is loaded is delivered in the pipeline `P`: `#[delivery(auto_load)]`.
///
/// If `T` cannot be loaded, the error is not reported here but at the call that loads it.
pub trait FindsSourceOf<T, P> {
    /// The source of the delivery.
    const SOURCE: Source;
}

impl<T, P> FindsSourceOf<T, P> for TheWiring
where
    T: AutoLoad,
    TheWiring: Finds<<T as AutoLoad>::Source, P>,
{
    const SOURCE: Source = <TheWiring as Finds<<T as AutoLoad>::Source, P>>::SOURCE;
}

/// Implemented if the source from which `T` is loaded is delivered with an id: `#[delivery(auto_load, id = …)]`.
pub trait FindsSourceWithId<T, Id, P> {
    /// The source of the delivery.
    const SOURCE: Source;
}

impl<T, Id, P> FindsSourceWithId<T, Id, P> for TheWiring
where
    T: AutoLoad,
    TheWiring: FindsWithId<<T as AutoLoad>::Source, Id, P>,
{
    const SOURCE: Source = <TheWiring as FindsWithId<<T as AutoLoad>::Source, Id, P>>::SOURCE;
}
