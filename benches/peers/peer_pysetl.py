"""The pipeline in PySetl on Spark: peer_pysetl.py <tables> <target> <lazy|shared>.

Factories with typed deliveries, grouped in stages, reading and writing through `SparkRepository`, as PySetl's user
guide shows. A delivery is a Spark frame, which is lazy as well.
"""

import json
import sys
import time

import pyspark
from importlib.metadata import version
from pyspark.sql import SparkSession

tables, target, variant = sys.argv[1:]

spark = (
    SparkSession.builder.master("local[2]")
    .appName("peers")
    .config("spark.driver.memory", "8g")
    # The default of 200 is for clusters: on two cores, most of the time would be spent on empty tasks.
    .config("spark.sql.shuffle.partitions", "4")
    .config("spark.ui.enabled", "false")
    .config("spark.ui.showConsoleProgress", "false")
    .config("spark.log.level", "ERROR")
    .getOrCreate()
)

# The factories want the session.
from factories_pysetl import pipeline  # noqa: E402

started = time.perf_counter()
pipeline(tables, target, variant == "shared").run()
seconds = time.perf_counter() - started
spark.stop()
versions = {"pysetl": version("pysetl"), "pyspark": pyspark.__version__}
print(json.dumps({"seconds": seconds, "versions": versions}))
