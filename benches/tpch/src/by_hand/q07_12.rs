use polars::prelude::*;

use super::{ascending, between_dates, date, one_of, ordered, revenue};
use crate::tables::Tables;

/// Volume shipping.
pub fn q07(t: &Tables) -> PolarsResult<LazyFrame> {
    let nations = t.nation.clone().filter(one_of(col("n_name"), ["FRANCE", "GERMANY"]));
    let named = |name: &str| nations.clone().select([col("n_nationkey"), col("n_name").alias(name)]);
    let customers = named("cust_nation")
        .inner_join(t.customer.clone(), "n_nationkey", "c_nationkey")
        .inner_join(t.orders.clone(), "c_custkey", "o_custkey");
    let lines = t
        .lineitem
        .clone()
        .filter(col("l_shipdate").gt_eq(date(1995, 1, 1)).and(col("l_shipdate").lt_eq(date(1996, 12, 31))));
    Ok(named("supp_nation")
        .inner_join(t.supplier.clone(), "n_nationkey", "s_nationkey")
        .inner_join(lines, "s_suppkey", "l_suppkey")
        .inner_join(customers, "l_orderkey", "o_orderkey")
        .filter(col("supp_nation").neq(col("cust_nation")))
        .group_by([col("supp_nation"), col("cust_nation"), col("l_shipdate").dt().year().alias("l_year")])
        .agg([revenue().sum().alias("revenue")])
        .sort(["supp_nation", "cust_nation", "l_year"], ascending()))
}

/// National market share.
pub fn q08(t: &Tables) -> PolarsResult<LazyFrame> {
    let customers = t
        .region
        .clone()
        .filter(col("r_name").eq(lit("AMERICA")))
        .inner_join(t.nation.clone(), "r_regionkey", "n_regionkey")
        .inner_join(t.customer.clone(), "n_nationkey", "c_nationkey")
        .select([col("c_custkey")]);
    let orders = t
        .orders
        .clone()
        .filter(col("o_orderdate").gt_eq(date(1995, 1, 1)).and(col("o_orderdate").lt_eq(date(1996, 12, 31))));
    let suppliers = t.supplier.clone().inner_join(t.nation.clone(), "s_nationkey", "n_nationkey");
    let of_brazil = when(col("n_name").eq(lit("BRAZIL"))).then(revenue()).otherwise(lit(0.0));
    Ok(t.part
        .clone()
        .filter(col("p_type").eq(lit("ECONOMY ANODIZED STEEL")))
        .inner_join(t.lineitem.clone(), "p_partkey", "l_partkey")
        .inner_join(orders, "l_orderkey", "o_orderkey")
        .inner_join(customers, "o_custkey", "c_custkey")
        .inner_join(suppliers, "l_suppkey", "s_suppkey")
        .group_by([col("o_orderdate").dt().year().alias("o_year")])
        .agg([(of_brazil.sum() / revenue().sum()).alias("mkt_share")])
        .sort(["o_year"], ascending()))
}

/// Product type profit.
pub fn q09(t: &Tables) -> PolarsResult<LazyFrame> {
    let suppliers = t.supplier.clone().inner_join(t.nation.clone(), "s_nationkey", "n_nationkey");
    Ok(t.part
        .clone()
        .filter(col("p_name").str().contains_literal(lit("green")))
        .inner_join(t.partsupp.clone(), "p_partkey", "ps_partkey")
        .inner_join(suppliers, "ps_suppkey", "s_suppkey")
        .join(
            t.lineitem.clone(),
            [col("p_partkey"), col("ps_suppkey")],
            [col("l_partkey"), col("l_suppkey")],
            JoinArgs::new(JoinType::Inner),
        )
        .inner_join(t.orders.clone(), "l_orderkey", "o_orderkey")
        .group_by([col("n_name").alias("nation"), col("o_orderdate").dt().year().alias("o_year")])
        .agg([(revenue() - col("ps_supplycost") * col("l_quantity")).sum().alias("sum_profit")])
        .sort(["nation", "o_year"], ordered([false, true])))
}

/// Returned items.
pub fn q10(t: &Tables) -> PolarsResult<LazyFrame> {
    let orders = t.orders.clone().filter(between_dates("o_orderdate", date(1993, 10, 1), date(1994, 1, 1)));
    let returned = t.lineitem.clone().filter(col("l_returnflag").eq(lit("R")));
    Ok(t.customer
        .clone()
        .inner_join(orders, "c_custkey", "o_custkey")
        .inner_join(returned, "o_orderkey", "l_orderkey")
        .inner_join(t.nation.clone(), "c_nationkey", "n_nationkey")
        .group_by(["c_custkey", "c_name", "c_acctbal", "c_phone", "n_name", "c_address", "c_comment"])
        .agg([revenue().sum().alias("revenue")])
        .select([
            col("c_custkey"),
            col("c_name"),
            col("revenue"),
            col("c_acctbal"),
            col("n_name"),
            col("c_address"),
            col("c_phone"),
            col("c_comment"),
        ])
        .sort(["revenue"], ordered([true]))
        .limit(20))
}

/// Important stock.
pub fn q11(t: &Tables) -> PolarsResult<LazyFrame> {
    let stock = t
        .nation
        .clone()
        .filter(col("n_name").eq(lit("GERMANY")))
        .inner_join(t.supplier.clone(), "n_nationkey", "s_nationkey")
        .inner_join(t.partsupp.clone(), "s_suppkey", "ps_suppkey");
    Ok(stock
        .group_by(["ps_partkey"])
        .agg([(col("ps_supplycost") * col("ps_availqty")).sum().alias("value")])
        .filter(col("value").gt(col("value").sum() * lit(0.0001)))
        .sort(["value"], ordered([true])))
}

/// Shipping modes and order priority.
pub fn q12(t: &Tables) -> PolarsResult<LazyFrame> {
    let lines = t
        .lineitem
        .clone()
        .filter(one_of(col("l_shipmode"), ["MAIL", "SHIP"]))
        .filter(col("l_commitdate").lt(col("l_receiptdate")))
        .filter(col("l_shipdate").lt(col("l_commitdate")))
        .filter(between_dates("l_receiptdate", date(1994, 1, 1), date(1995, 1, 1)));
    let high = one_of(col("o_orderpriority"), ["1-URGENT", "2-HIGH"]);
    Ok(t.orders
        .clone()
        .inner_join(lines, "o_orderkey", "l_orderkey")
        .group_by(["l_shipmode"])
        .agg([
            high.clone().cast(DataType::Int64).sum().alias("high_line_count"),
            high.not().cast(DataType::Int64).sum().alias("low_line_count"),
        ])
        .sort(["l_shipmode"], ascending()))
}
