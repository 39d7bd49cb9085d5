//! Storage of data: connectors to formats and places, and typed repositories.
//!
//! A [`Connector`] knows a format and a place. A [`Repository<T>`] is a connector with rows of `T`: it loads data with
//! the columns of `T`, and saves a [`Dataset<T>`](crate::dataset::Dataset).
//!
//! Nothing is written in place. A write is staged beside its target and then put in its place in one step, so the target
//! always holds either the old data or the new data. In a run, all writes are put in their places together, after the run
//! has succeeded.

mod bound;
mod connector;
mod csv;
mod file;
pub(crate) mod locate;
mod memory;
mod ndjson;
mod parquet;
mod repository;
mod seen;
mod tally;
mod text;

pub use connector::{Connector, SaveMode, ScanRequest, StageRequest};
pub use csv::{Csv, CsvFile};
pub use memory::Memory;
pub use ndjson::{Ndjson, NdjsonFile};
pub use parquet::{Parquet, ParquetFile};
pub use repository::{Repository, Staged};
pub use setl_commit::StagedWrite;

pub(crate) use bound::delivered;
pub(crate) use locate::reads_lines;
pub(crate) use locate::{located, scanned};
pub(crate) use parquet::add_format;
pub(crate) use seen::{Seen, WatchesFiles};
