//! Rows in memory, for tests and small lookups.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use polars::prelude::{DataFrame, IntoLazy, LazyFrame};

use super::{Connector, Repository, ScanRequest, StagedWrite};
use crate::dataset::{DataError, Row, Shape};

/// Rows in memory.
///
/// ```
/// use setl::storage::Memory;
/// use setl::Row;
///
/// #[derive(Row)]
/// struct Carrier {
///     code: String,
/// }
///
/// let carriers = Memory::new(&[Carrier { code: "UA".into() }])?;
/// assert_eq!(carriers.to_string(), "memory of `Carrier`");
/// assert_eq!(carriers.load()?.to_rows_blocking()?[0].code, "UA");
/// # Ok::<(), setl::Error>(())
/// ```
#[derive(Debug)]
pub struct Memory {
    row: &'static str,
    frame: Arc<Mutex<DataFrame>>,
}

impl Memory {
    /// A repository that holds `rows`.
    ///
    /// # Errors
    /// [`DataError::OutOfRange`] when a value does not fit into the dtype of its column.
    #[expect(
        clippy::new_ret_no_self,
        reason = "named like the constructors of the other formats: it gives a repository"
    )]
    pub fn new<T: Row>(rows: &[T]) -> Result<Repository<T>, DataError> {
        Ok(Self::of::<T>(T::to_frame(rows)?))
    }

    /// A repository that holds no rows yet.
    pub fn empty<T: Row>() -> Repository<T> {
        Self::of::<T>(DataFrame::empty_with_schema(&T::schema()))
    }

    fn of<T: Row>(frame: DataFrame) -> Repository<T> {
        Repository::new(Self { row: T::NAME, frame: Arc::new(Mutex::new(frame)) })
    }
}

/// A frame is replaced as a whole, so a panic elsewhere leaves it whole too.
fn lock(frame: &Mutex<DataFrame>) -> MutexGuard<'_, DataFrame> {
    frame.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "memory of `{}`", self.row)
    }
}

impl Connector for Memory {
    fn scan(&self, _: &ScanRequest<'_>) -> crate::Result<LazyFrame> {
        Ok(lock(&self.frame).clone().lazy())
    }

    fn stage(&self, query: LazyFrame, _: &Shape) -> crate::Result<Box<dyn StagedWrite>> {
        Ok(Box::new(StagedFrame { new: query.collect()?, target: Arc::clone(&self.frame) }))
    }
}

#[derive(Debug)]
struct StagedFrame {
    new: DataFrame,
    target: Arc<Mutex<DataFrame>>,
}

impl StagedWrite for StagedFrame {
    fn target(&self) -> String {
        format!("memory at {:p}", Arc::as_ptr(&self.target))
    }

    fn commit(self: Box<Self>) -> crate::Result<()> {
        *lock(&self.target) = self.new;
        Ok(())
    }

    fn rollback(self: Box<Self>) -> crate::Result<()> {
        Ok(())
    }
}
