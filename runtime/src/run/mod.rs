//! Runs a pipeline: the schedule, the state transitions of factories, and the report.

mod attempt;
mod blocking;
mod config;
mod course;
pub(crate) mod current;
mod error;
mod event;
mod executor;
mod fate;
mod finish;
#[cfg(all(feature = "polars", feature = "optimize"))]
pub(crate) mod gather;
#[cfg(feature = "optimize")]
pub(crate) mod learn;
#[cfg(all(test, setl_loom))]
mod loom;
pub(crate) mod memory;
#[cfg(feature = "optimize")]
mod nature;
mod nested;
#[cfg(feature = "optimize")]
mod optimized;
mod outcome;
mod prepare;
mod report;
mod request;
pub(crate) mod resume;
mod rows;
mod run_plan;
mod runner;
mod schedule;
mod select;
mod shared;
mod signals;
mod slot;
#[cfg(feature = "polars")]
pub(crate) mod spill;
mod starving;
mod step;
mod threads;

pub use blocking::blocking;
#[cfg(feature = "polars")]
pub(crate) use blocking::moved;
pub use error::{Cause, FactoryError, Failures, RunError};
pub use event::Event;
#[cfg(feature = "optimize")]
pub use learn::Learned;
pub use memory::MemoryReport;
pub use outcome::{Outcome, Partial, Run};
pub use report::{Entry, Phase, Report, Status, Timing};
#[doc(hidden)]
pub use rows::Rows;
pub use runner::Runner;
pub use shared::Shared;
pub(crate) use shared::{Launch, Replacement, Steps};
pub use step::{BoxFuture, Inbox, Step};
