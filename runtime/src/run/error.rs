//! Why a run did not succeed.

use std::fmt;

use super::report::{Phase, Report};

/// What went wrong in one factory.
#[derive(Debug)]
#[non_exhaustive]
pub struct FactoryError {
    /// The stage of the factory.
    pub stage: String,
    /// Its name.
    pub factory: String,
    /// How far it was.
    pub phase: Phase,
    /// What happened.
    pub cause: Cause,
}

/// How a factory failed.
#[derive(Debug)]
#[non_exhaustive]
pub enum Cause {
    /// It returned this error.
    Error(crate::Error),
    /// It panicked, with this message.
    Panic(String),
}

impl fmt::Display for FactoryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { stage, factory, phase, cause } = self;
        match cause {
            Cause::Error(_) => write!(f, "factory `{factory}` of stage `{stage}` failed in {phase}"),
            Cause::Panic(message) => {
                write!(f, "factory `{factory}` of stage `{stage}` panicked in {phase}: {message}")
            }
        }
    }
}

impl std::error::Error for FactoryError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.cause {
            Cause::Error(error) => Some(&**error),
            Cause::Panic(_) => None,
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
    #[error("pipeline `{}` was cancelled after {} of {} factories", .report.pipeline(), .report.succeeded(), .report.factories())]
    Cancelled {
        /// How far the run came.
        report: Box<Report>,
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
            RunError::Failed { failures, .. } => &failures.0,
            RunError::Cancelled { .. } | RunError::NoRuntime { .. } => &[],
        }
    }

    /// How far the run came, if it started.
    pub fn report(&self) -> Option<&Report> {
        match self {
            RunError::Failed { report, .. } | RunError::Cancelled { report } => Some(report),
            RunError::NoRuntime { .. } => None,
        }
    }

    /// Whether the run ended because it was told to.
    pub fn is_cancelled(&self) -> bool {
        matches!(self, RunError::Cancelled { .. })
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

/// ` in 2 factories`, where there is more to tell than the source does.
fn others(failures: &Failures) -> String {
    match failures.0.len() {
        0 | 1 => String::new(),
        several => {
            let names: Vec<_> = failures.0.iter().map(|failure| format!("`{}`", failure.factory)).collect();
            format!(" in {several} factories ({})", names.join(", "))
        }
    }
}
