"""A report or a comparison as one HTML page that needs nothing else: no script, no network, no font.

The sentences are in `sentences`, what stands around them is chosen in `sections` and drawn in `figures`, and
`page.html.jinja` puts all together.
"""

from __future__ import annotations

import importlib.resources
from collections.abc import Iterable, Sequence
from typing import Any

import jinja2
from matplotlib.figure import Figure

import logitloss
from logitloss.evaluate.display import comparing, figures, sections, words
from logitloss.evaluate.display.findings import Findings
from logitloss.evaluate.display.sentences import say
from logitloss.evaluate.display.table import cell
from logitloss.evaluate.results import Comparison, Report

# The paragraphs below the headline, each of some sentences: what is found, then how far it can be relied on.
_LEDE = (
    ("probabilities",),
    ("calibration", "recalibration", "groups"),
    ("rows", "dependence"),
    ("skipped", "extremes"),
)


def whole(result: Report | Comparison, title: str | None = None) -> str:
    """The page."""
    return _render(_of(result, part=False), title=title)


def fragment(report: Report) -> str:
    """The headline, the reliability diagram and the groups as a part of another page, such as a notebook."""
    return _render(_of(report, part=True), title=None)


def plot(report: Report) -> Figure:
    """The reliability diagram as a Matplotlib figure."""
    found = Findings(report)
    if not found.points:
        raise ValueError(
            "plot: logits that are lists, one for each class, have no reliability diagram; score each class"
        )
    return figures.reliability(found.bins)


def _of(result: Report | Comparison, *, part: bool) -> dict[str, Any]:
    """What the template is filled with."""
    filled = {"whole": not part, "source": _source(result.sources), "version": logitloss.__version__}
    if isinstance(result, Comparison):
        (headline,), lede = say("compared", result), [("difference", "compared by")]
        return filled | {
            "source": f"{_source(result.sources)} beside {_source(result.others)}",
            "headline": headline,
            "lede": _paragraphs(lede, result),
            "calibration": [],
            "groups": [*comparing.groups(result)],
            "rest": [],
            "words": [*comparing.words(result)],
            "columns": None,
        }
    found = Findings(result)
    calibration = [*sections.calibration(found), *sections.losses(found)]
    (headline,) = say("headline", found)
    return filled | {
        "headline": headline,
        "lede": _paragraphs(_LEDE, found),
        "calibration": calibration[:1] if part else calibration,
        "groups": [*sections.groups(found)],
        "rest": [*sections.worst(found), sections.numbers(found), *sections.confusions(found)],
        "words": [*words.words(found)],
        "columns": (result.logits, result.labels),
    }


def _render(filled: dict[str, Any], *, title: str | None) -> str:
    template = importlib.resources.files("logitloss.evaluate.display").joinpath("page.html.jinja").read_text()
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(template).render(title=title, **filled)


def _paragraphs(slots: Iterable[Sequence[str]], found: Any) -> list[str]:
    paragraphs = ([text for slot in some for text in say(slot, found)] for some in slots)
    return [" ".join(texts) for texts in paragraphs if texts]


def _source(sources: Sequence[str]) -> str:
    names = [cell(name) for name in sources]
    return ", ".join(names[:3]) + (f" and {len(names) - 3:,} more" if len(names) > 3 else "")
