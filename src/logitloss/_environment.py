"""How the `logitloss` command reports an environment variable that cannot be honoured, such as LOGITLOSS_ISA=sse9."""

from __future__ import annotations

import pathlib
import sys


def exit_command(error: ImportError) -> None:
    """End the `logitloss` command with one line and status 2; return if another program imports the package.

    The command is a module of the package, so it cannot catch an error of the package's own import.
    """
    if str(error).startswith("LOGITLOSS_") and _is_command():
        print(f"logitloss: {error}", file=sys.stderr)
        raise SystemExit(2) from None


def _is_command() -> bool:
    if sys.argv[:1] == ["-m"]:  # as long as the module is being looked for
        said = f"{' '.join(sys.orig_argv)} "
        return " -m logitloss " in said or " -mlogitloss " in said
    return pathlib.Path((sys.argv or [""])[0]).stem == "logitloss"
