"""Makes the table and the plots of the accuracy page: `python docs/accuracy_page.py`, with the peers installed.

The results are committed, so that building the documentation needs no framework.
"""

from __future__ import annotations

import platform
import sys
from operator import attrgetter
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib import pyplot as plt

from logitloss import _core
from logitloss.accuracy import Row, sweep, truths
from logitloss.accuracy.peers import IMPLEMENTATIONS, Run
from logitloss.accuracy.report import ulp_text

OUT = Path(__file__).parent / "_generated"

# Okabe and Ito's colours, which colour-blind readers tell apart, and a dash pattern and a width each: lines that lie on
# top of one another stay visible, the widest below.
STYLES = {
    "NumPy formula": ("#E69F00", "solid", 5.0),
    "SciPy": ("#56B4E9", "solid", 3.4),
    "PyTorch": ("#D55E00", (0, (5, 2)), 1.8),
    "scikit-learn": ("#009E73", "solid", 1.8),
    "TensorFlow": ("#CC79A7", "solid", 3.4),
    "Keras": ("#0072B2", (0, (2, 2)), 1.8),
    "optax (JAX)": ("#8A8A8A", (0, (4, 1.5, 1, 1.5)), 1.8),
}
INK = {"light": "#1b1b1b", "dark": "#eeeeee"}
FAINT = {"light": "#888888", "dark": "#9a9a9a"}


def main() -> None:
    """Measure, then write the table and the plots in both themes."""
    OUT.mkdir(exist_ok=True)
    measured = sweep(progress=lambda what, share: print(f"{share:4.0%} {what}", file=sys.stderr))
    softmax = [row for row in measured if row.operation == "softmax" and row.dtype in ("float32", "float64")]
    (OUT / "accuracy_softmax.md").write_text(table(softmax))
    rows = [row for row in measured if row.operation == "sigmoid"]
    (OUT / "accuracy_table.md").write_text(table(rows))
    (OUT / "accuracy_witnesses.md").write_text(witnesses(rows))
    runs = {one.name: one.load() for one in IMPLEMENTATIONS if one.installed()}
    for output, label in (("loss", 0.0), ("gradient", 1.0)):
        curves = relative_errors(runs, output, label)
        for theme in INK:
            plot(curves, output, theme, OUT / f"{output}-{theme}.svg")


def table(rows: list[Row]) -> str:
    """Return the largest errors, a table for each dtype and output: implementations down, zones across."""
    versions = dict.fromkeys(f"{row.implementation} {row.version}" for row in rows)
    lines = [
        f"Measured with {', '.join(versions)} on {platform.system()} {platform.machine()}, instruction set "
        f"{_core.isa()}. Largest errors in ulp, rounded up; **bold** where at most 0.5.",
        "",
    ]
    zones = dict.fromkeys(row.zone.replace("|", r"\|") for row in rows)
    for dtype, output in dict.fromkeys((row.dtype, row.output) for row in rows):
        lines += [f"| {dtype}, {output} | {' | '.join(zones)} |"]
        lines += ["|---" * (len(zones) + 1) + "|"]
        cells: dict[str, list[str]] = {}
        for row in rows:
            if (row.dtype, row.output) != (dtype, output):
                continue
            text = ulp_text(row.ulp)
            cells.setdefault(row.implementation, []).append(f"**{text}**" if row.ulp <= 0.5 else text)
        lines += [f"| {implementation} | {' | '.join(texts)} |" for implementation, texts in cells.items()]
        lines.append("")
    return "\n".join(lines)


def witnesses(rows: list[Row]) -> str:
    """Return, for float32, where the loss and the gradient of each implementation are worst."""
    lines = ["| | output | logit | label | computed | truth | error in ulp |", "|---" * 7 + "|"]
    float32 = [row for row in rows if row.dtype == "float32"]
    for implementation in dict.fromkeys(row.implementation for row in float32):
        for output in ("loss", "gradient"):
            own = [row for row in float32 if row.implementation == implementation and row.output == output]
            worst = max(own, key=attrgetter("ulp"))
            logit, label, got = (str(np.float32(v)) for v in (worst.logit, worst.label, worst.got))
            numbers = f"{logit} | {label} | {got} | {worst.want:.8g} | {ulp_text(worst.ulp)}"
            lines.append(f"| {implementation} | {output} | {numbers} |")
    return "\n".join(lines) + "\n"


def relative_errors(runs: dict[str, Run], output: str, label: float) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return the largest relative error in float32 over every half unit of the logit, from -110 to 110."""
    logits = np.linspace(-110, 110, 440 * 24 + 1, dtype=np.float32)[:-1]
    labels = np.full_like(logits, label)
    index = ("loss", "gradient").index(output)
    truth = truths(logits, labels)[index]
    exact = np.abs(truth.whole + truth.fraction)
    curves = {}
    for name, run in runs.items():
        values = run(logits, labels)[index].astype(np.float64)
        with np.errstate(all="ignore"):
            error = np.abs(np.ldexp(values, -truth.unit) - truth.whole - truth.fraction) / exact
        # Below half the smallest subnormal number 0 is the best answer, and still all of the value is lost.
        error = np.where(values == 0, 1.0, np.where(np.isnan(error), np.inf, error))
        curves[name] = (logits.reshape(440, 24).mean(axis=1), error.reshape(440, 24).max(axis=1))
    return curves


def plot(curves: dict[str, tuple[np.ndarray, np.ndarray]], output: str, theme: str, path: Path) -> None:
    """Draw the curves of one output for readers with a light or a dark page."""
    ink, faint = INK[theme], FAINT[theme]
    mpl.rcParams.update(
        {"svg.hashsalt": "logitloss", "svg.fonttype": "none", "font.family": "sans-serif", "font.size": 11}
    )
    mpl.rcParams.update(dict.fromkeys(("text.color", "axes.labelcolor", "xtick.color", "ytick.color"), ink))
    figure, axes = plt.subplots(figsize=(9, 5.4), layout="constrained")
    empty = 1 if output == "loss" else -1  # the side without tails has room for words
    words = {"color": faint, "ha": "right" if empty > 0 else "left", "fontsize": 9.5}
    axes.axhline(2.0**-24, color=faint, linewidth=1, linestyle=(0, (1, 2)))
    axes.text(empty * 108, 2.0**-24 * 1.2, "half a unit of 24 digits", va="bottom", **words)
    axes.text(empty * 108, 1, "0 in place of the value", va="center", **words)
    axes.axvline(-empty * 87.34, color=faint, linewidth=1, linestyle=(0, (1, 2)))
    axes.text(
        -empty * 85,
        3e-9,
        "results beyond are\nsubnormal float32",
        va="center",
        **words | {"ha": "left" if empty > 0 else "right"},
    )
    for name, (color, dashes, width) in STYLES.items():
        if name in curves:
            axes.plot(*curves[name], color=color, linestyle=dashes, linewidth=width, label=name)
    axes.plot(*curves["logitloss"], color=ink, linewidth=2.4, label="logitloss")
    what = {"loss": "Loss of a negative (label 0)", "gradient": "Gradient of a positive (label 1)"}[output]
    axes.set(yscale="log", ylim=(1e-9, 4), xlim=(-110, 110), xlabel="logit", ylabel="relative error", title=what)
    axes.set_xticks(range(-100, 101, 20))
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(faint)
    axes.tick_params(color=faint, which="both")
    axes.grid(axis="y", color=faint, alpha=0.25, linewidth=0.6)
    handles, names = axes.get_legend_handles_labels()
    figure.legend(
        [handles[-1], *handles[:-1]], [names[-1], *names[:-1]], loc="outside lower center", ncols=4, frameon=False
    )
    figure.savefig(path, transparent=True, metadata={"Date": None})
    plt.close(figure)


if __name__ == "__main__":
    main()
