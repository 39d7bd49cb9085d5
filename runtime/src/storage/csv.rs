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
use self::guard::{FileStamp, Guard};
use self::records::{Records, decoded};
use super::file::Place;
use super::text::{self, Patterns};
use super::{Connector, Repository, ScanRequest, StageRequest, StagedWrite};
use crate::dataset::cast::named;
use crate::dataset::{DataError, Provenance, Row, RowSchema};

/// CSV files, read by the names in their header and with the dtypes that the row declares.
///
/// Columns are found by name, whatever their order. Further columns are left out. Nothing is inferred.
///
/// All lines are checked when the file is loaded. Too few or too many fields, an unclosed quote and invalid UTF-8 are
/// errors that name the line. Blank lines are skipped, unless the row has only one column. Files compressed with gzip,
/// zlib or Zstandard are decompressed.
///
/// - A null is written as nothing and an empty text as `""`, and both are read back as such. If another program wrote the
///   file and nothing means an empty text, use [`CsvFile::empty_as_null`].
/// - Dates and times are in ISO 8601. A moment with an offset is converted to UTC. A duration is a whole number of
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
    /// Opens an existing file. Its header is checked when the file is loaded.
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

    /// Begins a builder for a file with options. [`CsvFile::open`] or [`CsvFile::create`] finishes it.
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

/// A builder for a CSV file with its format options. [`Csv::at`] returns it.
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
    /// Sets the byte between two fields. Default: a comma.
    #[must_use]
    pub fn separator(mut self, separator: u8) -> Self {
        self.separator = separator;
        self
    }

    /// Sets the byte around a field that holds separators or line ends. Default: `"`. With `None`, quotes are plain text,
    /// and saving a text that needs quotes is refused with [`DataError::NotRepresentable`].
    #[must_use]
    pub fn quote(mut self, quote: impl Into<Option<u8>>) -> Self {
        self.quote = quote.into();
        self
    }

    /// Sets whether the first line holds the names of the columns. Default: `true`. With `false`, the file must have
    /// exactly the columns of the row, in their order.
    #[must_use]
    pub fn header(mut self, header: bool) -> Self {
        self.header = header;
        self
    }

    /// Sets the texts that mean null in every column, with quotes or without. A null is written as the first of them.
    /// Saving a value that is written as one of them is refused with [`DataError::NotRepresentable`].
    #[must_use]
    pub fn null_values<S: Into<PlSmallStr>>(mut self, values: impl IntoIterator<Item = S>) -> Self {
        self.null_values = values.into_iter().map(Into::into).collect();
        self
    }

    /// Sets whether a text field with nothing in it, not even quotes, is null or an empty text. Default: `true`, which is
    /// null. With `false`, a null text is read back as an empty text.
    #[must_use]
    pub fn empty_as_null(mut self, empty_as_null: bool) -> Self {
        self.empty_as_null = empty_as_null;
        self
    }

    /// Sets the prefix of comment lines, which are skipped.
    #[must_use]
    pub fn comment(mut self, prefix: impl Into<PlSmallStr>) -> Self {
        self.comment = Some(prefix.into());
        self
    }

    /// Sets the number of lines before the header that are not part of the table, whatever their content. Such lines are
    /// not written.
    #[must_use]
    pub fn skip_lines(mut self, lines: usize) -> Self {
        self.skip_lines = lines;
        self
    }

    /// Fills the missing fields at the end of a short line with nulls. By default, a short line is an error, because it
    /// is unknown which fields are missing.
    #[must_use]
    pub fn pad_short_lines(mut self) -> Self {
        self.pads = true;
        self
    }

    /// Sets the encoding of a file that is not UTF-8, by a label of the [Encoding
    /// Standard](https://encoding.spec.whatwg.org), as in `windows-1252` (which includes Latin-1), `utf-16le` or
    /// `shift_jis`. Such a file is read into memory when it is loaded, and cannot be written.
    #[must_use]
    pub fn encoding(mut self, label: impl Into<String>) -> Self {
        self.encoding = Some(label.into());
        self
    }

    /// Sets the format of dates, in the notation of `chrono`, as in `%d/%m/%Y`. `%Y` reads a year with all its digits,
    /// and `%y` a year with two. Saving a date that the format cannot represent is refused with
    /// [`DataError::NotRepresentable`].
    #[must_use]
    pub fn date_format(mut self, pattern: impl Into<String>) -> Self {
        self.patterns.date = Some(pattern.into());
        self
    }

    /// Sets the format of dates with a time, in the notation of `chrono`, as in `%d/%m/%Y %H:%M`. With an offset, as in
    /// `%d/%m/%Y %H:%M %z`, they are converted to UTC. Saving a value that the format cannot represent, such as seconds
    /// here, is refused with [`DataError::NotRepresentable`].
    #[must_use]
    pub fn datetime_format(mut self, pattern: impl Into<String>) -> Self {
        self.patterns.datetime = Some(pattern.into());
        self
    }

    /// Sets the format of times of day, in the notation of `chrono`, as in `%H.%M`.
    #[must_use]
    pub fn time_format(mut self, pattern: impl Into<String>) -> Self {
        self.patterns.time = Some(pattern.into());
        self
    }

    /// Treats the path as a directory whose files form the data. The files are those whose names end in `.csv` and begin
    /// with neither `.` nor `_`, in the order of their names. The directory is replaced as a whole, in one step.
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

    /// Does the same as [`Csv::open`], with the options of this builder.
    ///
    /// # Errors
    /// The same as [`Csv::open`], and [`DataError::BadOption`] when an option is invalid.
    pub fn open<T: Row>(self) -> Result<Repository<T>, DataError> {
        self.check_options()?;
        self.place.open()?;
        Ok(Repository::new(self))
    }

    /// Does the same as [`Csv::create`], with the options of this builder.
    ///
    /// # Errors
    /// The same as [`Csv::create`], and [`DataError::BadOption`] when an option is invalid.
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
            // The check has found no longer line. Without this, Polars would take the width of all lines from the first
            // one.
            .with_truncate_ragged_lines(true)
            .with_null_values(nulls))
    }

    /// Returns the schema to read the file with. Polars applies a schema by position, so it follows the header.
    fn file_schema(&self, shape: &RowSchema, names: &[String]) -> Result<Schema, DataError> {
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
            // The row does not declare this column.
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
        // If the file changes during the check, the guard notices that its state differs from this one.
        let print = FileStamp::of(path).map_err(|source| self.place.io("open", source))?;
        let check = Check { dialect: &dialect, width, pads: self.pads };
        let encoding = self.encoding.as_ref().and_then(|label| Encoding::for_label(label.as_bytes()));
        let failed = |problem| self.problem(problem);
        let text = encoding.map(|encoding| decoded(path, encoding)).transpose().map_err(failed)?;
        let header = match &text {
            Some(text) => Records::of_text(text, &dialect),
            None => Records::open(path, &dialect),
        };
        let names = header.and_then(|mut records| check.header(&mut records)).map_err(failed)?;
        // Errors of the columns are reported before errors of lines.
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
        // Plans of the same file are equal if their checks are.
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

/// The name in plans of the node that checks a file while it is read. It lets all rows through.
pub(crate) const CHECK_LINES: &str = "check lines";
/// The name of the same node if short lines are padded.
pub(crate) const CHECK_LONG_LINES: &str = "check long lines";

/// Returns a name that no column has.
fn free_name(schema: &Schema) -> PlSmallStr {
    let mut name = "line".to_owned();
    while schema.contains(&name) {
        name.push('_');
    }
    name.into()
}

/// Returns the dtype that Polars reads from CSV as a step towards `dtype`.
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
