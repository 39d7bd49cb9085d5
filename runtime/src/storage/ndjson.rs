//! Files with one JSON object per line.

use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader, Cursor};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use polars::io::ndjson::infer_schema;
use polars::prelude::*;

use super::file::Place;
use super::tally::Tally;
use super::text::{self, Patterns};
use super::{Connector, Repository, ScanRequest, StageRequest, StagedWrite};
use crate::commit::Recipe;
use crate::dataset::{ColumnDef, DataError, Provenance, Row, Shape};

/// Files with one JSON object per line, read with the dtypes that the row declares.
///
/// Keys are found by name; further keys are left out, and a key that an object lacks is null in its row.
///
/// - Dates and times are ISO 8601 texts; a moment with an offset is brought to UTC. A duration is a whole number of
///   microseconds.
/// - JSON has no NaN and no infinity: saving one is refused with [`DataError::NotRepresentable`].
/// - A number, boolean, list or object where the row declares text is read as its JSON.
///
/// ```no_run
/// use setl::storage::{Ndjson, Repository};
/// use setl::Row;
///
/// #[derive(Row)]
/// struct Flight {
///     carrier: String,
///     delay: Option<f64>,
/// }
///
/// let flights: Repository<Flight> = Ndjson::open("flights.jsonl")?;
/// # Ok::<(), setl::Error>(())
/// ```
#[derive(Debug)]
pub struct Ndjson;

impl Ndjson {
    /// The rows of a file that exists. Its first object is checked when it is loaded.
    ///
    /// # Errors
    /// [`DataError::NoFile`] when there is no such file.
    pub fn open<T: Row>(path: impl Into<PathBuf>) -> Result<Repository<T>, DataError> {
        Self::at(path).open()
    }

    /// A file to write, which need not exist yet. Its directory is made now, if need be.
    ///
    /// # Errors
    /// [`DataError::Io`] when the directory cannot be made, [`DataError::BadFile`] when the path is a directory.
    pub fn create<T: Row>(path: impl Into<PathBuf>) -> Result<Repository<T>, DataError> {
        Self::at(path).create()
    }

    /// A file; ends in [`NdjsonFile::open`] or [`NdjsonFile::create`].
    pub fn at(path: impl Into<PathBuf>) -> NdjsonFile {
        NdjsonFile { place: Place::new("NDJSON", "jsonl", path) }
    }
}

/// A file with one JSON object per line; made by [`Ndjson::at`].
#[derive(Clone, Debug)]
pub struct NdjsonFile {
    place: Place,
}

impl NdjsonFile {
    /// Takes the path for a directory, whose files are the data together: those whose names end in `.jsonl` and begin
    /// neither with `.` nor with `_`, in the order of their names. It is replaced as a whole, in one step.
    #[must_use]
    pub fn directory(mut self) -> Self {
        self.place.set_directory();
        self
    }

    /// Begins a new file of the directory after so many rows; if nothing is said, or 0, all rows go into one file.
    /// Implies [`directory`](Self::directory).
    #[must_use]
    pub fn rows_per_file(mut self, rows: usize) -> Self {
        self.place.set_rows_per_file(rows);
        self
    }

    /// As [`Ndjson::open`].
    ///
    /// # Errors
    /// As [`Ndjson::open`].
    pub fn open<T: Row>(self) -> Result<Repository<T>, DataError> {
        self.place.check_exists()?;
        Ok(Repository::new(self))
    }

    /// As [`Ndjson::create`].
    ///
    /// # Errors
    /// As [`Ndjson::create`].
    pub fn create<T: Row>(self) -> Result<Repository<T>, DataError> {
        self.place.prepare()?;
        Ok(Repository::new(self))
    }

    fn scan_file(&self, request: &ScanRequest<'_>) -> crate::Result<LazyFrame> {
        self.check_first_object(request.shape)?;
        let columns = &request.shape.columns;
        let schema: Schema = columns.iter().map(|column| (column.name.into(), raw(&column.dtype))).collect();
        let mut frame = LazyJsonLineReader::new(self.place.polars_path()?)
            .with_schema(Some(Arc::new(schema)))
            .finish()?;
        // A path is a path, also one with a `*` or a `[` in it.
        if let DslPlan::Scan { unified_scan_args, .. } = &mut frame.logical_plan {
            unified_scan_args.glob = false;
        }
        Ok(frame.select(columns.iter().map(declared).collect::<Vec<_>>()))
    }

    /// The keys of the first object; none if the file has no object.
    fn first_keys(&self) -> Result<Schema, DataError> {
        let file = File::open(&self.place.path).map_err(|source| self.place.io("open", source))?;
        for line in BufReader::new(file).lines() {
            let line = line.map_err(|source| self.place.io("read", source))?;
            if !line.trim().is_empty() {
                return infer_schema(&mut Cursor::new(line), NonZeroUsize::new(1)).map_err(|error| {
                    self.place.bad(format!("its first line is not a JSON object: {error}"))
                });
            }
        }
        Ok(Schema::default())
    }

    /// A required column that the first object lacks is reported now rather than as nulls after a long read.
    fn check_first_object(&self, shape: &Shape) -> Result<(), DataError> {
        let keys = self.first_keys()?;
        if keys.is_empty() {
            return Ok(());
        }
        // What a value is, Polars finds when it reads it: only the keys are compared.
        let found: Schema = keys
            .iter_names()
            .map(|key| {
                let declared = shape.columns.iter().find(|column| column.name == key.as_str());
                (key.clone(), declared.map_or(DataType::String, |column| column.dtype.clone()))
            })
            .chain(optional_columns(shape, &keys))
            .collect();
        shape.check(&found, || Provenance::at(shape.row, self.to_string()))
    }
}

/// The columns that an object may lack.
fn optional_columns(shape: &Shape, keys: &Schema) -> impl Iterator<Item = (PlSmallStr, DataType)> {
    let optional = shape.columns.iter().filter(|column| column.nullable && !keys.contains(column.name));
    optional.map(|column| (column.name.into(), column.dtype.clone()))
}

/// The dtype that Polars can read from JSON on the way to `dtype`.
fn raw(dtype: &DataType) -> DataType {
    match dtype {
        DataType::Int8 | DataType::Int16 | DataType::UInt8 | DataType::UInt16 | DataType::Duration(_) => {
            DataType::Int64
        }
        dtype if text::is_text(dtype) => DataType::String,
        dtype => dtype.clone(),
    }
}

fn declared(column: &ColumnDef) -> Expr {
    match &column.dtype {
        dtype if text::is_text(dtype) => text::parsed(column, &Patterns::default()),
        dtype if raw(dtype) != *dtype => col(column.name).strict_cast(dtype.clone()),
        _ => col(column.name),
    }
}

fn not_finite(series: &Series) -> usize {
    let finite = match series.dtype() {
        DataType::Float32 => series.f32().map(|values| values.is_finite().sum()),
        DataType::Float64 => series.f64().map(|values| values.is_finite().sum()),
        _ => return 0,
    };
    let finite = finite.ok().flatten().unwrap_or(0) as usize;
    series.len() - series.null_count() - finite
}

impl fmt::Display for NdjsonFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.place.fmt(f)
    }
}

impl Connector for NdjsonFile {
    fn scan(&self, request: &ScanRequest<'_>) -> crate::Result<LazyFrame> {
        self.place.scan(request, |place| Self { place }.scan_file(request))
    }

    fn path(&self) -> Option<&Path> {
        Some(&self.place.path)
    }

    fn options(&self) -> Option<String> {
        Some(format!("{self:?}"))
    }

    fn stage(&self, query: LazyFrame, request: &StageRequest<'_>) -> crate::Result<Box<dyn StagedWrite>> {
        if let Some(untouched) = self.place.untouched(request) {
            return Ok(untouched);
        }
        let shape = request.shape;
        let floats = shape.columns.iter().filter(|column| column.dtype.is_float()).map(|column| column.name);
        let (query, unwritable) = Tally::on(query, floats, not_finite);
        let options = NDJsonWriterOptions { check_extension: false, ..NDJsonWriterOptions::default() };
        let query = text::with_durations_as_numbers(query, shape);
        let recipe = Recipe::Lines { header: String::new() };
        let check = |place| Ok(Self { place }.check_first_object(shape)?);
        let staged = self.place.stage(query, FileWriteFormat::NDJson(options), request, recipe, check)?;
        let columns = unwritable.found();
        if columns.is_empty() {
            return Ok(staged);
        }
        staged.rollback()?;
        Err(DataError::NotRepresentable {
            subject: Provenance::of(shape.row).into(),
            place: self.to_string(),
            what: "NaN or infinite value",
            columns,
            fix: "JSON has neither: turn them into nulls, or write Parquet or CSV",
        }
        .into())
    }
    fn target(&self) -> String {
        self.place.target()
    }
}
