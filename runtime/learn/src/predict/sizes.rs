//! The size of what a factory takes.

use std::collections::BTreeMap;

use super::Known;
use crate::history::FileRecord;
use crate::model::Unit;

/// The sizes of what factories take, as far as they are known before the run: of files that are read, for instance.
///
/// ```
/// use setl_learn::Sizes;
///
/// let sizes = Sizes::new().bytes("read_flights", 30_000_000).rows("read_flights", 336_776);
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sizes {
    taken: BTreeMap<String, Size>,
    /// Of the files that are read; none if that is not known.
    files: BTreeMap<String, Option<u64>>,
}

impl Sizes {
    /// None is known.
    pub fn new() -> Self {
        Self::default()
    }

    /// All that `factory` takes has so many bytes, files that it reads among it.
    #[must_use]
    pub fn bytes(mut self, factory: impl Into<String>, bytes: u64) -> Self {
        self.taken.entry(factory.into()).or_default().bytes = Some(Uncertain::exactly(bytes));
        self
    }

    /// All that `factory` takes has so many rows, files that it reads among it.
    #[must_use]
    pub fn rows(mut self, factory: impl Into<String>, rows: u64) -> Self {
        self.taken.entry(factory.into()).or_default().rows = Some(Uncertain::exactly(rows));
        self
    }

    /// The files that `factory` reads have so many bytes, to which comes what the factories above it are predicted to deliver.
    #[must_use]
    pub fn files(mut self, factory: impl Into<String>, bytes: u64) -> Self {
        self.files.insert(factory.into(), Some(bytes));
        self
    }

    /// Looks up how large these files are now, unless something is said of the factory already. Of files that nobody knows
    /// nothing is known.
    pub(super) fn look_up(&mut self, factory: &str, files: Option<&[FileRecord]>) {
        if !self.taken.contains_key(factory) && !self.files.contains_key(factory) {
            // Where one is not there any more, others may be read.
            let size = |file: &FileRecord| Some(FileRecord::at(&file.path)?.bytes);
            let bytes = files.and_then(|files| files.iter().map(size).sum());
            self.files.insert(factory.to_owned(), bytes);
        }
    }

    /// Of a factory that takes the outputs of these others, of which something is known.
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

    /// The sum of independent quantities, if there are any.
    pub(super) fn sum(parts: impl Iterator<Item = Self>) -> Option<Self> {
        let parts: Vec<Self> = parts.collect();
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
    /// Of the outputs of these factories: the bytes of those that have a size, and the rows if those of
    /// all are known.
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
