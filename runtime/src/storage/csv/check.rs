//! The check of a CSV file before Polars reads it.
//!
//! Polars pads short lines with nulls, turns a blank line into a row of nulls, ignores surplus fields if not all columns
//! are requested, and does not give the line of a value that it cannot read. So all lines are counted and measured here
//! first.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::thread;

use memchr::memchr;
use polars::prelude::IdxSize;

use super::blocks::{Regular, regular};
use super::fields::{Cut, Dialect, Field};
use super::records::Records;
use crate::storage::text::shortened;

/// The number of bytes that are read at a time. They fit into the cache of a core.
pub(crate) const WINDOW: usize = 1 << 18;
/// A file with fewer bytes is checked by one thread.
const MANY_BYTES: u64 = 16 << 20;

/// The result of checking a CSV file whose lines are all valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Content {
    /// The names in the header. Empty without a header.
    pub(crate) names: Vec<String>,
    /// The row numbers, counted from 0, of the rows that Polars makes from blank lines.
    pub(crate) blank: Vec<IdxSize>,
}

/// The reason why a file is not read.
#[derive(Debug)]
pub(crate) enum Problem {
    Io(io::Error),
    /// The problem and its position.
    Bad(String),
}

impl From<io::Error> for Problem {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

pub(crate) type Checked<T> = Result<T, Problem>;

/// The requirements on a file.
#[derive(Clone, Debug)]
pub(crate) struct Check<'a> {
    pub(crate) dialect: &'a Dialect,
    /// The number of columns, if there is no header.
    pub(crate) width: usize,
    /// Is set if lines may have fewer fields.
    pub(crate) pads: bool,
}

impl Check<'_> {
    /// Checks all lines.
    pub(crate) fn file(&self, path: &Path) -> Checked<Content> {
        self.content(Records::open(path, self.dialect)?, Some(path))
    }

    /// Checks all lines of a text in memory.
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

    /// Reads only the header.
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

    /// Returns the blank rows, if a fast check finds all lines valid.
    fn quickly(&self, path: &Path, records: &Records<'_>, width: usize) -> Checked<Option<Vec<u64>>> {
        let Some(begin) = records.offset() else { return Ok(None) };
        let end = std::fs::metadata(path)?.len();
        self.in_pieces(path, begin, end, width, threads_for(end - begin.min(end)), WINDOW)
    }

    /// Checks `pieces` pieces of a file in parallel, in windows of `window` bytes.
    fn in_pieces(
        &self,
        path: &Path,
        begin: u64,
        end: u64,
        width: usize,
        pieces: usize,
        window: usize,
    ) -> Checked<Option<Vec<u64>>> {
        let bounds = bounds(begin, end, pieces);
        let measure = |from, to| Piece::new(self, width).measure(path, from, to, window);
        let measured = in_parallel(&bounds, |(from, to)| {
            // Assumes that the line end before a record is outside quotes. The piece before shows whether this is true.
            let start = if from == begin { Some(from) } else { line_after(path, from - 1, to)? };
            start.map(|start| Ok((start, measure(start, to)?))).transpose()
        })?;
        let (mut rows, mut blank, mut next) = (0, Vec::new(), begin);
        for ((_, to), measured) in bounds.into_iter().zip(measured) {
            if next >= to {
                continue;
            }
            let found = match measured {
                Some((start, found)) if start == next => found,
                _ => measure(next, to)?,
            };
            let Some(piece) = found else { return Ok(None) };
            blank.extend(piece.blank.into_iter().map(|row| rows + row));
            rows += piece.rows;
            next = piece.end;
        }
        Ok(Some(blank))
    }

    /// Returns the blank rows. The error describes the first invalid line.
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
    /// The end of its last record.
    end: u64,
}

impl<'a> Piece<'a> {
    fn new(check: &'a Check<'a>, width: usize) -> Self {
        Self { check, width, rows: 0, blank: Vec::new(), end: 0 }
    }

    /// Counts the records that begin between `from` and `to`, where `from` is the start of a record. Returns `None` if a
    /// line is not valid.
    fn measure(mut self, path: &Path, from: u64, to: u64, wanted: usize) -> Checked<Option<Self>> {
        let mut window = Window::open(path, from)?;
        let (mut fields, mut least) = (Vec::new(), wanted);
        // The position from which the fast check is tried again.
        let mut again = from;
        self.end = from;
        while self.end < to {
            if !window.ended && window.rest().len() < least {
                window.fill(wanted.max(2 * window.rest().len()))?;
            }
            let rest = window.rest();
            if rest.is_empty() {
                break;
            }
            // Records that begin after this piece are not counted.
            let within = rest.len().min(usize::try_from(to - self.end).unwrap_or(usize::MAX));
            let mut done = 0;
            if self.check.dialect.comment.is_none() && again <= self.end {
                let regular = self.regular(&rest[..within]);
                done = regular.done;
                again = self.end + regular.again as u64;
            }
            if done == 0 {
                let most = match again.saturating_sub(self.end) {
                    0 => within,
                    most => within.min(usize::try_from(most).unwrap_or(within)),
                };
                let Some(records) = self.records(rest, most, window.ended, &mut fields) else {
                    return Ok(None);
                };
                done = records;
                if done == 0 && window.ended {
                    return Ok(None);
                }
            }
            least = if done == 0 { rest.len() + 1 } else { wanted / 16 };
            if !is_utf8(&rest[..done]) {
                return Ok(None);
            }
            window.start += done;
            self.end += done as u64;
        }
        Ok(Some(self))
    }

    /// Measures lines as long as they are regular.
    fn regular(&mut self, bytes: &[u8]) -> Regular {
        let Self { check, width, rows, blank, .. } = self;
        regular(check.dialect, bytes, &mut |fields, is_blank| {
            match check.judged(fields, is_blank, *width) {
                Judged::Row => {}
                Judged::Blank => blank.push(*rows),
                Judged::Wrong => return false,
            }
            *rows += 1;
            true
        })
    }

    /// Measures the records that begin within the first `within` bytes. Returns their length in bytes, or `None` if a
    /// record is not valid.
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

/// Returns the number of threads that check `bytes` bytes.
pub(crate) fn threads_for(bytes: u64) -> usize {
    match bytes < MANY_BYTES {
        true => 1,
        false => thread::available_parallelism().map_or(1, usize::from).min(16),
    }
}

/// Divides the bytes from `begin` to `end` into at most `pieces` pieces. Returns the start and the end of each.
pub(crate) fn bounds(begin: u64, end: u64, pieces: usize) -> Vec<(u64, u64)> {
    let piece = (end - begin.min(end)).div_ceil(pieces as u64).max(1);
    let bounds = (0..pieces as u64).map(|at| (begin + at * piece, (begin + (at + 1) * piece).min(end)));
    bounds.filter(|(from, to)| from < to).collect()
}

/// Returns the start of the first line after a line end between `from` and `to`, if there is one.
pub(crate) fn line_after(path: &Path, from: u64, to: u64) -> Checked<Option<u64>> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(from))?;
    let (mut input, mut bytes, mut at) = (file.take(to - from), vec![0; 1 << 12], from);
    loop {
        let read = input.read(&mut bytes)?;
        if let Some(end) = memchr(b'\n', &bytes[..read]) {
            return Ok(Some(at + end as u64 + 1));
        }
        if read == 0 {
            return Ok(None);
        }
        at += read as u64;
    }
}

pub(crate) fn in_parallel<I: Copy + Sync, O: Send>(
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

/// The part of a file that is in memory.
pub(crate) struct Window {
    input: File,
    bytes: Vec<u8>,
    /// The start of the unprocessed bytes. They end at `filled`.
    pub(crate) start: usize,
    filled: usize,
    pub(crate) ended: bool,
}

impl Window {
    pub(crate) fn open(path: &Path, from: u64) -> io::Result<Self> {
        let mut input = File::open(path)?;
        input.seek(SeekFrom::Start(from))?;
        Ok(Self { input, bytes: Vec::new(), start: 0, filled: 0, ended: false })
    }

    pub(crate) fn rest(&self) -> &[u8] {
        &self.bytes[self.start..self.filled]
    }

    /// Reads until `wanted` bytes are available, or the file ends.
    pub(crate) fn fill(&mut self, wanted: usize) -> io::Result<()> {
        self.bytes.copy_within(self.start..self.filled, 0);
        (self.filled, self.start) = (self.filled - self.start, 0);
        if self.bytes.len() < wanted {
            self.bytes.resize(wanted, 0);
        }
        while self.filled < wanted && !self.ended {
            match self.input.read(&mut self.bytes[self.filled..wanted]) {
                Ok(read) => {
                    self.ended = read == 0;
                    self.filled += read;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by its panic")]

    use std::fs;

    use super::Check;
    use crate::storage::csv::fields::Dialect;
    use crate::storage::csv::records::Records;

    /// Returns the blank rows by checking byte by byte, or `None` if a line is not valid.
    fn byte_by_byte(text: &str, dialect: &Dialect, width: usize, pads: bool) -> Option<Vec<u64>> {
        let is_quote = |byte: u8| dialect.quote == Some(byte);
        let mut rest = text.as_bytes();
        let (mut rows, mut blank) = (0, Vec::new());
        while !rest.is_empty() {
            if dialect.comment.as_ref().is_some_and(|comment| rest.starts_with(comment)) {
                let end = rest.iter().position(|byte| *byte == b'\n');
                rest = &rest[end.map_or(rest.len(), |end| end + 1)..];
                continue;
            }
            let (mut fields, mut lonely, is_blank) =
                (1, false, matches!(rest, [b'\n', ..] | [b'\r', b'\n', ..] | [b'\r']));
            let mut begins = true;
            loop {
                match rest {
                    [byte, tail @ ..] if begins && is_quote(*byte) => {
                        rest = tail;
                        loop {
                            match rest {
                                [b'"', b'"', tail @ ..] => rest = tail,
                                [b'"', tail @ ..] => {
                                    rest = tail;
                                    break;
                                }
                                [_, tail @ ..] => rest = tail,
                                [] => return None,
                            }
                        }
                        if !matches!(rest, [] | [b',' | b'\n', ..] | [b'\r', b'\n', ..] | [b'\r']) {
                            return None;
                        }
                    }
                    [b',', tail @ ..] => {
                        (fields, rest, begins) = (fields + 1, tail, true);
                        continue;
                    }
                    [b'\n', tail @ ..] | [b'\r', b'\n', tail @ ..] => {
                        rest = tail;
                        break;
                    }
                    [] | [b'\r'] => {
                        rest = &[];
                        break;
                    }
                    [b'\r', ..] => return None,
                    [byte, tail @ ..] => (lonely, rest) = (lonely ^ is_quote(*byte), tail),
                }
                begins = false;
            }
            match fields {
                _ if lonely => return None,
                _ if is_blank && width > 1 => blank.push(rows),
                fields if fields == width || (pads && fields < width) => {}
                _ => return None,
            }
            rows += 1;
        }
        Some(blank)
    }

    fn random_text(random: &mut fastrand::Rng, width: usize) -> String {
        let fields = [
            "",
            "a",
            "17.25",
            "\u{e9}",
            "\u{1f6eb}",
            "\"\"",
            "\"a\"",
            "\"a,b\"",
            "\"\"\"a\"\"\"",
            "\"\u{e9}\n\"",
            "\"\r\n,\"",
            "\"\"\"\"",
            "\"a\"\"b\"",
        ];
        let odd = ["\"", "a\"", "a\"b\"c", "\r", "\"\"a", "a\"\"", "\n", ",", "\"a\"b", " \"a\""];
        let ends = ["\n", "\r\n"];
        // Some texts have nothing odd, some have quotes in each line, some have none.
        let (odds, quotes, end) = (random.u32(..4) * 2, random.usize(..3), random.usize(..3));
        let mut text = String::new();
        for _ in 0..random.usize(..60) {
            for field in 0..width {
                text.push_str(if field > 0 { "," } else { "" });
                match random.usize(..8) {
                    0 => (0..random.usize(..200)).for_each(|_| text.push('x')),
                    _ if quotes == 0 => text.push_str(fields[random.usize(..5)]),
                    _ if quotes == 1 && field == 0 => text.push_str(fields[random.usize(5..fields.len())]),
                    _ => text.push_str(fields[random.usize(..fields.len())]),
                }
                if random.u32(..400) < odds {
                    text.push_str(odd[random.usize(..odd.len())]);
                }
            }
            text.push_str(ends[if end < 2 { end } else { random.usize(..2) }]);
            if random.u8(..30) == 0 {
                text.push_str(ends[random.usize(..2)]);
            }
            if random.u8(..60) == 0 {
                text.push_str(["#,\n", "#\"\r\n", "# a, \"b\", c\n"][random.usize(..3)]);
            }
        }
        if random.bool() {
            text.truncate(text.trim_end_matches(['\n', '\r']).len());
        }
        text
    }

    /// Compares the fast check with the rules applied byte by byte, on random texts, in one piece and in several, with
    /// windows of several sizes.
    #[test]
    fn the_same_as_byte_by_byte() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("f.csv");
        let mut random = fastrand::Rng::with_seed(3);
        let (mut good, mut bad, mut blanks) = (0, 0, 0);
        for round in 0..2000 {
            let (width, pads) = (random.usize(1..5), random.u8(..4) == 0);
            let text = random_text(&mut random, width);
            fs::write(&path, &text).unwrap();
            let dialect = Dialect {
                separator: b',',
                quote: (random.u8(..5) > 0).then_some(b'"'),
                comment: (random.u8(..5) == 0).then(|| b"#".to_vec()),
                header: false,
                skip_lines: 0,
            };
            let check = Check { dialect: &dialect, width, pads };
            let expected = byte_by_byte(&text, &dialect, width, pads);
            match &expected {
                Some(blank) => (good, blanks) = (good + 1, blanks + blank.len()),
                None => bad += 1,
            }
            let length = text.len() as u64;
            for (pieces, window) in [(1, 1 << 18), (1, 70), (2, 64), (3, 200), (7, 1 << 10)] {
                let quickly = check.in_pieces(&path, 0, length, width, pieces, window).unwrap();
                assert_eq!(quickly, expected, "round {round}, {pieces} pieces, {window} bytes: {text:?}");
            }
            let mut records = Records::of_text(text.as_bytes(), &dialect).unwrap();
            let slowly = check.one_by_one(&mut records, width, &[]).ok();
            assert_eq!(slowly, expected, "round {round}: {text:?}");
        }
        assert!(good > 300 && bad > 300 && blanks > 300, "{good} {bad} {blanks}");
    }
}
