"""Files out: all of one, or what was there before; never over an input, nor over what logitloss did not write."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import IO, Any

from logitloss.evaluate.errors import InputError, printable

_ADVICE = {errno.ENOENT: ", or make its folder"}
_ADVICE |= dict.fromkeys([errno.ENOSPC, errno.EFBIG, errno.EDQUOT], ", or make room")
_ADVICE |= dict.fromkeys([errno.EACCES, errno.EPERM], ", or check its permissions")


def refuse_input(path: str | os.PathLike[str], inputs: Iterable[str | os.PathLike[str]]) -> None:
    """Raise `InputError` if `path` is one of the inputs, by any name or link."""
    name = printable(os.fspath(path))
    for one in inputs if os.path.exists(path) else ():
        try:
            same = os.path.samefile(path, one)
        except OSError:  # the input is not here
            continue
        if same:
            other = "" if os.fspath(one) == os.fspath(path) else f", there named {printable(os.fspath(one))}"
            raise InputError(f"{name}: is an input{other}, which no output may overwrite; name another file")


def check_output(
    path: str | os.PathLike[str],
    is_ours: Callable[[Path], bool],
    *,
    inputs: Iterable[str | os.PathLike[str]] = (),
    force: bool = False,
) -> None:
    """Raise `InputError` unless `path` may be written.

    It may not be an input. What stands there must be of our making, as `is_ours` tells, unless `force` is given. A
    pipe, a terminal or an empty file holds nothing that could be lost.
    """
    refuse_input(path, inputs)
    target, name = Path(path), printable(os.fspath(path))
    try:
        if target.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if not target.parent.is_dir():
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        if target.is_file() and target.stat().st_size and not force and not is_ours(target):
            raise InputError(
                f"{name}: exists, and logitloss did not write it; name another file, or replace it with --force "
                "(in Python force=True)"
            )
    except OSError as error:
        raise _cannot(path, error) from error


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
        raise _cannot(path, error) from error


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


def _cannot(path: str | os.PathLike[str], error: OSError) -> InputError:
    name, reason = printable(os.fspath(path)), os.strerror(error.errno) if error.errno else str(error)
    advice = "name another file" + _ADVICE.get(error.errno or 0, "")
    return InputError(f"{name}: cannot be written: {reason}; {advice}")
