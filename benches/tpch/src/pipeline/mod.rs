//! The 22 queries as one pipeline: eight scans, what several queries have in common, and the queries.

mod common;
mod queries;
mod scans;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use polars::prelude::LazyFrame;
use serde::Serialize;
use setl::prelude::*;

pub use common::{ByOrder, by_order};
pub use queries::*;
pub use scans::*;

use crate::by_hand;

/// Where the Parquet files are.
#[derive(Clone, Serialize)]
pub struct Directory(pub Arc<PathBuf>);

/// What a factory delivers that makes a frame.
#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Deliver {
    /// A query, which runs when somebody wants its rows.
    Lazily,
    /// Rows, as a pipeline does that collects between its steps.
    Eagerly,
}

/// Discounts that q06 asks for.
#[derive(Clone, Copy, Serialize)]
pub struct Discounts {
    pub low: f64,
    pub high: f64,
}

/// By how many days a line has to be late to count as such.
#[derive(Clone, Copy, Serialize)]
pub struct Late(pub i64);

impl Deliver {
    async fn frame(self, frame: LazyFrame) -> Result<LazyFrame> {
        Ok(match self {
            Self::Lazily => frame,
            Self::Eagerly => setl::materialize(frame).await?,
        })
    }
}

#[pipeline(
    extract(region, nation, supplier, customer, part, partsupp, orders, lineitem),
    transform(tables, by_order),
    load(
        q01, q02, q03, q04, q05, q06, q07, q08, q09, q10, q11, q12, q13, q14, q15, q16, q17, q18, q19, q20,
        q21, q22
    )
)]
pub struct Tpch {
    pub directory: Directory,
    pub deliver: Deliver,
    pub discounts: Discounts,
    pub late: Late,
}

impl Tpch {
    /// With the parameters of the benchmark.
    pub fn new(directory: &Path, deliver: Deliver) -> Self {
        let directory = Directory(Arc::new(directory.to_owned()));
        Self { directory, deliver, discounts: Discounts { low: 0.05, high: 0.07 }, late: Late(0) }
    }
}

/// A query of those that are written by hand.
#[derive(Clone)]
pub struct ByHand(pub by_hand::Query);

/// One query by itself.
#[pipeline(
    extract(region, nation, supplier, customer, part, partsupp, orders, lineitem),
    transform(tables),
    load(single)
)]
pub struct Single {
    pub directory: Directory,
    pub deliver: Deliver,
    pub query: ByHand,
}
