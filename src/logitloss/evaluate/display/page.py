"""A report as one HTML page that needs nothing else: no script, no network, no font.

The words are chosen in `sections`, the figures are drawn in `figures`, and `page.html.jinja` puts them together.
"""

from __future__ import annotations

import importlib.resources
import math

import jinja2
from matplotlib.figure import Figure

import logitloss
from logitloss.evaluate.calibration import weighted
from logitloss.evaluate.display import figures
from logitloss.evaluate.display.sections import WORDS, error, groups_of, is_binary, nats, percent, sections_of
from logitloss.evaluate.display.table import cell
from logitloss.evaluate.results import Report, Score


def whole(report: Report) -> str:
    """The page."""
    return _render(report, whole=True)


def fragment(report: Report) -> str:
    """The headline, the groups and the reliability diagram as a part of another page, such as a notebook."""
    return _render(report, whole=False)


def plot(report: Report) -> Figure:
    """The reliability diagram as a Matplotlib figure."""
    if not is_binary(report):
        raise ValueError(
            "plot: logits that are lists, one for each class, have no reliability diagram; score each class"
        )
    return figures.reliability(weighted(report.bins))


def _render(report: Report, *, whole: bool) -> str:
    template = importlib.resources.files("logitloss.evaluate.display").joinpath("page.html.jinja").read_text()
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    return environment.from_string(template).render(
        whole=whole,
        source=_source(report),
        headline=_headline(report.overall),
        lede=_lede(report),
        groups=groups_of(report) if report.groups else None,
        sections=list(sections_of(report, whole=whole)),
        words=WORDS,
        logits=report.logits,
        labels=report.labels,
        version=logitloss.__version__,
    )


def _source(report: Report) -> str:
    names = [cell(name) for name in report.sources]
    return ", ".join(names[:3]) + (f" and {len(names) - 3:,} more" if len(names) > 3 else "")


def _headline(overall: Score) -> str:
    """The one sentence to remember."""
    if math.isnan(overall.mean_loss):
        return "The mean loss is undefined: no row weighs anything, or two infinite logits leave no probability"
    if math.isinf(overall.mean_loss):
        return "The mean loss is infinite: at least one row was given a probability of 0 for what came true"
    loss = f"The mean loss is {nats(overall.mean_loss)} nats"
    if not overall.base_loss:
        return f"{loss}; all labels are the same"
    if overall.skill > 0:
        return f"{loss}, {percent(overall.skill)} less than that of always predicting the base rate"
    return f"{loss}, no better than always predicting the base rate, which loses {nats(overall.base_loss)}"


def _lede(report: Report) -> str:
    overall = report.overall
    sentences = [f"{overall.rows:,} rows; the standard error of the mean loss is {error(overall.standard_error)}."]
    if not math.isnan(overall.mean_label):
        sentences.append(
            f"The mean label is {percent(overall.mean_label)}, the mean prediction {percent(overall.mean_probability)}."
        )
    if report.skipped:
        sentences.append(f"{report.skipped:,} more rows could not be scored and are left out.")
    if report.zeros or report.ones:
        sentences.append(f"{report.zeros + report.ones:,} probabilities are exactly 0 or 1.")
    return " ".join(sentences)
