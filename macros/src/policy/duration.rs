//! Durations in source code: `"30s"`, `"1m 30s"`, `"100ms..10s"`.

use std::time::Duration;

use syn::{Expr, ExprLit, Lit, LitStr};

use crate::names::readable;

/// Short units only, since humantime reads `M` as a month.
const UNITS: &[&str] = &["us", "ms", "s", "m", "h", "d"];

/// The longest duration: longer than any run, and far below an overflow.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// Reads the value of `timeout = …` and similar options, which must not be zero.
pub(super) fn of_option(value: &Expr, name: &str, example: &str) -> syn::Result<Duration> {
    let text = text_of(value, name, example)?;
    let duration = parse(&text, text.value().trim(), name, example)?;
    if duration.is_zero() {
        let message = format!("`{name}` leaves no time at all: write `{name} = \"{example}\"`, or remove it");
        return Err(syn::Error::new(text.span(), message));
    }
    Ok(duration)
}

/// Reads the value of `backoff = …`: the first wait and the longest.
pub(super) fn range_of_option(value: &Expr, name: &str, example: &str) -> syn::Result<(Duration, Duration)> {
    let text = text_of(value, name, example)?;
    let written = text.value();
    let Some((from, to)) = written.split_once("..") else {
        let duration = parse(&text, written.trim(), name, example)?;
        return Ok((duration, duration));
    };
    let delay = parse(&text, from.trim(), name, example)?;
    let longest = parse(&text, to.trim(), name, example)?;
    if delay > longest || delay.is_zero() {
        let problem = if delay.is_zero() { "never gets longer than zero" } else { "gets shorter" };
        let message = format!(
            "the wait between attempts starts with the first duration and grows up to the second, and this one {problem}: write \
             `{name} = \"{example}\"`"
        );
        return Err(syn::Error::new(text.span(), message));
    }
    Ok((delay, longest))
}

fn text_of(value: &Expr, name: &str, example: &str) -> syn::Result<LitStr> {
    match ungrouped(value) {
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Ok(text.clone()),
        // `30s` is an integer with a suffix.
        Expr::Lit(ExprLit { lit: Lit::Int(number), .. }) => {
            let suffix = number.suffix();
            let unit = if UNITS.contains(&suffix) { suffix } else { "s" };
            let message = format!(
                "`{name}` takes a text with a number and its unit: write `{name} = \"{}{unit}\"`",
                number.base10_digits()
            );
            Err(syn::Error::new_spanned(value, message))
        }
        _ => {
            let message = format!(
                "`{name}` takes a text with a number and its unit, found `{}`: write `{name} = \"{example}\"`",
                readable(value)
            );
            Err(syn::Error::new_spanned(value, message))
        }
    }
}

/// Removes the invisible brackets around an expression that was passed to a `macro_rules!` macro.
pub(crate) fn ungrouped(mut value: &Expr) -> &Expr {
    while let Expr::Group(group) = value {
        value = &group.expr;
    }
    value
}

fn parse(place: &LitStr, text: &str, name: &str, example: &str) -> syn::Result<Duration> {
    let problem = match humantime::parse_duration(text) {
        Ok(duration) if duration > LONGEST => "is longer than any run".to_owned(),
        Ok(duration) => match units(text).find(|unit| !UNITS.contains(unit)) {
            Some(unit) => format!("has the unit `{unit}`, which is none of {}", listed_units()),
            None => return Ok(duration),
        },
        Err(humantime::DurationError::Empty) => "is empty".to_owned(),
        Err(humantime::DurationError::NumberOverflow) => "is longer than any run".to_owned(),
        Err(humantime::DurationError::UnknownUnit { unit, .. }) if unit.is_empty() => {
            format!("has no unit, which is one of {}", listed_units())
        }
        Err(humantime::DurationError::UnknownUnit { unit, .. }) => {
            format!("has the unit `{unit}`, which is none of {}", listed_units())
        }
        Err(_) => format!("is no duration: that is numbers with units, which are {}", listed_units()),
    };
    let message = format!("`\"{text}\"` {problem}: write `{name} = \"{example}\"`");
    Err(syn::Error::new(place.span(), message))
}

fn units(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphabetic()).filter(|unit| !unit.is_empty())
}

fn listed_units() -> String {
    crate::errors::listed(UNITS)
}
