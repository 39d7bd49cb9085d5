//! The eight tables, as lazy frames.

use std::path::{Path, PathBuf};

use polars::prelude::*;

/// What a query reads: each table as a frame that has at least the columns that the query names.
#[derive(Clone)]
pub struct Tables {
    pub region: LazyFrame,
    pub nation: LazyFrame,
    pub supplier: LazyFrame,
    pub customer: LazyFrame,
    pub part: LazyFrame,
    pub partsupp: LazyFrame,
    pub orders: LazyFrame,
    pub lineitem: LazyFrame,
}

impl Tables {
    /// The Parquet files that `tpch-data` wrote into `directory`.
    pub fn scan(directory: &Path) -> PolarsResult<Self> {
        let table = |name: &str| scan(directory, name);
        Ok(Self {
            region: table("region")?,
            nation: table("nation")?,
            supplier: table("supplier")?,
            customer: table("customer")?,
            part: table("part")?,
            partsupp: table("partsupp")?,
            orders: table("orders")?,
            lineitem: table("lineitem")?,
        })
    }
}

/// One of them.
pub fn scan(directory: &Path, name: &str) -> PolarsResult<LazyFrame> {
    let path = PlRefPath::try_from_path(&file(directory, name))?;
    LazyFrame::scan_parquet(path, ScanArgsParquet::default())
}

pub fn file(directory: &Path, name: &str) -> PathBuf {
    directory.join(format!("{name}.parquet"))
}
