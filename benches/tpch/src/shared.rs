//! What several queries ask of the lines of an order, worked out once, and the queries that then only look it up.

use polars::prelude::*;

use crate::by_hand::{ascending, between_dates, count, date, ordered};
use crate::tables::Tables;

/// For each order: its quantity, whether several suppliers take part, and who is late with how many lines.
pub fn by_order(t: &Tables) -> LazyFrame {
    let late = || col("l_receiptdate").gt(col("l_commitdate"));
    t.lineitem
        .clone()
        .select([
            col("l_orderkey"),
            col("l_quantity"),
            col("l_suppkey"),
            when(late()).then(col("l_suppkey")).otherwise(lit(NULL)).alias("late"),
        ])
        .group_by(["l_orderkey"])
        .agg([
            col("l_quantity").sum().alias("sum_qty"),
            col("l_suppkey").min().alias("first"),
            col("l_suppkey").max().alias("last"),
            col("late").min().alias("late_first"),
            col("late").max().alias("late_last"),
            col("late").count().cast(DataType::Int64).alias("late_lines"),
        ])
}

pub fn q04(t: &Tables, by_order: &LazyFrame) -> LazyFrame {
    t.orders
        .clone()
        .filter(between_dates("o_orderdate", date(1993, 7, 1), date(1993, 10, 1)))
        .semi_join(by_order.clone().filter(col("late_lines").gt(lit(0))), "o_orderkey", "l_orderkey")
        .group_by(["o_orderpriority"])
        .agg([count().alias("order_count")])
        .sort(["o_orderpriority"], ascending())
}

pub fn q18(t: &Tables, by_order: &LazyFrame) -> LazyFrame {
    t.orders
        .clone()
        .inner_join(by_order.clone().filter(col("sum_qty").gt(lit(300.0))), "o_orderkey", "l_orderkey")
        .inner_join(t.customer.clone(), "o_custkey", "c_custkey")
        .select([
            col("c_name"),
            col("o_custkey").alias("c_custkey"),
            col("o_orderkey"),
            col("o_orderdate"),
            col("o_totalprice"),
            col("sum_qty"),
        ])
        .sort(["o_totalprice", "o_orderdate"], ordered([true, false]))
        .limit(100)
}

pub fn q21(t: &Tables, by_order: &LazyFrame) -> LazyFrame {
    let late_alone =
        by_order.clone().filter(col("late_first").eq(col("late_last")).and(col("first").neq(col("last"))));
    t.nation
        .clone()
        .filter(col("n_name").eq(lit("SAUDI ARABIA")))
        .inner_join(t.supplier.clone(), "n_nationkey", "s_nationkey")
        .inner_join(late_alone, "s_suppkey", "late_first")
        .inner_join(t.orders.clone().filter(col("o_orderstatus").eq(lit("F"))), "l_orderkey", "o_orderkey")
        .group_by(["s_name"])
        .agg([col("late_lines").sum().alias("numwait")])
        .sort(["numwait", "s_name"], ordered([true, false]))
        .limit(100)
}
