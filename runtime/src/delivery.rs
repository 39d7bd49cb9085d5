//! What a factory can be given, and how.

use std::any::TypeId;
use std::sync::Arc;

use crate::Result;
use crate::pipeline::{AnyPayload, WithId};
use crate::plan::dynamic::Requirement;
use crate::run::Inbox;

/// What can be passed from one factory to another: anything `Send + Sync + 'static`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be delivered to a factory, which may run on another thread: use `Arc` for `Rc`, `Mutex` for `RefCell`",
    label = "must be `Send + Sync + 'static`",
    note = "a payload owns what it consists of, and is not tied to one thread"
)]
pub trait Payload: Send + Sync + 'static {}

#[diagnostic::do_not_recommend]
impl<T: Send + Sync + 'static + ?Sized> Payload for T {}

/// What a plain `#[delivery]` can take: several factories may take the same payload, so it has to be `Clone`.
pub trait Owned: Clone + Payload {}

#[diagnostic::do_not_recommend]
impl<T: Clone + Payload> Owned for T {}

/// Taking a delivery by value.
pub struct ByValue;

/// That a `T` can be taken [`ByValue`].
///
/// This is asked of `ByValue` rather than of `T`, since the compiler would propose to borrow a `T`.
#[diagnostic::on_unimplemented(
    message = "`{T}` is delivered by value and is not `Clone`: take it as `Arc<{T}>` with `#[delivery(shared)]`",
    label = "every factory that takes it gets its own `{T}`",
    note = "or let it be cloned: `#[derive(Clone)]` on `{T}`"
)]
pub trait HandsOver<T> {
    /// The delivery.
    ///
    /// # Errors
    /// When it is not there, which the plan rules out.
    fn take(inbox: &mut Inbox<'_>, delivery: usize) -> Result<T>
    where
        T: Payload;

    /// The delivery, if it is there.
    ///
    /// # Errors
    /// None today.
    fn take_optional(inbox: &mut Inbox<'_>, delivery: usize) -> Result<Option<T>>
    where
        T: Payload;
}

#[diagnostic::do_not_recommend]
impl<T: Clone> HandsOver<T> for ByValue {
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

/// Taking a delivery by value in a generic factory.
pub struct ByGenericValue;

/// [`HandsOver`] of a type with parameters: that they are `Clone` is what the compiler is to say, and to propose.
pub trait HandsOverGeneric<T> {
    /// The delivery.
    ///
    /// # Errors
    /// When it is not there, which the plan rules out.
    fn take(inbox: &mut Inbox<'_>, delivery: usize) -> Result<T>
    where
        T: Payload;

    /// The delivery, if it is there.
    ///
    /// # Errors
    /// None today.
    fn take_optional(inbox: &mut Inbox<'_>, delivery: usize) -> Result<Option<T>>
    where
        T: Payload;
}

impl<T: Clone> HandsOverGeneric<T> for ByGenericValue {
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
    /// What is delivered when it is there.
    type Payload;

    /// The field's value.
    fn from_option(payload: Option<Self::Payload>) -> Self;

    /// The payload, if it is there.
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
    /// What is delivered.
    type Payload;

    /// The field's value.
    fn from_arc(payload: Arc<Self::Payload>) -> Self;
}

impl<T> Shared for Arc<T> {
    type Payload = T;

    fn from_arc(payload: Arc<T>) -> Self {
        payload
    }
}

/// A payload that a delivery can load from a source which the pipeline supplies: `#[delivery(auto_load)]`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be loaded by `auto_load`: only a `Dataset<T>` can, from a `Repository<T>`",
    label = "cannot be loaded",
    note = "make it a `Dataset<T>`, or take the source itself and load it in `read`"
)]
pub trait AutoLoad: Sized {
    /// Where it is loaded from.
    type Source;
    /// What restricts the rows that are loaded.
    type Condition;

    /// Loads all of `source`, or what satisfies `condition`.
    ///
    /// # Errors
    /// When the source cannot be opened or does not have the declared shape.
    fn auto_load(source: &Self::Source, condition: Option<Self::Condition>) -> Result<Self>;
}

/// The value of a field that is not a delivery.
#[diagnostic::on_unimplemented(
    message = "this field is not a delivery, and `{Self}` has no default to start from: add `#[delivery]`, or implement `Default`",
    label = "needs `#[delivery]`, or a type that implements `Default`",
    note = "a factory is built anew for each run: `#[delivery]` fields are injected, all others start as `Default::default()`"
)]
pub trait Undelivered: Sized {
    /// What the field starts with.
    fn initial() -> Self;
}

#[diagnostic::do_not_recommend]
impl<T: Default> Undelivered for T {
    fn initial() -> Self {
        T::default()
    }
}

/// What the runtime can tell of a payload without computing it.
///
/// A factory's output that implements it shows its rows in the run's report.
pub trait Inspect {
    /// Rows, where they are known without running a query.
    fn rows(&self) -> Option<usize>;

    /// Bytes that it takes in memory, where they are known without running a query.
    fn bytes(&self) -> Option<u64> {
        None
    }

    /// Whether it is a query that nothing has run yet, so that the time of its factory is not that of its rows.
    fn is_lazy(&self) -> bool {
        false
    }

    /// Remembers which factory delivered this payload, so that later errors can say so.
    fn set_origin(&mut self, factory: &'static str) {
        let _ = factory;
    }

    /// Computes a lazy payload without keeping anything, so that a dry run finds what writing it would find. None if
    /// nothing is lazy.
    fn rehearsal(&self) -> Option<Rehearsal> {
        None
    }
}

/// Computes a payload and gives its rows, where they are known. It blocks.
pub type Rehearsal = Box<dyn FnOnce() -> crate::Result<Option<usize>> + Send>;

impl<T> Inspect for Vec<T> {
    fn rows(&self) -> Option<usize> {
        Some(self.len())
    }

    /// Without what its elements point to.
    fn bytes(&self) -> Option<u64> {
        Some(size_of_val(self.as_slice()) as u64)
    }
}

/// What generated code asks of a delivery with `auto_load`. All of it is in one trait, so that a type that cannot be
/// loaded is one error.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be loaded by `auto_load`: only a `Dataset<T>` can, from a `Repository<T>`",
    label = "cannot be loaded",
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

/// A delivered value, for the executor.
pub fn payload<T: Payload>(value: T) -> Option<AnyPayload> {
    Some(Arc::new(value))
}

/// A delivered value that may be absent, for the executor.
pub fn payload_if_any<T: Payload>(value: Option<T>) -> Option<AnyPayload> {
    value.map(|value| Arc::new(value) as AnyPayload)
}
