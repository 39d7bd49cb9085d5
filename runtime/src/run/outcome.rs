//! The results of a run.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;
use std::process::{ExitCode, Termination};

use super::error::{FactoryError, RunError};
use super::report::Report;
use super::run_builder::PartialRun;
use super::signals::EXIT_AT_SIGINT;
use crate::base::names::same;
use crate::base::panic::contained;
use crate::factory::{AlwaysRuns, Factory, Produces};
use crate::pipeline::{AnyPayload, Keeps, Lists, OutputOf, PipelineItem, position};
use crate::plan::PlanRef;
use crate::plan::dynamic::Pipeline;

/// A successful run: the kept outputs and the [`Report`]. Prints as the report.
pub struct Run<P> {
    pub(crate) plan: PlanRef,
    pub(crate) outputs: Vec<Option<AnyPayload>>,
    pub(crate) report: Box<Report>,
    /// Outputs may be in temporary files.
    pub(crate) _remains: Vec<std::sync::Arc<dyn std::any::Any + Send + Sync>>,
    pub(crate) pipeline: PhantomData<fn() -> P>,
}

impl<P> Run<P> {
    /// The report of the run.
    pub fn report(&self) -> &Report {
        &self.report
    }

    fn output<T: 'static>(&self, node: usize) -> Option<&T> {
        self.outputs.get(node)?.as_ref()?.downcast_ref()
    }
}

impl<P: PipelineItem> Run<P> {
    /// The output of a factory that no other factory takes, or that is under `keep(…)`. Any other factory does not compile.
    pub fn get<F: Produces<P>>(&self) -> &OutputOf<F, P>
    where
        F::ThisFactory: AlwaysRuns,
        P: Keeps<F::ThisFactory, true>,
    {
        match self.output(position::<P, F::ThisFactory>()) {
            Some(output) => output,
            // The run succeeded, so every factory has delivered, and `Keeps` guarantees that this output was kept.
            None => unreachable!("a kept output is there after a successful run"),
        }
    }

    /// The output of a factory, if it was kept and the factory was not skipped.
    pub fn find<F: Produces<P>>(&self) -> Option<&OutputOf<F, P>>
    where
        P: Lists<F::ThisFactory>,
    {
        self.output(position::<P, F::ThisFactory>())
    }
}

impl<P: PipelineItem> Run<PartialRun<P>> {
    /// The output of a factory, if it ran and no other factory of the run takes its output.
    pub fn find<F: Produces<P>>(&self) -> Option<&OutputOf<F, P>>
    where
        P: Lists<F::ThisFactory>,
    {
        self.output(position::<P, F::ThisFactory>())
    }
}

impl Run<Pipeline> {
    /// The output of the factory of this type, if there is one and its output was kept.
    pub fn find<F: Factory>(&self) -> Option<&F::Output> {
        self.find_named(F::NAME)
    }

    /// The output of the factory with this name, if its output was kept and is a `T`.
    pub fn find_named<T: 'static>(&self, factory: &str) -> Option<&T> {
        self.output(self.plan.factories.iter().position(|node| same(&node.name, factory))?)
    }
}

impl<P> Deref for Run<P> {
    type Target = Report;

    fn deref(&self) -> &Report {
        &self.report
    }
}

impl<P> fmt::Display for Run<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.report.fmt(f)
    }
}

impl<P> fmt::Debug for Run<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run").field("report", &self.report).finish_non_exhaustive()
    }
}

/// The end of a run, successful or not: the outputs, the failures, and the report.
///
/// A program can return it from `main`: it then prints its report, or the error, to standard error, and ends with the [exit
/// code](Outcome::exit_code) of the run.
///
/// ```
/// use setl::prelude::*;
/// use setl::run::Outcome;
///
/// #[factory]
/// fn answer() -> u32 {
///     42
/// }
///
/// #[factory]
/// fn question() -> Result<String> {
///     Err(setl::Error::msg("it takes longer"))
/// }
///
/// #[pipeline(only(answer, question))]
/// struct Deep;
///
/// #[tokio::main(flavor = "current_thread")]
/// async fn main() {
///     let outcome: Outcome<Deep> = Deep.run().keep_going().outcome().await;
///     assert_eq!(outcome.find::<answer>(), Some(&42));
///     assert_eq!(outcome.failures()[0].factory, "question");
///     assert_eq!(outcome.code(), 3);
/// }
/// ```
pub struct Outcome<P> {
    /// The run with the available outputs. `None` if the run could not start.
    pub(crate) run: Option<Run<P>>,
    /// The error of the run.
    pub(crate) error: Option<RunError>,
}

impl<P> Outcome<P> {
    /// Converts to the run or its error.
    ///
    /// # Errors
    /// When the run did not succeed.
    pub fn into_result(self) -> Result<Run<P>, RunError> {
        match (self.run, self.error) {
            (run, Some(error)) => {
                // The error matters more than a panic in the destructor of an output.
                for output in run.into_iter().flat_map(|run| run.outputs) {
                    contained(|| drop(output));
                }
                Err(error)
            }
            (Some(run), None) => Ok(run),
            (None, None) => unreachable!("a run that could not start has an error"),
        }
    }

    /// The error of the run, if it did not succeed.
    pub fn error(&self) -> Option<&RunError> {
        self.error.as_ref()
    }

    /// The failures of single factories, in the order in which they happened.
    pub fn failures(&self) -> &[FactoryError] {
        self.error.as_ref().map_or(&[], RunError::failures)
    }

    /// The report of the run, if it could start.
    pub fn report(&self) -> Option<&Report> {
        self.run.as_ref().map(Run::report)
    }

    /// The exit code of a program that only does this run. The book has the codes in a table.
    ///
    /// | code | meaning |
    /// |---|---|
    /// | 0 | all succeeded |
    /// | 1 | factories failed, nothing was written |
    /// | 2 | the run could not start: nothing ran |
    /// | 3 | factories failed, others succeeded: the run kept going, even if all failures are transient |
    /// | 4 | the commit was decided but is not complete: the next run completes it, at its first load or save |
    /// | 75 | as 1, without `keep_going`, and all failures are transient: try again later (`EX_TEMPFAIL` of `sysexits.h`) |
    /// | 124 | the deadline passed (as `timeout` of coreutils) |
    /// | 130 | cancelled, as by Ctrl-C (128 + SIGINT) |
    /// | 137 | the process exceeded its memory limit (128 + SIGKILL, as if the system had ended it) |
    pub fn code(&self) -> u8 {
        match &self.error {
            None => 0,
            Some(RunError::CannotStart { .. } | RunError::NoRuntime { .. }) => 2,
            Some(RunError::CommitUnfinished { .. }) => 4,
            Some(RunError::DeadlineExceeded { .. }) => 124,
            Some(RunError::MemoryExceeded { .. }) => 137,
            Some(RunError::Cancelled { .. }) => EXIT_AT_SIGINT,
            Some(error) if error.report().is_some_and(Report::kept_going) => 3,
            Some(error) if error.failures().iter().all(|failure| failure.transient) => 75,
            Some(_) => 1,
        }
    }

    /// The [`Outcome::code`] as a return value of `main`.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.code())
    }
}

impl<P: PipelineItem> Outcome<P> {
    /// The output of a factory, if it has delivered and its output was kept.
    pub fn find<F: Produces<P>>(&self) -> Option<&OutputOf<F, P>>
    where
        P: Lists<F::ThisFactory>,
    {
        self.run.as_ref()?.find::<F>()
    }
}

impl<P: PipelineItem> Outcome<PartialRun<P>> {
    /// The output of a factory, if it ran and no other factory of the run takes its output.
    pub fn find<F: Produces<P>>(&self) -> Option<&OutputOf<F, P>>
    where
        P: Lists<F::ThisFactory>,
    {
        self.run.as_ref()?.find::<F>()
    }
}

impl Outcome<Pipeline> {
    /// The output of the factory of this type, if it is available.
    pub fn find<F: Factory>(&self) -> Option<&F::Output> {
        self.run.as_ref()?.find::<F>()
    }

    /// The output of the factory with this name, if it is available and is a `T`.
    pub fn find_named<T: 'static>(&self, factory: &str) -> Option<&T> {
        self.run.as_ref()?.find_named(factory)
    }
}

impl<P> fmt::Display for Outcome<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(run) = &self.run {
            writeln!(f, "{run}")?;
        }
        match &self.error {
            Some(error) => write!(f, "\n{}", error.full()),
            None => Ok(()),
        }
    }
}

impl<P> fmt::Debug for Outcome<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outcome").field("run", &self.run).field("error", &self.error).finish()
    }
}

impl<P> Termination for Outcome<P> {
    fn report(self) -> ExitCode {
        eprintln!("{self}");
        self.exit_code()
    }
}
