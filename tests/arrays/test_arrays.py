"""One promise for all arrays: the values, shapes, dtypes, labels and errors of NumPy's, in the kind of array that came."""

import importlib
import math
import re

import numpy as np
import pytest

import logitloss

from ..edges import EDGES, LN2
from .support import EVERY, Pandas, called, stand_in


@EVERY
def test_documented_example(library):
    logits = np.float32([1.0, -1.0, 0.0, 1.0, -1.0, 0.0, 0.0])
    labels = np.float32([0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 0.5])
    (got,) = called(library, logitloss.sigmoid_cross_entropy_with_logits, labels, logits)
    want = [1.3132616, 0.3132617, 0.6931472, 0.3132617, 1.3132616, 0.6931472, 0.6931472]
    np.testing.assert_array_equal(got, np.float32(want))


@EVERY
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_edges(library, dtype):
    x, z = (np.array([row[i] for row in EDGES], dtype) for i in (0, 1))
    (got,) = called(library, logitloss.sigmoid_cross_entropy_with_logits, z, x)
    want = np.array([math.log(2) if row[2] is LN2 else row[2] for row in EDGES], dtype)
    np.testing.assert_array_equal(got, want)
    assert got.dtype == dtype


@EVERY
@pytest.mark.parametrize("labels", [np.bool_, np.int8, np.int32, np.int64, np.uint8, np.float32, np.float64])
def test_the_result_has_the_dtype_of_the_logits(library, labels):
    for dtype in (np.float32, np.float64):
        x, z = np.array([[1, -17], [0, 30]], dtype), np.array([[1, 0], [1, 1]], labels)
        (got,) = called(library, logitloss.sigmoid_cross_entropy_with_logits, z, x)
        want = logitloss.sigmoid_cross_entropy_with_logits(labels=z, logits=x)
        np.testing.assert_allclose(got, want, rtol=4 * np.finfo(dtype).eps)
        assert got.dtype == dtype
        (got,) = called(library, logitloss.weighted_cross_entropy_with_logits, z, x, pos_weight=[2.0, 3.0])
        want = logitloss.weighted_cross_entropy_with_logits(labels=z, logits=x, pos_weight=[2.0, 3.0])
        np.testing.assert_allclose(got, want, rtol=4 * np.finfo(dtype).eps)
        assert got.dtype == dtype


@EVERY
def test_shapes_must_be_equal(library):
    with pytest.raises(ValueError, match=re.escape("logits and labels must have the same shape, got (3, 1) and (3,).")):
        called(library, logitloss.sigmoid_cross_entropy_with_logits, np.zeros(3), np.zeros((3, 1)))


@EVERY
def test_dtypes(library):
    for labels, logits, text in [
        (np.zeros(2), np.array([1, 2]), "n: logits must be float16, bfloat16, float32 or float64, got dtype int64. "),
        (
            np.zeros(2, np.complex64),
            np.zeros(2),
            "n: labels must be a float of at most 64 bits, an integer or bool, got ",
        ),
    ]:
        with pytest.raises(TypeError, match=re.escape(text)):
            called(library, logitloss.sigmoid_cross_entropy_with_logits, labels, logits, name="n")


@pytest.mark.parametrize("library", ["xarray", "pandas"], indirect=True)
def test_labels_are_kept(library):
    x = np.float32([[1, 2, 3], [40, 0, 1]])
    for function in (logitloss.sigmoid_cross_entropy_value_and_grad, logitloss.sigmoid_cross_entropy_grad_and_hess):
        results = function(labels=library.array(x > 1), logits=library.array(x))
        for got, want in zip(results, function(labels=x > 1, logits=x), strict=True):
            assert isinstance(got, library.kind)
            np.testing.assert_array_equal(got, want)
            assert list(got.index if isinstance(library, Pandas) else got["row"]) == [7, 8]


def test_the_stand_in_is_no_numpy_array():
    """The tests above cannot pass by a silent conversion."""
    array = stand_in().asarray([1.0])
    with pytest.raises(TypeError, match="Implicit conversion"):
        np.asarray(array)
    assert not hasattr(array, "__array_namespace__")
    assert importlib.import_module("logitloss._dispatch")._adapter_of(type(array)) == "_array_api"
