//! ETL pipelines whose wiring is proved by the compiler.

pub mod delivery;
pub mod run;

pub use anyhow::Error;

/// The result of a factory: any error that implements [`std::error::Error`] turns into [`Error`] with `?`.
pub type Result<T, E = Error> = std::result::Result<T, E>;
