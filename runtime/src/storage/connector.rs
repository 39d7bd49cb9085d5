//! The interface of a format and a place.

use std::fmt;
use std::path::Path;

use polars::prelude::{Expr, LazyFrame};

use crate::dataset::RowSchema;
use setl_commit::{CommitDecision, StagedWrite};

/// Reads and writes data of one format in one place: a file, a table, or memory.
///
/// Its `Display` names the format and the place, as in `CSV file flights.csv`. Errors and reports show it. Implement it
/// for your own store, and make a [`Repository`](super::Repository) from it.
///
/// ```
/// use std::fmt;
///
/// use polars::prelude::*;
/// use setl::storage::{Connector, Repository, ScanRequest, StageRequest, StagedWrite};
/// use setl::Row;
///
/// /// The first numbers, to read only.
/// #[derive(Debug)]
/// struct Numbers(u32);
///
/// impl fmt::Display for Numbers {
///     fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
///         write!(f, "numbers below {}", self.0)
///     }
/// }
///
/// impl Connector for Numbers {
///     fn scan(&self, _: &ScanRequest<'_>) -> setl::Result<LazyFrame> {
///         Ok(df!("n" => (0..self.0).collect::<Vec<_>>())?.lazy())
///     }
///
///     fn stage(&self, _: LazyFrame, _: &StageRequest<'_>) -> setl::Result<Box<dyn StagedWrite>> {
///         Err(setl::Error::msg(format!("{self} cannot be written")))
///     }
/// }
///
/// #[derive(Row)]
/// struct Number {
///     n: u32,
/// }
///
/// let numbers = Repository::<Number>::new(Numbers(3));
/// assert_eq!(numbers.load()?.to_rows_blocking()?.len(), 3);
/// # Ok::<(), setl::Error>(())
/// ```
pub trait Connector: fmt::Debug + fmt::Display + Send + Sync + 'static {
    /// Opens the data as a lazy query with at least the requested columns.
    ///
    /// The dtypes are the declared ones and not inferred. Checks that do not read all data are done here.
    ///
    /// # Errors
    /// When the data does not exist, or is known not to have the declared columns.
    fn scan(&self, request: &ScanRequest<'_>) -> crate::Result<LazyFrame>;

    /// Runs `query` and stages its rows, so that the target is unchanged until the write is committed.
    ///
    /// The query has the columns of the shape, in order. When this returns, the rows are on disk, or in another place
    /// that survives a crash until the commit. If the mode leaves the target as it is, the query is not run, and an
    /// [`Untouched`](crate::commit::Untouched) is returned. This blocks.
    ///
    /// # Errors
    /// When the query fails, the rows cannot be written, or the mode does not allow it. Then nothing is left behind.
    fn stage(&self, query: LazyFrame, request: &StageRequest<'_>) -> crate::Result<Box<dyn StagedWrite>>;

    /// Returns the name of the write's target. It must equal [`StagedWrite::target`], and it is the same for all
    /// connectors to the same target. Default: the `Display` text.
    fn target(&self) -> String {
        self.to_string()
    }

    /// Returns the path of the data, if it is a file or a directory of files. Its content shows whether outputs that were
    /// made from it are still valid. Default: `None`, so that a resumed run never reuses such outputs.
    fn path(&self) -> Option<&Path> {
        None
    }

    /// Returns everything that decides which rows a scan returns, besides the place: separators, formats of dates,
    /// filters of the connector. The text must differ whenever the rows may differ. It may also differ in other cases.
    ///
    /// If `Debug` is derived and the fields hold everything, `Some(format!("{self:?}"))` is enough, also for fields that
    /// are added later. Default: `None`, so that no other run reuses outputs that were made from the data.
    fn options(&self) -> Option<String> {
        None
    }

    /// Returns `true` if there is data to load. Default: `true` if there is an entry at the [`path`](Self::path), or if
    /// there is no path.
    ///
    /// # Errors
    /// When the check fails.
    fn exists(&self) -> crate::Result<bool> {
        match self.path().map(std::fs::symlink_metadata) {
            Some(Err(error)) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
            Some(Err(error)) => Err(error.into()),
            Some(Ok(_)) | None => Ok(true),
        }
    }

    /// Finishes or undoes a write whose process has died, according to its ticket:
    /// [`RecoveryTicket::Place`](crate::commit::RecoveryTicket).
    ///
    /// It may be called again for a settled token, and must succeed then.
    ///
    /// # Errors
    /// When the store refuses, or does not support tickets. The default implementation always fails.
    fn settle(&self, token: &str, decision: CommitDecision) -> crate::Result<()> {
        let _ = decision;
        Err(crate::Error::msg(format!("{self} has left `{token}` in a journal, and does not settle such")))
    }
}

/// The schema of the rows to save, and the treatment of existing data.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct StageRequest<'a> {
    /// The declared columns.
    pub shape: &'a RowSchema,
    /// The treatment of existing data.
    pub mode: SaveMode,
}

/// The treatment of existing data when saving.
///
/// ```
/// use setl::storage::{Memory, SaveMode};
/// use setl::{dataset::Dataset, Row};
///
/// #[derive(Row)]
/// struct Count {
///     flights: u32,
/// }
///
/// let counts = Memory::new(&[Count { flights: 1 }])?;
/// let more = Dataset::from_rows(&[Count { flights: 2 }])?;
/// assert_eq!(counts.clone().append().save_blocking(&more)?, 1);
/// assert_eq!(counts.load()?.to_rows_blocking()?.len(), 2);
/// assert_eq!(counts.clone().mode(SaveMode::Ignore).save_blocking(&more)?, 0);
/// assert!(counts.error_if_exists().save_blocking(&more).is_err());
/// # Ok::<(), setl::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SaveMode {
    /// The existing data is replaced as a whole.
    #[default]
    Overwrite,
    /// The existing data stays, and the new rows are added after it. They must have the same columns.
    Append,
    /// Saving fails if there is data.
    ErrorIfExists,
    /// Existing data stays, and nothing is computed.
    Ignore,
}

/// The rows and columns to scan.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ScanRequest<'a> {
    /// The declared columns.
    pub shape: &'a RowSchema,
    /// The condition on the rows to return. A connector may use it, as a database does in its query, or ignore it. The
    /// repository filters in any case.
    pub condition: Option<&'a Expr>,
}
