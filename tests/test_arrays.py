"""One promise for all arrays: the values, shapes, dtypes, labels and errors of NumPy's, in the kind of array that came."""

import importlib
import math
import re
import sys
import types

import numpy as np
import pytest

import oracle
import xent
from oracle import bits
from test_losses import EDGES, LN2
from test_softmax import EDGES as SOFTMAX_EDGES
from test_softmax import definition, hard_rows

inf, nan = math.inf, math.nan


class Strict:
    """array-api-strict, which has the array API and nothing else."""

    def __init__(self):
        self.xp = pytest.importorskip("array_api_strict")
        self.kind = type(self.xp.asarray(0))

    def array(self, values):
        return self.xp.asarray(values)

    def values(self, array):
        return np.asarray(array)


class Cupy(Strict):
    """A stand-in for CuPy, made of NumPy arrays that NumPy cannot read: functions of that package, no namespace."""

    def __init__(self):
        self.xp = sys.modules["cupy"]
        self.kind = self.xp.ndarray

    def values(self, array):
        return array.get()


class Dask(Strict):
    """Dask's arrays: nothing is computed before it is asked for."""

    def __init__(self):
        self.xp = pytest.importorskip("dask.array")
        self.kind = self.xp.Array

    def array(self, values):
        values = np.asarray(values)
        return self.xp.from_array(values, chunks=(1, -1)[-values.ndim :] if values.ndim else ())


class Xarray(Strict):
    """xarray's, with names of the axes and of the rows."""

    def __init__(self):
        self.xp = pytest.importorskip("xarray")
        self.kind = self.xp.DataArray

    def array(self, values):
        values = np.asarray(values)
        dims = ("row", "class", "more")[: values.ndim]
        return self.xp.DataArray(values, dims=dims, coords={"row": range(7, 7 + len(values))} if dims else {})


class Pandas(Strict):
    """pandas's: a series, or a frame."""

    def __init__(self):
        self.xp = pytest.importorskip("pandas")
        self.kind = (self.xp.Series, self.xp.DataFrame)

    def array(self, values):
        values = np.asarray(values)
        index = range(7, 7 + len(values))
        return self.xp.Series(values, index) if values.ndim == 1 else self.xp.DataFrame(values, index)


def stand_in():
    """A module like CuPy's, with the functions and arguments of its documentation."""
    module = types.ModuleType("cupy")

    class ndarray:
        __module__ = "cupy"
        __array_ufunc__ = None

        def __init__(self, values):
            self._values = values

        dtype, shape, ndim, size = (
            property(lambda a, k=k: getattr(a._values, k)) for k in ("dtype", "shape", "ndim", "size")
        )

        def get(self):
            return self._values

        def __array__(self, *_, **__):
            raise TypeError("Implicit conversion to a NumPy array is not allowed.")

        def __getitem__(self, key):
            return ndarray(np.asarray(self._values[key]))

    def wrapped(function):
        def call(*arguments, **options):
            arguments = [a._values if isinstance(a, ndarray) else a for a in arguments]
            return ndarray(np.asarray(function(*arguments, **options)))

        return call

    operators = ["add", "sub", "mul", "truediv", "and", "or", "lt", "le", "gt", "ge", "eq", "ne", "neg", "invert"]
    for operator in [f"__{o}__" for o in operators] + ["__radd__", "__rsub__", "__rmul__"]:
        setattr(ndarray, operator, wrapped(lambda *values, o=operator: getattr(values[0], o)(*values[1:])))
    for convert in ("__int__", "__bool__", "__float__"):
        setattr(ndarray, convert, lambda a, c=convert: getattr(a._values, c)())
    functions = "asarray abs exp log1p where zeros_like sum max argmax arange moveaxis broadcast_to reshape any mean"
    for name in functions.split():
        setattr(module, name, wrapped(getattr(np, name)))
    module.ndarray, module.float64, module.int64 = ndarray, np.float64, np.int64
    return module


KINDS = {"array-api-strict": Strict, "CuPy": Cupy, "Dask": Dask, "xarray": Xarray, "pandas": Pandas}
EVERY = pytest.mark.parametrize("host", KINDS, indirect=True)
FORMULAS = pytest.mark.parametrize("host", ["array-api-strict", "CuPy"], indirect=True)


@pytest.fixture
def host(request, monkeypatch):
    if request.param == "CuPy":
        monkeypatch.setitem(sys.modules, "cupy", stand_in())
    return KINDS[request.param]()


def called(host, function, labels, logits, **options):
    """The results as NumPy arrays, after a look at their kind."""
    got = function(labels=host.array(labels), logits=host.array(logits), **options)
    got = got if isinstance(got, tuple) else (got,)
    assert all(isinstance(one, host.kind) for one in got)
    return tuple(host.values(one) for one in got)


# --- what holds for all of them --------------------------------------------------------------------------------------


@EVERY
def test_documented_example(host):
    logits = np.float32([1.0, -1.0, 0.0, 1.0, -1.0, 0.0, 0.0])
    labels = np.float32([0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 0.5])
    (got,) = called(host, xent.sigmoid_cross_entropy_with_logits, labels, logits)
    want = [1.3132616, 0.3132617, 0.6931472, 0.3132617, 1.3132616, 0.6931472, 0.6931472]
    np.testing.assert_array_equal(got, np.float32(want))


@EVERY
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_edges(host, dtype):
    x, z = (np.array([row[i] for row in EDGES], dtype) for i in (0, 1))
    (got,) = called(host, xent.sigmoid_cross_entropy_with_logits, z, x)
    want = np.array([math.log(2) if row[2] is LN2 else row[2] for row in EDGES], dtype)
    np.testing.assert_array_equal(got, want)
    assert got.dtype == dtype


@EVERY
@pytest.mark.parametrize("labels", [np.bool_, np.int8, np.int32, np.int64, np.uint8, np.float32, np.float64])
def test_the_result_has_the_dtype_of_the_logits(host, labels):
    for dtype in (np.float32, np.float64):
        x, z = np.array([[1, -17], [0, 30]], dtype), np.array([[1, 0], [1, 1]], labels)
        (got,) = called(host, xent.sigmoid_cross_entropy_with_logits, z, x)
        want = xent.sigmoid_cross_entropy_with_logits(labels=z, logits=x)
        np.testing.assert_allclose(got, want, rtol=4 * np.finfo(dtype).eps)
        assert got.dtype == dtype
        (got,) = called(host, xent.weighted_cross_entropy_with_logits, z, x, pos_weight=[2.0, 3.0])
        want = xent.weighted_cross_entropy_with_logits(labels=z, logits=x, pos_weight=[2.0, 3.0])
        np.testing.assert_allclose(got, want, rtol=4 * np.finfo(dtype).eps)
        assert got.dtype == dtype


@EVERY
def test_shapes_must_be_equal(host):
    with pytest.raises(ValueError, match=re.escape("logits and labels must have the same shape, got (3, 1) and (3,).")):
        called(host, xent.sigmoid_cross_entropy_with_logits, np.zeros(3), np.zeros((3, 1)))


@EVERY
def test_dtypes(host):
    for labels, logits, text in [
        (np.zeros(2), np.array([1, 2]), "n: logits must be float16, bfloat16, float32 or float64, got dtype int64. "),
        (
            np.zeros(2, np.complex64),
            np.zeros(2),
            "n: labels must be a float of at most 64 bits, an integer or bool, got ",
        ),
    ]:
        with pytest.raises(TypeError, match=re.escape(text)):
            called(host, xent.sigmoid_cross_entropy_with_logits, labels, logits, name="n")


# --- Dask ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("chunks", [(2, 3, 4), (6, 5, 4), (1, 1, 4)], ids=str)
@pytest.mark.parametrize("function", [name for name in xent.__all__ if "cross_entropy" in name])
def test_dask_has_the_bits_of_numpy(function, chunks):
    """Means and totals too: they are exact, whatever the chunks."""
    da, function = pytest.importorskip("dask.array"), getattr(xent, function)
    rng = np.random.default_rng(2)
    x = (rng.normal(size=(6, 5, 4)) * 9).astype(np.float32)
    labels = rng.integers(4, size=(6, 5)) if "sparse" in function.__name__ else rng.random((6, 5, 4))
    options = {"pos_weight": [3, 2, 1, 0.5]} if "weighted" in function.__name__ else {}
    wants = function(labels=labels, logits=x, **options)
    for given in (labels, labels.tolist(), da.from_array(labels, chunks=chunks[: labels.ndim]), da.from_array(labels)):
        gots = function(labels=given, logits=da.from_array(x, chunks=chunks), **options)
        if isinstance(wants, xent.ExactSum):
            assert gots == wants
            continue
        for got, want in zip(*((r if isinstance(r, tuple) else (r,)) for r in (gots, wants)), strict=True):
            assert isinstance(got, da.Array)
            assert (got.shape, got.dtype) == (np.shape(want), np.asarray(want).dtype)
            np.testing.assert_array_equal(bits(got.compute()), bits(want))
        if "mean" in function.__name__:
            assert float(gots[0]) == wants[0]


@pytest.mark.parametrize("host", ["Dask"], indirect=True)
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_dask_along_other_axes(host, axis):
    rng = np.random.default_rng(3)
    x, z = rng.normal(size=(3, 4, 5)), rng.random((3, 4, 5))
    chunks = [1, 2, 3]
    chunks[axis] = -1
    for function in (xent.softmax_cross_entropy_value_and_grad, xent.softmax_cross_entropy_mean_and_grad):
        got = function(labels=z, logits=host.xp.from_array(x, chunks=chunks), axis=axis)
        for one, other in zip(got, function(labels=z, logits=x, axis=axis), strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("host", ["Dask"], indirect=True)
def test_dask_is_lazy(host):
    def refuse(block):
        raise RuntimeError("computed")

    x = host.xp.zeros((4, 3), chunks=(2, 3)).map_blocks(refuse, dtype=np.float64, meta=np.zeros((0, 0)))
    results = [
        xent.sigmoid_cross_entropy_with_logits(labels=x, logits=x),
        *xent.sigmoid_cross_entropy_value_and_grad(labels=x, logits=x),
        *xent.sigmoid_cross_entropy_mean_and_grad(labels=x, logits=x),
        *xent.softmax_cross_entropy_mean_and_grad(labels=x, logits=x),
    ]
    for result in results:
        with pytest.raises(RuntimeError, match="computed"):
            result.compute()
    with pytest.raises(RuntimeError, match="computed"):
        xent.sigmoid_cross_entropy_total(labels=x, logits=x)


@pytest.mark.parametrize("function", [name for name in xent.__all__ if "cross_entropy" in name])
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
            getattr(xent, function)(**arguments, **options)


@pytest.mark.parametrize("host", ["Dask"], indirect=True)
def test_dask_refuses(host):
    x = host.array(np.zeros((4, 3)))
    for function in (xent.sigmoid_cross_entropy_mean_and_grad, xent.softmax_cross_entropy_mean_and_grad):
        with pytest.raises(
            TypeError, match=r"out must be None for Dask arrays, which have no memory yet, got ndarray\. Take"
        ):
            function(labels=x, logits=x, out=np.zeros((4, 3)))
    with pytest.raises(ValueError, match="multiple chunks"):
        xent.softmax_cross_entropy_with_logits(labels=x, logits=x.rechunk((4, 1)))
    got = xent.sparse_softmax_cross_entropy_with_logits(labels=host.array([0, 3, 1, -1]), logits=x)
    np.testing.assert_array_equal(np.isnan(got), [False, True, False, True])


# --- labelled arrays -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["xarray", "pandas"], indirect=True)
def test_labels_are_kept(host):
    x = np.float32([[1, 2, 3], [40, 0, 1]])
    for function in (xent.sigmoid_cross_entropy_value_and_grad, xent.sigmoid_cross_entropy_grad_and_hess):
        results = function(labels=host.array(x > 1), logits=host.array(x))
        for got, want in zip(results, function(labels=x > 1, logits=x), strict=True):
            assert isinstance(got, host.kind)
            np.testing.assert_array_equal(got, want)
            assert list(got.index if isinstance(host, Pandas) else got["row"]) == [7, 8]


# --- formulas --------------------------------------------------------------------------------------------------------


@FORMULAS
@pytest.mark.parametrize(("dtype", "bound"), [(np.float16, 0.501), (np.float32, 0.501), (np.float64, 4)])
def test_accuracy_of_hard_labels(host, dtype, bound):
    if dtype is np.float16 and isinstance(host, Strict) and not isinstance(host, Cupy):
        pytest.skip("the array API has no float16")
    rng = np.random.default_rng(0)
    far = {np.float16: 9, np.float32: 80, np.float64: 700}[dtype]
    x = np.concatenate([rng.normal(size=300), rng.uniform(-far, far, 300), [0, 1e-30, -17, 17]]).astype(dtype)
    z = rng.integers(2, size=x.size)
    loss, gradient = called(host, xent.sigmoid_cross_entropy_value_and_grad, z, x)
    gradient2, hessian = called(host, xent.sigmoid_cross_entropy_grad_and_hess, z, x)
    np.testing.assert_array_equal(gradient, gradient2)
    for i in range(x.size):
        assert oracle.ulps(loss[i], oracle.loss(x[i], z[i]), np.dtype(dtype)) <= bound
        assert oracle.ulps(gradient[i], oracle.gradient(x[i], z[i]), np.dtype(dtype)) <= bound
        assert oracle.ulps(hessian[i], oracle.hessian(x[i]), np.dtype(dtype)) <= bound


@FORMULAS
def test_edges_of_the_derivatives(host):
    rows = [row for row in EDGES if row[4] is not None]
    x, z = (np.array([row[i] for row in rows]) for i in (0, 1))
    gradient, hessian = called(host, xent.sigmoid_cross_entropy_grad_and_hess, z, x)
    np.testing.assert_array_equal(gradient, [row[3] for row in rows])
    np.testing.assert_array_equal(hessian, [row[4] for row in rows])
    assert bits(called(host, xent.sigmoid_cross_entropy_value_and_grad, [0.5], [0.0])[1])[0] == 0


@FORMULAS
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_softmax(host, dtype):
    rng = np.random.default_rng(1)
    x = (rng.normal(size=(5, 3, 4)) * 20).astype(dtype)
    y = rng.integers(4, size=(5, 3))
    rtol = {np.float32: 2e-7, np.float64: 2e-15}[dtype]
    for labels in (np.eye(4)[y], rng.random((5, 3, 4))):
        for axis in (-1, 0, 1):
            options = {"labels": labels, "logits": x, "axis": axis}
            want = xent.softmax_cross_entropy_value_and_grad(**options)
            got = called(host, xent.softmax_cross_entropy_value_and_grad, **options)
            for one, other in zip(got, want, strict=True):
                np.testing.assert_allclose(one, other, rtol=rtol, atol=0 if labels.max() == 1 and axis == -1 else rtol)
                assert one.dtype == dtype
            loss = called(host, xent.softmax_cross_entropy_with_logits, **options)[0]
            np.testing.assert_array_equal(loss, got[0])
            mean, gradient = called(host, xent.softmax_cross_entropy_mean_and_grad, **options)
            assert mean == pytest.approx(float(np.mean(want[0], dtype=np.float64)), rel=rtol)
            np.testing.assert_allclose(gradient, want[1] * (x.shape[axis] / x.size), rtol=2 * rtol, atol=rtol)
    got = called(host, xent.softmax_cross_entropy_with_logits, np.float32([0, 1, 0, 0]), x)[0]  # one for all rows
    np.testing.assert_allclose(got, xent.softmax_cross_entropy_with_logits(labels=[0, 1, 0, 0], logits=x), rtol=rtol)
    for index in (np.int64, np.uint8, np.int32, np.uint64):
        want = xent.sparse_softmax_cross_entropy_value_and_grad(labels=y, logits=x)
        got = called(host, xent.sparse_softmax_cross_entropy_value_and_grad, y.astype(index), x)
        for one, other in zip(got, want, strict=True):
            np.testing.assert_allclose(one, other, rtol=rtol)
    np.testing.assert_array_equal(called(host, xent.sparse_softmax_cross_entropy_with_logits, y, x)[0], got[0])
    mean, gradient = called(host, xent.sparse_softmax_cross_entropy_mean_and_grad, y, x)
    assert mean == pytest.approx(float(np.mean(want[0], dtype=np.float64)), rel=rtol)
    np.testing.assert_allclose(gradient, want[1] / 15, rtol=2 * rtol)


@pytest.mark.parametrize("host", ["array-api-strict"], indirect=True)
@pytest.mark.parametrize(("dtype", "bound"), [(np.float32, 0.501), (np.float64, 4)])
def test_accuracy_of_hard_softmax_rows(host, dtype, bound):
    rng = np.random.default_rng(0)
    for values in filter(lambda row: row.size <= 65, hard_rows(np.dtype(dtype), rng)):
        x, n = values.astype(dtype), values.size
        for label in {0, n // 2, n - 1, int(np.argmax(x))}:
            got, slope = called(host, xent.sparse_softmax_cross_entropy_value_and_grad, label, x)
            loss, gradient = definition(x, np.arange(n) == label)
            assert oracle.ulps(got, loss, np.dtype(dtype)) <= bound
            for j in {label, int(np.argmax(x)), *rng.integers(0, n, 8)}:
                assert oracle.ulps(slope[j], gradient[j], np.dtype(dtype)) <= bound


@FORMULAS
@pytest.mark.parametrize(("row", "label", "loss", "gradient"), SOFTMAX_EDGES)
def test_softmax_edges(host, row, label, loss, gradient):
    hard = np.zeros(len(row))
    hard[label] = 1
    for got in (
        called(host, xent.softmax_cross_entropy_value_and_grad, hard, np.array(row)),
        called(host, xent.sparse_softmax_cross_entropy_value_and_grad, label, np.array(row)),
    ):
        np.testing.assert_array_equal(got[0], loss)
        np.testing.assert_array_equal(got[1], gradient)


@FORMULAS
def test_mean(host):
    x, z = np.float32([[1, -2], [3, 40]]), np.float32([[0, 1], [0.25, 1]])
    mean, gradient = called(host, xent.sigmoid_cross_entropy_mean_and_grad, z, x)
    want = xent.sigmoid_cross_entropy_mean_and_grad(labels=z, logits=x)
    assert mean == pytest.approx(want[0], rel=1e-7)
    assert mean.shape == ()
    assert mean.dtype == np.float64
    np.testing.assert_array_equal(gradient, want[1])
    empty, gradient = called(host, xent.sigmoid_cross_entropy_value_and_grad, np.zeros((0, 2)), np.zeros((0, 2)))
    assert empty.shape == gradient.shape == (0, 2)


@FORMULAS
def test_labels_follow_the_logits(host):
    """Lists and NumPy arrays become arrays of the kind of the logits."""
    logits = host.array(np.float32([1, 2]))
    for labels in ([True, False], [0.5, 1], np.array([1, 0])):
        got = xent.sigmoid_cross_entropy_with_logits(labels=labels, logits=logits)
        want = xent.sigmoid_cross_entropy_with_logits(labels=labels, logits=np.float32([1, 2]))
        np.testing.assert_array_equal(host.values(got), want)


@pytest.mark.parametrize("host", ["array-api-strict"], indirect=True)
@pytest.mark.parametrize("function", [n for n in xent.__all__ if "cross_entropy" in n and not n.endswith("total")])
def test_results_are_on_the_device_of_the_logits(host, function):
    """Also where labels and weights came from NumPy; such arrays do not mix with those of the default device."""
    device = host.xp.Device("device1")
    x = np.array([[1.0, 2.0, 40.0]])
    labels = np.array([1]) if "sparse" in function else np.array([[0.0, 1.0, 0.0]])
    options = {"pos_weight": [1.0, 2.0, 3.0]} if "weighted" in function else {}
    got = getattr(xent, function)(labels=labels, logits=host.xp.asarray(x, device=device), **options)
    want = getattr(xent, function)(labels=labels, logits=x, **options)
    for one, other in zip(*(r if isinstance(r, tuple) else (r,) for r in (got, want)), strict=True):
        assert one.device == device
        np.testing.assert_allclose(one.to_device(host.xp.Device("CPU_DEVICE")), other, rtol=1e-15)


@FORMULAS
@pytest.mark.parametrize(
    ("function", "labels", "logits", "options", "error", "text"),
    [
        ("sigmoid_cross_entropy_with_logits", None, [1.0], {}, ValueError, "both labels and logits must be provided, labels missing."),
        ("sigmoid_cross_entropy_with_logits", ["a"], [1.0], {"name": "n"}, TypeError, "n: labels must be a float of at most 64 bits, an integer or bool, got dtype "),
        ("sigmoid_cross_entropy_with_logits", [1j], [1.0], {}, TypeError, ".float64)."),
        ("sigmoid_cross_entropy_mean_and_grad", [1], [1.0], {"out": np.zeros(1)}, TypeError, "out must be None for arrays other than NumPy's, got ndarray. Take the gradient that is returned."),
        ("sigmoid_cross_entropy_total", [1], [1.0], {}, TypeError, "must be a NumPy array to be summed, got "),
        ("weighted_cross_entropy_with_logits", [1], [1.0], {"pos_weight": [1.0, 2.0]}, ValueError, "pos_weight must broadcast to the shape of logits without enlarging it, got (2,) for logits of shape (1,)."),
        ("softmax_cross_entropy_with_logits", [[1]], [1.0], {}, ValueError, "labels must have the shape of logits, or broadcast to it without enlarging it, got (1, 1) for logits of shape (1,)."),
        ("softmax_cross_entropy_with_logits", [1], [1.0], {"axis": 1}, ValueError, "axis must be an integer from -1 to 0 for logits of shape (1,), got 1."),
        ("sparse_softmax_cross_entropy_with_logits", [1], [1.0], {}, ValueError, "labels must have the shape of logits without its last axis"),
        ("sparse_softmax_cross_entropy_with_logits", [0.5], [[1.0]], {}, TypeError, "labels must be integer class indices, got dtype float64. Convert with "),
        ("sparse_softmax_cross_entropy_with_logits", [0, 2, -1], [[1.0, 2.0]] * 3, {}, ValueError, "labels must be class indices from 0 to 1, got 2 at labels[1]. Correct it, or drop the row."),
        ("sparse_softmax_cross_entropy_value_and_grad", [[0, -1]], [[[1.0], [1.0]]], {}, ValueError, "labels must be class indices from 0 to 0, got -1 at labels[0, 1]."),
    ],
)  # fmt: skip
def test_errors(host, function, labels, logits, options, error, text):
    with pytest.raises(error, match=re.escape(text)):
        getattr(xent, function)(labels=labels, logits=host.array(np.array(logits)), **options)


def test_the_stand_in_is_no_numpy_array():
    """The tests above cannot pass by a silent conversion."""
    array = stand_in().asarray([1.0])
    with pytest.raises(TypeError, match="Implicit conversion"):
        np.asarray(array)
    assert not hasattr(array, "__array_namespace__")
    assert importlib.import_module("xent._dispatch")._adapter_of(type(array)) == "_array_api"
