//! The attribute and derive macros of `setl`. Use them through the `setl` crate.

mod errors;
