//! Parquet files.

use std::fmt;
use std::path::PathBuf;

use polars::prelude::*;

use super::file::Place;
use super::{Connector, Repository, ScanRequest, StagedWrite};
use crate::dataset::{DataError, Provenance, Row, Shape};

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
            place: Place::new("Parquet", path),
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
    /// its cast makes the query fail; it never becomes null.
    #[must_use]
    pub fn cast(mut self) -> Self {
        self.cast = true;
        self
    }

    /// As [`Parquet::open`].
    ///
    /// # Errors
    /// As [`Parquet::open`].
    pub fn open<T: Row>(self) -> Result<Repository<T>, DataError> {
        self.place.check_exists()?;
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

    fn scan_with(&self, schema: Option<SchemaRef>) -> crate::Result<LazyFrame> {
        let arguments = ScanArgsParquet { schema, glob: false, ..ScanArgsParquet::default() };
        Ok(LazyFrame::scan_parquet(self.place.polars_path()?, arguments)?)
    }
}

impl fmt::Display for ParquetFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.place.fmt(f)
    }
}

impl Connector for ParquetFile {
    fn scan(&self, request: &ScanRequest<'_>) -> crate::Result<LazyFrame> {
        self.place.check_exists()?;
        let found =
            self.scan_with(None)?.collect_schema().map_err(|error| self.place.bad(error.to_string()))?;
        let shape = request.shape;
        let same = |name: &PlSmallStr, dtype: &DataType| {
            let declared = shape.columns.iter().find(|column| column.name == name.as_str());
            declared.filter(|_| self.cast).map_or_else(|| dtype.clone(), |column| column.dtype.clone())
        };
        let checked: Schema = found.iter().map(|(name, dtype)| (name.clone(), same(name, dtype))).collect();
        shape.check(&checked, || Provenance::at(shape.row, self.to_string()))?;
        let columns: Vec<_> = shape
            .columns
            .iter()
            .map(|column| match found.get(column.name) {
                Some(dtype) if *dtype != column.dtype => col(column.name).strict_cast(column.dtype.clone()),
                _ => col(column.name),
            })
            .collect();
        // A scan that has read the schema remembers where the row groups are, and would look for them there after the
        // file is replaced. One that is given the schema looks when it runs.
        Ok(self.scan_with(Some(found))?.select(columns))
    }

    fn stage(&self, query: LazyFrame, _: &Shape) -> crate::Result<Box<dyn StagedWrite>> {
        let options = ParquetWriteOptions { compression: self.compression, ..ParquetWriteOptions::default() };
        self.place.stage(query, FileWriteFormat::Parquet(options.into()))
    }
}
