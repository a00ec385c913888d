"""What the commands share with the terminal: progress, exit codes, and what is missing."""

from __future__ import annotations

import contextlib
import math
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from typing import Any

_EXTRAS = {"distributed": "dask", "dask": "dask"}
_EXTRAS |= dict.fromkeys(["duckdb", "jinja2", "matplotlib", "pyarrow", "rich", "scipy", "typer"], "eval")


def without(error: ModuleNotFoundError) -> SystemExit:
    """The way out where a package of an extra is missing; an error of another kind stays what it is."""
    if error.name not in _EXTRAS:
        raise error
    install = f'pip install "logitloss[{_EXTRAS[error.name]}]"'
    print(f"logitloss: this command needs {error.name}, which is not installed: {install}", file=sys.stderr)
    return SystemExit(2)


try:
    import typer
    import typer.core
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
except ModuleNotFoundError as error:
    raise without(error) from None


@contextlib.contextmanager
def _closed_pipe() -> Iterator[None]:
    """The shell's status for a process whose reader has gone; typer, click and rich would all make it 1."""
    try:
        yield
    except (BrokenPipeError, SystemExit) as error:
        if not isinstance(error, BrokenPipeError) and not isinstance(error.__context__, BrokenPipeError):
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else Python tries again on its way out
        raise SystemExit(141) from None


class Commands(typer.core.TyperGroup):
    """The commands, all of which end with the same status where what reads their output is closed."""

    def make_context(self, *arguments: Any, **options: Any) -> Any:
        """Parse; `--help` prints."""
        with _closed_pipe():
            return super().make_context(*arguments, **options)

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        with _closed_pipe():
            return super().invoke(ctx)


class Command(typer.core.TyperCommand):
    """A command whose status 1 says that a gate did not pass, and nothing else.

    None of its arguments is an empty text, which most often is a variable that is not set, or nan.
    """

    def invoke(self, ctx: Any) -> Any:
        """Run the command; an exception that nobody foresaw is shown as Python does, and ends with 2."""
        if sys.stdout is None:
            typer.echo(f"logitloss {self.name}: standard output is closed; open it, or send it to /dev/null", err=True)
            raise SystemExit(2)
        try:
            return super().invoke(ctx)
        except Exception as error:
            if isinstance(error, OSError) or hasattr(error, "exit_code"):  # which the caller expects
                raise
            traceback.print_exc()
            raise SystemExit(2) from error

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse, and refuse such arguments as bad usage."""
        rest = super().parse_args(ctx, args)
        params: list[Any] = self.get_params(ctx)
        for param in params:
            value = ctx.params.get(param.name)
            for one in value if isinstance(value, (list, tuple)) else [value]:
                if one == "":
                    raise typer.BadParameter("got an empty text; leave the option out, or name something", ctx, param)
                if isinstance(one, float) and not math.isfinite(one):
                    raise typer.BadParameter(f"got {one}, expected a finite number", ctx, param)
        return rest


@contextlib.contextmanager
def exits(command: str, *bad_input: type[Exception], state: str | None = None) -> Iterator[None]:
    """One line on stderr and an exit code for what a command may raise."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise without(error) from None
    except bad_input as error:
        typer.echo(f"logitloss {command}: {error}", err=True)
        raise typer.Exit(2) from None
    except KeyboardInterrupt:
        kept = f"; {state} keeps what was done" if state and os.path.exists(state) else ""
        typer.echo(f"logitloss {command}: interrupted; nothing was printed{kept}", err=True)
        raise typer.Exit(130) from None


@contextlib.contextmanager
def described_progress() -> Iterator[tuple[Console, Callable[[str, float], None]]]:
    """A bar on stderr that names what is measured; nothing where that is no terminal."""
    console = Console(stderr=True)
    columns = (BarColumn(), TaskProgressColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=1.0)
        yield console, lambda what, share: bar.update(task, completed=share, description=what)


@contextlib.contextmanager
def progress() -> Iterator[Callable[[int, float], None] | None]:
    """A bar on stderr, and nothing at all where that is no terminal."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield None
        return
    rows_text = TextColumn("{task.fields[rows]:,} rows, {task.fields[speed]:,.0f} rows/s")
    columns = (BarColumn(), TaskProgressColumn(), rows_text, TimeRemainingColumn())
    start = time.monotonic()
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=1.0, rows=0, speed=0.0)
        yield lambda rows, share: bar.update(
            task, completed=share, rows=rows, speed=rows / max(1e-9, time.monotonic() - start)
        )
