"""logitloss.tensorflow: the documented examples, here and in TensorFlow's documents, and the values of its own tests.

The values of TensorFlow's own tests (tensorflow/python/kernel_tests/nn_ops and tensorflow/python/ops; Apache License
2.0) are written anew here, where they are the inputs of a test.
"""

import doctest
import inspect
import re
import subprocess
import sys

import numpy as np
import pytest

import logitloss

from .. import ROOT, oracle
from . import support as tensorflow_host
from .support import INF, derived, host, sigmoid, softmax, sparse, tf, ulps_apart, weighted

mode = tensorflow_host.mode
LOSSES = [
    "sigmoid_cross_entropy_with_logits",
    "weighted_cross_entropy_with_logits",
    "softmax_cross_entropy_with_logits",
    "sparse_softmax_cross_entropy_with_logits",
]


# --- the documents ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", LOSSES)
def test_signatures(name):
    def arguments(function):
        return [(p.name, p.kind, p.default) for p in inspect.signature(function).parameters.values()]

    assert arguments(getattr(host, name)) == arguments(getattr(tf.nn, name))


@pytest.mark.parametrize("library", [host, logitloss], ids=["logitloss.tensorflow", "logitloss"])
def test_the_page_of_tensorflow_1(mode, library):
    logits = tf.constant([1.0, -1.0, 0.0, 1.0, -1.0, 0.0, 0.0])
    labels = tf.constant([0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 0.5])
    got = mode(lambda z, x: library.sigmoid_cross_entropy_with_logits(labels=z, logits=x))(labels, logits)
    documented = [1.3132617, 0.3132617, 0.6931472, 0.3132617, 1.3132617, 0.6931472, 0.6931472]
    assert isinstance(got, tf.Tensor)
    assert ulps_apart(got, documented) <= 1


@pytest.mark.parametrize("library", [host, logitloss], ids=["logitloss.tensorflow", "logitloss"])
def test_the_page_of_tensorflow_2(mode, library):
    """As it is documented, but for the name of the module."""

    def losses(sigmoid_logits):
        softmax_logits = tf.stack([sigmoid_logits, tf.zeros_like(sigmoid_logits)], axis=-1)
        soft_binary_labels = tf.constant([1.0, 1.0, 0.0])
        soft_multiclass_labels = tf.stack([soft_binary_labels, 1.0 - soft_binary_labels], axis=-1)
        hard_labels = tf.constant([0, 0, 1])
        return (
            library.sparse_softmax_cross_entropy_with_logits(labels=hard_labels, logits=softmax_logits),
            library.softmax_cross_entropy_with_logits(labels=soft_multiclass_labels, logits=softmax_logits),
            library.sigmoid_cross_entropy_with_logits(labels=soft_binary_labels, logits=sigmoid_logits),
        )

    for got in mode(losses)(tf.constant([1.0, -1.0, 0.0])):
        assert ulps_apart(got, [0.31326166, 1.3132616, 0.6931472]) <= 1


PRINTED_WRONG = {4.5776367e-05: 4.5398901e-05, 4.57763672e-05: 4.5398901e-05}  # 69 thousand units off


@pytest.mark.parametrize("library", [host, logitloss], ids=["logitloss.tensorflow", "logitloss"])
@pytest.mark.parametrize("name", LOSSES)
def test_the_examples_in_tensorflow(name, library):
    """As they stand in the docstrings of the TensorFlow that is installed, but for the name of the module.

    Ours are correctly rounded; what is printed there is up to two units off.
    """
    names, compared = {"tf": tf, "library": library}, 0
    for example in doctest.DocTestParser().get_examples(getattr(tf.nn, name).__doc__):
        code = example.source.replace("tf.nn.", "library.").strip()
        if not example.want:
            exec(code, names)
            continue
        want = [float(number) for number in re.findall(r"\d+\.\d*(?:e-\d+)?", example.want)]
        assert ulps_apart(eval(code, names), [PRINTED_WRONG.get(number, number) for number in want]) <= 2
        compared += 1
    assert compared


def test_the_three_forms_agree():
    """To the bit: correctly rounded. The page prints 0.31326166 for the first, one unit off."""
    x = tf.constant([1.0, -1.0, 0.0])
    z = tf.constant([1.0, 1.0, 0.0])
    pairs = tf.stack([x, tf.zeros_like(x)], axis=-1)
    for got in (sigmoid(x, z), softmax(pairs, tf.stack([z, 1 - z], -1)), sparse(pairs, tf.constant([0, 0, 1]))):
        np.testing.assert_array_equal(got, np.float32([0.3132617, 1.3132616, 0.6931472]))


def test_the_weighted_page(mode):
    labels, logits = tf.constant([1.0, 0.5, 0.0]), tf.constant([1.5, -0.1, -10.0])
    for weight, want in (
        (1.5, [3.0211994e-01, 8.8049585e-01, 4.5398901e-05]),
        (0.5, [1.00706644e-01, 5.08297503e-01, 4.5398901e-05]),
    ):  # the page prints 4.5776367e-05 for the last, 69 thousand units off
        got = mode(weighted)(logits, labels, tf.constant(weight))
        assert ulps_apart(got, want) <= 3


def test_values_of_tensorflows_own_tests(mode):
    x = tf.constant([-100.0, -2.0, -2.0, 0.0, 2.0, 2.0, 2.0, 100.0], tf.float64)
    z = tf.constant([0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.5, 1.0], tf.float64)
    want = [float(oracle.loss(a, b)) for a, b in zip(x.numpy(), z.numpy(), strict=True)]
    np.testing.assert_allclose(mode(sigmoid)(x, z), want, rtol=2e-15, atol=0)
    want = [float(oracle.loss(a, b, 2)) for a, b in zip(x.numpy(), z.numpy(), strict=True)]
    np.testing.assert_allclose(mode(weighted)(x, z, tf.constant(2.0, tf.float64)), want, rtol=2e-15, atol=0)
    _, (slope, _) = mode(derived(sigmoid))(tf.zeros([2, 1], tf.float64), tf.constant([[0.0], [1.0]], tf.float64))
    np.testing.assert_array_equal(slope, [[0.5], [-0.5]])

    x = tf.constant([[1.0, 1, 1, 1], [1, 2, 3, 4]])
    loss, (slope, _) = mode(derived(softmax))(x, tf.constant([[0.0, 0, 0, 1], [0, 0.5, 0.5, 0]]))
    np.testing.assert_allclose(loss, [1.3862944, 1.9401897], rtol=3e-7)
    np.testing.assert_allclose(
        slope, [[0.25, 0.25, 0.25, -0.75], [0.0320586, -0.4128557, -0.2631171, 0.6439143]], rtol=3e-7, atol=3e-8
    )
    y = tf.constant([3, 0])
    loss, (slope,) = mode(derived(lambda x: sparse(x, y)))(x)
    np.testing.assert_allclose(loss, [1.3862944, 3.4401897], rtol=3e-7)
    np.testing.assert_allclose(
        slope, [[0.25, 0.25, 0.25, -0.75], [-0.9679414, 0.0871443, 0.2368828, 0.6439143]], rtol=3e-6, atol=0
    )


# --- docs/frameworks/tensorflow.md ----------------------------------------------------------------------------------------

PAGE = (ROOT / "docs" / "frameworks" / "tensorflow.md").read_text()
BLOCKS = re.findall(r"^```python\n(.*?)^```\n\n```\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize(("code", "output"), BLOCKS)
def test_the_page_prints_what_it_shows(code, output, capsys):
    exec(compile(code, "docs/frameworks/tensorflow.md", "exec"), {})
    assert capsys.readouterr().out == output


def test_the_page_has_examples():
    assert len(BLOCKS) == PAGE.count("```python") == 2


def test_what_the_page_says_of_tf_nn():
    """TensorFlow's side of its table; ours is tested above."""

    def slope(function, x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = function(x)
        return tape.gradient(loss, x).numpy()

    nn, one = tf.nn, tf.ones(1)
    step = derived(lambda x: nn.sigmoid_cross_entropy_with_logits(labels=one, logits=x))
    assert tf.function(step, autograph=False)(tf.constant([20.0]))[1][0].numpy() == 0
    assert np.isnan(nn.sigmoid_cross_entropy_with_logits(labels=one, logits=tf.constant([INF])))
    absent = tf.constant([[-INF, 1.0, 2.0]])
    assert np.isnan(nn.softmax_cross_entropy_with_logits(labels=[[0.0, 1.0, 0.0]], logits=absent))
    sparse_slope = slope(
        lambda x: nn.sparse_softmax_cross_entropy_with_logits(labels=[0], logits=x), tf.constant([[40.0, 0.0]])
    )
    np.testing.assert_allclose(sparse_slope, [[0, 4.2483541e-18]], rtol=1e-6)
    assert slope(lambda x: nn.weighted_cross_entropy_with_logits(one, x, 3.0), tf.zeros(1)) == 0
    assert (
        slope(lambda x: logitloss.weighted_cross_entropy_with_logits(labels=one, logits=x, pos_weight=3.0), tf.zeros(1))
        == -1.5
    )


def test_it_imports_no_other_framework():
    """None but those that TensorFlow imports by itself."""
    code = "import sys, tensorflow; before = set(sys.modules); import logitloss.tensorflow; print(*set(sys.modules) - before)"
    got = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    packages = {name.partition(".")[0] for name in got.stdout.split()}
    assert "logitloss" in packages
    assert not packages & {"torch", "jax", "jaxlib", "keras", "sklearn", "xgboost", "lightgbm", "catboost", "cupy"}
