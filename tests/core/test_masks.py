"""``where``: what does not count is +0 whatever it holds, and the bits of what counts are those of the unmasked call."""

import re

import numpy as np
import pytest

import logitloss
from logitloss import _core

from ..inputs import sample
from ..oracle import bits
from ..processes import run
from .support import assert_same

ELEMENTWISE = {
    "with_logits": logitloss.sigmoid_cross_entropy_with_logits,
    "value_and_grad": logitloss.sigmoid_cross_entropy_value_and_grad,
    "grad_and_hess": logitloss.sigmoid_cross_entropy_grad_and_hess,
    "weighted": lambda **arrays: logitloss.weighted_cross_entropy_with_logits(pos_weight=3.0, **arrays),
}
MEAN, TOTAL = logitloss.sigmoid_cross_entropy_mean_and_grad, logitloss.sigmoid_cross_entropy_total
EVERY_FLOAT = pytest.mark.parametrize("dtype", [np.float16, "bfloat16", np.float32, np.float64], ids=str)


def as_dtype(dtype):
    return np.dtype(pytest.importorskip("ml_dtypes").bfloat16 if dtype == "bfloat16" else dtype)


def as_tuple(results):
    return results if isinstance(results, tuple) else (results,)


def cases(dtype, labels=np.float32, n=3000):
    """Logits and labels, what counts of them, and the same with nan, infinities and huge numbers for the rest."""
    random = np.random.default_rng(5)
    x = (random.normal(size=n) * 6).astype(dtype)
    z = (random.random(n) * 2).astype(labels) if np.dtype(labels).kind != "b" else random.random(n) < 0.5
    counts = random.random(n) < 0.6
    counts[:1024] = np.arange(1024) < 512  # a block that counts and one that does not
    junk = np.resize(np.array([np.nan, np.inf, -np.inf, 1e4, -0.0, 1.0]), n)
    dirty = np.where(counts, x, junk.astype(dtype)).astype(dtype)
    soiled = np.where(counts, z, junk.astype(labels)).astype(labels) if np.dtype(labels).kind == "f" else z
    return x, z, counts, dirty, soiled


def selected(counts, array):
    """+0 where an element does not count."""
    return np.where(counts, array, np.zeros((), array.dtype))


@EVERY_FLOAT
@pytest.mark.parametrize(
    "labels", [np.float16, np.float32, np.float64, np.bool_, np.int8, np.int64, np.uint16], ids=str
)
@pytest.mark.parametrize("name", ELEMENTWISE)
def test_results_are_selected(name, dtype, labels):
    x, z, counts, dirty, soiled = cases(as_dtype(dtype), labels)
    got = as_tuple(ELEMENTWISE[name](labels=soiled, logits=dirty, where=counts))
    want = as_tuple(ELEMENTWISE[name](labels=z, logits=x))
    assert_same(got, [selected(counts, one) for one in want])


@EVERY_FLOAT
def test_a_total_and_a_mean_are_of_what_counts(dtype):
    x, z, counts, dirty, soiled = cases(as_dtype(dtype))
    assert TOTAL(labels=soiled, logits=dirty, where=counts) == TOTAL(labels=z[counts], logits=x[counts])
    mean, gradient = MEAN(labels=soiled, logits=dirty, where=counts)
    want, slope = MEAN(labels=z[counts], logits=x[counts])
    assert mean == want
    assert_same([gradient[counts], gradient[~counts]], [slope, np.zeros((~counts).sum(), gradient.dtype)])
    out = dirty.copy()
    assert MEAN(labels=soiled, logits=out, where=counts, out=out) == (mean, out)
    assert_same([out], [gradient])


@EVERY_FLOAT
def test_special_values_that_count(dtype):
    """A total has them as without a mask, and the mask no others."""
    x = np.array([np.inf, np.nan, -np.inf, 3e4, -3e4, 0.5], as_dtype(dtype))
    z, counts = np.array([0.0, 1.0, 0.0, np.inf, -1.0, 2.0]), np.array([True, False, True, True, True, False])
    got, want = TOTAL(labels=z, logits=x, where=counts), TOTAL(labels=z[counts], logits=x[counts])
    assert got == want


@pytest.mark.parametrize("shape", [(), (1,), (5,), (40, 1), (3, 1, 1), (3, 40, 1), (1, 40, 5), (3, 40, 5)])
@pytest.mark.parametrize("order", ["C", "F", "strided", "big-endian", "reversed"])
def test_a_mask_broadcasts_to_any_layout(shape, order):
    x, z = (one.reshape(3, 40, 5) for one in sample(600, np.float32))
    counts = np.random.default_rng(1).random(shape) < 0.5
    full = np.broadcast_to(counts, x.shape)
    layout = {
        "C": lambda a: a,
        "F": np.asfortranarray,
        "strided": lambda a: np.repeat(a, 2, axis=-1)[..., ::2],
        "big-endian": lambda a: a.astype(a.dtype.newbyteorder(">")),
        "reversed": lambda a: a[::-1, :, ::-1].copy()[::-1, :, ::-1],
    }[order]
    for mask in (counts, layout(counts) if counts.ndim == 3 else counts):
        got = ELEMENTWISE["value_and_grad"](labels=layout(z), logits=layout(x), where=mask)
        assert_same(got, [selected(full, one) for one in ELEMENTWISE["value_and_grad"](labels=z, logits=x)])
        mean, gradient = MEAN(labels=layout(z), logits=layout(x), where=mask)
        total = TOTAL(labels=z[full], logits=x[full])
        assert total.count == full.sum()
        np.testing.assert_equal(mean, total.mean())
        assert not gradient[~full].any()


def test_nothing_counts():
    mean, gradient = MEAN(labels=[1.0, 0.0], logits=np.float32([np.nan, 3]), where=False)
    assert np.isnan(mean)
    assert_same([gradient], [np.zeros(2, np.float32)])
    assert TOTAL(labels=[1.0], logits=[np.nan], where=[False]).count == 0
    empty = np.zeros((0, 3), np.float32)
    assert np.isnan(MEAN(labels=empty, logits=empty, where=np.zeros((0, 1), bool))[0])
    assert logitloss.sigmoid_cross_entropy_with_logits(labels=1.0, logits=np.float32(np.nan), where=False) == 0


def test_a_pos_weight_that_does_not_count():
    x, z = np.float32([1, 2]), [1.0, 0.0]
    got = logitloss.weighted_cross_entropy_with_logits(
        labels=z, logits=x, pos_weight=[2.0, np.nan], where=[True, False]
    )
    want = logitloss.weighted_cross_entropy_with_logits(labels=z, logits=x, pos_weight=2.0)
    assert_same([got], [selected([True, False], want)])


def test_threads_and_chunks(monkeypatch):
    x, z, counts, dirty, soiled = cases(np.dtype(np.float32), n=300_000)
    want = MEAN(labels=z[counts], logits=x[counts])
    for threads in (1, 2, 7):
        monkeypatch.setattr(logitloss._chunks, "_LARGEST", 50_000 // threads)
        logitloss.set_num_threads(threads)
        mean, gradient = MEAN(labels=soiled, logits=dirty, where=counts)
        assert mean == want[0]
        assert_same([gradient[counts]], [want[1]])


@pytest.mark.parametrize("isa", _core.isas())
def test_instruction_sets(isa):
    code = """
import hashlib, numpy as np, logitloss
from tests.core.test_masks import ELEMENTWISE, MEAN, cases
total = hashlib.sha256()
for dtype in (np.float16, np.float32, np.float64):
    x, z, counts, dirty, soiled = cases(np.dtype(dtype))
    for function in ELEMENTWISE.values():
        results = function(labels=soiled, logits=dirty, where=counts)
        for one in results if isinstance(results, tuple) else (results,):
            assert not one[~counts].any()
            total.update(one.tobytes())
    mean, gradient = MEAN(labels=soiled, logits=dirty, where=counts)
    total.update(repr(mean).encode() + gradient.tobytes())
print(total.hexdigest())
"""
    got, want = (run(code, LOGITLOSS_ISA=one) for one in (isa, _core.isas()[-1]))
    assert got.stderr == want.stderr == ""
    assert got.stdout == want.stdout != ""


# --- rows of a softmax -----------------------------------------------------------------------------------------------


@EVERY_FLOAT
@pytest.mark.parametrize("axis", [-1, 0, 1])
def test_rows_of_a_softmax(dtype, axis):
    random = np.random.default_rng(3)
    x = random.normal(size=(4, 6, 5)).astype(as_dtype(dtype))
    z = random.random(x.shape).astype(np.float32)
    counts = random.random(np.moveaxis(x, axis, -1).shape[:-1]) < 0.5
    full = np.broadcast_to(np.expand_dims(counts, axis), x.shape)
    dirty = np.where(full, x, np.array(np.nan, x.dtype))
    arrays = {"labels": z, "logits": dirty, "axis": axis, "where": counts}
    loss, gradient = logitloss.softmax_cross_entropy_value_and_grad(labels=z, logits=x, axis=axis)
    got = logitloss.softmax_cross_entropy_value_and_grad(**arrays)
    assert_same(got, [selected(counts, loss), selected(full, gradient)])
    assert_same([logitloss.softmax_cross_entropy_with_logits(**arrays)], [got[0]])
    mean, slope = logitloss.softmax_cross_entropy_mean_and_grad(**arrays)
    assert mean == logitloss.ExactSum(loss[counts]).mean()
    rows = (np.moveaxis(a, axis, -1)[counts] for a in (z, x))
    want = logitloss.softmax_cross_entropy_mean_and_grad(**dict(zip(("labels", "logits"), rows, strict=True)))
    assert mean == want[0]
    assert_same([np.moveaxis(slope, axis, -1)[counts]], [want[1]])
    assert not slope[~full].any()


def test_class_indices_that_do_not_count_may_be_anything():
    x, counts = np.float32([[1, 2], [np.nan, 1], [3, 1]]), np.array([True, False, True])
    arrays = {"labels": np.array([1, -100, 0]), "logits": x, "where": counts}
    loss, gradient = logitloss.sparse_softmax_cross_entropy_value_and_grad(labels=[1, 0], logits=x[counts])
    for got in (
        logitloss.sparse_softmax_cross_entropy_value_and_grad(**arrays),
        (logitloss.sparse_softmax_cross_entropy_with_logits(**arrays),),
    ):
        for one, want in zip(got, (loss, gradient), strict=False):
            assert_same([one[counts], one[1]], [want, np.zeros_like(want[0])])
    mean, slope = logitloss.sparse_softmax_cross_entropy_mean_and_grad(**arrays)
    want = logitloss.sparse_softmax_cross_entropy_mean_and_grad(labels=[1, 0], logits=x[counts])
    assert mean == want[0]
    assert_same([slope[counts], slope[1]], [want[1], np.zeros(2, np.float32)])
    nothing = logitloss.sparse_softmax_cross_entropy_mean_and_grad(**{**arrays, "where": False})
    assert np.isnan(nothing[0])
    assert not nothing[1].any()
    with pytest.raises(ValueError, match=re.escape("got -100 at labels[1].")):
        logitloss.sparse_softmax_cross_entropy_with_logits(labels=arrays["labels"], logits=x, where=True)


# --- errors ----------------------------------------------------------------------------------------------------------


def test_errors_name_where():
    x = np.zeros((3, 2), np.float32)
    with pytest.raises(
        ValueError,
        match=re.escape(
            "n: where must broadcast to the shape of logits and have no more elements, got shape (3,) for (3, 2). Reshape it."
        ),
    ):
        logitloss.sigmoid_cross_entropy_with_logits(labels=x, logits=x, where=np.ones(3, bool), name="n")
    with pytest.raises(
        ValueError, match=re.escape("where must broadcast to the rows of logits and have no more elements")
    ):
        logitloss.softmax_cross_entropy_with_logits(labels=x, logits=x, where=np.ones((3, 2), bool))
    with pytest.raises(
        ValueError, match=re.escape("where must broadcast to the rows of logits and have no more elements")
    ):
        logitloss.sparse_softmax_cross_entropy_mean_and_grad(labels=[0, 0, 0], logits=x, where=np.ones(2, bool))
    with pytest.raises(TypeError, match=re.escape("where must be bool, true for what counts, got dtype float64.")):
        MEAN(labels=x, logits=x, where=1.0)
    out = x + 7
    with pytest.raises(ValueError, match="where"):
        MEAN(labels=x, logits=x, out=out, where=np.ones(3, bool))
    assert (bits(out) == bits(x + 7)).all()


def test_other_arrays_are_refused():
    frame = pytest.importorskip("pandas").Series([1.0])
    with pytest.raises(TypeError, match="where must be None unless logits are a NumPy array, got logits of pandas"):
        logitloss.sigmoid_cross_entropy_with_logits(labels=frame, logits=frame, where=True)
