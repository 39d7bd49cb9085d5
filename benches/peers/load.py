"""The tables, as nodes of Hamilton.

Its own loader of lazy frames gives Polars an argument that Polars 2 no longer has, so that these are functions.
"""

import polars as pl


def lineitem(tables: str) -> pl.LazyFrame:
    return pl.scan_parquet(f"{tables}/lineitem.parquet")


def orders(tables: str) -> pl.LazyFrame:
    return pl.scan_parquet(f"{tables}/orders.parquet")


def customer(tables: str) -> pl.LazyFrame:
    return pl.scan_parquet(f"{tables}/customer.parquet")


def supplier(tables: str) -> pl.LazyFrame:
    return pl.scan_parquet(f"{tables}/supplier.parquet")


def part(tables: str) -> pl.LazyFrame:
    return pl.scan_parquet(f"{tables}/part.parquet")


def nation(tables: str) -> pl.LazyFrame:
    return pl.scan_parquet(f"{tables}/nation.parquet")


def region(tables: str) -> pl.LazyFrame:
    return pl.scan_parquet(f"{tables}/region.parquet")
