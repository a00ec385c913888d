"""From the type of an array to what can compute with it. No framework is imported here."""

from __future__ import annotations

from typing import Any

import numpy as np

PYTHON_TYPES = (bool, int, float, complex, str, list, tuple)


def is_numpy(value: Any) -> bool:
    """Whether NumPy holds these elements or can copy them from plain Python: then the kernels can have pointers.

    Asked by type, never by ``__array__``: a torch tensor has one too, and would lose its autograd.
    """
    return isinstance(value, (np.ndarray, np.generic, *PYTHON_TYPES)) and not isinstance(value, np.ma.MaskedArray)


def takes_ufuncs(value: Any) -> bool:
    """Whether the array computes ufuncs in its own way, as those of Dask, xarray and pandas do."""
    return not isinstance(value, np.ndarray) and getattr(type(value), "__array_ufunc__", None) is not None


def origin(value: Any) -> str:
    """Return the package that an array comes from, for messages."""
    return type(value).__module__.partition(".")[0]
