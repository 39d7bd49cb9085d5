//! What a format and a place must be able to do.

use std::fmt;

use polars::prelude::{Expr, LazyFrame};

use crate::commit::StagedWrite;
use crate::dataset::Shape;

/// Reads and writes data of one format in one place: a file, a table, memory.
///
/// Its `Display` names format and place, as in `CSV file flights.csv`; errors and reports show it.
/// Implement it for a store of your own, and make a [`Repository`](super::Repository) of it.
///
/// ```
/// use std::fmt;
///
/// use polars::prelude::*;
/// use setl::dataset::Shape;
/// use setl::storage::{Connector, Repository, ScanRequest, StagedWrite};
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
///     fn stage(&self, _: LazyFrame, _: &Shape) -> setl::Result<Box<dyn StagedWrite>> {
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
    /// The query has the columns of `shape`, in order. When this returns, the rows are on disk, or wherever they
    /// survive a crash until the commit. It blocks.
    ///
    /// # Errors
    /// When the query fails or the rows cannot be written; then nothing is left behind.
    fn stage(&self, query: LazyFrame, shape: &Shape) -> crate::Result<Box<dyn StagedWrite>>;
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
