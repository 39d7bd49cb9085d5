//! A CSV file is looked through before Polars reads it.
//!
//! Polars pads short lines with nulls, makes a row of nulls of a blank line, overlooks fields that are too many where not all
//! columns are asked for, and tells no line of what it cannot read. So all lines are counted and measured here first.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::thread;

use memchr::{memchr, memchr_iter};
use polars::prelude::IdxSize;

use super::fields::{Cut, Dialect, Field};
use super::records::Records;
use crate::storage::text::shortened;

/// Bytes that are looked through at a time.
pub(super) const WINDOW: usize = 1 << 20;
/// A file of fewer bytes is looked through by one thread.
const MANY_BYTES: u64 = 16 << 20;

/// What is in a CSV file, if all of its lines are as they should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Content {
    /// The names in the header; none without a header.
    pub(crate) names: Vec<String>,
    /// The rows, counted from 0, that Polars makes of blank lines.
    pub(crate) blank: Vec<IdxSize>,
}

/// Why a file is not read.
#[derive(Debug)]
pub(crate) enum Problem {
    Io(io::Error),
    /// What is wrong with it, and where.
    Bad(String),
}

impl From<io::Error> for Problem {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

pub(crate) type Checked<T> = Result<T, Problem>;

/// What is asked of a file.
#[derive(Clone, Debug)]
pub(crate) struct Check<'a> {
    pub(crate) dialect: &'a Dialect,
    /// The number of columns, where no header tells it.
    pub(crate) width: usize,
    /// Whether lines may have fewer fields.
    pub(crate) pads: bool,
}

impl Check<'_> {
    /// Looks through all lines.
    pub(crate) fn file(&self, path: &Path) -> Checked<Content> {
        self.content(Records::open(path, self.dialect)?, Some(path))
    }

    /// Looks through all lines of what is in memory.
    pub(crate) fn text(&self, text: &[u8]) -> Checked<Content> {
        self.content(Records::of_text(text, self.dialect)?, None)
    }

    fn content(&self, mut records: Records<'_>, path: Option<&Path>) -> Checked<Content> {
        let names = self.header(&mut records)?;
        let width = if self.dialect.header { names.len() } else { self.width };
        let quickly = path.map(|path| self.quickly(path, &records, width)).transpose()?.flatten();
        let blank = match quickly {
            Some(blank) => blank,
            None => self.one_by_one(&mut records, width, &names)?,
        };
        let blank = blank.into_iter().filter_map(|row| IdxSize::try_from(row).ok()).collect();
        Ok(Content { names, blank })
    }

    /// Reads the header alone.
    pub(crate) fn header(&self, records: &mut Records<'_>) -> Checked<Vec<String>> {
        records.skip_lines(self.dialect.skip_lines)?;
        if !self.dialect.header {
            return Ok(Vec::new());
        }
        records.skip_blank_lines()?;
        if !records.next(&[])? {
            return Err(Problem::Bad("it is empty, it has not even a header".into()));
        }
        let mut names = Vec::new();
        for field in &records.fields {
            let name = String::from_utf8(field.value(records.bytes(), self.dialect.quote));
            names.push(name.map_err(|_| records.not_utf8(&[]))?);
        }
        if let [only] = &*names
            && let Some(separator) = only.strip_prefix("sep=").filter(|rest| rest.chars().count() <= 1)
        {
            let separator = separator.chars().next().unwrap_or(char::from(self.dialect.separator));
            return Err(Problem::Bad(format!(
                "its first line is `{only}`, which tells a spreadsheet the separator: say `.separator(b{separator:?}).skip_lines(1)`"
            )));
        }
        Ok(names)
    }

    /// The blank rows, if all lines are in order and that can be told quickly.
    fn quickly(&self, path: &Path, records: &Records<'_>, width: usize) -> Checked<Option<Vec<u64>>> {
        let Some(begin) = records.offset() else { return Ok(None) };
        let end = std::fs::metadata(path)?.len();
        // A comment may hold a quote, so that nobody can tell from the middle what is quoted.
        let threads = if end - begin.min(end) < MANY_BYTES || self.dialect.comment.is_some() {
            1
        } else {
            thread::available_parallelism().map_or(1, usize::from).min(16)
        };
        let piece = (end - begin.min(end)).div_ceil(threads as u64).max(1);
        let bounds: Vec<(u64, u64)> = (0..threads as u64)
            .map(|at| (begin + at * piece, (begin + (at + 1) * piece).min(end)))
            .filter(|(from, to)| from < to)
            .collect();
        let quotes = match self.dialect.quote {
            Some(quote) if bounds.len() > 1 => {
                in_parallel(&bounds, |(from, to)| count(path, from, to, quote))?
            }
            _ => vec![0; bounds.len()],
        };
        let mut quoted = false;
        let starts: Vec<(u64, u64, bool)> = bounds
            .iter()
            .zip(&quotes)
            .map(|((from, to), quotes)| {
                let start = (*from, *to, quoted);
                quoted ^= quotes % 2 == 1;
                start
            })
            .collect();
        let pieces = in_parallel(&starts, |(from, to, quoted)| {
            Piece { check: self, width, rows: 0, blank: Vec::new() }.measure(path, begin, from, to, quoted)
        })?;
        let (mut rows, mut blank) = (0, Vec::new());
        for piece in pieces {
            let Some((count, blanks)) = piece else { return Ok(None) };
            blank.extend(blanks.into_iter().map(|row| rows + row));
            rows += count;
        }
        Ok(Some(blank))
    }

    /// The blank rows, or what is wrong with the first line that is not in order.
    fn one_by_one(&self, records: &mut Records<'_>, width: usize, names: &[String]) -> Checked<Vec<u64>> {
        let (mut rows, mut blank) = (0, Vec::new());
        while records.next(names)? {
            match self.judged(records.fields.len(), records.is_blank(), width) {
                Judged::Row => {}
                Judged::Blank => blank.push(rows),
                Judged::Wrong => return Err(Problem::Bad(self.wrong_width(records, width))),
            }
            if std::str::from_utf8(records.bytes()).is_err() {
                return Err(records.not_utf8(names));
            }
            rows += 1;
        }
        Ok(blank)
    }

    fn judged(&self, fields: usize, blank: bool, width: usize) -> Judged {
        match fields {
            _ if blank && width > 1 => Judged::Blank,
            fields if fields == width || (self.pads && fields < width) => Judged::Row,
            _ => Judged::Wrong,
        }
    }

    fn wrong_width(&self, records: &Records<'_>, width: usize) -> String {
        let found = records.fields.len();
        let fields = if found == 1 { "field" } else { "fields" };
        let expected = if self.dialect.header { "its header has" } else { "the row type has" };
        let cure = if found < width {
            "; write all fields, or say `.pad_short_lines()`, which makes the missing ones null"
        } else if found == width + 1 && records.fields.last().is_some_and(|last| last.start == last.end) {
            "; remove the separator at the end of the line, or name the column in a header"
        } else {
            "; quote a field that holds a separator, or name the column in the header"
        };
        let cure = match self.dialect.header {
            true => cure.to_owned(),
            false => format!("; without a header, columns are told by their position{cure}"),
        };
        format!(
            "line {}: it has {found} {fields}, and {expected} {width}{cure}: `{}`",
            records.line,
            shortened(&records.text())
        )
    }
}

enum Judged {
    Row,
    Blank,
    Wrong,
}

/// A part of a file, from the first record that begins in it to the last.
struct Piece<'a> {
    check: &'a Check<'a>,
    width: usize,
    rows: u64,
    blank: Vec<u64>,
}

impl Piece<'_> {
    /// The number of rows, and which of them are blank; none if a line is not in order.
    fn measure(
        mut self,
        path: &Path,
        begin: u64,
        from: u64,
        to: u64,
        quoted: bool,
    ) -> Checked<Option<(u64, Vec<u64>)>> {
        let dialect = self.check.dialect;
        let mut file = File::open(path)?;
        // The record of the byte before belongs to the piece before, and ends with it or later.
        let from_before = if from == begin { from } else { from - 1 };
        file.seek(SeekFrom::Start(from_before))?;
        let mut window = Window { input: file, bytes: Vec::new(), start: 0, ended: false };
        let mut at = from_before;
        let mut fields = Vec::new();
        if from > begin {
            window.fill(WINDOW)?;
            let before = window.rest().first().copied();
            let quoted_before = quoted ^ (before.is_some() && before == dialect.quote);
            loop {
                if let Some(start) = dialect.next_start(window.rest(), quoted_before) {
                    window.start += start;
                    at += start as u64;
                    break;
                }
                if window.ended {
                    return Ok(Some((0, Vec::new())));
                }
                window.fill(2 * window.rest().len())?;
            }
        }
        let mut wanted = WINDOW;
        while at < to {
            if !window.ended && window.rest().len() < wanted {
                window.fill(wanted)?;
            }
            let rest = window.rest();
            if rest.is_empty() {
                break;
            }
            // No record is taken that begins behind this piece.
            let within = rest.len().min(usize::try_from(to - at).unwrap_or(usize::MAX));
            let before = window.start;
            let done = match self.plain(&rest[..within]) {
                Some(done) => done,
                None => {
                    let (last, length) = (window.ended, rest.len());
                    let Some(done) = self.records(rest, within, last, &mut fields) else { return Ok(None) };
                    wanted = if done == 0 { 2 * length.max(WINDOW) } else { WINDOW };
                    if done == 0 && last {
                        return Ok(None);
                    }
                    done
                }
            };
            if !is_utf8(&window.bytes[before..before + done]) {
                return Ok(None);
            }
            window.start += done;
            at += done as u64;
        }
        Ok(Some((self.rows, self.blank)))
    }

    /// Measures lines without quotes, carriage returns inside of lines, and comments. Gives how many bytes that were; none if
    /// there is anything else.
    fn plain(&mut self, bytes: &[u8]) -> Option<usize> {
        let dialect = self.check.dialect;
        if dialect.comment.is_some() || dialect.quote.is_some_and(|quote| memchr(quote, bytes).is_some()) {
            return None;
        }
        let returns = memchr(b'\r', bytes).is_some();
        let (mut start, mut rows) = (0, self.rows);
        let mut blanks = Vec::new();
        for end in memchr_iter(b'\n', bytes) {
            let mut line = &bytes[start..end];
            if returns {
                line = line.strip_suffix(b"\r").unwrap_or(line);
                if memchr(b'\r', line).is_some() {
                    return None;
                }
            }
            let fields = memchr_iter(dialect.separator, line).count() + 1;
            match self.check.judged(fields, line.is_empty(), self.width) {
                Judged::Row => {}
                Judged::Blank => blanks.push(rows),
                Judged::Wrong => return None,
            }
            rows += 1;
            start = end + 1;
        }
        if start == 0 {
            return None;
        }
        self.rows = rows;
        self.blank.append(&mut blanks);
        Some(start)
    }

    /// Measures the records that begin within so many bytes. Gives how many bytes they have; none if one is not in order.
    fn records(&mut self, bytes: &[u8], within: usize, last: bool, fields: &mut Vec<Field>) -> Option<usize> {
        let mut done = 0;
        while done < within {
            match self.check.dialect.cut(&bytes[done..], last, fields) {
                Cut::Comment(length) => done += length,
                Cut::Record(length) => {
                    let blank = matches!(&**fields, [only] if only.start == only.end && !only.quoted);
                    match self.check.judged(fields.len(), blank, self.width) {
                        Judged::Row => {}
                        Judged::Blank => self.blank.push(self.rows),
                        Judged::Wrong => return None,
                    }
                    self.rows += 1;
                    done += length;
                }
                Cut::More => break,
                Cut::Fault(_) => return None,
            }
        }
        Some(done)
    }
}

fn is_utf8(bytes: &[u8]) -> bool {
    bytes.is_ascii() || std::str::from_utf8(bytes).is_ok()
}

fn count(path: &Path, from: u64, to: u64, byte: u8) -> Checked<usize> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(from))?;
    let (mut input, mut bytes, mut counted) = (file.take(to - from), vec![0; WINDOW], 0);
    loop {
        match input.read(&mut bytes)? {
            0 => return Ok(counted),
            read => counted += memchr_iter(byte, &bytes[..read]).count(),
        }
    }
}

fn in_parallel<I: Copy + Sync, O: Send>(
    items: &[I],
    work: impl Fn(I) -> Checked<O> + Sync,
) -> Checked<Vec<O>> {
    if let [only] = items {
        return Ok(vec![work(*only)?]);
    }
    thread::scope(|scope| {
        let handles: Vec<_> = items.iter().map(|item| scope.spawn(|| work(*item))).collect();
        let join = |handle: thread::ScopedJoinHandle<'_, Checked<O>>| {
            handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        handles.into_iter().map(join).collect()
    })
}

/// The part of an input that is in memory.
struct Window<R> {
    input: R,
    bytes: Vec<u8>,
    start: usize,
    ended: bool,
}

impl<R: Read> Window<R> {
    fn rest(&self) -> &[u8] {
        &self.bytes[self.start..]
    }

    /// Reads until so many bytes are there, or all.
    fn fill(&mut self, wanted: usize) -> io::Result<()> {
        self.bytes.drain(..self.start);
        self.start = 0;
        let lacking = wanted.max(WINDOW).saturating_sub(self.bytes.len()) as u64;
        let read = self.input.by_ref().take(lacking).read_to_end(&mut self.bytes)?;
        self.ended |= (read as u64) < lacking;
        Ok(())
    }
}
