"""Dask's arrays: lazy, with the bits of NumPy's whatever the chunks."""

import numpy as np
import pytest

import logitloss

from ..oracle import bits


@pytest.mark.parametrize("chunks", [(2, 3, 4), (6, 5, 4), (1, 1, 4)], ids=str)
@pytest.mark.parametrize("function", [name for name in logitloss.__all__ if "cross_entropy" in name])
def test_dask_has_the_bits_of_numpy(function, chunks):
    """Means and totals too: they are exact, whatever the chunks."""
    da, function = pytest.importorskip("dask.array"), getattr(logitloss, function)
    rng = np.random.default_rng(2)
    x = (rng.normal(size=(6, 5, 4)) * 9).astype(np.float32)
    labels = rng.integers(4, size=(6, 5)) if "sparse" in function.__name__ else rng.random((6, 5, 4))
    options = {"pos_weight": [3, 2, 1, 0.5]} if "weighted" in function.__name__ else {}
    wants = function(labels=labels, logits=x, **options)
    for given in (labels, labels.tolist(), da.from_array(labels, chunks=chunks[: labels.ndim]), da.from_array(labels)):
        gots = function(labels=given, logits=da.from_array(x, chunks=chunks), **options)
        if isinstance(wants, logitloss.ExactSum):
            assert gots == wants
            continue
        for got, want in zip(*((r if isinstance(r, tuple) else (r,)) for r in (gots, wants)), strict=True):
            assert isinstance(got, da.Array)
            assert (got.shape, got.dtype) == (np.shape(want), np.asarray(want).dtype)
            np.testing.assert_array_equal(bits(got.compute()), bits(want))
        if "mean" in function.__name__:
            assert float(gots[0]) == wants[0]


@pytest.mark.parametrize("library", ["Dask"], indirect=True)
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_dask_along_other_axes(library, axis):
    rng = np.random.default_rng(3)
    x, z = rng.normal(size=(3, 4, 5)), rng.random((3, 4, 5))
    chunks = [1, 2, 3]
    chunks[axis] = -1
    for function in (logitloss.softmax_cross_entropy_value_and_grad, logitloss.softmax_cross_entropy_mean_and_grad):
        got = function(labels=z, logits=library.xp.from_array(x, chunks=chunks), axis=axis)
        for one, other in zip(got, function(labels=z, logits=x, axis=axis), strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("library", ["Dask"], indirect=True)
def test_dask_is_lazy(library):
    def refuse(block):
        raise RuntimeError("computed")

    x = library.xp.zeros((4, 3), chunks=(2, 3)).map_blocks(refuse, dtype=np.float64, meta=np.zeros((0, 0)))
    results = [
        logitloss.sigmoid_cross_entropy_with_logits(labels=x, logits=x),
        *logitloss.sigmoid_cross_entropy_value_and_grad(labels=x, logits=x),
        *logitloss.sigmoid_cross_entropy_mean_and_grad(labels=x, logits=x),
        *logitloss.softmax_cross_entropy_mean_and_grad(labels=x, logits=x),
    ]
    for result in results:
        with pytest.raises(RuntimeError, match="computed"):
            result.compute()
    with pytest.raises(RuntimeError, match="computed"):
        logitloss.sigmoid_cross_entropy_total(labels=x, logits=x)


@pytest.mark.parametrize("function", [name for name in logitloss.__all__ if "cross_entropy" in name])
def test_dask_refuses_chunks_of_unknown_length(function):
    """A selection of rows has them: not a number of rows, which the check of shapes would call unequal to itself."""
    da = pytest.importorskip("dask.array")
    x = da.ones((4, 3), chunks=(2, 3))
    rows = x[x[:, 0] > 0]
    labels, known = (a[:, 0].astype(int) if "sparse" in function else a for a in (rows, x))
    options = {"pos_weight": 2.0} if "weighted" in function else {}
    for argument, arguments in (
        ("logits", {"labels": known, "logits": rows}),
        ("labels", {"labels": labels, "logits": x}),
    ):
        text = f"^{argument} must have chunks of known lengths, got shape \\(nan,.*\\)\\. Call {argument}\\.compute_chunk_sizes\\(\\) first\\.$"
        with pytest.raises(ValueError, match=text):
            getattr(logitloss, function)(**arguments, **options)


@pytest.mark.parametrize("library", ["Dask"], indirect=True)
def test_dask_refuses(library):
    x = library.array(np.zeros((4, 3)))
    for function in (logitloss.sigmoid_cross_entropy_mean_and_grad, logitloss.softmax_cross_entropy_mean_and_grad):
        with pytest.raises(
            TypeError, match=r"out must be None for Dask arrays, which have no memory yet, got numpy.ndarray\. Take"
        ):
            function(labels=x, logits=x, out=np.zeros((4, 3)))
    with pytest.raises(ValueError, match="multiple chunks"):
        logitloss.softmax_cross_entropy_with_logits(labels=x, logits=x.rechunk((4, 1)))
    got = logitloss.sparse_softmax_cross_entropy_with_logits(labels=library.array([0, 3, 1, -1]), logits=x)
    np.testing.assert_array_equal(np.isnan(got), [False, True, False, True])
