//! CSV files.

mod blocks;
pub(super) mod check;
pub(super) mod fields;
pub(super) mod guard;
pub(super) mod records;
mod write;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};

use encoding_rs::Encoding;
use polars::prelude::*;

use self::check::{Check, Problem};
use self::fields::Dialect;
use self::guard::{Guard, Print};
use self::records::{Records, decoded};
use super::file::Place;
use super::text::{self, Patterns};
use super::{Connector, Repository, ScanRequest, StageRequest, StagedWrite};
use crate::dataset::cast::named;
use crate::dataset::{DataError, Provenance, Row, Shape};

/// CSV files, read by the names in their header and with the dtypes that the row declares.
///
/// Columns are found by name, whatever their order; further columns are left out. Nothing is inferred.
///
/// All lines are looked through when the file is loaded: a line with too few or too many fields, a quote that is not closed,
/// and what is not UTF-8 is an error that names the line. Blank lines are skipped, unless there is one column only. A file
/// that is compressed with gzip, zlib or Zstandard is decompressed.
///
/// - A null is written as nothing, an empty text as `""`, and both are read back as that. Where another program wrote
///   the file and means empty text by nothing, say so with [`CsvFile::empty_as_null`].
/// - Dates and times are ISO 8601; a moment with an offset is brought to UTC. A duration is a whole number of
///   microseconds.
/// - `NaN`, `inf` and `-inf` stand for themselves.
///
/// ```no_run
/// use setl::storage::{Csv, Repository};
/// use setl::Row;
///
/// #[derive(Row)]
/// struct Flight {
///     carrier: String,
///     delay: Option<f64>,
/// }
///
/// let flights: Repository<Flight> = Csv::open("flights.csv")?;
/// let exported: Repository<Flight> = Csv::at("out/flights.csv").separator(b';').null_values(["NA"]).create()?;
/// # Ok::<(), setl::Error>(())
/// ```
#[derive(Debug)]
pub struct Csv;

impl Csv {
    /// The rows of a file that exists. Its header is checked when it is loaded.
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

    /// A file whose options follow; ends in [`CsvFile::open`] or [`CsvFile::create`].
    pub fn at(path: impl Into<PathBuf>) -> CsvFile {
        CsvFile {
            place: Place::new("CSV", "csv", path),
            separator: b',',
            quote: Some(b'"'),
            header: true,
            null_values: Vec::new(),
            empty_as_null: true,
            comment: None,
            skip_lines: 0,
            pads: false,
            encoding: None,
            patterns: Patterns::default(),
        }
    }
}

/// A CSV file and how it is written; made by [`Csv::at`].
#[derive(Clone, Debug)]
pub struct CsvFile {
    place: Place,
    separator: u8,
    quote: Option<u8>,
    header: bool,
    null_values: Vec<PlSmallStr>,
    empty_as_null: bool,
    comment: Option<PlSmallStr>,
    skip_lines: usize,
    pads: bool,
    encoding: Option<String>,
    patterns: Patterns,
}

impl CsvFile {
    /// The byte between two fields; a comma, if nothing is said.
    #[must_use]
    pub fn separator(mut self, separator: u8) -> Self {
        self.separator = separator;
        self
    }

    /// The byte around a field that holds separators or line ends; `"`, if nothing is said. `None` takes quotes as
    /// plain text; saving a text that would need quotes is then refused with [`DataError::NotRepresentable`].
    #[must_use]
    pub fn quote(mut self, quote: impl Into<Option<u8>>) -> Self {
        self.quote = quote.into();
        self
    }

    /// Whether the first line names the columns, as is taken if nothing is said. Without, the file must have exactly
    /// the columns of the row, in their order.
    #[must_use]
    pub fn header(mut self, header: bool) -> Self {
        self.header = header;
        self
    }

    /// Texts that mean null, in every column, with quotes and without; the first is what a null is written as. Saving a
    /// value that is written as one of them is refused with [`DataError::NotRepresentable`].
    #[must_use]
    pub fn null_values<S: Into<PlSmallStr>>(mut self, values: impl IntoIterator<Item = S>) -> Self {
        self.null_values = values.into_iter().map(Into::into).collect();
        self
    }

    /// Whether a text field with nothing in it, not even quotes, is null, as is taken if nothing is said, or empty.
    /// With `false`, a null text is read back as empty text.
    #[must_use]
    pub fn empty_as_null(mut self, empty_as_null: bool) -> Self {
        self.empty_as_null = empty_as_null;
        self
    }

    /// What a line that is to be skipped begins with.
    #[must_use]
    pub fn comment(mut self, prefix: impl Into<PlSmallStr>) -> Self {
        self.comment = Some(prefix.into());
        self
    }

    /// The number of lines before the header that are no part of the table, whatever is in them. A file is not written with
    /// such lines.
    #[must_use]
    pub fn skip_lines(mut self, lines: usize) -> Self {
        self.skip_lines = lines;
        self
    }

    /// Makes the fields null that a line lacks at its end. Otherwise such a line is an error, since nobody can tell which
    /// fields are missing.
    #[must_use]
    pub fn pad_short_lines(mut self) -> Self {
        self.pads = true;
        self
    }

    /// The encoding of a file that is not UTF-8, by a label of the [Encoding Standard](https://encoding.spec.whatwg.org), as in
    /// `windows-1252` (which is Latin-1, too), `utf-16le` or `shift_jis`. Such a file is read into memory when it is loaded,
    /// and is not written.
    #[must_use]
    pub fn encoding(mut self, label: impl Into<String>) -> Self {
        self.encoding = Some(label.into());
        self
    }

    /// How dates are written, in the notation of `chrono`, as in `%d/%m/%Y`. A year is read with all its digits by `%Y`, and
    /// with two by `%y`. Saving a date that the format cannot hold is refused with [`DataError::NotRepresentable`].
    #[must_use]
    pub fn date_format(mut self, pattern: impl Into<String>) -> Self {
        self.patterns.date = Some(pattern.into());
        self
    }

    /// How dates with a time are written, in the notation of `chrono`, as in `%d/%m/%Y %H:%M`. With an offset, as in
    /// `%d/%m/%Y %H:%M %z`, they are brought to UTC. Saving what the format cannot hold, such as seconds here, is refused with
    /// [`DataError::NotRepresentable`].
    #[must_use]
    pub fn datetime_format(mut self, pattern: impl Into<String>) -> Self {
        self.patterns.datetime = Some(pattern.into());
        self
    }

    /// How times of day are written, in the notation of `chrono`, as in `%H.%M`.
    #[must_use]
    pub fn time_format(mut self, pattern: impl Into<String>) -> Self {
        self.patterns.time = Some(pattern.into());
        self
    }

    /// Takes the path for a directory, whose files are the data together: those whose names end in `.csv` and begin
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

    /// As [`Csv::open`].
    ///
    /// # Errors
    /// As [`Csv::open`].
    pub fn open<T: Row>(self) -> Result<Repository<T>, DataError> {
        self.check_options()?;
        self.place.open()?;
        Ok(Repository::new(self))
    }

    /// As [`Csv::create`].
    ///
    /// # Errors
    /// As [`Csv::create`].
    pub fn create<T: Row>(self) -> Result<Repository<T>, DataError> {
        self.check_options()?;
        self.place.prepare()?;
        Ok(Repository::new(self))
    }

    fn check_options(&self) -> Result<(), DataError> {
        let special =
            |byte: u8| byte == self.separator || Some(byte) == self.quote || byte == b'\n' || byte == b'\r';
        let comment = self.comment.as_deref();
        let mistake = if !self.separator.is_ascii() || matches!(self.separator, b'\n' | b'\r' | 0) {
            Some("the separator must be one byte of ASCII, and no line end".to_owned())
        } else if self.quote.is_some_and(|quote| {
            !quote.is_ascii() || matches!(quote, b'\n' | b'\r' | 0) || quote == self.separator
        }) {
            Some("the quote must be one byte of ASCII, and neither a line end nor the separator".to_owned())
        } else if comment.is_some_and(|prefix| prefix.is_empty() || prefix.bytes().any(special)) {
            Some(
                "the prefix of a comment must not be empty, and hold no separator, quote or line end"
                    .to_owned(),
            )
        } else if let Some(null) = self.null_values.iter().find(|null| null.bytes().any(special)) {
            Some(format!("the null value {null:?} holds a separator, a quote or a line end"))
        } else if let Some(null) =
            self.null_values.iter().find(|null| comment.is_some_and(|prefix| null.starts_with(prefix)))
        {
            Some(format!("the null value {null:?} would be taken for a comment"))
        } else if let Some(label) =
            self.encoding.as_ref().filter(|label| Encoding::for_label(label.as_bytes()).is_none())
        {
            Some(format!(
                "the encoding `{label}` is unknown; expected the like of `windows-1252` or `utf-16le`"
            ))
        } else {
            self.patterns.mistake()
        };
        match mistake {
            None => Ok(()),
            Some(reason) => Err(DataError::BadOption { place: self.to_string(), reason }),
        }
    }

    fn dialect(&self) -> Dialect {
        Dialect {
            separator: self.separator,
            quote: self.quote,
            comment: self.comment.as_ref().map(|prefix| prefix.as_bytes().to_vec()),
            header: self.header,
            skip_lines: self.skip_lines,
        }
    }

    fn problem(&self, problem: Problem) -> DataError {
        match problem {
            Problem::Io(source) => self.place.io("read", source),
            Problem::Bad(reason) => self.place.bad(reason),
        }
    }

    fn reader(&self, text: Option<Vec<u8>>) -> Result<LazyCsvReader, DataError> {
        let nulls = (!self.null_values.is_empty()).then(|| NullValues::AllColumns(self.null_values.clone()));
        let reader = match text {
            Some(text) => LazyCsvReader::new_with_sources(ScanSources::Buffers([text.into()].into())),
            None => LazyCsvReader::new(self.place.polars_path()?),
        };
        Ok(reader
            .with_glob(false)
            .with_separator(self.separator)
            .with_quote_char(self.quote)
            .with_has_header(self.header)
            .with_skip_lines(self.skip_lines)
            .with_comment_prefix(self.comment.clone())
            .with_missing_is_null(self.empty_as_null)
            // Without a header, an empty file is a file without rows.
            .with_raise_if_empty(self.header)
            // No line is longer when it has been looked through. Otherwise Polars takes the first line for the width of all.
            .with_truncate_ragged_lines(true)
            .with_null_values(nulls))
    }

    /// The schema of the file as it is to be read. Polars takes a schema by position, so it follows the header.
    fn file_schema(&self, shape: &Shape, names: &[String]) -> Result<Schema, DataError> {
        if !self.header {
            let columns = shape.columns.iter();
            return Ok(columns.map(|column| (column.name.into(), raw(&column.dtype))).collect());
        }
        let declared = |name: &str| shape.columns.iter().find(|column| column.name == name);
        let mut schema = Schema::with_capacity(names.len());
        for (index, name) in names.iter().enumerate() {
            let column = declared(name);
            if !schema.contains(name) {
                let dtype = column.map_or(DataType::String, |column| column.dtype.clone());
                schema.insert(name.into(), dtype);
                continue;
            }
            if column.is_some() {
                let first = names.iter().position(|other| other == name).unwrap_or_default();
                return Err(self.place.bad(format!(
                    "columns {} and {} of its header are both called `{name}`; rename one",
                    first + 1,
                    index + 1
                )));
            }
            // Nobody asks for it.
            let free = (index..)
                .map(|suffix| format!("{name}_{suffix}"))
                .find(|free| !schema.contains(free) && declared(free).is_none() && !names.contains(free));
            schema.insert(free.unwrap_or_default().into(), DataType::String);
        }
        if let [only] = names
            && shape.columns.len() > 1
            && let Some(other) = [';', ',', '\t', '|'].into_iter().find(|other| only.contains(*other))
        {
            return Err(self.place.bad(format!(
                "its header is the one column `{}`; if the fields are separated by {other:?}, say `.separator(b{other:?})`",
                text::shortened(only)
            )));
        }
        shape.check(&schema, || Provenance::at(shape.row, self.to_string()))?;
        Ok(schema.into_iter().map(|(name, dtype)| (name, raw(&dtype))).collect())
    }

    fn scan_file(&self, request: &ScanRequest<'_>) -> crate::Result<LazyFrame> {
        let shape = request.shape;
        let (path, dialect, width) = (&self.place.path, self.dialect(), shape.columns.len());
        // It may change while it is looked through: then it is not what this says.
        let print = Print::of(path).map_err(|source| self.place.io("open", source))?;
        let check = Check { dialect: &dialect, width, pads: self.pads };
        let encoding = self.encoding.as_ref().and_then(|label| Encoding::for_label(label.as_bytes()));
        let failed = |problem| self.problem(problem);
        let text = encoding.map(|encoding| decoded(path, encoding)).transpose().map_err(failed)?;
        let header = match &text {
            Some(text) => Records::of_text(text, &dialect),
            None => Records::open(path, &dialect),
        };
        let names = header.and_then(|mut records| check.header(&mut records)).map_err(failed)?;
        // What is wrong with the columns is said before what is wrong with a line.
        let schema = self.file_schema(shape, &names)?;
        let content = match &text {
            Some(text) => check.text(text),
            None => check.file(path),
        };
        let content = content.map_err(failed)?;
        let floats = schema.iter().enumerate().filter(|(_, (_, dtype))| dtype.is_float());
        let floats = floats.map(|(index, (name, dtype))| (index, name.clone(), dtype.clone())).collect();
        let blank = content.blank.clone();
        let guard = Guard {
            path: path.clone(),
            encoding,
            dialect,
            width,
            pads: self.pads,
            content,
            fits: Mutex::new(print),
            floats,
            infinite: OnceLock::new(),
        };
        let row = free_name(&schema);
        let mut reader = self.reader(text)?.with_schema(Some(Arc::new(schema)));
        if !blank.is_empty() {
            reader = reader.with_row_index(Some(RowIndex { name: row.clone(), offset: 0 }));
        }
        let optimizations = AllowedOptimizations::default() | OptFlags::STREAMING;
        // Plans of the same file are the same if they look for the same.
        let name = if self.pads { CHECK_LONG_LINES } else { CHECK_LINES };
        let mut frame = reader.finish()?.map(move |rows| guard.pass(rows), optimizations, None, Some(name));
        if !blank.is_empty() {
            let blank = lit(Series::new(PlSmallStr::EMPTY, blank)).implode(true);
            frame = frame.filter(col(row).is_in(blank, false).not());
        }
        let columns: Vec<_> = shape
            .columns
            .iter()
            .map(|column| match &column.dtype {
                dtype if text::is_text(dtype) => text::parsed(column, &self.patterns),
                DataType::Duration(_) => named(column.name).strict_cast(column.dtype.clone()),
                _ => named(column.name),
            })
            .collect();
        Ok(frame.select(columns))
    }
}

/// The name in plans of what looks at a file while it is read. It lets all rows through.
pub(crate) const CHECK_LINES: &str = "check lines";
/// The same where short lines are padded.
pub(crate) const CHECK_LONG_LINES: &str = "check long lines";

/// A name that no column has.
fn free_name(schema: &Schema) -> PlSmallStr {
    let mut name = "line".to_owned();
    while schema.contains(&name) {
        name.push('_');
    }
    name.into()
}

/// The dtype that Polars can read from CSV on the way to `dtype`.
fn raw(dtype: &DataType) -> DataType {
    match dtype {
        DataType::Duration(_) => DataType::Int64,
        dtype if text::is_text(dtype) => DataType::String,
        dtype => dtype.clone(),
    }
}

impl fmt::Display for CsvFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.place.fmt(f)
    }
}

impl Connector for CsvFile {
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
        self.stage_lines(query, request)
    }

    fn target(&self) -> String {
        self.place.target()
    }
}
