//! The size of what a factory takes.

use std::collections::BTreeMap;

use super::Known;
use crate::optimize::model::Unit;

/// The sizes of what factories take, as far as they are known before the run: of files that are read, for instance.
///
/// ```
/// use setl::optimize::Sizes;
///
/// let sizes = Sizes::new().bytes("read_flights", 30_000_000).rows("read_flights", 336_776);
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sizes(BTreeMap<String, Size>);

impl Sizes {
    /// None is known.
    pub fn new() -> Self {
        Self::default()
    }

    /// All that `factory` takes has so many bytes, files that it reads among it.
    #[must_use]
    pub fn bytes(mut self, factory: impl Into<String>, bytes: u64) -> Self {
        self.0.entry(factory.into()).or_default().bytes = Some(Uncertain::exactly(bytes));
        self
    }

    /// All that `factory` takes has so many rows, files that it reads among it.
    #[must_use]
    pub fn rows(mut self, factory: impl Into<String>, rows: u64) -> Self {
        self.0.entry(factory.into()).or_default().rows = Some(Uncertain::exactly(rows));
        self
    }

    pub(super) fn of(&self, factory: &str) -> Option<Size> {
        self.0.get(factory).copied()
    }
}

/// Something that was predicted, or is known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Uncertain {
    pub(super) median: f64,
    /// The standard deviation of its logarithm, about.
    pub(super) log_scale: f64,
}

impl Uncertain {
    fn exactly(value: u64) -> Self {
        Self { median: value as f64, log_scale: 0.0 }
    }

    /// The sum of independent quantities, if all are known.
    fn sum(parts: impl Iterator<Item = Option<Self>>) -> Option<Self> {
        let parts: Vec<Self> = parts.collect::<Option<_>>()?;
        let median: f64 = parts.iter().map(|part| part.median).sum();
        // By the share that each has in the sum.
        let of_log = |part: &Self| part.log_scale * part.median / median.max(f64::MIN_POSITIVE);
        let log_scale = parts.iter().map(of_log).fold(0.0, f64::hypot);
        (!parts.is_empty()).then_some(Self { median, log_scale })
    }
}

/// Of what one factory takes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Size {
    pub(super) bytes: Option<Uncertain>,
    pub(super) rows: Option<Uncertain>,
}

impl Size {
    /// Of the outputs of these factories.
    pub(super) fn of_outputs(sources: &[u32], known: &[Known]) -> Self {
        let sources = || sources.iter().map(|&source| &known[source as usize]);
        Self {
            bytes: Uncertain::sum(sources().map(Known::bytes_out)),
            rows: Uncertain::sum(sources().map(Known::rows_out)),
        }
    }

    pub(super) fn in_unit(&self, unit: Unit) -> Option<Uncertain> {
        match unit {
            Unit::Bytes => self.bytes,
            Unit::Rows => self.rows,
        }
    }
}
