"""Predictions, and files of them."""

import numpy as np
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet


def columns(n=1000, seed=0):
    """Predictions that reach far into both tails, with two keys; month has two digits, so text order would show."""
    r = np.random.default_rng(seed)
    logits = (r.normal(size=n) * np.exp(r.uniform(-20, 4, n))).astype(np.float32)
    return {
        "logit": logits,
        "label": r.random(n) < 0.3,
        "carrier": r.choice(["AA", "B6", "é"], n),
        "month": r.integers(1, 13, n),
    }


def write(path, columns, rows=170):
    """The columns as a file of the kind that the name says, in pieces of so many rows where the kind has pieces."""
    table = columns if isinstance(columns, pa.Table) else pa.table(columns)
    if path.suffix == ".parquet":
        pa.parquet.write_table(table, path, row_group_size=rows)
    elif path.suffix in (".arrow", ".feather"):
        pa.feather.write_feather(table, path, chunksize=rows)
    else:
        lines = [",".join(table.column_names)]
        lines += [",".join("" if v is None else str(v) for v in row.values()) for row in table.to_pylist()]
        path.write_text("\n".join(lines))
    return path
