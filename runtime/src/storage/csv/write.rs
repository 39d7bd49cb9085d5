//! Writing of CSV files. Values that would be read back differently are refused.

use std::sync::Arc;

use polars::prelude::*;

use super::check::Check;
use super::records::{Records, seems_compressed};
use super::{CsvFile, raw};
use crate::dataset::{DataError, Provenance, RowSchema};
use crate::storage::tally::Tally;
use crate::storage::{StageRequest, text};
use setl_commit::{Recipe, StagedWrite, WriteError};

impl CsvFile {
    pub(super) fn stage_lines(
        &self,
        query: LazyFrame,
        request: &StageRequest<'_>,
    ) -> crate::Result<Box<dyn StagedWrite>> {
        if let Some(untouched) = self.place.untouched(request) {
            return Ok(untouched);
        }
        let not_written = match &self.encoding {
            Some(label) => Some(format!(
                "files are written in UTF-8, and not in {label}: save to one without `encoding`"
            )),
            None if self.skip_lines > 0 => Some(
                "lines before the header are not written: save to a file without `skip_lines`".to_owned(),
            ),
            None => None,
        };
        if let Some(reason) = not_written {
            return Err(DataError::BadOption { place: self.to_string(), reason }.into());
        }
        let shape = request.shape;
        let header = self.header_line(shape)?;
        self.check_header(&header, shape)?;
        let names = || shape.columns.iter().map(|column| column.name);
        let (query, ambiguous) = Tally::on(query, names(), self.ambiguous(shape)?);
        let patterns = self.patterns.clone();
        let (query, lost) = Tally::on(query, names(), move |series| patterns.lost(series));
        let query = text::with_durations_as_numbers(query, shape);
        let mut writer = self.writer();
        let recipe = Recipe::Lines { header };
        writer.include_header &= !self.place.is_bare(request);
        let is_bare = self.place.is_bare(request);
        let check = |place| Self { place, ..self.clone() }.check_appendable(shape, is_bare);
        let staged = self.place.stage(query, FileWriteFormat::Csv(writer), request, recipe, check)?;
        let refused = [
            (
                ambiguous.found(),
                "ambiguous value",
                "it would be read back as a null, an empty text, a comment, several fields or without its first letter: change the quote, null values or comment prefix of the file, or write it with a header",
            ),
            (
                lost.found(),
                "value that its format cannot hold",
                "it would be read back as another one: round it, or give the file a format with all its parts, such as seconds and fractions (`%.f`)",
            ),
        ];
        let Some((columns, what, fix)) = refused.into_iter().find(|(columns, ..)| !columns.is_empty()) else {
            return Ok(staged);
        };
        staged.rollback()?;
        let subject = Provenance::of(shape.row).into();
        Err(DataError::NotRepresentable { subject, place: self.to_string(), what, columns, fix }.into())
    }

    /// Checks that the file has exactly the columns of the row, in their order, because rows are appended by position.
    fn check_appendable(&self, shape: &RowSchema, is_bare: bool) -> crate::Result<()> {
        let path = &self.place.path;
        if std::fs::metadata(path).map_err(|source| self.place.io("read", source))?.len() == 0 {
            return Ok(());
        }
        if is_bare {
            self.place.check_plain()?;
        }
        let dialect = self.dialect();
        let check = Check { dialect: &dialect, width: shape.columns.len(), pads: self.pads };
        let header = Records::open(path, &dialect).and_then(|mut records| {
            let names = check.header(&mut records)?;
            let width = match self.header {
                true => names.len(),
                false if records.next(&[])? => records.fields.len(),
                false => shape.columns.len(),
            };
            Ok((names, width))
        });
        let (found, width) = header.map_err(|problem| self.problem(problem))?;
        let expected: Vec<_> = shape.columns.iter().map(|column| column.name).collect();
        let reason = if self.header && found != expected {
            format!(
                "its columns are {}, and those of `{}` are {}",
                found.join(", "),
                shape.row,
                expected.join(", ")
            )
        } else if width != expected.len() {
            format!("it has {width} columns, and `{}` has {}", shape.row, expected.len())
        } else {
            if is_bare {
                // New rows after a quote that is not closed would be part of the last field.
                check.file(path).map_err(|problem| self.problem(problem))?;
            }
            return Ok(());
        };
        Err(WriteError::Append { target: self.to_string(), reason }.into())
    }

    /// Refuses column names that the header would not preserve.
    fn check_header(&self, header: &str, shape: &RowSchema) -> crate::Result<()> {
        if !self.header {
            return Ok(());
        }
        let dialect = self.dialect();
        let check = Check { dialect: &dialect, width: shape.columns.len(), pads: self.pads };
        let read = Records::of_text(header.as_bytes(), &dialect)
            .and_then(|mut records| check.header(&mut records))
            .unwrap_or_default();
        let what = if seems_compressed(header) {
            "a compressed file: rename the first column"
        } else if shape.columns.iter().map(|column| column.name).eq(read.iter().map(String::as_str)) {
            return Ok(());
        } else {
            "something else, such as a comment: rename the column, or change the quote or the prefix of comments"
        };
        let reason =
            format!("the header `{}` would be read back as {what}", text::shortened(header.trim_end()));
        Err(DataError::BadOption { place: self.to_string(), reason }.into())
    }

    /// Returns the header as it is written.
    fn header_line(&self, shape: &RowSchema) -> crate::Result<String> {
        if !self.header {
            return Ok(String::new());
        }
        let schema: Schema =
            shape.columns.iter().map(|column| (column.name.into(), DataType::String)).collect();
        self.text(&mut DataFrame::empty_with_schema(&schema), true)
    }

    /// Returns a frame as it is written.
    fn text(&self, frame: &mut DataFrame, header: bool) -> crate::Result<String> {
        let mut bytes = Vec::new();
        let Self { patterns, .. } = self;
        CsvWriter::new(&mut bytes)
            .include_header(header)
            .with_separator(self.separator)
            .with_quote_char(self.quote.unwrap_or(b'"'))
            .with_quote_style(self.quote_style())
            .with_date_format(patterns.to_write(&DataType::Date).map(Into::into))
            .with_time_format(patterns.to_write(&DataType::Time).map(Into::into))
            .with_datetime_format(patterns.to_write(&MOMENT).map(Into::into))
            .finish(frame)?;
        Ok(String::from_utf8(bytes)?)
    }

    fn quote_style(&self) -> QuoteStyle {
        if self.quote.is_some() { QuoteStyle::Necessary } else { QuoteStyle::Never }
    }

    /// Counts the values that would be read back differently.
    fn ambiguous(&self, shape: &RowSchema) -> crate::Result<impl Fn(&Series) -> usize + Send + Sync + use<>> {
        let comment = self.comment.clone();
        // Only the start of a line can be taken for a comment, and only the start of a file for a byte order mark.
        let first = shape.columns.first().map(|column| column.name);
        let separator = char::from(self.separator);
        let (header, quoted, empty_as_null) = (self.header, self.quote.is_some(), self.empty_as_null);
        let nulls = self.null_values.clone();
        // A null would be written as an empty field, which is read back as an empty text.
        let lacks_null = !empty_as_null && nulls.is_empty();
        let file = self.clone();
        let mut null_numbers: Vec<(&'static str, Series)> = Vec::new();
        for column in &shape.columns {
            let values = nulls.iter().filter_map(|null| self.written_as(null, &column.dtype).transpose());
            for value in values {
                null_numbers.push((column.name, value?));
            }
        }
        Ok(move |series: &Series| {
            let is_first = first == Some(series.name().as_str());
            let comment = comment.as_deref().filter(|_| is_first);
            let is_read_as_text = series.dtype().is_string() || text::is_text(series.dtype());
            let lost_nulls = if lacks_null && is_read_as_text { series.null_count() } else { 0 };
            let Ok(texts) = series.str() else {
                let taken = null_numbers.iter().filter(|(name, _)| *name == series.name().as_str());
                let comments = comment.map_or(0, |prefix| file.comments(series, prefix));
                return taken.map(|(_, null)| equal_to(series, null)).sum::<usize>() + comments + lost_nulls;
            };
            let ambiguous = |text: &str| {
                nulls.iter().any(|null| null.as_str() == text)
                    || comment.is_some_and(|prefix| text.starts_with(prefix))
                    || (is_first && !header && (text.starts_with('\u{feff}') || seems_compressed(text)))
                    || (!quoted
                        && (text.contains([separator, '\n', '\r']) || (text.is_empty() && empty_as_null)))
            };
            texts.iter().flatten().filter(|text| ambiguous(text)).count() + lost_nulls
        })
    }

    /// Counts the values of a non-text column that are written like the start of a comment.
    fn comments(&self, series: &Series, prefix: &str) -> usize {
        let number = |first: char| first.is_ascii_alphanumeric() || matches!(first, '+' | '-' | '.');
        if !text::is_text(series.dtype()) && !prefix.starts_with(number) {
            return 0;
        }
        let written = match series.dtype() {
            DataType::Duration(_) => series.cast(&DataType::Int64),
            _ => Ok(series.clone()),
        };
        let lines = written.map_err(Into::into).and_then(|series| self.text(&mut series.into_frame(), false));
        // A value that cannot be written fails when it is written.
        lines.map_or(0, |lines| lines.lines().filter(|line| line.starts_with(prefix)).count())
    }

    /// Returns the value of a non-text column that is written as `null`, if there is one.
    fn written_as(&self, null: &str, dtype: &DataType) -> crate::Result<Option<Series>> {
        let number = match dtype {
            DataType::String => return Ok(None),
            dtype if text::is_text(dtype) => {
                let Some(number) = self.patterns.read(dtype, null) else { return Ok(None) };
                let number = Series::new(PlSmallStr::EMPTY, [number]);
                if *dtype == DataType::Date { number.cast(&DataType::Int32)? } else { number }
            }
            DataType::Boolean => match null {
                "true" | "false" => Series::new(PlSmallStr::EMPTY, [null == "true"]),
                _ => return Ok(None),
            },
            dtype => Series::new(PlSmallStr::EMPTY, [null]).cast(&raw(dtype))?,
        };
        let value = number.cast(dtype)?;
        if value.null_count() > 0 {
            return Ok(None);
        }
        // For example, `0` is a number, but 0.0 is not written as `0`.
        let as_number = if let DataType::Duration(_) = dtype { number } else { value.clone() };
        let written = self.text(&mut as_number.into_frame(), false)?;
        Ok((written.trim_end_matches('\n') == null).then_some(value))
    }

    fn writer(&self) -> CsvWriterOptions {
        let pattern = |dtype: &DataType| self.patterns.to_write(dtype).map(PlSmallStr::from);
        CsvWriterOptions {
            include_header: self.header,
            // The file extension is not checked, because the user chooses the name.
            check_extension: false,
            serialize_options: Arc::new(SerializeOptions {
                date_format: pattern(&DataType::Date),
                datetime_format: pattern(&MOMENT),
                time_format: pattern(&DataType::Time),
                separator: self.separator,
                quote_char: self.quote.unwrap_or(b'"'),
                quote_style: self.quote_style(),
                null: self.null_values.first().cloned().unwrap_or_default(),
                ..SerializeOptions::default()
            }),
            ..CsvWriterOptions::default()
        }
    }
}

const MOMENT: DataType = DataType::Datetime(TimeUnit::Microseconds, None);

/// Counts the values of a column that equal `value`. NaN equals NaN.
fn equal_to(series: &Series, value: &Series) -> usize {
    let value = value.clone().with_name(series.name().clone());
    let equal = series.equal_missing(&value).map(|equal| equal.sum().unwrap_or_default() as usize);
    equal.unwrap_or_default()
}
