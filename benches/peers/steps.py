"""The steps of the pipeline on Polars, for the peers in Python: each takes lazy frames and gives one.

The name of a function is what it makes, those of its parameters are what it takes: this is a module for Hamilton.
"""

from datetime import date

import polars as pl

def clean_lines(lineitem: pl.LazyFrame) -> pl.LazyFrame:
    """Lines that were not returned."""
    return lineitem.filter(pl.col("l_returnflag") != "R").select(
        orderkey="l_orderkey",
        partkey="l_partkey",
        suppkey="l_suppkey",
        quantity="l_quantity",
        revenue=pl.col("l_extendedprice") * (1 - pl.col("l_discount")),
        days_late=(pl.col("l_receiptdate") - pl.col("l_commitdate")).dt.total_days(),
    )


def orders_of_years(orders: pl.LazyFrame) -> pl.LazyFrame:
    """Orders of 1995 and 1996."""
    day = pl.col("o_orderdate")
    return orders.filter((day >= date(1995, 1, 1)) & (day < date(1997, 1, 1))).select(
        orderkey="o_orderkey",
        custkey="o_custkey",
        month=day.dt.year().cast(pl.Int64) * 100 + day.dt.month().cast(pl.Int64),
    )


def places(nation: pl.LazyFrame, region: pl.LazyFrame) -> pl.LazyFrame:
    return nation.join(region, left_on="n_regionkey", right_on="r_regionkey").select(
        nationkey="n_nationkey", nation="n_name", region="r_name"
    )


def buyers(customer: pl.LazyFrame, places: pl.LazyFrame) -> pl.LazyFrame:
    return customer.join(places, left_on="c_nationkey", right_on="nationkey").select(
        "nation", "region", custkey="c_custkey", customer="c_name", segment="c_mktsegment"
    )


def sellers(supplier: pl.LazyFrame, places: pl.LazyFrame) -> pl.LazyFrame:
    return supplier.join(places, left_on="s_nationkey", right_on="nationkey").select(
        "nation", suppkey="s_suppkey", supplier="s_name"
    )


def brands_of_parts(part: pl.LazyFrame) -> pl.LazyFrame:
    return part.select(partkey="p_partkey", brand="p_brand", maker="p_mfgr")


def sold_lines(clean_lines: pl.LazyFrame, orders_of_years: pl.LazyFrame) -> pl.LazyFrame:
    """Lines with their orders: what all figures are made of."""
    return clean_lines.join(orders_of_years, on="orderkey").select(
        "custkey", "partkey", "suppkey", "month", "quantity", "revenue", "days_late"
    )


def late_lines(sold_lines: pl.LazyFrame) -> pl.LazyFrame:
    return sold_lines.filter(pl.col("days_late") > 0).select("suppkey", "month", "days_late")


def customer_revenue(sold_lines: pl.LazyFrame, buyers: pl.LazyFrame) -> pl.LazyFrame:
    by_customer = sold_lines.group_by("custkey").agg(revenue=pl.col("revenue").sum(), lines=pl.len())
    return by_customer.join(buyers, on="custkey").select(
        "custkey", "customer", "nation", "region", "segment", "revenue", "lines"
    )


def supplier_revenue(sold_lines: pl.LazyFrame, sellers: pl.LazyFrame) -> pl.LazyFrame:
    by_supplier = sold_lines.group_by("suppkey").agg(revenue=pl.col("revenue").sum(), lines=pl.len())
    return by_supplier.join(sellers, on="suppkey").select("suppkey", "supplier", "nation", "revenue", "lines")


def supplier_delays(late_lines: pl.LazyFrame) -> pl.LazyFrame:
    return late_lines.group_by("suppkey").agg(late=pl.len(), mean_days_late=pl.col("days_late").mean())


def nation_purchases(customer_revenue: pl.LazyFrame) -> pl.LazyFrame:
    return customer_revenue.group_by("nation", "region").agg(customers=pl.len(), bought=pl.col("revenue").sum())


def supplier_report(supplier_revenue: pl.LazyFrame, supplier_delays: pl.LazyFrame) -> pl.LazyFrame:
    return supplier_revenue.join(supplier_delays, on="suppkey", how="left").select(
        "suppkey", "supplier", "nation", "revenue", "lines", "mean_days_late",
        share_late=pl.col("late").fill_null(0) / pl.col("lines"),
    )


def nation_report(nation_purchases: pl.LazyFrame, supplier_revenue: pl.LazyFrame) -> pl.LazyFrame:
    """What each nation bought beside what it sold."""
    sales = supplier_revenue.group_by("nation").agg(suppliers=pl.len(), sold=pl.col("revenue").sum())
    return nation_purchases.join(sales, on="nation").select(
        "nation", "region", "customers", "suppliers", "bought", "sold", balance=pl.col("sold") - pl.col("bought")
    )


def brand_report(sold_lines: pl.LazyFrame, brands_of_parts: pl.LazyFrame) -> pl.LazyFrame:
    return sold_lines.join(brands_of_parts, on="partkey").group_by("brand", "maker").agg(
        lines=pl.len(), quantity=pl.col("quantity").sum(), revenue=pl.col("revenue").sum()
    )


def month_report(sold_lines: pl.LazyFrame, late_lines: pl.LazyFrame) -> pl.LazyFrame:
    late = late_lines.group_by("month").agg(late=pl.len(), mean_days_late=pl.col("days_late").mean())
    months = sold_lines.group_by("month").agg(lines=pl.len(), revenue=pl.col("revenue").sum())
    return months.join(late, on="month").select("month", "lines", "revenue", "late", "mean_days_late")
