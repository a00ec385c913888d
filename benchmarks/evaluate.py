"""Time `logitloss.evaluate.score` on large files beside reading them, pandas with scikit-learn, and DuckDB's SQL.

    python benchmarks/evaluate.py [--rows 100_000_000] [--rounds 3] [--folder .]

The files are seeded, and hold the same float32 logits, bool labels, keys of 10^5 and 10^6 values: one as PyArrow writes
it if not told otherwise (Snappy, dictionaries where they help), one without either, as suits random numbers. Every
implementation runs in a process of its own, in turn within each round; imports are not timed. A line for each says its
best and median seconds, the median ratios of its time to those of the reading and of logitloss in the same round, the
most memory it held, and how far its mean is from the truth: the exact mean of the losses of the same logits in
float64. 10^5 groups, and the standard error of 10^6 clusters, are scored in a file of `--group-rows`, beside DuckDB's
GROUP BY.

DuckDB is timed twice: for the mean loss alone, and for what a report of logitloss's holds: by bins the sums of labels
and predictions, of losses and their squares, and the histogram of losses.
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
COLUMNS = ["implementation", "case", "rows", "best_s", "median_s"]
COLUMNS += ["ratio_to_reading", "ratio_to_logitloss", "peak_mib", "relative_error"]
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
READING, LOGITLOSS = "pyarrow, reading alone", "logitloss"
IMPLEMENTATIONS = {
    READING: (
        "import pyarrow.dataset as ds",
        """
rows = sum(len(b) for b in ds.dataset(path).scanner(columns=["logit", "label"]).to_batches())
mean = None
""",
    ),
    "pyarrow, reading as logitloss does": (
        "import pyarrow.dataset as ds",
        """
form = ds.ParquetFileFormat(default_fragment_scan_options=ds.ParquetFragmentScanOptions(pre_buffer=False))
options = {"columns": ["logit", "label"], "batch_size": 1 << 20, "batch_readahead": 2}
rows = sum(len(b) for b in ds.dataset(path, format=form).scanner(**options).to_batches())
mean = None
""",
    ),
    LOGITLOSS: (
        "from logitloss.evaluate import score",
        'mean = score(path, logits="logit", labels="label").overall.mean_loss',
    ),
    "DuckDB, mean alone": (
        "import duckdb",
        '''
mean = duckdb.sql(f"""
    select avg(greatest(x, 0) - x * z + ln(1 + exp(-abs(x))))
    from (select logit::double x, label::int z from '{path}')
""").fetchall()[0][0]
''',
    ),
    "DuckDB, what a report holds": (
        "import duckdb",
        '''
bins = duckdb.sql(f"""
    select floor(least(greatest(4 * x, -65), 64)), z, floor(log2(loss)),
        count(*), sum(loss), sum(loss * loss), sum(1 / (1 + exp(-x)))
    from (
        select x, z, greatest(x, 0) - x * z + ln(1 + exp(-abs(x))) loss
        from (select logit::double x, label::int z from '{path}')
    )
    group by all
""").fetchall()
mean = sum(row[4] for row in bins) / sum(row[3] for row in bins)
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
ENCODINGS = {"default": {}, "plain": {"compression": None, "use_dictionary": False}}
LOSS = "greatest(x, 0) - x * z + ln(1 + exp(-abs(x)))"
BY_GROUP = {
    LOGITLOSS: (
        "from logitloss.evaluate import score",
        'mean = score(path, logits="logit", labels="label", by="key").overall.mean_loss',
    ),
    "DuckDB": (
        "import duckdb",
        f'''
rows = duckdb.sql(f"""
    select key, count(*), sum({LOSS}), sum(z), sum(1 / (1 + exp(-x)))
    from (select logit::double x, label::int z, key from '{{path}}') group by key
""").fetchnumpy()
_, n, loss, *_ = rows.values()
mean = float(loss.sum() / n.sum())
''',
    ),
}
BY_CLUSTER = {
    LOGITLOSS: (
        "from logitloss.evaluate import score",
        'mean = score(path, logits="logit", labels="label", cluster="user").overall.mean_loss',
    ),
    "DuckDB": (
        "import duckdb",
        f'''
mean = duckdb.sql(f"""
    with cluster as (
        select sum({LOSS}) loss, count(*) n
        from (select logit::double x, label::int z, "user" from '{{path}}') group by "user"
    ), mean as (select sum(loss) / sum(n) m from cluster)
    select any_value(m), sqrt(sum((loss - m * n) ** 2)) / sum(n) from cluster, mean
""").fetchall()[0][0]
''',
    ),
}


def make(path: Path, rows: int, encoding: str) -> Path:
    """Write the file, unless it is there; returns its path."""
    if path.exists():
        return path
    random = np.random.default_rng(20130101)
    schema = pa.schema({"logit": pa.float32(), "label": pa.bool_(), "key": pa.int32(), "user": pa.int32()})
    with pq.ParquetWriter(path, schema, **ENCODINGS[encoding]) as writer:
        for start in range(0, rows, CHUNK):
            n = min(CHUNK, rows - start)
            logit = random.normal(-1, 2.5, n).astype(np.float32)
            label = random.random(n) < 1 / (1 + np.exp(-logit))
            keys = [random.integers(0, most, n, np.int32) for most in (100_000, 1_000_000)]
            writer.write_table(pa.table([logit, label, *keys], schema=schema))
    return path


def truth(path: Path) -> float:
    """The exact mean of the losses in float64."""
    from logitloss import ExactSum, sigmoid_cross_entropy_total

    total = ExactSum()
    for batch in pq.ParquetFile(path).iter_batches(CHUNK, columns=["logit", "label"]):
        logits, labels = (column.to_numpy(zero_copy_only=False) for column in batch.columns)
        total.merge(sigmoid_cross_entropy_total(labels=labels, logits=logits.astype(np.float64)))
    return total.mean()


def run(path: Path, imports: str, body: str) -> tuple[float, float | None, float]:
    """Seconds, mean and MiB of one implementation in a process of its own."""
    code = TIMED.format(imports=imports, body=body)
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True)
    return tuple(json.loads(done.stdout.splitlines()[-1]))


def measured(
    file: Path, implementations: dict[str, tuple[str, str]], case: str, rounds: int, exact: float
) -> list[list]:
    """A line of the table for each implementation, run in turn within each round."""
    results = {name: [] for name in implementations}
    for _ in range(rounds):
        for name, code in implementations.items():
            results[name].append(run(file, *code))
            print(f"{case}, {name}: {results[name][-1][0]:.2f} s", file=sys.stderr)
    rows, lines = pq.ParquetFile(file).metadata.num_rows, []
    seconds = {name: [one[0] for one in of_rounds] for name, of_rounds in results.items()}
    for name, of_rounds in results.items():
        mine, mean = seconds[name], of_rounds[0][1]
        ratios = [
            statistics.median(a / b for a, b in zip(mine, seconds[to], strict=True)) if to in seconds else math.nan
            for to in (READING, LOGITLOSS)
        ]
        off = math.nan if mean is None else abs(mean - exact) / exact
        memory = max(one[2] for one in of_rounds)
        lines.append([name, case, rows, min(mine), statistics.median(mine), *ratios, memory, off])
    return lines


def main() -> None:
    """Run all implementations and write the table of results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000_000)
    parser.add_argument("--group-rows", type=int, default=3_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=Path())
    options = parser.parse_args()
    files = {
        encoding: make(options.folder / f"predictions-{encoding}.parquet", options.rows, encoding)
        for encoding in ENCODINGS
    }
    small = make(options.folder / "predictions-groups.parquet", options.group_rows, "default")
    exact = truth(files["default"])  # the rows are the same in both
    lines = []
    for encoding, file in files.items():
        lines += measured(file, IMPLEMENTATIONS, encoding, options.rounds, exact)
    exact = truth(small)
    lines += measured(small, BY_GROUP, "10^5 groups", options.rounds, exact)
    lines += measured(small, BY_CLUSTER, "10^6 clusters", options.rounds, exact)

    RESULTS.mkdir(parents=True, exist_ok=True)
    with open(RESULTS / f"{datetime.date.today()}.csv", "w", newline="") as file:
        for out in (file, sys.stdout):
            writer = csv.writer(out, lineterminator=os.linesep if out is sys.stdout else "\n")
            writer.writerow(COLUMNS)
            writer.writerows(lines)


if __name__ == "__main__":
    main()
