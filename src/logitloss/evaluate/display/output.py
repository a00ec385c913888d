"""Files out: all of one, or what was there before."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from logitloss.evaluate.errors import InputError, printable

_ADVICE = {errno.ENOENT: ", or make its folder"}
_ADVICE |= dict.fromkeys([errno.ENOSPC, errno.EFBIG, errno.EDQUOT], ", or make room")
_ADVICE |= dict.fromkeys([errno.EACCES, errno.EPERM], ", or check its permissions")


def write_whole(path: str | os.PathLike[str], write: Callable[[IO[bytes]], Any]) -> None:
    """Call `write` with a file that takes the place of `path` once it is complete; `InputError` where it cannot."""
    target = Path(os.path.realpath(path))
    try:
        if target.exists() and not target.is_file():
            with target.open("wb") as file:  # a pipe or a terminal holds nothing that could be left half-written
                write(file)
        else:
            _replace(target, write)
    except OSError as error:
        name, reason = printable(os.fspath(path)), os.strerror(error.errno) if error.errno else str(error)
        advice = "name another file" + _ADVICE.get(error.errno or 0, "")
        raise InputError(f"{name}: cannot be written: {reason}; {advice}") from error


def _replace(target: Path, write: Callable[[IO[bytes]], Any]) -> None:
    beside = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        with open(beside, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, target)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
