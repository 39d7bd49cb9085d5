//! Runs are killed, and disks filled, while several targets are written together, by one process and by several.
#![cfg(all(unix, feature = "polars"))]
#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

mod concurrent;
#[cfg(target_os = "linux")]
mod fixed;
mod full;
mod interrupted;
mod killed;
mod random;
mod targets;
