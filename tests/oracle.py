"""The definition in mpmath, and the rounding of its values to a dtype. Never the algorithm of the library."""

from __future__ import annotations

import ml_dtypes
import mpmath
import numpy as np

BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
CORRECTLY_ROUNDED = [np.dtype(np.float32), np.dtype(np.float16), BFLOAT16]
DTYPES = [*CORRECTLY_ROUNDED, np.dtype(np.float64)]

mp = mpmath.MPContext()
mp.prec = 2400  # softplus(x) - x z of float64 keeps its last digits


# Beyond |x| = 1000 the small side of either function only breaks ties: any positive number of that size does.
FAR, TINY = 1000, mp.mpf(2) ** -1200


def softplus(x):
    """log(1 + exp(x))."""
    return mp.log1p(mp.exp(x)) if abs(x) < FAR else (x if x > 0 else 0) + TINY


def sigmoid(x):
    """1 / (1 + exp(-x))."""
    return 1 / (1 + mp.exp(-x)) if abs(x) < FAR else (1 - TINY if x > 0 else TINY)


def loss(x, z, w=1.0):
    x, z, w = map(mp.mpf, map(float, (x, z, w)))
    return w * z * softplus(-x) + (1 - z) * softplus(x)


def gradient(x, z):
    x, z = map(mp.mpf, map(float, (x, z)))
    return sigmoid(x) - z


def hessian(x):
    x = mp.mpf(float(x))
    return sigmoid(x) * sigmoid(-x)


def softmax(x, z):
    """The softmax loss of a row and its gradient."""
    with mp.workprec(4000):
        x, z = [mp.mpf(float(v)) for v in x], [mp.mpf(float(v)) for v in z]
        largest = max(x)
        powers = [mp.exp(v - largest) if v - largest > -2000 else mp.mpf(2) ** -2600 for v in x]
        total = mp.fsum(powers)
        log_total = largest + mp.log(total)
        loss = mp.fsum(b * (log_total - a) for a, b in zip(x, z, strict=True) if b)
        weight = mp.fsum(z)
        return loss, [weight * p / total - b for p, b in zip(powers, z, strict=True)]


def unit(value, dtype) -> mpmath.mpf:
    """The distance of neighbours of a dtype at a value, that of the subnormals below the smallest normal number."""
    info = ml_dtypes.finfo(dtype)
    exponent = mp.frexp(value)[1] - 1 if value else info.minexp
    return mp.mpf(2) ** (max(exponent, info.minexp) - info.nmant)


def ulps(got, value, dtype) -> float:
    """The error of a finite result in units in the last place of the true value."""
    return float(abs(mp.mpf(float(got)) - value) / unit(value, dtype))


def nearest(value, dtype) -> np.ndarray:
    """The correctly rounded value: nearest, ties to even."""
    step = unit(value, dtype)
    steps = mp.nint(value / step)  # ties to even
    return np.array(float(steps * step) if abs(steps) < 2**60 else float("inf"), dtype)


def bits(array) -> np.ndarray:
    """The bit patterns, which tell -0 from +0; all nans are one."""
    array = np.asarray(array)
    array = np.where(array != array, np.array(np.nan, array.dtype), array)
    return array.view(f"u{array.dtype.itemsize}")
