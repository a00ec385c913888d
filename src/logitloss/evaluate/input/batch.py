"""Checked rows: all that passes from reading to counting."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa


@dataclass(frozen=True)
class Batch:
    """Rows that can be scored, and what is known of those that were left out.

    Keys and clusters are canonical text (see `keys.encode`): equal where the values are, in whatever type, unit or
    format they came. A null index is a missing key.
    """

    logits: np.ndarray  # (rows,), or (rows, classes); float32 or float64, without nan
    labels: np.ndarray  # (rows,): bool, integer or float from 0 to 1; the index of a class where logits are lists
    weights: np.ndarray | None = None  # (rows,): from 0 to 1e100
    keys: list[pa.DictionaryArray] = field(default_factory=list)  # one for each key column
    cluster: pa.DictionaryArray | None = None
    skipped: Mapping[str, int] = field(default_factory=dict)  # rows left out before, by reason
    zeros: int = 0  # probabilities that are exactly 0
    ones: int = 0  # and exactly 1
    between: int = 0  # logits from 0 to 1, or lists from 0 to 1 that sum to 1: they look like probabilities
