//! The parts of a report that capabilities add.

use std::any::Any;
use std::fmt;

/// A part of the [report](super::Report) of a run. Its text is printed below the table of factories, unless it is empty.
///
/// Every type that can be printed is a section. An [observer](super::Observer::section) adds one, and
/// [`Report::section`](super::Report::section) finds it by its type.
///
/// ```
/// use std::fmt;
/// use std::sync::Arc;
///
/// use setl::prelude::*;
/// use setl::run::{Report, Section};
/// use setl::{Event, Observer, RunInfo};
///
/// #[factory]
/// fn answer() -> u32 {
///     42
/// }
///
/// #[pipeline(only(answer))]
/// struct Deep;
///
/// /// The name of the machine on which the run took place.
/// #[derive(Debug)]
/// struct Machine(String);
///
/// impl fmt::Display for Machine {
///     fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
///         write!(f, "machine: {}", self.0)
///     }
/// }
///
/// struct NamesMachine;
///
/// impl Observer for NamesMachine {
///     fn observe(&self, _: &RunInfo<'_>, _: &Event<'_>) {}
///
///     fn section(&self, _: &RunInfo<'_>, _: &Report) -> Option<Arc<dyn Section>> {
///         Some(Arc::new(Machine("etl-7".to_owned())))
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<()> {
/// let run = Deep.run().observer(NamesMachine).await?;
/// assert_eq!(run.report().section::<Machine>().unwrap().0, "etl-7");
/// assert!(run.report().to_string().ends_with("machine: etl-7"));
/// # Ok(())
/// # }
/// ```
pub trait Section: Any + fmt::Debug + fmt::Display + Send + Sync {}

impl<T: Any + fmt::Debug + fmt::Display + Send + Sync> Section for T {}
