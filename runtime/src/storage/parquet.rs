//! Parquet files.

use std::fmt;
use std::path::{Path, PathBuf};

use polars::prelude::*;

use super::file::{self, Place};
use super::{Connector, Repository, ScanRequest, StageRequest, StagedWrite};
use crate::base::panic::caught;
use crate::dataset::cast::{exact, is_castable, named};
use crate::dataset::scan::{polars_path, scan_parquet};
use crate::dataset::{DataError, Provenance, Row, waiting};
use setl_commit::{Recipe, WriteError};

/// Parquet files. Every value comes back as it was saved.
///
/// Columns are found by name; further columns are left out. A condition skips the row groups in which it cannot hold.
///
/// ```no_run
/// use setl::storage::{Parquet, Repository};
/// use setl::Row;
///
/// #[derive(Row)]
/// struct Flight {
///     carrier: String,
///     delay: Option<f64>,
/// }
///
/// let flights: Repository<Flight> = Parquet::create("out/flights.parquet")?;
/// # Ok::<(), setl::Error>(())
/// ```
#[derive(Debug)]
pub struct Parquet;

impl Parquet {
    /// The rows of a file that exists. Its schema is checked when it is loaded.
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

    /// A file whose options follow; ends in [`ParquetFile::open`] or [`ParquetFile::create`].
    pub fn at(path: impl Into<PathBuf>) -> ParquetFile {
        ParquetFile {
            place: Place::new("Parquet", "parquet", path),
            compression: ParquetCompression::default(),
            cast: false,
        }
    }
}

/// A Parquet file and how it is written; made by [`Parquet::at`].
#[derive(Clone, Debug)]
pub struct ParquetFile {
    place: Place,
    compression: ParquetCompression,
    cast: bool,
}

impl ParquetFile {
    /// How the pages are compressed; with Zstandard, if nothing is said.
    #[must_use]
    pub fn compression(mut self, compression: ParquetCompression) -> Self {
        self.compression = compression;
        self
    }

    /// Casts the columns of a file that another program wrote to the declared dtypes. A value that does not survive
    /// its cast makes the query fail, as with [`Dataset::cast`](crate::Dataset::cast).
    #[must_use]
    pub fn cast(mut self) -> Self {
        self.cast = true;
        self
    }

    /// Takes the path for a directory, whose files are the data together: those whose names end in `.parquet` and begin
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

    /// As [`Parquet::open`].
    ///
    /// # Errors
    /// As [`Parquet::open`].
    pub fn open<T: Row>(self) -> Result<Repository<T>, DataError> {
        self.place.open()?;
        Ok(Repository::new(self))
    }

    /// As [`Parquet::create`].
    ///
    /// # Errors
    /// As [`Parquet::create`].
    pub fn create<T: Row>(self) -> Result<Repository<T>, DataError> {
        self.place.prepare()?;
        Ok(Repository::new(self))
    }

    fn scan_file(&self, request: &ScanRequest<'_>) -> crate::Result<LazyFrame> {
        let found = self.schema()?;
        let shape = request.shape;
        let same = |name: &PlSmallStr, dtype: &DataType| {
            let declared = shape.columns.iter().find(|column| column.name == name.as_str());
            let cast = declared.filter(|column| self.cast && is_castable(dtype, &column.dtype));
            cast.map_or_else(|| dtype.clone(), |column| column.dtype.clone())
        };
        let checked: Schema = found.iter().map(|(name, dtype)| (name.clone(), same(name, dtype))).collect();
        shape.check(&checked, || Provenance::at(shape.row, self.to_string()))?;
        let columns: Vec<_> = shape
            .columns
            .iter()
            .map(|column| match found.get(column.name) {
                Some(dtype) => exact(column, dtype),
                None => named(column.name),
            })
            .collect();
        // A scan that has read the schema remembers where the row groups are, and would look for them there after the
        // file is replaced. One that is given the schema looks when it runs.
        Ok(self.scan_with(Some(found))?.select(columns))
    }

    /// The columns of the file. Polars panics at types that it does not know, in columns that nobody reads too.
    fn schema(&self) -> crate::Result<SchemaRef> {
        let mut scan = self.scan_with(None)?;
        let unknown = |what: &str| {
            let cure = "write the file without that column, or with another type";
            self.place.bad(format!("it has {what}, a type that Polars does not know; {cure}"))
        };
        let found = caught(|| waiting(|| scan.collect_schema()))
            .map_err(|panic| {
                unknown(&match self.intervals() {
                    Some(names) => format!("{names} of INTERVAL"),
                    None => format!("a column ({})", panic),
                })
            })?
            .map_err(|error| self.place.bad(error.to_string()))?;
        if let Some((name, dtype)) = found.iter().find(|(_, dtype)| is_too_wide(dtype)) {
            return Err(unknown(&format!("column `{name}` of {dtype:?}")).into());
        }
        Ok(found)
    }

    /// The columns of INTERVAL of the file, at whatever depth, if it has any.
    fn intervals(&self) -> Option<String> {
        let mut reader = ParquetReader::new(std::fs::File::open(&self.place.path).ok()?);
        let columns = reader.get_metadata().ok()?.schema_descr.columns();
        // The type of the type is none that Polars gives out.
        let intervals = columns.iter().filter(|column| {
            format!("{:?}", column.descriptor.primitive_type.converted_type) == "Some(Interval)"
        });
        let names: Vec<_> =
            intervals.map(|column| format!("column `{}`", column.path_in_schema.join("."))).collect();
        (!names.is_empty()).then(|| names.join(", "))
    }

    fn scan_with(&self, schema: Option<SchemaRef>) -> crate::Result<LazyFrame> {
        Ok(scan_parquet(&self.place.path, schema)?)
    }
}

/// Whether it is a decimal of more digits than Polars has, or holds one.
fn is_too_wide(dtype: &DataType) -> bool {
    match dtype {
        DataType::Decimal(digits, _) => *digits > 38,
        DataType::List(inner) | DataType::Array(inner, _) => is_too_wide(inner),
        DataType::Struct(fields) => fields.iter().any(|field| is_too_wide(field.dtype())),
        _ => false,
    }
}

impl fmt::Display for ParquetFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.place.fmt(f)
    }
}

impl Connector for ParquetFile {
    fn scan(&self, request: &ScanRequest<'_>) -> crate::Result<LazyFrame> {
        self.place.scan(request, |place| Self { place, ..self.clone() }.scan_file(request))
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
        add_format();
        let recipe = Recipe::Format { name: FORMAT.to_owned(), options: compression_name(self.compression) };
        let columns = request.shape.columns.iter();
        let schema: Schema = columns.map(|column| (column.name.into(), column.dtype.clone())).collect();
        let check = |place: Place| check_appendable(&place.path, &schema);
        self.place.stage(query, write_format(self.compression), request, recipe, check)
    }

    fn target(&self) -> String {
        self.place.target()
    }
}

fn write_format(compression: ParquetCompression) -> FileWriteFormat {
    FileWriteFormat::Parquet(ParquetWriteOptions { compression, ..ParquetWriteOptions::default() }.into())
}

/// All columns must be in both, in whatever order, or values would be lost or made up.
fn check_appendable(path: &Path, new: &Schema) -> crate::Result<()> {
    let old = scan_parquet(path, None)?.collect_schema()?;
    let listed = |one: &Schema, other: &Schema| {
        let only = one.iter().filter(|(name, dtype)| other.get(name) != Some(dtype));
        only.map(|(name, dtype)| format!("`{name}` of {dtype:?}")).collect::<Vec<_>>()
    };
    let (more, lacking) = (listed(&old, new), listed(new, &old));
    if more.is_empty() && lacking.is_empty() {
        return Ok(());
    }
    let part = |names: Vec<String>, what: &str| {
        (!names.is_empty()).then(|| format!("only the {what} rows have {}", names.join(", ")))
    };
    let reason: Vec<_> = part(more, "old").into_iter().chain(part(lacking, "new")).collect();
    Err(WriteError::Append { target: path.display().to_string(), reason: reason.join(", ") }.into())
}

/// The name of this format in [recipes](Recipe).
const FORMAT: &str = "Parquet";

/// Lets commits put files of this format together, also those that an earlier run has kept.
pub(crate) fn add_format() {
    setl_commit::add_format(FORMAT, concatenate);
}

/// Writes the rows of all files into one, those of `old` first, with its order of columns.
fn concatenate(compression: &str, old: Option<&Path>, pieces: &[PathBuf], into: &Path) -> crate::Result<()> {
    waiting(|| {
        let mut paths = old.into_iter().chain(pieces.iter().map(PathBuf::as_path));
        let first = paths.next().ok_or_else(|| crate::Error::msg("there are no rows to put together"))?;
        let mut query = scan_parquet(first, None)?;
        let schema = query.collect_schema()?;
        let columns: Vec<_> = schema.iter_names().map(|name| named(name)).collect();
        let mut queries = vec![query];
        for path in paths {
            check_appendable(path, &schema)?;
            queries.push(scan_parquet(path, None)?.select(columns.clone()));
        }
        let target = SinkDestination::File { target: SinkTarget::Path(polars_path(into)?) };
        let rows = concat(queries, UnionArgs::default())?;
        file::sink(rows, target, write_format(compression_of(compression)))
    })
}

/// A name that can be written down, and read by [`compression_of`]. Levels are not among what Polars exports.
fn compression_name(compression: ParquetCompression) -> String {
    let name = match compression {
        ParquetCompression::Uncompressed => "none",
        ParquetCompression::Snappy => "snappy",
        ParquetCompression::Lz4Raw => "lz4",
        ParquetCompression::Gzip(_) => "gzip",
        ParquetCompression::Brotli(_) => "brotli",
        ParquetCompression::Zstd(_) => "zstd",
    };
    name.to_owned()
}

fn compression_of(name: &str) -> ParquetCompression {
    match name {
        "none" => ParquetCompression::Uncompressed,
        "snappy" => ParquetCompression::Snappy,
        "lz4" => ParquetCompression::Lz4Raw,
        "gzip" => ParquetCompression::Gzip(None),
        "brotli" => ParquetCompression::Brotli(None),
        _ => ParquetCompression::Zstd(None),
    }
}
