"""Five runs at scale factors 0.1 to 1, then predictions at scale factors that no run has seen.

predict.py [--binaries target/release] [--data data] [--repetitions N]

The tables are written if they are not there. The pipeline always reads from one place, where the tables of one scale factor
after the other stand, as files that grow do: before a run it is known how large they are, and nothing else. A held-out scale
factor is predicted from a copy of the history, which learns nothing from it. Prints Markdown.
"""

import argparse
import json
import os
import pathlib
import random
import statistics
import subprocess
import tempfile

TRAINED = ["0.1", "0.2", "0.4", "0.7", "1"]
HELD_OUT = ["0.15", "0.3", "0.55", "0.85"]

parser = argparse.ArgumentParser()
parser.add_argument("--binaries", type=pathlib.Path, default=pathlib.Path("target/release"))
parser.add_argument("--data", type=pathlib.Path, default=pathlib.Path("data"))
parser.add_argument("--repetitions", type=int, default=5)
args = parser.parse_args()
shuffler = random.Random(1)


def tables(scale):
    directory = (args.data / f"sf{scale}").resolve()
    subprocess.run([args.binaries / "tpch-data", scale, directory], check=True, stdout=subprocess.DEVNULL)
    return directory


def run(place, scale, history, *forget):
    place.unlink(missing_ok=True)
    os.symlink(directories[scale], place)
    words = [args.binaries / "tpch-predict", place, history, *forget]
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{words}: {done.stderr or done.stdout}")
    return json.loads(done.stdout.splitlines()[-1])


directories = {scale: tables(scale) for scale in TRAINED + HELD_OUT}
print("| trained on, in this order | scale factor | predicted, s | 90 % interval, s | took, s | error | factories held |")
print("|---|---:|---:|---:|---:|---:|---:|", flush=True)
errors, intervals, held, factories = [], [], 0, 0
with tempfile.TemporaryDirectory() as scratch:
    place = pathlib.Path(scratch) / "tables"
    # The files come into the cache of the system, which does not count.
    for scale in directories:
        run(place, scale, pathlib.Path(scratch) / "warm.sqlite")
    for number in range(args.repetitions):
        history = pathlib.Path(scratch) / f"{number}.sqlite"
        order = shuffler.sample(TRAINED, len(TRAINED))
        for scale in order:
            run(place, scale, history)
        for scale in shuffler.sample(HELD_OUT, len(HELD_OUT)):
            found = run(place, scale, history, "forget")
            error = found["median"] / found["took"] - 1
            errors.append(error)
            intervals.append(found["low"] <= found["took"] <= found["high"])
            held += found["held"]
            factories += found["factories"]
            print(
                f"| {', '.join(order)} | {scale} | {found['median']:.2f} | {found['low']:.2f} to {found['high']:.2f} "
                f"| {found['took']:.2f} | {100 * error:+.0f} % | {found['held']} of {found['factories']} |",
                flush=True,
            )
within = sum(abs(error) <= 0.2 for error in errors)
print()
print(
    f"{within} of {len(errors)} makespans are within 20 % of what was predicted (median error "
    f"{100 * statistics.median(map(abs, errors)):.0f} %), {sum(intervals)} within their interval; {held} of {factories} "
    f"factories ({100 * held / factories:.0f} %) are within theirs."
)
