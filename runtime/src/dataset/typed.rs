//! Typed datasets: lazy queries with the columns of a row.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use polars::prelude::{DataFrame, Expr, IntoLazy, LazyFrame, PolarsError};
use polars_plan::dsl::DslPlan;

use super::cast::{exact, is_castable, named};
use super::materialized::{Aside, Materialized, materialized, materialized_blocking};
use super::{Condition, DataError, Provenance, Row, RowSchema, required, running, waiting};
use crate::delivery::{Inspect, Rehearsal};
use crate::memory::spill::Spill;
use crate::storage::{Seen, scanned};

/// A Polars query that delivers the columns of `T`, with exactly their dtypes and in their order.
///
/// The query is computed only when it is collected. A clone shares the query.
///
/// ```
/// use polars::prelude::*;
/// use setl::dataset::Dataset;
/// use setl::Row;
///
/// #[derive(Row, Debug, PartialEq)]
/// struct Flight {
///     carrier: String,
///     delay: Option<f64>,
/// }
///
/// let frame = df!("delay" => [Some(3.0), None], "carrier" => ["UA", "DL"], "gate" => [1, 2])?;
/// let flights = Dataset::<Flight>::try_from(frame)?;
/// let delayed = flights.filter(Flight::DELAY.is_not_null());
/// assert_eq!(delayed.to_rows_blocking()?, [Flight { carrier: "UA".into(), delay: Some(3.0) }]);
/// # Ok::<(), setl::Error>(())
/// ```
pub struct Dataset<T> {
    /// The query as it was made. The methods that return it add the check for nulls.
    frame: LazyFrame,
    /// Is set if it is known without a check that the columns hold no forbidden nulls.
    is_whole: bool,
    rows: Option<usize>,
    provenance: Provenance,
    /// Keeps the temporary file that the query reads, if there is one.
    spill: Option<Arc<Spill>>,
    /// The file that the query reads, if a run has loaded it.
    seen: Option<Arc<Seen>>,
    row: PhantomData<fn() -> T>,
}

impl<T: Row> Dataset<T> {
    /// Makes a dataset from a query with the columns of `T`. Further columns are left out.
    ///
    /// The names and dtypes are checked now, from the schema, without running the query. Nulls are found when the query
    /// runs.
    ///
    /// # Errors
    /// [`DataError::Schema`] with every column that is missing or has another dtype. [`DataError::Query`] when the query
    /// has no valid schema.
    pub fn new(frame: LazyFrame) -> crate::Result<Self> {
        Ok(Self::checked(frame, Provenance::of(T::NAME))?)
    }

    /// Casts each declared column to its declared dtype, then does the same as [`new`](Self::new).
    ///
    /// A value that does not survive its cast makes the query fail when it runs. It never becomes null or another value,
    /// as 2.7 would become 2. There are three exceptions: an `f32` is rounded, moments are cut to microseconds, and a
    /// text with an offset from UTC is converted to UTC.
    ///
    /// ```
    /// # use polars::prelude::*;
    /// # use setl::{dataset::Dataset, Row};
    /// #[derive(Row)]
    /// struct Count {
    ///     flights: u32,
    /// }
    ///
    /// let counts = Dataset::<Count>::cast(df!("flights" => ["12", "7"])?.lazy())?;
    /// assert_eq!(counts.to_rows_blocking()?[0].flights, 12);
    /// # Ok::<(), setl::Error>(())
    /// ```
    ///
    /// # Errors
    /// The same as [`new`](Self::new). A dtype is wrong only if no cast exists.
    pub fn cast(mut frame: LazyFrame) -> crate::Result<Self> {
        let provenance = Provenance::of(T::NAME);
        let schema = waiting(|| frame.collect_schema()).map_err(|source| DataError::Query {
            subject: provenance.clone().into(),
            reads: String::new(),
            source,
        })?;
        let casts: Vec<Expr> = T::columns()
            .into_iter()
            .filter_map(|column| {
                let found = schema.get(column.name)?;
                let is_cast = *found != column.dtype && is_castable(found, &column.dtype);
                is_cast.then(|| exact(&column, found))
            })
            .collect();
        let frame = if casts.is_empty() { frame } else { frame.with_columns(casts) };
        Ok(Self::checked(frame, provenance)?)
    }

    /// Makes a dataset from rows.
    ///
    /// # Errors
    /// [`DataError::OutOfRange`] when a value does not fit into the dtype of its column.
    pub fn from_rows(rows: &[T]) -> crate::Result<Self> {
        Ok(Self {
            frame: T::to_frame(rows)?.lazy(),
            is_whole: true,
            rows: Some(rows.len()),
            provenance: Provenance::of(T::NAME),
            spill: None,
            seen: None,
            row: PhantomData,
        })
    }

    pub(crate) fn checked(mut frame: LazyFrame, provenance: Provenance) -> Result<Self, DataError> {
        let schema = waiting(|| frame.collect_schema()).map_err(|source| DataError::Query {
            subject: provenance.clone().into(),
            reads: String::new(),
            source,
        })?;
        let shape = RowSchema::of::<T>();
        shape.check(&schema, || provenance.clone())?;
        let is_whole = required::is_kept(&frame, &shape);
        let declared = shape.columns;
        let in_order = schema.len() == declared.len()
            && schema.iter_names().zip(&declared).all(|(found, column)| found.as_str() == column.name);
        // Selecting the columns that are there already would only lengthen the plan.
        let frame = if in_order { frame } else { frame.select(declared_columns::<T>()) };
        Ok(Self { is_whole, ..Self::trusted(frame, provenance) })
    }

    /// Records the files that the dataset reads, as a run has loaded them.
    pub(crate) fn reading(self, seen: Option<Arc<Seen>>) -> Self {
        Self { seen, ..self }
    }

    /// Makes a dataset from a query whose schema the caller has checked.
    pub(crate) fn trusted(frame: LazyFrame, provenance: Provenance) -> Self {
        Self { frame, is_whole: false, rows: None, provenance, spill: None, seen: None, row: PhantomData }
    }

    /// Returns the rows for which `condition` holds.
    pub fn filter(&self, condition: Condition<T>) -> Self {
        let filtered = self.frame.clone().filter(condition.into_expr());
        let (is_whole, spill, seen) = (self.is_whole, self.spill.clone(), self.seen.clone());
        Self { is_whole, spill, seen, ..Self::trusted(filtered, self.provenance.clone()) }
    }

    /// Runs the query on the threads for blocking work.
    ///
    /// # Errors
    /// [`DataError::Query`] when the query fails. [`DataError::Nulls`] when a column holds nulls and its field is not an
    /// `Option`.
    pub async fn collect(&self) -> crate::Result<DataFrame> {
        let collected = running::collected(self.frame.clone()).await;
        self.whole(collected)
    }

    /// Runs the query on this thread. In asynchronous code, use [`collect`](Self::collect).
    ///
    /// # Errors
    /// The same as [`collect`](Self::collect).
    pub fn collect_blocking(&self) -> crate::Result<DataFrame> {
        self.whole(running::collected_blocking(self.frame.clone()))
    }

    /// Runs the query and reads its rows, on the threads for blocking work.
    ///
    /// # Errors
    /// The same as [`collect`](Self::collect), and [`DataError::OutOfRange`] when a value does not fit into its field.
    pub async fn to_rows(&self) -> crate::Result<Vec<T>> {
        let frame = self.collect().await?;
        crate::run::blocking(move || Ok(T::from_frame(&frame)?)).await
    }

    /// Runs the query and reads its rows on this thread. In asynchronous code, use [`to_rows`](Self::to_rows).
    ///
    /// # Errors
    /// The same as [`to_rows`](Self::to_rows).
    pub fn to_rows_blocking(&self) -> crate::Result<Vec<T>> {
        Ok(T::from_frame(&self.collect_blocking()?)?)
    }

    /// Runs the query once on the threads for blocking work and materializes the result: in memory, or in a temporary
    /// file if the run has a [memory limit](crate::RunBuilder::memory_limit).
    ///
    /// This is useful if several consumers share an expensive query. The number of rows is known from then on. The
    /// temporary file exists as long as a dataset that reads it, or the result of the run.
    ///
    /// # Errors
    /// The same as [`collect`](Self::collect).
    pub async fn materialize(self) -> crate::Result<Self> {
        let materialized = materialized(self.with_nulls()).await;
        self.kept(materialized)
    }

    /// Does the same as [`materialize`](Self::materialize) on this thread.
    ///
    /// ```
    /// # use setl::{dataset::Dataset, Row};
    /// # #[derive(Row)]
    /// # struct Flight { delay: Option<f64> }
    /// # let rows = [Flight { delay: None }, Flight { delay: Some(1.0) }];
    /// let known = Dataset::from_rows(&rows)?.filter(Flight::DELAY.is_null());
    /// assert_eq!(known.row_count(), None);
    /// assert_eq!(known.materialize_blocking()?.row_count(), Some(1));
    /// # Ok::<(), setl::Error>(())
    /// ```
    ///
    /// # Errors
    /// The same as [`collect`](Self::collect).
    pub fn materialize_blocking(self) -> crate::Result<Self> {
        let materialized = materialized_blocking(self.with_nulls());
        self.kept(materialized)
    }

    /// Replaces the query with its materialized result. Fails if a column holds forbidden nulls.
    fn kept(self, materialized: Result<Materialized, running::Fault>) -> crate::Result<Self> {
        match materialized {
            Ok(Materialized::Here(frame)) => {
                let frame = self.whole(Ok(frame))?;
                let rows = Some(frame.height());
                Ok(Self { rows, frame: frame.lazy(), is_whole: true, spill: None, seen: None, ..self })
            }
            Ok(Materialized::Aside(aside)) => {
                let Aside { frame, rows, spill, .. } = *aside;
                let columns = T::columns().into_iter().filter(|column| !column.nullable);
                let counts: Vec<_> = columns.map(|column| named(column.name).null_count()).collect();
                let counted = waiting(|| frame.clone().select(counts).collect());
                let counted = counted.map_err(|source| self.failed(source))?;
                let nulls = counted.columns().iter().filter_map(|count| {
                    let nulls = count.get(0).ok()?.extract::<usize>()?;
                    (nulls > 0).then(|| (count.name().to_string(), nulls))
                });
                let columns: Vec<_> = nulls.collect();
                if !columns.is_empty() {
                    return Err(DataError::Nulls {
                        subject: self.provenance.into(),
                        columns,
                        or_more: false,
                    }
                    .into());
                }
                Ok(Self { rows: Some(rows), frame, is_whole: true, spill: Some(spill), seen: None, ..self })
            }
            Err(fault) => Err(fault.into_error(|source| self.failed(source))),
        }
    }

    /// Checks the result of the query. Fails if a loaded file has changed, or a column holds forbidden nulls.
    fn whole(&self, collected: Result<DataFrame, running::Fault>) -> crate::Result<DataFrame> {
        if let Some(reason) = self.seen.as_ref().and_then(|seen| seen.change(true)) {
            return Err(DataError::Changed { subject: self.provenance.clone().into(), reason }.into());
        }
        let frame = collected.map_err(|fault| fault.into_error(|source| self.failed(source)))?;
        required::check(&frame, &RowSchema::of::<T>(), || self.provenance.clone())?;
        Ok(frame)
    }

    /// Makes an error that lists the files of the query, because Polars does not say which file it could not read.
    fn failed(&self, source: PolarsError) -> DataError {
        DataError::Query { subject: self.provenance.clone().into(), reads: files_of(&self.frame), source }
    }
}

impl<T: Row> Dataset<T> {
    /// Returns the query with the columns of `T`. Queries that are made from it may have other columns.
    ///
    /// Any query made from it fails at a null in a column of `T` that is not an `Option`, if it reads that column and
    /// that row. It also fails at a date, moment or time that no field can hold:
    ///
    /// ```
    /// use polars::prelude::*;
    /// use setl::dataset::Dataset;
    /// use setl::Row;
    ///
    /// #[derive(Row)]
    /// struct Customer {
    ///     id: String,
    ///     country: Option<String>,
    /// }
    ///
    /// let frame = df!("id" => [Some("a"), None], "country" => ["DE", "FR"])?;
    /// let customers = Dataset::<Customer>::new(frame.lazy())?;
    /// let ids = customers.lazy().group_by([col("id")]).agg([len()]);
    /// assert!(ids.collect().is_err());
    /// let countries = customers.lazy().select([col("country").unique()]);
    /// assert_eq!(countries.collect()?.height(), 2);
    /// # Ok::<(), setl::Error>(())
    /// ```
    pub fn lazy(&self) -> LazyFrame {
        self.clone().into_lazy()
    }

    /// Does the same as [`lazy`](Self::lazy), and consumes the dataset.
    pub fn into_lazy(self) -> LazyFrame {
        if self.is_whole {
            return self.frame;
        }
        required::keeping(self.frame, &RowSchema::of::<T>(), &self.provenance, self.seen)
    }

    /// Returns the query without the check for nulls, for code that counts the nulls itself.
    pub(crate) fn with_nulls(&self) -> LazyFrame {
        match self.is_whole {
            true => self.frame.clone(),
            false => {
                let seen = self.seen.clone();
                required::within_range(self.frame.clone(), &RowSchema::of::<T>(), &self.provenance, seen)
            }
        }
    }
}

impl<T> Dataset<T> {
    /// Returns the number of rows, if it is known without running the query.
    pub fn row_count(&self) -> Option<usize> {
        self.rows
    }

    /// Returns the origin of this dataset, as errors name it.
    pub fn provenance(&self) -> &Provenance {
        &self.provenance
    }
}

/// Formats ` (it reads CSV file flights.csv and Parquet file weather.parquet)`, if the query scans files.
fn files_of(frame: &LazyFrame) -> String {
    const SHOWN: usize = 5;
    let mut files = scanned(&frame.logical_plan);
    if files.len() > SHOWN {
        let more = format!("{} more files", files.len() - SHOWN + 1);
        files.truncate(SHOWN - 1);
        files.push(more);
    }
    if files.is_empty() { String::new() } else { format!(" (it reads {})", files.join(" and ")) }
}

fn declared_columns<T: Row>() -> Vec<Expr> {
    T::columns().iter().map(|column| named(column.name)).collect()
}

impl<T> Clone for Dataset<T> {
    fn clone(&self) -> Self {
        Self {
            frame: self.frame.clone(),
            is_whole: self.is_whole,
            rows: self.rows,
            provenance: self.provenance.clone(),
            spill: self.spill.clone(),
            seen: self.seen.clone(),
            row: PhantomData,
        }
    }
}

impl<T> fmt::Display for Dataset<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.provenance)?;
        match self.rows {
            Some(1) => f.write_str(", 1 row"),
            Some(rows) => write!(f, ", {rows} rows"),
            None => f.write_str(", not computed yet"),
        }
    }
}

impl<T> fmt::Debug for Dataset<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dataset")
            .field("row", &self.provenance.row)
            .field("place", &self.provenance.place)
            .field("factory", &self.provenance.factory)
            .field("rows", &self.rows)
            .finish_non_exhaustive()
    }
}

impl<T: Row> TryFrom<LazyFrame> for Dataset<T> {
    type Error = DataError;

    fn try_from(frame: LazyFrame) -> Result<Self, DataError> {
        Self::checked(frame, Provenance::of(T::NAME))
    }
}

impl<T: Row> TryFrom<DataFrame> for Dataset<T> {
    type Error = DataError;

    /// Does the same as [`Dataset::new`]. The number of rows is known.
    fn try_from(frame: DataFrame) -> Result<Self, DataError> {
        let rows = frame.height();
        let mut this = Self::try_from(frame.lazy())?;
        this.rows = Some(rows);
        Ok(this)
    }
}

impl<T: Row> From<Dataset<T>> for LazyFrame {
    fn from(dataset: Dataset<T>) -> Self {
        dataset.into_lazy()
    }
}

impl<T: Row> Inspect for Dataset<T> {
    fn rows(&self) -> Option<usize> {
        self.rows
    }

    fn bytes(&self) -> Option<u64> {
        self.frame.bytes()
    }

    fn is_lazy(&self) -> bool {
        self.rows.is_none() && self.frame.is_lazy()
    }

    fn set_origin(&mut self, factory: &'static str) {
        self.provenance.factory = Some(factory);
        if self.is_lazy() {
            running::delivers(&self.frame);
        }
    }

    fn rehearsal(&self) -> Option<Rehearsal> {
        let this = self.clone();
        Some(Box::new(move || {
            let rows = running::counted_blocking(this.lazy());
            rows.map(Some).map_err(|fault| fault.into_error(|source| this.failed(source)))
        }))
    }
}

impl Inspect for DataFrame {
    fn rows(&self) -> Option<usize> {
        Some(self.height())
    }

    fn bytes(&self) -> Option<u64> {
        Some(self.estimated_size() as u64)
    }
}

impl Inspect for LazyFrame {
    fn rows(&self) -> Option<usize> {
        None
    }

    /// Returns the size of a frame in memory, if the query does nothing else.
    fn bytes(&self) -> Option<u64> {
        match &self.logical_plan {
            DslPlan::DataFrameScan { df, .. } => df.bytes(),
            _ => None,
        }
    }

    fn is_lazy(&self) -> bool {
        !matches!(self.logical_plan, DslPlan::DataFrameScan { .. })
    }

    fn set_origin(&mut self, _: &'static str) {
        if self.is_lazy() {
            running::delivers(self);
        }
    }

    fn rehearsal(&self) -> Option<Rehearsal> {
        let query = self.clone();
        Some(Box::new(move || {
            let rows = running::counted_blocking(query);
            rows.map(Some).map_err(|fault| fault.into_error(|source| source))
        }))
    }
}
