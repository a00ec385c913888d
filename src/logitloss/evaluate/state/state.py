"""What is known of some rows, in a form that can be added to without rounding: exact sums by group, cluster and bin.

Each row gives a few numbers: its weight, its loss, their products. Each of these is rounded at most once, by itself,
and the sums are integers in units of 2**-1074, so that no order of the rows and no split into batches, files, threads
or machines changes a bit of them. Rounding happens when a report is made.
"""

from __future__ import annotations

import threading
from collections import Counter as Counts
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from logitloss import _core
from logitloss.evaluate.state.columns import BINARY, CLASSES, WEIGHTS
from logitloss.evaluate.state.sums import Keys, Sums, dense, taken

# pyright: reportAttributeAccessIssue=false
# PyArrow defines its compute functions while it is imported, where pyright cannot see them.

if TYPE_CHECKING:
    from logitloss.evaluate.results import Bins, Losses, Report, Score

MOST_GROUPS_WITH_BINS = 1000

# The tables of sums, and whether they are by group, by cluster and by an index: that of a class or a bin.
TABLES = {
    "all": (False, False, False),
    "bin": (False, False, True),  # of the logit, a quarter wide
    "fine": (False, False, True),  # 1/256 wide
    "nats": (False, False, True),  # of the loss, from a power of 2 to the next
    "class": (True, False, True),
    "group": (True, False, False),
    "group_bin": (True, False, True),  # of the logit, 1/32 wide; only with few groups
    "cluster": (True, True, False),
    "threshold": (True, False, False),
}
BIN = ("weight", "weight2", "label", "residual", "loss")


PAIRS = ("loss", "loss2", "mine", "other")  # of two models: their losses, and as `loss` what they differ by


def columns_in(name: str, *, rows: str, weighted: bool, thresholds: Sequence[float] = ()) -> tuple[str, ...]:
    """What is summed in a table, of `rows` with numbers, lists or pairs of logits, weights or none."""
    if name in ("all", "group"):
        return ({"numbers": BINARY, "lists": CLASSES, "pairs": PAIRS}[rows]) + (WEIGHTS if weighted else ())
    if name == "cluster":
        return (*(("loss", "residual") if rows == "numbers" else ("loss",)), *(("weight",) if weighted else ()))
    if name == "threshold":
        return tuple(f"{what} {one!r}" for one in thresholds for what in ("weight at", "label at"))
    return {"bin": BIN, "group_bin": BIN, "fine": ("weight", "label"), "nats": (), "class": ("weight",)}[name]


class State:
    """The exact sums of some rows, by group and by cluster where there are such columns.

    Of binary rows also by bins of the logit and of the loss, as reliability diagrams, AUC and histograms need; by group
    as well, as long as there are at most 1,000 groups.
    """

    def __init__(self, key_types: Sequence[pa.DataType] = ()):
        """No rows; `key_types` are those of the columns to group by."""
        self.key_types = tuple(key_types)
        self.reset()

    def reset(self) -> State:
        """Forget every row, and return self."""
        self.tables: dict[str, Sums] = {}
        self.counts: Counts[str] = Counts()  # of rows left out and the like
        self._lock = threading.Lock()
        return self

    def update(self, labels: np.ndarray, logits: np.ndarray, weights: np.ndarray | None = None) -> State:
        """Count some rows in, and return self. Several threads may do so at once.

        Arguments:
            labels: from 0 to 1, bool, integer or float, of shape (rows,); with lists of logits, the class of each row.
            logits: float16, float32 or float64, of shape (rows,) or (rows, classes). Losses have their dtype, those of
                float16 are float32.
            weights: finite and not negative, of shape (rows,); without them every row weighs 1. A row of weight 0
                counts as a row and adds nothing to any sum, not even where its loss is infinite. All calls have
                weights, or none.

        Nothing is checked: labels beyond 0 and 1, nan and negative weights are for the reader to refuse.
        """
        from logitloss.evaluate.input.batch import Batch
        from logitloss.evaluate.state.count import Counter

        if logits.dtype == np.float16:
            logits = logits.astype(np.float32)
        counter = Counter()
        counter.update(Batch(logits, labels, weights))
        return self.merge(counter.finish())

    @property
    def kind(self) -> dict[str, Any]:
        """What all rows have or have not, for `columns_in`."""
        thresholds = sorted(float(name.partition(" ")[2]) for name in self.counts if name.startswith("threshold "))
        rows = next((name for name in ("lists", "pairs") if self.counts[name]), "numbers")
        return {"rows": rows, "weighted": self.counts["weighted"] > 0, "thresholds": thresholds}

    def put(self, name: str, keys: Keys, table: Any) -> None:
        """Count a table in."""
        if len(table):
            self._table(name, columns_in(name, **self.kind)).put(keys, table)
            self._drop_bins()

    def merge(self, other: State) -> State:
        """Count in all that another state holds, and return self."""
        with self._lock:
            for name, sums in other.tables.items():
                self._table(name, sums.columns).merge(sums)
            self.counts.update(other.counts)
            self._drop_bins()
        return self

    @property
    def rows(self) -> int:
        """How many rows were counted."""
        return int(self.tables["all"].settled()[1].rows().sum()) if "all" in self.tables else 0

    def reasons(self) -> dict[str, int]:
        """The rows left out, by reason."""
        start = "skipped: "
        return {name[len(start) :]: rows for name, rows in sorted(self.counts.items()) if name.startswith(start)}

    def compute(self) -> Score:
        """The score of the rows so far."""
        return self.report().overall

    def bins(self) -> Bins:
        """What is known of each bin of the logit; none where logits are lists."""
        return self.report().bins

    def losses(self) -> Losses:
        """The number of rows in each bin of the loss, from the first occupied one to the last."""
        return self.report().losses

    def report(self, **names: Any) -> Report:
        """The scores, and what names them."""
        from logitloss.evaluate.state.compute import report

        return report(self, **names)

    def to_arrow(self) -> pa.Table:
        """The state as int64 limbs of 32 bits, a row each.

        After the keys, a column each, and with clusters theirs, `sum` names the table and its column, `index` a class
        or bin, `limb` the limb, `value` its value. States are merged by adding the values of rows that agree in all
        other columns, by any engine; so may be up to 2^31 states before `from_arrow` must make one of them.
        """
        schema = self._schema()
        parts = [
            self._limbs(name, sums.columns, *sums.settled(), schema) for name, sums in self.tables.items() if len(sums)
        ]
        counted = [(name, rows) for name, rows in sorted(self.counts.items()) if rows]
        columns: dict[str, Any] = {
            "sum": [f"count.{name}" for name, _ in counted],
            "value": [rows for _, rows in counted],
        }
        columns |= dict.fromkeys(("index", "limb"), np.zeros(len(counted), np.int64))
        parts.append(_filled(columns, len(counted), schema))
        return pa.concat_tables(parts)

    @classmethod
    def from_arrow(cls, table: pa.Table) -> State:
        """The state of a table, or of several put together or added up."""
        keys = [field for field in table.schema if field.name.startswith("key_")]
        self = cls([field.type for field in keys])
        scopes = pc.list_element(pc.split_pattern(table["sum"], ".", max_splits=1), 0)
        for name, value in zip(*(_rows(table, scopes, "count")[c].to_pylist() for c in ("sum", "value")), strict=True):
            self.counts[name.partition(".")[2]] += value
        for scope, (by_group, by_cluster, by_index) in TABLES.items():
            part = _rows(table, scopes, scope)
            if not len(part):
                continue
            chosen = [field.name for field in keys] if by_group else []
            chosen += ["cluster"] * by_cluster + ["index"] * by_index
            parts = [part[name].combine_chunks() for name in chosen]
            numbers, first = dense(parts, len(part))
            columns = columns_in(scope, **self.kind)
            position = {f"{scope}.{name}": i for i, name in enumerate(("rows", *columns), -1)}
            sums, names = _core.SumTable(len(columns)), part["sum"].combine_chunks().dictionary_encode()
            at = np.array([position[name] for name in names.dictionary.to_pylist()], np.int32)
            limbs = part["limb"].to_numpy().astype(np.int32)
            sums.add_limbs(numbers, at[names.indices.to_numpy()], limbs, part["value"].to_numpy().astype(np.int64))
            self.put(scope, parts and taken(parts, first), sums)
        return self

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, State):
            return NotImplemented
        return self._canonical() == other._canonical()

    __hash__: ClassVar[None] = None  # type: ignore[assignment]  # mutable

    def __getstate__(self) -> pa.Table:
        return self.to_arrow()

    def __setstate__(self, table: pa.Table) -> None:
        other = State.from_arrow(table)
        self.key_types, self.tables, self.counts = other.key_types, other.tables, other.counts
        self._lock = threading.Lock()

    def _canonical(self) -> list[tuple]:
        table = self.to_arrow()
        return sorted(zip(*(column.to_pylist() for column in table.columns), strict=True), key=repr)

    def _table(self, name: str, columns: Sequence[str]) -> Sums:
        if name not in self.tables:
            by_group, by_cluster, by_index = TABLES[name]
            types = [*(self.key_types if by_group else ()), *[pa.string()] * by_cluster, *[pa.int64()] * by_index]
            self.tables[name] = Sums(types, columns)
        if self.tables[name].columns != tuple(columns):
            raise ValueError("weights were given for some rows and not for others; give them for all, or for none")
        return self.tables[name]

    def _drop_bins(self) -> None:
        """Forget the bins of groups once they are many: whatever order they come in, in the end the same is known."""
        if "group_bin" in self.tables and len(self.tables["group"]) > MOST_GROUPS_WITH_BINS:
            del self.tables["group_bin"]

    def _schema(self) -> pa.Schema:
        keys = [pa.field(f"key_{i}", kind) for i, kind in enumerate(self.key_types)]
        cluster = [pa.field("cluster", pa.string())] if "cluster" in self.tables else []
        limbs = [("sum", pa.string()), ("index", pa.int64()), ("limb", pa.int64()), ("value", pa.int64())]
        return pa.schema([*keys, *cluster, *(pa.field(*one) for one in limbs)])

    def _limbs(self, name: str, columns: Sequence[str], keys: Keys, table: Any, schema: pa.Schema) -> pa.Table:
        groups, column, limb, value = table.limbs()
        texts = pa.array([f"{name}.rows", *(f"{name}.{one}" for one in columns)])
        by_group, by_cluster, by_index = TABLES[name]
        names = [f"key_{i}" for i in range(len(self.key_types))] if by_group else []
        names += ["cluster"] * by_cluster + ["index"] * by_index
        found: dict[str, Any] = dict(zip(names, (key.take(pa.array(groups)) for key in keys), strict=True))
        found |= {"sum": texts.take(pa.array(column + 1)), "limb": limb.astype(np.int64), "value": value}
        return _filled({"index": np.zeros(len(groups), np.int64)} | found, len(groups), schema)


def _rows(table: pa.Table, scopes: pa.ChunkedArray, scope: str) -> pa.Table:
    return table.filter(pc.equal(scopes, scope))


def _filled(columns: dict[str, Any], rows: int, schema: pa.Schema) -> pa.Table:
    """The columns of the schema, null where they are not given."""
    arrays = [
        pa.array(columns[field.name], field.type) if field.name in columns else pa.nulls(rows, field.type)
        for field in schema
    ]
    return pa.Table.from_arrays(arrays, schema=schema)
