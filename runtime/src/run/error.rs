//! Why a run did not succeed.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::fmt::{self, Write as _};
use std::time::Duration;

use super::report::{Entry, Phase, Report, Status};
use crate::base::names::{in_one_line, quoted};
use crate::base::panic::{Panicked, caught, contained};
use crate::base::size::show;
use crate::policy::{CircuitOpen, TimedOut, find, roughly};

/// What went wrong in one factory.
#[derive(Debug)]
#[non_exhaustive]
pub struct FactoryError {
    /// The pipeline.
    pub pipeline: String,
    /// The stage of the factory; empty if it is the run that failed, and no factory.
    pub stage: String,
    /// Its name; empty if it is the run that failed, and no factory.
    pub factory: String,
    /// How far it was in its last attempt.
    pub phase: Phase,
    /// How many attempts were made.
    pub attempts: u32,
    /// What happened in the last attempt.
    pub cause: Cause,
    /// Whether the same attempt, made later, may succeed: see [`classify`](crate::policy::classify).
    pub transient: bool,
    /// How the factory failed that stood in for it.
    pub fallback: Option<Box<FactoryError>>,
    /// Whether anything was said of how often it is tried again, be it never.
    pub(crate) says_of_retries: bool,
    /// Why it was not tried again, if there was no time for it.
    pub(crate) no_time: Option<NoTime>,
}

/// A wait before another attempt that would not have ended in time.
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

/// How a factory failed.
#[derive(Debug)]
#[non_exhaustive]
pub enum Cause {
    /// It returned this error.
    Error(crate::Error),
    /// It panicked.
    Panic {
        /// What it said.
        message: String,
        /// Where, as in `src/rates.rs:12:5`, if that is known.
        location: Option<String>,
    },
    /// It took too long.
    TimedOut(TimedOut),
}

impl Cause {
    /// In one line, with all causes.
    pub(crate) fn line(&self) -> String {
        match self {
            Cause::Error(error) => format!("{error:#}"),
            Cause::Panic { message, location } => {
                Panicked { message: message.clone(), location: location.clone() }.to_string()
            }
            Cause::TimedOut(timed_out) => timed_out.to_string(),
        }
    }

    /// The error of a factory. One whose text cannot be made is itself a panic of that factory.
    pub(crate) fn of_error(error: crate::Error) -> Self {
        match caught(|| format!("{error:#}").len()) {
            Ok(_) => Self::Error(error),
            Err(panic) => {
                // An error that panics when it is shown may do so when it is dropped.
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
    /// What can be done about it, where that is known.
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
                "give it longer, `total_timeout`, or let more use the resource at once, `at_once`; or in the settings",
            ),
            Cause::TimedOut(_) => Some(
                "give it longer, or fewer retries: `total_timeout` of the factory or in the settings, for all attempts",
            ),
            // Retries end before.
            Cause::Error(_) if self.phase >= Phase::Commit => None,
            Cause::Error(_) if self.transient && !self.says_of_retries => {
                Some("it may go away by itself: `#[factory(retry(times = 3))]` tries again")
            }
            Cause::Error(_) => None,
        };
        hint.map(Cow::Borrowed)
    }

    /// Whether it waited for a resource in vain, or was not let through.
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

    /// What happened, with all causes.
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
            // It was not let through, and has not begun.
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

/// Why a run did not succeed. Its source is the first failure.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// Factories failed.
    #[error("pipeline `{}` failed{}", .report.pipeline(), others(.failures))]
    Failed {
        /// At least one, in the order in which they happened.
        #[source]
        failures: Failures,
        /// How far the run came.
        report: Box<Report>,
    },
    /// The run was cancelled.
    #[error("pipeline `{}` was cancelled after {} of {} factories", .report.pipeline(), .report.succeeded(), .report.asked_for())]
    Cancelled {
        /// What failed while the run ended: work that is told to end may do so with an error.
        failures: Failures,
        /// How far the run came.
        report: Box<Report>,
    },
    /// The run took too long.
    #[error("pipeline `{}` was not done within {}: {} of {} factories were", .report.pipeline(), humantime::format_duration(*.deadline), .report.succeeded(), .report.asked_for())]
    DeadlineExceeded {
        /// How long it may take.
        deadline: Duration,
        /// What failed while the run ended: work that is told to end may do so with an error.
        failures: Failures,
        /// How far the run came.
        report: Box<Report>,
    },
    /// The process came to hold more memory than it [may](crate::Runner::memory_limit).
    #[error("pipeline `{}` was ended when the process held {}, with a memory limit of {}{}", .report.pipeline(), show(.report.memory().map_or(0, |memory| memory.peak)), show(*.limit), in_progress(.report, .failures))]
    MemoryExceeded {
        /// How many bytes it may hold.
        limit: u64,
        /// What failed while the run ended: work that is told to end may do so with an error.
        failures: Failures,
        /// How far the run came.
        report: Box<Report>,
    },
    /// All factories succeeded, and the commit of their writes was decided, but some targets could not be switched.
    #[error("pipeline `{}` could not finish the commit of its writes; the next run does", .report.pipeline())]
    CommitUnfinished {
        /// What the target said.
        #[source]
        source: Failures,
        /// What ran.
        report: Box<Report>,
    },
    /// The run was asked for in a way in which it cannot start. Nothing has run.
    #[error("pipeline `{pipeline}` cannot start:\n  {}", .mistakes.join("\n  "))]
    CannotStart {
        /// The pipeline.
        pipeline: String,
        /// Each mistake in a sentence.
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

    /// How far the run came, if it started.
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

    /// Whether the run ended because it was told to.
    pub fn is_cancelled(&self) -> bool {
        matches!(self, RunError::Cancelled { .. })
    }

    /// Everything in one line: for logs.
    pub fn line(&self) -> String {
        let failures: Vec<_> = self.failures().iter().map(FactoryError::line).collect();
        match failures.is_empty() {
            true => in_one_line(&self.to_string()),
            false => failures.join("; "),
        }
    }

    /// Everything on several lines: for people.
    ///
    /// Each failure with its causes and a hint where there is one, then what did not run because of it.
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
                if let Some(failed) = &entry.because {
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
    let is_stopped = |entry: &&Entry| entry.status == Status::Cancelled || failed.contains(&*entry.factory);
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

/// One failure or more. As an error it stands for the first.
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

/// So many factories are named where more than one failed.
const NAMED: usize = 10;

/// ` in 2 factories`, where there is more to tell than the source does.
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
