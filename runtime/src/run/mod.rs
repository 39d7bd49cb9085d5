//! Running a pipeline: who starts when, what becomes of it, and what is told of it.

mod blocking;
mod error;
mod event;
mod executor;
#[cfg(all(test, setl_loom))]
mod loom;
mod report;
mod runner;
mod schedule;
mod slot;
mod step;
mod sync;

pub use blocking::blocking;
pub use error::{Cause, FactoryError, Failures, RunError};
pub use event::Event;
pub use executor::Shared;
pub(crate) use executor::{Launch, Replacement, Steps};
pub use report::{Entry, Phase, Report, Status, Timing};
pub use runner::{Run, Runner};
pub use step::{BoxFuture, Inbox, Step};
