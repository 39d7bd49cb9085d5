//! Runs the queries of factories, together with those of other factories where the run does so.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use polars::prelude::{DataFrame, Engine, IntoLazy, LazyFrame, PlanCallback, PolarsError, PolarsResult};
use polars_plan::dsl::DslPlan;

use super::materialized::{Materialized, materialized, materialized_blocking};
use super::order::{Demand, Order};
use super::required;
use crate::storage::located;

pub(crate) use crate::queries::Fault;
pub(super) use crate::queries::gather::delivers;
use crate::queries::gather::{gathered, gathered_blocking};
use crate::queries::scans;

impl Fault {
    /// Converts this into an error of a factory. `failed` converts an error of Polars. A panic continues on the thread
    /// that waits for the query.
    pub(crate) fn into_error<E: Into<crate::Error>>(
        self,
        failed: impl FnOnce(PolarsError) -> E,
    ) -> crate::Error {
        match self {
            // If a dataset that the query reads violates its promise, that is the error.
            Self::Query(error) => match required::found(&error) {
                Some(nulls) => nulls.into(),
                None => failed(error).into(),
            },
            Self::Panicked(panic) => panic.resume(),
            Self::Shared | Self::Ended => anyhow::anyhow!("the run ended before the query was run"),
        }
    }
}

/// Runs a query.
pub(crate) async fn collected(frame: LazyFrame) -> Result<DataFrame, Fault> {
    scans(&frame);
    let plan = frame.logical_plan.clone();
    let frame = match gathered(frame).await {
        Ok(answer) => return with_place(&plan, answer),
        Err(frame) => *frame,
    };
    with_place(&plan, crate::run::blocking(move || here(frame)).await)
}

/// Does the same as [`collected`] and blocks this thread.
pub(crate) fn collected_blocking(frame: LazyFrame) -> Result<DataFrame, Fault> {
    scans(&frame);
    let plan = frame.logical_plan.clone();
    let frame = match gathered_blocking(frame) {
        Ok(answer) => return with_place(&plan, answer),
        Err(frame) => *frame,
    };
    with_place(&plan, here(frame))
}

/// Adds the file and the line to the error of a query that could not read a value.
fn with_place(plan: &DslPlan, answer: Result<DataFrame, Fault>) -> Result<DataFrame, Fault> {
    answer.map_err(|fault| match fault {
        Fault::Query(error) if required::found(&error).is_none() => {
            Fault::Query(super::waiting(|| located(plan, error)))
        }
        other => other,
    })
}

/// Runs a query for its errors and its number of rows, without holding the rows.
pub(crate) fn counted_blocking(frame: LazyFrame) -> Result<usize, Fault> {
    let rows = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&rows);
    let count = move |batch: DataFrame| {
        counted.fetch_add(batch.height(), Ordering::Relaxed);
        Ok(false)
    };
    let query = frame.sink_batches(PlanCallback::new(count), false, None).map_err(Fault::Query)?;
    collected_blocking(query)?;
    Ok(rows.load(Ordering::Relaxed))
}

fn here(frame: LazyFrame) -> Result<DataFrame, Fault> {
    super::waiting(|| answered(frame, Engine::InMemory)).map_err(Fault::Query)
}

/// Runs a query with `engine`. Only the streaming engine writes files. If it would write the rows in another order, they
/// are collected first, so that the file holds the collected rows.
pub(crate) fn answered(frame: LazyFrame, engine: Engine) -> PolarsResult<DataFrame> {
    let run =
        |frame: LazyFrame, engine| frame.collect_with_engine(engine).map(|result| result.unwrap_single());
    let DslPlan::Sink { input, payload } = &frame.logical_plan else { return run(frame, engine) };
    if engine == Engine::Streaming || Order::of(input, Demand::ANSWER).streams {
        return run(frame, Engine::Streaming);
    }
    let flags = frame.get_current_optimizations();
    let rows = run(LazyFrame::from_logical_plan(DslPlan::clone(input), flags), Engine::InMemory)?;
    let plan = DslPlan::Sink { input: Arc::new(rows.lazy().logical_plan), payload: payload.clone() };
    run(LazyFrame::from_logical_plan(plan, flags), Engine::Streaming)
}

/// Runs a query of a factory on the threads for blocking work. It works as [`Dataset::collect`](super::Dataset::collect),
/// for queries without a row type.
///
/// In a run, queries that several factories wait for at the same time are run together, so that their common parts are
/// computed once. See the book's page on the optimiser.
///
/// ```
/// use setl::polars::prelude::*;
/// use setl::prelude::*;
///
/// #[factory]
/// async fn revenue() -> Result<DataFrame> {
///     let sales = df!("product" => ["tea", "coffee", "tea"], "price" => [2.5, 6.0, 4.0])?;
///     setl::collect(sales.lazy().group_by([col("product")]).agg([col("price").sum()])).await
/// }
///
/// #[pipeline(only(revenue))]
/// struct Shop;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<()> {
/// assert_eq!(Shop.run().await?.get::<revenue>().height(), 2);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// When the query fails.
pub async fn collect(frame: LazyFrame) -> crate::Result<DataFrame> {
    collected(frame).await.map_err(|fault| fault.into_error(|error| error))
}

/// Does the same as [`collect`] on this thread, for synchronous factories.
///
/// # Errors
/// When the query fails.
pub fn collect_blocking(frame: LazyFrame) -> crate::Result<DataFrame> {
    collected_blocking(frame).map_err(|fault| fault.into_error(|error| error))
}

/// Runs a query of a factory once, on the threads for blocking work, and materializes the result for its downstream
/// factories. The result is in memory, or in a temporary file if the run has a [memory
/// limit](crate::RunBuilder::memory_limit). It works as [`Dataset::materialize`](super::Dataset::materialize), for queries
/// without a row type.
///
/// The temporary file exists until the result of the run is dropped.
///
/// ```
/// use setl::polars::prelude::*;
/// use setl::prelude::*;
///
/// #[factory]
/// async fn revenue() -> Result<LazyFrame> {
///     let sales = df!("product" => ["tea", "coffee", "tea"], "price" => [2.5, 6.0, 3.0])?;
///     setl::materialize(sales.lazy().group_by([col("product")]).agg([col("price").sum()])).await
/// }
///
/// #[factory]
/// async fn dearest(revenue: LazyFrame) -> Result<DataFrame> {
///     setl::collect(revenue.filter(col("price").eq(col("price").max()))).await
/// }
///
/// #[pipeline(extract(revenue), transform(dearest))]
/// struct Shop;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<()> {
/// assert_eq!(Shop.run().memory_limit(8 << 30).await?.get::<dearest>().height(), 1);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// When the query fails, or the temporary file cannot be written.
pub async fn materialize(frame: LazyFrame) -> crate::Result<LazyFrame> {
    materialized(frame).await.map(Materialized::into_lazy).map_err(|fault| fault.into_error(|error| error))
}

/// Does the same as [`materialize`] on this thread, for synchronous factories.
///
/// # Errors
/// The same as [`materialize`].
pub fn materialize_blocking(frame: LazyFrame) -> crate::Result<LazyFrame> {
    materialized_blocking(frame).map(Materialized::into_lazy).map_err(|fault| fault.into_error(|error| error))
}
