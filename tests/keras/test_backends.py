"""logitloss.keras on every backend: one subprocess for each, whose answers are held side by side."""

import importlib.util
import json
import os
import subprocess
import sys

import numpy as np
import pytest

import logitloss

from .. import ROOT

pytest.importorskip("keras")

LOGITS = [[40.0, 0.0, -40.0], [17.0, -17.0, 0.5], [-np.inf, 1.0, 2.0], [100.0, -87.0, 3.25]]
BINARY = [[1.0, 0.5, 0.0], [1.0, 0.0, 0.25], [0.0, 1.0, 0.0], [1.0, 0.0, 1.0]]
INDICES = [0, 0, 1, 0]

CODE = """
import json, os, sys, warnings
import numpy as np
import keras

def frameworks():
    return {"torch", "jax", "tensorflow", "sklearn"} & set(sys.modules)

before = frameworks()
import logitloss.keras as losses
float(losses.BinaryCrossentropy()([1.0], [2.0]))
others = sorted(frameworks() - before - {keras.backend.backend()})
sys.path.insert(0, sys.argv[1])
from tests.keras.test_backends import BINARY, INDICES, LOGITS

def derivative(loss, y, x):
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf
        x = tf.constant(x)
        with tf.GradientTape() as tape:
            tape.watch(x)
            value = loss(y, x)
        return tape.gradient(value, x)
    if keras.backend.backend() == "jax":
        import jax
        return jax.grad(lambda x: loss(y, x))(x)
    import torch
    x = torch.tensor(x, requires_grad=True)
    loss(y, x).backward()
    return x.grad

def listed(array):
    return np.asarray(keras.ops.convert_to_numpy(array), np.float64).ravel().tolist()

x, answers = np.float32(LOGITS), {"backend": keras.backend.backend(), "others": others}
labels = {"Binary": np.float32(BINARY), "Categorical": np.eye(3, dtype="f")[INDICES], "SparseCategorical": np.array(INDICES)}
random = np.random.default_rng(5)
inputs = random.normal(size=(64, 5)).astype("f")
start = random.normal(size=(5, 3)).astype("f")
targets = {"Binary": (inputs[:, :3] > 0).astype("f"), "SparseCategorical": random.integers(0, 3, 64)}
targets["Categorical"] = np.eye(3, dtype="f")[targets["SparseCategorical"]]
for kind in labels:
    cls = getattr(losses, kind + "Crossentropy")
    answers[kind + " loss"] = listed(cls(reduction=None, axis=-1)(labels[kind], x))
    answers[kind + " gradient"] = listed(derivative(cls(reduction="sum"), labels[kind], x))
    answers[kind + " weighted"] = listed(cls()(labels[kind], x[:2].repeat(2, 0), sample_weight=np.float32([1, 2, 3, 4])))
    model = keras.Sequential([keras.Input((5,)), keras.layers.Dense(3)])
    model.layers[0].set_weights([start, np.zeros(3, "f")])
    model.compile(optimizer=keras.optimizers.SGD(0.5), loss=cls())
    history = model.fit(inputs, targets[kind], epochs=3, batch_size=16, shuffle=False, verbose=0,
    sample_weight=np.linspace(0, 1, 64).astype("f"))
    path = os.path.join(sys.argv[2], kind + ".keras")
    model.save(path)
    again = keras.saving.load_model(path)
    assert type(again.loss) is cls, again.loss
    assert again.evaluate(inputs, targets[kind], verbose=0) == model.evaluate(inputs, targets[kind], verbose=0)
    answers[kind + " fit"] = history.history["loss"] + listed(model.layers[0].get_weights()[0])
import doctest
answers["doctests"] = doctest.testmod(losses).failed
print(json.dumps(answers))
"""  # fmt: skip


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    """What each installed backend says, in a process of its own, as Keras chooses its backend when it is imported."""

    def ask(backend):
        if not importlib.util.find_spec(backend):
            pytest.skip(f"{backend} is not installed")
        if backend not in known:
            folder = tmp_path_factory.mktemp(backend)
            environment = {**os.environ, "KERAS_BACKEND": backend, "CUDA_VISIBLE_DEVICES": "-1", "JAX_PLATFORMS": "cpu"}
            got = subprocess.run(
                [sys.executable, "-c", CODE, str(ROOT), str(folder)], env=environment, capture_output=True, text=True
            )
            assert got.returncode == 0, got.stderr[-3000:]
            known[backend] = json.loads(got.stdout.splitlines()[-1])
            assert known[backend]["backend"] == backend
        return known[backend]

    known = {}
    return ask


BACKENDS = ["tensorflow", "jax", "torch"]


def expected(kind):
    """Losses and gradients of NumPy arrays."""
    x = np.float32(LOGITS)
    if kind == "Binary":
        loss, gradient = logitloss.sigmoid_cross_entropy_value_and_grad(labels=BINARY, logits=x)
        return loss.mean(axis=-1), gradient / np.float32(3)
    if kind == "Categorical":
        return logitloss.softmax_cross_entropy_value_and_grad(labels=np.eye(3, dtype="f")[INDICES], logits=x)
    return logitloss.sparse_softmax_cross_entropy_value_and_grad(labels=INDICES, logits=x)


@pytest.mark.parametrize("kind", ["Binary", "Categorical", "SparseCategorical"])
@pytest.mark.parametrize("backend", BACKENDS)
def test_values_and_tails_on_every_backend(answers, backend, kind):
    got, (loss, gradient) = answers(backend), expected(kind)
    np.testing.assert_allclose(got[f"{kind} loss"], loss, rtol=6e-7, atol=0)
    tails = np.abs(gradient) > 2.0**-126  # the smallest are flushed by the backends' own multiplications
    np.testing.assert_allclose(
        np.reshape(got[f"{kind} gradient"], gradient.shape)[tails], gradient[tails], rtol=1e-6, atol=0
    )
    assert (gradient[tails] < 0).any()  # a label 1 of probability next to 1 among them


@pytest.mark.parametrize("kind", ["Binary", "Categorical", "SparseCategorical"])
@pytest.mark.parametrize("backend", BACKENDS[1:])
def test_the_same_on_every_backend(answers, backend, kind):
    """The same bits of the loss of given logits; a fit within what the backends' matrix products differ by."""
    first, second = answers("tensorflow"), answers(backend)
    if kind != "Binary":  # whose mean along the axis is the backend's
        assert first[f"{kind} loss"] == second[f"{kind} loss"]
    np.testing.assert_allclose(first[f"{kind} weighted"], second[f"{kind} weighted"], rtol=6e-7)
    np.testing.assert_allclose(first[f"{kind} fit"], second[f"{kind} fit"], rtol=1e-4)


@pytest.mark.parametrize("backend", BACKENDS)
def test_examples_and_imports_on_every_backend(answers, backend):
    """The module brings no framework but the backend into the process; Keras itself may, and does in ``fit``."""
    assert answers(backend)["doctests"] == 0
    assert answers(backend)["others"] == []
