//! Inspects a pipeline without running it.

mod describe;
mod diagram;
pub(crate) mod drawing;

pub use describe::describe;
pub(crate) use describe::{conduct, short_type};
pub use diagram::Diagram;
