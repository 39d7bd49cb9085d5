//! The errors of a run.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::fmt::{self, Write as _};
use std::time::Duration;

use super::report::{FactoryReport, Phase, Report, Status};
use crate::base::names::{in_one_line, quoted};
use crate::base::panic::{Panicked, caught, contained};
use crate::base::size::show;
use crate::policy::{CircuitOpen, TimedOut, find, roughly};

/// The failure of one factory.
#[derive(Debug)]
#[non_exhaustive]
pub struct FactoryError {
    /// The pipeline.
    pub pipeline: String,
    /// The stage of the factory. Empty if the run itself failed.
    pub stage: String,
    /// The name of the factory. Empty if the run itself failed.
    pub factory: String,
    /// The phase of the last attempt.
    pub phase: Phase,
    /// The number of attempts.
    pub attempts: u32,
    /// The cause of the failure of the last attempt.
    pub cause: Cause,
    /// `true` if the same attempt may succeed later: see [`classify`](crate::policy::classify).
    pub transient: bool,
    /// The failure of the fallback.
    pub fallback: Option<Box<FactoryError>>,
    /// `true` if a retry policy is set, even one without retries.
    pub(crate) says_of_retries: bool,
    /// The wait that left no time for another attempt.
    pub(crate) no_time: Option<NoTime>,
}

/// A wait before another attempt that would have exceeded the time limit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NoTime {
    pub(crate) wait: Duration,
    pub(crate) total: Duration,
}

impl fmt::Display for NoTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (wait, total) = (roughly(self.wait), humantime::format_duration(self.total));
        write!(
            f,
            "it was not tried again: the next wait of {wait} does not fit into its total timeout of {total}"
        )
    }
}

/// The cause of the failure of a factory.
#[derive(Debug)]
#[non_exhaustive]
pub enum Cause {
    /// The factory returned this error.
    Error(crate::Error),
    /// The factory panicked.
    Panic {
        /// The message of the panic.
        message: String,
        /// The location, as in `src/rates.rs:12:5`, if it is known.
        location: Option<String>,
    },
    /// The factory exceeded a time limit.
    TimedOut(TimedOut),
}

impl Cause {
    /// The cause in one line, with all its sources.
    pub(crate) fn line(&self) -> String {
        match self {
            Cause::Error(error) => format!("{error:#}"),
            Cause::Panic { message, location } => {
                Panicked { message: message.clone(), location: location.clone() }.to_string()
            }
            Cause::TimedOut(timed_out) => timed_out.to_string(),
        }
    }

    /// The cause for an error of a factory. If formatting the error panics, this panic is the cause.
    pub(crate) fn of_error(error: crate::Error) -> Self {
        match caught(|| format!("{error:#}").len()) {
            Ok(_) => Self::Error(error),
            Err(panic) => {
                // An error that panics in its formatter may also panic in its destructor.
                contained(|| drop(error));
                panic.into()
            }
        }
    }
}

impl From<Panicked> for Cause {
    fn from(Panicked { message, location }: Panicked) -> Self {
        Self::Panic { message, location }
    }
}

impl FactoryError {
    /// A hint to fix the failure, if there is one.
    pub fn hint(&self) -> Option<Cow<'static, str>> {
        if let Some(no_time) = self.no_time {
            return Some(no_time.to_string().into());
        }
        let hint = match &self.cause {
            Cause::Panic { .. } => {
                Some("a panic is a mistake in the program, and is not tried again: return an error instead")
            }
            Cause::TimedOut(TimedOut { total: false, .. }) => Some(
                "find out what hangs, or give it longer: `timeout` of the factory or in the settings, for each attempt",
            ),
            Cause::TimedOut(TimedOut { resource: Some(_), .. }) => Some(
                "give it longer, `total_timeout`, or let more use the resource at once, `max_concurrent`; or in the settings",
            ),
            Cause::TimedOut(_) => Some(
                "give it longer, or fewer retries: `total_timeout` of the factory or in the settings, for all attempts",
            ),
            // There are no retries after this phase.
            Cause::Error(_) if self.phase >= Phase::Commit => None,
            Cause::Error(_) if self.transient && !self.says_of_retries => {
                Some("it may go away by itself: `#[factory(retry(times = 3))]` tries again")
            }
            Cause::Error(_) => None,
        };
        hint.map(Cow::Borrowed)
    }

    /// `true` if the factory waited for a resource without success, or its circuit breaker was open.
    fn is_turned_away(&self) -> bool {
        match &self.cause {
            Cause::Error(error) => find::<CircuitOpen>(error).is_some(),
            Cause::TimedOut(timed_out) => timed_out.resource.is_some(),
            Cause::Panic { .. } => false,
        }
    }

    /// The failure in one line, with all causes: for logs.
    pub fn line(&self) -> String {
        in_one_line(&format!("pipeline `{}`: {}", self.pipeline, self.described()))
    }

    /// The failure with all causes.
    pub(crate) fn described(&self) -> String {
        let mut line = self.to_string();
        if let Cause::Error(error) = &self.cause {
            let _ = write!(line, ": {error:#}");
        }
        if let Some(no_time) = self.no_time {
            let _ = write!(line, "; {no_time}");
        }
        if let Some(fallback) = &self.fallback {
            let _ = write!(line, "; its fallback: {}", fallback.line());
        }
        line
    }
}

impl fmt::Display for FactoryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { stage, factory, phase, cause, attempts, .. } = self;
        let how = match cause {
            Cause::Error(_) => "failed",
            Cause::Panic { .. } => "panicked",
            Cause::TimedOut(_) => "timed out",
        };
        if factory.is_empty() {
            write!(f, "the run {how}")?;
        } else {
            write!(f, "factory `{factory}` of stage `{stage}` {how}")?;
        }
        match phase {
            // The factory has not begun.
            Phase::Assemble if self.is_turned_away() => {}
            Phase::Condition => write!(f, " in its condition (`when`)")?,
            phase => write!(f, " in {phase}")?,
        }
        if *attempts > 1 {
            write!(f, " after {attempts} attempts")?;
        }
        match cause {
            Cause::Error(_) => Ok(()),
            Cause::Panic { message, location: None } => write!(f, ": {message}"),
            Cause::Panic { message, location: Some(location) } => write!(f, ": {message} ({location})"),
            Cause::TimedOut(timed_out) => write!(f, ": it {timed_out}"),
        }
    }
}

impl std::error::Error for FactoryError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.cause {
            Cause::Error(error) => Some(&**error),
            Cause::Panic { .. } | Cause::TimedOut(_) => None,
        }
    }
}

/// The error of a run that did not succeed. Its source is the first failure.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// Factories failed.
    #[error("pipeline `{}` failed{}", .report.pipeline(), others(.failures))]
    Failed {
        /// The failures, at least one, in the order in which they happened.
        #[source]
        failures: Failures,
        /// The report of the run.
        report: Box<Report>,
    },
    /// The run was cancelled.
    #[error("pipeline `{}` was cancelled after {} of {} factories", .report.pipeline(), .report.succeeded(), .report.asked_for())]
    Cancelled {
        /// The failures during the cancellation: cancelled work may end with an error.
        failures: Failures,
        /// The report of the run.
        report: Box<Report>,
    },
    /// The run exceeded its deadline.
    #[error("pipeline `{}` was not done within {}: {} of {} factories were", .report.pipeline(), humantime::format_duration(*.deadline), .report.succeeded(), .report.asked_for())]
    DeadlineExceeded {
        /// The deadline.
        deadline: Duration,
        /// The failures during the cancellation: cancelled work may end with an error.
        failures: Failures,
        /// The report of the run.
        report: Box<Report>,
    },
    /// The process exceeded its [memory limit](crate::RunBuilder::memory_limit).
    #[error("pipeline `{}` was ended when the process held {}, with a memory limit of {}{}", .report.pipeline(), show(.report.memory().map_or(0, |memory| memory.peak)), show(*.limit), in_progress(.report, .failures))]
    MemoryExceeded {
        /// The memory limit, in bytes.
        limit: u64,
        /// The failures during the cancellation: cancelled work may end with an error.
        failures: Failures,
        /// The report of the run.
        report: Box<Report>,
    },
    /// All factories succeeded, and the commit of their writes was decided, but some targets could not be switched.
    #[error("pipeline `{}` could not finish the commit of its writes; the next run does", .report.pipeline())]
    CommitUnfinished {
        /// The errors of the targets.
        #[source]
        source: Failures,
        /// The report of the run.
        report: Box<Report>,
    },
    /// The options of the run prevent it from starting. Nothing has run.
    #[error("pipeline `{pipeline}` cannot start:\n  {}", .mistakes.join("\n  "))]
    CannotStart {
        /// The pipeline.
        pipeline: String,
        /// The mistakes, each in a sentence.
        mistakes: Vec<String>,
    },
    /// There is no tokio runtime to run on.
    #[error(
        "pipeline `{pipeline}` needs a tokio runtime: call it from an `async fn main` under `#[tokio::main]`"
    )]
    NoRuntime {
        /// The pipeline.
        pipeline: String,
    },
}

impl RunError {
    /// The failures of single factories, in the order in which they happened.
    pub fn failures(&self) -> &[FactoryError] {
        match self {
            RunError::Failed { failures, .. }
            | RunError::Cancelled { failures, .. }
            | RunError::DeadlineExceeded { failures, .. }
            | RunError::MemoryExceeded { failures, .. }
            | RunError::CommitUnfinished { source: failures, .. } => &failures.0,
            RunError::CannotStart { .. } | RunError::NoRuntime { .. } => &[],
        }
    }

    /// The report of the run, if it started.
    pub fn report(&self) -> Option<&Report> {
        match self {
            RunError::Failed { report, .. }
            | RunError::Cancelled { report, .. }
            | RunError::DeadlineExceeded { report, .. }
            | RunError::MemoryExceeded { report, .. }
            | RunError::CommitUnfinished { report, .. } => Some(report),
            RunError::CannotStart { .. } | RunError::NoRuntime { .. } => None,
        }
    }

    /// `true` if the run was cancelled.
    pub fn is_cancelled(&self) -> bool {
        matches!(self, RunError::Cancelled { .. })
    }

    /// The error in one line: for logs.
    pub fn line(&self) -> String {
        let failures: Vec<_> = self.failures().iter().map(FactoryError::line).collect();
        match failures.is_empty() {
            true => in_one_line(&self.to_string()),
            false => failures.join("; "),
        }
    }

    /// The error on several lines: for people.
    ///
    /// The text has each failure with its causes and a hint if there is one, and then the factories that did not run because of
    /// it.
    pub fn full(&self) -> String {
        let mut text = format!("{self}\n");
        for failure in self.failures() {
            let refused = matches!(self, RunError::Failed { .. }) && failure.phase == Phase::Commit;
            let unchanged =
                refused.then_some("no target of this run has changed; what was staged is gone".into());
            describe(&mut text, failure, unchanged.or(failure.hint()), "");
        }
        if let Some(report) = self.report() {
            let entries = report.entries();
            let mut because: HashMap<&str, Vec<&str>> = HashMap::new();
            for entry in entries {
                if let Some(failed) = &entry.failed_upstream {
                    because.entry(failed).or_default().push(&entry.factory);
                }
            }
            for failure in self.failures() {
                if let Some(names) = because.get(&*failure.factory) {
                    let names = quoted(names.iter().copied());
                    let _ = writeln!(text, "\nnot run because of `{}`: {names}", failure.factory);
                }
            }
            let kept: Vec<_> =
                report.resumable.iter().map(|node| &*report.plan.factories[*node].name).collect();
            if !kept.is_empty() {
                let names = quoted(kept.iter().copied().take(NAMED));
                let more = kept.len().saturating_sub(NAMED);
                let more = if more > 0 { format!(" and {more} more") } else { String::new() };
                let _ = writeln!(
                    text,
                    "\nthe outputs of {names}{more} are kept: a run with `.resume()` goes on from there"
                );
            }
            let rest = entries.iter().filter(|entry| entry.was_stopped()).count();
            if rest > 0 {
                let (factories, were) = if rest == 1 { ("factory", "was") } else { ("factories", "were") };
                let more = if self.failures().is_empty() { "" } else { "more " };
                let _ = writeln!(
                    text,
                    "\n{rest} {more}{factories} did not run or {were} stopped, since the run ended"
                );
            }
        }
        text
    }
}

/// `; in progress: `a`, `b``.
fn in_progress(report: &Report, failures: &Failures) -> String {
    let failed: HashSet<_> = failures.0.iter().map(|failure| &*failure.factory).collect();
    let is_stopped =
        |entry: &&FactoryReport| entry.status == Status::Cancelled || failed.contains(&*entry.factory);
    let stopped = report.entries().iter().filter(is_stopped);
    let names: Vec<_> = stopped.map(|entry| format!("`{}`", entry.factory)).collect();
    if names.is_empty() { String::new() } else { format!("; in progress: {}", names.join(", ")) }
}

fn describe(text: &mut String, failure: &FactoryError, hint: Option<Cow<'_, str>>, indent: &str) {
    let _ = writeln!(text, "\n{indent}{failure}");
    if let Cause::Error(error) = &failure.cause {
        for (depth, cause) in error.chain().map(ToString::to_string).enumerate() {
            let lead = if depth == 0 { "  " } else { "  because " };
            let _ = writeln!(text, "{indent}{lead}{}", cause.replace('\n', &format!("\n{indent}  ")));
        }
    }
    if let Some(hint) = hint {
        let _ = writeln!(text, "{indent}  hint: {hint}");
    }
    if let Some(fallback) = &failure.fallback {
        let _ = writeln!(text, "{indent}  its fallback failed, too:");
        describe(text, fallback, fallback.hint(), &format!("{indent}    "));
    }
}

/// One or more failures. As an error, it displays the first.
#[derive(Debug)]
pub struct Failures(pub(crate) Vec<FactoryError>);

impl fmt::Display for Failures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.first() {
            Some(first) => first.fmt(f),
            None => f.write_str("no failure"),
        }
    }
}

impl std::error::Error for Failures {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.first().and_then(std::error::Error::source)
    }
}

/// The maximum number of failed factories that are named.
const NAMED: usize = 10;

/// The text ` in 2 factories`, if there is more than one failure.
fn others(failures: &Failures) -> String {
    match failures.0.len() {
        0 | 1 => String::new(),
        several => {
            let names = quoted(failures.0.iter().take(NAMED).map(|failure| &*failure.factory));
            let more = if several > NAMED { format!(" and {} more", several - NAMED) } else { String::new() };
            format!(" in {several} factories ({names}{more})")
        }
    }
}
