//! Cutting the lines of a CSV file into fields, and finding lines that are not CSV.

use memchr::{memchr, memchr3};

/// The bytes with a special meaning in a CSV file.
#[derive(Clone, Debug)]
pub(crate) struct Dialect {
    pub(crate) separator: u8,
    pub(crate) quote: Option<u8>,
    pub(crate) comment: Option<Vec<u8>>,
    pub(crate) header: bool,
    /// The number of lines before the header that are not CSV.
    pub(crate) skip_lines: usize,
}

/// The position of a field in its record.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field {
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) quoted: bool,
}

impl Field {
    /// Returns the bytes of the field, including its quotes.
    pub(crate) fn raw<'a>(&self, record: &'a [u8]) -> &'a [u8] {
        &record[self.start..self.end]
    }

    /// Returns the value of the field, without quotes.
    pub(crate) fn value(&self, record: &[u8], quote: Option<u8>) -> Vec<u8> {
        let raw = self.raw(record);
        let (true, Some(quote)) = (self.quoted, quote) else { return raw.to_vec() };
        let inner = raw.get(1..raw.len().saturating_sub(1)).unwrap_or_default();
        let mut value = Vec::with_capacity(inner.len());
        let mut bytes = inner.iter().copied().peekable();
        while let Some(byte) = bytes.next() {
            if byte == quote {
                bytes.next_if_eq(&quote);
            }
            value.push(byte);
        }
        value
    }
}

/// The result of cutting the first record.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Cut {
    /// A record of this length in bytes, including its line end.
    Record(usize),
    /// A comment of this length in bytes, including its line end.
    Comment(usize),
    /// The record does not end within these bytes.
    More,
    /// The bytes are not CSV.
    Fault(Fault),
}

/// The position at which a record is not CSV.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) at: usize,
    /// The index of the field.
    pub(crate) field: usize,
    pub(crate) kind: FaultKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FaultKind {
    Unclosed,
    AfterQuote,
    StrayQuote,
    CarriageReturn,
}

impl Dialect {
    /// Cuts the first record of `bytes`, and puts its fields into `fields`. `last` is set if no bytes follow.
    pub(crate) fn cut(&self, bytes: &[u8], last: bool, fields: &mut Vec<Field>) -> Cut {
        fields.clear();
        if let Some(comment) = &self.comment {
            if bytes.starts_with(comment) {
                return match memchr(b'\n', bytes) {
                    Some(end) => Cut::Comment(end + 1),
                    None if last => Cut::Comment(bytes.len()),
                    None => Cut::More,
                };
            }
            if bytes.len() < comment.len() && !last {
                return Cut::More;
            }
        }
        let mut at = 0;
        let mut stray = None;
        loop {
            let fault = |at, kind| Cut::Fault(Fault { at, field: fields.len(), kind });
            let start = at;
            let quoted = self.quote.is_some() && bytes.get(at).copied() == self.quote;
            if quoted {
                match self.closing(bytes, at, last) {
                    Some(end) => at = end,
                    None if last => return fault(start, FaultKind::Unclosed),
                    None => return Cut::More,
                }
            } else {
                let found = memchr3(self.separator, b'\n', b'\r', &bytes[at..]);
                at = found.map_or(bytes.len(), |found| at + found);
                if let Some(quote) = self.quote
                    && let Some(offset) = memchr(quote, &bytes[start..at])
                {
                    let quotes = memchr::memchr_iter(quote, &bytes[start..at]).count();
                    // Two quotes in a line do no harm. A single one makes Polars search for its partner.
                    stray = match stray {
                        Some(_) if quotes % 2 == 1 => None,
                        None if quotes % 2 == 1 => Some((start + offset, fields.len())),
                        stray => stray,
                    };
                }
            }
            let field = Field { start, end: at, quoted };
            // The opening quote of another field, several lines above, has swallowed this one.
            let late = |at: usize| match memchr(b'\n', &bytes[start..at]) {
                Some(_) => fault(start, FaultKind::Unclosed),
                None => fault(at, FaultKind::AfterQuote),
            };
            let end = match bytes.get(at) {
                Some(byte) if *byte == self.separator => {
                    fields.push(field);
                    at += 1;
                    continue;
                }
                Some(b'\n') => at + 1,
                Some(b'\r') => match bytes.get(at + 1) {
                    Some(b'\n') => at + 2,
                    // The file ends with it. Like Polars, this treats it as a line end.
                    None if last => at + 1,
                    None => return Cut::More,
                    Some(_) if quoted => return late(at),
                    Some(_) => return fault(at, FaultKind::CarriageReturn),
                },
                Some(_) => return late(at),
                None if last => at,
                None => return Cut::More,
            };
            fields.push(field);
            return match stray {
                Some((at, field)) => Cut::Fault(Fault { at, field, kind: FaultKind::StrayQuote }),
                None => Cut::Record(end),
            };
        }
    }

    /// Returns the end of the quoted field that begins at `start`. Returns `None` if it is not within these bytes.
    fn closing(&self, bytes: &[u8], start: usize, last: bool) -> Option<usize> {
        let quote = self.quote?;
        let mut at = start + 1;
        loop {
            at += memchr(quote, bytes.get(at..)?)? + 1;
            match bytes.get(at) {
                Some(byte) if *byte == quote => at += 1,
                None if !last => return None,
                _ => return Some(at),
            }
        }
    }
}
