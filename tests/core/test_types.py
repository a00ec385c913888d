"""Shapes and dtypes: scalars, lists, empty arrays, and labels of every dtype."""

import numpy as np
import pytest

import logitloss

from .. import oracle
from ..oracle import DTYPES, bits
from .support import all_results


def test_scalars_lists_and_rank():
    got = logitloss.sigmoid_cross_entropy_with_logits(labels=1.0, logits=-1.0)
    assert np.ndim(got) == 0
    assert got.dtype == np.float64
    assert got == 1.3132616875182228
    got = logitloss.sigmoid_cross_entropy_with_logits(labels=[[0, 1]], logits=[[0.5, -0.5]])
    assert got.shape == (1, 2)
    got = logitloss.sigmoid_cross_entropy_with_logits(labels=np.array(True), logits=np.array(2, np.float16))
    assert np.ndim(got) == 0
    assert got.dtype == np.float16
    for shape in ((0,), (2, 0), (0, 3, 1)):
        got = logitloss.sigmoid_cross_entropy_with_logits(labels=np.zeros(shape), logits=np.zeros(shape, np.float32))
        assert got.shape == shape
        assert got.dtype == np.float32


LABEL_DTYPES = [np.dtype(c) for c in "efd?bBhHiIlLqQ"] + [oracle.BFLOAT16]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("label_dtype", LABEL_DTYPES, ids=lambda d: d.char + str(d))
def test_every_label_dtype(dtype, label_dtype):
    rng = np.random.default_rng(1)
    x = rng.normal(size=700).astype(dtype)
    z = rng.integers(0, 2, 700)
    got = all_results(x, z.astype(label_dtype))
    for one, want in zip(got, all_results(x, z.astype(dtype)), strict=True):
        assert one.dtype == dtype
        np.testing.assert_array_equal(bits(one), bits(want))


@pytest.mark.parametrize("label_dtype", "bBhHiIqQ")
def test_large_integer_labels_do_not_wrap(label_dtype):
    limits = np.iinfo(label_dtype)
    z = np.array([limits.min, limits.max, limits.max - 55, 0, 7], label_dtype)
    x = np.ones(len(z))
    np.testing.assert_array_equal(all_results(x, z)[1], all_results(x, z.astype(np.float64))[1])


def test_a_true_label_is_any_byte_but_0():
    z = np.array([0, 1, 2, 128, 255], np.uint8).view(bool)
    np.testing.assert_array_equal(all_results(np.ones(5), z)[1], all_results(np.ones(5), z.astype(np.uint8) != 0)[1])
