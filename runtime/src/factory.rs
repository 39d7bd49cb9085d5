//! A factory: the unit of work of a pipeline.

mod output;
mod unwritten;

use std::future::Future;
use std::marker::PhantomData;

use crate::__private::Inspector;
use crate::Result;
use crate::checkpoint::{FingerprintOf, Persistence};
use crate::delivery::Payload;
use crate::plan::dynamic::Requirement;
use crate::plan::{Delivery, Source, Sources, mistake_in_fallback};
use crate::policy::Policy;
use crate::run::{BoxFuture, Inbox, Step};
pub use output::{FallibleIn, IsNoResult, IsResult, check_output};
use unwritten::Unwritten;
pub(crate) use unwritten::has_write;
pub(crate) use unwritten::is_unwritten;

/// A unit of work: it reads, processes and writes, and delivers its output to whoever needs it.
///
/// A factory is a struct under [`#[factory(output = …)]`](macro@crate::factory), which says what goes in and what comes
/// out. Its `#[delivery]` fields are injected,
/// every other field starts as `Default`. The three steps run in the order [`read`](Factory::read),
/// [`process`](Factory::process), [`write`](Factory::write); only `process` is required.
///
/// ```
/// use setl::prelude::*;
///
/// #[derive(Clone)]
/// struct Celsius(Vec<f64>);
///
/// #[derive(Clone)]
/// struct Fahrenheit(Vec<f64>);
///
/// #[factory(output = Fahrenheit)]
/// struct Convert {
///     #[delivery]
///     readings: Celsius,
/// }
///
/// impl Factory for Convert {
///     async fn process(&mut self) -> Result<Fahrenheit> {
///         Ok(Fahrenheit(self.readings.0.iter().map(|c| c * 1.8 + 32.0).collect()))
///     }
/// }
///
/// #[pipeline(convert(Convert))]
/// struct Weather {
///     readings: Celsius,
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<()> {
/// let run = Weather { readings: Celsius(vec![0.0, 100.0]) }.run().await?;
/// assert_eq!(run.get::<Convert>().0, [32.0, 212.0]);
/// # Ok(())
/// # }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a factory: `impl Factory for {Self}` is missing",
    label = "does not say what it does",
    note = "name a factory; or, if this is to be one, put `#[factory]` on it and write `impl Factory for {Self} {{ async fn process(&mut self) -> Result<Self::Output> {{ ... }} }}`"
)]
pub trait Factory: FactoryItem + Send + 'static {
    /// Gets what is needed from outside. Does nothing unless overridden.
    fn read(&mut self) -> impl Future<Output = Result<()>> + Send {
        std::future::ready(Ok(()))
    }

    /// Computes the output.
    fn process(&mut self) -> impl Future<Output = Result<Self::Output>> + Send;

    /// Puts the output where it belongs. Does nothing unless overridden, and is left out where writes are off.
    fn write(&mut self, output: &Self::Output) -> impl Future<Output = Result<()>> + Send {
        let _ = output;
        Unwritten
    }
}

/// What `#[factory]` says of a struct or function.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a factory: it has no `#[factory]` attribute, or one with a mistake",
    label = "needs `#[factory]`",
    note = "put `#[factory]` on the struct or function `{Self}`, and `#[delivery]` on the fields that it is given"
)]
pub trait FactoryItem: Sized {
    /// Its name.
    const NAME: &'static str;
    /// What it delivers. `()` is delivered to nobody, so that any number of factories may have it.
    type Output: Payload;
    /// The id as written.
    const ID: Option<&'static str>;
    /// Whether it occupies a thread while it runs: a synchronous function, or `#[factory(blocking)]`.
    const BLOCKING: bool;
    /// What it takes.
    const DELIVERIES: &'static [Delivery];
    /// Whether its output is there after every run that succeeds: [`Always`], or [`Sometimes`] if it may be skipped.
    type Presence;
    /// What is done when it fails, and before.
    const POLICY: &'static Policy = &Policy::NONE;
    /// Who stands in for it when it fails.
    const FALLBACK: Option<Fallback> = None;
    /// Changes when its code may have changed.
    const CODE: u128 = 0;
    /// Whether it is known, wherever it is listed, that its output is no `Result`.
    const OUTPUT_IS_CHECKED: bool = false;
    /// The values it takes, as a tuple in the order of declaration.
    type Deliveries;

    /// Takes the deliveries out of a run.
    ///
    /// # Errors
    /// When a delivery with `auto_load` cannot be loaded.
    fn receive(inbox: &mut Inbox<'_>) -> Result<Self::Deliveries>;

    /// Builds the factory.
    fn assemble(deliveries: Self::Deliveries) -> Self;

    /// What it takes, by type: for pipelines that are wired at run time.
    fn requirements() -> Vec<Requirement>;

    /// What it and its output can do.
    fn abilities() -> Abilities<Self>;

    /// Tells the output where it comes from, and asks it for its rows.
    fn inspect(output: &mut Self::Output) -> crate::run::Rows {
        (Self::abilities().inspect.rows)(output, Self::NAME)
    }

    /// Whether it is to run, given what it takes: `when = …`.
    ///
    /// # Errors
    /// When the condition cannot be found out.
    fn is_due(deliveries: &Self::Deliveries) -> Result<bool> {
        let _ = deliveries;
        Ok(true)
    }

    /// How what it did outside of the run's transaction is undone, if it says so.
    fn undo() -> Option<Undo<Self>> {
        Self::abilities().undo
    }

    /// How the fingerprint of its output is taken, if it is volatile.
    fn content() -> Option<FingerprintOf> {
        None
    }

    /// How its output is kept on disk, if that is possible.
    fn persistence() -> Option<Persistence> {
        Self::abilities().persistence
    }
}

/// What generated code finds out about a factory and its output: which traits they implement.
pub struct Abilities<F: FactoryItem> {
    /// Asks the output what it is.
    pub inspect: Inspector<F::Output>,
    /// See [`Rollback`].
    pub undo: Option<Undo<F>>,
    /// See [`Checkpoint`](crate::checkpoint::Checkpoint).
    pub persistence: Option<Persistence>,
}

/// Undoes what a factory did, some time after it has written.
pub type Undo<F> = fn(F) -> BoxFuture<Result<()>>;

/// A factory that undoes what its [`write`](Factory::write) did outside of the run's transaction.
///
/// What goes through a repository needs none of this: it is not visible before the run has succeeded. `rollback` is for
/// the rest: a message that was sent, a row in a service. When a run fails, the factories that have written are rolled back
/// in the reverse order of the ends of their writes. Until the run has ended, the factory and what it holds stay in memory.
pub trait Rollback: Factory {
    /// Undoes what `write` did.
    fn rollback(&mut self) -> impl Future<Output = Result<()>> + Send;
}

/// See [`FactoryItem::Presence`].
pub struct Always;

/// See [`FactoryItem::Presence`].
pub struct Sometimes;

/// That the output of this factory is there after every run that succeeds.
#[diagnostic::on_unimplemented(
    message = "`{Self}` may be skipped, so its output may be absent: use `run.find::<{Self}>()`, which gives an `Option`",
    label = "may be skipped in a run",
    note = "a factory with `when = ...` or `on_failure = skip` may be skipped"
)]
pub trait AlwaysRuns {}

#[diagnostic::do_not_recommend]
impl<F> AlwaysRuns for F
where
    F: FactoryItem,
    F::Presence: IsThe<Always>,
{
}

/// What `when = …` may come to.
#[diagnostic::on_unimplemented(
    message = "`when` decides whether the factory runs, so it must be a `bool` or a `Result<bool>`, found `{Self}`",
    label = "expected a `bool`",
    note = "deliveries are in scope by name, as references: `when = settings.full && !orders.is_empty()`"
)]
pub trait IsDue {
    /// Whether the factory runs.
    ///
    /// # Errors
    /// When the condition cannot be found out.
    fn into_result(self) -> Result<bool>;
}

impl IsDue for bool {
    fn into_result(self) -> Result<bool> {
        Ok(self)
    }
}

impl<E: FactoryError> IsDue for std::result::Result<bool, E> {
    fn into_result(self) -> Result<bool> {
        self.map_err(Into::into)
    }
}

/// A factory that stands in for another.
#[derive(Clone, Copy)]
pub struct Fallback {
    /// Its name.
    pub name: &'static str,
    /// What it takes.
    pub deliveries: &'static [Delivery],
    /// What it takes, by type.
    pub requirements: fn() -> Vec<Requirement>,
    /// Its own retries and timeouts.
    pub policy: &'static Policy,
    /// Whether it occupies a thread while it runs.
    pub blocking: bool,
    /// How it is run.
    pub step: Step,
}

impl Fallback {
    /// The factory `Other` as a fallback for `F`, which delivers `Output`.
    ///
    /// # Panics
    /// When `Other` may leave the output absent, or needs a fallback itself, which then stops the compiler.
    #[track_caller]
    pub const fn of<Other, F, Output>() -> Self
    where
        Other: StandsInFor<F, Output>,
        F: FactoryItem,
    {
        if let Some(text) = mistake_in_fallback(F::NAME, Other::NAME, Other::POLICY) {
            panic!("{}", text.as_str());
        }
        made::<Other, F, Output>()
    }
}

/// Constants are evaluated before the function they stand in. What stands in for itself is found out without this one, which
/// would be made of itself.
const fn made<Other: StandsInFor<F, Output>, F, Output>() -> Fallback {
    Other::FACTORY
}

/// That a factory can be the fallback of `F`: it delivers the same `Output`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot stand in for `{F}`: it does not deliver `{Output}`",
    label = "must be a factory that delivers `{Output}`",
    note = "a fallback is another factory with the same output, complete with `impl Factory`; it needs no place in a stage"
)]
pub trait StandsInFor<F, Output> {
    /// Its name.
    const NAME: &'static str;
    /// What its options say.
    const POLICY: &'static Policy;
    /// The fallback.
    const FACTORY: Fallback;
}

#[diagnostic::do_not_recommend]
impl<F, Output, Other> StandsInFor<F, Output> for Other
where
    Other: Factory,
    Other::Output: IsThe<Output>,
{
    const NAME: &'static str = <Other as FactoryItem>::NAME;
    const POLICY: &'static Policy = <Other as FactoryItem>::POLICY;
    const FACTORY: Fallback = Fallback {
        name: <Other as FactoryItem>::NAME,
        deliveries: Other::DELIVERIES,
        requirements: Other::requirements,
        policy: <Other as FactoryItem>::POLICY,
        blocking: Other::BLOCKING,
        step: Step::of::<Other>(),
    };
}

/// What a factory's output goes by in the pipeline `P`.
///
/// The compiler must know that no other crate can ever change the answer. It does for a factory of another crate because
/// `P` is a type of this one; that is all `P` is for.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a factory: it has no `#[factory]` attribute, or one with a mistake",
    label = "needs `#[factory]`",
    note = "put `#[factory]` on the struct or function `{Self}`, and `#[delivery]` on the fields that it is given"
)]
pub trait Produces<P> {
    /// The output's type, [`WithId`](crate::pipeline::WithId) an id if it has one, or [`Sink`] for `()`.
    type Key: 'static;
    /// The factory itself. What a pipeline needs of it is asked of this type, so that all of it fails in one error when
    /// the type is no factory.
    type Itself;
}

/// What an output of type `()` goes by: nobody can ask for it.
pub struct Sink<F>(PhantomData<fn() -> F>);

/// That a factory can be wired in the pipeline `P`: all its deliveries have a producer there, and those of its fallback.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a factory: it has no `#[factory]` attribute, or one with a mistake",
    label = "its fallback `{Self}` needs `#[factory]`"
)]
pub trait Wired<P> {
    /// Where each delivery comes from.
    const FROM: &'static [Source];
    /// Where each delivery of its fallback comes from.
    const FALLBACK_FROM: &'static [Source] = &[];
    /// Both.
    const SOURCES: Sources<'static> = Sources { own: Self::FROM, fallback: Self::FALLBACK_FROM };
}

/// That a factory delivers `T`: what `#[delivery(producer = …)]` asks of the producer.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not deliver `{T}`: take the type of its output, or name the factory whose output is `{T}`",
    label = "asked for a `{T}`"
)]
pub trait Delivers<T> {
    /// What is asked for to check that it holds.
    const DELIVERS: () = ();
}

#[diagnostic::do_not_recommend]
impl<F, T> Delivers<T> for F
where
    F: FactoryItem,
    F::Output: IsThe<T>,
{
}

/// That two types are one.
pub trait IsThe<T> {}

impl<T> IsThe<T> for T {}

/// The value type of a `Result`, which is what a fallible function delivers.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a `Result`, although it is named like one: return `setl::Result<...>`, or rename the type",
    label = "expected a `Result`, or an output that is not named like one",
    note = "the error of `setl::Result` takes any other with `?`"
)]
pub trait Fallible {
    /// What is delivered.
    type Output;

    /// The result with the error of every factory.
    ///
    /// # Errors
    /// When `self` is one.
    fn into_result(self) -> Result<Self::Output>;
}

/// What the error of a fallible function must be.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the error of a factory, since it is no `std::error::Error`: return `setl::Result<...>`",
    label = "its error must be `std::error::Error + Send + Sync + 'static`",
    note = "`setl::Error::msg` makes an error of a text"
)]
pub trait FactoryError: Into<crate::Error> {}

#[diagnostic::do_not_recommend]
impl<E: Into<crate::Error>> FactoryError for E {}

impl<T, E: FactoryError> Fallible for std::result::Result<T, E> {
    type Output = T;

    fn into_result(self) -> Result<T> {
        self.map_err(Into::into)
    }
}
