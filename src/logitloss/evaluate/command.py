"""What `logitloss eval` and `logitloss merge` do once their arguments are parsed."""

from __future__ import annotations

import contextlib
import glob
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any, TextIO

from logitloss.evaluate import gates as _gates
from logitloss.evaluate.compare import compare
from logitloss.evaluate.display import data, saving, table
from logitloss.evaluate.errors import InputError
from logitloss.evaluate.input.sources import query, spooled
from logitloss.evaluate.output import refuse_input
from logitloss.evaluate.results import Comparison, Report
from logitloss.evaluate.score import merge, score

Progress = Callable[[int, float], None] | None
WRITERS = {"table": table.write_table, "json": data.write_json, "csv": data.write_csv, "md": table.write_md}
MOST_GROUPS = 1000  # more are most often an id, named by mistake


@dataclass(frozen=True)
class Other:
    """The model to compare with: its files, none where it is in the same, and its column of predictions."""

    files: Sequence[str]
    logits: str | None = None
    probabilities: str | None = None

    def __bool__(self) -> bool:
        return bool(self.files or self.logits or self.probabilities)


@dataclass(frozen=True)
class Output:
    """The file to write, if any."""

    path: str | None
    title: str | None = None
    force: bool = False

    def check(self, inputs: Sequence[str]) -> None:
        """Raise `InputError` where `save` would, before anything is computed."""
        if self.path:
            saving.check_path(self.path, inputs, force=self.force)
        elif self.title:
            raise InputError("--title stands on top of a page; give --report as well")

    def save(self, result: Report | Comparison) -> None:
        """Write the file."""
        if self.path:
            result.save(self.path, title=self.title, force=self.force)


@dataclass(frozen=True)
class Gates:
    """What must hold for the command to end with 0."""

    max_loss: float | None = None
    no_worse_by: float | None = None
    confidence: float | None = None
    per_group: bool = False

    def check(self, *, comparing: bool) -> None:
        """Raise `InputError` for options that mean nothing."""
        if self.no_worse_by is None and (self.confidence is not None or self.per_group):
            raise InputError("--confidence and --per-group say how --no-worse-by is told; give that as well")
        if self.no_worse_by is not None and not comparing:
            raise InputError("--no-worse-by needs a model to compare with; give --compare or --other-logits")
        if self.confidence is not None and not 0 < self.confidence < 1:
            raise InputError(f"--confidence: got {self.confidence:g}, expected a number between 0 and 1, such as 0.95")

    def failures(self, result: Report | Comparison) -> list[str]:
        """What does not hold, a sentence each."""
        found = [] if self.max_loss is None else [*_gates.max_loss(result.overall, self.max_loss)]
        if self.no_worse_by is not None and isinstance(result, Comparison):
            level = 0.95 if self.confidence is None else self.confidence
            found += _gates.no_worse(result, self.no_worse_by, level, per_group=self.per_group)
        return found


def evaluate(
    files: Sequence[str],
    sql: str | None,
    *,
    other: Other,
    output: Output,
    gates: Gates,
    state: str | None,
    dask: str | None,
    progress: Progress,
    **columns: Any,
) -> Report | Comparison:
    """Score, or compare, and write what is found to the output."""
    if not files and not sql:
        raise InputError("no files to score; name at least one, or - for standard input, or give --sql")
    if files and sql:
        raise InputError("got files and --sql; a query names its own files")
    if output.path and output.force and sql:
        raise InputError("--force: which files --sql reads is not known here; name a --report that does not exist yet")
    gates.check(comparing=bool(other))
    inputs = list(_local([*files, *other.files]))
    if state:
        refuse_input(state, inputs)
    output.check([*inputs, *([state] if state else [])])
    found: Report | Comparison
    if other:
        found = _compare(files, sql, other, state or dask, progress, columns)
    else:
        with _input(files, sql) as source, _executor(dask) as executor:
            found = score(source, state=state, executor=executor, progress=progress, **columns)
    output.save(found)
    return found


def _local(names: Iterable[str]) -> Iterator[str]:
    """The files on this machine that these names may stand for, those in folders and standard input too."""
    for name in names:
        if name == "-":
            yield "/dev/stdin"
        for one in [name] if os.path.exists(name) else glob.iglob(name, recursive=True):
            yield one
            for folder, _, files in os.walk(one):
                yield from (os.path.join(folder, file) for file in files)


def _compare(
    files: Sequence[str],
    sql: str | None,
    other: Other,
    refused: str | None,
    progress: Progress,
    columns: dict[str, Any],
) -> Comparison:
    if refused or columns.pop("skip_invalid"):
        raise InputError("--compare takes no --state, --dask or --skip-invalid; score each model with these")
    columns.pop("max_skipped")
    for name in ("logits", "probabilities", "labels"):
        if columns[name] is not None and len(columns[name]) > 1:
            raise InputError(f"--compare takes one column of {name}; compare the pairs one by one")
        columns[name] = columns[name] and columns[name][0]
    with _input(files, sql) as source:
        return compare(
            source,
            list(other.files) or None,
            other_logits=other.logits,
            other_probabilities=other.probabilities,
            progress=progress,
            **columns,
        )


def merged(states: Sequence[str], *, state: str | None, output: Output) -> Report:
    """The sum of several states, written to the output."""
    output.check([*states, *([state] if state else [])])
    scores = merge(states, state=state, force=output.force)
    output.save(scores)
    return scores


def print_as(format: str, result: Report | Comparison, out: TextIO) -> None:
    """Print the result, and on stderr what a reader of it should know."""
    for warning in warnings_of(result):
        print(f"logitloss: {warning}", file=sys.stderr)
    WRITERS[format](result, out)
    out.flush()  # while an error can still be reported


def warnings_of(result: Report | Comparison) -> Iterator[str]:
    """What was left out of the result, and what is odd about it."""
    if len(result.groups) > MOST_GROUPS:
        names = ", ".join(map(repr, result.by))
        yield f"warning: --by {names} makes {len(result.groups):,} groups; is it an id rather than a category?"
    if isinstance(result, Comparison):
        return
    from logitloss.evaluate.display.findings import Findings  # with SciPy, which takes long to import
    from logitloss.evaluate.display.sentences import say

    for slot, kind in (("probabilities", "warning: "), ("skipped", ""), ("extremes", "")):
        yield from (kind + text for text in say(slot, Findings(result)))


@contextlib.contextmanager
def _input(files: Sequence[str], sql: str | None) -> Iterator[Any]:
    if sql:
        yield query(sql)
    elif "-" in files:
        if len(files) > 1:
            raise InputError("standard input, named -, cannot be scored with other files; score it by itself")
        with spooled(sys.stdin.buffer) as file:
            yield [file]
    else:
        yield files


@contextlib.contextmanager
def _executor(address: str | None) -> Iterator[Executor | None]:
    if address is None:
        yield None
        return
    from distributed import Client
    from distributed.comm.addressing import get_address_host_port

    try:
        get_address_host_port(address)  # first: a client of no address waits for 20 s before it goes
        client = Client(address, timeout="10s", set_as_default=False)
    except (OSError, ValueError) as error:
        raise InputError(f"--dask {address}: no scheduler answers there: {error}") from error
    with client:
        yield client.get_executor()
