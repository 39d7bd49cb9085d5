//! The check of a CSV file while it is read.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::SystemTime;

use encoding_rs::Encoding;
use polars::prelude::*;

use super::check::{Check, Content, Problem};
use super::fields::Dialect;
use super::records::{Records, column, decoded};
use crate::storage::text::shortened;

/// The state of a file, to notice that it has changed since the check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileStamp {
    bytes: u64,
    modified: Option<SystemTime>,
    file: u64,
}

impl FileStamp {
    pub(crate) fn of(path: &Path) -> io::Result<Self> {
        let metadata = fs::metadata(path)?;
        #[cfg(unix)]
        let file = std::os::unix::fs::MetadataExt::ino(&metadata);
        #[cfg(not(unix))]
        let file = 0;
        Ok(Self { bytes: metadata.len(), modified: metadata.modified().ok(), file })
    }
}

/// Lets the rows of a file through as long as the file has not changed since it was loaded, or still has the same
/// columns.
///
/// Columns are read by position, which was taken from the header when the file was loaded.
#[derive(Debug)]
pub(super) struct Guard {
    pub(super) path: PathBuf,
    /// The encoding of the file. With an encoding, the whole text is in memory and cannot change.
    pub(super) encoding: Option<&'static Encoding>,
    pub(super) dialect: Dialect,
    pub(super) width: usize,
    pub(super) pads: bool,
    /// The content of the file when it was loaded.
    pub(super) content: Content,
    /// The last valid state of the file.
    pub(super) fits: Mutex<FileStamp>,
    /// The columns of floating-point numbers, by position.
    pub(super) floats: Vec<(usize, PlSmallStr, DataType)>,
    /// The cached result of the check that every infinite number is written as such.
    pub(super) infinite: OnceLock<Result<(), String>>,
}

impl Guard {
    pub(super) fn check(&self) -> Check<'_> {
        Check { dialect: &self.dialect, width: self.width, pads: self.pads }
    }

    /// Checks a batch of rows while the file is read.
    pub(super) fn pass(&self, rows: DataFrame) -> PolarsResult<DataFrame> {
        self.unchanged().map_err(|reason| self.bad(&reason))?;
        for (_, name, _) in &self.floats {
            if rows.column(name).is_ok_and(|floats| has_infinity(floats.as_materialized_series())) {
                self.infinite.get_or_init(|| self.overflow()).clone().map_err(|reason| self.bad(&reason))?;
            }
        }
        Ok(rows)
    }

    fn bad(&self, reason: &str) -> PolarsError {
        polars_err!(ComputeError: "CSV file {} cannot be read: {reason}", self.path.display())
    }

    fn unchanged(&self) -> Result<(), String> {
        if self.encoding.is_some() {
            return Ok(());
        }
        // A deleted file existed when Polars opened it.
        let Ok(print) = FileStamp::of(&self.path) else { return Ok(()) };
        let mut fits = self.fits.lock().unwrap_or_else(PoisonError::into_inner);
        if *fits == print {
            return Ok(());
        }
        let content = self.check().file(&self.path).map_err(told)?;
        let listed = |names: &[String]| shortened(&names.join(", "));
        if content.names != self.content.names {
            return Err(format!(
                "it has changed since it was loaded: its columns were `{}`, and are `{}`; load it again",
                listed(&self.content.names),
                listed(&content.names)
            ));
        }
        if content.blank != self.content.blank {
            return Err("it has changed since it was loaded, and has other blank lines; load it again".into());
        }
        *fits = print;
        Ok(())
    }

    /// Returns an error if a number is too large for its column.
    fn overflow(&self) -> Result<(), String> {
        let decoded =
            self.encoding.map(|encoding| decoded(&self.path, encoding)).transpose().map_err(told)?;
        let mut records = match &decoded {
            Some(text) => Records::of_text(text, &self.dialect),
            None => Records::open(&self.path, &self.dialect),
        }
        .map_err(told)?;
        let names = self.check().header(&mut records).map_err(told)?;
        while records.next(&names).map_err(told)? {
            for (index, _, dtype) in &self.floats {
                let Some(field) = records.fields.get(*index) else { continue };
                let value = field.value(records.bytes(), self.dialect.quote);
                let text = String::from_utf8_lossy(&value);
                if overflows(text.trim(), dtype) {
                    return Err(format!(
                        "line {}, {}: `{}` is too large for {dtype:?}",
                        records.line,
                        column(&names, *index),
                        shortened(&text)
                    ));
                }
            }
        }
        Ok(())
    }
}

fn has_infinity(series: &Series) -> bool {
    match series.dtype() {
        DataType::Float32 => series.f32().is_ok_and(|floats| floats.is_infinite().any()),
        DataType::Float64 => series.f64().is_ok_and(|floats| floats.is_infinite().any()),
        _ => false,
    }
}

/// `true` if a text with digits is read as infinite.
fn overflows(text: &str, dtype: &DataType) -> bool {
    let infinite = match dtype {
        DataType::Float32 => text.parse::<f32>().is_ok_and(f32::is_infinite),
        _ => text.parse::<f64>().is_ok_and(f64::is_infinite),
    };
    infinite && text.contains(|letter: char| letter.is_ascii_digit())
}

fn told(problem: Problem) -> String {
    match problem {
        Problem::Io(error) => error.to_string(),
        Problem::Bad(reason) => reason,
    }
}
