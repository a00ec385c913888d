import numpy as np

_Sum = tuple[bytes, int, int, int]

version: str
limbs: int
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
def sigmoid_cross_entropy_of_plain(logits: object, labels: object) -> np.ndarray | None: ...
def exact_sum(values: np.ndarray) -> tuple[bytes, int, int, int]: ...

class Tally:
    def __init__(self) -> None: ...
    def add(self, logits: np.ndarray, labels: np.ndarray, loss: np.ndarray, residual: np.ndarray) -> None: ...
    def finish(self) -> tuple[list[tuple[int, int, _Sum, _Sum, _Sum]], list[int]]: ...

def isa() -> str: ...
def isas() -> list[str]: ...
def num_threads() -> int: ...
def set_num_threads(n: int) -> None: ...
