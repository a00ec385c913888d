"""The public losses: the documented examples, the edges, and every value against the definition."""

import math

import ml_dtypes
import numpy as np
import pytest

import logitloss

from .. import oracle
from ..oracle import DTYPES, NARROW, bits

inf, nan = math.inf, math.nan
LN2 = "ln 2"


def all_results(x, z):
    """Return loss, gradient and hessian, after checking that every public function gives the same bits for them."""
    loss = logitloss.sigmoid_cross_entropy_with_logits(labels=z, logits=x)
    loss2, gradient = logitloss.sigmoid_cross_entropy_value_and_grad(labels=z, logits=x)
    gradient2, hessian = logitloss.sigmoid_cross_entropy_grad_and_hess(labels=z, logits=x)
    gradient3 = logitloss.ufuncs.sigmoid_cross_entropy_grad(x, z)
    for one, other in ((loss, loss2), (gradient, gradient2), (gradient, gradient3)):
        np.testing.assert_array_equal(bits(one), bits(other))
    return loss, gradient, hessian


# --- the documented examples -----------------------------------------------------------------------------------------


def test_documented_example():
    logits = np.float32([1.0, -1.0, 0.0, 1.0, -1.0, 0.0, 0.0])
    labels = np.float32([0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 0.5])
    got = logitloss.sigmoid_cross_entropy_with_logits(labels=labels, logits=logits)
    correctly_rounded = [1.3132616, 0.3132617, 0.6931472, 0.3132617, 1.3132616, 0.6931472, 0.6931472]
    np.testing.assert_array_equal(got, np.float32(correctly_rounded))
    documented = np.float32([1.3132617, 0.3132617, 0.6931472, 0.3132617, 1.3132617, 0.6931472, 0.6931472])
    np.testing.assert_array_almost_equal_nulp(got, documented, 1)


def test_documented_equivalence():
    """With logits stacked on zeros the softmax losses are these too; the sigmoid's part."""
    got = logitloss.sigmoid_cross_entropy_with_logits(labels=np.float32([1, 1, 0]), logits=np.float32([1, -1, 0]))
    np.testing.assert_array_equal(got, np.float32([0.3132617, 1.3132616, 0.6931472]))
    np.testing.assert_array_almost_equal_nulp(got, np.float32([0.31326166, 1.3132616, 0.6931472]), 1)


# --- the edges -------------------------------------------------------------------------------------------------------

# x, z, loss, gradient, hessian; None: as without the label
EDGES = [
    (+inf, 0.0, inf, 1.0, 0.0),
    (+inf, 0.5, inf, 0.5, 0.0),
    (+inf, 1.0, 0.0, 0.0, 0.0),
    (+inf, -1.0, inf, 2.0, 0.0),
    (+inf, 2.0, -inf, -1.0, 0.0),
    (-inf, 0.0, 0.0, 0.0, 0.0),
    (-inf, 0.5, inf, -0.5, 0.0),
    (-inf, 1.0, inf, -1.0, 0.0),
    (-inf, -1.0, -inf, 1.0, 0.0),
    (-inf, 2.0, inf, -2.0, 0.0),
    *[(nan, z, nan, nan, nan) for z in (0.0, 0.5, 1.0, -1.0, 2.0, nan, inf)],
    *[(x, z, LN2, 0.5 - z, 0.25) for x in (0.0, -0.0) for z in (0.0, 0.5, 1.0, -1.0, 2.0)],
    (3.0, nan, nan, nan, None),
    (3.0, inf, -inf, -inf, None),
    (3.0, -inf, inf, inf, None),
    (-3.0, inf, inf, -inf, None),
    (-3.0, -inf, -inf, inf, None),
    (0.0, inf, nan, -inf, 0.25),
    (0.0, -inf, nan, inf, 0.25),
]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize(("x", "z", "loss", "gradient", "hessian"), EDGES)
def test_edges(x, z, loss, gradient, hessian, dtype):
    got = all_results(np.array([x], dtype), np.array([z], dtype))
    loss = oracle.mp.log(2) if loss is LN2 else loss
    hessian = oracle.hessian(x) if hessian is None else hessian
    for one, want in zip(got, (loss, gradient, hessian), strict=True):
        want = np.array(want, dtype) if isinstance(want, float) else oracle.nearest(want, dtype)
        assert bits(one)[0] == bits(want)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_subnormal_logits(dtype):
    tiny = float(ml_dtypes.finfo(dtype).smallest_subnormal)
    x = np.array([tiny, -tiny, 8 * tiny, -8 * tiny], dtype)
    _, gradient, hessian = all_results(x, np.full(4, 0.5, dtype))
    assert (hessian == 0.25).all()
    np.testing.assert_array_equal(bits(gradient), bits(np.array([0.0, -0.0, 2 * tiny, -2 * tiny], dtype)))
    for z in (0.0, 0.5, 1.0, -1.0, 2.0):
        loss, gradient, _ = all_results(x, np.full(4, z, dtype))
        assert (loss == oracle.nearest(oracle.mp.log(2), dtype)).all()
        assert z == 0.5 or (gradient == 0.5 - z).all()


@pytest.mark.parametrize(
    ("x", "z", "loss", "gradient"),
    [
        (40, 0, 40.0, 1.0),
        (40, 0.5, 20.0, 0.5),
        (40, 1, 4.2483541e-18, -4.2483541e-18),
        (40, -1, 80.0, 2.0),
        (40, 2, -40.0, -1.0),
        (100, 0, 100.0, 1.0),
        (100, 0.5, 50.0, 0.5),
        (100, 1, 27 * 2.0**-149, -27 * 2.0**-149),
        (103, 1, 2.0**-149, -(2.0**-149)),
        (104, 1, 0.0, -0.0),
        (3e38, 0, 3e38, 1.0),
        (3e38, 0.5, 1.5e38, 0.5),
        (3e38, 1, 0.0, -0.0),
        (3e38, -1, inf, 2.0),
        (3e38, 2, -3e38, -1.0),
        (17, 1, 4.1399374e-8, -4.1399374e-8),
        (1e8, 1 - 2.0**-24, 5.9604645, 5.9604645e-8),
    ],
)
def test_tails_float32(x, z, loss, gradient):
    got = all_results(np.float32([x, -x]), np.float32([z, np.float32(1) - np.float32(z)]))
    np.testing.assert_array_equal(bits(got[0])[0], bits(np.float32(loss)))
    np.testing.assert_array_equal(bits(got[1])[0], bits(np.float32(gradient)))
    hessian = {40: 4.2483541e-18, 100: 27 * 2.0**-149, 103: 2.0**-149, 104: 0.0, 3e38: 0.0}.get(x)
    if hessian is not None:
        np.testing.assert_array_equal(bits(got[2]), bits(np.float32([hessian, hessian])))
    if np.float32(1) - np.float32(z) == 1 - z:  # the symmetry (x, z) -> (-x, 1 - z)
        np.testing.assert_array_equal(got[0][1], got[0][0])
        np.testing.assert_array_equal(got[1][1], -got[1][0])


def test_tails_float64():
    loss, gradient, hessian = all_results(np.array([744.0, 746.0, 36.0]), np.ones(3))
    np.testing.assert_array_equal(loss, [2 * 2.0**-1074, 0.0, 2.319522830243569e-16])
    np.testing.assert_array_equal(bits(gradient), bits(np.array([-2 * 2.0**-1074, -0.0, -2.3195228302435688e-16])))
    np.testing.assert_array_equal(hessian, [2 * 2.0**-1074, 0.0, 2.319522830243568e-16])


# --- every value against the definition ------------------------------------------------------------------------------


def interesting_logits(dtype, rng, n):
    """Bit patterns of every size and sign, the ordinary range, both tails, and what lies next to 0."""
    patterns = np.frombuffer(rng.bytes(n * dtype.itemsize), dtype)
    ordinary = rng.normal(scale=8, size=n)
    tails = rng.uniform(-760 if dtype == np.float64 else -110, 760 if dtype == np.float64 else 110, n)
    small = rng.normal(size=n) * 2.0 ** rng.uniform(-40, 0, n)
    with np.errstate(over="ignore", invalid="ignore"):  # also casts of signalling nans
        x = np.concatenate([patterns, *(part.astype(dtype) for part in (ordinary, tails, small))])
        return x[np.isfinite(x.astype(np.float64))]


def interesting_labels(x, dtype, rng):
    """Hard labels, dyadic ones that make ties, uniform ones, ones next to 0 and 1, and the gradient's root."""
    n = len(x)
    root = 1 / (1 + np.exp(-np.clip(x.astype(np.float64), -700, 700)))
    near = 2.0 ** rng.uniform(-30, 0, n)
    kinds = [rng.integers(0, 2, n), rng.integers(0, 9, n) / 8, rng.random(n), near, 1 - near, root]
    return np.choose(rng.integers(0, len(kinds), n), kinds).astype(dtype)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_against_the_definition(dtype):
    rng = np.random.default_rng(20)
    x = interesting_logits(dtype, rng, 250)
    z = interesting_labels(x, dtype, rng)
    truths = [[oracle.loss(a, b) for a, b in zip(x, z, strict=True)]]
    truths.append([oracle.gradient(a, b) for a, b in zip(x, z, strict=True)])
    truths.append([oracle.hessian(a) for a in x])
    for kind, got, truth in zip(("loss", "gradient", "hessian"), all_results(x, z), truths, strict=True):
        if dtype in NARROW:
            want = np.array([oracle.nearest(t, dtype) for t in truth], dtype)
            wrong = np.flatnonzero(got != want)
            assert not wrong.size, (kind, x[wrong][:3], z[wrong][:3], got[wrong][:3], want[wrong][:3])
            continue
        for a, b, one, t in zip(x, z, got, truth, strict=True):
            if abs(t) < np.finfo(dtype).max:
                soft = kind == "gradient" and b not in (0, 1)
                slack = 2.0**-56 * min(oracle.sigmoid(a), oracle.sigmoid(-a)) / oracle.unit(t, dtype) if soft else 0
                assert oracle.ulps(one, t, dtype) <= (0.75 if kind == "loss" else 1.0) + slack, (kind, a, b)
                assert np.sign(one) == np.sign(float(oracle.mp.sign(t))) or abs(t) < 2.0**-1074


@pytest.mark.parametrize("dtype", NARROW, ids=str)
@pytest.mark.parametrize("label", [-3.0, -1.0, 1.5, 2.0, 1e10])
def test_labels_outside_the_unit_interval(dtype, label):
    """The affine extension, correctly rounded also where its terms cancel."""
    rng = np.random.default_rng(4)
    x = rng.normal(scale=5, size=200).astype(dtype)
    z = np.full(200, min(label, float(ml_dtypes.finfo(dtype).max)), dtype)
    loss, gradient, _ = all_results(x, z)
    with np.errstate(over="ignore"):
        want = np.array([oracle.nearest(oracle.loss(a, b), dtype) for a, b in zip(x, z, strict=True)], dtype)
        slope = np.array([oracle.nearest(oracle.gradient(a, b), dtype) for a, b in zip(x, z, strict=True)], dtype)
    np.testing.assert_array_equal(loss, want)
    np.testing.assert_array_equal(gradient, slope)


@pytest.mark.parametrize("label_dtype", [np.float64, np.float16, oracle.BFLOAT16], ids=str)
def test_labels_count_at_their_full_precision(label_dtype):
    x = np.float32([1e8, -1e8, 20, -3.25])
    z = np.array([1 - 2.0**-40, 2.0**-40, 0.3, 0.7], label_dtype)
    loss, gradient, _ = all_results(x, z)
    assert loss.dtype == gradient.dtype == np.float32
    for i in range(4):
        assert loss[i] == oracle.nearest(oracle.loss(x[i], z[i]), np.float32)
        assert gradient[i] == oracle.nearest(oracle.gradient(x[i], z[i]), np.float32)


@pytest.mark.skipif(np.finfo(np.longdouble).nmant < 63, reason="long double has no more digits than double here")
def test_float32_bit_patterns():
    """A million logits of every bit pattern, hard labels: nothing beyond 0.5 ulp."""
    rng = np.random.default_rng(7)
    x = np.frombuffer(rng.bytes(4_000_000), np.float32)
    x = x[np.isfinite(x)]
    wide = x.astype(np.longdouble)
    with np.errstate(under="ignore"):
        u = np.exp(-abs(wide))
        p, tail = u / (1 + u), np.log1p(u)
    for label in (0, 1):
        a = np.where(x > 0, 1 - label, -label)
        gradient = a - np.where(x > 0, p, -p)
        truths = (np.where(a == 0, 0, wide) * a + tail, gradient, p * (1 - p))
        exact = (lambda i, z=label: oracle.loss(x[i], z), lambda i, z=label: oracle.gradient(x[i], z))
        exact = (*exact, lambda i: oracle.hessian(x[i]))
        for got, truth, definition in zip(all_results(x, np.full(x.shape, label, bool)), truths, exact, strict=True):
            exponent = np.maximum(np.frexp(truth)[1] - 1, -126)
            error = np.ldexp(abs(got - truth), 23 - exponent)
            assert (error <= 0.5 + 2.0**-30).all(), x[error.argmax()]
            for i in np.flatnonzero(error > 0.5 - 2.0**-30)[:50]:  # too near to a tie for long double
                assert got[i] == oracle.nearest(definition(i), np.float32)


# --- properties ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_symmetry_and_signs(dtype):
    rng = np.random.default_rng(5)
    x = interesting_logits(dtype, rng, 20_000)
    z = (rng.integers(0, 9, len(x)) / 8).astype(dtype)  # 1 - z is exact
    loss, gradient, hessian = all_results(x, z)
    mirrored = all_results(-x, (1 - z).astype(dtype))
    np.testing.assert_array_equal(loss, mirrored[0])
    np.testing.assert_array_equal(gradient, -mirrored[1])
    np.testing.assert_array_equal(hessian, mirrored[2])
    assert (loss >= 0).all()
    assert (hessian >= 0).all()
    assert (gradient[(z == 0)] >= 0).all()
    assert (gradient[(z == 1)] <= 0).all()


@pytest.mark.parametrize("dtype", NARROW, ids=str)
def test_monotone(dtype):
    """The loss of a hard label is monotone in the logit, over neighbours."""
    patterns = np.arange(0x10000, dtype=np.uint16)
    x = patterns.view(dtype) if dtype.itemsize == 2 else np.nextafter(np.float32(-3), np.float32(9)) + np.zeros(1)
    if dtype == np.float32:
        x = (np.float32(-3.3).view(np.int32) - np.arange(100_000, dtype=np.int32)).view(np.float32)
    x = np.sort(x[np.isfinite(x.astype(np.float32))].astype(np.float64)).astype(dtype)
    for label, sign in ((0, 1), (1, -1)):
        loss = logitloss.sigmoid_cross_entropy_with_logits(labels=np.full(x.shape, label), logits=x)
        assert (sign * np.diff(loss.astype(np.float64)) >= 0).all()


# --- the weighted sibling --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_weighted_against_the_definition(dtype):
    rng = np.random.default_rng(9)
    x = interesting_logits(dtype, rng, 60)
    z = interesting_labels(x, dtype, rng)
    w = rng.choice([0.0, 0.5, 1.0, 3.0, 7.3, 1e-3], len(x))
    got = logitloss.weighted_cross_entropy_with_logits(labels=z, logits=x, pos_weight=w)
    assert got.dtype == dtype
    for i in range(len(x)):
        truth = oracle.loss(x[i], z[i], w[i])
        if dtype in NARROW:
            assert got[i] == oracle.nearest(truth, dtype), (x[i], z[i], w[i])
        elif abs(truth) < np.finfo(dtype).max:
            assert oracle.ulps(got[i], truth, dtype) <= 0.75, (x[i], z[i], w[i])


@np.errstate(over="ignore")  # of the oracle's largest
@pytest.mark.parametrize("dtype", NARROW, ids=str)
def test_weighted_labels_may_lie_anywhere(dtype):
    rng = np.random.default_rng(11)
    x = interesting_logits(dtype, rng, 60)
    z = rng.choice([-3.0, -0.25, -1e-3, 1 + 2.0**-40, 1.5, 2.5, 1e3], len(x))
    w = rng.choice([0.0, 0.5, 3.0, 7.3, 1e-3], len(x))
    got = logitloss.weighted_cross_entropy_with_logits(labels=z, logits=x, pos_weight=w)
    for i in range(len(x)):
        assert got[i] == oracle.nearest(oracle.loss(x[i], z[i], w[i]), dtype), (x[i], z[i], w[i])


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_weight_one_is_the_unweighted_loss(dtype):
    rng = np.random.default_rng(10)
    x = interesting_logits(dtype, rng, 2000)
    z = interesting_labels(x, dtype, rng)
    got = logitloss.weighted_cross_entropy_with_logits(labels=z, logits=x, pos_weight=1)
    np.testing.assert_array_equal(bits(got), bits(logitloss.sigmoid_cross_entropy_with_logits(labels=z, logits=x)))


def test_weighted_edges():
    x = np.float32([0, inf, inf, -inf, -inf, -inf, nan, 17])
    z = np.float32([1, 1, 0, 0, 1, 1, 1, 1])
    w = np.array([3.0, 3, 3, 3, 3, 0, 3, 3])
    got = logitloss.weighted_cross_entropy_with_logits(labels=z, logits=x, pos_weight=w)
    np.testing.assert_array_equal(got, np.float32([3 * math.log(2), 0, inf, 0, inf, 0, nan, 1.2419812e-7]))


@pytest.mark.parametrize("shape", [(), (1,), (3,), (2, 1), (2, 3)])
def test_pos_weight_broadcasts(shape):
    rng = np.random.default_rng(0)
    x, z, w = rng.normal(size=(2, 3)), rng.random((2, 3)), rng.random(shape)
    got = logitloss.weighted_cross_entropy_with_logits(labels=z, logits=x, pos_weight=w)
    full = logitloss.weighted_cross_entropy_with_logits(
        labels=z, logits=x, pos_weight=np.broadcast_to(w, (2, 3)).copy()
    )
    np.testing.assert_array_equal(got, full)


# --- reductions ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_mean_and_grad(dtype):
    rng = np.random.default_rng(11)
    x = rng.normal(scale=4, size=(37, 41)).astype(dtype)
    z = rng.random((37, 41)).astype(dtype)
    loss = logitloss.sigmoid_cross_entropy_with_logits(labels=z, logits=x)
    mean, gradient = logitloss.sigmoid_cross_entropy_mean_and_grad(labels=z, logits=x)
    total = logitloss.sigmoid_cross_entropy_total(labels=z, logits=x)
    exact = math.fsum(loss.astype(np.float64).ravel())
    assert total.compute() == exact
    assert total.count == x.size
    assert type(mean) is float
    assert mean == total.mean()
    assert abs(mean - exact / x.size) <= math.ulp(mean)
    assert gradient.dtype == dtype
    assert gradient.shape == x.shape
    for a, b, got in list(zip(x.flat, z.flat, gradient.flat, strict=True))[:300]:
        truth = oracle.gradient(a, b) / x.size
        if dtype in NARROW:
            assert got == oracle.nearest(truth, dtype)
        else:
            slack = 2.0**-56 * min(oracle.sigmoid(a), oracle.sigmoid(-a)) / x.size / oracle.unit(truth, dtype)
            assert oracle.ulps(got, truth, dtype) <= 1 + slack


def test_mean_and_grad_out_may_be_an_input():
    rng = np.random.default_rng(12)
    x, z = rng.normal(size=10_000).astype(np.float32), rng.random(10_000).astype(np.float32)
    want = logitloss.sigmoid_cross_entropy_mean_and_grad(labels=z, logits=x)
    for overlapping in (x.copy(), z.copy()):
        arguments = {"logits": x, "labels": z}
        arguments["logits" if (overlapping == x).all() else "labels"] = overlapping
        mean, gradient = logitloss.sigmoid_cross_entropy_mean_and_grad(**arguments, out=overlapping)
        assert gradient is overlapping
        assert mean == want[0]
        np.testing.assert_array_equal(gradient, want[1])
    memory = np.zeros(10_001, np.float32)  # the output one element further than the input
    memory[:-1] = x
    mean, gradient = logitloss.sigmoid_cross_entropy_mean_and_grad(labels=z, logits=memory[:-1], out=memory[1:])
    assert mean == want[0]
    np.testing.assert_array_equal(gradient, want[1])


def test_mean_of_nothing_and_of_no_number():
    mean, gradient = logitloss.sigmoid_cross_entropy_mean_and_grad(labels=np.empty((0, 3)), logits=np.empty((0, 3)))
    assert math.isnan(mean)
    assert gradient.shape == (0, 3)
    for x, z, want in ((nan, 0.5, nan), (inf, 0.0, inf), (inf, 2.0, -inf)):
        mean, _ = logitloss.sigmoid_cross_entropy_mean_and_grad(labels=[z, 0.5], logits=[x, 1.0])
        np.testing.assert_equal(mean, want)


# --- shapes and types ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", NARROW, ids=str)
def test_losses_beyond_the_largest_number_and_without_one(dtype):
    every_bit = np.array(2**63 - 1).view(np.float64)  # a nan to which nothing can be added but a carry
    for label, want in ((-1e39, np.inf), (every_bit, np.nan)):
        logits, labels = np.full(8, 80, dtype), np.full(8, label)
        with np.errstate(all="ignore"):
            losses = logitloss.sigmoid_cross_entropy_with_logits(labels=labels, logits=logits)
        np.testing.assert_array_equal(losses.astype(np.float64), want)
        np.testing.assert_equal(logitloss.sigmoid_cross_entropy_total(labels=labels, logits=logits).compute(), want)


def test_scalars_lists_and_rank():
    got = logitloss.sigmoid_cross_entropy_with_logits(labels=1.0, logits=-1.0)
    assert np.ndim(got) == 0
    assert got.dtype == np.float64
    assert got == 1.3132616875182228
    got = logitloss.sigmoid_cross_entropy_with_logits(labels=[[0, 1]], logits=[[0.5, -0.5]])
    assert got.shape == (1, 2)
    got = logitloss.sigmoid_cross_entropy_with_logits(labels=np.array(True), logits=np.array(2, np.float16))
    assert np.ndim(got) == 0
    assert got.dtype == np.float16
    for shape in ((0,), (2, 0), (0, 3, 1)):
        got = logitloss.sigmoid_cross_entropy_with_logits(labels=np.zeros(shape), logits=np.zeros(shape, np.float32))
        assert got.shape == shape
        assert got.dtype == np.float32


@pytest.mark.parametrize("dtype", NARROW, ids=str)
@pytest.mark.parametrize("n", [6000, 20_000, 300_000])
def test_a_gradient_is_divided_before_it_is_rounded(n, dtype):
    """Also where the quotient, or what is divided, is subnormal: blocks differ in the sizes of their logits."""
    rng = np.random.default_rng(6)
    sizes = np.resize(np.repeat([4, 9.6, 10.6, 12, 40, 70, 78, 82, 85, 89, 104], 512), n)
    x = (sizes * rng.uniform(0.98, 1, n) * rng.choice([-1, 1], n)).astype(dtype)
    z = np.where(rng.random(n) < 0.7, x > 0, x < 0).astype(dtype)  # mostly the small side of the sigmoid
    _, gradient = logitloss.sigmoid_cross_entropy_mean_and_grad(labels=z, logits=x)
    for size in np.unique(sizes):
        for i in np.flatnonzero(sizes == size)[: 150 if size < 10 else 9]:
            want = oracle.nearest(abs(oracle.gradient(x[i], z[i])) / n, dtype)
            np.testing.assert_array_equal(bits(gradient[i]), bits(-want if z[i] else want))


LABEL_DTYPES = [np.dtype(c) for c in "efd?bBhHiIlLqQ"] + [oracle.BFLOAT16]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("label_dtype", LABEL_DTYPES, ids=lambda d: d.char + str(d))
def test_every_label_dtype(dtype, label_dtype):
    rng = np.random.default_rng(1)
    x = rng.normal(size=700).astype(dtype)
    z = rng.integers(0, 2, 700)
    got = all_results(x, z.astype(label_dtype))
    for one, want in zip(got, all_results(x, z.astype(dtype)), strict=True):
        assert one.dtype == dtype
        np.testing.assert_array_equal(bits(one), bits(want))


@pytest.mark.parametrize("label_dtype", "bBhHiIqQ")
def test_large_integer_labels_do_not_wrap(label_dtype):
    limits = np.iinfo(label_dtype)
    z = np.array([limits.min, limits.max, limits.max - 55, 0, 7], label_dtype)
    x = np.ones(len(z))
    np.testing.assert_array_equal(all_results(x, z)[1], all_results(x, z.astype(np.float64))[1])


def test_a_true_label_is_any_byte_but_0():
    z = np.array([0, 1, 2, 128, 255], np.uint8).view(bool)
    np.testing.assert_array_equal(all_results(np.ones(5), z)[1], all_results(np.ones(5), z.astype(np.uint8) != 0)[1])
