//! The steps of the pipeline.

use polars::prelude::*;

fn inner(left: LazyFrame, right: LazyFrame, left_on: &str, right_on: &str) -> LazyFrame {
    left.join(right, [col(left_on)], [col(right_on)], JoinArgs::new(JoinType::Inner))
}

fn columns<const N: usize>(names: [&str; N]) -> [Expr; N] {
    names.map(col)
}

/// Lines that were not returned.
pub fn clean_lines(lineitem: LazyFrame) -> LazyFrame {
    lineitem.filter(col("l_returnflag").neq(lit("R"))).select([
        col("l_orderkey").alias("orderkey"),
        col("l_partkey").alias("partkey"),
        col("l_suppkey").alias("suppkey"),
        col("l_quantity").alias("quantity"),
        (col("l_extendedprice") * (lit(1) - col("l_discount"))).alias("revenue"),
        (col("l_receiptdate") - col("l_commitdate")).dt().total_days(false).alias("days_late"),
    ])
}

/// Orders of 1995 and 1996.
pub fn orders_of_years(orders: LazyFrame) -> LazyFrame {
    let first_of = |year: i32| lit(format!("{year}-01-01")).cast(DataType::Date);
    let day = || col("o_orderdate");
    orders.filter(day().gt_eq(first_of(1995)).and(day().lt(first_of(1997)))).select([
        col("o_orderkey").alias("orderkey"),
        col("o_custkey").alias("custkey"),
        (day().dt().year().cast(DataType::Int64) * lit(100) + day().dt().month().cast(DataType::Int64))
            .alias("month"),
    ])
}

pub fn places(nation: LazyFrame, region: LazyFrame) -> LazyFrame {
    inner(nation, region, "n_regionkey", "r_regionkey").select([
        col("n_nationkey").alias("nationkey"),
        col("n_name").alias("nation"),
        col("r_name").alias("region"),
    ])
}

pub fn buyers(customer: LazyFrame, places: LazyFrame) -> LazyFrame {
    inner(customer, places, "c_nationkey", "nationkey").select([
        col("c_custkey").alias("custkey"),
        col("c_name").alias("customer"),
        col("nation"),
        col("region"),
        col("c_mktsegment").alias("segment"),
    ])
}

pub fn sellers(supplier: LazyFrame, places: LazyFrame) -> LazyFrame {
    inner(supplier, places, "s_nationkey", "nationkey").select([
        col("s_suppkey").alias("suppkey"),
        col("s_name").alias("supplier"),
        col("nation"),
    ])
}

pub fn brands_of_parts(part: LazyFrame) -> LazyFrame {
    part.select([
        col("p_partkey").alias("partkey"),
        col("p_brand").alias("brand"),
        col("p_mfgr").alias("maker"),
    ])
}

/// What all figures are made of.
pub fn sold_lines(lines: LazyFrame, orders: LazyFrame) -> LazyFrame {
    let columns = columns(["custkey", "partkey", "suppkey", "month", "quantity", "revenue", "days_late"]);
    inner(lines, orders, "orderkey", "orderkey").select(columns)
}

pub fn late_lines(sold: LazyFrame) -> LazyFrame {
    sold.filter(col("days_late").gt(lit(0))).select(columns(["suppkey", "month", "days_late"]))
}

pub fn customer_revenue(sold: LazyFrame, buyers: LazyFrame) -> LazyFrame {
    let by_customer = sold.group_by([col("custkey")]).agg([col("revenue").sum(), len().alias("lines")]);
    let columns = columns(["custkey", "customer", "nation", "region", "segment", "revenue", "lines"]);
    inner(by_customer, buyers, "custkey", "custkey").select(columns)
}

pub fn supplier_revenue(sold: LazyFrame, sellers: LazyFrame) -> LazyFrame {
    let by_supplier = sold.group_by([col("suppkey")]).agg([col("revenue").sum(), len().alias("lines")]);
    let columns = columns(["suppkey", "supplier", "nation", "revenue", "lines"]);
    inner(by_supplier, sellers, "suppkey", "suppkey").select(columns)
}

pub fn supplier_delays(late: LazyFrame) -> LazyFrame {
    late.group_by([col("suppkey")])
        .agg([len().alias("late"), col("days_late").mean().alias("mean_days_late")])
}

pub fn nation_purchases(customers: LazyFrame) -> LazyFrame {
    customers
        .group_by([col("nation"), col("region")])
        .agg([len().alias("customers"), col("revenue").sum().alias("bought")])
}

pub fn supplier_report(revenue: LazyFrame, delays: LazyFrame) -> LazyFrame {
    let late = col("late").fill_null(lit(0u32)).cast(DataType::Float64);
    let [suppkey, supplier, nation, revenue_sum, lines, mean] =
        columns(["suppkey", "supplier", "nation", "revenue", "lines", "mean_days_late"]);
    let share_late = (late / lines.clone().cast(DataType::Float64)).alias("share_late");
    revenue.join(delays, [col("suppkey")], [col("suppkey")], JoinArgs::new(JoinType::Left)).select([
        suppkey,
        supplier,
        nation,
        revenue_sum,
        lines,
        mean,
        share_late,
    ])
}

/// What each nation bought beside what it sold.
pub fn nation_report(purchases: LazyFrame, suppliers: LazyFrame) -> LazyFrame {
    let sales = suppliers
        .group_by([col("nation")])
        .agg([len().alias("suppliers"), col("revenue").sum().alias("sold")]);
    let [nation, region, customers, suppliers, bought, sold] =
        columns(["nation", "region", "customers", "suppliers", "bought", "sold"]);
    let balance = (sold.clone() - bought.clone()).alias("balance");
    inner(purchases, sales, "nation", "nation")
        .select([nation, region, customers, suppliers, bought, sold, balance])
}

pub fn brand_report(sold: LazyFrame, brands: LazyFrame) -> LazyFrame {
    inner(sold, brands, "partkey", "partkey").group_by([col("brand"), col("maker")]).agg([
        len().alias("lines"),
        col("quantity").sum(),
        col("revenue").sum(),
    ])
}

pub fn month_report(sold: LazyFrame, late: LazyFrame) -> LazyFrame {
    let late = late
        .group_by([col("month")])
        .agg([len().alias("late"), col("days_late").mean().alias("mean_days_late")]);
    let months = sold.group_by([col("month")]).agg([len().alias("lines"), col("revenue").sum()]);
    inner(months, late, "month", "month").select(columns([
        "month",
        "lines",
        "revenue",
        "late",
        "mean_days_late",
    ]))
}
