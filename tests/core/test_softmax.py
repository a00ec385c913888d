"""The softmax losses: the documented equivalence, the edges, hard rows against the definition, the same bits."""

import math
import os
import re
import subprocess
import sys

import ml_dtypes
import numpy as np
import pytest

import logitloss
from logitloss import ufuncs

from .. import ROOT, oracle
from ..oracle import BFLOAT16, DTYPES, NARROW, bits, mp

inf, nan = math.inf, math.nan
CLAIM = (ROOT / "cpp" / "math" / "softmax_cross_entropy.h").read_text()
NARROW_BOUND = float(re.search(r"narrow losses and one-hot gradients within ([\d.]+) ulp", CLAIM)[1])
WIDE_LOSS, WIDE_GRADIENT = map(
    float, re.search(r"float64 losses within (\d+) ulp and\n// one-hot gradients within (\d+)", CLAIM).groups()
)
DENSE, SPARSE = logitloss.softmax_cross_entropy_value_and_grad, logitloss.sparse_softmax_cross_entropy_value_and_grad


@pytest.fixture
def threads():
    before = logitloss.get_num_threads()
    yield logitloss.set_num_threads
    logitloss.set_num_threads(before)


# --- the documented examples -----------------------------------------------------------------------------------------


def test_documented_equivalence():
    """sigmoid(x) = softmax([x, 0])[0]: three operations, one answer."""
    sigmoid_logits = np.float32([1, -1, 0])
    logits = np.stack([sigmoid_logits, np.zeros(3, np.float32)], axis=-1)
    soft = np.float32([1, 1, 0])
    want = np.float32([0.3132617, 1.3132616, 0.6931472])
    for got in (
        logitloss.sparse_softmax_cross_entropy_with_logits(labels=[0, 0, 1], logits=logits),
        logitloss.softmax_cross_entropy_with_logits(labels=np.stack([soft, 1 - soft], axis=-1), logits=logits),
        logitloss.sigmoid_cross_entropy_with_logits(labels=soft, logits=sigmoid_logits),
    ):
        np.testing.assert_array_equal(got, want)


def test_small_loss_and_absent_class():
    loss, gradient = SPARSE(labels=0, logits=np.float32([40, 0]))
    assert loss == np.float32(4.248354e-18)
    np.testing.assert_array_equal(gradient, np.float32([-4.248354e-18, 4.248354e-18]))
    got = logitloss.softmax_cross_entropy_with_logits(labels=[0, 1, 0], logits=np.float32([-inf, 1, 2]))
    assert got == np.float32(1.3132616)


# --- the edges -------------------------------------------------------------------------------------------------------

EDGES = [
    ([inf, 1, 2], 0, 0.0, [0.0, 0.0, 0.0]),
    ([inf, 1, 2], 1, inf, [1.0, -1.0, 0.0]),
    ([inf, inf, 2], 0, nan, [nan] * 3),
    ([inf, -inf, 2], 0, 0.0, [0.0, 0.0, 0.0]),
    ([-inf, 1, 1], 0, inf, [-1.0, 0.5, 0.5]),
    ([-inf, 3, -inf], 1, 0.0, [0.0, 0.0, 0.0]),
    ([-inf] * 3, 1, nan, [nan] * 3),
    ([nan, 1, 2], 1, nan, [nan] * 3),
    ([nan, inf, 2], 1, nan, [nan] * 3),
    ([7.0], 0, 0.0, [0.0]),
    ([3.0, 3.0], 1, math.log(2), [0.5, -0.5]),
]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("padding", [0, 5, 600, 1100], ids="padded by {}".format)
@pytest.mark.parametrize(("row", "label", "loss", "gradient"), EDGES)
def test_edges(row, label, loss, gradient, dtype, padding):
    """Also far into a row of several segments, whose other classes are absent."""
    if math.isnan(loss) and padding and not any(v != v for v in row):
        gradient = [nan] * len(row)
    x = np.array([-inf] * padding + row + [-inf] * (padding // 2), dtype)
    hard = np.zeros(x.shape)
    hard[padding + label] = 1
    want = np.array(loss, dtype) if loss != math.log(2) else oracle.nearest(mp.log(2), dtype)
    for got in (SPARSE(labels=padding + label, logits=x), DENSE(labels=hard, logits=x)):
        assert bits(got[0]) == bits(want)
        np.testing.assert_array_equal(got[1][padding : padding + len(row)].astype(float), gradient)
        if not math.isnan(loss):
            assert not np.delete(got[1], np.s_[padding : padding + len(row)]).any()


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_far_below_in_one_segment_alone(dtype):
    """A nan there is found, though nothing else of its segment counts; a class there has no part."""
    x = np.zeros(5000, dtype)
    x[4500] = -2840  # 2^-4097: an exponent that ends as that of 1 does
    loss, gradient = SPARSE(labels=3, logits=x)
    assert loss == oracle.nearest(mp.log(4999), dtype)
    assert gradient[4500] == 0
    assert gradient[4499] == oracle.nearest(1 / mp.mpf(4999), dtype)
    x[:2100] = -2000
    assert SPARSE(labels=3000, logits=x)[0] == oracle.nearest(mp.log(2899), dtype)
    x[7] = nan
    assert math.isnan(SPARSE(labels=3000, logits=x)[0])


def test_labels_that_need_not_be_distributions():
    x = np.float64([1, 2, 3])
    loss, gradient = DENSE(labels=[0.0, 0.0, 0.0], logits=x)
    assert loss == 0
    assert not gradient.any()
    p = np.exp(x - 3) / np.exp(x - 3).sum()
    for z in ([1, 2, 3], [0.2, 0.1, 0.1], [True, True, False]):
        loss, gradient = DENSE(labels=z, logits=x)
        assert loss == pytest.approx(-np.dot(np.asarray(z, float), np.log(p)), rel=1e-14)
        np.testing.assert_allclose(gradient, np.sum(z) * p - z, rtol=1e-13)
    assert logitloss.softmax_cross_entropy_with_logits(labels=[nan, 1.0, 0.0], logits=x) != 0


# --- against the definition ------------------------------------------------------------------------------------------


def definition(x, z):
    """The loss and the gradient of a row."""
    with mp.workprec(4000):
        x, z = [mp.mpf(float(v)) for v in x], [mp.mpf(float(v)) for v in z]
        powers = [mp.exp(v - x[0]) if abs(v - x[0]) < 2000 else mp.mpf(0) for v in x]
        largest = max(x)
        powers = [mp.exp(v - largest) if v - largest > -2000 else mp.mpf(2) ** -2600 for v in x]
        total = mp.fsum(powers)
        log_total = largest + mp.log(total)
        loss = mp.fsum(b * (log_total - a) for a, b in zip(x, z, strict=True) if b)
        weight = mp.fsum(z)
        return loss, [weight * p / total - b for p, b in zip(powers, z, strict=True)]


def hard_rows(dtype, rng):
    """Rows of every kind that is hard for somebody."""
    wide = 300 if dtype == np.float64 else 30
    for n in (1, 2, 3, 10, 64, 65, 513):
        yield np.zeros(n)  # all equal
        yield np.repeat(rng.normal(size=(n + 1) // 2), 2)[:n]  # ties
        for scale in (1e-4, 1.0, 8.0, wide):
            yield rng.normal(scale=scale, size=n)
        ahead = rng.normal(size=n)
        ahead[n // 2] += 2 * wide  # one class far ahead
        yield ahead
        ahead[-1] -= 4 * wide
        yield ahead
    yield np.array([0, -80, -87.5, -95, -103])
    yield np.array([0, -708, -720, -744.5, -745.2, -800])
    yield np.linspace(-60, 60, 1025)
    for n in (10, 70, 2500):  # farther apart than powers reach, in one segment and in two
        yield rng.permutation(np.linspace(-1000, 1000, n))
    late = rng.normal(size=2500)
    late[2200] += 2 * wide  # far ahead of its segment and of the one before
    yield late


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_hard_rows(dtype):
    rng = np.random.default_rng(0)
    bound, slope_bound = (NARROW_BOUND, NARROW_BOUND) if dtype in NARROW else (WIDE_LOSS, WIDE_GRADIENT)
    for values in hard_rows(dtype, rng):
        x = values.astype(dtype)
        n = len(x)
        for label in {0, n // 2, n - 1, int(np.argmax(x))}:
            hot = np.arange(n) == label
            got, slope = SPARSE(labels=label, logits=x)
            again = DENSE(labels=hot, logits=x)
            assert bits(got) == bits(again[0])
            np.testing.assert_array_equal(bits(slope), bits(again[1]))
            loss, gradient = definition(x, hot)
            assert oracle.ulps(got, loss, dtype) <= bound, (values, label)
            some = {label, int(np.argmax(x)), *rng.integers(0, n, 8)}
            for j in some:
                assert oracle.ulps(slope[j], gradient[j], dtype) <= slope_bound, (values, label, j)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_soft_labels(dtype):
    rng = np.random.default_rng(1)
    for n in (2, 7, 64, 700):
        x = rng.normal(scale=6, size=n).astype(dtype)
        z = rng.dirichlet(np.full(n, 0.2))
        got, slope = DENSE(labels=z, logits=x)
        loss, gradient = definition(x, z)
        assert oracle.ulps(got, loss, dtype) <= (NARROW_BOUND if dtype in NARROW else WIDE_LOSS)
        for j in range(min(n, 40)):
            size = max(abs(gradient[j]), mp.mpf(float(z[j])))  # the terms may cancel
            assert abs(mp.mpf(float(slope[j])) - gradient[j]) <= 4 * oracle.unit(size, dtype)


def test_many_classes():
    rng = np.random.default_rng(2)
    for n in (100_000, 2**17):
        x = rng.normal(scale=3, size=n).astype(np.float32)
        for label in (int(x.argmax()), 77):
            with mp.workprec(200):
                powers = [mp.exp(mp.mpf(float(v))) for v in x]
                rest = mp.fsum(powers) - powers[label]
                loss = mp.log1p(rest / powers[label])
            assert oracle.ulps(SPARSE(labels=label, logits=x)[0], loss, np.float32) <= NARROW_BOUND
    x[:] = -40
    x[5] = 0
    loss, gradient = SPARSE(labels=5, logits=x)
    want = mp.log1p((len(x) - 1) * mp.exp(-40))
    assert oracle.ulps(loss, want, np.float32) <= NARROW_BOUND
    assert abs(math.fsum(gradient.astype(float))) <= abs(gradient[5]) * 2**-22  # a row adds to 0


# --- the same bits ---------------------------------------------------------------------------------------------------


def batch(dtype, rows, classes, seed=0):
    rng = np.random.default_rng(seed)
    x = (rng.normal(size=(rows, classes)) * rng.choice([1, 10, 100], (rows, 1))).astype(dtype)
    return x, rng.integers(0, classes, rows), rng.random((rows, classes)).astype(dtype)


def assert_same(got, want):
    for one, other in zip(got, want, strict=True):
        np.testing.assert_array_equal(bits(one), bits(other))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("classes", [1, 2, 10, 64, 65, 512, 513, 1300])
def test_batch_strides_and_axis(dtype, classes):
    x, y, z = batch(dtype, 61, classes)
    want, want_dense = SPARSE(labels=y, logits=x), DENSE(labels=z, logits=x)
    for i in (0, 7, 60):
        assert_same(SPARSE(labels=y[i], logits=x[i]), [w[i] for w in want])
        assert_same(DENSE(labels=z[i], logits=x[i]), [w[i] for w in want_dense])
    for part in (slice(3, 40), slice(None, None, -2)):
        assert_same(SPARSE(labels=y[part], logits=x[part]), [w[part] for w in want])
    assert_same(SPARSE(labels=y, logits=np.asfortranarray(x)), want)
    padded = np.zeros((61, classes * 2), dtype)
    padded[:, ::2] = x
    assert_same(SPARSE(labels=y, logits=padded[:, ::2]), want)
    loss, gradient = DENSE(labels=z.T, logits=x.T, axis=0)
    assert_same([loss, gradient.T], want_dense)
    cube, cube_labels = x.T.reshape(1, classes, 61), z.T.reshape(1, classes, 61)
    for axis in (1, -2):
        loss, gradient = DENSE(labels=cube_labels, logits=cube, axis=axis)
        assert_same([loss[0], gradient[0].T], want_dense)
        assert_same(
            [logitloss.softmax_cross_entropy_with_logits(labels=cube_labels, logits=cube, axis=axis)[0]], want_dense[:1]
        )


@pytest.mark.parametrize("shape", [(40_000, 10), (3000, 100), (5, 100_003), (1, 400_000)])
def test_threads(shape, threads):
    x, y, z = batch(np.dtype(np.float32), *shape)
    threads(1)
    want, want_dense = SPARSE(labels=y, logits=x), DENSE(labels=z, logits=x)
    for count in (2, 3, 7):
        threads(count)
        assert_same(SPARSE(labels=y, logits=x), want)
        assert_same(DENSE(labels=z, logits=x), want_dense)


def digest():
    import hashlib

    h = hashlib.sha256()
    for dtype in DTYPES:
        for classes in (3, 10, 100, 1111):
            x, y, z = batch(dtype, 200, classes, seed=classes)
            for result in (*SPARSE(labels=y, logits=x), *DENSE(labels=z, logits=x)):
                h.update(bits(result).tobytes())
    return h.hexdigest()


@pytest.mark.parametrize("isa", logitloss._core.isas())
def test_every_instruction_set(isa):
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from tests.core import test_softmax; print(test_softmax.digest())"
    run = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "LOGITLOSS_ISA": isa}, capture_output=True, text=True
    )
    assert run.stdout.strip() == digest(), run.stderr


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
    wide = np.zeros((2, 3, 4), np.float16)
    assert logitloss.softmax_cross_entropy_with_logits(labels=np.ones((3, 1)), logits=wide).shape == (2, 3)
    np.testing.assert_array_equal(
        logitloss.softmax_cross_entropy_with_logits(labels=[0.1, 0.2, 0.3, 0.4], logits=wide),
        logitloss.softmax_cross_entropy_with_logits(labels=np.tile([0.1, 0.2, 0.3, 0.4], (2, 3, 1)), logits=wide),
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
