//! Files with one JSON object per line.

mod json;
mod plain;
mod rows;

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use polars::prelude::*;

use self::json::NotJson;
use super::csv::check::Problem;
use super::csv::fields::Dialect;
use super::csv::records::Records;
use super::file::Place;
use super::tally::Tally;
use super::text::{self, shortened};
use super::{Connector, Repository, ScanRequest, StageRequest, StagedWrite};
use crate::dataset::{DataError, Provenance, Row, RowSchema};
use setl_commit::Recipe;

pub(crate) use self::plain::CHECK_JSON;
pub(crate) use self::rows::NO_SEPARATOR;
pub(crate) use self::rows::PARSE_JSON;

/// Files with one JSON object per line, read with the dtypes that the row declares.
///
/// Keys are found by name. Further keys are left out. A key that an object lacks is null in its row.
///
/// - Dates and times are texts in ISO 8601. A moment with an offset is converted to UTC. A duration is a whole number of
///   microseconds.
/// - JSON has no NaN and no infinity: saving one is refused with [`DataError::NotRepresentable`].
/// - If the row declares text, a number, boolean, list or object is read as its JSON, as it is written in the file.
/// - Invalid JSON, a duplicate key that the row declares, and a number that its column cannot hold are errors that name
///   the file, line and column. An empty line is skipped.
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
    /// Opens an existing file. Its first objects are checked when the file is loaded.
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

    /// Begins a builder for a file with options. [`NdjsonFile::open`] or [`NdjsonFile::create`] finishes it.
    pub fn at(path: impl Into<PathBuf>) -> NdjsonFile {
        NdjsonFile { place: Place::new("NDJSON", "jsonl", path) }
    }
}

/// A builder for a file with one JSON object per line. [`Ndjson::at`] returns it.
#[derive(Clone, Debug)]
pub struct NdjsonFile {
    place: Place,
}

impl NdjsonFile {
    /// Treats the path as a directory whose files form the data. The files are those whose names end in `.jsonl` and
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

    /// Does the same as [`Ndjson::open`], with the options of this builder.
    ///
    /// # Errors
    /// The same as [`Ndjson::open`].
    pub fn open<T: Row>(self) -> Result<Repository<T>, DataError> {
        self.place.open()?;
        Ok(Repository::new(self))
    }

    /// Does the same as [`Ndjson::create`], with the options of this builder.
    ///
    /// # Errors
    /// The same as [`Ndjson::create`].
    pub fn create<T: Row>(self) -> Result<Repository<T>, DataError> {
        self.place.prepare()?;
        Ok(Repository::new(self))
    }

    fn scan_file(&self, request: &ScanRequest<'_>) -> crate::Result<LazyFrame> {
        self.check_first_objects(request.shape)?;
        if let Some(plain) = plain::scan(&self.place.path, self.place.polars_path()?, &request.shape.columns)?
        {
            return Ok(plain);
        }
        let line = Schema::from_iter([Field::new(rows::LINE.into(), DataType::String)]);
        let lines = LazyCsvReader::new(self.place.polars_path()?)
            .with_glob(false)
            .with_has_header(false)
            .with_separator(NO_SEPARATOR)
            .with_quote_char(None)
            .with_truncate_ragged_lines(true)
            .with_raise_if_empty(false)
            .with_schema(Some(Arc::new(line)))
            .finish()?;
        Ok(rows::parsed(lines, &request.shape.columns))
    }

    /// Reads the keys of the first objects.
    fn first_keys(&self) -> Result<FirstKeys, DataError> {
        let dialect =
            Dialect { separator: NO_SEPARATOR, quote: None, comment: None, header: false, skip_lines: 0 };
        let failed = |problem| match problem {
            Problem::Io(source) => self.place.io("read", source),
            Problem::Bad(reason) => self.place.bad(reason),
        };
        let mut records = Records::open(&self.place.path, &dialect).map_err(failed)?;
        let mut keys = FirstKeys::default();
        while keys.objects < FIRST_OBJECTS && records.next(&[]).map_err(failed)? {
            let (line, number) = (records.text(), records.line);
            if line.trim().is_empty() {
                continue;
            }
            let first = keys.objects == 0;
            let members = json::members(&line, |key, _| {
                let key = key.value().into_owned();
                if first {
                    keys.of_first.insert(key.clone());
                }
                keys.all.insert(key);
                Ok::<_, NotJson>(())
            });
            if let Err(fault) = members {
                let (rest, reason) = rows::not_json(&line, fault);
                return Err(self
                    .place
                    .bad(format!("line {number} is not a JSON object: `{}` {reason}", shortened(&rest))));
            }
            keys.objects += 1;
        }
        Ok(keys)
    }

    /// Reports missing columns now, rather than as nulls after a long read. A column is missing if it is required and the
    /// first object lacks it, if a key differs from it only in case or separators, or if no object has any declared
    /// column.
    fn check_first_objects(&self, shape: &RowSchema) -> Result<(), DataError> {
        let keys = self.first_keys()?;
        if keys.objects == 0 {
            return Ok(());
        }
        let plain = |key: &str| key.to_lowercase().replace(['_', '-', ' '], "");
        let declared = |key: &str| shape.columns.iter().any(|column| column.name == key);
        let others: BTreeSet<_> =
            keys.all.iter().filter(|key| !declared(key)).map(|key| plain(key)).collect();
        let has_any = keys.all.iter().any(|key| declared(key));
        let may_lack = |name: &str| has_any && !keys.all.contains(name) && !others.contains(&plain(name));
        // Values are checked when they are read. Here, only the keys are compared.
        let found: Schema = shape
            .columns
            .iter()
            .filter(|column| match column.nullable {
                true => keys.all.contains(column.name) || may_lack(column.name),
                false => keys.of_first.contains(column.name),
            })
            .map(|column| (column.name.into(), column.dtype.clone()))
            .chain(keys.all.iter().filter(|key| !declared(key)).map(|key| (key.into(), DataType::String)))
            .collect();
        shape.check(&found, || Provenance::at(shape.row, self.to_string()))
    }
}

/// The maximum number of objects that are checked when a file is loaded.
const FIRST_OBJECTS: usize = 1000;

/// The keys of the first objects of a file.
#[derive(Default)]
struct FirstKeys {
    objects: usize,
    of_first: BTreeSet<String>,
    all: BTreeSet<String>,
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
        let is_bare = self.place.is_bare(request);
        let check = |place: Place| {
            if is_bare {
                place.check_plain()?;
            }
            Ok(Self { place }.check_first_objects(shape)?)
        };
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
