//! Running a pipeline.

mod blocking;
pub use blocking::blocking;
