"""The `logitloss` command: parses the arguments, calls the library, and turns its exceptions into exit codes.

0: done. 1: a limit such as --max-loss was passed. 2: bad input or usage, with one line on stderr that says where and
what to do. 130: interrupted. Results go to stdout, everything else to stderr.
"""

from __future__ import annotations

import importlib.metadata
import io
import os
import platform
import sys
from enum import Enum
from types import ModuleType
from typing import Annotated, Any

import logitloss
from logitloss._terminal import described_progress, exits, progress, typer

app = typer.Typer(
    help="Cross entropy from logits: exact scores of predictions in files.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",  # which joins the lines of a paragraph
)


class Format(str, Enum):
    """How a command prints."""

    table = "table"
    json = "json"
    csv = "csv"


class ScoreFormat(str, Enum):
    """How scores are printed."""

    table = "table"
    json = "json"
    csv = "csv"
    md = "md"


_ScoreFormat = Annotated[ScoreFormat, typer.Option(help="How to print the scores.")]
_State = Annotated[str | None, typer.Option(metavar="FILE", help="Keep the partial states in this Parquet file.")]
_Page = Annotated[str | None, typer.Option("--report", metavar="FILE", help="Write a page of HTML as well.")]
_MaxLoss = Annotated[float | None, typer.Option(metavar="NATS", help="Exit with 1 if the mean loss is above.")]


@app.callback(invoke_without_command=True)
def _options(
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    if version:
        typer.echo(f"logitloss {logitloss.__version__}")
        raise typer.Exit


@app.command("eval")
def evaluate(
    logits: Annotated[list[str], typer.Option(metavar="COLUMN", help="The column of logits, or of lists of them.")],
    labels: Annotated[
        list[str],
        typer.Option(metavar="COLUMN", help="The column of labels, from 0 to 1, or of classes; one for each --logits."),
    ],
    files: Annotated[
        list[str] | None,
        typer.Argument(
            help="Parquet, CSV, Arrow, ORC or JSON lines: files, globs, folders, s3:// or gs://; - is stdin."
        ),
    ] = None,
    by: Annotated[
        list[str] | None, typer.Option(metavar="COLUMN", help="A column to group by; repeat it for combinations.")
    ] = None,
    weights: Annotated[str | None, typer.Option(metavar="COLUMN", help="The column of weights.")] = None,
    probabilities: Annotated[bool, typer.Option("--probabilities", help="The logits are probabilities.")] = False,
    sql: Annotated[str | None, typer.Option(metavar="QUERY", help="Score what DuckDB answers, not files.")] = None,
    skip_invalid: Annotated[
        bool, typer.Option("--skip-invalid", help="Count the rows that cannot be scored, and leave them out.")
    ] = False,
    state: _State = None,
    dask: Annotated[str | None, typer.Option(metavar="ADDRESS", help="Let a Dask cluster do the work.")] = None,
    compare: Annotated[
        list[str] | None, typer.Option(metavar="FILE", help="Other predictions of the same rows, to compare with.")
    ] = None,
    other_logits: Annotated[str | None, typer.Option(metavar="COLUMN", help="Their column of logits.")] = None,
    max_loss: _MaxLoss = None,
    max_regression: Annotated[
        float | None, typer.Option(metavar="NATS", help="Exit with 1 if the loss is so much above the other.")
    ] = None,
    page: _Page = None,
    format: _ScoreFormat = ScoreFormat.table,
) -> None:
    """Score predictions in files: mean loss, the loss of the base rate, and the skill against it.

    The mean loss is exact, rounded once: no order, batch or split of the rows changes a bit of it. Losses are in nats.
    The base rate's loss is that of always predicting the mean label, and skill is 1 - loss / base-rate loss.
    Logits may be lists of one length, with a logit for each class; labels are then integers, the index in the list from
    0, and the base rate is the frequency of each class.
    JSON and CSV give all digits; JSON writes a loss or skill that is infinite or undefined as null.
    Rows with a null, a nan, a label outside [0, 1] or of no class are an error, exit code 2; infinite logits are not.
    With --state a run that was killed goes on where it was; `logitloss merge` adds the states of several runs.
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


@app.command()
def merge(
    states: Annotated[list[str], typer.Argument(help="Files that --state kept.")],
    state: _State = None,
    max_loss: _MaxLoss = None,
    page: _Page = None,
    format: _ScoreFormat = ScoreFormat.table,
) -> None:
    """Add the states that runs of `logitloss eval --state` kept, and print the scores of all their rows.

    The result is that of one run over all the files, to the last bit. With --state the sum is kept, a state again.
    """
    with exits("merge"):
        from logitloss.evaluate import InputError, command

    with exits("merge", InputError):
        result = command.merged(states, state=state, page=page)
        failures = command.failures(result, max_loss, None)
    command.print_as(format.value, result, sys.stdout)
    _fail("merge", failures)


def _fail(command: str, failures: list[str]) -> None:
    for failure in failures:
        typer.echo(f"logitloss {command}: {failure}", err=True)
    if failures:
        raise typer.Exit(1)


def _print(report: ModuleType, format: Format, results: Any) -> None:
    writers = {Format.table: report.write_table, Format.json: report.write_json, Format.csv: report.write_csv}
    writers[format](results, sys.stdout)
    sys.stdout.flush()  # while an error can still be reported


class Dtype(str, Enum):
    """What `logitloss accuracy` can be restricted to."""

    float32 = "float32"
    float64 = "float64"
    float16 = "float16"
    bfloat16 = "bfloat16"


@app.command()
def accuracy(
    dtype: Annotated[list[Dtype] | None, typer.Option(help="Measure this dtype only; repeat it for several.")] = None,
    format: Annotated[Format, typer.Option(help="How to print the errors.")] = Format.table,
) -> None:
    """Measure logitloss and every installed peer against the definition: the largest errors and where they occur.

    Errors are in units in the last place of the dtype at the true value: 0.5 is the least that rounding allows, and
    2**24 in float32 means that every digit is lost. JSON and CSV give all digits, JSON an infinite error as null.
    Takes about half a minute. Peers are used where they are installed: SciPy, scikit-learn, PyTorch, optax, TensorFlow,
    Keras.
    """
    from logitloss.accuracy import report, sweep

    with exits("accuracy", ValueError), described_progress() as (_, progress):
        rows = sweep([one.value for one in dtype or ()], progress=progress)
    _print(report, format, rows)


@app.command()
def bench(
    threads: Annotated[
        int | None, typer.Option(metavar="N", help="Threads; the default is what logitloss would use.")
    ] = None,
    format: Annotated[Format, typer.Option(help="How to print the times.")] = Format.table,
) -> None:
    """Time logitloss, every installed peer and the limit side by side, in about a minute.

    The limit is a loop that reads and writes the same arrays with as many threads and computes nothing. Every result
    is verified before it is timed. Ratios are to the limit of the same round. JSON and CSV give all digits.
    """
    from logitloss.bench import BenchError, report, short

    with exits("bench", BenchError), described_progress() as (console, progress):
        rows = short(
            threads,
            progress=progress,
            note=lambda text: console.print(text, style="dim", markup=False, highlight=False, soft_wrap=True),
        )
    _print(report, format, rows)


_FRAMEWORKS = (
    *("torch", "jax", "tensorflow", "keras", "sklearn", "xgboost", "lightgbm", "catboost"),
    *("ml_dtypes", "pyarrow", "dask", "xarray", "pandas", "polars", "cupy"),
)


@app.command()
def info() -> None:
    """Print the version, the instruction set in use, the threads, and the frameworks that are installed."""
    lines = {
        "logitloss": logitloss.__version__,
        "instruction set": f"{logitloss._core.isa()} (of {', '.join(logitloss._core.isas())}; LOGITLOSS_ISA chooses)",
        "threads": f"{logitloss.get_num_threads()} (LOGITLOSS_NUM_THREADS chooses)",
        "Python": f"{platform.python_version()} on {platform.system()} {platform.machine()}",
        "numpy": importlib.metadata.version("numpy"),
    }
    # Read from the packages' metadata: importing a framework to ask its version takes seconds and starts its threads.
    installed = importlib.metadata.packages_distributions()
    for module in _FRAMEWORKS:
        if module in installed:
            lines[installed[module][0]] = importlib.metadata.version(installed[module][0])
    lines["not installed"] = ", ".join(module for module in _FRAMEWORKS if module not in installed) or "-"
    for name, value in lines.items():
        typer.echo(f"{name:<16} {value}")


def main() -> None:
    """The entry point: `logitloss` on the command line."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a key that the terminal cannot show is no reason to fail
    try:
        app(prog_name="logitloss")
    except OSError as error:  # a full disk, most likely; typer itself sees to a pipe that is closed early
        print(f"logitloss: the output could not be written: {error.strerror}", file=sys.stderr)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else Python tries again on its way out
        sys.exit(2)


if __name__ == "__main__":
    main()
