//! Tools that do not depend on pipelines: locks, panics, names, sizes.

pub(crate) mod names;
pub(crate) mod panic;
pub(crate) mod size;
pub(crate) mod sync;

/// An error of any type, with its causes.
pub use anyhow::Error;

/// The result of a factory: any error that implements [`std::error::Error`] turns into [`Error`] with `?`.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A payload whose type the executor does not know.
pub type AnyPayload = std::sync::Arc<dyn std::any::Any + Send + Sync>;
