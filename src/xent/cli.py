"""The `xent` command: parses the arguments, calls the library, and turns its exceptions into exit codes.

0: done. 2: bad input or usage, with one line on stderr that says where and what to do. 130: interrupted.
Results go to stdout, everything else to stderr.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import io
import os
import platform
import sys
from collections.abc import Callable, Iterator
from enum import Enum
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any

import xent


def _without(error: ModuleNotFoundError) -> SystemExit:
    """The way out where a package of the `eval` extra is missing; an error of another kind stays what it is."""
    if error.name not in ("typer", "rich", "pyarrow"):
        raise error
    print(f'xent: this command needs {error.name}, which is not installed: pip install "xent[eval]"', file=sys.stderr)
    return SystemExit(2)


try:
    import typer
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
except ModuleNotFoundError as error:
    raise _without(error) from None

app = typer.Typer(
    help="Cross entropy from logits: exact scores of predictions in files.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
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
        typer.echo(f"xent {xent.__version__}")
        raise typer.Exit


@app.command("eval")
def evaluate(
    files: Annotated[
        list[Path],
        typer.Argument(help="Parquet (.parquet, .pq), CSV (.csv) or Arrow (.arrow, .feather, .ipc) files."),
    ],
    logits: Annotated[str, typer.Option(metavar="COLUMN", help="The column of logits, or of lists of them.")],
    labels: Annotated[str, typer.Option(metavar="COLUMN", help="The column of labels, from 0 to 1, or of classes.")],
    by: Annotated[
        list[str] | None,
        typer.Option(metavar="COLUMN", help="A column to group by; repeat it for combinations."),
    ] = None,
    format: Annotated[Format, typer.Option(help="How to print the scores.")] = Format.table,
) -> None:
    """Score predictions in files: mean loss, the loss of the base rate, and the skill against it.

    The mean loss is exact, rounded once: no order, batch or split of the rows changes a bit of it. Losses are in nats.
    The base rate's loss is that of always predicting the mean label, and skill is 1 - loss / base-rate loss.
    Logits may be lists of one length, with a logit for each class; labels are then integers, the index in the list from
    0, and the base rate is the frequency of each class.
    JSON and CSV give all digits; JSON writes a loss or skill that is infinite or undefined as null.
    Rows with a null, a nan, a label outside [0, 1] or of no class are an error, exit code 2; infinite logits are not.
    """
    try:
        from xent.evaluate import InputError, report, score
    except ModuleNotFoundError as error:
        raise _without(error) from None

    with _exits("eval", InputError), _progress() as progress:
        scores = score(files, logits=logits, labels=labels, by=by or (), progress=progress)
    _print(report, format, scores)


@contextlib.contextmanager
def _exits(command: str, bad_input: type[Exception]) -> Iterator[None]:
    """One line on stderr and an exit code for what a command may raise."""
    try:
        yield
    except bad_input as error:
        typer.echo(f"xent {command}: {error}", err=True)
        raise typer.Exit(2) from None
    except KeyboardInterrupt:
        typer.echo(f"xent {command}: interrupted; nothing was printed", err=True)
        raise typer.Exit(130) from None


def _print(report: ModuleType, format: Format, results: Any) -> None:
    writers = {Format.table: report.write_table, Format.json: report.write_json, Format.csv: report.write_csv}
    writers[format](results, sys.stdout)
    sys.stdout.flush()  # while an error can still be reported


@contextlib.contextmanager
def _described_progress() -> Iterator[tuple[Console, Callable[[str, float], None]]]:
    """A bar on stderr that names what is measured; nothing where that is no terminal."""
    console = Console(stderr=True)
    columns = (BarColumn(), TaskProgressColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=1.0)
        yield console, lambda what, share: bar.update(task, completed=share, description=what)


@contextlib.contextmanager
def _progress() -> Iterator[Callable[[int, float], None] | None]:
    """A bar on stderr, and nothing at all where that is no terminal."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield None
        return
    columns = (BarColumn(), TaskProgressColumn(), TextColumn("{task.fields[rows]:,} rows"), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=1.0, rows=0)
        yield lambda rows, share: bar.update(task, completed=share, rows=rows)


class Dtype(str, Enum):
    """What `xent accuracy` can be restricted to."""

    float32 = "float32"
    float64 = "float64"
    float16 = "float16"
    bfloat16 = "bfloat16"


@app.command()
def accuracy(
    dtype: Annotated[list[Dtype] | None, typer.Option(help="Measure this dtype only; repeat it for several.")] = None,
    format: Annotated[Format, typer.Option(help="How to print the errors.")] = Format.table,
) -> None:
    """Measure xent and every installed peer against the definition: the largest errors and where they occur.

    Errors are in units in the last place of the dtype at the true value: 0.5 is the least that rounding allows, and
    2**24 in float32 means that every digit is lost. JSON and CSV give all digits, JSON an infinite error as null.
    Takes about half a minute. Peers are used where they are installed: SciPy, scikit-learn, PyTorch, optax, TensorFlow,
    Keras.
    """
    from xent.accuracy import report, sweep

    with _exits("accuracy", ValueError), _described_progress() as (_, progress):
        rows = sweep([one.value for one in dtype or ()], progress=progress)
    _print(report, format, rows)


@app.command()
def bench(
    threads: Annotated[
        int | None, typer.Option(metavar="N", help="Threads; the default is what xent would use.")
    ] = None,
    format: Annotated[Format, typer.Option(help="How to print the times.")] = Format.table,
) -> None:
    """Time xent, every installed peer and the limit side by side, in about a minute.

    The limit is a loop that reads and writes the same arrays with as many threads and computes nothing. Every result
    is verified before it is timed. Ratios are to the limit of the same round. JSON and CSV give all digits.
    """
    from xent.bench import BenchError, report, short

    with _exits("bench", BenchError), _described_progress() as (console, progress):
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
        "xent": xent.__version__,
        "instruction set": f"{xent._core.isa()} (of {', '.join(xent._core.isas())}; XENT_ISA chooses)",
        "threads": f"{xent.get_num_threads()} (XENT_NUM_THREADS chooses)",
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
    """The entry point: `xent` on the command line."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a key that the terminal cannot show is no reason to fail
    try:
        app(prog_name="xent")
    except OSError as error:  # a full disk, most likely; typer itself sees to a pipe that is closed early
        print(f"xent: the output could not be written: {error.strerror}", file=sys.stderr)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else Python tries again on its way out
        sys.exit(2)


if __name__ == "__main__":
    main()
