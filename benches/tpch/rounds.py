"""Runs variants in turn, each in a process of its own, and prints medians as Markdown.

rounds.py [--rounds N] [--single] <binary> <tables> <answers> [variant ...]

Without variants, all of them; with --single, each query as a pipeline against what is written by hand. The order within a
round is shuffled, and a ratio is the median of the ratios within rounds.
"""

import argparse
import json
import random
import statistics
import subprocess

VARIANTS = ["by-hand", "by-hand-streaming", "setl", "setl-off", "setl-eager"]
SINGLE = ["single", "single-by-hand", "single-by-hand-streaming"]

parser = argparse.ArgumentParser()
parser.add_argument("--rounds", type=int, default=5)
parser.add_argument("--single", action="store_true")
parser.add_argument("--queries", default=",".join(f"q{number:02}" for number in range(1, 23)))
parser.add_argument("binary")
parser.add_argument("tables")
parser.add_argument("answers")
parser.add_argument("variants", nargs="*")
args = parser.parse_args()
shuffler = random.Random(1)


def run(*words):
    done = subprocess.run([args.binary, args.tables, args.answers, *words], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{words}: {done.stderr or done.stdout}")
    return json.loads(done.stdout.splitlines()[0])


def rounds(variants, *words):
    """For each variant, what each round measured. The first round warms the cache of the files and does not count."""
    measured = {variant: [] for variant in variants}
    for number in range(args.rounds + 1):
        for variant in shuffler.sample(variants, len(variants)):
            result = run(variant, *words)
            if number:
                measured[variant].append(result)
    return measured


def median(results, key):
    return statistics.median(result[key] for result in results)


def ratio(those, these, key):
    return statistics.median(that[key] / this[key] for that, this in zip(those, these))


if args.single:
    print("| query | setl, ms | by hand, ms | streaming, ms | setl / by hand | setl / streaming | CPU, s |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    for query in args.queries.split(","):
        setl, default, streaming = rounds(SINGLE, query).values()
        walls = " | ".join(f"{1e3 * median(of, 'wall'):.0f}" for of in (setl, default, streaming))
        ratios = " | ".join(f"{ratio(setl, of, 'wall'):.2f}" for of in (default, streaming))
        cpus = " / ".join(f"{median(of, 'cpu'):.2f}" for of in (setl, default, streaming))
        print(f"| {query} | {walls} | {ratios} | {cpus} |", flush=True)
else:
    measured = rounds(args.variants or VARIANTS)
    print("| variant | wall, s | fastest, s | CPU, s | peak, MiB | wall / setl | peak / setl |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    for variant, results in measured.items():
        setl = measured.get("setl", results)
        print(
            f"| {variant} | {median(results, 'wall'):.2f} | {min(result['wall'] for result in results):.2f} "
            f"| {median(results, 'cpu'):.1f} | {median(results, 'peak'):.0f} "
            f"| {ratio(results, setl, 'wall'):.2f} | {ratio(results, setl, 'peak'):.2f} |"
        )
