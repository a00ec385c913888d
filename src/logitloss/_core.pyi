import numpy as np

_Sum = tuple[bytes, int, int, int]

version: str
limbs: int
types: tuple[str, ...]
xla_handlers: dict[str, object]

sigmoid_cross_entropy: np.ufunc
sigmoid_cross_entropy_grad: np.ufunc
sigmoid_cross_entropy_value_and_grad: np.ufunc
sigmoid_cross_entropy_grad_and_hess: np.ufunc
weighted_sigmoid_cross_entropy: np.ufunc
softmax_cross_entropy: np.ufunc
softmax_cross_entropy_value_and_grad: np.ufunc
softmax_cross_entropy_value_and_grad_divided: np.ufunc
sparse_softmax_cross_entropy: np.ufunc
sparse_softmax_cross_entropy_value_and_grad: np.ufunc
sparse_softmax_cross_entropy_value_and_grad_divided: np.ufunc

def sigmoid_cross_entropy_total(
    logits: np.ndarray, labels: np.ndarray, gradient: np.ndarray | None, divisor: float
) -> tuple[bytes, int, int, int]: ...
def sigmoid_cross_entropy_fast(logits: object, labels: object) -> np.ndarray | None: ...
def sigmoid_cross_entropy_at(
    logits: int, labels: int, losses: int, gradient: int, n: int, logits_type: int, labels_type: int, /
) -> None: ...
def sigmoid_cross_entropy_mean_at(
    logits: int,
    labels: int,
    gradient: int,
    n: int,
    logits_type: int,
    labels_type: int,
    divisor: float,
    count: int,
    /,
) -> float: ...
def softmax_cross_entropy_mean_at(
    logits: int,
    labels: int,
    ignored: int,
    gradient: int,
    rows: int,
    classes: int,
    logits_type: int,
    labels_type: int,
    sparse: bool,
    divisor: float,
    count: int,
    /,
) -> float: ...
def are_classes_at(labels: int, n: int, classes: int, ignored: int, /) -> bool: ...
def exact_sum(values: np.ndarray) -> tuple[bytes, int, int, int]: ...

class Tally:
    def __init__(self) -> None: ...
    def add(self, logits: np.ndarray, labels: np.ndarray, weights: np.ndarray | None) -> None: ...
    def finish(self) -> tuple[list[tuple[int, int, list[_Sum]]], list[int], _Sum, _Sum, _Sum]: ...

class GroupSums:
    def __init__(self, columns: int) -> None: ...
    def __len__(self) -> int: ...
    def add(self, groups: np.ndarray, values: np.ndarray) -> None: ...
    def finish(self, group: int) -> tuple[int, list[_Sum]]: ...

def isa() -> str: ...
def isas() -> list[str]: ...
def instruction_sets() -> dict[str, str | None]: ...
def missing_instructions(leaf1_ecx: int, leaf7_ebx: int, xcr0: int) -> tuple[str | None, str | None]: ...
def num_threads() -> int: ...
def set_num_threads(n: int) -> None: ...
