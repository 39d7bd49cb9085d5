"""The pipeline in Kedro: peer_kedro.py <tables> <target> <lazy|shared> <sequential|threads>.

Nodes are functions with the names of what they take and make. The catalogue is a file, as in a project; writing one of
its datasets collects the lazy frame.
"""

import inspect
import json
import logging
import sys
import time
from importlib.metadata import version
from pathlib import Path

import collected
import steps
import kedro_datasets.polars.lazy_polars_dataset  # noqa: F401, otherwise imported in the measured time
from kedro.config import OmegaConfigLoader
from kedro.io import DataCatalog
from kedro.pipeline import node, pipeline
from kedro.runner import SequentialRunner, ThreadRunner

tables, target, variant, runner = sys.argv[1:]
# Each node and dataset is reported otherwise.
logging.getLogger("kedro").setLevel(logging.WARNING)


def nodes():
    for step, function in inspect.getmembers(steps, inspect.isfunction):
        if variant == "shared":
            function = getattr(collected, step, function)
        yield node(function, inputs=list(inspect.signature(function).parameters), outputs=step, name=step)


def run():
    config = OmegaConfigLoader(
        str(Path(__file__).parent), base_env=".", default_run_env=".", runtime_params={"tables": tables, "target": target}
    )
    catalog = DataCatalog.from_config(config["catalog"])
    chosen = ThreadRunner(max_workers=2) if runner == "threads" else SequentialRunner()
    chosen.run(pipeline(list(nodes())), catalog)


started = time.perf_counter()
run()
seconds = time.perf_counter() - started
versions = {name: version(name) for name in ["kedro", "kedro-datasets", "polars"]}
print(json.dumps({"seconds": seconds, "versions": versions}))
