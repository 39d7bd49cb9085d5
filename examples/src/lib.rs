//! The pipelines of the examples, so that their tests can run them too.

pub mod flights;
