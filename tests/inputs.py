"""Logits and labels that are hard in every way: tails, subnormals, ties, cancellation, infinities."""

import numpy as np


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


def sample(n, dtype, seed=0):
    """Logits of every kind, so that some take the fallback, some are subnormal and some have no number."""
    rng = np.random.default_rng(seed)
    x = rng.normal(scale=6, size=n)
    z = rng.choice([0, 1, 0.5, 0.25, 0.1], n)
    x[rng.random(n) < 0.2] *= 20
    x[rng.random(n) < 0.1] *= 2.0**-30
    x[rng.random(n) < 0.02] = np.nan
    x[rng.random(n) < 0.02] = np.inf
    return x.astype(dtype), z.astype(dtype)


def hard_rows(dtype, rng):
    """Rows of every kind that is hard for somebody."""
    spread = 300 if dtype == np.float64 else 30
    for n in (1, 2, 3, 10, 64, 65, 513):
        yield np.zeros(n)  # all equal
        yield np.repeat(rng.normal(size=(n + 1) // 2), 2)[:n]  # ties
        for scale in (1e-4, 1.0, 8.0, spread):
            yield rng.normal(scale=scale, size=n)
        ahead = rng.normal(size=n)
        ahead[n // 2] += 2 * spread  # one class far ahead
        yield ahead
        ahead[-1] -= 4 * spread
        yield ahead
    yield np.array([0, -80, -87.5, -95, -103])
    yield np.array([0, -708, -720, -744.5, -745.2, -800])
    yield np.linspace(-60, 60, 1025)
    for n in (10, 70, 2500):  # farther apart than powers reach, in one segment and in two
        yield rng.permutation(np.linspace(-1000, 1000, n))
    late = rng.normal(size=2500)
    late[2200] += 2 * spread  # far ahead of its segment and of the one before
    yield late
