"""Time `xent.evaluate.score` on one large file beside reading it, pandas with scikit-learn, and DuckDB's SQL.

    python benchmarks/evaluate.py [--rows 100_000_000] [--rounds 3] [--file predictions.parquet]

The file is seeded: float32 logits, bool labels, and a key of 10^5 values. Every contender runs in a process of its
own, in turn within each round; imports are not timed. A line for each says its best and median seconds, the median
ratio of its time to that of the reading in the same round, the most memory it held, and how far its mean is from the
truth: the exact mean of the losses of the same logits in float64. The groups are scored in a file of a tenth the rows.
"""

from __future__ import annotations

import argparse
import csv
import datetime
import json
import math
import os
import statistics
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

CHUNK = 1 << 20
RESULTS = Path(__file__).parent / "results" / "amd-epyc-2-cores" / "evaluate"
TIMED = """
import json, re, sys, time
path = sys.argv[1]
{imports}
start = time.perf_counter()
{body}
seconds = time.perf_counter() - start
# Not getrusage, whose maximum a process inherits from the one that started it.
memory = int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]) / 1024
print(json.dumps([seconds, mean, memory]))
"""
CONTENDERS = {
    "pyarrow, reading alone": (
        "import pyarrow.dataset as ds",
        """
rows = sum(len(b) for b in ds.dataset(path).scanner(columns=["logit", "label"], batch_readahead=2).to_batches())
mean = None
""",
    ),
    "xent": (
        "from xent.evaluate import score",
        'mean = score(path, logits="logit", labels="label").overall.mean_loss',
    ),
    "DuckDB": (
        "import duckdb",
        '''
mean = duckdb.sql(f"""
    select avg(greatest(x, 0) - x * z + ln(1 + exp(-abs(x))))
    from (select logit::double x, label::int z from '{path}')
""").fetchall()[0][0]
''',
    ),
    "pandas and scikit-learn": (
        "import pandas, scipy.special, sklearn.metrics",
        """
data = pandas.read_parquet(path, columns=["logit", "label"])
mean = float(sklearn.metrics.log_loss(data["label"], scipy.special.expit(data["logit"])))
""",
    ),
}
GROUPS = (
    "from xent.evaluate import score",
    'mean = score(path, logits="logit", labels="label", by="key").overall.mean_loss',
)


def make(path: Path, rows: int) -> None:
    """Write the file, unless it is there."""
    if path.exists():
        return
    random = np.random.default_rng(20130101)
    schema = pa.schema({"logit": pa.float32(), "label": pa.bool_(), "key": pa.int32()})
    with pq.ParquetWriter(path, schema) as writer:
        for start in range(0, rows, CHUNK):
            n = min(CHUNK, rows - start)
            logit = random.normal(-1, 2.5, n).astype(np.float32)
            label = random.random(n) < 1 / (1 + np.exp(-logit))
            writer.write_table(pa.table([logit, label, random.integers(0, 100_000, n, np.int32)], schema=schema))


def truth(path: Path) -> float:
    """The exact mean of the losses in float64."""
    from xent import ExactSum, sigmoid_cross_entropy_total

    total = ExactSum()
    for batch in pq.ParquetFile(path).iter_batches(CHUNK, columns=["logit", "label"]):
        logits, labels = (column.to_numpy(zero_copy_only=False) for column in batch.columns)
        total.merge(sigmoid_cross_entropy_total(labels=labels, logits=logits.astype(np.float64)))
    return total.mean()


def run(path: Path, imports: str, body: str) -> tuple[float, float | None, float]:
    """Seconds, mean and MiB of one contender in a process of its own."""
    code = TIMED.format(imports=imports, body=body)
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True)
    return tuple(json.loads(done.stdout.splitlines()[-1]))


def main() -> None:
    """Run all contenders and write the table of results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--file", type=Path, default=Path("predictions.parquet"))
    options = parser.parse_args()
    make(options.file, options.rows)
    small = options.file.with_stem(options.file.stem + "-groups")
    make(small, options.rows // 10)
    exact = truth(options.file)

    results = {name: [] for name in CONTENDERS}
    for _ in range(options.rounds):
        for name, code in CONTENDERS.items():
            results[name].append(run(options.file, *code))
            print(f"{name}: {results[name][-1][0]:.2f} s", file=sys.stderr)
    reading = [seconds for seconds, _, _ in results["pyarrow, reading alone"]]
    lines = []
    for name, of_rounds in results.items():
        seconds = [one[0] for one in of_rounds]
        ratio = statistics.median(a / b for a, b in zip(seconds, reading, strict=True))
        mean = of_rounds[0][1]
        off = math.nan if mean is None else abs(mean - exact) / exact
        lines.append(
            [name, options.rows, min(seconds), statistics.median(seconds), ratio, max(o[2] for o in of_rounds), off]
        )
    seconds, mean, memory = run(small, *GROUPS)
    lines.append(
        ["xent, 10^5 groups", options.rows // 10, seconds, seconds, math.nan, memory, abs(mean - truth(small)) / exact]
    )

    RESULTS.mkdir(parents=True, exist_ok=True)
    with open(RESULTS / f"{datetime.date.today()}.csv", "w", newline="") as file:
        for out in (file, sys.stdout):
            writer = csv.writer(out, lineterminator=os.linesep if out is sys.stdout else "\n")
            writer.writerow(
                ["contender", "rows", "best_s", "median_s", "ratio_to_reading", "peak_mib", "relative_error"]
            )
            writer.writerows(lines)


if __name__ == "__main__":
    main()
