//! Counting of rows and values that pass through a query while it runs, without holding them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use polars::prelude::{AllowedOptimizations, LazyFrame, OptFlags, Series};

/// The number of rows that passed, and for each watched column the number of its counted values.
#[derive(Debug)]
pub(super) struct Tally {
    rows: AtomicUsize,
    columns: Vec<(&'static str, AtomicUsize)>,
}

impl Tally {
    /// Makes `query` count its rows, and apply `count` to each of `columns`. The query still streams.
    pub(super) fn on(
        query: LazyFrame,
        columns: impl IntoIterator<Item = &'static str>,
        count: impl Fn(&Series) -> usize + Send + Sync + 'static,
    ) -> (LazyFrame, Arc<Self>) {
        let columns = columns.into_iter().map(|name| (name, AtomicUsize::new(0)));
        let tally = Arc::new(Self { rows: AtomicUsize::new(0), columns: columns.collect() });
        let counted = Arc::clone(&tally);
        let query = query.map(
            move |batch| {
                counted.rows.fetch_add(batch.height(), Ordering::Relaxed);
                for (name, total) in &counted.columns {
                    total.fetch_add(count(batch.column(name)?.as_materialized_series()), Ordering::Relaxed);
                }
                Ok(batch)
            },
            AllowedOptimizations::default() | OptFlags::STREAMING,
            None,
            Some("setl: count rows"),
        );
        (query, tally)
    }

    pub(super) fn rows(&self) -> usize {
        self.rows.load(Ordering::Relaxed)
    }

    /// Returns the columns with counted values, each with its count.
    pub(super) fn found(&self) -> Vec<(String, usize)> {
        self.columns
            .iter()
            .map(|(name, total)| ((*name).to_owned(), total.load(Ordering::Relaxed)))
            .filter(|(_, total)| *total > 0)
            .collect()
    }
}
