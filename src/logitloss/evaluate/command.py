"""What `logitloss eval` and `logitloss merge` do once their arguments are parsed."""

from __future__ import annotations

import contextlib
import glob
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor
from typing import Any, TextIO

from logitloss.evaluate.compare import compare, exceeds_loss, exceeds_regression
from logitloss.evaluate.display import data, saving, table
from logitloss.evaluate.errors import InputError
from logitloss.evaluate.input.sources import query, spooled
from logitloss.evaluate.output import refuse_input
from logitloss.evaluate.results import Comparison, Report
from logitloss.evaluate.score import merge, score

Progress = Callable[[int, float], None] | None
WRITERS = {"table": table.write_table, "json": data.write_json, "csv": data.write_csv, "md": table.write_md}
_TITLE = "--title stands on top of a page; give --report as well"
MOST_GROUPS = 1000  # more are most often an id, named by mistake


def evaluate(
    files: Sequence[str],
    sql: str | None,
    *,
    compare_with: Sequence[str],
    other_logits: str | None,
    state: str | None,
    dask: str | None,
    page: str | None,
    title: str | None,
    force: bool,
    progress: Progress,
    **columns: Any,
) -> Report | Comparison:
    """Score, or compare; with `page`, write what is found there."""
    if not files and not sql:
        raise InputError("no files to score; name at least one, or - for standard input, or give --sql")
    if files and sql:
        raise InputError("got files and --sql; a query names its own files")
    if page and force and sql:
        raise InputError("--force: which files --sql reads is not known here; name a --report that does not exist yet")
    inputs, comparing = list(_local([*files, *compare_with])), bool(compare_with or other_logits)
    if state:
        refuse_input(state, inputs)
    if page:
        saving.check_path(page, [*inputs, *([state] if state else [])], comparison=comparing, force=force)
    elif title:
        raise InputError(_TITLE)
    found: Report | Comparison
    if comparing:
        found = _compare(files, sql, compare_with, other_logits, state or dask, progress, columns)
    else:
        with _input(files, sql) as source, _executor(dask) as executor:
            found = score(source, state=state, executor=executor, progress=progress, **columns)
    if page:
        found.save(page, title=title, force=force)
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
    other: Sequence[str],
    other_logits: str | None,
    refused: str | None,
    progress: Progress,
    columns: dict[str, Any],
) -> Comparison:
    if refused or columns.pop("skip_invalid"):
        raise InputError("--compare takes no --state, --dask or --skip-invalid; score each model with these")
    pairs = [columns.pop(name) for name in ("logits", "labels")]
    if any(len(one) > 1 for one in pairs):
        raise InputError("--compare takes one column of logits and one of labels; compare the pairs one by one")
    with _input(files, sql) as source:
        return compare(
            source,
            list(other) or None,
            logits=pairs[0][0],
            labels=pairs[1][0],
            other_logits=other_logits,
            progress=progress,
            **columns,
        )


def merged(states: Sequence[str], *, state: str | None, page: str | None, title: str | None, force: bool) -> Report:
    """The sum of several states; with `page`, a page of it."""
    if page:
        saving.check_path(page, [*states, *([state] if state else [])], force=force)
    elif title:
        raise InputError(_TITLE)
    scores = merge(states, state=state, force=force)
    if page:
        scores.save(page, title=title, force=force)
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
    if result.skipped:
        yield f"{sum(result.skipped.values())} rows could not be scored and were left out"
    if result.zeros or result.ones:
        yield (
            f"{result.zeros} probabilities are exactly 0 and {result.ones} exactly 1; where the label differs, the "
            "loss is infinite"
        )


def failures(result: Report | Comparison, max_loss: float | None, max_regression: float | None) -> list[str]:
    """What is beyond a limit, a sentence each."""
    if max_regression is not None and not isinstance(result, Comparison):
        raise InputError("--max-regression needs something to compare with; give --compare or --other-logits")
    found = []
    if max_loss is not None:
        found.append(exceeds_loss(result.overall, max_loss))
    if max_regression is not None and isinstance(result, Comparison):
        found.append(exceeds_regression(result.overall, max_regression))
    return [one for one in found if one]


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
