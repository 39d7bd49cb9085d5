//! SETL for Rust: ETL pipelines whose wiring is proved by the compiler.
//!
//! A **factory** takes **deliveries** and delivers an output. A **pipeline** lists factories in **stages**, and gives them its
//! inputs. The types decide which factory delivers to which. A delivery that is missing, ambiguous or cyclic does not compile.
//!
//! ```
//! use setl::prelude::*;
//!
//! #[derive(Clone)]
//! struct Orders(Vec<f64>);
//!
//! // The short form of a factory: every parameter is a delivery, the return type is the output.
//! #[factory]
//! async fn read_orders() -> Result<Orders> {
//!     Ok(Orders(vec![20.0, 22.0]))
//! }
//!
//! // The full form: fields are injected, and there are steps to read, process and write.
//! #[factory(output = f64)]
//! struct Revenue {
//!     #[delivery]
//!     orders: Orders,
//!     #[delivery]
//!     tax: Tax,
//! }
//!
//! impl Factory for Revenue {
//!     async fn process(&mut self) -> Result<f64> {
//!         Ok(self.orders.0.iter().sum::<f64>() * (1.0 - self.tax.0))
//!     }
//! }
//!
//! /// Settings are deliveries too.
//! #[derive(Clone)]
//! struct Tax(f64);
//!
//! #[pipeline(extract(read_orders), transform(Revenue))]
//! struct Shop {
//!     tax: Tax,
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<()> {
//! let run = Shop { tax: Tax(0.5) }.run().await?;
//! assert_eq!(*run.get::<Revenue>(), 21.0);
//! println!("{run}"); // what ran, and how long it took
//! # Ok(())
//! # }
//! ```
//!
//! | for | see |
//! |---|---|
//! | factories | [`macro@factory`], [`Factory`] |
//! | their deliveries | [`macro@delivery`], [`Context`] |
//! | pipelines and runs | [`macro@pipeline`], [`RunBuilder`], [`Run`], [`RunError`] |
//! | pipelines built at run time | [`Pipeline::builder`] |
//! | retries, limits and fallbacks | [`policy`] |
//! | outputs that later runs reuse | [`cache`] |
//! | tests | [`testing`] |
//! | descriptions and diagrams of a pipeline | [`inspect`] |
#![cfg_attr(feature = "polars", doc = "| data | [`Dataset`], [`Repository`], [`macro@Row`], [`storage`] |")]
#![cfg_attr(feature = "optimize", doc = "| the optimiser, and what runs cost | [`optimize`] |")]
//!
//! # Features
//!
//! - `polars` (on by default): rows, datasets, repositories and file formats. Without it, pipelines still run.
//! - `config` (on by default): [policies](policy) from a file and from environment variables.
//! - `optimize` (on by default): the optimiser of plans and queries, and a history of costs from which it learns.
//! - `cli`: the command `setl`, which shows costs, recommendations and the cache. It needs no Polars: `cargo install setl
//!   --no-default-features --features cli`.
//! - `one-build-of-polars`: part of `polars`. It fixes features of crates that Polars depends on, so that adding well-known
//!   crates to a project does not rebuild Polars.
#![cfg_attr(
    not(all(feature = "config", feature = "optimize", feature = "polars")),
    allow(dead_code, reason = "some parts serve only a feature")
)]

mod base;
pub mod cache;
pub mod checkpoint;
mod context;
#[cfg(feature = "polars")]
pub mod dataset;
pub mod delivery;
pub mod factory;
pub mod inspect;
#[cfg(feature = "optimize")]
mod learning;
mod memory;
#[cfg(feature = "optimize")]
pub mod optimize;
pub mod pipeline;
pub mod plan;
pub mod policy;
#[cfg(all(feature = "optimize", feature = "polars"))]
mod queries;
#[cfg(all(not(feature = "optimize"), feature = "polars"))]
#[path = "queries/alone.rs"]
mod queries;
pub mod run;
#[cfg(feature = "polars")]
pub mod storage;
/// Without Polars there are no repositories.
#[cfg(not(feature = "polars"))]
mod storage {
    pub(crate) fn delivered(payload: crate::pipeline::AnyPayload) -> crate::pipeline::AnyPayload {
        payload
    }
}
pub mod testing;

#[doc(hidden)]
pub mod __private;

/// All writes of a run, committed together or not at all: the crate [`setl_commit`].
///
/// Each target is old or new at any instant, never partly written. Several targets are switched one after the other, usually
/// within milliseconds: a reader of several targets may see some old and some new ones in between. If the process is killed in
/// between, the next run completes the commit.
pub mod commit {
    #[doc(hidden)]
    pub use setl_commit::commit_together;
    #[doc(inline)]
    pub use setl_commit::{
        CommitDecision, FileStep, Kept, Recovered, RecoveryTicket, StagedFile, StagedWrite, Untouched,
        WriteError, recover, set_aside,
    };
}

#[cfg(not(feature = "polars"))]
#[doc(hidden)]
pub use setl_macros::RowWithoutPolars as Row;
pub use setl_macros::{delivery, factory, pipeline};
pub use tokio_util::sync::CancellationToken;
#[cfg(feature = "polars")]
pub use {chrono, polars};

pub use base::{Error, Result};
pub use context::Context;
#[cfg(feature = "polars")]
pub use dataset::running::{collect, collect_blocking, materialize, materialize_blocking};
#[cfg(feature = "polars")]
pub use dataset::{Dataset, Row};
pub use factory::{Factory, Rollback};
#[cfg(feature = "optimize")]
pub use learning::LearningReport;
pub use plan::dynamic::{Pipeline, WiringError};
pub use policy::{permanent, transient};
pub use run::{Event, Observer, Report, Run, RunBuilder, RunError, RunInfo, blocking};
#[cfg(feature = "polars")]
pub use storage::Repository;

/// The capabilities of runs, in the order in which they take part.
const EXTENSIONS: run::extension::Extensions = &[
    &memory::MemoryLimit,
    #[cfg(feature = "optimize")]
    &learning::LearnsFromRuns,
    #[cfg(feature = "polars")]
    &storage::WatchesFiles,
    &checkpoint::in_run::Persistence,
    #[cfg(feature = "optimize")]
    &optimize::in_run::OptimizesPlans,
    #[cfg(all(feature = "polars", feature = "optimize"))]
    &queries::gather::Gathering,
];

/// The items that a pipeline needs: `use setl::prelude::*;`
pub mod prelude {
    pub use crate::policy::Classify;
    pub use crate::{Context, Factory, Pipeline, Result, Rollback, delivery, factory, pipeline};

    #[cfg(not(feature = "polars"))]
    #[doc(hidden)]
    pub use crate::Row;
    #[cfg(feature = "polars")]
    pub use crate::{
        dataset::{Dataset, Row},
        storage::{Csv, Ndjson, Parquet, Repository},
    };
}
