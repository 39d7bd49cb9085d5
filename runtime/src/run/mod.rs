//! Runs a pipeline: the schedule, the state transitions of factories, and the report.

mod attempt;
mod blocking;
mod config;
pub(crate) mod current;
#[cfg(feature = "optimize")]
mod effects;
mod error;
mod event;
mod executor;
#[cfg(feature = "optimize")]
mod explained;
pub(crate) mod extension;
mod finish;
#[cfg(all(feature = "polars", feature = "optimize"))]
pub(crate) mod gather;
#[cfg_attr(not(feature = "optimize"), allow(dead_code, reason = "the optimiser uses all of it"))]
pub(crate) mod hook;
#[cfg(feature = "optimize")]
pub(crate) mod learn;
mod lifecycle;
#[cfg(all(test, setl_loom))]
mod loom;
pub(crate) mod memory;
mod nested;
mod observer;
#[cfg(feature = "optimize")]
mod optimized;
mod outcome;
mod prepare;
mod report;
#[cfg_attr(not(feature = "optimize"), allow(dead_code, reason = "the optimiser uses all of it"))]
pub(crate) mod request;
pub(crate) mod resume;
mod rows;
mod run_builder;
pub(crate) mod run_plan;
mod schedule;
mod section;
mod select;
mod shared;
mod signals;
mod slot;
#[cfg(feature = "polars")]
pub(crate) mod spill;
mod start;
mod starving;
mod step;
mod threads;
mod transitions;

pub use blocking::blocking;
#[cfg(feature = "polars")]
pub(crate) use blocking::moved;
pub use error::{Cause, FactoryError, Failures, RunError};
pub use event::{Event, RunStatus};
#[cfg(feature = "optimize")]
pub use learn::LearningReport;
pub use memory::MemoryReport;
pub use observer::{Observer, OuterFactory, RunInfo};
pub use outcome::{Outcome, PartialRun, Run};
pub(crate) use report::duration;
pub use report::{FactoryReport, Phase, Report, Status, Timing};
#[doc(hidden)]
pub use rows::Rows;
pub use run_builder::RunBuilder;
pub use section::Section;
pub use shared::Shared;
pub(crate) use shared::{Launch, Replacement, Steps};
pub use step::{BoxFuture, Inbox, Step};
