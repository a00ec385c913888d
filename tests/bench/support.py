"""Small cases, and implementations to measure them with."""

import pytest

import logitloss
from logitloss.bench import Case, implementations
from logitloss.bench.frameworks import Prepared

SMALL = [
    Case(op, dtype, labels, (1000,))
    for op in ("forward", "mean", "mean_and_grad", "grad_and_hess", "call")
    for dtype, labels in [("float32", "hard"), ("float64", "soft"), ("float16", "hard"), ("float32", "bool")]
]
SMALL += [Case(op, "float32", "class", (30, 7)) for op in ("sparse_forward", "sparse_mean_and_grad")]


CASE = Case("forward", "float32", "hard", (500,))


def implementation(name):
    """The implementation of this name, on one thread; without its package the test is skipped."""
    one = next(one for one in implementations.IMPLEMENTATIONS if one.name == name)
    if not one.installed():
        pytest.skip(f"{name} is not installed")
    return one.load(1)


def result(prepared):
    return prepared.fetch(prepared.run())


def loaded(name, function, version="1"):
    return implementations.Loaded(name, version, lambda case, x, z: Prepared(lambda: (function(x, z),)))


def right(x, z):
    return logitloss.sigmoid_cross_entropy_with_logits(labels=z, logits=x)
