"""The `logitloss` command: parses the arguments, calls the library, and turns its exceptions into exit codes.

0: done. 1: a gate did not pass. 2: bad input or usage, with one line on stderr that says where and what to do. 130:
interrupted. 141: the reader of the output closed it. Results go to stdout, everything else to stderr.
"""

from __future__ import annotations

import importlib.metadata
import io
import os
import platform
import sys
from collections.abc import Iterator
from enum import Enum
from types import ModuleType
from typing import Annotated, Any

import logitloss
from logitloss._scores import EXIT_CODES, evaluate, merge
from logitloss._terminal import Command, Commands, described_progress, exits, typer

app = typer.Typer(
    cls=Commands,
    help="Cross entropy from logits: exact scores of predictions in files.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",  # which joins the lines of a paragraph
)


class Format(str, Enum):
    """How a command prints."""

    table = "table"
    json = "json"
    csv = "csv"


@app.callback(invoke_without_command=True)
def _options(
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    if version:
        typer.echo(f"logitloss {logitloss.__version__}")
        raise typer.Exit


app.command("eval", cls=Command, epilog=EXIT_CODES)(evaluate)
app.command("merge", cls=Command, epilog=EXIT_CODES)(merge)


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
    """Time logitloss, every installed peer and the memory bound side by side, in about a minute.

    The memory bound is a loop that reads and writes the same arrays with as many threads and computes nothing. Every
    result is verified before it is timed. Ratios are to the memory bound of the same round. JSON and CSV give all
    digits.
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


def _unused_instruction_sets() -> Iterator[str]:
    """Why each of the other instruction sets of this build is not in use."""
    used, slower = logitloss._core.isa(), True
    for name, missing in logitloss._core.instruction_sets().items():
        if name == used:
            slower = False
        elif missing:
            yield f"{name} not used: {missing}"
        else:
            yield f"{name} not used: {'slower' if slower else f'LOGITLOSS_ISA={used} is set'}"


@app.command()
def info() -> None:
    """Print the version, the instruction set in use, the threads, and the frameworks that are installed."""
    lines = {
        "logitloss": logitloss.__version__,
        "instruction set": f"{logitloss._core.isa()} ({'; '.join(_unused_instruction_sets())})",
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
