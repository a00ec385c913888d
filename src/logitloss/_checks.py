"""What the public functions accept: every error of theirs is raised here."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

PYTHON_TYPES = (bool, int, float, complex, str, list, tuple)

# NumPy's numbers of types; the characters they are made of have been taken by types of other packages too.
_LOGITS = frozenset(np.dtype(c).num for c in "efd")
_INTEGERS = frozenset(np.dtype(c).num for c in "bBhHiIlLqQ")
_LABELS = _LOGITS | _INTEGERS | {np.dtype("?").num}

_LABELLED = frozenset({"pandas", "xarray"})  # packages whose arrays carry labels of their own

# What turns an object that is close to an array into one.
_CONVERSIONS = {
    ("polars", "Series"): "Convert it with {0}.to_numpy().",
    ("polars", "DataFrame"): "Convert it with {0}.to_numpy().",
    ("polars", "LazyFrame"): "Convert it with {0}.collect().to_numpy().",
    ("polars", "Expr"): "An expression has no values: take them with frame.select({0}).to_series().to_numpy().",
    ("pyarrow", "ChunkedArray"): "Convert it with {0}.to_numpy().",
    ("xarray", "Dataset"): "Pass one of its variables, or convert it with {0}.to_dataarray().",
    ("dask", "Series"): "Convert it with {0}.to_dask_array(lengths=True).",
    ("dask", "DataFrame"): "Convert it with {0}.to_dask_array(lengths=True).",
}

FLOATS = "float16, bfloat16, float32 or float64"
NUMBERS = "a float of at most 64 bits, an integer or bool"
CLASS_INDICES = "integer class indices"


def named(sentinel: Any, name: str | None) -> None:
    """Refuse positional arguments: frameworks disagree on the order, and a swap would be silent."""
    if sentinel is not None:
        raise ValueError(
            prefix(name) + "only named arguments are accepted (labels=..., logits=..., ...), got a positional one. "
            "Frameworks disagree on the order, so write the names."
        )


def pair(labels: Any, logits: Any, name: str | None = None) -> tuple[Any, Any]:
    """Return labels and logits as arrays of equal shape and known dtypes, ready for a ufunc."""
    # The common case first: half of a small call's time would go into asking one by one.
    if not (type(logits) is type(labels) is np.ndarray and logits.dtype.num in _LOGITS and labels.dtype.num in _LABELS):
        labels, logits = arrays(labels, logits, name)
    if logits.shape != labels.shape:
        same_shape(labels.shape, logits.shape, name)
    return labels, logits


def same_shape(labels: Any, logits: Any, name: str | None = None) -> None:
    """Refuse shapes that differ: (n,) against (n, 1) would silently make (n, n)."""
    if tuple(logits) != tuple(labels):
        raise ValueError(
            prefix(name) + f"logits and labels must have the same shape, got {tuple(logits)} and {tuple(labels)}. "
            "Reshape one, or use logitloss.ufuncs for broadcasting."
        )


def softmax_pair(labels: Any, logits: Any, axis: Any, name: str | None = None) -> tuple[Any, Any, int]:
    """Return labels of the shape of logits, logits, and the axis of the classes."""
    labels, logits = arrays(labels, logits, name)
    axis = softmax_shapes(labels.shape, logits.shape, axis, name)
    if labels.shape != logits.shape:
        labels = np.broadcast_to(labels, logits.shape)
    return labels, logits, axis


def softmax_shapes(labels: Any, logits: Any, axis: Any, name: str | None = None) -> int:
    """Return the axis of the classes, of shapes that fit each other."""
    labels, logits = tuple(labels), tuple(logits)
    try:
        axis = operator.index(axis)
        valid = -len(logits) <= axis < len(logits)
    except TypeError:
        valid = False
    if not logits:
        raise ValueError(prefix(name) + "logits must have an axis of classes, got shape (). Pass one logit per class.")
    if not valid:
        raise ValueError(
            prefix(name) + f"axis must be an integer from {-len(logits)} to {len(logits) - 1} for logits of shape "
            f"{logits}, got {axis!r}. Pass the axis of the classes."
        )
    _classes(logits, axis, name)
    if not fits(labels, logits):
        raise ValueError(
            prefix(name) + "labels must have the shape of logits, or broadcast to it without enlarging it, got "
            f"{labels} for logits of shape {logits}. Reshape the labels."
        )
    return axis


def axes_once(axes: tuple[int, ...]) -> None:
    """Refuse several axes of the classes of which two are the same."""
    if len(set(axes)) < len(axes):
        raise ValueError(f"axis must name each axis of the classes once, got {axes}. Leave out what is repeated.")


def sparse_pair(labels: Any, logits: Any, name: str | None = None, where: Any = None) -> tuple[Any, Any]:
    """Return class indices as int64, each of them a class, and logits. What does not count becomes class 0."""
    labels, logits = arrays(labels, logits, name, indices=True)
    sparse_shapes(labels.shape, logits.shape, name)
    if isinstance(labels, np.ndarray):
        if where is not None:
            labels = np.where(mask(where, labels.shape, name, "the rows"), labels, labels.dtype.type(0))
        known_classes(labels, logits.shape[-1], name)
        labels = labels.astype(np.int64, copy=False)
    return labels, logits


def sparse_shapes(labels: Any, logits: Any, name: str | None = None) -> None:
    """Refuse labels that are not one for each row of logits, and rows without classes."""
    labels, logits = tuple(labels), tuple(logits)
    if not logits or labels != logits[:-1]:
        raise ValueError(
            prefix(name) + "labels must have the shape of logits without its last axis, the classes: "
            f"got logits of shape {logits} and labels of shape {labels}. Reshape one."
        )
    _classes(logits, -1, name)


def known_classes(labels: np.ndarray, classes: int, name: str | None = None) -> None:
    """Refuse the first label that is not a class."""
    if labels.size and not (labels.min() >= 0 and labels.max() < classes):
        index = np.unravel_index(np.argmax((labels < 0) | (labels >= classes)), labels.shape)
        where = f"labels[{', '.join(map(str, index))}]" if index else "labels"
        raise ValueError(
            prefix(name) + f"labels must be class indices from 0 to {classes - 1}, got {labels[index]} at {where}. "
            "Correct it, or drop the row."
        )


def arrays(labels: Any, logits: Any, name: str | None, indices: bool = False) -> tuple[Any, Any]:
    """Return labels and logits as arrays of known dtypes; labels beside NumPy logits lose their index."""
    provided(labels, logits, name)
    logits = _array("logits", logits, name)
    labels = _array("labels", labels, name)
    dtypes(labels, logits, name, indices)
    if isinstance(logits, np.ndarray) and origin(labels) in _LABELLED:
        labels = np.asarray(labels)
    return labels, logits


def same_labelling(argument: str, value: Any, package: str, name: str | None) -> None:
    """Refuse an array whose labels those of the logits, which are of ``package``, cannot be compared with."""
    if origin(value) in _LABELLED - {package}:
        raise TypeError(
            prefix(name)
            + f"{argument} must be of {package}, as logits are, or a NumPy array, got {_described(value)}. "
            "Convert it, so that its labels can be matched, or drop them with numpy.asarray."
        )


def in_other_order(argument: str, kind: str, own: Any, wanted: Any, name: str | None) -> bool:
    """Whether an index has the labels of another in another order; refuse it if it has other labels."""
    if own.equals(wanted):
        return False
    if not (own.is_unique and wanted.is_unique):
        found = "labels that repeat, in another order"
    elif not wanted.isin(own).all():
        found = f"none for {wanted[~wanted.isin(own)].tolist()[0]!r}"
    elif not own.isin(wanted).all():
        found = f"{own[~own.isin(wanted)].tolist()[0]!r}, which logits do not have"
    else:
        return True
    raise ValueError(
        prefix(name) + f"{argument} must have the {kind} of logits, in any order, got {found}. "
        "Select what both have, or drop the labels with numpy.asarray to go by position."
    )


def dimensions(argument: str, own: tuple, wanted: tuple, subset: bool, name: str | None) -> None:
    """Refuse dimensions that are not those of the logits, or as a ``subset`` not among them."""
    if not (set(own) <= set(wanted) if subset else set(own) == set(wanted)):
        raise ValueError(
            prefix(name) + f"{argument} must have the dimensions {'among ' if subset else ''}{tuple(wanted)}, "
            f"in any order, got {tuple(own)}. Rename them."
        )


def classes_in_order(index: Any, name: str | None) -> None:
    """Refuse integer names of classes that are not their positions: a class index would be ambiguous."""
    if index.dtype.kind in "iu" and not (index == np.arange(len(index))).all():
        raise ValueError(
            prefix(name) + "integer names of the classes must be 0, 1, ... in order, because labels are class indices, "
            f"got {index[:8].tolist()}. Sort the classes, or name them by text."
        )


def dtypes(labels: Any, logits: Any, name: str | None = None, indices: bool = False) -> None:
    """Refuse logits of a dtype without a kernel, and labels that are not numbers, or as ``indices`` not integers."""
    _dtype("logits", logits, _LOGITS, FLOATS, name, "numpy.float32")
    if indices:
        _dtype("labels", labels, _INTEGERS, CLASS_INDICES, name, "numpy.int64")
    else:
        _dtype("labels", labels, _LABELS, NUMBERS, name)


def provided(labels: Any, logits: Any, name: str | None = None) -> None:
    """Refuse a missing argument."""
    if labels is None or logits is None:
        missing = " and ".join(k for k, v in (("labels", labels), ("logits", logits)) if v is None)
        raise ValueError(prefix(name) + f"both labels and logits must be provided, {missing} missing. Pass both.")


def _classes(shape: tuple[int, ...], axis: int, name: str | None) -> None:
    if shape[axis] == 0:
        raise ValueError(
            prefix(name) + f"logits must have at least one class, got shape {shape} with none along axis {axis}. "
            "A softmax over nothing is not defined."
        )


def fits(shape: Sequence[int], into: Sequence[int]) -> bool:
    """Whether a shape broadcasts to another without enlarging it. Plain Python: traced shapes are no integers.

    A dimension that is None is not known, and fits.
    """
    pairs = zip(reversed(shape), reversed(into), strict=False)
    return len(shape) <= len(into) and all(own in (1, None) or other in (own, None) for own, other in pairs)


def numpy_only(labels: Any, logits: Any, done: str = "summed") -> None:
    """Refuse what is not a NumPy array, for what no ufunc does."""
    for argument, value in (("logits", logits), ("labels", labels)):
        if not isinstance(value, np.ndarray):
            raise TypeError(
                f"{argument} must be a NumPy array to be {done}, got {_described(value)}. Convert it with numpy.asarray"
                + (", or sum the parts with logitloss.ExactSum." if done == "summed" else ".")
            )


def pos_weight(value: Any, logits: Any, name: str | None) -> Any:
    """Return the weight of the positive class as float64, broadcastable to the logits without enlarging them."""
    weight = _array("pos_weight", value, name)
    pos_weight_fits(weight, logits, name)
    return weight.astype(np.float64)


def pos_weight_fits(weight: Any, logits: Any, name: str | None = None) -> None:
    """Refuse a weight of the positive class that is not a number or would enlarge the logits."""
    _dtype("pos_weight", weight, _LABELS, NUMBERS, name)
    weight_fits(weight.shape, logits.shape, name)


def weight_fits(weight: Any, logits: Any, name: str | None = None) -> None:
    """Refuse a weight of the positive class that would enlarge the logits."""
    weight, logits = tuple(weight), tuple(logits)
    if not fits(weight, logits):
        raise ValueError(
            prefix(name) + "pos_weight must broadcast to the shape of logits without enlarging it, "
            f"got {weight} for logits of shape {logits}. Pass a scalar or one weight per last axis."
        )


def no_mask(logits: Any) -> TypeError:
    """Return the error of a mask beside arrays that are not NumPy's."""
    return TypeError(
        f"where must be None unless logits are a NumPy array, got logits of {_described(logits)}. Convert them with "
        "numpy.asarray, or select labels and logits before the call and the results after it."
    )


def mask(value: Any, shape: tuple[int, ...], name: str | None = None, of: str = "the shape") -> np.ndarray:
    """Return a mask that broadcasts to a shape, ``of`` logits, without enlarging it."""
    counts = np.asarray(_array("where", value, name))
    _dtype("where", counts, frozenset({np.dtype("?").num}), "bool, true for what counts", name, "bool")
    if not fits(counts.shape, shape):
        raise ValueError(
            prefix(name) + f"where must broadcast to {of} of logits and have no more elements, "
            f"got shape {counts.shape} for {shape}. "
            "Reshape it."
        )
    return counts


def mask_fits(mask: Any, logits: Any) -> None:
    """Refuse a mask that would enlarge the logits."""
    if not fits(tuple(mask), tuple(logits)):
        raise ValueError(
            "where must broadcast to the shape of logits, with or without the axis of the classes, and not enlarge it, "
            f"got {tuple(mask)} for logits of shape {tuple(logits)}. Reshape it."
        )


def no_out(out: Any, arrays: str = "arrays that cannot be written to") -> None:
    """Refuse ``out``, which would take the gradient: ``arrays`` says why these have none."""
    if out is not None:
        raise TypeError(f"out must be None for {arrays}, got {_described(out)}. Take the gradient that is returned.")


def traced(function: str) -> TypeError:
    """Return the error of a function that needs values, called where none are known."""
    return TypeError(
        f"{function} adds up values, which arrays being traced do not have. Call it outside the transformed function, "
        "or sum the losses there."
    )


def gradient_out(out: Any, logits: np.ndarray) -> np.ndarray:
    """Return the array that takes the gradient: ``out``, or a new one."""
    dtype = logits.dtype.newbyteorder("=")
    if out is None:
        return np.empty_like(logits, dtype=dtype, subok=False)
    if not isinstance(out, np.ndarray) or out.dtype != dtype:
        got = out.dtype if isinstance(out, np.ndarray) else _described(out)
        raise TypeError(
            f"out must be a NumPy array of dtype {dtype}, that of logits, got {got}. Allocate it like logits."
        )
    if out.shape != logits.shape or not out.flags.writeable:
        raise ValueError(
            f"out must be a writeable array of shape {logits.shape}, that of logits, got "
            f"{'' if out.flags.writeable else 'a read-only one of '}shape {out.shape}. Use numpy.empty_like(logits)."
        )
    return out


def known_lengths(argument: str, shape: tuple[float, ...]) -> None:
    """Refuse a Dask array with chunks of unknown length, as a selection of rows has them."""
    if np.isnan(shape).any():
        raise ValueError(
            f"{argument} must have chunks of known lengths, got shape {shape}. "
            f"Call {argument}.compute_chunk_sizes() first."
        )


def num_threads(n: Any) -> int:
    """Return a number of threads as an int."""
    try:
        count = operator.index(n)
    except TypeError:
        raise TypeError(f"n must be an integer number of threads, got {type(n).__name__}. Pass an int.") from None
    if not 1 <= count <= 65536:
        raise ValueError(f"n must be a number of threads from 1 to 65536, got {count}. Pass 1 to use no extra threads.")
    return count


def not_an_exact_sum(other: Any) -> TypeError:
    """Return the error of merging what is not an ExactSum."""
    return TypeError(f"other must be an ExactSum, got {type(other).__name__}. Use update() to add numbers.")


def limbs(value: Any, size: int) -> np.ndarray:
    """Return the state of an ExactSum as an array of ``size`` integers."""
    array = np.asarray(value)
    if array.shape != (size,) or array.dtype.kind not in "iu":
        raise ValueError(
            f"limbs must be {size} integers, got shape {array.shape} and dtype {array.dtype}. "
            "Pass what to_limbs() returned, or a sum of such arrays."
        )
    return array


def summable(values: Any) -> np.ndarray:
    """Return values as an array of a dtype that float64 holds."""
    array = _array("values", values, None)
    if not isinstance(array, np.ndarray):
        raise TypeError(
            f"values must be a NumPy array or a list, got {_described(array)}. Convert it with numpy.asarray."
        )
    _dtype("values", array, _LABELS, "a float of at most 64 bits, an integer or bool", None)
    return array


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


def _array(argument: str, value: Any, name: str | None) -> Any:
    for part in value if isinstance(value, (list, tuple)) else (value,):
        if isinstance(part, np.ma.MaskedArray):  # NumPy would drop the masks of a list's arrays
            advice = "Pass value.compressed(), or value.filled() with values of your choice."
            raise _not_an_array(argument, part, name, advice)
    if is_numpy(value):
        try:
            return np.asanyarray(value)
        except (ValueError, OverflowError) as error:
            raise no_numbers(argument, name, error) from None
    conversion = _CONVERSIONS.get((origin(value), type(value).__name__))
    if conversion:
        raise _not_an_array(argument, value, name, conversion.format(argument))
    if takes_ufuncs(value):
        return value
    advice = f"There is no adapter for {origin(value)}: convert it to a NumPy array yourself."
    raise _not_an_array(argument, value, name, advice)


def no_numbers(argument: str, name: str | None, error: Exception) -> Exception:
    """Return the error of what no array could be made of, with the reason that the maker of arrays gave."""
    text = f"{argument} must be an array or a rectangular nesting of lists of numbers: {error}"
    return (TypeError if isinstance(error, TypeError) else ValueError)(prefix(name) + text)


def _not_an_array(argument: str, value: Any, name: str | None, advice: str) -> TypeError:
    text = f"{argument} must be a NumPy array, a number or a list, got {_described(value)}. {advice}"
    return TypeError(prefix(name) + text)


def _dtype(
    argument: str, array: Any, numbers: frozenset[int], expected: str, name: str | None, hint: str = "numpy.float64"
) -> None:
    for dtype in [array.dtype] if hasattr(array, "dtype") else array.dtypes:  # a frame has one for each column
        if not isinstance(dtype, np.dtype) or not (  # pandas has others
            dtype.num in numbers or (dtype.name == "bfloat16" and numbers >= _LOGITS)
        ):
            raise wrong_dtype(argument, expected, dtype, f"{argument}.astype({hint})", name)


def wrong_dtype(argument: str, expected: str, dtype: Any, conversion: str, name: str | None = None) -> TypeError:
    """Return the error of an array whose numbers are not those expected."""
    return TypeError(prefix(name) + f"{argument} must be {expected}, got dtype {dtype}. Convert with {conversion}.")


def _described(value: Any) -> str:
    return f"{type(value).__module__}.{type(value).__qualname__}"


def prefix(name: str | None) -> str:
    """What stands in front of an error's text where the caller gave the operation a name."""
    return f"{name}: " if name else ""
