//! CSV files.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use polars::prelude::*;

use super::file::Place;
use super::tally::Tally;
use super::text::{self, Patterns};
use super::{Connector, Repository, ScanRequest, StageRequest, StagedWrite};
use crate::commit::{Recipe, WriteError};
use crate::dataset::{DataError, Provenance, Row, Shape};

/// CSV files, read by the names in their header and with the dtypes that the row declares.
///
/// Columns are found by name, whatever their order; further columns are left out. Nothing is inferred.
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

    /// Texts that mean null, in every column; the first is what a null is written as. Saving a text that is equal
    /// to one of them is refused with [`DataError::NotRepresentable`].
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

    /// How dates are written, in the notation of `chrono`, as in `%d/%m/%Y`.
    #[must_use]
    pub fn date_format(mut self, pattern: impl Into<String>) -> Self {
        self.patterns.date = Some(pattern.into());
        self
    }

    /// How dates with a time are written, in the notation of `chrono`, as in `%d/%m/%Y %H:%M`.
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
        self.place.check_exists()?;
        Ok(Repository::new(self))
    }

    /// As [`Csv::create`].
    ///
    /// # Errors
    /// As [`Csv::create`].
    pub fn create<T: Row>(self) -> Result<Repository<T>, DataError> {
        self.place.prepare()?;
        Ok(Repository::new(self))
    }

    fn reader(&self) -> Result<LazyCsvReader, DataError> {
        let nulls = (!self.null_values.is_empty()).then(|| NullValues::AllColumns(self.null_values.clone()));
        Ok(LazyCsvReader::new(self.place.polars_path()?)
            .with_glob(false)
            .with_separator(self.separator)
            .with_quote_char(self.quote)
            .with_has_header(self.header)
            .with_comment_prefix(self.comment.clone())
            .with_missing_is_null(self.empty_as_null)
            // Without a header, an empty file is a file without rows.
            .with_raise_if_empty(self.header)
            .with_null_values(nulls))
    }

    /// The schema of the file as it is to be read. Polars takes a schema by position, so it follows the header.
    fn file_schema(&self, shape: &Shape) -> Result<Schema, DataError> {
        let header = self
            .reader()?
            .with_infer_schema_length(Some(0))
            .finish()
            .and_then(|mut frame| frame.collect_schema())
            .map_err(|error| match error {
                PolarsError::NoData(_) => self.place.bad("it is empty, it has not even a header"),
                error => self.place.bad(error.to_string()),
            })?;
        if !self.header {
            return self.positional_schema(shape, header.len());
        }
        let dtype = |name: &PlSmallStr| shape.columns.iter().find(|column| column.name == name.as_str());
        let declared: Schema = header
            .iter_names()
            .map(|name| (name.clone(), dtype(name).map_or(DataType::String, |column| column.dtype.clone())))
            .collect();
        shape.check(&declared, || Provenance::at(shape.row, self.to_string()))?;
        Ok(declared.into_iter().map(|(name, dtype)| (name, raw(&dtype))).collect())
    }

    fn scan_file(&self, request: &ScanRequest<'_>) -> crate::Result<LazyFrame> {
        let schema = self.file_schema(request.shape)?;
        let frame = self.reader()?.with_schema(Some(Arc::new(schema))).finish()?;
        let columns: Vec<_> = request
            .shape
            .columns
            .iter()
            .map(|column| match &column.dtype {
                dtype if text::is_text(dtype) => text::parsed(column, &self.patterns),
                DataType::Duration(_) => col(column.name).strict_cast(column.dtype.clone()),
                _ => col(column.name),
            })
            .collect();
        Ok(frame.select(columns))
    }

    /// Rows are appended by position, so the file must have the very columns of the row, in their order.
    fn check_appendable(&self, shape: &Shape) -> crate::Result<()> {
        if std::fs::metadata(&self.place.path).map_err(|source| self.place.io("read", source))?.len() == 0 {
            return Ok(());
        }
        let schema = self.reader()?.with_infer_schema_length(Some(0)).finish()?.collect_schema()?;
        let expected: Vec<_> = shape.columns.iter().map(|column| column.name).collect();
        let found: Vec<_> = schema.iter_names().map(PlSmallStr::as_str).collect();
        let fits = if self.header { found == expected } else { found.len() == expected.len() };
        if fits {
            return Ok(());
        }
        let (found, expected) = (found.join(", "), expected.join(", "));
        let target = self.to_string();
        let reason = format!("its columns are {found}, and those of `{}` are {expected}", shape.row);
        Err(WriteError::Append { target, reason }.into())
    }

    /// The header as it is written.
    fn header_line(&self, shape: &Shape) -> crate::Result<String> {
        if !self.header {
            return Ok(String::new());
        }
        let schema: Schema =
            shape.columns.iter().map(|column| (column.name.into(), DataType::String)).collect();
        let mut line = Vec::new();
        CsvWriter::new(&mut line)
            .with_separator(self.separator)
            .with_quote_char(self.quote.unwrap_or(b'"'))
            .with_quote_style(if self.quote.is_some() { QuoteStyle::Necessary } else { QuoteStyle::Never })
            .finish(&mut DataFrame::empty_with_schema(&schema))?;
        Ok(String::from_utf8(line)?)
    }

    fn positional_schema(&self, shape: &Shape, found: usize) -> Result<Schema, DataError> {
        let expected = shape.columns.len();
        if found != expected && found != 0 {
            return Err(self.place.bad(format!(
                "it has {found} columns and `{}` has {expected}; without a header, columns are told by their position",
                shape.row
            )));
        }
        Ok(shape.columns.iter().map(|column| (column.name.into(), raw(&column.dtype))).collect())
    }

    /// Texts that would be read back as something else.
    fn ambiguous(&self, shape: &Shape) -> impl Fn(&Series) -> usize + Send + Sync + 'static {
        let nulls = self.null_values.clone();
        let comment = self.comment.clone();
        // Only what begins a line can be taken for a comment.
        let first = shape.columns.first().map(|column| column.name);
        let separator = char::from(self.separator);
        let (quoted, empty_as_null) = (self.quote.is_some(), self.empty_as_null);
        move |series| {
            let Ok(texts) = series.str() else { return 0 };
            let comment = comment.as_deref().filter(|_| first == Some(series.name().as_str()));
            let ambiguous = |text: &str| {
                nulls.iter().any(|null| null.as_str() == text)
                    || comment.is_some_and(|prefix| text.starts_with(prefix))
                    || (!quoted
                        && (text.contains([separator, '\n', '\r']) || (text.is_empty() && empty_as_null)))
            };
            texts.iter().flatten().filter(|text| ambiguous(text)).count()
        }
    }

    fn writer(&self) -> CsvWriterOptions {
        let pattern = |pattern: &Option<String>| pattern.as_deref().map(PlSmallStr::from);
        CsvWriterOptions {
            include_header: self.header,
            // The name of the file is not the format's to choose.
            check_extension: false,
            serialize_options: Arc::new(SerializeOptions {
                date_format: pattern(&self.patterns.date),
                datetime_format: pattern(&self.patterns.datetime),
                time_format: pattern(&self.patterns.time),
                separator: self.separator,
                quote_char: self.quote.unwrap_or(b'"'),
                quote_style: if self.quote.is_some() { QuoteStyle::Necessary } else { QuoteStyle::Never },
                null: self.null_values.first().cloned().unwrap_or_default(),
                ..SerializeOptions::default()
            }),
            ..CsvWriterOptions::default()
        }
    }
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
        if let Some(untouched) = self.place.untouched(request) {
            return Ok(untouched);
        }
        let shape = request.shape;
        let texts =
            shape.columns.iter().filter(|column| column.dtype == DataType::String).map(|column| column.name);
        let (query, unwritable) = Tally::on(query, texts, self.ambiguous(shape));
        let query = text::with_durations_as_numbers(query, shape);
        let mut writer = self.writer();
        let recipe = Recipe::Lines { header: self.header_line(shape)? };
        writer.include_header &= !self.place.is_bare(request);
        let check = |place| Self { place, ..self.clone() }.check_appendable(shape);
        let staged = self.place.stage(query, FileWriteFormat::Csv(writer), request, recipe, check)?;
        let columns = unwritable.found();
        if columns.is_empty() {
            return Ok(staged);
        }
        staged.rollback()?;
        Err(DataError::NotRepresentable {
            subject: Provenance::of(shape.row).into(),
            place: self.to_string(),
            what: "ambiguous text",
            columns,
            fix: "it would be read back as a null, a comment or several fields: change the quote, null values or comment prefix of the file",
        }
        .into())
    }

    fn target(&self) -> String {
        self.place.target()
    }
}
