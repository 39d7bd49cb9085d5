"""Compares setl with its peers: run.py <scale factor> [--rounds 5] [--work DIRECTORY] [--only NAME...] [--pondrs].

Needs Java 17. Installs the peers and builds the programs in the directory, makes the data if they are not there, checks that all write
the same, then runs each in processes of its own, in rounds, each round in another order.
"""

import argparse
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import measure

HERE = Path(__file__).parent.resolve()
TPCH = HERE.parent / "tpch"
# Pinned: what the figures in README.md are of.
PACKAGES = {
    "hamilton": ["sf-hamilton==1.90.0", "polars==2.1.0", "packaging"],
    "kedro": ["kedro==1.7.0", "kedro-datasets[polars]==9.6.0", "polars==2.1.0"],
    "pysetl": ["pysetl[pyspark]==1.2.1", "pyspark==3.5.9"],
}
# What is compared, by table: contenders with the ways to run them, of which the quicker one counts.
CONTENDERS = {
    "Lazy between the steps": {
        "setl": [("setl", "lazy")],
        "Hamilton": [("hamilton", "lazy", "sequential"), ("hamilton", "lazy", "threads")],
        "Kedro": [("kedro", "lazy", "sequential"), ("kedro", "lazy", "threads")],
        "pondrs, as documented": [("pondrs", "eager", "sequential"), ("pondrs", "eager", "parallel")],
        "pondrs, lazy": [("pondrs", "lazy", "sequential"), ("pondrs", "lazy", "parallel")],
        "PySetl": [("pysetl", "lazy")],
    },
    "What several steps take, computed once by hand": {
        "setl": [("setl", "shared")],
        "Hamilton": [("hamilton", "shared", "sequential"), ("hamilton", "shared", "threads")],
        "Kedro": [("kedro", "shared", "sequential"), ("kedro", "shared", "threads")],
        "pondrs, lazy": [("pondrs", "shared", "sequential"), ("pondrs", "shared", "parallel")],
        "PySetl": [("pysetl", "shared")],
    },
}


COPY = "import sys, polars; polars.read_parquet(sys.argv[1]).write_parquet(sys.argv[2], compression='snappy')"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scale")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--work", type=Path, help="where the peers are installed and outputs written; else temporary")
    parser.add_argument("--data", type=Path, help="where the tables are or will be; else in the work directory")
    parser.add_argument("--pondrs", action="store_true", help="pondrs, too: builds its own version of Polars")
    parser.add_argument("--only", nargs="*", default=[], help="parts of the names of contenders, besides setl")
    return parser.parse_args()


class Bench:
    def __init__(self, options: argparse.Namespace):
        self.work = (options.work or Path(tempfile.mkdtemp(prefix="peers-"))).resolve()
        self.work.mkdir(parents=True, exist_ok=True)
        self.outputs = self.work / "outputs"
        self.tables = (options.data or self.work / f"sf{options.scale}").resolve()
        self.binaries = {}

    def install(self, programs: set[str]):
        for name in programs & PACKAGES.keys():
            python = self.work / "venvs" / name / "bin" / "python"
            if not python.exists():
                subprocess.run([sys.executable, "-m", "venv", python.parent.parent], check=True)
            subprocess.run([python, "-m", "pip", "install", "-q", *PACKAGES[name]], check=True)
        self.build("setl", TPCH, ["peers-setl", "tpch-data"], os.environ.get("CARGO_TARGET_DIR", TPCH / "target"))
        if "pondrs" in programs:
            target = os.environ.get("PONDRS_TARGET_DIR", HERE / "pondrs/target")
            self.build("pondrs", HERE / "pondrs", ["peers-pondrs"], target)

    def build(self, name: str, crate: Path, binaries: list[str], target):
        command = ["cargo", "build", "--release", "-q", "--target-dir", target]
        for binary in binaries:
            command += ["--bin", binary]
        subprocess.run(command, cwd=crate, check=True)
        for binary in binaries:
            self.binaries[binary] = str(Path(target).resolve() / "release" / binary)

    def generate(self, scale: str):
        subprocess.run([self.binaries["tpch-data"], scale, self.tables], check=True)
        # As the generator writes them, the Polars of pondrs cannot read them: all read the same copies.
        copies = self.work / f"sf{scale}-copies"
        if not copies.exists():
            copies.mkdir()
            polars = self.work / "venvs" / "hamilton" / "bin" / "python"
            for table in sorted(self.tables.glob("*.parquet")):
                subprocess.run([polars, "-c", COPY, table, copies / table.name], check=True)
        self.tables = copies

    def run(self, contender: tuple) -> dict:
        program, variant, *runner = contender
        target = self.outputs / "-".join(contender)
        shutil.rmtree(target, ignore_errors=True)
        directory = self.work / "run"
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True)
        if program in PACKAGES:
            python = self.work / "venvs" / program / "bin" / "python"
            command = [str(python), str(HERE / f"peer_{program}.py")]
        else:
            command = [self.binaries[f"peers-{program}"]]
        command += [str(self.tables), str(target), variant, *runner]
        found = measure.run(command, str(directory), str(self.work / "log"))
        printed = json.loads(found.pop("output"))
        return found | {"pipeline": printed["seconds"], "versions": printed.get("versions", {})}

    def check(self, contenders: list[tuple]):
        """Runs each once, which warms the cache as well, and compares what it writes with what setl does."""
        polars = self.work / "venvs" / "hamilton" / "bin" / "python"
        for contender in contenders:
            self.run(contender)
            mine, theirs = self.outputs / "setl-lazy", self.outputs / "-".join(contender)
            subprocess.run([polars, HERE / "compare.py", mine, theirs], check=True, stdout=subprocess.DEVNULL)
            print("equal:", *contender, file=sys.stderr)


def table(title: str, rows: dict, results: dict) -> str:
    def median(contender, figure):
        return statistics.median(result[figure] for result in results[contender])

    def ratio(contender, figure, base):
        pairs = zip(results[contender], results[base])
        return statistics.median(theirs[figure] / ours[figure] for theirs, ours in pairs)

    lines = [
        f"### {title}\n",
        "| | pipeline, s | process, s | CPU, s | peak, MiB | pipeline / setl | process / setl | CPU / setl | peak / setl |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    base = rows["setl"][0]
    for name, ways in rows.items():
        best = min(ways, key=lambda way: median(way, "pipeline"))
        label = f"{name} ({best[2]})" if len(best) > 2 else name
        figures = [f"{median(best, f):.2f}" for f in ("pipeline", "wall", "cpu")] + [f"{median(best, 'peak'):.0f}"]
        ratios = [f"{ratio(best, f, base):.2f}" for f in ("pipeline", "wall", "cpu", "peak")]
        lines.append(f"| {label} | {' | '.join(figures + ratios)} |")
    return "\n".join(lines) + "\n"


def is_wanted(name: str, options: argparse.Namespace) -> bool:
    if name.startswith("pondrs") and not options.pondrs:
        return False
    return name == "setl" or not options.only or any(part.lower() in name.lower() for part in options.only)


def main():
    options = arguments()
    wanted = {
        title: {name: ways for name, ways in rows.items() if is_wanted(name, options)}
        for title, rows in CONTENDERS.items()
    }
    contenders = [way for rows in wanted.values() for ways in rows.values() for way in ways]
    bench = Bench(options)
    # Polars of Hamilton's environment compares the outputs.
    bench.install({contender[0] for contender in contenders} | {"hamilton"})
    bench.generate(options.scale)
    bench.check(contenders)
    results = {contender: [] for contender in contenders}
    for number in range(options.rounds):
        order = list(contenders)
        random.Random(number).shuffle(order)
        for contender in order:
            result = bench.run(contender)
            results[contender].append(result)
            shown = " ".join(f"{figure} {result[figure]:.2f}" for figure in ("pipeline", "wall", "cpu", "peak"))
            load = f"(load {os.getloadavg()[0]:.1f})"
            print(f"round {number + 1}:", *contender, shown, load, file=sys.stderr, flush=True)
    versions = {}
    for runs in results.values():
        versions |= runs[0]["versions"]
    print(f"Scale factor {options.scale}, medians of {options.rounds} rounds.", versions, "\n")
    for title, rows in wanted.items():
        print(table(title, rows, results))


if __name__ == "__main__":
    main()
