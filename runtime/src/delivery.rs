//! Deliveries: the values that a factory takes, and the ways to take them.

use std::any::TypeId;
use std::sync::Arc;

use crate::Result;
use crate::pipeline::{AnyPayload, WithId};
use crate::plan::dynamic::Requirement;
use crate::run::Inbox;

/// A value that can be passed from one factory to another: anything `Send + Sync + 'static`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be delivered to a factory, which may run on another thread: use `Arc` for `Rc`, `Mutex` for `RefCell`",
    label = "must be `Send + Sync + 'static`",
    note = "a payload owns what it consists of, and is not tied to one thread"
)]
pub trait Payload: Send + Sync + 'static {}

#[diagnostic::do_not_recommend]
impl<T: Send + Sync + 'static + ?Sized> Payload for T {}

/// A payload for a plain `#[delivery]`: several factories may take the same payload, so it must be `Clone`.
pub trait Owned: Clone + Payload {}

#[diagnostic::do_not_recommend]
impl<T: Clone + Payload> Owned for T {}

/// The mode that takes a delivery by value.
pub struct ByValue;

/// Implemented if a `T` can be taken [`ByValue`].
///
/// It is implemented for `ByValue` rather than for `T`, since the compiler would propose to borrow a `T`.
#[diagnostic::on_unimplemented(
    message = "`{T}` is delivered by value and is not `Clone`: take it as `Arc<{T}>` with `#[delivery(shared)]`",
    label = "every factory that takes it gets its own `{T}`",
    note = "or let it be cloned: `#[derive(Clone)]` on `{T}`"
)]
pub trait TakeByValue<T> {
    /// Returns the delivery.
    ///
    /// # Errors
    /// If it is absent, which the plan rules out.
    fn take(inbox: &mut Inbox<'_>, delivery: usize) -> Result<T>
    where
        T: Payload;

    /// Returns the delivery, if it is present.
    ///
    /// # Errors
    /// None at present.
    fn take_optional(inbox: &mut Inbox<'_>, delivery: usize) -> Result<Option<T>>
    where
        T: Payload;
}

#[diagnostic::do_not_recommend]
impl<T: Clone> TakeByValue<T> for ByValue {
    fn take(inbox: &mut Inbox<'_>, delivery: usize) -> Result<T>
    where
        T: Payload,
    {
        inbox.take(delivery)
    }

    fn take_optional(inbox: &mut Inbox<'_>, delivery: usize) -> Result<Option<T>>
    where
        T: Payload,
    {
        inbox.take_optional(delivery)
    }
}

/// The mode that takes a delivery by value in a generic factory.
pub struct ByGenericValue;

/// The variant of [`TakeByValue`] for types with parameters. The compiler itself reports and proposes a missing `Clone` bound.
pub trait TakeByValueGeneric<T> {
    /// Returns the delivery.
    ///
    /// # Errors
    /// If it is absent, which the plan rules out.
    fn take(inbox: &mut Inbox<'_>, delivery: usize) -> Result<T>
    where
        T: Payload;

    /// Returns the delivery, if it is present.
    ///
    /// # Errors
    /// None at present.
    fn take_optional(inbox: &mut Inbox<'_>, delivery: usize) -> Result<Option<T>>
    where
        T: Payload;
}

impl<T: Clone> TakeByValueGeneric<T> for ByGenericValue {
    fn take(inbox: &mut Inbox<'_>, delivery: usize) -> Result<T>
    where
        T: Payload,
    {
        inbox.take(delivery)
    }

    fn take_optional(inbox: &mut Inbox<'_>, delivery: usize) -> Result<Option<T>>
    where
        T: Payload,
    {
        inbox.take_optional(delivery)
    }
}

/// The type of a `#[delivery(optional)]`: `Option<T>`.
#[diagnostic::on_unimplemented(
    message = "an optional delivery must have the type `Option<...>`, found `{Self}`",
    label = "may be absent, so it must be an `Option`",
    note = "write `Option<{Self}>`, or remove `optional` if it is always there"
)]
pub trait Optional {
    /// The type of the delivery when it is present.
    type Payload;

    /// Makes the value of the field.
    fn from_option(payload: Option<Self::Payload>) -> Self;

    /// Returns the payload, if it is present.
    fn into_option(self) -> Option<Self::Payload>;
}

impl<T> Optional for Option<T> {
    type Payload = T;

    fn from_option(payload: Option<T>) -> Self {
        payload
    }

    fn into_option(self) -> Option<T> {
        self
    }
}

/// The type of a `#[delivery(shared)]`: `Arc<T>`.
#[diagnostic::on_unimplemented(
    message = "a shared delivery must have the type `Arc<...>`, found `{Self}`",
    label = "is shared with other factories, so it must be an `Arc`",
    note = "write `Arc<{Self}>`, or remove `shared` to get a clone"
)]
pub trait Shared {
    /// The type of the delivery.
    type Payload;

    /// Makes the value of the field.
    fn from_arc(payload: Arc<Self::Payload>) -> Self;
}

impl<T> Shared for Arc<T> {
    type Payload = T;

    fn from_arc(payload: Arc<T>) -> Self {
        payload
    }
}

/// A payload that a delivery can load from a source in the pipeline: `#[delivery(auto_load)]`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be loaded by `auto_load`: only a `Dataset<T>` can, from a `Repository<T>`",
    label = "cannot be loaded",
    note = "make it a `Dataset<T>`, or take the source itself and load it in `read`"
)]
pub trait AutoLoad: Sized {
    /// The type that it is loaded from.
    type Source;
    /// The type of conditions that restrict the loaded rows.
    type Condition;

    /// Loads all of `source`, or only the part that satisfies `condition`.
    ///
    /// # Errors
    /// If the source cannot be opened or does not have the declared schema.
    fn auto_load(source: &Self::Source, condition: Option<Self::Condition>) -> Result<Self>;
}

/// The value of a field that is not a delivery.
#[diagnostic::on_unimplemented(
    message = "this field is not a delivery, and `{Self}` has no default to start from: add `#[delivery]`, or implement `Default`",
    label = "needs `#[delivery]`, or a type that implements `Default`",
    note = "a factory is built anew for each run: `#[delivery]` fields are injected, all others start as `Default::default()`"
)]
pub trait DefaultField: Sized {
    /// Returns the initial value of the field.
    fn initial() -> Self;
}

#[diagnostic::do_not_recommend]
impl<T: Default> DefaultField for T {
    fn initial() -> Self {
        T::default()
    }
}

/// The properties of a payload that are known without computing it.
///
/// If a factory's output implements it, the run's report shows the number of rows.
pub trait Inspect {
    /// Returns the number of rows, if it is known without running a query.
    fn rows(&self) -> Option<usize>;

    /// Returns the size in memory in bytes, if it is known without running a query.
    fn bytes(&self) -> Option<u64> {
        None
    }

    /// Returns `true` if it is a query that has not run yet. Then the time of its factory does not include computing its rows.
    fn is_lazy(&self) -> bool {
        false
    }

    /// Stores the name of the factory that delivered this payload, for later errors.
    fn set_origin(&mut self, factory: &'static str) {
        let _ = factory;
    }

    /// Returns a function that computes a lazy payload and discards the result, so that a dry run finds the same errors as a
    /// write. `None` if nothing is lazy.
    fn rehearsal(&self) -> Option<Rehearsal> {
        None
    }
}

/// A function that computes a payload and returns its number of rows, if known. It blocks.
pub type Rehearsal = Box<dyn FnOnce() -> crate::Result<Option<usize>> + Send>;

impl<T> Inspect for Vec<T> {
    fn rows(&self) -> Option<usize> {
        Some(self.len())
    }

    /// Returns the size without memory that its elements point to.
    fn bytes(&self) -> Option<u64> {
        Some(size_of_val(self.as_slice()) as u64)
    }
}

/// The functions that generated code needs for a delivery with `auto_load`. They are in one trait, so that a type that cannot be
/// loaded gives a single error.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be loaded by `auto_load`: only a `Dataset<T>` can, from a `Repository<T>`",
    label = "cannot be loaded",
    note = "make it a `Dataset<T>`, or take the source itself and load it in `read`"
)]
pub trait Loadable: Sized {
    /// The type of conditions: see [`AutoLoad::Condition`].
    type Condition;

    /// Loads the delivery.
    ///
    /// # Errors
    /// If loading fails.
    fn load(inbox: &mut Inbox<'_>, delivery: usize, condition: Option<Self::Condition>) -> Result<Self>;

    /// Loads the delivery, if its source is present.
    ///
    /// # Errors
    /// If loading fails.
    fn load_optional(
        inbox: &mut Inbox<'_>,
        delivery: usize,
        condition: Option<Self::Condition>,
    ) -> Result<Option<Self>>;

    /// Returns the required source.
    fn requirement(optional: bool, producer: Option<TypeId>) -> Requirement;

    /// Returns the required source with an id.
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

/// Returns a delivery that is shared with other factories.
///
/// # Errors
/// If it is absent, which the plan rules out.
pub fn share<T: Payload>(inbox: &mut Inbox<'_>, delivery: usize) -> Result<Arc<T>> {
    inbox.share(delivery)
}

/// Returns a delivery that is shared with other factories and may be absent.
///
/// # Errors
/// None at present.
pub fn share_optional<T: Payload>(inbox: &mut Inbox<'_>, delivery: usize) -> Result<Option<Arc<T>>> {
    inbox.share_optional(delivery)
}

/// Wraps a delivered value for the executor.
pub fn payload<T: Payload>(value: T) -> Option<AnyPayload> {
    Some(Arc::new(value))
}

/// Wraps a delivered value that may be absent for the executor.
pub fn payload_if_any<T: Payload>(value: Option<T>) -> Option<AnyPayload> {
    value.map(|value| Arc::new(value) as AnyPayload)
}
