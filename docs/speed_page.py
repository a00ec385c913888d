"""Makes the tables and the plot of the speed page from the latest results: `python docs/speed_page.py`.

`python benchmarks/run.py` measures them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import matplotlib as mpl
from accuracy_page import FAINT, INK, OUT
from matplotlib import pyplot as plt

from logitloss.bench import Row
from logitloss.bench.cases import OPS
from logitloss.bench.report import LEAD, is_peer, read_csv, tables, versions

RESULTS = Path(__file__).parents[1] / "benchmarks" / "results"
LARGE = str(2**24)

# Okabe and Ito's colours, and a marker and a dash pattern each: what is compiled is dashed.
STYLES = {
    "NumPy formula": ("#E69F00", "solid", "o"),
    "numexpr": ("#8A8A8A", "solid", "v"),
    "SciPy": ("#56B4E9", "solid", "^"),
    "scikit-learn": ("#009E73", "solid", "s"),
    "torch eager": ("#D55E00", "solid", "D"),
    "torch.compile": ("#D55E00", (0, (4, 2)), "D"),
    "TensorFlow eager": ("#CC79A7", "solid", "P"),
    "TensorFlow XLA": ("#CC79A7", (0, (4, 2)), "P"),
    "jax.jit": ("#0072B2", (0, (4, 2)), "X"),
}
# What was aimed at: the largest ratio to the memory bound, float32, two threads.
AIMS = {
    ("forward", LARGE): 1.6,
    ("mean", LARGE): 2.5,
    ("mean_and_grad", LARGE): 2.0,
    ("grad_and_hess", LARGE): 2.0,
    ("sparse_forward", "512x32768"): 2.0,
    ("sparse_forward", "65536x10"): 3.0,
    ("sparse_forward", "8x262144"): 2.0,
    ("sparse_mean_and_grad", "512x32768"): 2.0,
    ("sparse_mean_and_grad", "65536x10"): 3.0,
    ("sparse_mean_and_grad", "8x262144"): 2.0,
}
PANELS = {"forward": "Losses into a given array", "mean_and_grad": "Mean and gradient"}


def main() -> None:
    """Write the tables and, in both themes, the plot."""
    path = max(RESULTS.glob("*/*.csv"), key=lambda path: path.stem)
    with path.open() as file:
        rows = read_csv(file)
    measured = f"Measured on {path.parent.name} ({path.stem}), numbers as in `benchmarks/results/`."
    (OUT / "speed_table.md").write_text(f"{measured}\n\n{markdown(rows, is_main)}\n{versions(rows)}\n")
    (OUT / "speed_aims.md").write_text(aims(rows))
    (OUT / "speed_kinds.md").write_text(markdown(rows, is_kind))
    (OUT / "speed_isas.md").write_text(markdown(rows, is_reduced))
    for theme in INK:
        plot(rows, theme, OUT / f"speed-{theme}.svg")


def is_main(row: Row) -> bool:
    """Whether a row is of float32 and hard labels or classes, with two threads and the best instruction set."""
    large = row.size == LARGE and row.labels == "hard"
    plain = (row.dtype, row.threads) == ("float32", 2) and row.isa != "avx2"
    return plain and (large or row.labels == "class" or row.op == "call")


def is_kind(row: Row) -> bool:
    """Whether a row is of another dtype or other labels."""
    usual = (row.dtype, row.labels) == ("float32", "hard")
    return row.threads == 2 and row.isa != "avx2" and row.size == LARGE and not usual


def is_reduced(row: Row) -> bool:
    """Whether a row is of one thread or AVX2."""
    return row.threads == 1 or row.isa == "avx2"


def aims(rows: list[Row]) -> str:
    """Return what was aimed at, what was measured, and the fastest peer."""
    lines = [
        "| float32, 2 threads, ratio to the memory bound | aim | logitloss | | fastest peer |",
        "|---|---:|---:|---|---|",
    ]
    for (op, size), aim in AIMS.items():
        own = {row.implementation: row for row in rows if is_main(row) and (row.op, row.size) == (op, size)}
        best = min((row for name, row in own.items() if is_peer(name)), key=lambda row: row.ratio)
        reached = own["logitloss"].ratio
        lines.append(
            f"| {OPS[op]}, {size} | {aim} | {reached:.2f} | {'reached' if reached <= aim else 'not reached'} "
            f"| {best.implementation} {best.ratio:.2f} |"
        )
    return "\n".join(lines) + "\n"


def markdown(rows: Iterable[Row], chosen: Callable[[Row], bool]) -> str:
    """Return the tables of the chosen rows, one under the other, with cases down and implementations across.

    What matters most is on the left: a narrow screen cuts the rest off.
    """
    first = ["memory bound", "logitloss", LEAD]
    lines = []
    for table in tables([row for row in rows if chosen(row)]):
        body = sorted(table.body, key=lambda line: first.index(line[0]) if line[0] in first else len(first))
        names = [f"**{name}**" if name == "logitloss" else name for name, _ in body]
        lines += [f"**{table.title}**", "", f"| | {' | '.join(names)} |", "|---" + "|---:" * len(names) + "|"]
        for case, cells in zip(table.head, zip(*(cells for _, cells in body), strict=True), strict=True):
            shown = [
                f"**{cell}**" if name == "**logitloss**" else cell for name, cell in zip(names, cells, strict=True)
            ]
            lines.append(f"| {', '.join(case)} | {' | '.join(shown)} |")
        lines.append("")
    return "\n".join(lines) + "\n"


def plot(rows: list[Row], theme: str, path: Path) -> None:
    """Draw time per element against the number of elements, the memory bound as a dotted line."""
    ink, faint = INK[theme], FAINT[theme]
    mpl.rcParams.update(
        {"svg.hashsalt": "logitloss", "svg.fonttype": "none", "font.family": "sans-serif", "font.size": 11}
    )
    mpl.rcParams.update(dict.fromkeys(("text.color", "axes.labelcolor", "xtick.color", "ytick.color"), ink))
    figure, panels = plt.subplots(1, 2, figsize=(10, 5.6), layout="constrained", sharey=True)
    for axes, (op, title) in zip(panels, PANELS.items(), strict=True):
        curves: dict[str, list[tuple[int, float]]] = {}
        for row in rows:
            shown = (row.op, row.dtype, row.labels, row.threads) == (op, "float32", "hard", 2) and row.isa != "avx2"
            if shown and set(row.size[1:]) == {"0"}:
                curves.setdefault(row.implementation, []).append((int(row.size), row.ns_best))
        for name, (color, dashes, marker) in STYLES.items():
            if name in curves:
                points = zip(*curves[name], strict=True)
                axes.plot(*points, color=color, linestyle=dashes, marker=marker, markersize=4, label=name)
        for name, dashes, width in (("memory bound", (0, (1, 1.5)), 2.0), ("logitloss", "solid", 2.8)):
            axes.plot(*zip(*curves[name], strict=True), color=ink, linestyle=dashes, linewidth=width, label=name)
        axes.set(xscale="log", yscale="log", xlabel="elements", title=title)
        axes.spines[["top", "right"]].set_visible(False)
        axes.spines[["left", "bottom"]].set_color(faint)
        axes.tick_params(color=faint, which="both")
        axes.grid(axis="y", color=faint, alpha=0.25, linewidth=0.6)
    panels[0].set_ylabel("nanoseconds per element")
    handles, names = panels[0].get_legend_handles_labels()
    order = [len(names) - 1, len(names) - 2, *range(len(names) - 2)]
    figure.legend(
        [handles[i] for i in order], [names[i] for i in order], loc="outside lower center", ncols=4, frameon=False
    )
    figure.savefig(path, transparent=True, metadata={"Date": None})
    plt.close(figure)


if __name__ == "__main__":
    main()
