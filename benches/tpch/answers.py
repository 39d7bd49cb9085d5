"""Writes what DuckDB answers to the 22 queries, as Parquet: answers.py <directory of the tables> <directory of the answers>."""

import pathlib
import sys

import duckdb

tables, answers = map(pathlib.Path, sys.argv[1:])
answers.mkdir(parents=True, exist_ok=True)
connection = duckdb.connect()
for table in sorted(tables.glob("*.parquet")):
    connection.execute(f"create view {table.stem} as select * from '{table}'")
for query in sorted((pathlib.Path(__file__).parent / "sql").glob("q*.sql")):
    text = query.read_text().rstrip().rstrip(";")
    connection.execute(f"copy ({text}) to '{answers / query.stem}.parquet'")
