"""What `logitloss eval` and `logitloss merge` do once their arguments are parsed."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from typing import Any, TextIO

from logitloss.evaluate.compare import compare, exceeds_loss, exceeds_regression
from logitloss.evaluate.display import table as _report
from logitloss.evaluate.errors import InputError
from logitloss.evaluate.input.sources import query, spooled
from logitloss.evaluate.results import Comparison, Report
from logitloss.evaluate.score import merge, score

Progress = Callable[[int, float], None] | None


def evaluate(
    files: Sequence[str],
    sql: str | None,
    *,
    compare_with: Sequence[str],
    other_logits: str | None,
    state: str | None,
    dask: str | None,
    page: str | None,
    progress: Progress,
    **columns: Any,
) -> Report | Comparison:
    """Score, or compare; with `page`, write the scores there."""
    if not files and not sql:
        raise InputError("no files to score; name at least one, or - for standard input, or give --sql")
    if files and sql:
        raise InputError("got files and --sql; a query names its own files")
    if compare_with or other_logits:
        return _compare(files, sql, compare_with, other_logits, state or dask or page, progress, columns)
    with _input(files, sql) as source, _executor(dask) as executor:
        scores = score(source, state=state, executor=executor, progress=progress, **columns)
    if page:
        from logitloss.evaluate.display import page as pages

        pages.write(scores, page)
    return scores


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
        raise InputError("--compare takes no --state, --dask, --report or --skip-invalid; score each model with these")
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


def merged(states: Sequence[str], *, state: str | None, page: str | None) -> Report:
    """The sum of several states; with `page`, a page of it."""
    scores = merge(states, state=state)
    if page:
        from logitloss.evaluate.display import page as pages

        pages.write(scores, page)
    return scores


def print_as(format: str, result: Report | Comparison, out: TextIO) -> None:
    """Print the result, and on stderr what was left out of it."""
    getattr(_report, f"write_{format}")(result, out)
    out.flush()  # while an error can still be reported
    if isinstance(result, Report) and result.skipped:
        print(f"logitloss: {result.skipped} rows could not be scored and were left out", file=sys.stderr)
    if isinstance(result, Report) and (result.zeros or result.ones):
        print(
            f"logitloss: {result.zeros} probabilities are exactly 0 and {result.ones} exactly 1; where the label "
            "differs, the loss is infinite",
            file=sys.stderr,
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
