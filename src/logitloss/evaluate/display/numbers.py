"""Numbers as the page writes them."""

from __future__ import annotations

import math
from collections.abc import Callable


def number(value: float, form: str) -> str:
    """The number in this form, with a minus sign that is one."""
    if math.isnan(value):
        return "n/a"
    if math.isinf(value):
        return "infinite" if value > 0 else "−infinite"
    return format(value, form).replace("-", "−")


def nats(value: float) -> str:
    """A loss, with four digits."""
    return _digits(value, 4)


def error(value: float) -> str:
    """A standard error, with two digits."""
    return _digits(value, 2)


def signed(value: float) -> str:
    """A difference, with two digits and its sign."""
    return ("+" if value > 0 else "") + error(value)


def interval(low: float, high: float, form: Callable[[float], str]) -> str:
    """Both ends; n/a where there are none."""
    return "n/a" if math.isnan(low) or math.isnan(high) else f"{form(low)} to {form(high)}"


def percent(share: float, digits: int = 1) -> str:
    """A share, with a digit behind the point, and more where it is next to 0 or 1."""
    rest, more = min((abs(share), 2), (abs(1 - share), 1))
    form = f".{more - 3 - math.floor(math.log10(max(rest, 1e-12)))}f" if 0 < rest < 0.001 else f".{digits}f"
    text = number(100 * share, form)
    return text + "%" if math.isfinite(share) else text


def percents(one: float, other: float) -> tuple[str, str]:
    """Two shares, with as many digits as tell them apart."""
    for digits in range(1, 7):
        texts = percent(one, digits), percent(other, digits)
        if texts[0] != texts[1]:
            return texts
    return percent(one), percent(other)


def _digits(value: float, digits: int) -> str:
    if not value:
        return "0"
    small = 1e-7 < abs(value) < 1e-4  # what Python would write with an exponent
    form = f".{digits - 1 - math.floor(math.log10(abs(value)))}f" if small else f"#.{digits}g"
    return number(value, form).rstrip(".")
