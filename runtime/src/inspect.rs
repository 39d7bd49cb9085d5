//! Looking at a pipeline without running it.

mod describe;
mod diagram;

pub use describe::describe;
pub use diagram::Diagram;
