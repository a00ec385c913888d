"""A report as one HTML page that needs nothing else: no script, no network, no font.

The sentences are in `sentences`, what stands around them is chosen in `sections` and drawn in `figures`, and
`page.html.jinja` puts all together.
"""

from __future__ import annotations

import importlib.resources

import jinja2
from matplotlib.figure import Figure

import logitloss
from logitloss.evaluate.display import figures, sections
from logitloss.evaluate.display.findings import Findings
from logitloss.evaluate.display.sentences import say
from logitloss.evaluate.display.table import cell
from logitloss.evaluate.results import Report

# The paragraphs below the headline, each of some sentences: what is found, then how far it can be relied on.
_LEDE = (("calibration", "recalibration", "groups"), ("rows", "dependence"), ("skipped", "extremes"))


def whole(report: Report, title: str | None = None) -> str:
    """The page."""
    return _render(report, whole=True, title=title)


def fragment(report: Report) -> str:
    """The headline, the reliability diagram and the groups as a part of another page, such as a notebook."""
    return _render(report, whole=False, title=None)


def plot(report: Report) -> Figure:
    """The reliability diagram as a Matplotlib figure."""
    found = Findings(report)
    if not found.points:
        raise ValueError(
            "plot: logits that are lists, one for each class, have no reliability diagram; score each class"
        )
    return figures.reliability(found.bins)


def _render(report: Report, *, whole: bool, title: str | None) -> str:
    template = importlib.resources.files("logitloss.evaluate.display").joinpath("page.html.jinja").read_text()
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    found = Findings(report)
    calibration = [*sections.calibration(found), *sections.losses(found)]
    (headline,) = say("headline", found)
    paragraphs = [[text for slot in slots for text in say(slot, found)] for slots in _LEDE]
    return environment.from_string(template).render(
        whole=whole,
        title=title,
        source=_source(report),
        headline=headline,
        lede=[" ".join(texts) for texts in paragraphs if texts],
        calibration=calibration if whole else calibration[:1],
        groups=[*sections.groups(found)],
        rest=[*sections.worst(found), sections.numbers(found)],
        words=sections.words(found),
        logits=report.logits,
        labels=report.labels,
        version=logitloss.__version__,
    )


def _source(report: Report) -> str:
    names = [cell(name) for name in report.sources]
    return ", ".join(names[:3]) + (f" and {len(names) - 3:,} more" if len(names) > 3 else "")
