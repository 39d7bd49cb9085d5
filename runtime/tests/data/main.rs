//! Rows, datasets, files: one binary, because linking Polars takes longer than the tests.
#![cfg(feature = "polars")]
#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

mod answers;
mod cached;
mod contract;
mod csv_faults;
mod csv_written;
mod ending;
mod files;
#[cfg(feature = "optimize")]
mod learned;
mod learning;
mod modes;
mod ndjson_faults;
mod overwritten;
mod parquet;
mod paths;
mod ranges;
mod referee;
#[cfg(feature = "optimize")]
mod reported;
mod round_trips;
mod rows;
mod runs;
mod scratch;
mod spawned;
mod together;
mod tpch;
mod waiting;
