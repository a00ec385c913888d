"""The softmax in `logitloss accuracy`: its definition against mpmath, its zones, peers, rows of the sweep and table."""

import csv
import io
import json
import sys

import numpy as np
import pytest

from logitloss.accuracy import peers, report, sweep, ulp_errors
from logitloss.accuracy.definition import softmax_losses_and_gradients
from logitloss.accuracy.meter import FORMATS, softmax_truths
from logitloss.accuracy.sweep import SOFTMAX_OUTPUTS
from logitloss.accuracy.zones import SOFTMAX_ZONES, draw_rows

from .. import oracle
from ..oracle import CORRECTLY_ROUNDED, DTYPES, mp

module = sys.modules["logitloss.accuracy.sweep"]
NAMES = [dtype.name for dtype in DTYPES]
LOGITLOSS, FORMULA = peers.SOFTMAX_IMPLEMENTATIONS[:2]


def softmax(row, label):
    """The true loss and gradient of a class index."""
    return oracle.softmax(row, np.arange(len(row)) == label)


# --- the definition --------------------------------------------------------------------------------------------------

ROWS = [
    [0.0, 0.0, 0.0],
    [7.25, 7.25],
    [0.0, -0.0, 5e-324, -1e-300],
    [1.0, 1 + 2.0**-52, 1 - 2.0**-53],
    [0.0, 745.2, -3.0],
    [-708.4, 0.0],
    [1e308, 1e308, np.nextafter(1e308, 0) - 1e308],
    [37.0, 0.0, 36.9, -300.0],
    *np.random.default_rng(5).normal(size=(20, 3)).tolist(),
    *np.random.default_rng(6).normal(0, 90, (20, 5)).tolist(),
    np.random.default_rng(7).normal(0, 3, 300).tolist(),
]


def assert_close(dyadic, truth):
    assert abs(mp.mpf(dyadic[0]) * mp.mpf(2) ** dyadic[1] - truth) <= mp.mpf(2) ** -230 * abs(truth)


@pytest.mark.parametrize("row", [row for row in ROWS if max(map(abs, row)) < 1000], ids=lambda row: str(row[:3]))
def test_the_definition_is_as_close_as_it_claims(row):
    labels = [0, len(row) - 1, int(np.argmax(row))]
    for y, (loss, gradient) in zip(labels, softmax_losses_and_gradients(row, labels), strict=True):
        true_loss, true_gradient = softmax(row, y)
        assert_close(loss, true_loss)
        for slope, true_slope in zip(gradient, true_gradient, strict=True):
            assert_close(slope, true_slope)


@pytest.mark.parametrize("lead", [1e4, 1.7e308])
def test_the_definition_far_out(lead):
    """The small side still has a sign and no longer a size."""
    (near, near_slopes), (far, far_slopes) = softmax_losses_and_gradients([0.0, lead], [1, 0])
    for (n, e), sign in ((near, 1), (near_slopes[1], -1), (near_slopes[0], 1)):
        assert n * sign > 0
        assert n.bit_length() + e < -7000
    assert far[0] // 2 ** -far[1] == int(lead)
    assert -far_slopes[0][0] == far_slopes[1][0] > 0


def test_one_class():
    ((loss, (slope,)),) = softmax_losses_and_gradients([3.5], [0])
    assert loss[0] == slope[0] == 0


# --- the meter -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES, ids=NAMES)
@pytest.mark.parametrize("zone", [zone for zone in SOFTMAX_ZONES if zone != "1000 classes"])
def test_the_meter_agrees_with_mpmath(zone, dtype):
    logits, labels = draw_rows(zone, dtype.name, 30)
    true_losses, true_gradients = softmax_truths(logits, labels)
    assert true_losses.whole.shape == labels.shape
    assert true_gradients.unit.shape == (*labels.shape, logits.shape[1])
    for k in (0, 1):
        losses, gradients = LOGITLOSS.load()(logits, labels[:, k])
        loss_errors = ulp_errors(np.stack([losses, losses], axis=1), true_losses)[:, k]
        errors = ulp_errors(np.stack([gradients, gradients], axis=1), true_gradients)[:, k]
        for i, row in enumerate(logits):
            loss, gradient = softmax(row, labels[i, k])
            assert loss_errors[i] == pytest.approx(oracle.ulps(losses[i], loss, dtype), rel=2.0**-50, abs=2.0**-52)
            want = [oracle.ulps(g, truth, dtype) for g, truth in zip(gradients[i], gradient, strict=True)]
            np.testing.assert_allclose(errors[i], want, rtol=2.0**-50, atol=2.0**-52)


# --- the zones -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES, ids=NAMES)
@pytest.mark.parametrize("zone", SOFTMAX_ZONES)
def test_zones(zone, dtype):
    logits, labels = draw_rows(zone, dtype.name, 3000)
    for drawn, again in zip((logits, labels), draw_rows(zone, dtype.name, 3000), strict=True):
        np.testing.assert_array_equal(drawn, again)
    rows, classes = logits.shape
    assert logits.dtype == dtype
    assert rows * classes == 3000
    values = logits.astype(float)
    assert np.isfinite(values).all()
    of_labels = np.take_along_axis(values, labels, axis=1)
    assert (of_labels[:, 0] == values.max(axis=1)).all()
    assert (labels[:, 0] != labels[:, 1]).all()
    if zone != "ties":
        assert (of_labels[:, 0] > of_labels[:, 1]).mean() > 0.6
    else:
        assert {len({*row}) for row in values.tolist()} == {1, 2}
    assert len(draw_rows(zone, dtype.name, 1)[0]) == 1


def test_one_far_ahead_reaches_the_subnormals():
    for name, form in FORMATS.items():
        losses = softmax_truths(*draw_rows("one far ahead", name, 900))[0]
        assert ((losses.unit == form.least) & (losses.whole < 2.0 ** (form.digits - 1)))[:, 0].any()


# --- the peers -------------------------------------------------------------------------------------------------------


def loaded(one):
    if not one.installed():
        pytest.skip(f"{one.name} is not installed")
    try:
        return one.load()
    except ImportError as error:
        pytest.skip(str(error))


@pytest.mark.filterwarnings("ignore")  # those of the frameworks
@pytest.mark.parametrize("one", peers.SOFTMAX_IMPLEMENTATIONS, ids=lambda one: one.name)
def test_peers_compute_this_loss_and_this_gradient(one):
    run = loaded(one)
    for dtype in one.dtypes.split():
        logits, labels = draw_rows("spread 1", dtype, 30)
        for k in (0, 1):
            truth = softmax_truths(logits, labels[:, k : k + 1])
            for values, want in zip(run(logits, labels[:, k]), truth, strict=True):
                assert values.dtype == logits.dtype
                assert ulp_errors(values.reshape(want.whole.shape), want).max() < 50


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("one", peers.SOFTMAX_IMPLEMENTATIONS[1:], ids=lambda one: one.name)
def test_every_peer_is_off_somewhere_in_float32(one):
    run = loaded(one)
    logits, labels = draw_rows("one far ahead", "float32", 600)
    losses, gradients = run(logits, labels[:, 0])
    truths = softmax_truths(logits, labels[:, :1])
    assert max(ulp_errors(losses[:, None], truths[0]).max(), ulp_errors(gradients[:, None], truths[1]).max()) > 1000


# --- the sweep and its report ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def rows():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "IMPLEMENTATIONS", (*peers.IMPLEMENTATIONS[:1], LOGITLOSS, FORMULA))
        return sweep(points=1200)


def test_softmax_rows_follow_those_of_the_sigmoid(rows):
    operations = [row.operation for row in rows]
    assert operations == sorted(operations)
    softmax = [row for row in rows if row.operation == "softmax"]
    assert len(softmax) == len(NAMES) * len(SOFTMAX_ZONES) * 2 * len(SOFTMAX_OUTPUTS)
    assert [row.output for row in softmax[:4]] == list(SOFTMAX_OUTPUTS)


def test_logitloss_is_as_good_as_documented_and_the_formula_is_not(rows):
    for row in rows:
        if row.operation == "softmax" and row.implementation == "logitloss":
            float64_bound = 4 if row.output.startswith("gradient") else 2
            assert row.ulp <= (0.502 if row.dtype in [dtype.name for dtype in CORRECTLY_ROUNDED] else float64_bound), (
                row
            )
    for dtype in NAMES:
        for output in (SOFTMAX_OUTPUTS[0], SOFTMAX_OUTPUTS[2]):
            errors = [r.ulp for r in rows if (r.dtype, r.output, r.implementation) == (dtype, output, FORMULA.name)]
            assert max(errors) > 100


def test_witnesses_lead_back_to_the_errors(rows):
    for row in rows:
        if row.operation == "sigmoid" or row.zone == "1000 classes":
            continue
        dtype = next(dtype for dtype in DTYPES if dtype.name == row.dtype)
        place, *rest = row.at.split(", label ")
        if place.startswith("row"):
            logits = draw_rows(row.zone, row.dtype, 300)[0][int(place[4:])]
        else:
            logits = np.array(json.loads(place), float).astype(dtype)
        label, _, of_class = rest[0].partition(", class ")
        loss, gradient = softmax(logits, int(label))
        truth = gradient[int(of_class)] if of_class else loss
        assert row.logit == logits[int(of_class or label)]
        assert row.label == (not of_class or of_class == label)
        assert oracle.ulps(row.got, truth, dtype) == pytest.approx(row.ulp, rel=1e-12)
        assert float(abs(truth - row.want)) <= abs(row.want) * 2.0**-52 + 2.0**-1074


def test_reports(rows):
    pytest.importorskip("rich")
    out = io.StringIO()
    report.write_table(rows, out)
    text = out.getvalue()
    assert text.index("bfloat16: largest error") < text.index("softmax, float32: largest error")
    worst = next(r for r in rows if (r.operation, r.implementation, r.zone) == ("softmax", "logitloss", "ties"))
    assert worst.at in text
    out = io.StringIO()
    report.write_csv(rows, out)
    assert [line["at"] for line in csv.DictReader(io.StringIO(out.getvalue()))] == [row.at for row in rows]
    out = io.StringIO()
    report.write_json(rows, out)
    assert json.loads(out.getvalue())[-1]["operation"] == "softmax"
