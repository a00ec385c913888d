"""What people and programs read: tables, JSON, the page.

A report asks here alone how it is shown. What takes long to import is imported when it is needed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from logitloss.evaluate.display import data, table
from logitloss.evaluate.display.saving import save

if TYPE_CHECKING:
    import pyarrow as pa
    from matplotlib.figure import Figure

    from logitloss.evaluate.results import Comparison, Report


__all__ = ["html", "plot", "save", "text", "to_arrow", "to_dict"]


def text(result: Report | Comparison) -> str:
    """The table for people."""
    return table.table(result)


def to_arrow(result: Report | Comparison) -> pa.Table:
    """A row for all rows and one for each group."""
    return data.to_arrow(result)


def to_dict(result: Report | Comparison) -> dict[str, Any]:
    """The numbers by name, the groups in a list, the worst first."""
    return data.to_dict(result)


def html(report: Report) -> str:
    """The page, as a part of another."""
    from logitloss.evaluate.display import page

    return page.fragment(report)


def plot(report: Report) -> Figure:
    """The reliability diagram."""
    from logitloss.evaluate.display import page

    return page.plot(report)
