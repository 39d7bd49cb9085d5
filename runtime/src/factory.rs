//! A factory: the unit of work of a pipeline.

pub(crate) mod effects;
mod output;
mod unwritten;

use std::future::Future;
use std::marker::PhantomData;

use crate::__private::Inspector;
use crate::Result;
use crate::checkpoint::{FingerprintOf, Persistence};
use crate::delivery::Payload;
use crate::plan::dynamic::Requirement;
use crate::plan::{Delivery, Source, mistake_in_fallback};
use crate::policy::Policy;
use crate::run::{BoxFuture, Inbox, Step};
pub use output::{FallibleIn, IsNoResult, IsNoUnit, IsResult, IsUnit, check_output, check_unit};
use unwritten::Unwritten;
pub(crate) use unwritten::has_write;
pub(crate) use unwritten::is_unwritten;

/// A unit of work: it reads, processes and writes, and delivers its output to its downstream factories.
///
/// A factory is a struct under [`#[factory(output = …)]`](macro@crate::factory), which declares its deliveries and its output.
/// Its `#[delivery]` fields are injected. All other fields start with their `Default`. The three steps run in the order
/// [`read`](Factory::read), [`process`](Factory::process), [`write`](Factory::write). Only `process` is required.
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
    /// Reads external data. Default: does nothing.
    fn read(&mut self) -> impl Future<Output = Result<()>> + Send {
        std::future::ready(Ok(()))
    }

    /// Computes the output.
    fn process(&mut self) -> impl Future<Output = Result<Self::Output>> + Send;

    /// Writes the output to its destination. Default: does nothing. It is skipped if writes are disabled.
    fn write(&mut self, output: &Self::Output) -> impl Future<Output = Result<()>> + Send {
        let _ = output;
        Unwritten
    }
}

/// The items that `#[factory]` generates for a struct or function.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a factory: it has no `#[factory]` attribute, or one with a mistake",
    label = "needs `#[factory]`",
    note = "put `#[factory]` on the struct or function `{Self}`, and `#[delivery]` on the fields that it is given"
)]
pub trait FactoryItem: Sized {
    /// Its name.
    const NAME: &'static str;
    /// The type of its output. `()` is never delivered, so any number of factories may have it.
    type Output: Payload;
    /// Its id, as written.
    const ID: Option<&'static str> = None;
    /// `true` if it blocks a thread while it runs: a synchronous function, or `#[factory(blocking)]`.
    const BLOCKING: bool = false;
    /// Its deliveries.
    const DELIVERIES: &'static [Delivery];
    /// [`Always`] if its output is available after every successful run, or [`Sometimes`] if it may be skipped.
    type Presence;
    /// Its retries, limits, conditions and fallbacks.
    const POLICY: &'static Policy = &Policy::NONE;
    /// The fallback that runs when it fails.
    const FALLBACK: Option<Fallback> = None;
    /// A hash that changes when its code may have changed.
    const CODE: u128 = 0;
    /// `true` if its output is known not to be a `Result`, wherever the factory is listed. A generic factory says `false`.
    const OUTPUT_IS_CHECKED: bool = true;
    /// The values of its deliveries, as a tuple in the order of declaration.
    type Deliveries;

    /// Takes the deliveries out of a run.
    ///
    /// # Errors
    /// If a delivery with `auto_load` cannot be loaded.
    fn receive(inbox: &mut Inbox<'_>) -> Result<Self::Deliveries>;

    /// Builds the factory.
    fn assemble(deliveries: Self::Deliveries) -> Self;

    /// Returns its deliveries by type, for pipelines that are wired at run time.
    fn requirements() -> Vec<Requirement>;

    /// Returns the optional traits that it and its output implement.
    fn abilities() -> Abilities<Self>;

    /// Sets the origin of the output and returns its number of rows.
    fn inspect(output: &mut Self::Output) -> crate::run::Rows {
        (Self::abilities().inspect.rows)(output, Self::NAME)
    }

    /// Evaluates the condition of the factory, given its deliveries: `when = …`.
    ///
    /// # Errors
    /// If the condition cannot be evaluated.
    fn is_due(deliveries: &Self::Deliveries) -> Result<bool> {
        let _ = deliveries;
        Ok(true)
    }

    /// Returns the function that undoes its effects outside of the run's transaction, if there is one.
    fn undo() -> Option<Undo<Self>> {
        Self::abilities().undo
    }

    /// Returns the function that fingerprints its output, if the factory is volatile.
    fn content() -> Option<FingerprintOf> {
        None
    }

    /// Returns the functions that keep its output on disk, if that is possible.
    fn persistence() -> Option<Persistence> {
        Self::abilities().persistence
    }
}

/// The optional traits that a factory and its output implement, as detected by generated code.
pub struct Abilities<F: FactoryItem> {
    /// Inspects the output.
    pub inspect: Inspector<F::Output>,
    /// The function that undoes its effects, if it implements [`Rollback`].
    pub undo: Option<Undo<F>>,
    /// The functions that keep its output, if that implements [`Checkpoint`](crate::checkpoint::Checkpoint).
    pub persistence: Option<Persistence>,
}

/// A function that undoes the effects of a factory after it has written.
pub type Undo<F> = fn(F) -> BoxFuture<Result<()>>;

/// A factory that can undo the effects of its [`write`](Factory::write) outside of the run's transaction.
///
/// Writes through a repository do not need this: they are not visible before the run has succeeded. `rollback` is for other
/// effects: a message that was sent, a row in a service. When a run fails, the factories that have written are rolled back, in
/// the reverse order of the ends of their writes. The factory and its values stay in memory until the run has ended.
///
/// ```
/// use std::sync::{Arc, Mutex};
///
/// use setl::prelude::*;
///
/// #[derive(Clone, Default)]
/// struct Service(Arc<Mutex<Vec<String>>>);
///
/// #[factory(output = String)]
/// struct Announce {
///     #[delivery]
///     service: Service,
/// }
///
/// impl Factory for Announce {
///     async fn process(&mut self) -> Result<String> {
///         Ok("the orders are there".to_owned())
///     }
///
///     async fn write(&mut self, message: &String) -> Result<()> {
///         self.service.0.lock().unwrap().push(message.clone());
///         Ok(())
///     }
/// }
///
/// impl Rollback for Announce {
///     async fn rollback(&mut self) -> Result<()> {
///         self.service.0.lock().unwrap().pop();
///         Ok(())
///     }
/// }
///
/// #[factory]
/// fn report(message: String) -> Result<()> {
///     Err(setl::Error::msg(format!("no printer for: {message}")))
/// }
///
/// #[pipeline(load(Announce), end(report))]
/// struct Nightly {
///     service: Service,
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let service = Service::default();
/// assert!(Nightly { service: service.clone() }.run().await.is_err());
/// assert!(service.0.lock().unwrap().is_empty());
/// # }
/// ```
pub trait Rollback: Factory {
    /// Undoes the effects of `write`.
    fn rollback(&mut self) -> impl Future<Output = Result<()>> + Send;
}

/// The output is always available: see [`FactoryItem::Presence`].
pub struct Always;

/// The output may be absent: see [`FactoryItem::Presence`].
pub struct Sometimes;

/// Implemented if the output of this factory is available after every successful run.
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

/// The types of conditions: the value of `when = …`.
#[diagnostic::on_unimplemented(
    message = "`when` decides whether the factory runs, so it must be a `bool` or a `Result<bool>`, found `{Self}`",
    label = "expected a `bool`",
    note = "deliveries are in scope by name, as references: `when = settings.full && !orders.is_empty()`"
)]
pub trait RunCondition {
    /// Returns `true` if the factory runs.
    ///
    /// # Errors
    /// If the condition cannot be evaluated.
    fn into_result(self) -> Result<bool>;
}

impl RunCondition for bool {
    fn into_result(self) -> Result<bool> {
        Ok(self)
    }
}

impl<E: IntoFactoryError> RunCondition for std::result::Result<bool, E> {
    fn into_result(self) -> Result<bool> {
        self.map_err(Into::into)
    }
}

/// A factory that runs in place of a failed one.
#[derive(Clone, Copy)]
pub struct Fallback {
    /// Its name.
    pub name: &'static str,
    /// Its deliveries.
    pub deliveries: &'static [Delivery],
    /// Returns its deliveries by type.
    pub requirements: fn() -> Vec<Requirement>,
    /// Its own retries and timeouts.
    pub policy: &'static Policy,
    /// `true` if it blocks a thread while it runs.
    pub blocking: bool,
    /// The step that runs it.
    pub step: Step,
}

impl Fallback {
    /// Makes the factory `Other` the fallback for `F`, whose output is `Output`.
    ///
    /// # Panics
    /// If `Other` may leave the output absent, or has a fallback itself. The panic stops the compiler.
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

/// Returns the constant in a separate function, since constants are evaluated before the function that contains them. So a
/// factory that is its own fallback is reported before its constant would contain itself.
const fn made<Other: StandsInFor<F, Output>, F, Output>() -> Fallback {
    Other::FACTORY
}

/// Implemented if a factory can be the fallback of `F`: it has the same `Output`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot stand in for `{F}`: it does not deliver `{Output}`",
    label = "must be a factory that delivers `{Output}`",
    note = "a fallback is another factory with the same output, complete with `impl Factory`; it needs no place in a stage"
)]
pub trait StandsInFor<F, Output> {
    /// Its name.
    const NAME: &'static str;
    /// Its own options.
    const POLICY: &'static Policy;
    /// The factory as a fallback.
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

/// The key by which the output of a factory is looked up in the pipeline `P`.
///
/// The compiler must know that no other crate can add an implementation. For a factory of another crate it knows this only
/// because `P` is a local type. `P` has no other purpose.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a factory: it has no `#[factory]` attribute, or one with a mistake",
    label = "needs `#[factory]`",
    note = "put `#[factory]` on the struct or function `{Self}`, and `#[delivery]` on the fields that it is given",
    note = "a factory goes by its own name, not by the type of its output; a pipeline is not a factory: list its factories, or one that runs it"
)]
pub trait Produces<P> {
    /// The type of the output, in [`WithId`](crate::pipeline::WithId) if it has an id, or [`NoOutput`] for `()`.
    type Key: 'static;
    /// The factory itself. A pipeline puts all its bounds on this type, so that a type that is not a factory gives a single
    /// error.
    type ThisFactory: FactoryItem;
}

/// The key of an output of type `()`: no factory can take it.
pub struct NoOutput<F>(PhantomData<fn() -> F>);

/// Implemented if a factory can be wired in the pipeline `P`: all its deliveries and those of its fallback have a producer.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a factory: it has no `#[factory]` attribute, or one with a mistake",
    label = "its fallback `{Self}` needs `#[factory]`"
)]
pub trait Wired<P> {
    /// The sources of its deliveries.
    const FROM: &'static [Source];
    /// The sources of its fallback's deliveries.
    const FALLBACK_FROM: &'static [Source] = &[];
}

/// Implemented if a factory delivers `T`: the bound of `#[delivery(producer = …)]` on the producer.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not deliver `{T}`: take the type of its output, or name the factory whose output is `{T}`",
    label = "asked for a `{T}`"
)]
pub trait Delivers<T> {
    /// A constant that generated code evaluates to check the bound.
    const DELIVERS: () = ();
}

#[diagnostic::do_not_recommend]
impl<F, T> Delivers<T> for F
where
    F: FactoryItem,
    F::Output: IsThe<T>,
{
}

/// Implemented if two types are identical.
pub trait IsThe<T> {}

impl<T> IsThe<T> for T {}

/// The value type of a `Result`: the output of a fallible function.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a `Result`, although it is named like one: return `setl::Result<...>`, or rename the type",
    label = "expected a `Result`, or an output that is not named like one",
    note = "the error of `setl::Result` takes any other with `?`"
)]
pub trait Fallible {
    /// The type of the output.
    type Output;

    /// Converts the result to one with the error type of all factories.
    ///
    /// # Errors
    /// If `self` is an error.
    fn into_result(self) -> Result<Self::Output>;
}

/// The types of errors that a fallible function may return.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the error of a factory, since it is no `std::error::Error`: return `setl::Result<...>`",
    label = "its error must be `std::error::Error + Send + Sync + 'static`",
    note = "`setl::Error::msg` makes an error of a text"
)]
pub trait IntoFactoryError: Into<crate::Error> {}

#[diagnostic::do_not_recommend]
impl<E: Into<crate::Error>> IntoFactoryError for E {}

impl<T, E: IntoFactoryError> Fallible for std::result::Result<T, E> {
    type Output = T;

    fn into_result(self) -> Result<T> {
        self.map_err(Into::into)
    }
}
