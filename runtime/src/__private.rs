//! Items for generated code. Do not use them directly: they change without notice.

pub use core::primitive::{bool, str, u128, usize};
pub use std::any::TypeId;
pub use std::borrow::Cow;
pub use std::convert::Into;
pub use std::marker::PhantomData;
pub use std::option::Option::{self, None, Some};
pub use std::result::Result::{Err, Ok};
pub use std::string::String;
pub use std::time::Duration;
pub use std::vec::Vec;

pub use setl_macros::{ResolvedFactory, ResolvedPipeline};

use crate::factory::{Rollback, RunCondition};

use crate::run::current::measure;

pub use crate::Result;
pub use crate::checkpoint::probe::{
    FingerprintProbe, Keep, KeptByFrame, KeptBySerde, NotKept, NotPrinted, PrintedByFrame, PrintedBySerde,
    PrintsByFrame, PrintsBySerde, PrintsNot, keep, opaque, print,
};
pub use crate::checkpoint::{FingerprintOf, Persistence};
pub use crate::context::Context;
pub use crate::delivery::{
    AutoLoad, ByGenericValue, ByValue, DefaultField, Inspect, Loadable, Optional, Payload, Rehearsal, Shared,
    TakeByValue, TakeByValueGeneric, payload, payload_if_any, share, share_optional,
};
pub use crate::factory::{
    Abilities, Always, Delivers, Factory, FactoryItem, Fallback, Fallible, FallibleIn, IsNoResult, IsNoUnit,
    IsResult, IsUnit, NoOutput, Produces, Sometimes, Undo, Wired, check_output, check_unit,
};
pub use crate::inspect::{Diagram, describe};
pub use crate::pipeline::fields;
pub use crate::pipeline::finding::{
    Finds, FindsArc, FindsOption, FindsOptionOfArc, FindsOptional, FindsResult, FindsShared, FindsSourceOf,
    FindsSourceWithId, FindsWithId, TheWiring, Wires,
};
pub use crate::pipeline::{
    AnyFactory, AnyPayload, FactoryEntry, GiveOneAnIdOrAnotherType, HasExactlyOneProducerOf, IsTaken,
    KeepsAt, Lint, Listed, Lists, ListsAt, NoFactory, Nth, PipelineItem, WithId, nodes, steps,
};
pub use crate::plan::dynamic::Requirement;
pub use crate::plan::{
    Delivery, DeliveryMode, Input, Links, Ordering, Plan, Source, Sources, Stage, check_fingerprints,
    check_presence, count_links, input_is_taken, kept, order,
};
pub use crate::policy::{Caching, CodeScope, OnFailure, Policy, Resource, Retry, RetryOn};
pub use crate::run::{Inbox, Rows, RunBuilder, Step};

/// Imports for `#[pipeline]`, which marks an import of `delivery` as used, although it is not needed.
pub mod attributes {
    pub use setl_macros::delivery;
}

/// Makes a vector, even if `From` is not in scope.
pub fn vec<T, const LEN: usize>(items: [T; LEN]) -> Vec<T> {
    Vec::from(items)
}

/// Returns a value that must be used if the input is not taken. Is never called.
pub fn check_input<I: Lint>() -> I::Lint {
    unreachable!("only its type counts")
}

/// Stands in for the construction of a factory whose attribute is invalid.
pub fn never<T>() -> T {
    unreachable!("what has mistakes in its attribute does not compile")
}

/// Makes the error of a function factory that has no deliveries left.
pub fn processed_twice() -> crate::Error {
    anyhow::anyhow!("`process` was called twice on one instance: a function gives its deliveries away")
}

/// Evaluates the value of `when = …`: `true` if the factory runs.
///
/// # Errors
/// If the condition cannot be evaluated.
pub fn is_due<Condition: RunCondition>(condition: Condition) -> Result<bool> {
    condition.into_result()
}

/// The type of the function in `retry(on = …)`.
pub type RetryIf = fn(&crate::Error) -> bool;

/// The functions that inspect a typed output.
pub struct Inspector<T> {
    /// Sets the origin of the output to the name of its factory, and returns its number of rows.
    pub rows: fn(&mut T, &'static str) -> Rows,
    /// Returns the function that computes the output in a dry run: see [`Inspect::rehearsal`].
    pub rehearsal: fn(&T) -> Option<Rehearsal>,
}

/// Detects if `T` implements [`Inspect`]: the compiler prefers a method of the type to one of a reference to it.
pub struct Probe<T>(PhantomData<fn() -> T>);

impl<T> Probe<T> {
    /// The probe of this type.
    pub const NEW: Self = Self(PhantomData);
}

/// Implemented for types that implement [`Inspect`].
pub trait Inspectable<T> {
    /// Returns the functions that set its origin and return its rows.
    fn __setl_inspector(&self) -> Inspector<T>;
}

impl<T: Inspect> Inspectable<T> for &Probe<T> {
    fn __setl_inspector(&self) -> Inspector<T> {
        let rows = |output: &mut T, factory| {
            output.set_origin(factory);
            measure(|hook, node| hook.delivers(node, output.bytes()));
            match output.rows() {
                Some(rows) => Rows::Known(rows),
                None if output.is_lazy() => Rows::Lazy,
                None => Rows::Unknown,
            }
        };
        Inspector { rows, rehearsal: T::rehearsal }
    }
}

/// Implemented for all other types.
pub trait Opaque<T> {
    /// Returns functions that do nothing, since nothing is known of the type.
    fn __setl_inspector(&self) -> Inspector<T>;
}

impl<T> Opaque<T> for Probe<T> {
    fn __setl_inspector(&self) -> Inspector<T> {
        Inspector { rows: |_, _| Rows::Unknown, rehearsal: |_| None }
    }
}

/// Detects in the same way if the factory `F` implements [`Rollback`].
pub struct UndoProbe<F>(PhantomData<fn() -> F>);

impl<F> UndoProbe<F> {
    /// The probe of this factory.
    pub const NEW: Self = Self(PhantomData);
}

/// Implemented for factories that implement [`Rollback`].
pub trait Undoable<F> {
    /// Returns the function that rolls the factory back.
    fn __setl_undo(&self) -> Option<Undo<F>>;
}

impl<F: Rollback> Undoable<F> for &UndoProbe<F> {
    fn __setl_undo(&self) -> Option<Undo<F>> {
        Some(|mut factory| Box::pin(async move { factory.rollback().await }))
    }
}

/// Implemented for all other factories.
pub trait Lasting<F> {
    /// Returns `None`.
    fn __setl_undo(&self) -> Option<Undo<F>>;
}

impl<F> Lasting<F> for UndoProbe<F> {
    fn __setl_undo(&self) -> Option<Undo<F>> {
        None
    }
}
