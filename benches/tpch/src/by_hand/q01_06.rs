use polars::prelude::*;

use super::{ascending, between_dates, count, date, ordered, revenue};
use crate::tables::Tables;

/// Pricing summary.
pub fn q01(t: &Tables) -> PolarsResult<LazyFrame> {
    Ok(t.lineitem
        .clone()
        .filter(col("l_shipdate").lt_eq(date(1998, 9, 2)))
        .group_by(["l_returnflag", "l_linestatus"])
        .agg([
            col("l_quantity").sum().alias("sum_qty"),
            col("l_extendedprice").sum().alias("sum_base_price"),
            revenue().sum().alias("sum_disc_price"),
            (revenue() * (lit(1.0) + col("l_tax"))).sum().alias("sum_charge"),
            col("l_quantity").mean().alias("avg_qty"),
            col("l_extendedprice").mean().alias("avg_price"),
            col("l_discount").mean().alias("avg_disc"),
            count().alias("count_order"),
        ])
        .sort(["l_returnflag", "l_linestatus"], ascending()))
}

/// Minimum cost supplier.
pub fn q02(t: &Tables) -> PolarsResult<LazyFrame> {
    let suppliers = t
        .region
        .clone()
        .filter(col("r_name").eq(lit("EUROPE")))
        .inner_join(t.nation.clone(), "r_regionkey", "n_regionkey")
        .inner_join(t.supplier.clone(), "n_nationkey", "s_nationkey");
    let offers = t
        .part
        .clone()
        .filter(col("p_size").eq(lit(15)).and(col("p_type").str().ends_with(lit("BRASS"))))
        .inner_join(t.partsupp.clone(), "p_partkey", "ps_partkey")
        .inner_join(suppliers, "ps_suppkey", "s_suppkey");
    let cheapest = offers.clone().group_by(["p_partkey"]).agg([col("ps_supplycost").min()]);
    let keys = [col("p_partkey"), col("ps_supplycost")];
    Ok(offers
        .join(cheapest, &keys, &keys, JoinArgs::new(JoinType::Inner))
        .select([
            col("s_acctbal"),
            col("s_name"),
            col("n_name"),
            col("p_partkey"),
            col("p_mfgr"),
            col("s_address"),
            col("s_phone"),
            col("s_comment"),
        ])
        .sort(["s_acctbal", "n_name", "s_name", "p_partkey"], ordered([true, false, false, false]))
        .limit(100))
}

/// Shipping priority.
pub fn q03(t: &Tables) -> PolarsResult<LazyFrame> {
    let day = date(1995, 3, 15);
    Ok(t.customer
        .clone()
        .filter(col("c_mktsegment").eq(lit("BUILDING")))
        .inner_join(t.orders.clone().filter(col("o_orderdate").lt(day.clone())), "c_custkey", "o_custkey")
        .inner_join(t.lineitem.clone().filter(col("l_shipdate").gt(day)), "o_orderkey", "l_orderkey")
        .group_by(["o_orderkey", "o_orderdate", "o_shippriority"])
        .agg([revenue().sum().alias("revenue")])
        .select([
            col("o_orderkey").alias("l_orderkey"),
            col("revenue"),
            col("o_orderdate"),
            col("o_shippriority"),
        ])
        .sort(["revenue", "o_orderdate"], ordered([true, false]))
        .limit(10))
}

/// Order priority checking.
pub fn q04(t: &Tables) -> PolarsResult<LazyFrame> {
    let late = t.lineitem.clone().filter(col("l_commitdate").lt(col("l_receiptdate")));
    Ok(t.orders
        .clone()
        .filter(between_dates("o_orderdate", date(1993, 7, 1), date(1993, 10, 1)))
        .semi_join(late, "o_orderkey", "l_orderkey")
        .group_by(["o_orderpriority"])
        .agg([count().alias("order_count")])
        .sort(["o_orderpriority"], ascending()))
}

/// Local supplier volume.
pub fn q05(t: &Tables) -> PolarsResult<LazyFrame> {
    let orders = t.orders.clone().filter(between_dates("o_orderdate", date(1994, 1, 1), date(1995, 1, 1)));
    Ok(t.region
        .clone()
        .filter(col("r_name").eq(lit("ASIA")))
        .inner_join(t.nation.clone(), "r_regionkey", "n_regionkey")
        .inner_join(t.customer.clone(), "n_nationkey", "c_nationkey")
        .inner_join(orders, "c_custkey", "o_custkey")
        .inner_join(t.lineitem.clone(), "o_orderkey", "l_orderkey")
        .join(
            t.supplier.clone(),
            [col("l_suppkey"), col("n_nationkey")],
            [col("s_suppkey"), col("s_nationkey")],
            JoinArgs::new(JoinType::Inner),
        )
        .group_by(["n_name"])
        .agg([revenue().sum().alias("revenue")])
        .sort(["revenue"], ordered([true])))
}

/// Forecasting revenue change.
pub fn q06(t: &Tables) -> PolarsResult<LazyFrame> {
    q06_between(t, 0.05, 0.07)
}

/// With discounts from `low` to `high`.
pub fn q06_between(t: &Tables, low: f64, high: f64) -> PolarsResult<LazyFrame> {
    Ok(t.lineitem
        .clone()
        .filter(between_dates("l_shipdate", date(1994, 1, 1), date(1995, 1, 1)))
        .filter(col("l_discount").gt_eq(lit(low)).and(col("l_discount").lt_eq(lit(high))))
        .filter(col("l_quantity").lt(lit(24.0)))
        .select([(col("l_extendedprice") * col("l_discount")).sum().alias("revenue")]))
}
