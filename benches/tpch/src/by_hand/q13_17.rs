use polars::prelude::*;

use super::{between_dates, count, date, ordered, revenue};
use crate::tables::Tables;

/// Customer distribution.
pub fn q13(t: &Tables) -> PolarsResult<LazyFrame> {
    let orders = t.orders.clone().filter(col("o_comment").str().contains(lit("special.*requests"), true).not());
    Ok(t.customer
        .clone()
        .left_join(orders, "c_custkey", "o_custkey")
        .group_by(["c_custkey"])
        .agg([col("o_orderkey").count().cast(DataType::Int64).alias("c_count")])
        .group_by(["c_count"])
        .agg([count().alias("custdist")])
        .sort(["custdist", "c_count"], ordered([true, true])))
}

/// Promotion effect.
pub fn q14(t: &Tables) -> PolarsResult<LazyFrame> {
    let promoted = when(col("p_type").str().starts_with(lit("PROMO"))).then(revenue()).otherwise(lit(0.0));
    Ok(t.lineitem
        .clone()
        .filter(between_dates("l_shipdate", date(1995, 9, 1), date(1995, 10, 1)))
        .inner_join(t.part.clone(), "l_partkey", "p_partkey")
        .select([(lit(100.0) * promoted.sum() / revenue().sum()).alias("promo_revenue")]))
}

/// Top supplier.
pub fn q15(t: &Tables) -> PolarsResult<LazyFrame> {
    let best = t
        .lineitem
        .clone()
        .filter(between_dates("l_shipdate", date(1996, 1, 1), date(1996, 4, 1)))
        .group_by(["l_suppkey"])
        .agg([revenue().sum().alias("total_revenue")])
        .filter(col("total_revenue").eq(col("total_revenue").max()));
    Ok(t.supplier
        .clone()
        .inner_join(best, "s_suppkey", "l_suppkey")
        .select([col("s_suppkey"), col("s_name"), col("s_address"), col("s_phone"), col("total_revenue")])
        .sort(["s_suppkey"], Default::default()))
}

/// Parts and suppliers.
pub fn q16(t: &Tables) -> PolarsResult<LazyFrame> {
    let complained = t.supplier.clone().filter(col("s_comment").str().contains(lit("Customer.*Complaints"), true));
    let sizes = Series::new("sizes".into(), [49_i64, 14, 23, 45, 19, 3, 36, 9]);
    Ok(t.part
        .clone()
        .filter(col("p_brand").neq(lit("Brand#45")))
        .filter(col("p_type").str().starts_with(lit("MEDIUM POLISHED")).not())
        .filter(col("p_size").is_in(lit(sizes).implode(false), false))
        .inner_join(t.partsupp.clone(), "p_partkey", "ps_partkey")
        .anti_join(complained, "ps_suppkey", "s_suppkey")
        .group_by(["p_brand", "p_type", "p_size"])
        .agg([col("ps_suppkey").n_unique().cast(DataType::Int64).alias("supplier_cnt")])
        .sort(["supplier_cnt", "p_brand", "p_type", "p_size"], ordered([true, false, false, false])))
}

/// Small-quantity-order revenue.
pub fn q17(t: &Tables) -> PolarsResult<LazyFrame> {
    let lines = t
        .part
        .clone()
        .filter(col("p_brand").eq(lit("Brand#23")).and(col("p_container").eq(lit("MED BOX"))))
        .inner_join(t.lineitem.clone(), "p_partkey", "l_partkey");
    let average =
        lines.clone().group_by(["p_partkey"]).agg([(lit(0.2) * col("l_quantity").mean()).alias("few")]);
    Ok(lines
        .inner_join(average, "p_partkey", "p_partkey")
        .filter(col("l_quantity").lt(col("few")))
        .select([(col("l_extendedprice").sum() / lit(7.0)).alias("avg_yearly")]))
}
