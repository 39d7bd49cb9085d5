//! Compares names, and proposes similar ones in errors.

use std::borrow::Cow;

use unicode_normalization::UnicodeNormalization;

/// Returns `true` if two names are the same text. Text that looks the same may have several encodings: compilers compose letters
/// and their marks, while file names and keyboards may not.
pub(crate) fn same(a: &str, b: &str) -> bool {
    a == b || (!a.is_ascii() && !b.is_ascii() && a.nfc().eq(b.nfc()))
}

/// Composes the letters and marks of a name: two names that are [the same](same) become identical.
pub(crate) fn composed(name: &str) -> Cow<'_, str> {
    if name.is_ascii() { Cow::Borrowed(name) } else { Cow::Owned(name.nfc().collect()) }
}

/// The maximum number of names in a list.
const LISTED: usize = 10;

/// Returns `, did you mean `timeout`?` if `word` is similar to a name, or else the list of names.
pub(crate) fn did_you_mean<'a>(word: &str, there: impl Iterator<Item = &'a str> + Clone) -> String {
    if let Some(candidate) = nearest(word, there.clone()) {
        return format!(", did you mean `{candidate}`?");
    }
    let more = match there.clone().count() {
        0 => return "; there is none".to_owned(),
        1 => return format!("; there is {}", quoted(there)),
        count if count > LISTED => format!(" and {} more", count - LISTED),
        _ => String::new(),
    };
    format!("; there are {}{more}", quoted(there.take(LISTED)))
}

/// Returns the candidate that is most similar to `word`, if any is similar enough.
pub(crate) fn nearest<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = plain(word);
    candidates
        .map(|candidate| (strsim::jaro_winkler(&wanted, &plain(candidate)), candidate))
        .filter(|(likeness, _)| *likeness > 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

/// Returns a name without case, underscores, hyphens and spaces.
pub(crate) fn plain(name: &str) -> String {
    composed(&name.to_lowercase().replace(['_', '-', ' '], "")).into_owned()
}

/// Quotes words as in `` `a`, `b` ``.
pub(crate) fn quoted<'a>(words: impl Iterator<Item = &'a str>) -> String {
    words.map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

/// Joins the lines of a text.
pub(crate) fn in_one_line(text: &str) -> String {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}

/// Cuts the middle out of a text with more than `most` bytes. It keeps the beginning (the event) and the end (the cause).
pub(crate) fn shortened(text: &str, most: usize) -> Cow<'_, str> {
    const GAP: &str = " [...] ";
    if text.len() <= most {
        return Cow::Borrowed(text);
    }
    let half = most.saturating_sub(GAP.len()) / 2;
    let (head, tail) = (text.floor_char_boundary(half), text.ceil_char_boundary(text.len() - half));
    Cow::Owned(format!("{}{GAP}{}", &text[..head], &text[tail..]))
}

#[cfg(test)]
mod tests {
    use super::*;
    #[test]
    fn a_text_is_shortened_in_its_middle() {
        assert_eq!(shortened("short", 5), "short");
        let text = format!("it failed{}no such file", "é".repeat(3000));
        for most in 40..60 {
            let short = shortened(&text, most);
            assert!(short.len() <= most && short.len() > most - 6, "{short}");
            assert!(short.starts_with("it failed") && short.ends_with("no such file"), "{short}");
        }
    }

    #[test]
    fn what_is_near_is_proposed_and_the_rest_is_listed() {
        let three = ["p1", "p2", "p3"];
        assert_eq!(did_you_mean("p4", three.into_iter()), "; there are `p1`, `p2`, `p3`");
        assert_eq!(did_you_mean("FETCHRATES", ["fetch_rates"].into_iter()), ", did you mean `fetch_rates`?");
        assert_eq!(did_you_mean("x", ["total"].into_iter()), "; there is `total`");
        assert_eq!(did_you_mean("x", [].into_iter()), "; there is none");
        let many = ["aa", "bb", "cc", "dd", "ee", "ff", "gg", "hh", "ii", "jj", "kk", "ll"];
        let listed = did_you_mean("x", many.into_iter());
        assert!(listed.ends_with("`ii`, `jj` and 2 more"), "{listed}");
    }

    #[test]
    fn letters_and_marks_are_composed() {
        let (composed, apart) = ("gr\u{f6}\u{df}e", "gro\u{308}\u{df}e");
        assert!(same(composed, apart) && same(apart, composed) && same("a", "a"));
        assert!(!same(composed, "grosse") && !same("a", "b"));
        assert_eq!(plain(composed), plain(apart));
    }

    #[test]
    fn lines_are_joined_without_their_indents() {
        assert_eq!(in_one_line("cannot start:\n  a  b\n    c\n\n"), "cannot start: a  b c");
    }
}
