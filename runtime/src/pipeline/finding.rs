//! How a delivery finds its producer in a pipeline: one trait for each way to ask, so that each has its own error.
//!
//! All of them are asked of [`TheWiring`], and name the pipeline as a parameter. If they were asked of the pipeline, the compiler
//! would show its declaration in each error, and list whatever else it delivers, in the order of the alphabet.

use crate::delivery::AutoLoad;
use crate::factory::Wired;
use crate::pipeline::{GiveOneAnIdOrAnotherType, HasExactlyOneProducerOf, WithId};
use crate::plan::Source;
use crate::plan::Sources;

/// The wiring of a pipeline, as the subject of the compiler's sentences.
pub struct TheWiring;

/// That all deliveries of the factory `F` are delivered in this pipeline.
///
/// This is [`Wired`] seen from the pipeline. Without it, the compiler would add to each error that `Wired` is implemented for
/// the factory.
pub trait Wires<F> {
    /// Where the deliveries come from.
    const SOURCES: Sources<'static>;
}

impl<P, F: Wired<P>> Wires<F> for P {
    const SOURCES: Sources<'static> = F::SOURCES;
}

/// That a `T` is delivered in the pipeline `P`: a plain `#[delivery]`.
#[diagnostic::on_unimplemented(
    message = "nothing in pipeline `{P}` delivers `{T}`: list a factory whose output it is, or add an input of this type",
    label = "takes `{T}`",
    note = "an output with an id is taken with it: `#[delivery(id = ...)]`"
)]
pub trait Finds<T, P> {
    /// Who delivers it.
    const SOURCE: Source;
}

#[diagnostic::do_not_recommend]
impl<T, P: HasExactlyOneProducerOf<T, GiveOneAnIdOrAnotherType>> Finds<T, P> for TheWiring {
    const SOURCE: Source = P::SOURCE;
}

/// That a `T` with this id is delivered in the pipeline `P`: `#[delivery(id = …)]`.
#[diagnostic::on_unimplemented(
    message = "nothing in pipeline `{P}` delivers `{T}` with id `{Id}`: give its producer `id = {Id}`, or add an input with it",
    label = "takes `{T}` with id `{Id}`",
    note = "a producer has its id from `#[factory(id = {Id})]`, an input from `#[delivery(id = {Id})]`"
)]
pub trait FindsWithId<T, Id, P> {
    /// Who delivers it.
    const SOURCE: Source;
}

#[diagnostic::do_not_recommend]
impl<T, Id, P: HasExactlyOneProducerOf<WithId<T, Id>, GiveOneAnIdOrAnotherType>> FindsWithId<T, Id, P>
    for TheWiring
{
    const SOURCE: Source = P::SOURCE;
}

/// Declares the traits of deliveries whose type reads as if an option of `#[delivery]` had been forgotten, or as if one were too
/// many. `$asked` is what is asked for, and `$Other` the type that was perhaps meant.
macro_rules! by_shape {
    ($(#[$attribute:meta])* $name:ident<$asked:ident, $Other:ident>) => {
        $(#[$attribute])*
        pub trait $name<$asked, $Other: ?Sized, P> {
            /// Who delivers it.
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
    /// That an `Option<T>` is delivered as it is: without `optional`.
    #[diagnostic::on_unimplemented(
        message = "nothing in pipeline `{P}` delivers `{O}`: to take a `{T}` that may be absent, write `#[delivery(optional)]`",
        label = "takes `{O}`, without `optional`"
    )]
    FindsOption<O, T>
}

by_shape! {
    /// That an `Option<Arc<T>>` is delivered as it is: without `optional` and `shared`.
    #[diagnostic::on_unimplemented(
        message = "nothing in pipeline `{P}` delivers `{O}`: to share a `{T}` that may be absent, write `#[delivery(optional, shared)]`",
        label = "takes `{O}`, without `optional` and `shared`"
    )]
    FindsOptionOfArc<O, T>
}

by_shape! {
    /// That an `Arc<T>` is delivered as it is: without `shared`.
    #[diagnostic::on_unimplemented(
        message = "nothing in pipeline `{P}` delivers `{A}`: to share a `{T}` with other factories, write `#[delivery(shared)]`",
        label = "takes `{A}`, without `shared`"
    )]
    FindsArc<A, T>
}

by_shape! {
    /// That a `Result<T>` is delivered as it is.
    #[diagnostic::on_unimplemented(
        message = "nothing in pipeline `{P}` delivers `{R}`: take `{T}`, since an output is delivered only if there was no error",
        label = "takes `{R}` instead of `{T}`"
    )]
    FindsResult<R, T>
}

by_shape! {
    /// That a `T` is delivered, which may be absent: `optional`.
    #[diagnostic::on_unimplemented(
        message = "nothing in pipeline `{P}` delivers `{T}`: list a factory whose output it is, or add an input `#[delivery(optional)] ...: {O}`",
        label = "takes `{T}`, if it is there",
        note = "where `{O}` itself is delivered, remove `optional`"
    )]
    FindsOptional<T, O>
}

by_shape! {
    /// That a `T` is delivered, which is taken together with others: `shared`.
    #[diagnostic::on_unimplemented(
        message = "nothing in pipeline `{P}` delivers `{T}`: list a factory whose output it is, or add an input of this type",
        label = "takes `{T}`, shared",
        note = "where `{A}` itself is delivered, remove `shared`"
    )]
    FindsShared<T, A>
}

/// That what `T` is loaded from is delivered in the pipeline `P`: `#[delivery(auto_load)]`.
///
/// It is no error of the factory if `T` cannot be loaded: that is found where it loads.
pub trait FindsSourceOf<T, P> {
    /// Who delivers it.
    const SOURCE: Source;
}

impl<T, P> FindsSourceOf<T, P> for TheWiring
where
    T: AutoLoad,
    TheWiring: Finds<<T as AutoLoad>::Source, P>,
{
    const SOURCE: Source = <TheWiring as Finds<<T as AutoLoad>::Source, P>>::SOURCE;
}

/// That what `T` is loaded from is delivered with an id: `#[delivery(auto_load, id = …)]`.
pub trait FindsSourceWithId<T, Id, P> {
    /// Who delivers it.
    const SOURCE: Source;
}

impl<T, Id, P> FindsSourceWithId<T, Id, P> for TheWiring
where
    T: AutoLoad,
    TheWiring: FindsWithId<<T as AutoLoad>::Source, Id, P>,
{
    const SOURCE: Source = <TheWiring as FindsWithId<<T as AutoLoad>::Source, Id, P>>::SOURCE;
}
