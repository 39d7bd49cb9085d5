"""Compares answers with those of DuckDB, as bags of rows: each line of the file is a query and the Parquet file of its answer."""

import json
import sys

import duckdb

COLUMNS = "few, many, number, text, big, id"


def differences(connection, sql, answer):
    """How many rows only DuckDB has, and how many only the answer has."""
    ours = f"SELECT {COLUMNS} FROM read_parquet('{answer}')"
    count = "SELECT count(*) FROM (SELECT * FROM ({}) EXCEPT ALL SELECT * FROM ({}))"
    both = [count.format(sql, ours), count.format(ours, sql)]
    return [connection.execute(text).fetchone()[0] for text in both]


def main(path):
    connection = duckdb.connect()
    compared = 0
    with open(path, encoding="utf-8") as cases:
        for line in cases:
            case = json.loads(line)
            only_theirs, only_ours = differences(connection, case["sql"], case["answer"])
            if only_theirs or only_ours:
                sys.exit(
                    f"seed {case['seed']}: {only_theirs} rows only in DuckDB, {only_ours} only here\n{case['sql']}"
                )
            compared += 1
    print(f"DuckDB {duckdb.__version__} agrees with {compared} answers")


main(sys.argv[1])
