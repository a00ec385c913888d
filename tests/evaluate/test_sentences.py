"""Each sentence that the page can say, on data for which it is right and on data for which it would be wrong."""

import math
import re
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from logitloss.evaluate import score
from logitloss.evaluate.compare import compare

pytest.importorskip("scipy")

from logitloss.evaluate.display.findings import WITHIN, Findings
from logitloss.evaluate.display.sentences import SENTENCES, say
from logitloss.evaluate.display.sentences.calibration import _off
from logitloss.evaluate.results import Comparison

INF = math.inf


def rows(logits, labels, **columns):
    """The report of these rows; `k` are keys, `w` weights, `c` clusters."""
    named = {name: option for name, option in {"k": "by", "w": "weights", "c": "cluster"}.items() if name in columns}
    options = {option: name for name, option in named.items()}
    return score(pa.table({"x": logits, "z": labels} | columns), logits="x", labels="z", **options)


def predictions(shift=0.0, scale=1.0, n=4000, by=None, **columns):
    """Perfectly calibrated logits, then shifted and stretched; `by` groups of equal size."""
    r = np.random.default_rng(0)
    logits = r.normal(-1, 1.5, n)
    labels = r.random(n) < 1 / (1 + np.exp(-logits))
    return rows(logits * scale + shift, labels, **({"k": np.arange(n) % by} if by else {}), **columns)


def quarters():
    """Two logits, of which the labels agree exactly with the probabilities, 1/4 and 3/4."""
    logits = np.repeat(np.log([1 / 3, 3.0]), 400)
    return rows(logits, [0, 0, 0, 1] * 100 + [1, 1, 1, 0] * 100)


def worse_by_group(bad=2000):
    """Two groups, in the second of which every prediction is as wrong as it is right in the first."""
    logits = np.log(np.r_[np.full(2000, 3.0), np.full(bad, 1 / 3)])
    labels = np.r_[[1, 1, 1, 0] * 500, [1, 1, 1, 0] * (bad // 4)]
    return rows(logits, labels, k=["good"] * 2000 + ["bad"] * bad)


def probabilities(zeros):
    table = pa.table({"x": [0.0] * zeros + [0.5, 0.5], "z": [0] * zeros + [0, 1]})
    return score(table, probabilities="x", labels="z")


def skipping(bad):
    table = pa.table({"x": [1.0, -1.0, 1.0] + [math.nan] * bad, "z": [1, 0, 1] + [0] * bad})
    return score(table, logits="x", labels="z", skip_invalid=True, max_skipped=1)


def by_day(days, n=4000):
    return predictions(n=n, c=np.arange(n) % days)


def between(*logits):
    """Logits of which so many are from 0 to 1."""
    return replace(rows(logits, [0, 1, 1]), between=sum(0 <= one <= 1 for one in logits))


def compared(mine, other, labels, **columns):
    """The comparison of two columns of logits."""
    table = pa.table({"x": np.array(mine, float), "y": np.array(other, float), "z": labels} | columns)
    options = {"cluster": "c"} if "c" in columns else {}
    return compare(table, logits="x", other_logits="y", labels="z", **options)


def sharper(scale):
    """A model beside a perfectly calibrated one whose logits it multiplies."""
    r = np.random.default_rng(0)
    logits = r.normal(-1, 1.5, 4000)
    labels = r.random(4000) < 1 / (1 + np.exp(-logits))
    return compared(logits * scale, logits, labels, c=np.arange(4000) % 50)


def by_row(mine, other):
    return compared(mine, other, [1, 0] * 50)


INDEPENDENT = (
    "Intervals take the rows to be independent. Where rows share a user, a day or a document, they are too narrow"
)

# For each sentence: data for which it is right, what it then says (... stands for anything), and data for which it
# would be wrong.
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
    "mean_and_interval": (
        lambda: rows([0.0, 2.0], [1, 0]),
        "2 rows, mean loss 1.410 nats, with 95% confidence between 0 and 10.52.",
        lambda: rows([0.0], [1]),
    ),
    "no_interval": (
        lambda: rows([0.0], [1]),
        "1 row, mean loss 0.6931 nats; how far chance moves the mean cannot be told.",
        lambda: rows([0.0, 2.0], [1, 0]),
    ),
    "independent_rows": (predictions, INDEPENDENT + ": score with --cluster.", lambda: by_day(50)),
    "clusters": (
        lambda: by_day(50),
        "Intervals allow for rows of the same c to be alike: there are 50 of these.",
        lambda: by_day(5),
    ),
    "few_clusters": (
        lambda: by_day(5),
        "There are only 5 of these, or most rows are in a few: the intervals are wide, and rough.",
        lambda: by_day(50),
    ),
    "left_out": (
        lambda: skipping(1),
        "1 row (25.0% of all) could not be scored and is left out: 1 ...",
        lambda: skipping(0),
    ),
    "zeros_and_ones": (
        lambda: probabilities(2),
        "2 given probabilities are exactly 0 or 1; where the label differs, the loss is infinite.",
        lambda: probabilities(0),
    ),
    "look_like_probabilities": (
        lambda: between(0.25, 0.75, 1.0),
        "All logits lie between 0 and 1, as probabilities do. If they are probabilities, these scores are wrong: read "
        "them with --probabilities (in Python probabilities=).",
        lambda: between(0.25, 0.75, 1.5),
    ),
    "predictions_off": (
        lambda: predictions(shift=0.5),
        "On average the predictions are too high: they average 4...%, the labels 3...%, a difference larger than chance "
        "explains (95%).",
        predictions,
    ),
    "predictions_right_on_average": (
        predictions,
        "The predictions average 3...%, the labels 3...%: chance can explain the difference (its 95% interval: −... to "
        "+... points).",
        lambda: predictions(shift=0.5),
    ),
    "points_off_the_diagonal": (
        lambda: predictions(scale=2.0),
        "At ... of ... points, from predictions of 0...% to 9...%, the observed share differs from the prediction by more "
        "than chance explains (95% each).",
        quarters,
    ),
    "all_points_on_the_diagonal": (
        quarters,
        "At each of 2 points, from predictions of 25.0% to 75.0%, the 95% interval of the observed share holds the "
        "prediction.",
        lambda: predictions(scale=2.0),
    ),
    "infinite_miscalibration": (
        lambda: rows([-INF, 1.0], [1, 0]),
        "What recalibration could gain has no bound: at least one prediction of 0 or 1 was wrong.",
        lambda: rows([INF, 1.0], [1, 0]),
    ),
    "recalibration_with_clusters": (
        lambda: by_day(50),
        "The best recalibration of these very rows saves 0.00... of 0.4... nats, and a part of that is chance: "
        "0.00... on average if predictions far apart err independently, most often more if they err together.",
        predictions,
    ),
    "nothing_to_gain": (
        quarters,
        "Recalibration has nothing sure to gain: the miscalibration is 0... nats, that of perfectly calibrated "
        "predictions 0.00... on average and 0.00... in one of twenty draws.",
        lambda: predictions(scale=2.0),
    ),
    "something_to_gain": (
        lambda: predictions(scale=2.0),
        "Recalibration could gain about 0... of 0... nats: the miscalibration is 0..., that of perfectly calibrated "
        "predictions 0.00... on average.",
        quarters,
    ),
    "the_group_that_adds_most": (
        worse_by_group,
        "1 group of 2 surely adds to the mean loss (95%, with Holm's correction), most of all k bad: 0.14 nats, with a "
        "standard error of 0.0... Its own mean loss is 1.112; its base-rate loss is 0.5623.",
        lambda: worse_by_group(bad=4),
    ),
    "no_group_adds_surely": (
        lambda: worse_by_group(bad=4),
        "No group surely adds to the mean loss: of 2, none of 20 rows or more loses more than all rows do by more than "
        "chance explains (95%, with Holm's correction).",
        worse_by_group,
    ),
    "groups_with_an_infinite_loss": (
        lambda: rows([-INF, 1.0, 0.0], [1, 0, 0], k=["a", "b", "c"]),
        "The mean loss is infinite in 1 of 3 groups: k a.",
        lambda: rows([-9.0, 1.0, 0.0], [1, 0, 0], k=["a", "b", "c"]),
    ),
    "groups_off": (
        lambda: predictions(shift=1.0, by=4),
        "The predictions are too low or too high on average in 4 of 4 groups; were all of them right, chance would make "
        "that appear in about one group of twenty at most.",
        lambda: predictions(shift=1.0),
    ),
    "shares_of_losses": (
        lambda: rows([0.0, 1.0, 3.0, -3.0], [1, 1, 1, 1]),
        "50.0% of the rows lose less than 0.5 nats, 25.0% lose 2 or more.",
        None,
    ),
    "the_same_losses": (
        lambda: by_row([1.0] * 100, [1.0] * 100),
        "The two models lose the same in every row",
        lambda: by_row([1.0] * 100, [1.0] * 99 + [2.0]),
    ),
    "one_is_infinite": (
        lambda: by_row([-INF] * 100, [1.0] * 100),
        "The mean losses are infinite and, of the other model, 0.8133",
        lambda: by_row([-9.0] * 100, [1.0] * 100),
    ),
    "the_model_is_worse": (
        lambda: sharper(3.0),
        "The model is worse than the other: it gives what happened a probability of ...% on average (geometric mean), the "
        "other 6...%",
        lambda: sharper(1.001),
    ),
    "the_model_is_better": (
        lambda: compared([1.0, -1.0] * 50, [0.5, -0.25] * 50, [1, 0] * 50),
        "The model is better than the other: it gives what happened a probability of 73.1% on average (geometric mean), "
        "the other 5...%",
        lambda: sharper(3.0),
    ),
    "neither_is_surely_better": (
        lambda: sharper(1.001),
        "Neither model is surely better: the first gives what happened a probability of 6...% on average "
        "(geometric mean), the other 6...%",
        lambda: sharper(3.0),
    ),
    "difference_and_interval": (
        lambda: sharper(3.0),
        "4,000 rows; the mean loss is ... nats, that of the other model 0.4... The difference is +0..., with 95% "
        "confidence between +0... and +0...",
        lambda: compared([0.0], [1.0], [1]),
    ),
    "compared_by_cluster": (
        lambda: sharper(1.1),
        "Intervals allow for rows of the same c to be alike: there are 50 of these.",
        lambda: by_row([1.0] * 100, [2.0, 1.0] * 50),
    ),
    "compared_by_row": (
        lambda: by_row([1.0] * 100, [2.0, 1.0] * 50),
        INDEPENDENT + ": compare with --cluster.",
        lambda: sharper(1.1),
    ),
}  # fmt: skip


def found(result):
    """What its sentences are told of."""
    return result if isinstance(result, Comparison) else Findings(result)


def said(name, report):
    """What this sentence says of the report."""
    (sentence,) = [one for slot in SENTENCES.values() for one in slot if one.__name__ == name]
    return sentence(found(report))


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
    assert say(slot, found(right())) == [text]  # no other of the slot is said first


@pytest.mark.parametrize("name", [name for name, (_, _, wrong) in CASES.items() if wrong])
def test_where_it_would_be_wrong_it_is_not_said(name):
    assert said(name, CASES[name][2]()) is None


def test_exactly_one_headline_whatever_the_data():
    for right, _, wrong in CASES.values():
        for data in (right, wrong):
            if data is not None:
                one = data()
                slot = "compared" if isinstance(one, Comparison) else "headline"
                assert len(say(slot, found(one))) == 1


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


# --- the rates that sentences promise, in 2,000 draws of perfectly calibrated predictions -----------------------------


def drawn(rng, weights, rows_=400, groups=5):
    logits = rng.normal(-1, 1.5, rows_)
    labels = rng.random(rows_) < 1 / (1 + np.exp(-logits))
    weighing = {"w": rng.lognormal(0, 1.5, rows_)} if weights else {}
    return Findings(rows(logits, labels, k=rng.integers(0, groups, rows_), **weighing))


@pytest.mark.parametrize("weights", [False, True])
def test_chance_makes_no_more_appear_than_is_said(weights):
    """Points off the diagonal, groups too low or too high, groups that surely add: at most one in twenty."""
    rng, draws = np.random.default_rng(0), 2000
    points_off = points = groups_off = groups = any_worse = 0
    for _ in range(draws):
        one = drawn(rng, weights)
        points_off += _off(one)
        points += len(one.points.rows)
        groups_off += sum(verdict != WITHIN for verdict in one.verdicts)
        groups += len(one.verdicts)
        any_worse += bool(one.surely_worse)
    slack = 3 * math.sqrt(0.05 * 0.95 / draws)  # of the simulation
    assert points_off / points < 0.05 + slack
    assert groups_off / groups < 0.05 + slack
    assert any_worse / draws < 0.05 + slack
