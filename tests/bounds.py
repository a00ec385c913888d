"""The formulas in array operations against the bounds that their module states, whatever library computes them."""

import functools
import re

import numpy as np

from logitloss import _formulas as formulas

from . import oracle
from .inputs import hard_rows, interesting_labels, interesting_logits
from .oracle import mp

FLOATS = [np.dtype(np.float32), np.dtype(np.float64)]
BOUNDS = {name: float(bound) for name, bound in re.findall(r"(\w+) (\d)[,\n]", formulas.__doc__)}


@functools.cache
def points(dtype):
    """For each formula its arguments, the truths, terms that cancel in them, and the size below which digits go."""
    rng = np.random.default_rng(3)
    x = interesting_logits(dtype, rng, 250)
    z = interesting_labels(x, dtype, rng)
    w = rng.choice([0, 0.3, 1, 3, 1000], len(x)).astype(dtype)
    rows = [tuple(mp.mpf(float(v)) for v in row) for row in zip(x, z, w, strict=True)]
    s = [(oracle.sigmoid(a), oracle.sigmoid(-a)) for a, _, _ in rows]
    h = [p * q for p, q in s]

    def gradients(weights):
        return [(1 - b) * p - c * b * q for (_, b, _), c, (p, q) in zip(rows, weights, s, strict=True)]

    def terms(weights):
        return [abs(1 - b if a > 0 else c * b) for (a, b, _), c in zip(rows, weights, strict=True)]

    ones, weights, none = [1] * len(x), [c for _, _, c in rows], [0] * len(x)
    tiny = [float(np.finfo(dtype).tiny)] * len(x)
    weighted = [max(1, abs(a), c) * t for (a, _, c), t in zip(rows, tiny, strict=True)]
    return [
        (formulas.softplus, (x,), [oracle.softplus(a) for a, _, _ in rows], none, tiny),
        (formulas.loss, (x, z), [oracle.loss(a, b) for a, b, _ in rows], none, tiny),
        (formulas.loss, (x, z, w), [oracle.loss(*row) for row in rows], none, weighted),
        (formulas.gradient, (x, z), gradients(ones), terms(ones), tiny),
        (formulas.gradient, (x, z, w), gradients(weights), terms(weights), weighted),
        (
            formulas.hessian,
            (x, z, w),
            [(1 - b + c * b) * v for (_, b, c), v in zip(rows, h, strict=True)],
            none,
            weighted,
        ),
        (formulas.hessian, (x,), h, none, tiny),
    ]


def assert_within(got, truths, terms, smallest, bound, dtype, flushed=False):
    """Hold what is finite to a bound in ulp; ``flushed`` lets what is below the smallest size be 0."""
    most = float(np.finfo(dtype).max)
    for i, (one, truth, term, least) in enumerate(zip(got.tolist(), truths, terms, smallest, strict=True)):
        slack = bound * oracle.unit(max(abs(truth), term, least), dtype) + (2 * least if flushed else 0)
        if abs(truth) + slack < most:
            assert abs(mp.mpf(one) - truth) <= slack, (i, one, float(truth))


def assert_sigmoid_bounds(compute, dtype, flushed=False):
    """Check compute(formula, *arrays), whatever computes it."""
    for formula, arrays, truths, terms, smallest in points(dtype):
        assert_within(compute(formula, *arrays), truths, terms, smallest, BOUNDS[formula.__name__], dtype, flushed)
    _, (x,), hessians, none, tiny = points(dtype)[-1]
    slopes = [-h * mp.tanh(mp.mpf(float(a)) / 2) for a, h in zip(x, hessians, strict=True)]
    got = compute(formulas.hessian_slope, x, compute(formulas.hessian, x))
    assert_within(got, slopes, none, tiny, BOUNDS["hessian_slope"], dtype, flushed)


def assert_softmax_bounds(compute, dtype, flushed=False):
    for values in hard_rows(dtype, np.random.default_rng(0)):
        x = values.astype(dtype)
        for label in {0, len(x) // 2, int(np.argmax(x))}:
            hot = np.arange(len(x)) == label
            z = hot.astype(dtype)
            loss, gradient = oracle.softmax(x, z)
            some = sorted({0, label, int(np.argmax(x)), len(x) - 1})
            for formula, arrays, at, truths in (
                (formulas.softmax_loss, (x, z), (), [loss]),
                (formulas.softmax_gradient, (x, z), some, [gradient[j] for j in some]),
                (formulas.softmax, (x,), some, [gradient[j] + int(hot[j]) for j in some]),
                (formulas.softmax_losses, (x,), [label], [loss]),
                (formulas.sparse_softmax_loss, (x, np.array(label)), (), [loss]),
                (formulas.sparse_softmax_gradient, (x, np.array(label)), some, [gradient[j] for j in some]),
            ):
                got = np.atleast_1d(compute(formula, *arrays)[at])
                none, tiny = [0] * len(truths), [float(np.finfo(dtype).tiny)] * len(truths)
                assert_within(got, truths, none, tiny, BOUNDS[formula.__name__], dtype, flushed)
