"""The softmax losses' means, shapes, dtypes and errors."""

import math

import ml_dtypes
import numpy as np
import pytest

import logitloss
from logitloss import ufuncs

from ..oracle import BFLOAT16, DTYPES
from .support import DENSE, SPARSE, assert_same, batch

# --- means, shapes and types -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_mean_and_grad(dtype):
    x, y, z = batch(dtype, 30, 12)
    for got, (loss, gradient) in (
        (logitloss.sparse_softmax_cross_entropy_mean_and_grad(labels=y, logits=x), SPARSE(labels=y, logits=x)),
        (logitloss.softmax_cross_entropy_mean_and_grad(labels=z, logits=x), DENSE(labels=z, logits=x)),
    ):
        assert type(got[0]) is float
        assert got[0] == logitloss.ExactSum(loss).mean()
        assert got[1].dtype == dtype
        np.testing.assert_allclose(
            got[1].astype(float), gradient.astype(float) / 30, rtol=2 * float(ml_dtypes.finfo(dtype).eps), atol=1e-7
        )
    place = np.empty_like(x)
    assert logitloss.sparse_softmax_cross_entropy_mean_and_grad(labels=y, logits=x, out=place)[1] is place
    got = logitloss.softmax_cross_entropy_mean_and_grad(labels=z.T, logits=x.T, axis=0)
    np.testing.assert_array_equal(got[1].T, logitloss.softmax_cross_entropy_mean_and_grad(labels=z, logits=x)[1])


def test_the_gradient_may_replace_the_logits():
    for classes in (10, 2000):
        x, y, _ = batch(np.dtype(np.float32), 50, classes)
        want = SPARSE(labels=y, logits=x)
        ufuncs.sparse_softmax_cross_entropy_value_and_grad(x, y, out=(np.empty(50, np.float32), x))
        np.testing.assert_array_equal(x, want[1])


def test_shapes():
    x = np.zeros((0, 5), np.float32)
    assert logitloss.sparse_softmax_cross_entropy_with_logits(labels=np.zeros(0, int), logits=x).shape == (0,)
    assert logitloss.softmax_cross_entropy_with_logits(labels=x, logits=x).shape == (0,)
    mean, gradient = logitloss.sparse_softmax_cross_entropy_mean_and_grad(labels=np.zeros(0, int), logits=x)
    assert math.isnan(mean)
    assert gradient.shape == (0, 5)
    assert logitloss.softmax_cross_entropy_with_logits(labels=[0.5, 0.5], logits=[1.0, 2.0]).ndim == 0
    cube = np.zeros((2, 3, 4), np.float16)
    assert logitloss.softmax_cross_entropy_with_logits(labels=np.ones((3, 1)), logits=cube).shape == (2, 3)
    np.testing.assert_array_equal(
        logitloss.softmax_cross_entropy_with_logits(labels=[0.1, 0.2, 0.3, 0.4], logits=cube),
        logitloss.softmax_cross_entropy_with_logits(labels=np.tile([0.1, 0.2, 0.3, 0.4], (2, 3, 1)), logits=cube),
    )
    assert np.isnan(ufuncs.sparse_softmax_cross_entropy(np.zeros((2, 0)), [0, 0])).all()


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_label_dtypes(dtype):
    x, y, _ = batch(dtype, 20, 5)
    want = SPARSE(labels=y, logits=x)
    for label_dtype in "bBhHiIlLqQ":
        assert_same(SPARSE(labels=y.astype(label_dtype), logits=x), want)
    hot = np.eye(5)[y]
    for label_dtype in [*map(np.dtype, "efd?bBhHiIlLqQ"), BFLOAT16]:
        assert_same(DENSE(labels=hot.astype(label_dtype), logits=x), want)


@pytest.mark.parametrize("label", [-1, 5, 2**40])
def test_raw_labels_that_are_no_class_give_nan(label):
    for classes in (5, 1000):
        y = np.array([1, max(label, classes) if label > 0 else label])
        loss, gradient = ufuncs.sparse_softmax_cross_entropy_value_and_grad(np.zeros((2, classes)), y)
        np.testing.assert_array_equal(np.isnan(loss), [False, True])
        np.testing.assert_array_equal(np.isnan(gradient).all(1), [False, True])


# --- errors ----------------------------------------------------------------------------------------------------------


dense, sparse = logitloss.softmax_cross_entropy_with_logits, logitloss.sparse_softmax_cross_entropy_with_logits
X = np.zeros((2, 3), np.float32)
ERRORS = [
    (lambda: dense(X, X), ValueError, "only named arguments are accepted"),
    (lambda: sparse(X), ValueError, "only named arguments are accepted"),
    (lambda: dense(logits=X), ValueError, "both labels and logits must be provided, labels missing"),
    (lambda: sparse(labels=[0, 1]), ValueError, "both labels and logits must be provided, logits missing"),
    (
        lambda: dense(labels=np.ones((2, 2)), logits=X),
        ValueError,
        "without enlarging it, got (2, 2) for logits of shape (2, 3)",
    ),
    (
        lambda: dense(labels=np.ones((4, 2, 3)), logits=X),
        ValueError,
        "got (4, 2, 3) for logits of shape (2, 3). Reshape the labels.",
    ),
    (
        lambda: dense(labels=X, logits=X, axis=2),
        ValueError,
        "axis must be an integer from -2 to 1 for logits of shape (2, 3), got 2",
    ),
    (lambda: dense(labels=X, logits=X, axis=1.0), ValueError, "got 1.0. Pass the axis of the classes."),
    (
        lambda: dense(labels=1.0, logits=1.0),
        ValueError,
        "logits must have an axis of classes, got shape (). Pass one logit per class.",
    ),
    (
        lambda: dense(labels=X[:, :0], logits=X[:, :0]),
        ValueError,
        "logits must have at least one class, got shape (2, 0) with none along axis -1. A softmax over nothing is not defined.",
    ),
    (lambda: dense(labels=X, logits=X.astype(int)), TypeError, "logits must be float16, bfloat16, float32 or float64"),
    (lambda: dense(labels=X.astype(str), logits=X), TypeError, "labels must be a float of at most 64 bits"),
    (
        lambda: sparse(labels=[0, 1, 2], logits=X),
        ValueError,
        "labels must have the shape of logits without its last axis, the classes: got logits of shape (2, 3) and labels of shape (3,). Reshape one.",
    ),
    (lambda: sparse(labels=0, logits=1.0), ValueError, "got logits of shape () and labels of shape ()"),
    (
        lambda: sparse(labels=[0.0, 1.0], logits=X),
        TypeError,
        "labels must be integer class indices, got dtype float64. Convert with labels.astype(numpy.int64)",
    ),
    (lambda: sparse(labels=[True, False], logits=X), TypeError, "labels must be integer class indices, got dtype bool"),
    (
        lambda: sparse(labels=np.zeros(2, BFLOAT16), logits=X),
        TypeError,
        "labels must be integer class indices, got dtype bfloat16",
    ),
    (
        lambda: sparse(labels=[2, 3], logits=X),
        ValueError,
        "labels must be class indices from 0 to 2, got 3 at labels[1]. Correct it, or drop the row.",
    ),
    (lambda: sparse(labels=[[0], [-1]], logits=X[:, None]), ValueError, "got -1 at labels[1, 0]"),
    (lambda: sparse(labels=-1, logits=X[0]), ValueError, "got -1 at labels. Correct"),
    (
        lambda: sparse(labels=np.array([0, 2**64 - 1], np.uint64), logits=X),
        ValueError,
        "got 18446744073709551615 at labels[1]",
    ),
    (lambda: sparse(labels=[0, 0], logits=X[:, :0]), ValueError, "logits must have at least one class"),
]


@pytest.mark.parametrize(("call", "error", "text"), ERRORS)
def test_errors(call, error, text):
    with pytest.raises(error) as raised:
        call()
    assert text in str(raised.value)


def test_nothing_is_written_before_a_bad_label_is_found():
    place = np.full((2, 3), 7, np.float32)
    with pytest.raises(ValueError, match=r"^tail: labels must be class"):
        sparse(labels=[0, 9], logits=X, name="tail")
    with pytest.raises(ValueError, match="class indices"):
        logitloss.sparse_softmax_cross_entropy_mean_and_grad(labels=[0, 9], logits=X, out=place)
    assert (place == 7).all()
