//! The members of a JSON object in a line.
//!
//! Values are passed on as their text, so that nothing is lost: numbers keep all their digits, and lists and objects keep
//! their form.

/// The maximum nesting depth of lists and objects.
const MOST_NESTED: usize = 128;

/// A value, with its text in the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value<'a> {
    Null,
    Bool(bool),
    Number(&'a str),
    Text(Text<'a>),
    /// A list or an object.
    Nested(&'a str),
}

impl<'a> Value<'a> {
    /// Returns the value as JSON.
    pub(super) fn json(self) -> &'a str {
        match self {
            Self::Null => "null",
            Self::Bool(true) => "true",
            Self::Bool(false) => "false",
            Self::Number(json) | Self::Nested(json) => json,
            Self::Text(text) => text.raw,
        }
    }
}

/// A text in quotes, with its escapes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Text<'a> {
    raw: &'a str,
    escaped: bool,
}

impl Text<'_> {
    /// Returns the text without quotes and escapes.
    pub(super) fn value(&self) -> std::borrow::Cow<'_, str> {
        let inner = &self.raw[1..self.raw.len() - 1];
        if self.escaped { unescaped(inner).into() } else { inner.into() }
    }
}

/// The position at which a line is not a JSON object, and the expected element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NotJson {
    pub(super) at: usize,
    pub(super) what: &'static str,
}

/// Calls `member` with each key and value of the object in `line`.
pub(super) fn members<'a, E: From<NotJson>>(
    line: &'a str,
    mut member: impl FnMut(Text<'a>, Value<'a>) -> Result<(), E>,
) -> Result<(), E> {
    let mut scanner = Scanner { line, bytes: line.as_bytes(), at: 0 };
    scanner.space();
    if scanner.peek() != Some(b'{') {
        return Err(scanner.not("a JSON object"));
    }
    scanner.at += 1;
    scanner.space();
    if scanner.take(b'}') {
        return scanner.end();
    }
    loop {
        let key = scanner.text("a key in quotes")?;
        scanner.space();
        scanner.expect(b':', "`:`")?;
        let value = scanner.value(1)?;
        member(key, value)?;
        scanner.space();
        if scanner.take(b'}') {
            return scanner.end();
        }
        scanner.expect(b',', "`,` or `}`")?;
        scanner.space();
    }
}

struct Scanner<'a> {
    line: &'a str,
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Scanner<'a> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn expect<E: From<NotJson>>(&mut self, byte: u8, what: &'static str) -> Result<(), E> {
        if self.take(byte) { Ok(()) } else { Err(self.not(what)) }
    }

    fn not<E: From<NotJson>>(&self, what: &'static str) -> E {
        NotJson { at: self.at, what }.into()
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    fn end<E: From<NotJson>>(&mut self) -> Result<(), E> {
        self.space();
        if self.peek().is_none() { Ok(()) } else { Err(self.not("one object in each line")) }
    }

    fn value<E: From<NotJson>>(&mut self, depth: usize) -> Result<Value<'a>, E> {
        self.space();
        let start = self.at;
        match self.peek() {
            Some(b'"') => Ok(Value::Text(self.text("a text")?)),
            Some(b'-' | b'0'..=b'9') => {
                self.number()?;
                Ok(Value::Number(&self.line[start..self.at]))
            }
            Some(b'{') => {
                self.nested(depth, b'}')?;
                Ok(Value::Nested(&self.line[start..self.at]))
            }
            Some(b'[') => {
                self.nested(depth, b']')?;
                Ok(Value::Nested(&self.line[start..self.at]))
            }
            Some(b't') => self.word("true", Value::Bool(true)),
            Some(b'f') => self.word("false", Value::Bool(false)),
            Some(b'n') => self.word("null", Value::Null),
            _ => Err(self.not("a value")),
        }
    }

    fn word<E: From<NotJson>>(&mut self, word: &'static str, value: Value<'a>) -> Result<Value<'a>, E> {
        if !self.line[self.at..].starts_with(word) {
            return Err(self.not("a value"));
        }
        self.at += word.len();
        Ok(value)
    }

    /// Skips a list or an object that ends in `end`.
    fn nested<E: From<NotJson>>(&mut self, depth: usize, end: u8) -> Result<(), E> {
        if depth >= MOST_NESTED {
            return Err(self.not("at most 128 lists and objects in one another"));
        }
        self.at += 1;
        self.space();
        if self.take(end) {
            return Ok(());
        }
        loop {
            if end == b'}' {
                self.space();
                self.text("a key in quotes")?;
                self.space();
                self.expect(b':', "`:`")?;
            }
            self.value(depth + 1)?;
            self.space();
            if self.take(end) {
                return Ok(());
            }
            self.expect(b',', if end == b'}' { "`,` or `}`" } else { "`,` or `]`" })?;
        }
    }

    fn digits<E: From<NotJson>>(&mut self) -> Result<(), E> {
        if !self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            return Err(self.not("a digit"));
        }
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        Ok(())
    }

    fn number<E: From<NotJson>>(&mut self) -> Result<(), E> {
        self.take(b'-');
        // No digit may follow a leading zero.
        if !self.take(b'0') {
            self.digits()?;
        }
        if self.take(b'.') {
            self.digits()?;
        }
        if self.take(b'e') || self.take(b'E') {
            let _ = self.take(b'+') || self.take(b'-');
            self.digits()?;
        }
        Ok(())
    }

    fn text<E: From<NotJson>>(&mut self, what: &'static str) -> Result<Text<'a>, E> {
        let start = self.at;
        self.expect(b'"', what)?;
        let mut escaped = false;
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(Text { raw: &self.line[start..self.at], escaped });
                }
                Some(b'\\') => {
                    escaped = true;
                    self.escape()?;
                }
                Some(0..=0x1f) => return Err(self.not("no control character in a text, as `\\t` for a tab")),
                Some(_) => self.at += 1,
                None => return Err(self.not("a quote at the end of the text")),
            }
        }
    }

    fn escape<E: From<NotJson>>(&mut self) -> Result<(), E> {
        let start = self.at;
        self.at += 1;
        match self.peek() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => {
                self.at += 1;
                Ok(())
            }
            Some(b'u') => {
                let valid = match unit(&self.bytes[start..]) {
                    Some(0xd800..=0xdbff) => {
                        self.at += 5;
                        // The other half of a surrogate pair follows.
                        matches!(unit(&self.bytes[self.at..]), Some(0xdc00..=0xdfff))
                    }
                    Some(0xdc00..=0xdfff) | None => false,
                    Some(_) => true,
                };
                if !valid {
                    self.at = start;
                    return Err(self.not("an escape that stands for a character"));
                }
                self.at += if self.bytes[self.at] == b'u' { 5 } else { 6 };
                Ok(())
            }
            _ => Err(self.not("an escape such as `\\n`")),
        }
    }
}

/// Parses the number of an escape such as `\u00e9` at the start of `bytes`.
fn unit(bytes: &[u8]) -> Option<u16> {
    let digits = bytes.get(..6)?.strip_prefix(b"\\u")?;
    digits.iter().try_fold(0, |number, digit| {
        let digit = char::from(*digit).to_digit(16)?;
        Some(number << 4 | digit as u16)
    })
}

/// Replaces the escapes of a valid text.
fn unescaped(mut text: &str) -> String {
    let mut value = String::with_capacity(text.len());
    while let Some(at) = memchr::memchr(b'\\', text.as_bytes()) {
        value.push_str(&text[..at]);
        let escape = &text.as_bytes()[at..];
        let (character, length) = match escape.get(1) {
            Some(b'b') => ('\u{8}', 2),
            Some(b'f') => ('\u{c}', 2),
            Some(b'n') => ('\n', 2),
            Some(b'r') => ('\r', 2),
            Some(b't') => ('\t', 2),
            Some(b'u') => {
                let first = unit(escape).unwrap_or_default();
                let second = escape.get(6..).and_then(unit);
                let mut decoded = char::decode_utf16([first].into_iter().chain(second));
                let character = decoded.next().and_then(Result::ok).unwrap_or(char::REPLACEMENT_CHARACTER);
                (character, 6 * character.len_utf16())
            }
            Some(other) => (char::from(*other), 2),
            None => break,
        };
        value.push(character);
        text = &text[at + length..];
    }
    value.push_str(text);
    value
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{NotJson, Value, members};

    type Members = BTreeMap<String, (String, serde_json::Value)>;

    fn ours(line: &str) -> Result<Members, NotJson> {
        let mut found = BTreeMap::new();
        members(line, |key, value| {
            let plain = match value {
                Value::Text(text) => serde_json::Value::String(text.value().into_owned()),
                other => serde_json::from_str(other.json()).unwrap_or_default(),
            };
            found.insert(key.value().into_owned(), (value.json().to_owned(), plain));
            Ok::<_, NotJson>(())
        })?;
        Ok(found)
    }

    /// Compares the parser with serde_json on lines of random pieces of JSON: both must accept the same objects, and no
    /// others.
    #[test]
    fn the_same_as_serde_json() {
        let pieces = [
            "{",
            "}",
            "[",
            "]",
            ",",
            ":",
            "\"a\"",
            "\"b\"",
            "\"\\u00e9\"",
            "\"\\ud83d\\udeeb\"",
            "\"\\ud83d\"",
            "\"\\udeeb\"",
            "\"\\ud83d\\u0041\"",
            "\"\\x\"",
            "\"\\\"\"",
            "\"\t\"",
            "\"\\u12\"",
            "\"",
            "1",
            "-1",
            "01",
            "1.5",
            "1.",
            ".5",
            "1e3",
            "-",
            "-0",
            "1E+2",
            "1e",
            "9223372036854775808",
            "true",
            "false",
            "null",
            "nul",
            " ",
            "\t",
            "é",
            "🛫",
            "\"C:\\\\new\"",
            "\"\\/\"",
            "\"\\b\\f\\n\\r\\t\"",
            "{\"a\":",
            "{\"a\":{",
            "}}",
        ];
        let mut random = fastrand::Rng::with_seed(7);
        let (mut objects, mut others) = (0, 0);
        for _ in 0..200_000 {
            let mut line = String::new();
            for member in 0..random.usize(..3) {
                line.push_str(if member == 0 { "{" } else { "," });
                line.push_str(pieces[random.usize(6..14)]);
                line.push(':');
                for _ in 0..random.usize(1..4) {
                    line.push_str(pieces[random.usize(..pieces.len())]);
                }
            }
            if random.u8(..4) > 0 {
                line.push('}');
            }
            let theirs = serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(&line);
            match (ours(&line), theirs) {
                (Ok(ours), Ok(theirs)) => {
                    objects += 1;
                    let ours: serde_json::Map<_, _> =
                        ours.into_iter().map(|(key, (_, value))| (key, value)).collect();
                    assert_eq!(ours, theirs, "{line}");
                }
                (Err(_), Err(_)) => others += 1,
                // serde_json cannot hold such numbers.
                (Ok(_), Err(error)) if error.to_string().contains("number out of range") => {}
                (ours, theirs) => panic!("{line}: {ours:?}, {theirs:?}"),
            }
        }
        assert!(objects > 1000 && others > 1000, "{objects} {others}");
    }

    #[test]
    fn deep_lines() {
        let deep = |depth: usize| format!("{{\"a\":{}1{}}}", "[".repeat(depth), "]".repeat(depth));
        assert!(ours(&deep(100)).is_ok());
        assert!(ours(&deep(1_000_000)).is_err());
    }
}
