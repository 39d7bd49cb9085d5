//! Runs are killed, and disks filled, while three targets are written together.
#![cfg(all(unix, feature = "polars"))]
#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

mod full;
mod killed;
mod targets;
