"""The largest errors of xent and of every installed peer, by dtype and zone, each with its witness."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np

from xent.accuracy.meter import Truth, truths, ulp_errors
from xent.accuracy.peers import IMPLEMENTATIONS, Run
from xent.accuracy.zones import ZONES, draw

DTYPES = ("float32", "float64", "float16", "bfloat16")


class Row(NamedTuple):
    """One cell of the comparison: the largest error of one output, and where it occurs."""

    dtype: str
    zone: str
    implementation: str
    version: str
    output: str
    """loss or gradient"""
    ulp: float
    """The largest error found, in units in the last place of the dtype at the true value."""
    logit: float
    label: float
    got: float
    want: float
    """The truth at this logit and label, as float64."""


def available_dtypes() -> tuple[str, ...]:
    """Return the dtypes that can be swept: bfloat16 only if ml_dtypes is installed."""
    return DTYPES if importlib.util.find_spec("ml_dtypes") else DTYPES[:-1]


def sweep(
    dtypes: Iterable[str] = (), points: int = 30_000, progress: Callable[[str, float], None] = lambda what, share: None
) -> list[Row]:
    """Measure xent and every peer that is installed, over all zones.

    Parameters
    ----------
    dtypes : iterable of str
        Some of :data:`DTYPES`; none means all that are available.
    points : int
        At most this many pairs of logit and label for each dtype and zone, the same in every run.
    progress : callable
        Is told what is being done and the share of the work that is done.

    Returns
    -------
    list of Row
        Two for each dtype, zone and implementation that has this dtype: loss and gradient.

    Raises
    ------
    ValueError
        If a dtype is unknown or not available.

    Notes
    -----
    The largest error over a sample is a lower bound of the largest error. The default takes about half a minute.
    """
    available = available_dtypes()
    dtypes = tuple(dtypes) or available
    for dtype in dtypes:
        if dtype not in available:
            raise ValueError(
                f"dtypes must be some of {', '.join(DTYPES)}, bfloat16 only with ml_dtypes installed, got {dtype!r}."
            )
    loaded = _load(progress)
    rows: list[Row] = []
    cells = [(dtype, zone) for dtype in dtypes for zone in ZONES]
    for done, (dtype, zone) in enumerate(cells):
        progress(f"{dtype}: {zone}", done / len(cells))
        logits, labels = draw(zone, dtype, points)
        both = truths(logits, labels)
        for name, version, supported, run in loaded:
            if dtype in supported.split():
                for output, values, truth in zip(("loss", "gradient"), run(logits, labels), both, strict=True):
                    rows.append(Row(dtype, zone, name, version, output, *_worst(logits, labels, values, truth)))
    progress("done", 1.0)
    return rows


def _load(progress: Callable[[str, float], None]) -> list[tuple[str, str, str, Run]]:
    loaded = []
    for one in IMPLEMENTATIONS:
        if one.installed():
            progress(f"importing {one.name}", 0.0)
            try:
                run = one.load()
            except ImportError:  # installed, but not for this machine, or without a part that it needs
                continue
            loaded.append((one.name, one.version(), one.dtypes, run))
    return loaded


def _worst(
    logits: np.ndarray, labels: np.ndarray, values: np.ndarray, truth: Truth
) -> tuple[float, float, float, float, float]:
    errors = ulp_errors(values, truth)
    i = int(np.argmax(errors))
    return float(errors[i]), float(logits[i]), float(labels[i]), float(values[i]), float(truth.value()[i])
