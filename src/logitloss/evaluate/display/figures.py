"""The figures of a report, drawn by Matplotlib, and as SVG that stands in a page.

They are narrow, so that their text can be read on a phone without zooming; a wide screen shows two side by side.
"""

from __future__ import annotations

import hashlib
import io
import math
import re
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from markupsafe import Markup, escape
from matplotlib import ticker
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from scipy import special

from logitloss.evaluate.calibration import Points, points, recalibrate
from logitloss.evaluate.display.table import cell
from logitloss.evaluate.results import Bins, Difference, Group, GroupDifference, Losses, Score

# Drawn in the colours of the light theme; in a page each becomes the variable of its name, which both themes define.
INK, FAINT, BLUE, ORANGE = "#1b1b1b", "#5f6368", "#0b57a4", "#a8430a"
_VARIABLES = {INK: "--ink", FAINT: "--faint", BLUE: "--blue", ORANGE: "--orange"}
_STYLE: dict[Any, Any] = {
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9.5,
    "legend.frameon": False,
    "svg.fonttype": "none",  # text stays text, to be searched and read aloud
    "svg.hashsalt": "logitloss",
    "text.color": INK,
    "text.parse_math": False,  # a key may hold dollars
    "xtick.color": FAINT,
    "xtick.labelcolor": INK,
    "ytick.color": FAINT,
    "ytick.labelcolor": INK,
}
BIN_WIDTH, BIN_END = 0.25, 16.0  # of the grid of logits
_WIDTH = 4.4  # inches, of 72 units in the SVG
_DOT: dict[str, Any] = {"fmt": "o", "color": BLUE, "markersize": 3.5, "linewidth": 1.4}
_DASHED: dict[str, Any] = {"color": FAINT, "linestyle": (0, (4, 3)), "linewidth": 1}
_LABEL = 18  # characters of a group's key
# Shares to mark on a logit axis, the most welcome first.
_TICKS = (0.5, 0.1, 0.9, 0.01, 0.99, 1e-4, 0.9999, 1e-6, 0.999999, 0.2, 0.8, 0.05, 0.95, 0.35, 0.65, 0.02, 0.98)


def reliability(bins: Bins) -> Figure:
    """Observed against predicted on logit axes, where equal factors of the odds are equally wide; below, the rows."""
    drawn = points(bins)
    x, y = _logit(drawn.predicted), special.logit(drawn.observed)
    low, high = x.min() - 0.3, x.max() + 0.3
    near = y[(y > low - 1.5) & (y < high + 1.5)]
    low, high = min(low, near.min(initial=low) - 0.3), max(high, near.max(initial=high) + 0.3)

    def inside(shares: np.ndarray) -> np.ndarray:
        return np.clip(special.logit(shares), low, high)  # 0 and 1 have no finite logit: they are drawn on the edge

    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(_WIDTH, 5.2), layout="constrained")
        axes, below = figure.subplots(2, 1, sharex=True, height_ratios=[4, 1])
        axes.plot([low, high], [low, high], **_DASHED, label="perfect calibration")
        axes.errorbar(x, inside(drawn.observed), yerr=_whiskers(drawn, inside), **_DOT, label="observed, 95% interval")
        at = inside(bins.probability / bins.weight)
        there = (x.min() <= at) & (at <= x.max())
        best = inside(recalibrate(bins))
        if there.sum() > 1:
            axes.plot(at[there], best[there], color=ORANGE, label="best monotone recalibration")
        axes.set(xlim=(low, high), ylim=(low, high), ylabel="observed")
        for axis in (axes.xaxis, axes.yaxis):
            _logit_ticks(axis, low, high)
        figure.legend(loc="outside upper left", handlelength=1.6)

        left = np.where(np.isfinite(bins.lower), bins.lower, bins.upper - BIN_WIDTH)
        below.bar(left, bins.weight / bins.weight.sum(), width=BIN_WIDTH, align="edge", color=FAINT, linewidth=0)
        below.set(xlabel="predicted", ylabel="rows" if (bins.weight == bins.rows).all() else "weight")
        _share_ticks(below.yaxis)
        figure.align_ylabels()
    return figure


def losses(losses: Losses, overall: Score) -> Figure:
    """How many rows have which loss, by powers of 2; the intervals without an end stand beside the others."""
    share = losses.rows / losses.rows.sum()
    least, most = (share[edge].sum() for edge in (losses.lower == 0, np.isinf(losses.upper)))
    inner = (losses.lower > 0) & np.isfinite(losses.upper)
    left, share = np.log2(losses.lower[inner]), share[inner]
    visible = left[share >= share.max(initial=0) / 200]  # a lone row would widen the picture, with nothing to be seen
    low, high = (visible[0], visible[-1] + 1) if len(visible) and share.any() else (0.0, 0.0)
    tens = np.arange(math.ceil(low * math.log10(2)), math.floor(high * math.log10(2)) + 1)[:: 1 + int(high - low) // 24]
    ticks = {ten * math.log2(10): f"{10.0**ten:g}" for ten in tens}
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(_WIDTH, 2.6), layout="constrained")
        axes = figure.subplots()
        bars = {at: height for at, height in zip(left, share, strict=True) if low <= at < high}
        if 0 < overall.mean_loss < math.inf:
            axes.axvline(np.log2(overall.mean_loss), **{**_DASHED, "color": INK}, label="mean loss")
        for beyond, at, label in ((least, low - 1.5, "0"), (most, high + 0.5, "∞")):
            if beyond > share.max(initial=0) / 200:
                bars[at], ticks[at + 0.5] = beyond, label
                low, high = min(low, at), max(high, at + 1)
        places = np.array([*bars]) + 0.03
        axes.bar(places, [*bars.values()], width=0.94, align="edge", color=BLUE, linewidth=0, label="rows")
        axes.set_xticks([*ticks], [*ticks.values()])
        axes.set(xlabel="loss of a row in nats", ylabel="rows", xlim=(low, high))
        _share_ticks(axes.yaxis)
        figure.legend(loc="outside upper left", ncols=2, handlelength=1.6)
    return figure


def worst(groups: Sequence[Group], overall: Score) -> Figure:
    """The loss of each group with its 95 % interval and, where they are known, its labels beside its predictions."""
    rows = np.arange(len(groups))
    panels = 1 if math.isnan(overall.mean_label) else 2
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(_WIDTH, 1.0 + 0.27 * len(groups)), layout="constrained")
        loss, *rest = np.atleast_1d(figure.subplots(1, panels, sharey=True))
        if math.isfinite(overall.mean_loss):
            loss.axvline(overall.mean_loss, **_DASHED, label="mean loss of all rows")
        means = np.array([group.score.mean_loss for group in groups])
        ends = np.array([group.score.interval() for group in groups])
        loss.errorbar(means, rows, xerr=np.abs(ends.T - means), **_DOT, label="mean, 95% interval")
        loss.set_xlabel("mean loss")
        loss.xaxis.set_major_locator(ticker.MaxNLocator(3))
        loss.set_yticks(rows, [_label(group) for group in groups])
        loss.invert_yaxis()
        for axes in rest:
            observed = np.array([group.score.mean_label for group in groups])
            predicted = np.array([group.score.mean_probability for group in groups])
            ends = np.array([group.score.calibration_interval() for group in groups])
            whiskers = np.maximum([observed - predicted - ends[:, 0], ends[:, 1] + predicted - observed], 0)
            axes.errorbar(observed, rows, xerr=whiskers, **_DOT)
            axes.plot(
                predicted, rows, "|", color=ORANGE, markersize=11, markeredgewidth=2, zorder=1, label="mean prediction"
            )
            axes.set_xlabel("labels and predictions")
            axes.tick_params(left=False)
            _share_ticks(axes.xaxis)
        figure.legend(loc="outside upper left", ncols=2, handlelength=1.6)
        for axes in (loss, *rest):
            axes.spines["left"].set_visible(False)
            axes.grid(axis="y", color=FAINT, alpha=0.25, linewidth=0.6)
    return figure


def differences(groups: Sequence[GroupDifference], overall: Difference) -> Figure:
    """The difference of each group with its 95 % interval."""
    rows = np.arange(len(groups))
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(_WIDTH, 1.0 + 0.27 * len(groups)), layout="constrained")
        axes = figure.subplots()
        axes.axvline(0, color=FAINT, linewidth=1)
        if math.isfinite(overall.difference):
            axes.axvline(overall.difference, **_DASHED, label="difference of all rows")
        means = np.array([group.score.difference for group in groups])
        ends = np.array([group.score.interval() for group in groups])
        axes.errorbar(means, rows, xerr=np.abs(ends.T - means), **_DOT, label="difference, 95% interval")
        axes.set_xlabel("difference of the mean losses in nats")
        axes.xaxis.set_major_locator(ticker.MaxNLocator(4))
        axes.set_yticks(rows, [_label(group) for group in groups])
        axes.invert_yaxis()
        axes.spines["left"].set_visible(False)
        axes.grid(axis="y", color=FAINT, alpha=0.25, linewidth=0.6)
        figure.legend(loc="outside upper left", ncols=2, handlelength=1.6)
    return figure


def svg(figure: Figure, title: str, description: str) -> Markup:
    """The figure as an element of a page: read aloud by its title and description, in the page's colours and font."""
    out = io.StringIO()
    with mpl.rc_context(_STYLE), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a letter that Matplotlib's font lacks: the browser's has it
        figure.savefig(
            out, format="svg", transparent=True, metadata=dict.fromkeys(("Creator", "Date", "Format", "Type"))
        )
    drawn = out.getvalue()
    name = "f" + hashlib.sha256(drawn.encode()).hexdigest()[:8]
    head, _, inner = drawn[drawn.index("<svg") :].partition(">")
    inner = re.sub(r"<!--.*?-->|<style.*?</style>", "", inner, flags=re.DOTALL)
    inner = re.sub(r"<[^>]+>", lambda tag: _in_page(tag[0], name), inner)
    (size,) = re.findall(r'viewBox="[^"]*"', head)
    return Markup(
        f'<svg role="img" aria-labelledby="{name}-title {name}-desc" {size} xmlns="http://www.w3.org/2000/svg" '
        f'xmlns:xlink="http://www.w3.org/1999/xlink">\n<title id="{name}-title">{escape(title)}</title>\n'
        f'<desc id="{name}-desc">{escape(description)}</desc>{inner}'
    )


def _in_page(tag: str, name: str) -> str:
    """The tag with the colours of the page, and with identifiers that no other figure has."""
    for colour, variable in _VARIABLES.items():
        tag = tag.replace(colour, f"var({variable})")
    return re.sub(r'(\bid="|href="#|url\(#)', rf"\1{name}-", tag)


def _whiskers(drawn: Points, inside: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """How far the interval of each point reaches below and above it."""
    at = inside(drawn.observed)
    return np.maximum([at - inside(drawn.low), inside(drawn.high) - at], 0)


def _logit(predicted: np.ndarray) -> np.ndarray:
    """The logit of a prediction, at most as far out as the bins beyond the ends are drawn."""
    return np.clip(special.logit(predicted), -BIN_END - BIN_WIDTH, BIN_END + BIN_WIDTH)


def _logit_ticks(axis: Axis, low: float, high: float) -> None:
    """As many shares as have room for their labels, and one at least."""
    ticks: list[float] = []
    for tick in _TICKS:
        at = special.logit(tick)
        if low < at < high and all(abs(at - special.logit(other)) > (high - low) / 6 for other in ticks):
            ticks.append(tick)
    ticks = ticks or [float(special.expit((low + high) / 2))]
    axis.set_ticks(special.logit(ticks), [f"{100 * tick:.{3 if tick < 0.9 else 6}g}%" for tick in ticks])


def _share_ticks(axis: Axis) -> None:
    axis.set_major_locator(ticker.MaxNLocator(3))
    axis.set_major_formatter(lambda share, _: f"{100 * share:.10g}%")


def _label(group: Group | GroupDifference) -> str:
    most = _LABEL // len(group.key)
    texts = (cell(value) for value in group.key)
    return ", ".join(text if len(text) <= most else text[: most - 1] + "…" for text in texts)
