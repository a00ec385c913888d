"""The types of the functions in this module. Their documentation stands in ``_sigmoid.py``."""

from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from ._exact import ExactSum
from ._types import F, Framework, Nested, Numbers, T

@overload
def sigmoid_cross_entropy_with_logits(
    *, labels: Numbers, logits: F, name: str | None = None, where: Numbers | None = None
) -> F: ...
@overload
def sigmoid_cross_entropy_with_logits(
    *, labels: Numbers, logits: NDArray[F], name: str | None = None, where: Numbers | None = None
) -> NDArray[F]: ...
@overload
def sigmoid_cross_entropy_with_logits(
    *, labels: Numbers, logits: float, name: str | None = None, where: Numbers | None = None
) -> np.float64: ...
@overload
def sigmoid_cross_entropy_with_logits(*, labels: Numbers, logits: Framework[T], name: str | None = None) -> T: ...
@overload
def sigmoid_cross_entropy_with_logits(
    *, labels: Numbers, logits: Nested[float], name: str | None = None, where: Numbers | None = None
) -> NDArray[np.float64]: ...
@overload
def sigmoid_cross_entropy_value_and_grad(
    *, labels: Numbers, logits: F, where: Numbers | None = None
) -> tuple[F, F]: ...
@overload
def sigmoid_cross_entropy_value_and_grad(
    *, labels: Numbers, logits: NDArray[F], where: Numbers | None = None
) -> tuple[NDArray[F], NDArray[F]]: ...
@overload
def sigmoid_cross_entropy_value_and_grad(
    *, labels: Numbers, logits: float, where: Numbers | None = None
) -> tuple[np.float64, np.float64]: ...
@overload
def sigmoid_cross_entropy_value_and_grad(*, labels: Numbers, logits: Framework[T]) -> tuple[T, T]: ...
@overload
def sigmoid_cross_entropy_value_and_grad(
    *, labels: Numbers, logits: Nested[float], where: Numbers | None = None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]: ...
@overload
def sigmoid_cross_entropy_grad_and_hess(*, labels: Numbers, logits: F, where: Numbers | None = None) -> tuple[F, F]: ...
@overload
def sigmoid_cross_entropy_grad_and_hess(
    *, labels: Numbers, logits: NDArray[F], where: Numbers | None = None
) -> tuple[NDArray[F], NDArray[F]]: ...
@overload
def sigmoid_cross_entropy_grad_and_hess(
    *, labels: Numbers, logits: float, where: Numbers | None = None
) -> tuple[np.float64, np.float64]: ...
@overload
def sigmoid_cross_entropy_grad_and_hess(*, labels: Numbers, logits: Framework[T]) -> tuple[T, T]: ...
@overload
def sigmoid_cross_entropy_grad_and_hess(
    *, labels: Numbers, logits: Nested[float], where: Numbers | None = None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]: ...
@overload
def sigmoid_cross_entropy_mean_and_grad(
    *, labels: Numbers, logits: F | NDArray[F], out: NDArray[F] | None = None, where: Numbers | None = None
) -> tuple[float, NDArray[F]]: ...
@overload
def sigmoid_cross_entropy_mean_and_grad(
    *, labels: Numbers, logits: Framework[T], out: T | None = None
) -> tuple[T, T]: ...
@overload
def sigmoid_cross_entropy_mean_and_grad(
    *,
    labels: Numbers,
    logits: float | Nested[float],
    out: NDArray[np.float64] | None = None,
    where: Numbers | None = None,
) -> tuple[float, NDArray[np.float64]]: ...
def sigmoid_cross_entropy_total(
    *, labels: Numbers, logits: F | NDArray[F] | float | Nested[float] | Framework[Any], where: Numbers | None = None
) -> ExactSum: ...
@overload
def weighted_cross_entropy_with_logits(
    *, labels: Numbers, logits: F, pos_weight: Numbers, name: str | None = None, where: Numbers | None = None
) -> F: ...
@overload
def weighted_cross_entropy_with_logits(
    *, labels: Numbers, logits: NDArray[F], pos_weight: Numbers, name: str | None = None, where: Numbers | None = None
) -> NDArray[F]: ...
@overload
def weighted_cross_entropy_with_logits(
    *, labels: Numbers, logits: float, pos_weight: Numbers, name: str | None = None, where: Numbers | None = None
) -> np.float64: ...
@overload
def weighted_cross_entropy_with_logits(
    *, labels: Numbers, logits: Framework[T], pos_weight: Numbers, name: str | None = None
) -> T: ...
@overload
def weighted_cross_entropy_with_logits(
    *,
    labels: Numbers,
    logits: Nested[float],
    pos_weight: Numbers,
    name: str | None = None,
    where: Numbers | None = None,
) -> NDArray[np.float64]: ...
