"""Each sentence that the page can say, on data for which it is right and on data for which it would be wrong."""

import math
import re

import numpy as np
import pyarrow as pa
import pytest

from logitloss.evaluate import score

pytest.importorskip("scipy")

from logitloss.evaluate.display.findings import Findings
from logitloss.evaluate.display.sentences import SENTENCES, say

INF = math.inf


def rows(logits, labels, **columns):
    """The report of these rows; `k` are keys, `w` weights."""
    table = {"x": logits, "z": labels} | columns
    by, weights = ("k" if "k" in columns else ()), ("w" if "w" in columns else None)
    return score(pa.table(table), logits="x", labels="z", by=by, weights=weights)


def predictions(shift=0.0, scale=1.0, n=4000, by=None):
    """Perfectly calibrated logits, then shifted and stretched; `by` groups of equal size."""
    r = np.random.default_rng(0)
    logits = r.normal(-1, 1.5, n)
    labels = r.random(n) < 1 / (1 + np.exp(-logits))
    return rows(logits * scale + shift, labels, **({"k": np.arange(n) % by} if by else {}))


def probabilities(zeros):
    table = pa.table({"x": [0.0] * zeros + [0.5, 0.5], "z": [0] * zeros + [0, 1]})
    return score(table, logits="x", labels="z", probabilities=True)


def skipping(bad):
    table = pa.table({"x": [1.0, -1.0, 1.0] + [math.nan] * bad, "z": [1, 0, 1] + [0] * bad})
    return score(table, logits="x", labels="z", skip_invalid=True)


# For each sentence: data for which it is right, what it then says, and data for which it would be wrong.
CASES = {
    "no_weight": (lambda: rows([1.0], [1], w=[0.0]), "no row has a weight above 0", lambda: rows([1.0], [1], w=[0.5])),
    "undefined": (
        lambda: rows([[INF, INF], [0.0, 1.0]], [0, 1]),
        "at least one row has infinite logits that leave no probabilities",
        lambda: rows([[INF, 0.0], [0.0, 1.0]], [0, 1]),
    ),
    "infinite": (
        lambda: rows([-INF, 1.0], [1, 0]),
        "The mean loss is infinite: at least one row was given a probability of 0 for what happened",
        lambda: rows([INF, 1.0], [1, 0]),
    ),
    "one_class": (
        lambda: rows([0.0, 0.0], [1, 1]),
        "gives what happened a probability of 50.0% on average (geometric mean); all labels are the same",
        lambda: rows([0.0, 0.0], [1, 0]),
    ),
    "better_than_the_base_rate": (
        lambda: rows(np.log([3.0, 1 / 3]), [1, 0]),
        "a probability of 75.0% on average (geometric mean); always predicting the base rate gives 50.0%",
        lambda: rows(np.log([1 / 3, 3.0]), [1, 0]),
    ),
    "no_better_than_the_base_rate": (
        lambda: rows(np.log([1 / 3, 3.0]), [1, 0]),
        "a probability of 25.0% on average (geometric mean); always predicting the base rate gives 50.0%, which is "
        "no worse",
        lambda: rows(np.log([3.0, 1 / 3]), [1, 0]),
    ),
    "rows": (lambda: rows([0.0], [1]), "1 row, mean loss 0.6931 nats.", None),
    "independent_rows": (lambda: predictions(), "take the rows to be independent. Where rows share a user, a day or a document, they are too narrow.", lambda: rows([0.0], [1])),
    "left_out": (
        lambda: skipping(1),
        "1 row (25.0% of all) could not be scored and is left out.",
        lambda: skipping(0),
    ),
    "zeros_and_ones": (
        lambda: probabilities(2),
        "2 given probabilities are exactly 0 or 1; where the label differs, the loss is infinite.",
        lambda: probabilities(0),
    ),
    "predictions_off": (
        lambda: predictions(shift=0.5),
        "On average the predictions are too high: they average 4...%, the labels 3...%, a difference larger than chance "
        "explains (95%).",
        lambda: predictions(),
    ),
    "predictions_right_on_average": (
        lambda: predictions(),
        "The predictions average 3...%, the labels 3...%: 4,000 rows cannot tell the two apart.",
        lambda: predictions(shift=0.5),
    ),
    "points_off_the_diagonal": (
        lambda: predictions(scale=2.0),
        "At ... of ... points, from predictions of 0...% to 9...%, the observed share differs from the prediction by more "
        "than chance explains (95% each).",
        lambda: rows(np.repeat([-1.0986122886681098, 1.0986122886681098], 400), ([0, 0, 0, 1] * 100 + [1, 1, 1, 0] * 100)),
    ),
    "all_points_on_the_diagonal": (
        lambda: rows(np.repeat([-1.0986122886681098, 1.0986122886681098], 400), ([0, 0, 0, 1] * 100 + [1, 1, 1, 0] * 100)),
        "At each of 2 points, from predictions of 25.0% to 75.0%, the observed share agrees with the prediction "
        "within its 95% interval.",
        lambda: predictions(scale=2.0),
    ),
    "infinite_miscalibration": (
        lambda: rows([-INF, 1.0], [1, 0]),
        "What recalibration could gain has no bound: at least one prediction of 0 or 1 was wrong.",
        lambda: rows([INF, 1.0], [1, 0]),
    ),
    "nothing_to_gain": (
        lambda: rows(np.zeros(100), [0, 1] * 50),
        "nothing to gain beyond chance: the miscalibration is 0 nats, that of perfectly calibrated predictions 0.00... on "
        "average.",
        lambda: predictions(scale=2.0),
    ),
    "something_to_gain": (
        lambda: predictions(scale=2.0),
        "Recalibration could gain about 0... of 0... nats: the miscalibration is 0..., that of perfectly calibrated "
        "predictions 0.00... on average.",
        lambda: rows(np.zeros(100), [0, 1] * 50),
    ),
    "the_group_that_adds_most": (
        lambda: rows(np.log([1 / 3, 3.0, 3.0, 1 / 3]), [1, 0, 1, 0], k=["a", "a", "b", "b"]),
        "Of the groups, k a adds most to the mean loss, 0.27 nats: its own is 1.386; its base-rate loss is 0.6931.",
        lambda: rows(np.log([3.0, 1 / 3]), [1, 0], k=["a", "a"]),
    ),
    "groups_with_an_infinite_loss": (
        lambda: rows([-INF, 1.0, 0.0], [1, 0, 0], k=["a", "b", "c"]),
        "The mean loss is infinite in 1 group of 3: k a.",
        lambda: rows([-9.0, 1.0, 0.0], [1, 0, 0], k=["a", "b", "c"]),
    ),
    "groups_off": (
        lambda: predictions(shift=1.0, by=4),
        "outside the 95% interval of the mean label in 4 of 4 groups; were all predictions right, it would in at most one of "
        "twenty by chance.",
        lambda: predictions(shift=1.0),
    ),
    "half_and_worst": (
        lambda: predictions(),
        "At least half of the rows lose less than 0.5 nats, the worst hundredth 2 or more.",
        lambda: rows([[0.0, 1.0], [1.0, 0.0]], [0, 1]),
    ),
}  # fmt: skip


def said(name, report):
    """What this sentence says of the report."""
    (sentence,) = [one for slot in SENTENCES.values() for one in slot if one.__name__ == name]
    return sentence(Findings(report))


def test_there_is_a_case_for_each_sentence():
    names = [sentence.__name__ for slot in SENTENCES.values() for sentence in slot]
    assert sorted(names) == sorted(CASES)


@pytest.mark.parametrize("name", CASES)
def test_where_it_is_right_it_is_said(name):
    right, expected, _ = CASES[name]
    text = said(name, right())
    assert text is not None
    assert re.search(re.escape(expected).replace(r"\.\.\.", ".*") + "$", text), text
    slot = next(slot for slot, sentences in SENTENCES.items() if name in [one.__name__ for one in sentences])
    assert say(slot, Findings(right())) == [text]  # no other of the slot is said first


@pytest.mark.parametrize("name", [name for name, (_, _, wrong) in CASES.items() if wrong])
def test_where_it_would_be_wrong_it_is_not_said(name):
    assert said(name, CASES[name][2]()) is None


def test_exactly_one_headline_whatever_the_data():
    for right, _, wrong in CASES.values():
        for data in (right, wrong):
            if data is not None:
                headlines = [sentence(Findings(data())) for sentence in SENTENCES["headline"]]
                assert any(headlines)


@pytest.mark.parametrize(
    ("logits", "text"),
    [
        ([40.0, 40.0], "a probability of 100.0% on average"),
        ([-800.0, -800.0], "a probability of less than 0.0001% on average"),
        ([-14.0, -14.0], "a probability of less than 0.0001% on average"),
        ([-13.0, -13.0], "a probability of 0.00023% on average"),
    ],
)
def test_probabilities_next_to_0_and_1(logits, text):
    assert text in said("one_class", rows(logits, [1, 1]))


def test_two_probabilities_have_the_digits_that_tell_them_apart():
    text = said("better_than_the_base_rate", rows([1e-3, -1e-3], [1, 0]))
    assert "probability of 50.02% on average" in text
    assert "gives 50.00%" in text
