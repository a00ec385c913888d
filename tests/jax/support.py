"""What the tests of logitloss.jax share."""

import os
import subprocess
import sys

import numpy as np
import pytest

from ..oracle import DTYPES, bits

jax = pytest.importorskip("jax")

import jax.numpy as jnp  # noqa: E402, F401
from jax import export  # noqa: E402, F401
from jax.test_util import check_grads  # noqa: E402, F401

import logitloss.jax as xj  # noqa: E402, F401


@pytest.fixture(params=DTYPES, ids=str)
def dtype(request):
    with jax.enable_x64(request.param == np.float64):
        yield request.param


def same(got, want):
    np.testing.assert_array_equal(bits(got), bits(want))


def softmax_batches(dtype):
    rng = np.random.default_rng(6)
    for classes in (1, 2, 10, 65, 513, 2000):
        x = (rng.normal(size=(7, classes)) * rng.choice([1, 10, 100], (7, 1))).astype(dtype)
        yield x, rng.dirichlet(np.ones(classes), 7).astype(dtype), rng.integers(0, classes, 7)


def run(code, **environment):
    environment = {**os.environ, "JAX_PLATFORMS": "cpu", **environment}
    got = subprocess.run([sys.executable, "-W", "error", "-c", code], env=environment, capture_output=True, text=True)
    assert got.stderr == "", got.stderr
    return got.stdout
