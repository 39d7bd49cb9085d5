"""The pipeline in Hamilton: peer_hamilton.py <tables> <target> <lazy|shared> <sequential|threads>.

The functions of a module are the nodes, and the names of their parameters the edges. Reports are written by Hamilton's
own saver of Polars frames, which collects the lazy frame that it is given.
"""

import json
import sys
import time
from concurrent.futures import Future
from pathlib import Path

import collected
import hamilton
import load
import polars as pl
import steps
from hamilton import driver
from hamilton.io.materialization import to
from hamilton.plugins import h_threadpool, polars_extensions  # noqa: F401, the second registers the savers
from tables import SINKS

tables, target, variant, runner = sys.argv[1:]


def build() -> driver.Driver:
    builder = driver.Builder()
    if variant == "shared":
        builder = builder.with_modules(load, steps, collected).allow_module_overrides()
    else:
        builder = builder.with_modules(load, steps)
    if runner == "threads":
        builder = builder.with_adapters(h_threadpool.FutureAdapter(max_workers=2))
    return builder.build()


started = time.perf_counter()
Path(target).mkdir(parents=True, exist_ok=True)
savers = [
    to.parquet(id=f"save_{name}", dependencies=[step], file=f"{target}/{name}.parquet") for name, step in SINKS.items()
]
written, _ = build().materialize(*savers, inputs={"tables": tables})
for saved in written.values():
    # The adapter for threads gives what is still on its way.
    if isinstance(saved, Future):
        saved.result()
seconds = time.perf_counter() - started
versions = {"sf-hamilton": ".".join(map(str, hamilton.version.VERSION)), "polars": pl.__version__}
print(json.dumps({"seconds": seconds, "versions": versions}))
