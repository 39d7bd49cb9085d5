//! Estimates of quantities that are not known yet.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The probability of an [`Interval`]: nine in ten values are expected to lie in it.
pub const LEVEL: f64 = 0.9;

/// The minimum number of measurements of a prediction that is shown.
pub const FEWEST: usize = 3;

/// The maximum ratio of `high` to `low` in a prediction that is shown.
pub const WIDEST: f64 = 4.0;

/// The reason why a prediction is not shown, as in `1 run so far, and 3 are needed`.
pub fn unknown_since(basis: Basis) -> String {
    match basis.measurements() {
        0 => format!("no run so far, and {FEWEST} are needed"),
        1 => format!("1 run so far, and {FEWEST} are needed"),
        few if few < FEWEST => format!("{few} runs so far, and {FEWEST} are needed"),
        _ => "the runs so far differ too much".to_owned(),
    }
}

/// The text that replaces a prediction that is not shown.
pub const NOT_KNOWN: &str = "not known yet";

/// The range in which a quantity is expected: with a probability of [`LEVEL`] between `low` and `high`. Times are in seconds.
///
/// ```
/// use setl_learn::Interval;
///
/// let interval = Interval { low: 0.9, median: 1.2, high: 1.6 };
/// assert!(interval.contains(1.31));
/// assert_eq!(interval.seconds().to_string(), "1.20 s (0.90 to 1.60)");
/// let bytes = Interval { low: 0.8e6, median: 1e6, high: 1.3e6 };
/// assert_eq!(bytes.bytes().to_string(), "1.00 MB (0.80 to 1.30)");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// One in twenty values is less.
    pub low: f64,
    /// Half of the values are less, and half are more.
    pub median: f64,
    /// One in twenty values is more.
    pub high: f64,
}

impl Interval {
    /// The interval of a known value.
    pub const fn exactly(value: f64) -> Self {
        Self { low: value, median: value, high: value }
    }

    /// Returns the interval if it is useful: it rests on at least [`FEWEST`] measurements, and `high` is at most [`WIDEST`] times
    /// `low`.
    ///
    /// ```
    /// use setl_learn::{Basis, Interval};
    ///
    /// let interval = Interval { low: 1.0, median: 2.0, high: 4.0 };
    /// assert_eq!(interval.if_known(Basis::Observed(3)), Some(interval));
    /// assert_eq!(interval.if_known(Basis::Observed(2)), None);
    /// assert_eq!(Interval { high: 4.1, ..interval }.if_known(Basis::Observed(9)), None);
    /// ```
    pub fn if_known(self, basis: Basis) -> Option<Self> {
        (basis.measurements() >= FEWEST && self.high <= WIDEST * self.low).then_some(self)
    }

    /// `true` if the interval contains this value.
    pub fn contains(&self, value: f64) -> bool {
        self.low <= value && value <= self.high
    }

    /// The interval as text, in a unit of time.
    pub fn seconds(&self) -> impl fmt::Display {
        self.shown(TIME)
    }

    /// The interval as text, in a unit of size.
    pub fn bytes(&self) -> impl fmt::Display {
        self.shown(SIZE)
    }

    fn shown(&self, units: Units) -> String {
        let (unit, name) = unit_of(self.median, units);
        let [low, median, high] = [self.low, self.median, self.high].map(|value| three_digits(value / unit));
        format!("{median} {name} ({low} to {high})")
    }
}

/// The evidence for an [`Estimate`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Basis {
    /// No measurement of this code: the estimate is a usual value, or comes from other code.
    Prior,
    /// The number of measurements.
    Observed(usize),
}

impl Basis {
    /// The basis of this number of measurements.
    pub const fn of(measurements: usize) -> Self {
        if measurements == 0 { Basis::Prior } else { Basis::Observed(measurements) }
    }

    /// The number of measurements.
    pub const fn measurements(self) -> usize {
        match self {
            Basis::Prior => 0,
            Basis::Observed(measurements) => measurements,
        }
    }
}

impl fmt::Display for Basis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Basis::Prior => f.write_str("prior"),
            Basis::Observed(1) => f.write_str("1 run"),
            Basis::Observed(runs) => write!(f, "{runs} runs"),
        }
    }
}

/// An estimate of a quantity that is not known yet, with its basis. Times are in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// One in twenty values is less.
    pub low: f64,
    /// Half of the values are less, and half are more.
    pub median: f64,
    /// One in twenty values is more.
    pub high: f64,
    /// The evidence for the estimate.
    pub basis: Basis,
}

impl Estimate {
    /// Returns the interval if it is [useful](Interval::if_known).
    pub fn if_known(&self) -> Option<Interval> {
        self.interval().if_known(self.basis)
    }

    /// The interval, without its basis.
    pub const fn interval(&self) -> Interval {
        Interval { low: self.low, median: self.median, high: self.high }
    }
}

/// The names of units with their sizes, from the smallest.
type Units = &'static [(f64, &'static str)];

const TIME: Units = &[(1e-6, "µs"), (1e-3, "ms"), (1.0, "s")];
const SIZE: Units = &[(1.0, "B"), (1e3, "kB"), (1e6, "MB"), (1e9, "GB"), (1e12, "TB")];

fn unit_of(value: f64, units: Units) -> (f64, &'static str) {
    units.iter().rev().copied().find(|(unit, _)| value >= *unit).unwrap_or(units[0])
}

/// Formats with three significant digits, as far as they stand after the decimal point.
fn three_digits(value: f64) -> String {
    match value {
        v if v >= 1e6 => format!("{v:.1e}"),
        v if v >= 99.95 => format!("{v:.0}"),
        v if v >= 9.995 => format!("{v:.1}"),
        v if v > 0.0 => format!("{v:.2}"),
        _ => "0".to_owned(),
    }
}

fn with_unit(value: f64, units: Units) -> String {
    let (unit, name) = unit_of(value, units);
    format!("{} {name}", three_digits(value / unit))
}

/// Formats a time in seconds: three digits and a unit.
///
/// ```
/// assert_eq!(setl_learn::model::seconds(0.0123), "12.3 ms");
/// ```
pub fn seconds(value: f64) -> String {
    with_unit(value, TIME)
}

/// Formats a size in bytes: three digits and a unit.
///
/// ```
/// assert_eq!(setl_learn::model::bytes(52e6), "52.0 MB");
/// ```
pub fn bytes(value: f64) -> String {
    with_unit(value, SIZE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_has_the_unit_of_its_median() {
        let cases = [
            (Interval { low: 0.0004, median: 0.0123, high: 1.5 }, "12.3 ms (0.40 to 1500)"),
            (Interval { low: 0.0, median: 0.0, high: 0.0 }, "0 µs (0 to 0)"),
            (Interval { low: 90.0, median: 120.4, high: 3.21e9 }, "120 s (90.0 to 3.2e9)"),
        ];
        for (interval, expected) in cases {
            assert_eq!(interval.seconds().to_string(), expected);
        }
        assert_eq!(Interval::exactly(2e9).bytes().to_string(), "2.00 GB (2.00 to 2.00)");
    }

    #[test]
    fn a_basis_says_how_much_there_is() {
        assert_eq!([0, 1, 14].map(|n| Basis::of(n).to_string()), ["prior", "1 run", "14 runs"]);
        assert_eq!([0, 3].map(|n| Basis::of(n).measurements()), [0, 3]);
    }
}
