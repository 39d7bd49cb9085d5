//! What several queries ask of the lines of an order: they look it up.
//!
//! Nothing else is here. What the queries have in common as they are written, as suppliers with their nations, is the business
//! of whoever runs them.

use polars::prelude::*;
use setl::prelude::*;

use super::{Deliver, Late, Lineitem};

/// For each order: its quantity, whether several suppliers take part, and who is late with how many lines.
#[derive(Clone)]
pub struct ByOrder(pub LazyFrame);

#[factory]
pub async fn by_order(lineitem: Lineitem, deliver: Deliver, late: Late) -> Result<ByOrder> {
    let late = match late {
        Late(0) => col("l_receiptdate").gt(col("l_commitdate")),
        Late(days) => (col("l_receiptdate") - col("l_commitdate")).gt(lit(chrono::TimeDelta::days(days))),
    };
    let orders = lineitem
        .0
        .select([
            col("l_orderkey"),
            col("l_quantity"),
            col("l_suppkey"),
            when(late).then(col("l_suppkey")).otherwise(lit(NULL)).alias("late"),
        ])
        .group_by(["l_orderkey"])
        .agg([
            col("l_quantity").sum().alias("sum_qty"),
            col("l_suppkey").min().alias("first"),
            col("l_suppkey").max().alias("last"),
            col("late").min().alias("late_first"),
            col("late").max().alias("late_last"),
            col("late").count().cast(DataType::Int64).alias("late_lines"),
        ]);
    Ok(ByOrder(deliver.frame(orders).await?))
}
