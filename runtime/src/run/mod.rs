//! Runs a pipeline: the schedule, the state transitions of factories, and the report.

pub(crate) mod attempt;
pub(crate) mod blocking;
pub(crate) mod config;
pub(crate) mod current;
pub(crate) mod error;
pub(crate) mod event;
pub(crate) mod executor;
pub(crate) mod extension;
pub(crate) mod factory_config;
pub(crate) mod finish;
pub(crate) mod hook;
pub(crate) mod lifecycle;
#[cfg(all(test, setl_loom))]
mod loom;
pub(crate) mod nested;
pub(crate) mod observer;
pub(crate) mod opening;
pub(crate) mod outcome;
pub(crate) mod prepare;
pub(crate) mod report;
pub(crate) mod request;
pub(crate) mod rows;
pub(crate) mod run_builder;
pub(crate) mod run_plan;
pub(crate) mod schedule;
pub(crate) mod section;
pub(crate) mod select;
#[cfg(feature = "config")]
pub(crate) mod settings;
pub(crate) mod shared;
pub(crate) mod signals;
pub(crate) mod slot;
pub(crate) mod start;
pub(crate) mod starving;
pub(crate) mod step;
pub(crate) mod threads;
pub(crate) mod transitions;

pub use crate::memory::MemoryReport;
pub use blocking::blocking;
pub use error::{Cause, FactoryError, Failures, RunError};
pub use event::{Event, RunStatus};
pub use observer::{Observer, OuterFactory, RunInfo};
pub use outcome::{Outcome, Run};
pub(crate) use report::duration;
pub use report::{FactoryReport, Phase, Report, Status, Timing};
#[doc(hidden)]
pub use rows::Rows;
pub use run_builder::{PartialRun, RunBuilder};
pub use section::Section;
pub(crate) use shared::Shared;
pub(crate) use shared::{Launch, Replacement, Steps};
pub use step::{BoxFuture, Inbox, Step};
