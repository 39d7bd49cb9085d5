//! Rows in memory, for tests and small look-up tables.

use std::any::Any;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use polars::prelude::{DataFrame, IntoLazy, LazyFrame};

use super::{Connector, Repository, SaveMode, ScanRequest, StageRequest, StagedWrite};
use crate::dataset::{DataError, Row};
use setl_commit::{Untouched, WriteError};

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
    held: Arc<Mutex<Held>>,
}

#[derive(Debug)]
struct Held {
    frame: DataFrame,
    /// Is set if rows were given or saved, even if there are none.
    exists: bool,
}

impl Memory {
    /// Makes a repository that holds `rows`.
    ///
    /// # Errors
    /// [`DataError::OutOfRange`] when a value does not fit into the dtype of its column.
    #[expect(
        clippy::new_ret_no_self,
        reason = "named like the constructors of the other formats: it gives a repository"
    )]
    pub fn new<T: Row>(rows: &[T]) -> Result<Repository<T>, DataError> {
        Ok(Self::of::<T>(T::to_frame(rows)?, true))
    }

    /// Makes a repository without rows. For [`SaveMode`], it does not exist until something is saved.
    pub fn empty<T: Row>() -> Repository<T> {
        Self::of::<T>(DataFrame::empty_with_schema(&T::schema()), false)
    }

    fn of<T: Row>(frame: DataFrame, exists: bool) -> Repository<T> {
        Repository::new(Self { row: T::NAME, held: Arc::new(Mutex::new(Held { frame, exists })) })
    }
}

/// Locks the data. It is replaced as a whole, so a panic elsewhere leaves it valid.
fn lock(held: &Mutex<Held>) -> MutexGuard<'_, Held> {
    held.lock().unwrap_or_else(PoisonError::into_inner)
}

fn target(held: &Arc<Mutex<Held>>) -> String {
    format!("memory at {:p}", Arc::as_ptr(held))
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "memory of `{}`", self.row)
    }
}

impl Connector for Memory {
    fn scan(&self, _: &ScanRequest<'_>) -> crate::Result<LazyFrame> {
        Ok(lock(&self.held).frame.clone().lazy())
    }

    fn exists(&self) -> crate::Result<bool> {
        Ok(lock(&self.held).exists)
    }

    fn stage(&self, query: LazyFrame, request: &StageRequest<'_>) -> crate::Result<Box<dyn StagedWrite>> {
        if lock(&self.held).exists {
            match request.mode {
                SaveMode::Ignore => return Ok(Box::new(Untouched::new(self.target()))),
                SaveMode::ErrorIfExists => return Err(WriteError::Exists { target: self.to_string() }.into()),
                SaveMode::Overwrite | SaveMode::Append => {}
            }
        }
        Ok(Box::new(StagedFrame {
            new: query.collect()?,
            mode: request.mode,
            joined: false,
            held: Arc::clone(&self.held),
        }))
    }

    fn target(&self) -> String {
        target(&self.held)
    }
}

#[derive(Debug)]
struct StagedFrame {
    new: DataFrame,
    mode: SaveMode,
    /// Is set if the rows include those of later writes.
    joined: bool,
    held: Arc<Mutex<Held>>,
}

impl StagedWrite for StagedFrame {
    fn target(&self) -> String {
        target(&self.held)
    }

    fn adds(&self) -> bool {
        self.mode == SaveMode::Append
    }

    fn join(&mut self, later: Box<dyn StagedWrite>) -> crate::Result<()> {
        let later: Box<dyn Any> = later;
        match later.downcast::<Self>() {
            Ok(later) if later.adds() => {
                self.joined = true;
                Ok(self.new.vstack_mut(&later.new).map(drop)?)
            }
            _ => Err(WriteError::Twice { target: self.target() }.into()),
        }
    }

    fn prepare(&mut self) -> crate::Result<()> {
        match self.mode {
            SaveMode::ErrorIfExists if lock(&self.held).exists => {
                Err(WriteError::Exists { target: self.target() }.into())
            }
            SaveMode::Ignore if self.joined && lock(&self.held).exists => {
                Err(WriteError::Changed { target: self.target() }.into())
            }
            _ => Ok(()),
        }
    }

    fn commit(mut self: Box<Self>) -> crate::Result<()> {
        let mut held = lock(&self.held);
        match self.mode {
            SaveMode::Append => self.new = held.frame.vstack(&self.new)?,
            SaveMode::Ignore if held.exists => return Ok(()),
            SaveMode::Overwrite | SaveMode::ErrorIfExists | SaveMode::Ignore => {}
        }
        let frame = std::mem::take(&mut self.new);
        *held = Held { frame, exists: true };
        Ok(())
    }

    fn rollback(self: Box<Self>) -> crate::Result<()> {
        Ok(())
    }
}
