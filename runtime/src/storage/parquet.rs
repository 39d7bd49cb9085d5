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

/// Parquet files. Every value is read back as it was saved.
///
/// Columns are found by name. Further columns are left out. A filter skips the row groups in which it cannot hold.
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
    /// Opens an existing file. Its schema is checked when the file is loaded.
    ///
    /// # Errors
    /// [`DataError::NoFile`] when the file does not exist.
    pub fn open<T: Row>(path: impl Into<PathBuf>) -> Result<Repository<T>, DataError> {
        Self::at(path).open()
    }

    /// Prepares a file to write, which need not exist yet. A missing directory is created now.
    ///
    /// # Errors
    /// [`DataError::Io`] when the directory cannot be created. [`DataError::BadFile`] when the path is a directory.
    pub fn create<T: Row>(path: impl Into<PathBuf>) -> Result<Repository<T>, DataError> {
        Self::at(path).create()
    }

    /// Begins a builder for a file with options. [`ParquetFile::open`] or [`ParquetFile::create`] finishes it.
    pub fn at(path: impl Into<PathBuf>) -> ParquetFile {
        ParquetFile {
            place: Place::new("Parquet", "parquet", path),
            compression: ParquetCompression::default(),
            cast: false,
        }
    }
}

/// A builder for a Parquet file with its format options. [`Parquet::at`] returns it.
#[derive(Clone, Debug)]
pub struct ParquetFile {
    place: Place,
    compression: ParquetCompression,
    cast: bool,
}

impl ParquetFile {
    /// Sets the compression of the pages. Default: Zstandard.
    #[must_use]
    pub fn compression(mut self, compression: ParquetCompression) -> Self {
        self.compression = compression;
        self
    }

    /// Casts the columns of a file from another program to the declared dtypes. A value that does not survive its cast
    /// makes the query fail, as with [`Dataset::cast`](crate::Dataset::cast).
    #[must_use]
    pub fn cast(mut self) -> Self {
        self.cast = true;
        self
    }

    /// Treats the path as a directory whose files form the data. The files are those whose names end in `.parquet` and
    /// begin with neither `.` nor `_`, in the order of their names. The directory is replaced as a whole, in one step.
    #[must_use]
    pub fn directory(mut self) -> Self {
        self.place.set_directory();
        self
    }

    /// Begins a new file of the directory after every `rows` rows. Default: 0, which writes all rows into one file.
    /// Implies [`directory`](Self::directory).
    #[must_use]
    pub fn rows_per_file(mut self, rows: usize) -> Self {
        self.place.set_rows_per_file(rows);
        self
    }

    /// Does the same as [`Parquet::open`], with the options of this builder.
    ///
    /// # Errors
    /// The same as [`Parquet::open`].
    pub fn open<T: Row>(self) -> Result<Repository<T>, DataError> {
        self.place.open()?;
        Ok(Repository::new(self))
    }

    /// Does the same as [`Parquet::create`], with the options of this builder.
    ///
    /// # Errors
    /// The same as [`Parquet::create`].
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
        // A scan that has read the schema remembers the positions of the row groups, and would use them after the file is
        // replaced. A scan with a given schema reads the positions when it runs.
        Ok(self.scan_with(Some(found))?.select(columns))
    }

    /// Returns the columns of the file. Polars panics at unknown types, even in columns that are not read.
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

    /// Returns the INTERVAL columns of the file at any depth, if it has any.
    fn intervals(&self) -> Option<String> {
        let mut reader = ParquetReader::new(std::fs::File::open(&self.place.path).ok()?);
        let columns = reader.get_metadata().ok()?.schema_descr.columns();
        // Polars does not export the type of `converted_type`.
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

/// `true` if the dtype is or contains a decimal with more digits than Polars supports.
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

/// Checks that both have the same columns, in any order. Otherwise values would be lost or invented.
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

/// Registers this format, so that commits can merge its files, including those that an earlier run has kept.
pub(crate) fn add_format() {
    setl_commit::add_format(FORMAT, concatenate);
}

/// Writes the rows of all files into one. The rows of `old` come first, and its order of columns is used.
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

/// Returns a name of the compression for [`compression_of`]. It has no level, because Polars does not export the levels.
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
