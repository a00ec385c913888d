"""From the type of an array to the adapter that computes with it. No framework is imported here."""

from __future__ import annotations

import functools
import importlib
import sys
from types import ModuleType
from typing import Any

from numpy import ndarray

from . import _checks, _numpy

# The package that an array's type comes from, and the module here that knows it.
_ADAPTERS = {
    "numpy": "_numpy",
    "torch": "torch",
    "jax": "jax",
    "jaxlib": "jax",
    "tensorflow": "tensorflow",
    "cupy": "_array_api",
    "dask": "dask",
    "pandas": "_pandas",
    "xarray": "_xarray",
}


def adapter(logits: Any) -> ModuleType:
    """Return the adapter of the framework that the logits come from: functions with the names of the public ones.

    Labels follow the logits, never the reverse.
    """
    kind = type(logits)
    if kind is ndarray:  # the shortest path: a call of eight elements takes 0.3 microseconds
        return _numpy
    name = _ADAPTERS.get(kind.__module__.partition(".")[0]) or _adapter_of(kind)  # Dynamo warns of a cache it meets
    return sys.modules.get(f"logitloss.{name}") or _load(f"logitloss.{name}")


def masked(where: Any, logits: Any) -> dict[str, Any]:
    """Return the argument ``where`` of the adapters that take it, those of NumPy arrays; refuse it for others."""
    if where is None:
        return {}
    if adapter(logits) is not _numpy:
        raise _checks.no_mask(logits)
    return {"where": where}


_load = functools.cache(importlib.import_module)  # what is cached, TensorFlow's AutoGraph does not translate


@functools.lru_cache(maxsize=256)
def _adapter_of(kind: type) -> str:
    packages = [base.__module__.partition(".")[0] for base in kind.__mro__]  # a subclass from elsewhere is a tensor too
    for package in packages:
        if package in _ADAPTERS and package != "numpy":
            return _ADAPTERS[package]
    takes_ufuncs = "numpy" in packages or hasattr(kind, "__array_ufunc__")
    return "_array_api" if hasattr(kind, "__array_namespace__") and not takes_ufuncs else "_numpy"
