//! The eight tables, as lazy frames.

use std::path::{Path, PathBuf};

use polars::prelude::*;

/// The tables by their names, smallest first.
pub const NAMES: [&str; 8] =
    ["region", "nation", "supplier", "customer", "part", "partsupp", "orders", "lineitem"];

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
        let scan = |name: &str| {
            let path = PlRefPath::try_from_path(&file(directory, name))?;
            LazyFrame::scan_parquet(path, ScanArgsParquet::default())
        };
        Self::of(scan)
    }

    /// The frame that `table` gives for each name.
    pub fn of(mut table: impl FnMut(&str) -> PolarsResult<LazyFrame>) -> PolarsResult<Self> {
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

    pub fn get(&self, name: &str) -> &LazyFrame {
        match name {
            "region" => &self.region,
            "nation" => &self.nation,
            "supplier" => &self.supplier,
            "customer" => &self.customer,
            "part" => &self.part,
            "partsupp" => &self.partsupp,
            "orders" => &self.orders,
            "lineitem" => &self.lineitem,
            other => unreachable!("no table {other}"),
        }
    }
}

pub fn file(directory: &Path, name: &str) -> PathBuf {
    directory.join(format!("{name}.parquet"))
}
