"""Arrays that only their own library can compute with: the formulas in the array API, against the definition."""

import re

import numpy as np
import pytest

import logitloss

from .. import oracle
from ..edges import EDGES, SOFTMAX_EDGES
from ..inputs import hard_rows
from ..oracle import bits
from .support import FORMULAS, Cupy, Strict, called


@FORMULAS
@pytest.mark.parametrize(("dtype", "bound"), [(np.float16, 0.501), (np.float32, 0.501), (np.float64, 4)])
def test_accuracy_of_hard_labels(library, dtype, bound):
    if dtype is np.float16 and isinstance(library, Strict) and not isinstance(library, Cupy):
        pytest.skip("the array API has no float16")
    rng = np.random.default_rng(0)
    far = {np.float16: 9, np.float32: 80, np.float64: 700}[dtype]
    x = np.concatenate([rng.normal(size=300), rng.uniform(-far, far, 300), [0, 1e-30, -17, 17]]).astype(dtype)
    z = rng.integers(2, size=x.size)
    loss, gradient = called(library, logitloss.sigmoid_cross_entropy_value_and_grad, z, x)
    gradient2, hessian = called(library, logitloss.sigmoid_cross_entropy_grad_and_hess, z, x)
    np.testing.assert_array_equal(gradient, gradient2)
    for i in range(x.size):
        assert oracle.ulps(loss[i], oracle.loss(x[i], z[i]), np.dtype(dtype)) <= bound
        assert oracle.ulps(gradient[i], oracle.gradient(x[i], z[i]), np.dtype(dtype)) <= bound
        assert oracle.ulps(hessian[i], oracle.hessian(x[i]), np.dtype(dtype)) <= bound


@FORMULAS
def test_edges_of_the_derivatives(library):
    rows = [row for row in EDGES if row[4] is not None]
    x, z = (np.array([row[i] for row in rows]) for i in (0, 1))
    gradient, hessian = called(library, logitloss.sigmoid_cross_entropy_grad_and_hess, z, x)
    np.testing.assert_array_equal(gradient, [row[3] for row in rows])
    np.testing.assert_array_equal(hessian, [row[4] for row in rows])
    assert bits(called(library, logitloss.sigmoid_cross_entropy_value_and_grad, [0.5], [0.0])[1])[0] == 0


@FORMULAS
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_softmax(library, dtype):
    rng = np.random.default_rng(1)
    x = (rng.normal(size=(5, 3, 4)) * 20).astype(dtype)
    y = rng.integers(4, size=(5, 3))
    rtol = {np.float32: 2e-7, np.float64: 2e-15}[dtype]
    for labels in (np.eye(4)[y], rng.random((5, 3, 4))):
        for axis in (-1, 0, 1):
            options = {"labels": labels, "logits": x, "axis": axis}
            want = logitloss.softmax_cross_entropy_value_and_grad(**options)
            got = called(library, logitloss.softmax_cross_entropy_value_and_grad, **options)
            for one, other in zip(got, want, strict=True):
                np.testing.assert_allclose(one, other, rtol=rtol, atol=0 if labels.max() == 1 and axis == -1 else rtol)
                assert one.dtype == dtype
            loss = called(library, logitloss.softmax_cross_entropy_with_logits, **options)[0]
            np.testing.assert_array_equal(loss, got[0])
            mean, gradient = called(library, logitloss.softmax_cross_entropy_mean_and_grad, **options)
            assert mean == pytest.approx(float(np.mean(want[0], dtype=np.float64)), rel=rtol)
            np.testing.assert_allclose(gradient, want[1] * (x.shape[axis] / x.size), rtol=2 * rtol, atol=rtol)
    got = called(library, logitloss.softmax_cross_entropy_with_logits, np.float32([0, 1, 0, 0]), x)[
        0
    ]  # one for all rows
    np.testing.assert_allclose(
        got, logitloss.softmax_cross_entropy_with_logits(labels=[0, 1, 0, 0], logits=x), rtol=rtol
    )
    for index in (np.int64, np.uint8, np.int32, np.uint64):
        want = logitloss.sparse_softmax_cross_entropy_value_and_grad(labels=y, logits=x)
        got = called(library, logitloss.sparse_softmax_cross_entropy_value_and_grad, y.astype(index), x)
        for one, other in zip(got, want, strict=True):
            np.testing.assert_allclose(one, other, rtol=rtol)
    np.testing.assert_array_equal(called(library, logitloss.sparse_softmax_cross_entropy_with_logits, y, x)[0], got[0])
    mean, gradient = called(library, logitloss.sparse_softmax_cross_entropy_mean_and_grad, y, x)
    assert mean == pytest.approx(float(np.mean(want[0], dtype=np.float64)), rel=rtol)
    np.testing.assert_allclose(gradient, want[1] / 15, rtol=2 * rtol)


@pytest.mark.parametrize("library", ["array-api-strict"], indirect=True)
@pytest.mark.parametrize(("dtype", "bound"), [(np.float32, 0.501), (np.float64, 4)])
def test_accuracy_of_hard_softmax_rows(library, dtype, bound):
    rng = np.random.default_rng(0)
    for values in filter(lambda row: row.size <= 65, hard_rows(np.dtype(dtype), rng)):
        x, n = values.astype(dtype), values.size
        for label in {0, n // 2, n - 1, int(np.argmax(x))}:
            got, slope = called(library, logitloss.sparse_softmax_cross_entropy_value_and_grad, label, x)
            loss, gradient = oracle.softmax(x, np.arange(n) == label)
            assert oracle.ulps(got, loss, np.dtype(dtype)) <= bound
            for j in {label, int(np.argmax(x)), *rng.integers(0, n, 8)}:
                assert oracle.ulps(slope[j], gradient[j], np.dtype(dtype)) <= bound


@FORMULAS
@pytest.mark.parametrize(("row", "label", "loss", "gradient"), SOFTMAX_EDGES)
def test_softmax_edges(library, row, label, loss, gradient):
    hard = np.zeros(len(row))
    hard[label] = 1
    for got in (
        called(library, logitloss.softmax_cross_entropy_value_and_grad, hard, np.array(row)),
        called(library, logitloss.sparse_softmax_cross_entropy_value_and_grad, label, np.array(row)),
    ):
        np.testing.assert_array_equal(got[0], loss)
        np.testing.assert_array_equal(got[1], gradient)


@FORMULAS
def test_mean(library):
    x, z = np.float32([[1, -2], [3, 40]]), np.float32([[0, 1], [0.25, 1]])
    mean, gradient = called(library, logitloss.sigmoid_cross_entropy_mean_and_grad, z, x)
    want = logitloss.sigmoid_cross_entropy_mean_and_grad(labels=z, logits=x)
    assert mean == pytest.approx(want[0], rel=1e-7)
    assert mean.shape == ()
    assert mean.dtype == np.float64
    np.testing.assert_array_equal(gradient, want[1])
    empty, gradient = called(
        library, logitloss.sigmoid_cross_entropy_value_and_grad, np.zeros((0, 2)), np.zeros((0, 2))
    )
    assert empty.shape == gradient.shape == (0, 2)


@FORMULAS
def test_labels_follow_the_logits(library):
    """Lists and NumPy arrays become arrays of the kind of the logits."""
    logits = library.array(np.float32([1, 2]))
    for labels in ([True, False], [0.5, 1], np.array([1, 0])):
        got = logitloss.sigmoid_cross_entropy_with_logits(labels=labels, logits=logits)
        want = logitloss.sigmoid_cross_entropy_with_logits(labels=labels, logits=np.float32([1, 2]))
        np.testing.assert_array_equal(library.values(got), want)


@pytest.mark.parametrize("library", ["array-api-strict"], indirect=True)
@pytest.mark.parametrize("function", [n for n in logitloss.__all__ if "cross_entropy" in n and not n.endswith("total")])
def test_results_are_on_the_device_of_the_logits(library, function):
    """Also where labels and weights came from NumPy; such arrays do not mix with those of the default device."""
    device = library.xp.Device("device1")
    x = np.array([[1.0, 2.0, 40.0]])
    labels = np.array([1]) if "sparse" in function else np.array([[0.0, 1.0, 0.0]])
    options = {"pos_weight": [1.0, 2.0, 3.0]} if "weighted" in function else {}
    got = getattr(logitloss, function)(labels=labels, logits=library.xp.asarray(x, device=device), **options)
    want = getattr(logitloss, function)(labels=labels, logits=x, **options)
    for one, other in zip(*(r if isinstance(r, tuple) else (r,) for r in (got, want)), strict=True):
        assert one.device == device
        np.testing.assert_allclose(one.to_device(library.xp.Device("CPU_DEVICE")), other, rtol=1e-15)


@FORMULAS
@pytest.mark.parametrize(
    ("function", "labels", "logits", "options", "error", "text"),
    [
        ("sigmoid_cross_entropy_with_logits", None, [1.0], {}, ValueError, "both labels and logits must be provided, labels missing."),
        ("sigmoid_cross_entropy_with_logits", ["a"], [1.0], {"name": "n"}, TypeError, "n: labels must be a float of at most 64 bits, an integer or bool, got dtype "),
        ("sigmoid_cross_entropy_with_logits", [1j], [1.0], {}, TypeError, ".float64)."),
        ("sigmoid_cross_entropy_mean_and_grad", [1], [1.0], {"out": np.zeros(1)}, TypeError, "out must be None for arrays other than NumPy's, got numpy.ndarray. Take the gradient that is returned."),
        ("sigmoid_cross_entropy_total", [1], [1.0], {}, TypeError, "must be a NumPy array to be summed, got "),
        ("weighted_cross_entropy_with_logits", [1], [1.0], {"pos_weight": [1.0, 2.0]}, ValueError, "pos_weight must broadcast to the shape of logits without enlarging it, got (2,) for logits of shape (1,)."),
        ("softmax_cross_entropy_with_logits", [[1]], [1.0], {}, ValueError, "labels must have the shape of logits, or broadcast to it without enlarging it, got (1, 1) for logits of shape (1,)."),
        ("softmax_cross_entropy_with_logits", [1], [1.0], {"axis": 1}, ValueError, "axis must be an integer from -1 to 0 for logits of shape (1,), got 1."),
        ("sparse_softmax_cross_entropy_with_logits", [1], [1.0], {}, ValueError, "labels must have the shape of logits without its last axis"),
        ("sparse_softmax_cross_entropy_with_logits", [0.5], [[1.0]], {}, TypeError, "labels must be integer class indices, got dtype float64. Convert with "),
        ("sparse_softmax_cross_entropy_with_logits", [0, 2, -1], [[1.0, 2.0]] * 3, {}, ValueError, "labels must be class indices from 0 to 1, got 2 at labels[1]. Correct it, or drop the row."),
        ("sparse_softmax_cross_entropy_value_and_grad", [[0, -1]], [[[1.0], [1.0]]], {}, ValueError, "labels must be class indices from 0 to 0, got -1 at labels[0, 1]."),
    ],
)  # fmt: skip
def test_errors(library, function, labels, logits, options, error, text):
    with pytest.raises(error, match=re.escape(text)):
        getattr(logitloss, function)(labels=labels, logits=library.array(np.array(logits)), **options)
