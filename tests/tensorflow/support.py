"""What the tests of logitloss.tensorflow share: the modes of TensorFlow, the losses, their derivatives."""

import os

import numpy as np
import pytest

import logitloss

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
tf = pytest.importorskip("tensorflow")

import logitloss.tensorflow as host  # noqa: E402, F401
from logitloss.tensorflow import _kernels as ops  # noqa: E402
from logitloss.tensorflow import _sigmoid, _softmax, losses  # noqa: E402

MODES = ["eager", "device", "graph", "xla"]
LN2 = np.float32(0.6931472)
INF, NAN = np.inf, np.nan


@pytest.fixture(params=MODES)
def mode(request, monkeypatch):
    """A way to run a function of tensors: by the kernels; eagerly on a device they cannot read; traced; compiled."""
    if request.param == "eager":
        return lambda function: function
    if request.param == "device":
        for module in (_sigmoid, _softmax, losses):
            monkeypatch.setattr(module, "has_host_memory", lambda x: False)
        return lambda function: function
    return lambda function: tf.function(function, jit_compile=request.param == "xla", autograph=False)


def derived(function, order=1):
    """The function's values and its derivatives with respect to all arguments, those of the sum of the previous."""

    def run(*arguments):
        with tf.GradientTape() as tape:
            tape.watch(arguments)
            value = function(*arguments) if order == 1 else derived(function, order - 1)(*arguments)[-1][0]
        return value, tape.gradient(value, arguments)

    return run


def sigmoid(x, z):
    return logitloss.sigmoid_cross_entropy_with_logits(labels=z, logits=x)


def weighted(x, z, w):
    return logitloss.weighted_cross_entropy_with_logits(labels=z, logits=x, pos_weight=w)


def softmax(x, z):
    return logitloss.softmax_cross_entropy_with_logits(labels=z, logits=x)


def sparse(x, y):
    return logitloss.sparse_softmax_cross_entropy_with_logits(labels=y, logits=x)


def ulps_apart(a, b):
    """How many float32 numbers two arrays are apart at most."""
    steps = [np.where(i < 0, -(2**31) - i, i) for i in (np.float32(x).view(np.int32).astype(np.int64) for x in (a, b))]
    return abs(steps[0] - steps[1]).max()


def outputs(result):
    return [
        t.numpy() if hasattr(t, "numpy") else np.asarray(t) for t in (result if isinstance(result, tuple) else [result])
    ]


BOUNDS = {"loss": 5, "gradient": 3, "softmax loss": 5, "softmax gradient": 8}
"""Of traced float32 and float64, in ulp; the gradients for hard labels. docs/frameworks/tensorflow.md states them."""


@pytest.fixture(params=["device", "graph", "xla"])
def formula_mode(request, monkeypatch):
    monkeypatch.setattr(ops, "has_host_memory", lambda x: False)
    return lambda f: (
        f if request.param == "device" else tf.function(f, jit_compile=request.param == "xla", autograph=False)
    )


def traced(function, *specs, jit_compile=False):
    return tf.function(function, input_signature=specs, jit_compile=jit_compile, autograph=False)
