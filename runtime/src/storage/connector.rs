//! What a format and a place must be able to do.

use std::fmt;
use std::path::Path;

use polars::prelude::{Expr, LazyFrame};

use crate::dataset::Shape;
use setl_commit::{Decision, StagedWrite};

/// Reads and writes data of one format in one place: a file, a table, memory.
///
/// Its `Display` names format and place, as in `CSV file flights.csv`; errors and reports show it.
/// Implement it for a store of your own, and make a [`Repository`](super::Repository) of it.
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
    /// Opens the data as a lazy query with at least the columns that are asked for.
    ///
    /// The dtypes are the declared ones, not inferred. What can be checked without reading all data is checked here.
    ///
    /// # Errors
    /// When the data is not there, or is known not to have the declared columns.
    fn scan(&self, request: &ScanRequest<'_>) -> crate::Result<LazyFrame>;

    /// Runs `query` and writes its rows aside, so that the target is unchanged until the write is committed.
    ///
    /// The query has the columns of the shape, in order. When this returns, the rows are on disk, or wherever they
    /// survive a crash until the commit. Where the mode leaves the target as it is, the query is not run, and an
    /// [`Untouched`](crate::commit::Untouched) is given. It blocks.
    ///
    /// # Errors
    /// When the query fails, the rows cannot be written, or the mode does not allow it; then nothing is left behind.
    fn stage(&self, query: LazyFrame, request: &StageRequest<'_>) -> crate::Result<Box<dyn StagedWrite>>;

    /// What is changed by a write: the same text as [`StagedWrite::target`], and the same for all connectors that reach
    /// the same. If nothing is implemented, it is the name.
    fn target(&self) -> String {
        self.to_string()
    }

    /// Where the data is, if it is a file or a directory of files: its content tells whether what was made of it is still
    /// valid. If nothing is implemented, that cannot be told, and what was made of it is never taken by a resumed run.
    fn path(&self) -> Option<&Path> {
        None
    }

    /// All that decides which rows a scan gives, beside the place: separators, formats of dates, conditions of its own. It has
    /// to be another text where another row may come out, and may be another one elsewhere, too.
    ///
    /// Where `Debug` is derived and all of it is in the fields, `Some(format!("{self:?}"))` is enough, now and with every
    /// field that is added. If nothing is implemented, what is made of the data is never taken by another run.
    fn options(&self) -> Option<String> {
        None
    }

    /// Whether there is something to load. If nothing is implemented: whether there is anything at the [`path`](Self::path);
    /// where there is no path, that there is something.
    ///
    /// # Errors
    /// When that cannot be found out.
    fn exists(&self) -> crate::Result<bool> {
        match self.path().map(std::fs::symlink_metadata) {
            Some(Err(error)) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
            Some(Err(error)) => Err(error.into()),
            Some(Ok(_)) | None => Ok(true),
        }
    }

    /// Finishes or undoes a write whose process has died, as its ticket says: [`Ticket::Place`](crate::commit::Ticket).
    ///
    /// It may be called again for a token that is settled, and must succeed then.
    ///
    /// # Errors
    /// When the store refuses, or there are no such tickets; that is what happens if nothing is implemented.
    fn settle(&self, token: &str, decision: Decision) -> crate::Result<()> {
        let _ = decision;
        Err(crate::Error::msg(format!("{self} has left `{token}` in a journal, and does not settle such")))
    }
}

/// What is saved, and what becomes of what is there.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct StageRequest<'a> {
    /// The declared columns.
    pub shape: &'a Shape,
    /// What becomes of what is there.
    pub mode: SaveMode,
}

/// What saving does with what is there.
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
    /// It is replaced as a whole.
    #[default]
    Overwrite,
    /// It stays, and the new rows come after it. They must have the same columns.
    Append,
    /// Saving fails if there is something.
    ErrorIfExists,
    /// If there is something, it stays, and nothing is computed.
    Ignore,
}

/// What a connector is asked for.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ScanRequest<'a> {
    /// The declared columns.
    pub shape: &'a Shape,
    /// Which rows are wanted. A connector may use it, as a database does in its query, or leave it: the repository
    /// filters in any case.
    pub condition: Option<&'a Expr>,
}
