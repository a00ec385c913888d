"""The raw ufuncs: broadcasting, out=, where=, types, and the arrays of other libraries."""

import subprocess
import sys

import ml_dtypes
import numpy as np
import pytest

import logitloss
from logitloss import _core, ufuncs

from ..oracle import DTYPES, bits

LOSS = ufuncs.sigmoid_cross_entropy
BOTH = ufuncs.sigmoid_cross_entropy_value_and_grad


@pytest.fixture
def arrays():
    rng = np.random.default_rng(0)
    return rng.normal(size=(4, 5)).astype(np.float32), rng.random((4, 5)).astype(np.float32)


def test_they_are_ufuncs():
    for name in ufuncs.__all__:
        ufunc = getattr(ufuncs, name)
        assert isinstance(ufunc, np.ufunc)
        assert ufunc.__name__ == name
        assert name in ufunc.__doc__


def test_broadcasting(arrays):
    x, _ = arrays
    got = LOSS(x[:, None, :], np.array([[0], [1]]))
    assert got.shape == (4, 2, 5)
    assert got.dtype == np.float32
    np.testing.assert_array_equal(got[:, 1], LOSS(x, np.ones_like(x)))
    np.testing.assert_array_equal(LOSS.outer(x[0], [0.0, 1.0])[:, 0], LOSS(x[0], 0.0))


def test_out_and_where(arrays):
    x, z = arrays
    want = BOTH(x, z)
    out = np.full_like(x, 7), np.full_like(x, 7)
    got = BOTH(x, z, out=out)
    assert got[0] is out[0]
    np.testing.assert_array_equal(got, want)
    mask = z > 0.5
    got = LOSS(x, z, out=np.full_like(x, 7), where=mask)
    np.testing.assert_array_equal(got, np.where(mask, want[0], 7))
    float64_out = np.empty(x.shape)
    np.testing.assert_array_equal(LOSS(x, z, out=float64_out), want[0])
    with pytest.raises(TypeError):
        LOSS(x, z, out=np.empty(x.shape, int))


def test_out_may_overlap_the_inputs(arrays):
    x, z = (np.tile(a.ravel(), 100) for a in arrays)
    want = BOTH(x, z)
    one, other = x.copy(), z.copy()
    BOTH(one, other, out=(one, other))
    np.testing.assert_array_equal([one, other], want)
    one, other = x.copy(), z.copy()
    BOTH(one, other, out=(other, one))
    np.testing.assert_array_equal([other, one], want)
    for shift in (1, 3):  # an output that runs ahead of its input
        memory = np.concatenate([x, np.zeros(shift, np.float32)])
        LOSS(memory[:-shift], z, out=memory[shift:])
        np.testing.assert_array_equal(memory[shift:], want[0])
        memory = np.concatenate([x, x[-1:]])
        LOSS(memory[:0:-1], z, out=memory[:-1])
        np.testing.assert_array_equal(memory[:-1], LOSS(np.concatenate([x, x[-1:]])[:0:-1], z))


def test_inputs_stay_as_they_are(arrays):
    x, z = arrays
    before = x.tobytes(), z.tobytes()
    logitloss.sigmoid_cross_entropy_value_and_grad(labels=z, logits=x)
    logitloss.sigmoid_cross_entropy_grad_and_hess(labels=z, logits=x)
    logitloss.sigmoid_cross_entropy_mean_and_grad(labels=z, logits=x)
    logitloss.weighted_cross_entropy_with_logits(labels=z, logits=x, pos_weight=2)
    assert (x.tobytes(), z.tobytes()) == before


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_python_numbers_are_weak(dtype):
    x = np.array([-1, 2], dtype)
    for number in (0, 1, True, 0.5):
        got = LOSS(x, number)
        assert got.dtype == dtype
        np.testing.assert_array_equal(bits(got), bits(LOSS(x, np.full(2, number, dtype))))


def test_refused_types():
    for labels in (np.longdouble([1]), np.complex64([1]), np.array(["a"]), np.array([1], "M8[s]")):
        with pytest.raises(TypeError):
            LOSS(np.float32([1]), labels)


def test_bfloat16_imported_after_logitloss():
    """NumPy alone would take the float32 loop and return float32."""
    code = (
        "import logitloss, numpy as np, ml_dtypes\n"
        "x = np.array([1, -17], ml_dtypes.bfloat16)\n"
        "for ufunc in (logitloss.ufuncs.sigmoid_cross_entropy, logitloss.ufuncs.sigmoid_cross_entropy_grad):\n"
        "    assert ufunc(x, x).dtype == ufunc(x, [0, 1]).dtype == x.dtype\n"
        "    assert ufunc(np.float32(x), x).dtype == np.float32\n"
        "print(logitloss.ExactSum(x).compute())"
    )
    run = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True)
    assert run.stdout == "-16.0\n", run.stderr


def test_other_small_floats_of_ml_dtypes_are_refused():
    x = np.zeros(3, ml_dtypes.float8_e5m2)
    with pytest.raises(TypeError, match="got dtype float8_e5m2"):
        logitloss.sigmoid_cross_entropy_with_logits(labels=[0, 0, 0], logits=x)


@pytest.mark.filterwarnings("ignore:the matrix subclass:PendingDeprecationWarning")
def test_subclasses(arrays):
    class Tagged(np.ndarray):
        pass

    x, z = arrays
    got = logitloss.sigmoid_cross_entropy_with_logits(labels=z, logits=x.view(Tagged))
    assert type(got) is Tagged
    matrix = logitloss.sigmoid_cross_entropy_with_logits(labels=z, logits=np.asmatrix(x))
    assert type(matrix) is np.matrix
    np.testing.assert_array_equal(matrix, LOSS(x, z))


def test_masked_arrays_keep_their_mask_or_are_refused(arrays):
    x, z = arrays
    masked = np.ma.array(x, mask=z > 0.5)
    got = LOSS(masked, z)
    np.testing.assert_array_equal(got.mask, masked.mask)
    np.testing.assert_array_equal(got.compressed(), LOSS(x, z)[z <= 0.5])
    with pytest.raises(TypeError, match="MaskedArray"):
        logitloss.sigmoid_cross_entropy_with_logits(labels=z, logits=masked)


def test_dask(arrays):
    da = pytest.importorskip("dask.array")
    x, z = arrays
    lazy = logitloss.sigmoid_cross_entropy_with_logits(
        labels=da.from_array(z, chunks=2), logits=da.from_array(x, chunks=2)
    )
    assert isinstance(lazy, da.Array)
    assert lazy.dtype == np.float32
    np.testing.assert_array_equal(lazy.compute(), LOSS(x, z))
    np.testing.assert_array_equal(LOSS(da.from_array(x, chunks=3), 1.0).compute(), LOSS(x, 1.0))
    with pytest.raises(ValueError, match="must have the same shape"):
        logitloss.sigmoid_cross_entropy_with_logits(labels=da.zeros(3), logits=da.zeros((3, 1)))


def test_xarray(arrays):
    xr = pytest.importorskip("xarray")
    x, z = arrays
    got = logitloss.sigmoid_cross_entropy_with_logits(
        labels=xr.DataArray(z, dims=("row", "class")),
        logits=xr.DataArray(x, dims=("row", "class"), coords={"row": [3, 1, 4, 1]}),
    )
    assert got.dims == ("row", "class")
    np.testing.assert_array_equal(got["row"], [3, 1, 4, 1])
    np.testing.assert_array_equal(got.values, LOSS(x, z))


def test_pandas(arrays):
    pd = pytest.importorskip("pandas")
    x, z = arrays
    index = ["a", "b", "c", "d"]
    got = logitloss.sigmoid_cross_entropy_with_logits(
        labels=pd.Series(z[:, 0], index), logits=pd.Series(x[:, 0], index)
    )
    assert list(got.index) == index
    assert got.dtype == np.float32
    np.testing.assert_array_equal(got, LOSS(x[:, 0], z[:, 0]))
    frame = BOTH(pd.DataFrame(x), pd.DataFrame(z))
    np.testing.assert_array_equal(frame[1], BOTH(x, z)[1])


@pytest.mark.parametrize("dtype", DTYPES)
def test_plain_arrays_need_no_ufunc(arrays, dtype):
    x, z = (array.astype(dtype) for array in arrays)
    plain = _core.sigmoid_cross_entropy_fast
    for logits, labels in ((x, z), (x.T.copy(), z.T.copy()), (x[:0], z[:0]), (x, z > 0.5), (x, np.ones((4, 5), "q"))):
        got, want = plain(logits, labels), LOSS(logits, labels)
        assert (type(got), got.dtype, got.shape) == (np.ndarray, want.dtype, want.shape)
        np.testing.assert_array_equal(bits(got), bits(want))
    read_only = x.copy()
    read_only.flags.writeable = False
    np.testing.assert_array_equal(bits(plain(read_only, z)), bits(LOSS(x, z)))


class Marked(np.ndarray):
    pass


@pytest.mark.parametrize(
    ("logits", "labels"),
    [
        (None, None),
        ([1.0], [1.0]),
        (np.float32(1), np.float32(1)),
        (np.array(1.0), np.array(1.0)),
        (np.ones(3), np.ones((3, 1))),
        (np.ones(3), np.ones(1)),
        (np.ones(6)[::2], np.ones(3)),
        (np.ones(3), np.ones(6)[::2]),
        (np.ones((2, 3)).T, np.ones((2, 3)).T),
        (np.ones(3).view(Marked), np.ones(3)),
        (np.ones(3), np.ones(3).view(Marked)),
        (np.ones(3, ">f8"), np.ones(3)),
        (np.ones(3), np.ones(3, ">i4")),
        (np.ones(3, int), np.ones(3)),
        (np.ones(3, bool), np.ones(3)),
        (np.ones(3), np.ones(3, complex)),
        (np.ones(3), np.array([1, 0, 1], object)),
        (np.frombuffer(bytes(17), "f8", 2, 1), np.ones(2)),
    ],
)
def test_other_arrays_are_left_to_the_ufunc(logits, labels):
    assert _core.sigmoid_cross_entropy_fast(logits, labels) is None
