"""The three steps whose result several others take, computed once: what one does by hand."""

import polars as pl
import steps


def sold_lines(clean_lines: pl.LazyFrame, orders_of_years: pl.LazyFrame) -> pl.LazyFrame:
    return steps.sold_lines(clean_lines, orders_of_years).collect().lazy()


def customer_revenue(sold_lines: pl.LazyFrame, buyers: pl.LazyFrame) -> pl.LazyFrame:
    return steps.customer_revenue(sold_lines, buyers).collect().lazy()


def supplier_revenue(sold_lines: pl.LazyFrame, sellers: pl.LazyFrame) -> pl.LazyFrame:
    return steps.supplier_revenue(sold_lines, sellers).collect().lazy()
