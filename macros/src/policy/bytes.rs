//! Amounts of memory in source code: `"500 MiB"`.

use syn::{Expr, ExprLit, Lit, LitStr};

use super::duration::ungrouped;
use crate::names::readable;

/// The same units as in settings: a test of `setl-tests` compares them.
const UNITS: [(&str, f64); 8] = [
    ("KiB", 1024.0),
    ("MiB", 1_048_576.0),
    ("GiB", 1_073_741_824.0),
    ("TiB", 1_099_511_627_776.0),
    ("kB", 1e3),
    ("MB", 1e6),
    ("GB", 1e9),
    ("TB", 1e12),
];

/// Reads the value of `memory = …` in bytes.
pub(super) fn of_option(value: &Expr, name: &str, example: &str) -> syn::Result<u64> {
    match ungrouped(value) {
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => parse(text, name, example),
        _ => {
            let message = format!(
                "`{name}` takes a text with a number and its unit, found `{}`: write `{name} = \"{example}\"`",
                readable(value)
            );
            Err(syn::Error::new_spanned(value, message))
        }
    }
}

fn parse(place: &LitStr, name: &str, example: &str) -> syn::Result<u64> {
    let text = place.value();
    let trimmed = text.trim();
    let end = trimmed.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(trimmed.len());
    let (number, unit) = trimmed.split_at(end);
    let factor = UNITS.iter().find(|(known, _)| known.eq_ignore_ascii_case(unit.trim()));
    let problem = match (number.parse::<f64>(), factor) {
        (Ok(0.0), _) => "is nothing".to_owned(),
        (Ok(number), Some((_, factor))) => match number * factor {
            // Up to 8 PiB, the conversion is exact.
            bytes if bytes > (1_u64 << 53) as f64 => "is more than any machine has".to_owned(),
            bytes if bytes < 1.0 => "is less than a byte".to_owned(),
            bytes => return Ok(bytes as u64),
        },
        (Ok(_), None) => {
            let units: Vec<_> = UNITS.iter().map(|(unit, _)| *unit).collect();
            format!("has no unit of these: {}", crate::errors::listed(&units))
        }
        (Err(_), _) => "is no number with a unit".to_owned(),
    };
    Err(syn::Error::new(place.span(), format!("`\"{text}\"` {problem}: write `{name} = \"{example}\"`")))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

    use syn::parse_quote;

    use super::*;

    #[test]
    fn amounts_have_a_number_and_a_unit() {
        let of = |value: Expr| of_option(&value, "memory", "500 MiB").map_err(|error| error.to_string());
        assert_eq!(of(parse_quote!("500 MiB")), Ok(500 << 20));
        assert_eq!(of(parse_quote!("2gib")), Ok(2 << 30));
        assert_eq!(of(parse_quote!("1.5 GiB")), Ok(3 << 29));
        assert_eq!(of(parse_quote!(".5 kB")), Ok(500));
        assert_eq!(of(parse_quote!(" 3 GB ")), Ok(3_000_000_000));
        let wrong = |value: Expr, problem: &str| {
            let error = of(value).unwrap_err();
            assert!(error.contains(problem) && error.ends_with("write `memory = \"500 MiB\"`"), "{error}");
        };
        wrong(parse_quote!("500"), "has no unit of these: `KiB`, `MiB`");
        wrong(parse_quote!("5 apples"), "has no unit of these");
        wrong(parse_quote!("0 MiB"), "is nothing");
        wrong(parse_quote!("much"), "is no number with a unit");
        wrong(parse_quote!("1.2.3 MB"), "is no number with a unit");
        wrong(parse_quote!("0.0001 kB"), "is less than a byte");
        wrong(parse_quote!("99999999999 TiB"), "is more than any machine has");
        wrong(parse_quote!(500), "takes a text with a number and its unit, found `500`");
    }
}
