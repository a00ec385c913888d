"""logitloss.keras: Keras's own values and rules, on the backend of this process.

The values of Keras's own tests (keras/src/losses/losses_test.py; Apache License 2.0) are written anew here.
"""

import math
import os
import re

import numpy as np
import pytest

import logitloss

from .. import ROOT

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
keras = pytest.importorskip("keras")

import logitloss.keras as losses  # noqa: E402

# NumPy's advice to TensorFlow, heard when Keras reads a variable to save it.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")

NAMES = ["binary_crossentropy", "categorical_crossentropy", "sparse_categorical_crossentropy"]
CLASSES = [losses.BinaryCrossentropy, losses.CategoricalCrossentropy, losses.SparseCategoricalCrossentropy]
X = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32) * 5
LABELS = [
    (X > 1).astype(np.float32),
    np.eye(4, dtype=np.float32)[[0, 3, 1, 1, 2, 0]],
    np.array([0, 3, 1, 1, 2, 0]),
]


def keras_of(cls, **options):
    return getattr(keras.losses, cls.__name__)(from_logits=True, **options)


# --- the values of Keras ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("i", range(3), ids=NAMES)
@pytest.mark.parametrize("reduction", ["sum_over_batch_size", "sum", "mean_with_sample_weight", None])
@pytest.mark.parametrize("weight", [None, 2.5, np.arange(6.0, dtype=np.float32)], ids=["none", "one", "each"])
def test_the_losses_are_those_of_keras(i, reduction, weight):
    got = CLASSES[i](reduction=reduction)(LABELS[i], X, sample_weight=weight)
    want = keras_of(CLASSES[i], reduction=reduction)(LABELS[i], X, sample_weight=weight)
    np.testing.assert_allclose(np.asarray(got), np.asarray(want), rtol=2e-6)
    assert got.shape == want.shape


@pytest.mark.parametrize("i", range(3), ids=NAMES)
def test_the_functions_are_those_of_keras(i):
    """Of lists too, and with class indices in a last axis of their own."""
    for labels in (LABELS[i], LABELS[i].tolist(), *([LABELS[i][:, None]] if i == 2 else [])):
        got = getattr(losses, NAMES[i])(labels, X.tolist())
        want = getattr(keras.losses, NAMES[i])(np.asarray(labels), X, from_logits=True)
        np.testing.assert_allclose(np.asarray(got), np.asarray(want), rtol=2e-6)
        assert got.shape == (6,)


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("cls", CLASSES[:2])
def test_label_smoothing(cls, smoothing):
    labels = LABELS[CLASSES.index(cls)]
    got = cls(label_smoothing=smoothing)(labels, X)
    want = keras_of(cls, label_smoothing=smoothing)(labels, X)
    np.testing.assert_allclose(float(got), float(want), rtol=2e-6)


def test_smoothing_counts_the_classes_of_the_axis():
    """Keras divides by the length of the last axis, whatever the axis."""
    got = losses.categorical_crossentropy(LABELS[1].T, X.T, label_smoothing=0.2, axis=0)
    np.testing.assert_array_equal(got, losses.categorical_crossentropy(LABELS[1], X, label_smoothing=0.2))


def test_smoothing_counts_classes_known_only_when_they_run():
    """As many as this batch has, in TensorFlow's graphs."""
    tf = pytest.importorskip("tensorflow")
    loss = losses.CategoricalCrossentropy(label_smoothing=0.2)
    traced = tf.function(loss, input_signature=[tf.TensorSpec((None, None)), tf.TensorSpec((None, None))])
    for classes in (3, 4):
        got = traced(tf.constant(LABELS[1][:, :classes]), tf.constant(X[:, :classes]))
        np.testing.assert_allclose(got, loss(LABELS[1][:, :classes], X[:, :classes]), rtol=1e-6)


def test_axes():
    rows = X.reshape(2, 3, 4)
    moved = np.moveaxis(rows, -1, 1)
    want = losses.sparse_categorical_crossentropy(LABELS[2].reshape(2, 3), rows)
    np.testing.assert_array_equal(losses.sparse_categorical_crossentropy(LABELS[2].reshape(2, 3), moved, axis=1), want)
    labels = np.moveaxis(LABELS[1].reshape(2, 3, 4), -1, 1)
    np.testing.assert_array_equal(losses.categorical_crossentropy(labels, moved, axis=1), want)
    mean = losses.binary_crossentropy(labels, moved, axis=0)
    np.testing.assert_allclose(
        mean, keras.losses.binary_crossentropy(labels, moved, from_logits=True, axis=0), rtol=2e-6
    )


def test_values_of_keras_own_tests():
    binary = losses.BinaryCrossentropy
    z, x = [[1, 0, 1], [0, 1, 1]], [[100.0, -100.0, 100.0], [100.0, 100.0, -100.0]]
    assert float(binary()(z, x)) == pytest.approx(33.333332)
    assert float(binary()(z, x, sample_weight=2.3)) == pytest.approx(76.66667)
    assert float(binary()(z, x, sample_weight=[4.0, 3.0])) == pytest.approx(100.0)
    np.testing.assert_allclose(binary(reduction=None)(z, x), [0, 66.666664], rtol=1e-6, atol=1e-30)
    assert float(binary(label_smoothing=0.1)([[1, 0, 1]], [[10.0, -10.0, -10.0]])) == pytest.approx(
        (10 + 1.5e-4 + 0.5) / 3, rel=2e-3
    )

    x = [[8.0, 1.0, 1.0], [0.0, 9.0, 1.0], [2.0, 3.0, 5.0]]
    each = [0.001822, 0.000459, 0.169846]
    for loss, labels in (
        (losses.CategoricalCrossentropy, np.eye(3)),
        (losses.SparseCategoricalCrossentropy, [[0], [1], [2]]),
    ):
        assert float(loss()(labels, x)) == pytest.approx(0.0573755, rel=1e-5)
        assert float(loss()(labels, x, sample_weight=2.3)) == pytest.approx(0.1319637, rel=1e-5)
        assert float(loss()(labels, x, sample_weight=[[1.2], [3.4], [5.6]])) == pytest.approx(0.31829, rel=1e-4)
        np.testing.assert_allclose(loss(reduction=None)(labels, x), each, rtol=1e-3)
    smoothed = losses.CategoricalCrossentropy(label_smoothing=0.1)([[1, 0, 0]], [[100.0, -100.0, -100.0]])
    assert float(smoothed) == pytest.approx(400 * 0.1 / 3)

    labels, x = np.array([[-1, 2]]), [[[0.854, 0.698, 0.598], [0.088, 0.86, 0.018]]]
    assert float(losses.SparseCategoricalCrossentropy(ignore_class=-1)(labels, x)) == pytest.approx(1.48012, rel=1e-5)
    each = losses.SparseCategoricalCrossentropy(ignore_class=-1, reduction=None)(labels, x)
    np.testing.assert_allclose(each, [[0, 1.48012]], rtol=1e-5)


@pytest.mark.parametrize("weight", [None, (4,), (4, 4)], ids=str)
@pytest.mark.parametrize("cls", CLASSES[:2])
def test_a_last_axis_of_one_is_dropped_from_long_arrays(cls, weight):
    """Else a weight for each sample would be one for each step, silently where there are as many of both."""
    x, z = X[:4, :, None], LABELS[1][:4]
    weight = None if weight is None else np.arange(np.prod(weight), dtype="f").reshape(weight)
    for reduction in ("sum_over_batch_size", "sum", None):
        for labels, logits in ((z, x), (z[..., None], x[..., 0])):
            got = cls(reduction=reduction)(labels, logits, sample_weight=weight)
            want = keras_of(cls, reduction=reduction)(labels, logits, sample_weight=weight)
            np.testing.assert_allclose(np.asarray(got), np.asarray(want), rtol=2e-6)
            assert got.shape == want.shape


def test_ranks_that_differ_by_a_last_axis_of_one():
    """Labels (n,) with the logits (n, 1) of a layer must not make (n, n)."""
    x, z = X[:, 0], LABELS[0][:, 0]
    want = np.mean(logitloss.sigmoid_cross_entropy_with_logits(labels=z, logits=x))
    for labels, logits in ((z, x[:, None]), (z[:, None], x), (z[:, None], x[:, None])):
        np.testing.assert_allclose(float(losses.BinaryCrossentropy()(labels, logits)), want, rtol=1e-6)


def test_ignored_rows_count_for_nothing():
    """Neither their labels nor their logits, nor in the denominator."""
    x, y = X.copy(), LABELS[2].copy()
    x[[1, 4]], y[[1, 4]] = np.nan, 255
    kept = [0, 2, 3, 5]
    got = losses.SparseCategoricalCrossentropy(ignore_class=255)(y, x)
    np.testing.assert_allclose(float(got), float(losses.SparseCategoricalCrossentropy()(y[kept], x[kept])), rtol=1e-6)
    each = np.asarray(losses.sparse_categorical_crossentropy(y, x, ignore_class=255))
    assert (each[[1, 4]] == 0).all()


def test_masks_of_layers():
    """A mask that a model's layer makes is left to Keras, which divides by what it keeps."""
    inputs = keras.Input((3, 4))
    model = keras.Model(inputs, keras.layers.Dense(1)(keras.layers.Masking()(inputs)))
    x, z = np.ones((2, 3, 4), np.float32), np.ones((2, 3, 1), np.float32)
    x[0, 1:] = 0
    got, want = [], []
    for into, loss in ((got, losses.BinaryCrossentropy()), (want, keras_of(losses.BinaryCrossentropy))):
        model.compile(loss=loss)
        into.append(model.evaluate(x, z, verbose=0))
    np.testing.assert_allclose(got, want, rtol=1e-6)


# --- serialisation and errors ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("i", range(3), ids=NAMES)
def test_configurations(i):
    options = {"ignore_class": 7} if i == 2 else {"label_smoothing": 0.25}
    loss = CLASSES[i](**options, axis=1, reduction="sum", name="mine")
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(loss))
    assert type(again) is CLASSES[i]
    assert again.get_config() == loss.get_config()
    assert again.get_config() == {"name": "mine", "reduction": "sum", "from_logits": True, "axis": 1, **options}
    function = getattr(losses, NAMES[i])
    assert keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(function)) is function


@pytest.mark.parametrize("i", range(3), ids=NAMES)
def test_arguments_are_those_of_keras_but_for_the_default_of_from_logits(i):
    import inspect

    for ours, theirs in (
        (CLASSES[i], getattr(keras.losses, CLASSES[i].__name__)),
        (getattr(losses, NAMES[i]), getattr(keras.losses, NAMES[i])),
    ):
        mine, known = (inspect.signature(function).parameters for function in (ours, theirs))
        assert list(mine) == list(known)
        differing = [name for name in mine if mine[name].default != known[name].default]
        assert differing == ["from_logits"]


@pytest.mark.parametrize("i", range(3), ids=NAMES)
def test_probabilities_are_refused(i):
    text = r"^from_logits must be True, got False: these losses are of logits\. Leave the activation out of the model's last layer, or use the loss of this name in keras\.losses for probabilities\.$"
    with pytest.raises(ValueError, match=text):
        CLASSES[i](from_logits=False)
    with pytest.raises(ValueError, match=text):
        getattr(losses, NAMES[i])(LABELS[i], X, from_logits=False)


@pytest.mark.parametrize("cls", CLASSES[:2])
def test_smoothing_out_of_range(cls):
    with pytest.raises(
        ValueError, match=r"^label_smoothing must be from 0 to 1, got 1\.5\. 0 leaves the labels as they are\.$"
    ):
        cls(label_smoothing=1.5)(LABELS[0], X)


@pytest.mark.parametrize("cls", CLASSES[:2])
@pytest.mark.parametrize("shape", [(6, 3), (6, 1), (4,), (1, 6, 4)], ids=str)
def test_shapes_must_be_equal(cls, shape):
    """Class indices (n, 1) given to the loss of distributions would be labels of every class."""
    text = f"^y_true must have the shape of y_pred, got {shape} and (6, 4). Reshape one; class indices are for the sparse loss.$"
    with pytest.raises(ValueError, match=text.replace("(", r"\(").replace(")", r"\)")):
        cls()(np.zeros(shape), X)


@pytest.mark.parametrize("function", [losses.categorical_crossentropy, losses.sparse_categorical_crossentropy])
def test_an_axis_must_be_one_of_the_logits(function):
    with pytest.raises(
        ValueError, match=r"^axis must be an integer from -2 to 1 for logits of shape \(6, 4\), got 2\."
    ):
        function(LABELS[1], X, axis=2)


@pytest.mark.parametrize(("dtype", "classes"), [("bfloat16", 257), ("float16", 2049)])
def test_a_dtype_that_does_not_hold_the_class_indices(dtype, classes):
    """Keras casts labels to the dtype of the loss: 257 would be counted as 256."""
    x, loss = np.zeros((1, classes + 1), "f"), losses.SparseCategoricalCrossentropy(dtype=dtype)
    assert float(loss([classes - 1], x[:, 1:])) == pytest.approx(math.log(classes), rel=2**-8)
    text = rf"^dtype must hold every class index, got {dtype} for logits of shape \(1, {classes + 1}\): Keras casts the labels to it\. Use dtype=\"float32\", or sparse_categorical_crossentropy\.$"
    with pytest.raises(ValueError, match=text):
        loss([classes], x)


def test_labels_are_checked():
    with pytest.raises(ValueError, match=r"labels\.shape|labels must have the shape of logits without"):
        losses.SparseCategoricalCrossentropy()(LABELS[1], X)
    with pytest.raises(ValueError, match=r"labels must be class indices from 0 to 3, got 4 at labels\[1\]"):
        losses.SparseCategoricalCrossentropy()([0, 4, 1, 1, 2, 0], X)


def test_the_page_prints_what_it_shows(capsys, monkeypatch):
    """On the backend of this process: it was chosen when Keras was imported."""
    monkeypatch.setenv("KERAS_BACKEND", keras.backend.backend())
    page = (ROOT / "docs" / "frameworks" / "keras.md").read_text()
    ((code, output),) = re.findall(r"^```python\n(.*?)^```\n\n```\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    exec(compile(code, "docs/frameworks/keras.md", "exec"), {})
    assert capsys.readouterr().out == output
