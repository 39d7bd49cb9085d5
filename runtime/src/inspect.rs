//! Looking at a pipeline without running it.

mod describe;
mod diagram;

pub use describe::describe;
pub(crate) use describe::{conduct, short_type};
pub use diagram::Diagram;
#[cfg(feature = "optimize")]
pub(crate) use diagram::{mermaid_text, quoted as dot_text};
