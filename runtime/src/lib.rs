//! ETL pipelines whose wiring is proved by the compiler.

#[cfg(feature = "polars")]
pub mod dataset;
pub mod delivery;
pub mod run;
#[cfg(feature = "polars")]
pub mod storage;

pub use anyhow::Error;
#[cfg(feature = "polars")]
pub use dataset::Row;

/// The result of a factory: any error that implements [`std::error::Error`] turns into [`Error`] with `?`.
pub type Result<T, E = Error> = std::result::Result<T, E>;
