"""The types of the functions in this module. Their documentation stands in ``_softmax.py``."""

from typing import overload

import numpy as np
from numpy.typing import NDArray

from ._types import F, Framework, Indices, Nested, Numbers, T

@overload
def softmax_cross_entropy_with_logits(
    *, labels: Numbers, logits: NDArray[F], axis: int = -1, name: str | None = None, where: Numbers | None = None
) -> NDArray[F]: ...
@overload
def softmax_cross_entropy_with_logits(
    *, labels: Numbers, logits: Framework[T], axis: int = -1, name: str | None = None
) -> T: ...
@overload
def softmax_cross_entropy_with_logits(
    *, labels: Numbers, logits: Nested[float], axis: int = -1, name: str | None = None, where: Numbers | None = None
) -> NDArray[np.float64]: ...
@overload
def softmax_cross_entropy_value_and_grad(
    *, labels: Numbers, logits: NDArray[F], axis: int = -1, where: Numbers | None = None
) -> tuple[NDArray[F], NDArray[F]]: ...
@overload
def softmax_cross_entropy_value_and_grad(*, labels: Numbers, logits: Framework[T], axis: int = -1) -> tuple[T, T]: ...
@overload
def softmax_cross_entropy_value_and_grad(
    *, labels: Numbers, logits: Nested[float], axis: int = -1, where: Numbers | None = None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]: ...
@overload
def softmax_cross_entropy_mean_and_grad(
    *, labels: Numbers, logits: NDArray[F], axis: int = -1, out: NDArray[F] | None = None, where: Numbers | None = None
) -> tuple[float, NDArray[F]]: ...
@overload
def softmax_cross_entropy_mean_and_grad(
    *, labels: Numbers, logits: Framework[T], axis: int = -1, out: T | None = None
) -> tuple[T, T]: ...
@overload
def softmax_cross_entropy_mean_and_grad(
    *,
    labels: Numbers,
    logits: Nested[float],
    axis: int = -1,
    out: NDArray[np.float64] | None = None,
    where: Numbers | None = None,
) -> tuple[float, NDArray[np.float64]]: ...
@overload
def sparse_softmax_cross_entropy_with_logits(
    *, labels: Indices, logits: NDArray[F], name: str | None = None, where: Numbers | None = None
) -> NDArray[F]: ...
@overload
def sparse_softmax_cross_entropy_with_logits(
    *, labels: Indices, logits: Framework[T], name: str | None = None
) -> T: ...
@overload
def sparse_softmax_cross_entropy_with_logits(
    *, labels: Indices, logits: Nested[float], name: str | None = None, where: Numbers | None = None
) -> NDArray[np.float64]: ...
@overload
def sparse_softmax_cross_entropy_value_and_grad(
    *, labels: Indices, logits: NDArray[F], where: Numbers | None = None
) -> tuple[NDArray[F], NDArray[F]]: ...
@overload
def sparse_softmax_cross_entropy_value_and_grad(*, labels: Indices, logits: Framework[T]) -> tuple[T, T]: ...
@overload
def sparse_softmax_cross_entropy_value_and_grad(
    *, labels: Indices, logits: Nested[float], where: Numbers | None = None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]: ...
@overload
def sparse_softmax_cross_entropy_mean_and_grad(
    *, labels: Indices, logits: NDArray[F], out: NDArray[F] | None = None, where: Numbers | None = None
) -> tuple[float, NDArray[F]]: ...
@overload
def sparse_softmax_cross_entropy_mean_and_grad(
    *, labels: Indices, logits: Framework[T], out: T | None = None
) -> tuple[T, T]: ...
@overload
def sparse_softmax_cross_entropy_mean_and_grad(
    *, labels: Indices, logits: Nested[float], out: NDArray[np.float64] | None = None, where: Numbers | None = None
) -> tuple[float, NDArray[np.float64]]: ...
