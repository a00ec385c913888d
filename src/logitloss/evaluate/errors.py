"""The one error of the evaluator, and how texts from elsewhere are quoted in it."""

from __future__ import annotations

import importlib
from types import ModuleType


class InputError(ValueError):
    """Something that cannot be scored. The text is one line: where, what was expected, what was got, what to do."""


def said_by(error: BaseException, most: int | None = 200) -> str:
    """The text of another library's error, on one line and no longer than a reader bears."""
    return printable(" ".join(str(error).split()))[:most]


def printable(text: str) -> str:
    """The text with what a terminal would obey, or could not show, as escapes."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def needed(module: str, what: str) -> ModuleType:
    """The module; an `ImportError` that says what to install where it is missing."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module:
            raise
        raise ModuleNotFoundError(
            f'{what} needs {module}, which is not installed: pip install "logitloss[eval]"', name=module
        ) from None
