"""The commands `logitloss eval` and `logitloss merge`: their options, their help, and how they end."""

from __future__ import annotations

import functools
import sys
from enum import Enum
from typing import Annotated

from logitloss._terminal import exits, progress, typer

EXIT_CODES = (
    "Exit status: 0 done; 1 a gate did not pass; 2 bad input or usage, with one line on stderr; 130 interrupted; "
    "141 the reader of the output closed it."
)

_columns = functools.partial(typer.Option, metavar="COLUMN", rich_help_panel="Columns")
_input = functools.partial(typer.Option, rich_help_panel="Input")
_comparing = functools.partial(typer.Option, metavar="COLUMN", rich_help_panel="Comparing two models")
_gates = functools.partial(typer.Option, metavar="NATS", rich_help_panel="Gates")
_output = functools.partial(typer.Option, rich_help_panel="Output")
_elsewhere = functools.partial(typer.Option, rich_help_panel="Running elsewhere")


class ScoreFormat(str, Enum):
    """How scores are printed."""

    table = "table"
    json = "json"
    csv = "csv"
    md = "md"


_Format = Annotated[ScoreFormat, _output("--format", "-f", help="Print the scores in this form.")]
_Report = Annotated[
    str | None,
    _output(
        "--report",
        "-o",
        metavar="FILE",
        help="Write a page to FILE (.html), or the scores (.json, .csv, .parquet, .md).",
    ),
]
_Title = Annotated[str | None, _output("--title", metavar="TEXT", help="Put TEXT on top of the page.")]
_Force = Annotated[
    bool, _output("--force", help="Replace an output file that logitloss did not write. Inputs are never replaced.")
]
_State = Annotated[
    str | None,
    _elsewhere(
        "--state", metavar="FILE", help="Keep the sums in this Parquet file. A run that was killed resumes from it."
    ),
]
_MaxLoss = Annotated[float | None, _gates("--max-loss", help="Exit with status 1 if the mean loss is more than NATS.")]


def evaluate(
    labels: Annotated[
        list[str],
        _columns(
            "--labels",
            "-y",
            help="Read labels from COLUMN: from 0 to 1, or the index of the class. Give one for each --logits.",
        ),
    ],
    files: Annotated[
        list[str] | None,
        typer.Argument(
            help="Parquet, CSV, Arrow, ORC or JSON lines: files, folders, globs, s3:// or gs://; - reads stdin."
        ),
    ] = None,
    logits: Annotated[
        list[str] | None,
        _columns(
            "--logits",
            "-x",
            help="Read logits from COLUMN: a number for each row, or a list with one for each class.",
        ),
    ] = None,
    probabilities: Annotated[
        list[str] | None,
        _columns("--probabilities", "-p", help="Read probabilities from COLUMN, instead of --logits."),
    ] = None,
    by: Annotated[
        list[str] | None,
        _columns("--by", "-b", help="Group rows by COLUMN. Repeat it to group by combinations."),
    ] = None,
    weights: Annotated[str | None, _columns("--weights", "-w", help="Weight rows by COLUMN.")] = None,
    cluster: Annotated[
        str | None,
        _columns(
            "--cluster",
            "-c",
            help="Allow for rows with the same value in COLUMN (a user, a day, a document) to be alike.",
        ),
    ] = None,
    sql: Annotated[
        str | None,
        _input("--sql", metavar="QUERY", help="Score the rows that this DuckDB query returns, instead of files."),
    ] = None,
    skip_invalid: Annotated[
        bool,
        _input("--skip-invalid", help="Leave out rows that cannot be scored, and count them, instead of failing."),
    ] = False,
    max_skipped: Annotated[
        float,
        _input("--max-skipped", metavar="SHARE", help="Fail if --skip-invalid leaves out more than this share."),
    ] = 0.01,
    compare: Annotated[
        list[str] | None,
        _comparing(
            "--compare",
            metavar="FILE",
            help="Compare with the predictions in FILE, for the same rows. Repeat it for several files.",
        ),
    ] = None,
    other_logits: Annotated[
        str | None,
        _comparing(
            "--other-logits", help="Compare with the logits in COLUMN, of the same files or of those of --compare."
        ),
    ] = None,
    other_probabilities: Annotated[
        str | None, _comparing("--other-probabilities", help="The same with probabilities.")
    ] = None,
    max_loss: _MaxLoss = None,
    no_worse_by: Annotated[
        float | None,
        _gates(
            "--no-worse-by",
            help="Exit with status 1 unless the mean loss surely exceeds the other's by NATS at most.",
        ),
    ] = None,
    confidence: Annotated[
        float | None,
        _gates("--confidence", metavar="LEVEL", help="How sure --no-worse-by must be.", show_default="0.95"),
    ] = None,
    per_group: Annotated[
        bool,
        _gates("--per-group", metavar=None, help="Demand --no-worse-by of each group too, with Holm's correction."),
    ] = False,
    format: _Format = ScoreFormat.table,
    report: _Report = None,
    title: _Title = None,
    force: _Force = False,
    state: _State = None,
    dask: Annotated[
        str | None, _elsewhere("--dask", metavar="ADDRESS", help="Run on the Dask cluster at ADDRESS.")
    ] = None,
) -> None:
    """Score predictions in files: mean loss, base-rate loss and skill, for all rows and by group.

    Losses are in nats. The mean loss is exact and rounded once, so no order or split of the rows changes a bit of it.
    The base-rate loss is that of always predicting the mean label; skill is 1 - mean loss / base-rate loss. A row with
    a null, a nan or an impossible label is an error; an infinite logit is not. JSON and CSV give all digits.

    Examples:

    - `logitloss eval flights.parquet -x logit -y late -b carrier -c day`

    - `logitloss eval 'day=*/*.parquet' -x logit -y label --report report.html`

    - `logitloss eval new.parquet -x logit -y label --compare old.parquet --no-worse-by 0.001`
    """
    with exits("eval"):
        from logitloss.evaluate import InputError, command

    with exits("eval", InputError, state=state), progress() as shown:
        gates = command.Gates(max_loss, no_worse_by, confidence, per_group)
        result = command.evaluate(
            files or [],
            sql,
            other=command.Other(compare or [], other_logits, other_probabilities),
            output=command.Output(report, title, force),
            gates=gates,
            state=state,
            dask=dask,
            progress=shown,
            logits=logits,
            probabilities=probabilities,
            labels=labels,
            by=by or (),
            weights=weights,
            cluster=cluster,
            skip_invalid=skip_invalid,
            max_skipped=max_skipped,
        )
        failures = gates.failures(result)
    command.print_as(format.value, result, sys.stdout)
    _fail("eval", failures)


def merge(
    states: Annotated[list[str], typer.Argument(help="Files that `logitloss eval --state` kept.")],
    max_loss: _MaxLoss = None,
    format: _Format = ScoreFormat.table,
    report: _Report = None,
    title: _Title = None,
    force: _Force = False,
    state: _State = None,
) -> None:
    """Add the states that runs of `logitloss eval --state` kept, and print the scores of all their rows.

    The result is that of one run over all the files, to the last bit. With --state the sum is kept, a state again.

    Example: `logitloss merge state-*.parquet --report report.html`
    """
    with exits("merge"):
        from logitloss.evaluate import InputError, command

    with exits("merge", InputError):
        result = command.merged(states, state=state, output=command.Output(report, title, force))
        failures = command.Gates(max_loss).failures(result)
    command.print_as(format.value, result, sys.stdout)
    _fail("merge", failures)


def _fail(command: str, failures: list[str]) -> None:
    for failure in failures:
        typer.echo(f"logitloss {command}: {failure}", err=True)
    if failures:
        raise typer.Exit(1)
