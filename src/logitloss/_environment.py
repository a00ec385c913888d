"""How the `logitloss` command reports an environment variable that cannot be honoured, such as LOGITLOSS_ISA=sse9."""

from __future__ import annotations

import pathlib
import sys


def exit_command(error: ImportError) -> None:
    """End the `logitloss` command with one line and status 2; return if another program imports the package.

    The command is a module of the package, so it cannot catch an error of the package's own import.
    """
    run_as_module = sys.argv[:1] == ["-m"] and "logitloss" in sys.orig_argv
    if str(error).startswith("LOGITLOSS_") and (
        run_as_module or pathlib.Path((sys.argv or [""])[0]).stem == "logitloss"
    ):
        print(f"logitloss: {error}", file=sys.stderr)
        raise SystemExit(2) from None
