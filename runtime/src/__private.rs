//! What generated code uses. Not for others: it changes without notice.

pub use std::any::TypeId;
pub use std::borrow::Cow;
pub use std::convert::Into;
pub use std::marker::PhantomData;
pub use std::option::Option::{self, None, Some};
pub use std::result::Result::{Err, Ok};
pub use std::string::String;
pub use std::vec::Vec;

use std::sync::Arc;

pub use setl_macros::{ResolvedFactory, ResolvedPipeline};

pub use crate::Result;
pub use crate::context::Context;
pub use crate::delivery::{AutoLoad, ByValue, HandsOver, Inspect, Optional, Payload, Shared, Undelivered};
pub use crate::factory::{Delivers, Factory, FactoryItem, Fallible, Produces, Sink, Wired};
pub use crate::inspect::{Diagram, describe};
pub use crate::pipeline::{
    AnyFactory, AnyPayload, HasExactlyOneProducerOf, HasProducerWithId, HasSourceOf, HasSourceWithId,
    IsTaken, KeepsAt, Lint, Lists, ListsAt, NoFactory, Nth, PipelineItem, WithId,
};
pub use crate::plan::dynamic::Requirement;
pub use crate::plan::{
    Delivery, Input, Links, Ordering, Plan, Source, Stage, Taking, check_presence, count_links,
    input_is_taken, kept, order,
};
pub use crate::run::{Inbox, Runner, Step};

use crate::plan::Node;

/// A vector, where `From` is not in scope.
pub fn vec<T, const LEN: usize>(items: [T; LEN]) -> Vec<T> {
    Vec::from(items)
}

/// A delivered value, for the executor.
pub fn payload<T: Payload>(value: T) -> Option<AnyPayload> {
    Some(Arc::new(value))
}

/// A delivered value that may be absent, for the executor.
pub fn payload_if_any<T: Payload>(value: Option<T>) -> Option<AnyPayload> {
    value.map(|value| Arc::new(value) as AnyPayload)
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
}

impl Entry {
    /// The factory in a plan that is a constant.
    pub const fn node(
        &self,
        name: &'static str,
        stage: usize,
        sources: &'static [Source],
        kept: bool,
    ) -> Node {
        Node {
            name: Cow::Borrowed(name),
            stage,
            deliveries: self.deliveries,
            sources: Cow::Borrowed(sources),
            id: self.id,
            kept,
            blocking: self.blocking,
            output: self.output,
        }
    }
}

/// What generated code asks of a delivery with `auto_load`. All of it is in one trait, so that a type that cannot be
/// loaded is one error.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be loaded by `auto_load`",
    label = "only a `Dataset<T>` can be loaded, from a `Repository<T>`",
    note = "make it a `Dataset<T>`, or take the source itself and load it in `read`"
)]
pub trait Loadable: Sized {
    /// See [`AutoLoad::Condition`].
    type Condition;

    /// Loads the delivery.
    ///
    /// # Errors
    /// When loading fails.
    fn load(inbox: &mut Inbox<'_>, delivery: usize, condition: Option<Self::Condition>) -> Result<Self>;

    /// Loads the delivery, if its source is there.
    ///
    /// # Errors
    /// When loading fails.
    fn load_optional(
        inbox: &mut Inbox<'_>,
        delivery: usize,
        condition: Option<Self::Condition>,
    ) -> Result<Option<Self>>;

    /// What is asked for.
    fn requirement(optional: bool, producer: Option<TypeId>) -> Requirement;

    /// What is asked for, with an id.
    fn requirement_with_id<Id: 'static>(optional: bool, producer: Option<TypeId>) -> Requirement;
}

#[diagnostic::do_not_recommend]
impl<T: AutoLoad> Loadable for T
where
    T::Source: Payload,
{
    type Condition = <T as AutoLoad>::Condition;

    fn load(
        inbox: &mut Inbox<'_>,
        delivery: usize,
        condition: Option<<T as AutoLoad>::Condition>,
    ) -> Result<T> {
        inbox.load(delivery, condition)
    }

    fn load_optional(
        inbox: &mut Inbox<'_>,
        delivery: usize,
        condition: Option<<T as AutoLoad>::Condition>,
    ) -> Result<Option<T>> {
        inbox.load_optional(delivery, condition)
    }

    fn requirement(optional: bool, producer: Option<TypeId>) -> Requirement {
        Requirement::new::<T::Source, T::Source>(optional, producer)
    }

    fn requirement_with_id<Id: 'static>(optional: bool, producer: Option<TypeId>) -> Requirement {
        Requirement::new::<T::Source, WithId<T::Source, Id>>(optional, producer)
    }
}

/// A delivery together with others.
///
/// # Errors
/// When it is not there, which the plan rules out.
pub fn share<T: Payload>(inbox: &mut Inbox<'_>, delivery: usize) -> Result<Arc<T>> {
    inbox.share(delivery)
}

/// A delivery together with others, which may be absent.
///
/// # Errors
/// None today.
pub fn share_optional<T: Payload>(inbox: &mut Inbox<'_>, delivery: usize) -> Result<Option<Arc<T>>> {
    inbox.share_optional(delivery)
}

/// Compiles if `F` delivers `T`.
pub const fn producer_delivers<F: Delivers<T>, T>() {}

/// Gives a value that must be used, if the input is not taken. Never called.
pub fn check_input<I: Lint>() -> I::Lint {
    unreachable!("only its type counts")
}

/// Stands where a factory is built whose attribute could not be understood.
pub fn never<T>() -> T {
    unreachable!("what has mistakes in its attribute does not compile")
}

/// The error of a function factory whose deliveries are gone.
pub fn processed_twice() -> crate::Error {
    anyhow::anyhow!("`process` was called twice on one instance: a function gives its deliveries away")
}

/// How a typed output is inspected.
pub type Inspector<T> = fn(&mut T, &'static str) -> Option<usize>;

/// Finds out whether `T` implements [`Inspect`]: a method of the type is preferred to one of a reference to it.
pub struct Probe<T>(PhantomData<fn() -> T>);

impl<T> Probe<T> {
    /// The probe of this type.
    pub const NEW: Self = Self(PhantomData);
}

/// Of types that implement [`Inspect`].
pub trait Inspectable<T> {
    /// Gives its rows, and tells it its origin.
    fn inspector(&self) -> Inspector<T>;
}

impl<T: Inspect> Inspectable<T> for &Probe<T> {
    fn inspector(&self) -> Inspector<T> {
        |output, factory| {
            output.set_origin(factory);
            output.rows()
        }
    }
}

/// Of all other types.
pub trait Opaque<T> {
    /// Nothing is known of it.
    fn inspector(&self) -> Inspector<T>;
}

impl<T> Opaque<T> for Probe<T> {
    fn inspector(&self) -> Inspector<T> {
        |_, _| None
    }
}
