"""The library's functions for arrays of any namespace of the array API, CuPy's too, on whatever device they are.

The array's own namespace computes, in float64 with the formulas of ``_formulas``, and rounds once to the dtype of the
logits. Shapes, dtypes, special values and errors are those of the functions of the same names in ``logitloss``.

Accuracy, for labels from 0 to 1 and an exp, log1p and division within 1 ulp: float16 and float32 within 0.501 ulp,
float64 within 4 ulp; the gradients of soft labels in units of the larger of their terms.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from . import _checks, _formulas

_FLOATS = ("float16", "bfloat16", "float32", "float64")
_INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
_NUMBERS = (*_FLOATS, *_INTEGERS, "bool")


# --- sigmoid ---------------------------------------------------------------------------------------------------------


def sigmoid_cross_entropy_with_logits(*, labels: Any, logits: Any, name: str | None = None) -> Any:
    """Return :func:`logitloss.sigmoid_cross_entropy_with_logits` of such arrays."""
    return _results(_pair(labels, logits, name), _formulas.loss)[0]


def sigmoid_cross_entropy_value_and_grad(*, labels: Any, logits: Any) -> tuple[Any, ...]:
    """Return :func:`logitloss.sigmoid_cross_entropy_value_and_grad` of such arrays."""
    return _results(_pair(labels, logits), _formulas.loss, _formulas.gradient)


def sigmoid_cross_entropy_grad_and_hess(*, labels: Any, logits: Any) -> tuple[Any, ...]:
    """Return :func:`logitloss.sigmoid_cross_entropy_grad_and_hess` of such arrays."""
    return _results(_pair(labels, logits), _formulas.gradient, _formulas.hessian)


def sigmoid_cross_entropy_mean_and_grad(*, labels: Any, logits: Any, out: None = None) -> tuple[Any, Any]:
    """Return :func:`logitloss.sigmoid_cross_entropy_mean_and_grad` of such arrays, see :func:`_mean_and_grad`."""
    return _mean_and_grad(_pair(labels, logits), _formulas.loss, _formulas.gradient, out)


def sigmoid_cross_entropy_total(*, labels: Any, logits: Any) -> None:
    """Refuse: an exact sum needs the bits of its values."""
    _checks.numpy_only(labels, logits)


def weighted_cross_entropy_with_logits(*, labels: Any, logits: Any, pos_weight: Any, name: str | None = None) -> Any:
    """Return :func:`logitloss.weighted_cross_entropy_with_logits` of such arrays."""
    x, z = _pair(labels, logits, name)
    weight = _array("pos_weight", pos_weight, x, _NUMBERS, name)
    _checks.pos_weight(np.broadcast_to(0.0, weight.shape), np.broadcast_to(0.0, x.shape), name)
    return _results((x, z, weight), _formulas.loss)[0]


# --- softmax, the classes last ---------------------------------------------------------------------------------------


def softmax_cross_entropy_with_logits(*, labels: Any, logits: Any, axis: int = -1, name: str | None = None) -> Any:
    """Return :func:`logitloss.softmax_cross_entropy_with_logits` of such arrays."""
    x, z, _ = _softmax_pair(labels, logits, axis, name)
    return _results((x, z), _formulas.softmax_loss)[0]


def softmax_cross_entropy_value_and_grad(*, labels: Any, logits: Any, axis: int = -1) -> tuple[Any, Any]:
    """Return :func:`logitloss.softmax_cross_entropy_value_and_grad` of such arrays."""
    x, z, axis = _softmax_pair(labels, logits, axis)
    loss, gradient = _results((x, z), _formulas.softmax_loss, _formulas.softmax_gradient)
    return loss, _namespace(x).moveaxis(gradient, -1, axis)


def softmax_cross_entropy_mean_and_grad(
    *, labels: Any, logits: Any, axis: int = -1, out: None = None
) -> tuple[Any, Any]:
    """Return :func:`logitloss.softmax_cross_entropy_mean_and_grad` of such arrays, see :func:`_mean_and_grad`."""
    x, z, axis = _softmax_pair(labels, logits, axis)
    mean, gradient = _mean_and_grad((x, z), _formulas.softmax_loss, _formulas.softmax_gradient, out)
    return mean, _namespace(x).moveaxis(gradient, -1, axis)


def sparse_softmax_cross_entropy_with_logits(*, labels: Any, logits: Any, name: str | None = None) -> Any:
    """Return :func:`logitloss.sparse_softmax_cross_entropy_with_logits` of such arrays."""
    return _results(_sparse_pair(labels, logits, name), _sparse(_formulas.sparse_softmax_loss))[0]


def sparse_softmax_cross_entropy_value_and_grad(*, labels: Any, logits: Any) -> tuple[Any, ...]:
    """Return :func:`logitloss.sparse_softmax_cross_entropy_value_and_grad` of such arrays."""
    formulas = _sparse(_formulas.sparse_softmax_loss), _sparse(_formulas.sparse_softmax_gradient)
    return _results(_sparse_pair(labels, logits), *formulas)


def sparse_softmax_cross_entropy_mean_and_grad(*, labels: Any, logits: Any, out: None = None) -> tuple[Any, Any]:
    """Return :func:`logitloss.sparse_softmax_cross_entropy_mean_and_grad` of them, see :func:`_mean_and_grad`."""
    formulas = _sparse(_formulas.sparse_softmax_loss), _sparse(_formulas.sparse_softmax_gradient)
    return _mean_and_grad(_sparse_pair(labels, logits), *formulas, out)


# --- how they compute ------------------------------------------------------------------------------------------------


def _namespace(x: Any) -> Any:
    """The functions of an array's library: those it declares, else its package, as of CuPy before 14."""
    return x.__array_namespace__() if hasattr(x, "__array_namespace__") else sys.modules[_checks.origin(x)]


def _beside(array: Any, like: Any) -> Any:
    """The array, on the device of another; CuPy's has no such method where the current device is the one meant."""
    return array.to_device(like.device) if hasattr(like, "to_device") else array


class _Operations:
    """The functions of an array's library, where the one that takes no array makes one on the device of it."""

    def __init__(self, like: Any) -> None:
        self._like = like

    def __getattr__(self, name: str) -> Any:
        return getattr(_namespace(self._like), name)

    def arange(self, stop: int) -> Any:
        return _beside(_namespace(self._like).arange(stop), self._like)


def _in_float64(arrays: tuple[Any, ...], *formulas: Callable[..., Any]) -> list[Any]:
    """The formulas of the arrays in float64; what they select away may overflow."""
    xp = _Operations(arrays[0])
    promoted = [xp.asarray(a, dtype=xp.float64) for a in arrays]
    with np.errstate(all="ignore"):
        return [formula(xp, *promoted) for formula in formulas]


def _results(arrays: tuple[Any, ...], *formulas: Callable[..., Any]) -> tuple[Any, ...]:
    """The formulas of the arrays, rounded to the dtype of the first of them."""
    return tuple(_rounded(arrays[0], values) for values in _in_float64(arrays, *formulas))


def _rounded(x: Any, values: Any) -> Any:
    with np.errstate(all="ignore"):
        return _namespace(x).asarray(values, dtype=x.dtype)


def _mean_and_grad(
    arrays: tuple[Any, Any], loss: Callable[..., Any], gradient: Callable[..., Any], out: None
) -> tuple[Any, Any]:
    """Return the mean loss, an array of rank 0 in float64, as the namespace sums, and the gradient of it."""
    _checks.no_out(out, "arrays other than NumPy's")
    losses, slopes = _in_float64(arrays, loss, gradient)
    return _namespace(losses).mean(losses), _rounded(arrays[0], slopes / max(losses.size, 1))


def _sparse(formula: Callable[..., Any]) -> Callable[..., Any]:
    """A formula of class indices, which are integers again."""
    return lambda xp, x, y: formula(xp, x, xp.asarray(y, dtype=xp.int64))


# --- what they accept ------------------------------------------------------------------------------------------------


def _array(argument: str, value: Any, like: Any, kinds: tuple[str, ...], name: str | None) -> Any:
    """A value as array of the namespace of another, of one of the kinds of numbers."""
    xp = _namespace(like)
    array = value if isinstance(value, type(like)) else _checks._array(argument, value, name)
    dtype = str(array.dtype).rpartition(".")[2]
    if dtype not in kinds:
        expected, hint = {
            _FLOATS: (_checks.FLOATS, "float32"),
            _INTEGERS: (_checks.CLASS_INDICES, "int64"),
            _NUMBERS: (_checks.NUMBERS, "float64"),
        }[kinds]
        conversion = f"{xp.__name__}.asarray({argument}, dtype={xp.__name__}.{hint})"
        raise _checks.wrong_dtype(argument, expected, dtype, conversion, name)
    return _beside(xp.asarray(array), like)


def _pair(labels: Any, logits: Any, name: str | None = None) -> tuple[Any, Any]:
    _checks.provided(labels, logits, name)
    x = _array("logits", logits, logits, _FLOATS, name)
    z = _array("labels", labels, x, _NUMBERS, name)
    _checks.same_shape(z.shape, x.shape, name)
    return x, z


def _softmax_pair(labels: Any, logits: Any, axis: int, name: str | None = None) -> tuple[Any, Any, int]:
    _checks.provided(labels, logits, name)
    x = _array("logits", logits, logits, _FLOATS, name)
    z = _array("labels", labels, x, _NUMBERS, name)
    axis = _checks.softmax_shapes(z.shape, x.shape, axis, name)
    xp = _namespace(x)
    return xp.moveaxis(x, axis, -1), xp.moveaxis(xp.broadcast_to(z, x.shape), axis, -1), axis


def _sparse_pair(labels: Any, logits: Any, name: str | None = None) -> tuple[Any, Any]:
    _checks.provided(labels, logits, name)
    x = _array("logits", logits, logits, _FLOATS, name)
    y = _array("labels", labels, x, _INTEGERS, name)
    _checks.sparse_shapes(y.shape, x.shape, name)
    xp = _namespace(x)
    wrong = xp.reshape((y < 0) | (y >= x.shape[-1]), (-1,))
    if xp.any(wrong):
        first = int(xp.argmax(xp.asarray(wrong, dtype=xp.int64)))
        known = np.zeros(y.shape, np.int64)  # with the bad label alone: the others may be on another device
        known.flat[first] = int(xp.reshape(y, (-1,))[first])
        _checks.known_classes(known, x.shape[-1], name)
    return x, y
