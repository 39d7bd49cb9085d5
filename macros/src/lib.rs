//! The attribute and derive macros of `setl`.
