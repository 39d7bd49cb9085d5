//! Single values: durations, numbers, and the errors for invalid values.

use std::time::{Duration, Instant};

use figment::value::Value;

use crate::base::size::parse_bytes;

/// A value, or `false` for none.
#[derive(Clone, Copy)]
pub(super) enum Switch<T> {
    Off,
    To(T),
}

/// The maximum number of characters of a value in an error.
const LONGEST: usize = 80;

pub(super) fn wrong(place: &str, expected: &str, value: &Value) -> String {
    let found = match value {
        Value::String(_, text) if text.chars().count() > LONGEST => {
            format!("{:?}…", text.chars().take(LONGEST).collect::<String>())
        }
        Value::String(_, text) => format!("{text:?}"),
        Value::Char(_, char) => format!("{char:?}"),
        Value::Bool(_, bool) => bool.to_string(),
        Value::Num(..) => match (integer(value), value.to_f64()) {
            (Some(integer), _) => integer.to_string(),
            (None, Some(float)) => format!("{float:?}"),
            (None, None) => "a number".to_owned(),
        },
        Value::Empty(..) => "nothing".to_owned(),
        Value::Dict(..) => "a table".to_owned(),
        Value::Array(..) => "a list".to_owned(),
    };
    format!("{place}: expected {expected}, found {found}")
}

pub(super) fn switch<T>(value: &Value, read: impl FnOnce(&Value) -> Option<T>) -> Option<Switch<T>> {
    match value.to_bool() {
        Some(false) => Some(Switch::Off),
        _ => read(value).map(Switch::To),
    }
}

/// Reads a duration that is positive and short enough for a clock.
pub(super) fn duration(value: &Value) -> Option<Duration> {
    let duration = humantime::parse_duration(value.as_str()?).ok()?;
    (!duration.is_zero() && Instant::now().checked_add(duration).is_some()).then_some(duration)
}

/// Reads a number of bytes, or a text with a unit.
pub(super) fn bytes(value: &Value) -> Option<u64> {
    match value.as_str() {
        Some(text) => parse_bytes(text),
        None => whole(value),
    }
}

/// Reads the first and the longest wait. One duration stands for both, as in the attribute.
pub(super) fn range(value: &Value) -> Option<(Duration, Duration)> {
    ends(value).filter(|(from, to)| from <= to)
}

fn ends(value: &Value) -> Option<(Duration, Duration)> {
    let text = value.as_str()?;
    let (from, to) = text.split_once("..").unwrap_or((text, text));
    let read = |text: &str| humantime::parse_duration(text.trim()).ok();
    Some((read(from)?, read(to)?))
}

/// Returns the mistake in one or two well-formed durations.
pub(super) fn not_in_time(value: &Value) -> Option<&'static str> {
    let (from, to) = ends(value)?;
    if from > to {
        return Some("the first must not be longer than the second");
    }
    to.is_zero().then_some("it leaves no time at all")
}

fn integer(value: &Value) -> Option<i128> {
    value.to_i128().or_else(|| value.to_u128()?.try_into().ok())
}

pub(super) fn whole<T: TryFrom<i128>>(value: &Value) -> Option<T> {
    integer(value)?.try_into().ok()
}

pub(super) fn at_least_one<T: TryFrom<i128>>(value: &Value) -> Option<T> {
    integer(value).filter(|number| *number > 0)?.try_into().ok()
}

pub(super) fn factor(value: &Value) -> Option<f32> {
    let factor = value.to_f64().or_else(|| Some(integer(value)? as f64))? as f32;
    (factor.is_finite() && factor >= 1.0).then_some(factor)
}
