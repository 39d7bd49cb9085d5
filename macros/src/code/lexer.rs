//! Splits a file into tokens, without comments and spaces.
//!
//! The compiler's own lexer reports invalid tokens as errors of the crate. It cannot be used, since a package has files that are
//! not meant to compile.

/// A part of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token<'a> {
    pub(super) text: &'a str,
    pub(super) kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A name, a keyword or a lifetime.
    Word,
    Literal,
    /// One character of an operator. `joint` is `true` if the next one follows directly: it distinguishes `&&` from `& &`.
    Punct {
        joint: bool,
    },
    Open,
    Close,
}

impl Token<'_> {
    pub(super) fn is(self, text: &str) -> bool {
        self.kind != Kind::Literal && self.text == text
    }
}

/// Returns the tokens of `text`. Text that is invalid in Rust becomes a token, too, so that it counts.
pub(super) fn tokens(text: &str) -> Vec<Token<'_>> {
    let bytes = text.as_bytes();
    let mut tokens = Vec::with_capacity(bytes.len() / 4);
    let mut at = 0;
    while at < bytes.len() {
        let start = at;
        let kind = match bytes[at] {
            b' ' | b'\t' | b'\n' | b'\r' => {
                at += 1;
                continue;
            }
            b'/' if bytes.get(at + 1) == Some(&b'/') => {
                at = until(bytes, at, b'\n');
                continue;
            }
            b'/' if bytes.get(at + 1) == Some(&b'*') => {
                at = after_comment(bytes, at);
                continue;
            }
            b'"' => {
                at = after_quoted(bytes, at + 1, b'"');
                Kind::Literal
            }
            b'\'' => quote(text, &mut at),
            b'0'..=b'9' => {
                at = after_number(bytes, at);
                Kind::Literal
            }
            byte if is_word(byte) => word(bytes, &mut at),
            b'(' | b'[' | b'{' => {
                at += 1;
                Kind::Open
            }
            b')' | b']' | b'}' => {
                at += 1;
                Kind::Close
            }
            _ => {
                at += 1;
                Kind::Punct { joint: bytes.get(at).is_some_and(u8::is_ascii_punctuation) }
            }
        };
        tokens.push(Token { text: &text[start..at], kind });
    }
    tokens
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

fn until(bytes: &[u8], at: usize, end: u8) -> usize {
    bytes[at..].iter().position(|byte| *byte == end).map_or(bytes.len(), |found| at + found)
}

/// Returns the end of the comment `/* … /* … */ … */`.
fn after_comment(bytes: &[u8], mut at: usize) -> usize {
    let mut depth = 0;
    while at < bytes.len() {
        match bytes.get(at..at + 2) {
            Some(b"/*") => (depth, at) = (depth + 1, at + 2),
            Some(b"*/") => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    at
}

fn after_quoted(bytes: &[u8], mut at: usize, quote: u8) -> usize {
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            byte if byte == quote => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// Reads `'a'`, or the lifetime `'a`.
fn quote(text: &str, at: &mut usize) -> Kind {
    let rest = &text[*at + 1..];
    let mut chars = rest.char_indices();
    let first = chars.next().map_or(' ', |(_, first)| first);
    let is_char = first == '\\' || chars.next().is_some_and(|(_, second)| second == '\'');
    if is_char {
        *at = after_quoted(text.as_bytes(), *at + 1, b'\'');
        return Kind::Literal;
    }
    *at += 1 + rest.bytes().position(|byte| !is_word(byte)).unwrap_or(rest.len());
    Kind::Word
}

/// Returns the end of a number: `1_000`, `0xff_u8`, `1.5e-3`, without the dots of `0..3` and `0.max(1)`.
fn after_number(bytes: &[u8], mut at: usize) -> usize {
    let start = at;
    while at < bytes.len() {
        let digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
        let exponent = || matches!(bytes[at - 1], b'e' | b'E') && !bytes[start..at].starts_with(b"0x");
        match bytes[at] {
            byte if is_word(byte) => at += 1,
            b'.' if digit(at + 1) => at += 1,
            b'+' | b'-' if digit(at + 1) && exponent() => at += 1,
            _ => break,
        }
    }
    at
}

/// Reads a name, or a literal that starts like one: `r"…"`, `br#"…"#`, `b'…'`, `r#name`.
fn word(bytes: &[u8], at: &mut usize) -> Kind {
    let start = *at;
    while *at < bytes.len() && is_word(bytes[*at]) {
        *at += 1;
    }
    let prefix = &bytes[start..*at];
    match bytes.get(*at) {
        Some(b'"') if matches!(prefix, b"b" | b"c") => {
            *at = after_quoted(bytes, *at + 1, b'"');
            Kind::Literal
        }
        Some(b'\'') if prefix == b"b" => {
            *at = after_quoted(bytes, *at + 1, b'\'');
            Kind::Literal
        }
        Some(b'"' | b'#') if matches!(prefix, b"r" | b"br" | b"cr") => {
            let hashes = bytes[*at..].iter().take_while(|byte| **byte == b'#').count();
            if bytes.get(*at + hashes) == Some(&b'"') {
                *at = after_raw(bytes, *at + hashes + 1, hashes);
                return Kind::Literal;
            }
            if hashes == 1 && bytes.get(*at + 1).is_some_and(|byte| is_word(*byte)) {
                *at += 1;
                word(bytes, at);
            }
            Kind::Word
        }
        _ => Kind::Word,
    }
}

fn after_raw(bytes: &[u8], mut at: usize, hashes: usize) -> usize {
    loop {
        at = until(bytes, at, b'"') + 1;
        if at > bytes.len() {
            return bytes.len();
        }
        if bytes[at..].iter().take(hashes).filter(|byte| **byte == b'#').count() == hashes {
            return at + hashes;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        let found: Vec<_> = tokens(text).into_iter().map(|token| token.text).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn tokens_are_those_of_rust() {
        check(
            "fn f<'a>(x: &'a u8) -> char { 'a' }",
            &[
                "fn", "f", "<", "'a", ">", "(", "x", ":", "&", "'a", "u8", ")", "-", ">", "char", "{", "'a'",
                "}",
            ],
        );
        check(
            r#"('\'', '"', '\u{1F600}', 'ß', b'\\', "a\"b")"#,
            &[
                "(",
                r"'\''",
                ",",
                "'\"'",
                ",",
                r"'\u{1F600}'",
                ",",
                "'ß'",
                ",",
                r"b'\\'",
                ",",
                r#""a\"b""#,
                ")",
            ],
        );
        check(
            r###"r"\" r#"a"b"# br##"x"#"## r#type c"x""###,
            &[r#"r"\""#, r##"r#"a"b"#"##, r###"br##"x"#"##"###, "r#type", r#"c"x""#],
        );
        check(
            "0..3 1.5e-3 0xfe-1 1.max(2) x.0.1",
            &[
                "0", ".", ".", "3", "1.5e-3", "0xfe", "-", "1", "1", ".", "max", "(", "2", ")", "x", ".",
                "0.1",
            ],
        );
        check("a // b\n/* c /* d */ \" */ e /// f", &["a", "e"]);
        check("#!/usr/bin/env cargo", &["#", "!", "/", "usr", "/", "bin", "/", "env", "cargo"]);
    }

    #[test]
    fn what_ends_too_early_ends_there() {
        for text in ["\"abc", "r#\"abc\"", "/* abc", "'", "b'", "'\\", "\"\\", "r#", "1."] {
            tokens(text);
        }
    }
}
