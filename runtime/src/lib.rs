//! ETL pipelines whose wiring is proved by the compiler.

mod context;
#[cfg(feature = "polars")]
pub mod dataset;
pub mod delivery;
pub mod factory;
pub mod inspect;
pub mod pipeline;
pub mod plan;
pub mod run;
#[cfg(feature = "polars")]
pub mod storage;
pub mod testing;

#[doc(hidden)]
pub mod __private;

pub use anyhow::Error;
pub use setl_macros::{delivery, factory, pipeline};
pub use tokio_util::sync::CancellationToken;
#[cfg(feature = "polars")]
pub use {chrono, polars};

pub use context::Context;
#[cfg(feature = "polars")]
pub use dataset::{Dataset, Row};
pub use factory::Factory;
pub use plan::dynamic::{Pipeline, WiringError};
pub use run::{Event, Report, Run, RunError, Runner, blocking};
#[cfg(feature = "polars")]
pub use storage::Repository;

/// The result of a factory: any error that implements [`std::error::Error`] turns into [`Error`] with `?`.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What a pipeline needs: `use setl::prelude::*;`
pub mod prelude {
    pub use crate::{Context, Factory, Pipeline, Result, delivery, factory, pipeline};

    #[cfg(feature = "polars")]
    pub use crate::{
        dataset::{Dataset, Row},
        storage::{Csv, Ndjson, Parquet, Repository},
    };
}
