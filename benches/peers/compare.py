"""Whether two contenders wrote the same: compare.py <directory> <directory>. Rows are sorted, numbers may differ by 1e-6."""

import sys
from pathlib import Path

import polars as pl
from polars.testing import assert_frame_equal
from tables import SINKS

# The columns that tell the rows apart.
KEYS = {
    "customers": ["custkey"],
    "suppliers": ["suppkey"],
    "nations": ["nation"],
    "brands": ["brand", "maker"],
    "months": ["month"],
}


def read(directory: str, name: str) -> pl.DataFrame:
    path = Path(directory, f"{name}.parquet")
    # Spark writes a directory of files.
    frame = pl.read_parquet(path / "*.parquet" if path.is_dir() else path)
    integers = [column for column, kind in frame.schema.items() if kind.is_integer()]
    return frame.with_columns(pl.col(integers).cast(pl.Int64)).sort(KEYS[name])


expected, found = sys.argv[1:]
for name in SINKS:
    one, other = read(expected, name), read(found, name)
    assert one.height > 0, f"{name} is empty"
    assert_frame_equal(other, one, rel_tol=1e-6, abs_tol=1e-6)
print("equal")
