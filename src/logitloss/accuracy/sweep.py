"""The largest errors of logitloss and of every installed peer, by dtype and zone, each with its witness."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import numpy as np

from logitloss.accuracy import peers
from logitloss.accuracy.meter import Truth, softmax_truths, truths, ulp_errors
from logitloss.accuracy.peers import Run
from logitloss.accuracy.zones import SOFTMAX_ZONES, ZONES, draw, draw_rows

DTYPES = ("float32", "float64", "float16", "bfloat16")
IMPLEMENTATIONS = (*peers.IMPLEMENTATIONS, *peers.SOFTMAX_IMPLEMENTATIONS)
SOFTMAX_OUTPUTS = ("loss of the largest", "loss of another", "gradient of the largest", "gradient of another")


Measure = Callable[[Run], Iterator[tuple]]
"""Yields the fields of a row from the output on."""


class Row(NamedTuple):
    """One cell of the comparison: the largest error of one output, and where it occurs."""

    dtype: str
    zone: str
    implementation: str
    version: str
    output: str
    """loss or gradient; of the softmax, one of :data:`SOFTMAX_OUTPUTS`: the loss with this class as the label, or the
    derivative with respect to its logit."""
    ulp: float
    """The largest error found, in units in the last place of the dtype at the true value."""
    logit: float
    """Of the softmax, that of the class."""
    label: float
    """Of the softmax, 1 where the class is the label, else 0."""
    got: float
    want: float
    """The truth at this logit and label, as float64."""
    operation: str = "sigmoid"
    """Or softmax."""
    at: str = ""
    """Of the softmax, the logits of the row, the label, and the class that a gradient belongs to; of many classes, the
    number of the row that :func:`logitloss.accuracy.zones.draw_rows` gives for a quarter of the points."""


def available_dtypes() -> tuple[str, ...]:
    """Return the dtypes that can be swept: bfloat16 only if ml_dtypes is installed."""
    return DTYPES if importlib.util.find_spec("ml_dtypes") else DTYPES[:-1]


def sweep(
    dtypes: Iterable[str] = (),
    points: int = 30_000,
    progress: Callable[[str, float], None] = lambda what, fraction: None,
    implementations: Iterable[peers.Implementation] = (),
) -> list[Row]:
    """Measure logitloss and every peer that is installed, over all zones.

    Parameters
    ----------
    dtypes : iterable of str
        Some of :data:`DTYPES`; none means all that are available.
    points : int
        At most this many pairs of logit and label for each dtype and zone, the same in every run; a quarter as many
        logits for the softmax.
    progress : callable
        Called with what is being measured and the fraction of the work that is done.
    implementations : iterable of Implementation
        What to measure; none means logitloss and all peers.

    Returns
    -------
    list of Row
        Two for each dtype, zone and implementation that has this dtype: loss and gradient. Four for the softmax, whose
        rows follow.

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
    loaded = _load(tuple(implementations) or IMPLEMENTATIONS, progress)
    rows: list[Row] = []
    operations = dict.fromkeys(one.operation for one, _, _ in loaded)
    cells = [(name, dtype, zone) for name in operations for dtype in dtypes for zone in _OPERATIONS[name][0]]
    for done, (operation, dtype, zone) in enumerate(cells):
        progress(f"{dtype}: {zone}", done / len(cells))
        measure = _OPERATIONS[operation][1](zone, dtype, points)
        for one, version, run in loaded:
            if one.operation == operation and dtype in one.dtypes.split():
                rows.extend(Row(dtype, zone, one.name, version, *found) for found in measure(run))
    progress("done", 1.0)
    return rows


def _load(
    implementations: Iterable[peers.Implementation], progress: Callable[[str, float], None]
) -> list[tuple[peers.Implementation, str, Run]]:
    loaded = []
    for implementation in implementations:
        if implementation.installed():
            progress(f"importing {implementation.name}", 0.0)
            try:
                run = implementation.load()
            except ImportError:  # installed, but not for this machine, or without a part that it needs
                continue
            loaded.append((implementation, implementation.version(), run))
    return loaded


def _sigmoid(zone: str, dtype: str, points: int) -> Measure:
    logits, labels = draw(zone, dtype, points)
    both = truths(logits, labels)

    def measure(run: Run) -> Iterator[tuple]:
        for output, values, truth in zip(("loss", "gradient"), run(logits, labels), both, strict=True):
            yield output, *_worst(logits, labels, values, truth)

    return measure


def _softmax(zone: str, dtype: str, points: int) -> Measure:
    logits, both_labels = draw_rows(zone, dtype, max(1, points // 4))
    (rows, classes), n = logits.shape, both_labels.shape[1]
    both = softmax_truths(logits, both_labels)
    true_losses, true_gradients = (Truth(*(v.reshape(rows * n, -1) for v in truth)) for truth in both)
    logits, labels = np.repeat(logits, n, axis=0), both_labels.ravel()
    largest = np.repeat(both_labels[:, :1], n, axis=0)
    label_is_largest, is_largest = labels[:, None] == largest, np.arange(classes) == largest

    def measure(run: Run) -> Iterator[tuple]:
        losses, gradients = run(logits, labels)
        cells = [(losses[:, None], true_losses, mask) for mask in (label_is_largest, ~label_is_largest)]
        cells += [(gradients, true_gradients, mask) for mask in (is_largest, ~is_largest)]
        for output, (values, truth, mask) in zip(SOFTMAX_OUTPUTS, cells, strict=True):
            errors = np.where(mask, ulp_errors(values, truth), -1.0)
            where = i, j = np.unravel_index(np.argmax(errors), errors.shape)
            row, y = logits[i], labels[i]
            j = y if values.shape[1] == 1 else j
            at = f"[{', '.join(map(str, row))}]" if classes < 5 else f"row {i // n}"
            at += f", label {y}" + (f", class {j}" if output.startswith("gradient") else "")
            found = errors[where], row[j], y == j, values[where], truth.value()[where]
            yield output, *map(float, found), "softmax", at

    return measure


_OPERATIONS = {"sigmoid": (ZONES, _sigmoid), "softmax": (SOFTMAX_ZONES, _softmax)}


def _worst(
    logits: np.ndarray, labels: np.ndarray, values: np.ndarray, truth: Truth
) -> tuple[float, float, float, float, float]:
    errors = ulp_errors(values, truth)
    i = int(np.argmax(errors))
    return float(errors[i]), float(logits[i]), float(labels[i]), float(values[i]), float(truth.value()[i])
