//! Materialized queries: their results in memory, or in a temporary file if the run has a memory limit.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use polars::prelude::*;

use super::running::{self, Fault};
use super::scan::{polars_path, scan_parquet};
use super::waiting;
use crate::memory::Memory;
use crate::memory::spill::Spill;
use crate::run::current::Current;

/// The size in memory of a row group, in bytes. Several of them are in memory at the same time.
const ROW_GROUP: u64 = 4 << 20;

/// A materialized query.
pub(crate) enum Materialized {
    /// The result is in memory.
    Here(DataFrame),
    /// The result is in a temporary file.
    Aside(Box<Aside>),
}

impl Materialized {
    /// Returns a query that reads the result.
    pub(crate) fn into_lazy(self) -> LazyFrame {
        match self {
            Self::Here(frame) => frame.lazy(),
            Self::Aside(aside) => aside.frame,
        }
    }
}

/// A temporary file with the rows of a query.
pub(crate) struct Aside {
    /// The query that reads the file.
    pub(crate) frame: LazyFrame,
    pub(crate) rows: usize,
    pub(crate) path: PathBuf,
    /// Keeps the directory of the file.
    pub(crate) spill: Arc<Spill>,
}

/// Runs a query and materializes its result where the run of this thread has room for it.
pub(crate) async fn materialized(frame: LazyFrame) -> Result<Materialized, Fault> {
    let Some(shared) =
        Current::get().map(|current| current.shared).filter(|shared| shared.hook::<Memory>().is_some())
    else {
        return running::collected(frame).await.map(Materialized::Here);
    };
    let of_run = Arc::clone(&shared);
    let begun = crate::run::blocking(move || begin_in(of_run.hook(), frame)).await;
    let (query, writing) = begun.map_err(Fault::Query)?;
    running::collected(query).await?;
    crate::run::blocking(move || end_in(shared.hook(), writing)).await.map_err(Fault::Query)
}

/// Does the same as [`materialized`] and blocks this thread.
pub(crate) fn materialized_blocking(frame: LazyFrame) -> Result<Materialized, Fault> {
    let Some(current) = Current::get().filter(|current| current.shared.hook::<Memory>().is_some()) else {
        return running::collected_blocking(frame).map(Materialized::Here);
    };
    let memory = current.shared.hook();
    let (query, writing) = begin_in(memory, frame).map_err(Fault::Query)?;
    running::collected_blocking(query)?;
    end_in(memory, writing).map_err(Fault::Query)
}

fn begin_in(memory: Option<&Memory>, frame: LazyFrame) -> PolarsResult<(LazyFrame, Writing)> {
    match memory {
        Some(memory) => Writing::begin(memory, frame),
        None => polars_bail!(ComputeError: "the run has no limit of memory"),
    }
}

fn end_in(memory: Option<&Memory>, writing: Writing) -> PolarsResult<Materialized> {
    match memory {
        Some(memory) => writing.end(memory),
        None => polars_bail!(ComputeError: "the run has no limit of memory"),
    }
}

/// A temporary file that is being written.
pub(crate) struct Writing {
    schema: SchemaRef,
    path: PathBuf,
    spill: Arc<Spill>,
}

impl Writing {
    /// Returns a query that writes the rows of `frame` into a temporary file without holding all of them in memory. This
    /// blocks.
    pub(crate) fn begin(memory: &Memory, mut frame: LazyFrame) -> PolarsResult<(LazyFrame, Self)> {
        let schema = waiting(|| frame.collect_schema())?;
        let spill = memory.spill().map_err(|error| PolarsError::ComputeError(format!("{error:#}").into()))?;
        let path = spill.file();
        let target = SinkTarget::Path(polars_path(&path)?);
        let rows = ROW_GROUP / row_width(&schema).max(1);
        let options = ParquetWriteOptions {
            row_group_size: Some(usize::try_from(rows).unwrap_or(usize::MAX).clamp(1024, 1 << 18)),
            // The file is read soon, and only by this run.
            compression: ParquetCompression::Lz4Raw,
            ..ParquetWriteOptions::default()
        };
        let query = frame.sink(
            SinkDestination::File { target },
            FileWriteFormat::Parquet(options.into()),
            UnifiedSinkArgs::default(),
        )?;
        Ok((query, Self { schema, path, spill }))
    }

    /// Returns the written rows. A small result is loaded into memory. This blocks.
    pub(crate) fn end(self, memory: &Memory) -> PolarsResult<Materialized> {
        let Self { schema, path, spill } = self;
        spill.count(&path);
        let frame = scan_parquet(&path, Some(schema.clone()))?;
        let counted = waiting(|| frame.clone().select([len()]).collect())?;
        let rows = counted.columns()[0].get(0)?.extract::<usize>().unwrap_or_default();
        let bytes = rows as u64 * row_width(&schema);
        if memory.keeps(bytes) {
            let here = waiting(|| frame.collect())?;
            // The directory is removed later with all remaining files.
            let _ = fs::remove_file(&path);
            return Ok(Materialized::Here(here));
        }
        Ok(Materialized::Aside(Box::new(Aside { frame, rows, path, spill })))
    }
}

/// The approximate size of a row in memory, in bytes.
fn row_width(schema: &Schema) -> u64 {
    schema.iter_values().map(width).sum()
}

/// The approximate size of a value in memory, in bytes.
fn width(dtype: &DataType) -> u64 {
    match dtype {
        DataType::Boolean | DataType::Int8 | DataType::UInt8 => 1,
        DataType::Int16 | DataType::UInt16 => 2,
        DataType::Int32 | DataType::UInt32 | DataType::Float32 | DataType::Date => 4,
        DataType::String | DataType::Binary => 40,
        DataType::List(inner) => 16 + 4 * width(inner),
        DataType::Struct(fields) => fields.iter().map(|field| width(field.dtype())).sum(),
        _ => 8,
    }
}
