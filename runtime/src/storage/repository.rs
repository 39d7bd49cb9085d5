//! Typed access to the data of a connector.

use std::any::Any;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use polars::prelude::{DataFrame, IntoLazy};

use super::StagedWrite;
use super::bound::{self, Bound};
use super::connector::{Connector, SaveMode, ScanRequest, StageRequest};
use super::seen::Seen;
use super::tally::Tally;
use crate::checkpoint::Fingerprinter;
use crate::checkpoint::in_run::{record_act, record_look, record_read};
use crate::dataset::{Condition, DataError, Dataset, Provenance, Row, RowSchema, waiting};
use crate::delivery::{AutoLoad, Inspect};
use crate::run::current::{self, Current, Scoped};
use setl_commit::{self as commit, Untouched};

/// Rows of `T` in the place of a [`Connector`]. A clone refers to the same place.
///
/// ```
/// use setl::storage::{Parquet, Repository};
/// use setl::{dataset::Dataset, Row};
///
/// #[derive(Row, Debug, PartialEq)]
/// struct Flight {
///     carrier: String,
///     delay: Option<f64>,
/// }
///
/// # let directory = std::env::temp_dir().join(format!("setl-repository-{}", std::process::id()));
/// let flights: Repository<Flight> = Parquet::create(directory.join("flights.parquet"))?;
/// let rows = [Flight { carrier: "UA".into(), delay: Some(20.0) }, Flight { carrier: "DL".into(), delay: None }];
/// assert_eq!(flights.save_blocking(&Dataset::from_rows(&rows)?)?, 2);
///
/// let late = flights.find_by(Flight::DELAY.gt(15.0))?;
/// assert_eq!(late.to_rows_blocking()?, rows[..1]);
/// # std::fs::remove_dir_all(directory)?;
/// # Ok::<(), setl::Error>(())
/// ```
pub struct Repository<T> {
    connector: Arc<dyn Connector>,
    mode: SaveMode,
    /// The factory that the repository belongs to, if any.
    bound: Option<Bound>,
    row: PhantomData<fn() -> T>,
}

impl<T: Row> Repository<T> {
    /// Makes a repository of `connector` with rows of `T`.
    pub fn new(connector: impl Connector) -> Self {
        bound::register::<Self>();
        let (connector, bound) = (Arc::new(connector), Bound::here());
        Self { connector, mode: SaveMode::default(), bound, row: PhantomData }
    }

    /// Sets the treatment of existing data when saving. Default: [`SaveMode::Overwrite`].
    #[must_use]
    pub fn mode(mut self, mode: SaveMode) -> Self {
        self.mode = mode;
        self
    }

    /// Saves after the existing data: [`SaveMode::Append`].
    #[must_use]
    pub fn append(self) -> Self {
        self.mode(SaveMode::Append)
    }

    /// Refuses to save if data exists: [`SaveMode::ErrorIfExists`].
    #[must_use]
    pub fn error_if_exists(self) -> Self {
        self.mode(SaveMode::ErrorIfExists)
    }

    /// Saves only if no data exists: [`SaveMode::Ignore`].
    #[must_use]
    pub fn ignore_if_exists(self) -> Self {
        self.mode(SaveMode::Ignore)
    }

    /// Loads all rows lazily. Checks that do not read all data are done now.
    ///
    /// # Errors
    /// When the data does not exist, or is known not to have the columns of `T`. Also when this run has saved to the
    /// place, because the saved rows are not visible before the run has succeeded.
    pub fn load(&self) -> crate::Result<Dataset<T>> {
        self.read(None)
    }

    /// Loads the rows for which `condition` holds, lazily. The condition becomes part of the scan, so that a format can
    /// skip rows.
    ///
    /// # Errors
    /// The same as [`load`](Self::load).
    pub fn find_by(&self, condition: Condition<T>) -> crate::Result<Dataset<T>> {
        self.read(Some(condition))
    }

    /// Loads all rows, or none if no data exists yet. Use it for a target that a pipeline reads before it has written it
    /// for the first time.
    ///
    /// ```
    /// use setl::storage::{Parquet, Repository};
    /// use setl::{dataset::Dataset, Row};
    ///
    /// #[derive(Row)]
    /// struct Seen {
    ///     id: u64,
    /// }
    ///
    /// # let directory = std::env::temp_dir().join(format!("setl-or-empty-{}", std::process::id()));
    /// let seen: Repository<Seen> = Parquet::create(directory.join("seen.parquet"))?;
    /// assert!(!seen.exists()? && seen.load().is_err());
    /// assert_eq!(seen.load_or_empty()?.to_rows_blocking()?.len(), 0);
    /// seen.save_blocking(&Dataset::from_rows(&[Seen { id: 1 }])?)?;
    /// assert_eq!(seen.load_or_empty()?.to_rows_blocking()?.len(), 1);
    /// # std::fs::remove_dir_all(directory)?;
    /// # Ok::<(), setl::Error>(())
    /// ```
    ///
    /// # Errors
    /// The same as [`load`](Self::load), if data exists.
    pub fn load_or_empty(&self) -> crate::Result<Dataset<T>> {
        if self.exists()? {
            return self.load();
        }
        // A write of this run is refused as in `load`. The missing data is recorded, because a resumed run depends on it.
        current::refuse_staged(&self.connector.target(), &self.connector)?;
        record_read(self.connector.path(), || self.connector.to_string())?;
        let empty = DataFrame::empty_with_schema(&RowSchema::of::<T>().schema());
        Ok(Dataset::checked(empty.lazy(), Provenance::at(T::NAME, self.connector.to_string()))?)
    }

    /// Returns `true` if there is data to load. Rows that this run has saved exist only after the run has succeeded.
    ///
    /// # Errors
    /// When the check fails.
    pub fn exists(&self) -> crate::Result<bool> {
        match self.bound.as_ref().and_then(Bound::elsewhere) {
            Some(current) => current.scope(|| self.exists_here()),
            None => self.exists_here(),
        }
    }

    fn exists_here(&self) -> crate::Result<bool> {
        self.attend()?;
        record_look(self.connector.path(), || self.connector.to_string())?;
        self.connector
            .exists()
            .map_err(|error| error.context(format!("cannot find out whether there is {self}")))
    }

    fn read(&self, condition: Option<Condition<T>>) -> crate::Result<Dataset<T>> {
        match self.bound.as_ref().and_then(Bound::elsewhere) {
            Some(current) => current.scope(|| self.read_here(condition)),
            None => self.read_here(condition),
        }
    }

    fn read_here(&self, condition: Option<Condition<T>>) -> crate::Result<Dataset<T>> {
        self.attend()?;
        current::refuse_staged(&self.connector.target(), &self.connector)?;
        // The content can only be verified later if the options of the connector are known, too.
        let path = self.connector.options().and_then(|_| self.connector.path());
        record_read(path, || self.connector.to_string())?;
        let shape = RowSchema::of::<T>();
        let wanted = condition.clone().map(Condition::into_expr);
        let request = ScanRequest { shape: &shape, condition: wanted.as_ref() };
        let seen = Seen::of(&*self.connector);
        let frame = waiting(|| self.connector.scan(&request))?;
        let dataset = Dataset::checked(frame, Provenance::at(T::NAME, self.connector.to_string()))?;
        let dataset = dataset.reading(seen);
        Ok(match condition {
            Some(condition) => dataset.filter(condition),
            None => dataset,
        })
    }

    /// Saves the rows of `dataset` according to the [`mode`](Self::mode), and returns their number. By default, they
    /// replace the existing data.
    ///
    /// In a factory, the rows become visible when the run has succeeded, together with everything else that the run has
    /// saved. If the run does not succeed, they never become visible. A repository that was delivered to a factory, or
    /// was made or cloned in it, belongs to the factory. So this also holds in a task or a thread that the factory has
    /// started. Outside of runs, the rows are visible when this returns.
    ///
    /// The dataset may be a query on this very repository. If anything fails, or the future is dropped before the rows
    /// are complete, the old data is unchanged.
    ///
    /// # Errors
    /// When the query fails, a column holds nulls and its field is not an `Option`, the rows cannot be written, the mode
    /// does not allow it, or the repository belongs to a factory of a run that is over.
    pub async fn save(&self, dataset: &Dataset<T>) -> crate::Result<usize> {
        match self.to_save()? {
            Some(current) => Scoped { current, future: Box::pin(self.save_here(dataset)) }.await,
            None => self.save_here(dataset).await,
        }
    }

    async fn save_here(&self, dataset: &Dataset<T>) -> crate::Result<usize> {
        let staged = self.stage(dataset).await?;
        let rows = staged.rows();
        match enlist(staged)? {
            Some(staged) => crate::run::blocking(move || staged.commit()).await,
            None => Ok(rows),
        }
    }

    /// Does the same as [`save`](Self::save) on this thread.
    ///
    /// # Errors
    /// The same as [`save`](Self::save).
    pub fn save_blocking(&self, dataset: &Dataset<T>) -> crate::Result<usize> {
        let save = || {
            let staged = self.stage_blocking(dataset)?;
            let rows = staged.rows();
            enlist(staged)?.map_or(Ok(rows), Staged::commit)
        };
        match self.to_save()? {
            Some(current) => current.scope(save),
            None => save(),
        }
    }

    /// Returns the run that this thread must work for while it saves. Returns `None` if the thread works for a run
    /// already, or the repository belongs to none.
    fn to_save(&self) -> crate::Result<Option<Current>> {
        self.bound.as_ref().map_or(Ok(None), |bound| bound.to_save(&self.connector))
    }

    /// Saves the rows as [`save`](Self::save) does, but they are visible when this returns, even in a factory and
    /// whatever the result of the run. In a [dry run](crate::RunBuilder::no_write), and in a stage under `no_write`, the rows
    /// are computed and discarded.
    ///
    /// # Errors
    /// The same as [`save`](Self::save).
    pub async fn save_now(&self, dataset: &Dataset<T>) -> crate::Result<usize> {
        let staged = self.stage(dataset).await?;
        crate::run::blocking(move || staged.commit()).await
    }

    /// Does the same as [`save_now`](Self::save_now) on this thread.
    ///
    /// # Errors
    /// The same as [`save`](Self::save).
    pub fn save_now_blocking(&self, dataset: &Dataset<T>) -> crate::Result<usize> {
        self.stage_blocking(dataset)?.commit()
    }

    /// Stages the rows of `dataset`, to be committed later. They are not part of a run, even in a factory.
    ///
    /// # Errors
    /// The same as [`save`](Self::save).
    pub async fn stage(&self, dataset: &Dataset<T>) -> crate::Result<Staged> {
        let (this, dataset) = (self.clone(), dataset.clone());
        crate::run::blocking(move || this.stage_blocking(&dataset)).await
    }

    /// Does the same as [`stage`](Self::stage) on this thread.
    ///
    /// # Errors
    /// The same as [`save`](Self::save).
    pub fn stage_blocking(&self, dataset: &Dataset<T>) -> crate::Result<Staged> {
        if self.mode == SaveMode::Ignore && current::has_staged(&self.connector.target()) {
            // For this run, the data exists already.
            let write = Box::new(Untouched::new(self.connector.target()));
            let (place, is_dry) = (self.connector.to_string(), self.is_dry());
            return Ok(Staged { write, rows: 0, place, is_dry });
        }
        self.attend()?;
        let shape = RowSchema::of::<T>();
        let request = StageRequest { shape: &shape, mode: self.mode };
        let required = shape.columns.iter().filter(|column| !column.nullable).map(|column| column.name);
        let (query, nulls) = Tally::on(dataset.with_nulls(), required, |series| series.null_count());
        let write = waiting(|| self.connector.stage(query, &request))
            .map_err(|error| error.context(format!("cannot save {} to {self}", dataset.provenance())))?;
        let is_dry = self.is_dry();
        let staged = Staged { write, rows: nulls.rows(), place: self.connector.to_string(), is_dry };
        let columns = nulls.found();
        if columns.is_empty() {
            return Ok(staged);
        }
        staged.rollback()?;
        Err(DataError::Nulls { subject: dataset.provenance().clone().into(), columns, or_more: false }.into())
    }
}

impl<T> Repository<T> {
    /// `true` if this is in a factory that does not write in its run.
    fn is_dry(&self) -> bool {
        let current = Current::get().or_else(|| self.bound.as_ref()?.elsewhere());
        current.is_some_and(|current| !current.shared.writes(current.owner.node))
    }

    /// In a run, finishes or undoes the writes that dead runs have left, including those at this place.
    fn attend(&self) -> crate::Result<()> {
        current::recover(&self.connector.target(), &|token, decision| self.connector.settle(token, decision))
    }

    /// Adds everything that decides which rows are read and how rows are saved.
    pub(crate) fn add_to(&self, fingerprinter: &mut Fingerprinter) -> crate::Result<()> {
        fingerprinter.text(&self.connector.to_string());
        fingerprinter.text(&self.connector.options().unwrap_or_default());
        // The path in its name may be relative.
        let path = self.connector.path().map(std::path::absolute).transpose()?;
        fingerprinter.bytes(path.unwrap_or_default().as_os_str().as_encoded_bytes());
        fingerprinter.text(&format!("{:?}", self.mode));
        Ok(())
    }

    /// Returns the connector of this repository.
    pub fn connector(&self) -> &Arc<dyn Connector> {
        &self.connector
    }
}

/// Staged rows, which replace or extend the data of their target when they are committed.
///
/// Dropping it without a commit leaves the old data in place and removes the new data.
///
/// ```
/// use setl::storage::Memory;
/// use setl::{dataset::Dataset, Row};
///
/// #[derive(Row)]
/// struct Count {
///     flights: u32,
/// }
///
/// let counts = Memory::new(&[Count { flights: 1 }])?;
/// let staged = counts.stage_blocking(&Dataset::from_rows(&[])?)?;
/// assert_eq!(counts.load()?.row_count(), None);
/// assert_eq!(counts.load()?.to_rows_blocking()?.len(), 1);
/// staged.commit()?;
/// assert_eq!(counts.load()?.to_rows_blocking()?.len(), 0);
/// # Ok::<(), setl::Error>(())
/// ```
#[derive(Debug)]
#[must_use = "a staged write that is not committed is rolled back"]
pub struct Staged {
    write: Box<dyn StagedWrite>,
    rows: usize,
    place: String,
    /// Is set if it is staged in a dry run, or in another run in which its factory does not write.
    is_dry: bool,
}

impl Staged {
    /// Returns the number of staged rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Returns the place of the rows after the commit, as in `Parquet file delays.parquet`.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// Returns the write alone, for code that commits staged writes itself.
    pub fn into_write(self) -> Box<dyn StagedWrite> {
        record_act();
        self.write
    }

    /// Puts the rows in the place of the old data, and returns their number. This blocks.
    ///
    /// In a [dry run](crate::RunBuilder::no_write), and in a stage under `no_write`, the rows are discarded instead.
    ///
    /// # Errors
    /// When the target refuses, or has changed since, so that data would be lost. Then the target is unchanged.
    pub fn commit(self) -> crate::Result<usize> {
        record_act();
        if self.is_dry {
            self.write.rollback()?;
            return Ok(self.rows);
        }
        let target = self.write.target();
        commit::commit_now(self.write)?;
        if let Some(Current { shared, owner }) = Current::get() {
            super::seen::written(&shared, [(owner, target)]);
        }
        Ok(self.rows)
    }

    /// Discards the rows. This blocks.
    ///
    /// # Errors
    /// When the staged data cannot be removed. The target is unchanged in any case.
    pub fn rollback(self) -> crate::Result<()> {
        self.write.rollback()
    }
}

/// Adds the write to the run of this thread. Returns it outside of runs.
fn enlist(staged: Staged) -> crate::Result<Option<Staged>> {
    let write: &dyn Any = &*staged.write;
    // A write without effect is not added to the run.
    if write.is::<Untouched>() {
        return Ok(Some(staged));
    }
    let Staged { write, rows, place, is_dry } = staged;
    Ok(current::enlist(write)?.map(|write| Staged { write, rows, place, is_dry }))
}

impl<T> Clone for Repository<T> {
    fn clone(&self) -> Self {
        let bound = Bound::here().or_else(|| self.bound.clone());
        Self { connector: Arc::clone(&self.connector), mode: self.mode, bound, row: PhantomData }
    }
}

impl<T> fmt::Debug for Repository<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Repository").field(&self.connector).finish()
    }
}

impl<T> fmt::Display for Repository<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.connector.fmt(f)
    }
}

impl<T> Inspect for Repository<T> {
    fn rows(&self) -> Option<usize> {
        None
    }

    /// A repository that a factory delivers does not belong to the factory any more.
    fn set_origin(&mut self, _: &'static str) {
        self.bound = None;
    }
}

impl<T: Row> AutoLoad for Dataset<T> {
    type Source = Repository<T>;
    type Condition = Condition<T>;

    fn auto_load(source: &Repository<T>, condition: Option<Condition<T>>) -> crate::Result<Self> {
        source.read(condition)
    }
}
