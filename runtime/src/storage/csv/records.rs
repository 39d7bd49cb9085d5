//! The records of a CSV file one by one, with their line numbers. Errors are described here.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use encoding_rs::Encoding;
use memchr::{memchr, memchr_iter};
use polars::io::utils::compression::{CompressedReader, SupportedCompression};

use super::check::{Checked, Problem, WINDOW};
use super::fields::{Cut, Dialect, Fault, FaultKind, Field};
use crate::storage::ndjson::NO_SEPARATOR;
use crate::storage::text::shortened;

/// An iterator over the records of a file with their line numbers.
pub(crate) struct Records<'a> {
    dialect: &'a Dialect,
    input: Box<dyn Read + 'a>,
    compressed: bool,
    ended: bool,
    window: Vec<u8>,
    /// The start and the end of the record in the window.
    start: usize,
    end: usize,
    /// The number of bytes of the file before the window.
    dropped: u64,
    pub(crate) fields: Vec<Field>,
    /// The line at which the record begins, counted from 1.
    pub(crate) line: u64,
    next_line: u64,
}

impl<'a> Records<'a> {
    pub(crate) fn open(path: &Path, dialect: &'a Dialect) -> Checked<Self> {
        let mut file = File::open(path)?;
        let mut head = Vec::new();
        file.by_ref().take(512).read_to_end(&mut head)?;
        if SupportedCompression::check(&head).is_some() {
            return Self::over(decompressed(path)?, true, dialect);
        }
        if let Some(what) = not_text(&head) {
            return Err(Problem::Bad(what.to_owned()));
        }
        file.seek(SeekFrom::Start(0))?;
        Self::over(Box::new(file), false, dialect)
    }

    /// Reads the records of a text in memory.
    pub(crate) fn of_text(text: &'a [u8], dialect: &'a Dialect) -> Checked<Self> {
        Self::over(Box::new(text), false, dialect)
    }

    fn over(input: Box<dyn Read + 'a>, compressed: bool, dialect: &'a Dialect) -> Checked<Self> {
        let mut records = Self {
            dialect,
            input,
            compressed,
            ended: false,
            window: Vec::new(),
            start: 0,
            end: 0,
            dropped: 0,
            fields: Vec::new(),
            line: 0,
            next_line: 1,
        };
        records.fill()?;
        if records.window.starts_with(b"\xef\xbb\xbf") {
            records.end = 3;
        }
        Ok(records)
    }

    /// Returns the position of the next record in the file, if it is known.
    pub(super) fn offset(&self) -> Option<u64> {
        (!self.compressed).then_some(self.dropped + self.end as u64)
    }

    pub(super) fn record(&self) -> std::ops::Range<usize> {
        self.start..self.end
    }

    /// Returns the bytes of the record, including its line end.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.window[self.record()]
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(self.bytes()).trim_end_matches(['\n', '\r']).to_owned()
    }

    /// `true` if the lines are JSON instead of CSV.
    fn is_json(&self) -> bool {
        self.dialect.separator == NO_SEPARATOR
    }

    pub(super) fn is_blank(&self) -> bool {
        matches!(&*self.fields, [only] if only.start == only.end && !only.quoted)
    }

    /// Reads more bytes, and drops those before the record.
    fn fill(&mut self) -> Checked<()> {
        self.window.drain(..self.start);
        self.dropped += self.start as u64;
        self.end -= self.start;
        self.start = 0;
        let lacking = self.window.len().max(WINDOW) as u64;
        let read = self.input.by_ref().take(lacking).read_to_end(&mut self.window);
        let read = read.map_err(|error| match self.compressed {
            true => Problem::Bad(format!("it cannot be decompressed: {error}")),
            false => Problem::Io(error),
        })?;
        self.ended = (read as u64) < lacking;
        Ok(())
    }

    pub(super) fn skip_lines(&mut self, lines: usize) -> Checked<()> {
        for _ in 0..lines {
            loop {
                if let Some(end) = memchr(b'\n', &self.window[self.end..]) {
                    self.end += end + 1;
                    break;
                }
                if self.ended {
                    self.end = self.window.len();
                    break;
                }
                self.start = self.end;
                self.fill()?;
            }
            self.next_line += 1;
        }
        Ok(())
    }

    pub(super) fn skip_blank_lines(&mut self) -> Checked<()> {
        loop {
            self.start = self.end;
            if self.window.len() - self.end < 2 && !self.ended {
                self.fill()?;
            }
            let rest = &self.window[self.end..];
            let length = match rest {
                [b'\n', ..] => 1,
                [b'\r', b'\n', ..] => 2,
                _ => return Ok(()),
            };
            self.end += length;
            self.next_line += 1;
        }
    }

    /// Advances to the next record. Returns `false` at the end of the file. `names` are the names of the columns, for
    /// errors.
    pub(crate) fn next(&mut self, names: &[String]) -> Checked<bool> {
        loop {
            self.start = self.end;
            self.line = self.next_line;
            let length = loop {
                let rest = &self.window[self.start..];
                if rest.is_empty() && self.ended {
                    return Ok(false);
                }
                let cut = match rest {
                    [] => Cut::More,
                    rest => self.dialect.cut(rest, self.ended, &mut self.fields),
                };
                match cut {
                    Cut::Record(length) | Cut::Comment(length) => {
                        self.end = self.start + length;
                        if matches!(cut, Cut::Record(_)) {
                            self.next_line += memchr_iter(b'\n', self.bytes()).count() as u64;
                            return Ok(true);
                        }
                        break length;
                    }
                    Cut::More => self.fill()?,
                    Cut::Fault(fault) => return Err(Problem::Bad(self.fault(fault, names))),
                }
            };
            self.next_line += u64::from(length > 0);
        }
    }

    fn fault(&self, fault: Fault, names: &[String]) -> String {
        let rest = &self.window[self.start..];
        let line = self.line + memchr_iter(b'\n', &rest[..fault.at]).count() as u64;
        let text = String::from_utf8_lossy(&rest[fault.at..rest.len().min(fault.at + 400)]).into_owned();
        let text = shortened(text.lines().next().unwrap_or_default());
        let column = column(names, fault.field);
        let quote = char::from(self.dialect.quote.unwrap_or(b'"'));
        let none = "or, if quotes mean nothing in this file, say `.quote(None)`";
        let what = match fault.kind {
            FaultKind::Unclosed => {
                format!(
                    "the quote before `{}` is not closed; close it, {none}",
                    text.trim_start_matches(quote)
                )
            }
            FaultKind::AfterQuote => format!(
                "`{text}` follows a closing quote; double a quote that is part of a quoted field, {none}"
            ),
            FaultKind::StrayQuote => format!(
                "a quote stands alone in a field without quotes, at `{text}`; quote the field and double the quote, {none}"
            ),
            FaultKind::CarriageReturn if self.is_json() => {
                return format!(
                    "line {line}: a carriage return without a line feed; end lines with LF or CR LF"
                );
            }
            FaultKind::CarriageReturn => {
                return format!(
                    "line {line}, {column}: a carriage return without a line feed; end lines with LF or CR LF, and quote a field that holds a carriage return"
                );
            }
        };
        format!("line {line}, {column}: {what}")
    }

    /// Describes a record that is not UTF-8.
    pub(crate) fn not_utf8(&self, names: &[String]) -> Problem {
        let record = self.bytes();
        let Err(error) = std::str::from_utf8(record) else {
            return Problem::Bad("invalid UTF-8".to_owned());
        };
        let at = error.valid_up_to();
        let field = self.fields.iter().position(|field| at < field.end).unwrap_or_default();
        let line = self.line + memchr_iter(b'\n', &record[..at]).count() as u64;
        if self.is_json() {
            let byte = record[at];
            return Problem::Bad(format!(
                "line {line}: byte 0x{byte:02X} is not UTF-8, which JSON is written in; convert the file"
            ));
        }
        Problem::Bad(format!(
            "line {line}, {}: byte 0x{:02X} is not UTF-8; convert the file, or say its encoding, as in `.encoding(\"windows-1252\")`: `{}`",
            column(names, field),
            record[at],
            shortened(&String::from_utf8_lossy(self.fields[field].raw(record)))
        ))
    }
}

pub(crate) fn column(names: &[String], field: usize) -> String {
    match names.get(field) {
        Some(name) => format!("column `{}`", shortened(name)),
        None => format!("field {}", field + 1),
    }
}

/// Returns `true` if a file is compressed in a supported format.
pub(crate) fn is_compressed(path: &Path) -> std::io::Result<bool> {
    let mut head = Vec::new();
    File::open(path)?.take(512).read_to_end(&mut head)?;
    Ok(SupportedCompression::check(&head).is_some())
}

/// `true` if a file that begins with this text is taken for a compressed one, as with `x^`. Only its first bytes tell.
pub(super) fn seems_compressed(text: &str) -> bool {
    let mut head = [b' '; 4];
    head.iter_mut().zip(text.bytes()).for_each(|(to, from)| *to = from);
    SupportedCompression::check(&head).is_some()
}

fn decompressed(path: &Path) -> Checked<Box<dyn Read>> {
    let reader = CompressedReader::try_new(std::fs::read(path)?.into());
    Ok(Box::new(reader.map_err(|error| Problem::Bad(error.to_string()))?))
}

/// Decodes a file in another encoding to UTF-8.
pub(super) fn decoded(path: &Path, encoding: &'static Encoding) -> Checked<Vec<u8>> {
    let mut bytes = std::fs::read(path)?;
    if SupportedCompression::check(&bytes).is_some() {
        bytes.clear();
        let read = decompressed(path)?.read_to_end(&mut bytes);
        read.map_err(|error| Problem::Bad(format!("it cannot be decompressed: {error}")))?;
    }
    let (text, damaged) = encoding.decode_with_bom_removal(&bytes);
    if damaged {
        // The decoder has replaced each undecodable part with this character.
        let before = text.split('\u{fffd}').next().unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let name = encoding.name();
        return Err(Problem::Bad(format!("line {line}: it is not {name}; say another `.encoding(\"…\")`")));
    }
    Ok(text.into_owned().into_bytes())
}

/// Returns a description of a file that begins with these bytes, if it is not text in UTF-8.
fn not_text(head: &[u8]) -> Option<&'static str> {
    match head {
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => {
            Some("it is in UTF-16; convert it to UTF-8, or, for CSV, say `.encoding(\"utf-16le\")`")
        }
        [b'P', b'K', 3, 4, ..] => Some("it is a ZIP archive, as spreadsheets are: export it as CSV"),
        [b'P', b'A', b'R', b'1', ..] if !head.is_ascii() => {
            Some("it is a Parquet file: open it with `Parquet::open`")
        }
        [a, b, c, d, ..] if (*a == 0 && *c == 0) != (*b == 0 && *d == 0) => Some(
            "it holds zero bytes, as UTF-16 does; convert it to UTF-8, or, for CSV, say `.encoding(\"utf-16le\")`",
        ),
        _ => None,
    }
}
