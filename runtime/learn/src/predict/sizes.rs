//! The input size of a factory.

use std::collections::BTreeMap;

use super::Known;
use crate::history::FileRecord;
use crate::model::Unit;

/// The input sizes that are known before the run: for instance, those of files.
///
/// ```
/// use setl_learn::Sizes;
///
/// let sizes = Sizes::new().bytes("read_flights", 30_000_000).rows("read_flights", 336_776);
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sizes {
    taken: BTreeMap<String, Size>,
    /// The total size of the files that are read. `None` if it is unknown.
    files: BTreeMap<String, Option<u64>>,
}

impl Sizes {
    /// Creates sizes of which none is known.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the total input size of `factory` in bytes, including the files that it reads.
    #[must_use]
    pub fn bytes(mut self, factory: impl Into<String>, bytes: u64) -> Self {
        self.taken.entry(factory.into()).or_default().bytes = Some(Uncertain::exactly(bytes));
        self
    }

    /// Sets the total input size of `factory` in rows, including the files that it reads.
    #[must_use]
    pub fn rows(mut self, factory: impl Into<String>, rows: u64) -> Self {
        self.taken.entry(factory.into()).or_default().rows = Some(Uncertain::exactly(rows));
        self
    }

    /// Sets the total size of the files that `factory` reads. The predicted outputs of its upstream factories are added to it.
    #[must_use]
    pub fn files(mut self, factory: impl Into<String>, bytes: u64) -> Self {
        self.files.insert(factory.into(), Some(bytes));
        self
    }

    /// Looks up the present sizes of these files, unless a size of the factory is already set. If `files` is `None`, the size is
    /// unknown.
    pub(super) fn look_up(&mut self, factory: &str, files: Option<&[FileRecord]>) {
        if !self.taken.contains_key(factory) && !self.files.contains_key(factory) {
            // If one of the files no longer exists, others may be read.
            let size = |file: &FileRecord| Some(FileRecord::at(&file.path)?.bytes);
            let bytes = files.and_then(|files| files.iter().map(size).sum());
            self.files.insert(factory.to_owned(), bytes);
        }
    }

    /// The input size of a factory, from the outputs of its upstream factories and from its files.
    pub(super) fn of(&self, factory: &str, sources: &[u32], known: &[Known]) -> Size {
        if let Some(size) = self.taken.get(factory) {
            return *size;
        }
        let delivered = Size::of_outputs(sources, known);
        match self.files.get(factory) {
            None => delivered,
            Some(None) => Size { bytes: None, ..delivered },
            Some(Some(files)) => {
                let parts = [Some(Uncertain::exactly(*files)), delivered.bytes];
                Size { bytes: Uncertain::sum(parts.into_iter().flatten()), ..delivered }
            }
        }
    }
}

/// A quantity that was predicted or is known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Uncertain {
    pub(super) median: f64,
    /// The approximate standard deviation of its logarithm.
    pub(super) log_scale: f64,
}

impl Uncertain {
    fn exactly(value: u64) -> Self {
        Self { median: value as f64, log_scale: 0.0 }
    }

    /// The sum of independent quantities, or `None` if there are none.
    pub(super) fn sum(parts: impl Iterator<Item = Self>) -> Option<Self> {
        let parts: Vec<Self> = parts.collect();
        let median: f64 = parts.iter().map(|part| part.median).sum();
        // Each part counts by its share in the sum.
        let of_log = |part: &Self| part.log_scale * part.median / median.max(f64::MIN_POSITIVE);
        let log_scale = parts.iter().map(of_log).fold(0.0, f64::hypot);
        (!parts.is_empty()).then_some(Self { median, log_scale })
    }
}

/// The input size of one factory.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Size {
    pub(super) bytes: Option<Uncertain>,
    pub(super) rows: Option<Uncertain>,
}

impl Size {
    /// The total size of the outputs of these factories: the bytes of those whose size is known, and the rows if those of all are
    /// known.
    pub(super) fn of_outputs(sources: &[u32], known: &[Known]) -> Self {
        let sources = || sources.iter().map(|&source| &known[source as usize]);
        Self {
            bytes: Uncertain::sum(sources().filter_map(Known::bytes_out)),
            rows: sources()
                .map(Known::rows_out)
                .collect::<Option<Vec<_>>>()
                .and_then(|rows| Uncertain::sum(rows.into_iter())),
        }
    }

    pub(super) fn in_unit(&self, unit: Unit) -> Option<Uncertain> {
        match unit {
            Unit::Bytes => self.bytes,
            Unit::Rows => self.rows,
        }
    }
}
