//! Runs with a limit of memory: what stays below it, what cannot start, and what is ended.
#![cfg(all(target_os = "linux", feature = "polars"))]
#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

mod larger;
mod limits;
