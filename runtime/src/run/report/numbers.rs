//! Formats numbers for people.

use std::time::Duration;

/// Formats a duration with three significant digits and a unit.
pub(crate) fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    let (value, unit) = match seconds {
        s if s >= 1.0 => (s, "s"),
        s if s >= 1e-3 => (s * 1e3, "ms"),
        s => (s * 1e6, "µs"),
    };
    match value {
        v if v >= 100.0 => format!("{v:.0} {unit}"),
        v if v >= 10.0 => format!("{v:.1} {unit}"),
        v if v > 0.0 => format!("{v:.2} {unit}"),
        _ => format!("0 {unit}"),
    }
}

/// The mean number of factories that worked at the same time, at most the number of threads.
pub(crate) fn mean_parallelism(work: Duration, makespan: Duration, threads: usize) -> f64 {
    (work.as_secs_f64() / makespan.as_secs_f64().max(f64::MIN_POSITIVE)).min(threads as f64)
}

/// Formats `1234567` as `1,234,567`.
pub(crate) fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
