"""The commands `logitloss eval` and `logitloss merge`: their options, their help, and how they end."""

from __future__ import annotations

import sys
from enum import Enum
from typing import Annotated

from logitloss._terminal import exits, progress, typer

_COLUMNS, _INPUT, _COMPARING = "Columns", "Input", "Comparing two models"
_GATES, _OUTPUT, _ELSEWHERE = "Gates", "Output", "Running elsewhere"

EXIT_CODES = (
    "Exit status: 0 done; 1 a gate did not pass; 2 bad input or usage, with one line on stderr; 130 interrupted; "
    "141 the reader of the output closed it."
)


class ScoreFormat(str, Enum):
    """How scores are printed."""

    table = "table"
    json = "json"
    csv = "csv"
    md = "md"


_Format = Annotated[
    ScoreFormat, typer.Option("--format", "-f", help="Print the scores in this form.", rich_help_panel=_OUTPUT)
]
_Page = Annotated[
    str | None,
    typer.Option(
        "--report",
        "-o",
        metavar="FILE",
        help="Write a page to FILE (.html), or the scores (.json, .csv, .parquet, .md).",
        rich_help_panel=_OUTPUT,
    ),
]
_Title = Annotated[
    str | None,
    typer.Option("--title", metavar="TEXT", help="Put TEXT on top of the page.", rich_help_panel=_OUTPUT),
]
_Force = Annotated[
    bool,
    typer.Option(
        "--force",
        help="Replace an output file that logitloss did not write. Inputs are never replaced.",
        rich_help_panel=_OUTPUT,
    ),
]
_State = Annotated[
    str | None,
    typer.Option(
        metavar="FILE",
        help="Keep the sums in this Parquet file. A run that was killed resumes from it.",
        rich_help_panel=_ELSEWHERE,
    ),
]
_MaxLoss = Annotated[
    float | None,
    typer.Option(metavar="NATS", help="Exit with status 1 if the mean loss is more than NATS.", rich_help_panel=_GATES),
]


def evaluate(
    logits: Annotated[
        list[str],
        typer.Option(
            "--logits",
            "-x",
            metavar="COLUMN",
            help="Read logits from COLUMN: a number for each row, or a list with one for each class.",
            rich_help_panel=_COLUMNS,
        ),
    ],
    labels: Annotated[
        list[str],
        typer.Option(
            "--labels",
            "-y",
            metavar="COLUMN",
            help="Read labels from COLUMN: from 0 to 1, or the index of the class. Give one for each --logits.",
            rich_help_panel=_COLUMNS,
        ),
    ],
    files: Annotated[
        list[str] | None,
        typer.Argument(
            help="Parquet, CSV, Arrow, ORC or JSON lines: files, folders, globs, s3:// or gs://; - reads stdin."
        ),
    ] = None,
    by: Annotated[
        list[str] | None,
        typer.Option(
            "--by",
            "-b",
            metavar="COLUMN",
            help="Group rows by COLUMN. Repeat it to group by combinations.",
            rich_help_panel=_COLUMNS,
        ),
    ] = None,
    weights: Annotated[
        str | None,
        typer.Option("--weights", "-w", metavar="COLUMN", help="Weight rows by COLUMN.", rich_help_panel=_COLUMNS),
    ] = None,
    probabilities: Annotated[
        bool,
        typer.Option("--probabilities", help="Read --logits as probabilities.", rich_help_panel=_COLUMNS),
    ] = False,
    sql: Annotated[
        str | None,
        typer.Option(
            metavar="QUERY",
            help="Score the rows that this DuckDB query returns, instead of files.",
            rich_help_panel=_INPUT,
        ),
    ] = None,
    skip_invalid: Annotated[
        bool,
        typer.Option(
            "--skip-invalid",
            help="Leave out rows that cannot be scored, and count them, instead of failing.",
            rich_help_panel=_INPUT,
        ),
    ] = False,
    compare: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE",
            help="Compare with the predictions in FILE, for the same rows. Repeat it for several files.",
            rich_help_panel=_COMPARING,
        ),
    ] = None,
    other_logits: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="Compare with the logits in COLUMN, of the same files or of those of --compare.",
            rich_help_panel=_COMPARING,
        ),
    ] = None,
    max_loss: _MaxLoss = None,
    max_regression: Annotated[
        float | None,
        typer.Option(
            metavar="NATS",
            help="Exit with status 1 if the mean loss exceeds the other's by more than NATS.",
            rich_help_panel=_GATES,
        ),
    ] = None,
    format: _Format = ScoreFormat.table,
    page: _Page = None,
    title: _Title = None,
    force: _Force = False,
    state: _State = None,
    dask: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Run on the Dask cluster at ADDRESS.", rich_help_panel=_ELSEWHERE),
    ] = None,
) -> None:
    """Score predictions in files: mean loss, base-rate loss and skill, for all rows and by group.

    Losses are in nats. The mean loss is exact and rounded once, so no order or split of the rows changes a bit of it.
    The base-rate loss is that of always predicting the mean label; skill is 1 - mean loss / base-rate loss. A row with
    a null, a nan or an impossible label is an error; an infinite logit is not. JSON and CSV give all digits.

    Examples:

    - `logitloss eval flights.parquet -x logit -y late -b carrier`

    - `logitloss eval 'day=*/*.parquet' -x logit -y label --report report.html`

    - `logitloss eval new.parquet -x logit -y label --compare old.parquet --max-loss 0.5`
    """
    with exits("eval"):
        from logitloss.evaluate import InputError, command

    with exits("eval", InputError, state=state), progress() as shown:
        result = command.evaluate(
            files or [],
            sql,
            compare_with=compare or [],
            other_logits=other_logits,
            state=state,
            dask=dask,
            page=page,
            title=title,
            force=force,
            progress=shown,
            logits=logits,
            labels=labels,
            by=by or (),
            weights=weights,
            probabilities=probabilities,
            skip_invalid=skip_invalid,
        )
        failures = command.failures(result, max_loss, max_regression)
    command.print_as(format.value, result, sys.stdout)
    _fail("eval", failures)


def merge(
    states: Annotated[list[str], typer.Argument(help="Files that `logitloss eval --state` kept.")],
    max_loss: _MaxLoss = None,
    format: _Format = ScoreFormat.table,
    page: _Page = None,
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
        result = command.merged(states, state=state, page=page, title=title, force=force)
        failures = command.failures(result, max_loss, None)
    command.print_as(format.value, result, sys.stdout)
    _fail("merge", failures)


def _fail(command: str, failures: list[str]) -> None:
    for failure in failures:
        typer.echo(f"logitloss {command}: {failure}", err=True)
    if failures:
        raise typer.Exit(1)
