//! ETL pipelines whose wiring is proved by the compiler.

mod context;
pub mod delivery;
pub mod factory;
pub mod inspect;
pub mod pipeline;
pub mod plan;
pub mod run;
pub mod testing;

#[doc(hidden)]
pub mod __private;

pub use anyhow::Error;
pub use setl_macros::{delivery, factory, pipeline};
pub use tokio_util::sync::CancellationToken;

pub use context::Context;
pub use factory::Factory;
pub use plan::dynamic::{Pipeline, WiringError};
pub use run::{Event, Report, Run, RunError, Runner, blocking};

/// The result of a factory: any error that implements [`std::error::Error`] turns into [`Error`] with `?`.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What a pipeline needs: `use setl::prelude::*;`
pub mod prelude {
    pub use crate::{Context, Factory, Pipeline, Result, delivery, factory, pipeline};
}
