//! What a query comes to, kept for those who go on with it: in memory, or in a temporary file where the run has a limit of
//! memory.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use polars::prelude::*;

use super::running::{self, Fault};
use super::scan::{polars_path, scan_parquet};
use super::waiting;
use crate::run::current::Current;
use crate::run::memory::Memory;
use crate::run::spill::Spill;

/// Bytes in memory of what is written, and later read, at a time. There are several of them in memory at once.
const ROW_GROUP: u64 = 4 << 20;

/// What a query came to.
pub(crate) enum Materialized {
    /// In memory.
    Here(DataFrame),
    /// In a temporary file.
    Aside(Box<Aside>),
}

impl Materialized {
    /// To go on with it.
    pub(crate) fn into_lazy(self) -> LazyFrame {
        match self {
            Self::Here(frame) => frame.lazy(),
            Self::Aside(aside) => aside.frame,
        }
    }
}

/// A temporary file with the rows of a query.
pub(crate) struct Aside {
    /// Reads it.
    pub(crate) frame: LazyFrame,
    pub(crate) rows: usize,
    #[cfg_attr(not(feature = "optimize"), expect(dead_code, reason = "who shares it removes it"))]
    pub(crate) path: PathBuf,
    /// Keeps it there.
    pub(crate) spill: Arc<Spill>,
}

/// Runs a query and keeps what it comes to, where the run that this thread works for has room for it.
pub(crate) async fn materialized(frame: LazyFrame) -> Result<Materialized, Fault> {
    let Some(shared) = Current::get().map(|current| current.shared).filter(|shared| shared.memory.is_some())
    else {
        return running::collected(frame).await.map(Materialized::Here);
    };
    let of_run = Arc::clone(&shared);
    let begun = crate::run::blocking(move || begin_in(of_run.memory.as_deref(), frame)).await;
    let (query, writing) = begun.map_err(Fault::Query)?;
    running::collected(query).await?;
    crate::run::blocking(move || end_in(shared.memory.as_deref(), writing)).await.map_err(Fault::Query)
}

/// As [`materialized`], on this thread, which waits.
pub(crate) fn materialized_blocking(frame: LazyFrame) -> Result<Materialized, Fault> {
    let Some(current) = Current::get().filter(|current| current.shared.memory.is_some()) else {
        return running::collected_blocking(frame).map(Materialized::Here);
    };
    let memory = current.shared.memory.as_deref();
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
    /// What writes the rows of a query into a temporary file, without holding all of them. It blocks.
    pub(crate) fn begin(memory: &Memory, mut frame: LazyFrame) -> PolarsResult<(LazyFrame, Self)> {
        let schema = waiting(|| frame.collect_schema())?;
        let spill = memory.spill().map_err(|error| PolarsError::ComputeError(format!("{error:#}").into()))?;
        let path = spill.file();
        let target = SinkTarget::Path(polars_path(&path)?);
        let rows = ROW_GROUP / row_width(&schema).max(1);
        let options = ParquetWriteOptions {
            row_group_size: Some(usize::try_from(rows).unwrap_or(usize::MAX).clamp(1024, 1 << 18)),
            // It is read soon, and by nobody else.
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

    /// What has been written. Where it is little, it is taken into memory. It blocks.
    pub(crate) fn end(self, memory: &Memory) -> PolarsResult<Materialized> {
        let Self { schema, path, spill } = self;
        spill.count(&path);
        let frame = scan_parquet(&path, Some(schema.clone()))?;
        let counted = waiting(|| frame.clone().select([len()]).collect())?;
        let rows = counted.columns()[0].get(0)?.extract::<usize>().unwrap_or_default();
        let bytes = rows as u64 * row_width(&schema);
        if memory.keeps(bytes) {
            let here = waiting(|| frame.collect())?;
            // Whoever drops the rest removes it, too.
            let _ = fs::remove_file(&path);
            return Ok(Materialized::Here(here));
        }
        Ok(Materialized::Aside(Box::new(Aside { frame, rows, path, spill })))
    }
}

/// Bytes of a row in memory, about.
fn row_width(schema: &Schema) -> u64 {
    schema.iter_values().map(width).sum()
}

/// Bytes of a value in memory, about.
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
