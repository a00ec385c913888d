"""The array libraries that the fixture ``library`` stands for, and a stand-in for CuPy."""

import sys
import types

import numpy as np
import pytest


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


LIBRARIES = {"array-api-strict": Strict, "CuPy": Cupy, "Dask": Dask, "xarray": Xarray, "pandas": Pandas}
EVERY = pytest.mark.parametrize("library", LIBRARIES, indirect=True)
FORMULAS = pytest.mark.parametrize("library", ["array-api-strict", "CuPy"], indirect=True)


def called(library, function, labels, logits, **options):
    """The results as NumPy arrays, after a look at their kind."""
    got = function(labels=library.array(labels), logits=library.array(logits), **options)
    got = got if isinstance(got, tuple) else (got,)
    assert all(isinstance(one, library.kind) for one in got)
    return tuple(library.values(one) for one in got)
