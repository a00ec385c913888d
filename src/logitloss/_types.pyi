"""What the public functions take and return, for type checkers.

Arrays of frameworks are described by what they have, never by their classes: a class of a package that is not installed
would be ``Any``, and every overload after it would mean something else.
"""

from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

F = TypeVar("F", bound=np.floating[Any])
"""The type of a NumPy array's elements: float16, float32 or float64. An array of bfloat16 is an ``NDArray[Any]``."""

# To a fixed depth: of a recursive one text would be a case, since each item of a str is a str.
Nested: TypeAlias = Sequence[T] | Sequence[Sequence[T]] | Sequence[Sequence[Sequence[T]]]

# An array is known by a member that NumPy's arrays lack. What it negates to is what computing with it gives: for a
# subclass such as torch.nn.Parameter that is the base class.

class TorchTensor(Protocol[T_co]):
    @property
    def detach(self) -> Callable[[], Any]: ...
    def __neg__(self) -> T_co: ...

class JaxArray(Protocol[T_co]):
    @property
    def block_until_ready(self) -> Callable[[], Any]: ...
    def __neg__(self) -> T_co: ...

class TensorFlowTensor(Protocol[T_co]):
    @property
    def get_shape(self) -> Callable[[], Any]: ...
    def __neg__(self) -> T_co: ...

class DaskArray(Protocol[T_co]):
    @property
    def compute(self) -> Callable[..., Any]: ...
    def __neg__(self) -> T_co: ...

class LabelledArray(Protocol[T_co]):
    """One of pandas or xarray."""

    @property
    def to_numpy(self) -> Callable[..., Any]: ...
    def __neg__(self) -> T_co: ...

class CupyArray(Protocol[T_co]):
    @property
    def get(self) -> Callable[..., Any]: ...
    @property
    def cstruct(self) -> Any: ...
    def __neg__(self) -> T_co: ...

Framework: TypeAlias = (
    TorchTensor[T] | JaxArray[T] | TensorFlowTensor[T] | DaskArray[T] | LabelledArray[T] | CupyArray[T]
)

NumberType: TypeAlias = np.bool_ | np.integer[Any] | np.floating[Any]
Numbers: TypeAlias = (
    float | NumberType | NDArray[NumberType] | Nested[float | NumberType | NDArray[NumberType]] | Framework[Any]
)
Indices: TypeAlias = (
    int
    | np.integer[Any]
    | NDArray[np.integer[Any]]
    | Nested[int | np.integer[Any] | NDArray[np.integer[Any]]]
    | Framework[Any]
)
