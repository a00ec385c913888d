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
    logits: np.ndarray,
    labels: np.ndarray,
    gradient: np.ndarray | None,
    divisor: float,
    where: np.ndarray | None = None,
) -> tuple[bytes, int, int, int]: ...
def sigmoid_cross_entropy_where(
    logits: np.ndarray,
    labels: np.ndarray,
    pos_weight: np.ndarray | None,
    where: np.ndarray,
    loss: np.ndarray | None,
    gradient: np.ndarray | None,
    hessian: np.ndarray | None,
) -> None: ...
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

class SumTable:
    columns: int
    def __init__(self, columns: int) -> None: ...
    def __len__(self) -> int: ...
    def resize(self, groups: int) -> None: ...
    def add(self, groups: np.ndarray, values: np.ndarray) -> None: ...
    def merge(self, other: SumTable, groups: np.ndarray) -> None: ...
    def rows(self) -> np.ndarray: ...
    def rounded(self) -> np.ndarray: ...
    def specials(self, column: int) -> np.ndarray: ...
    def limbs(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]: ...
    def add_limbs(self, groups: np.ndarray, columns: np.ndarray, limbs: np.ndarray, values: np.ndarray) -> None: ...

class Histogram:
    def __init__(self) -> None: ...
    def add(self, logits: np.ndarray, labels: np.ndarray, weights: np.ndarray | None) -> None: ...
    def coarse(self) -> tuple[np.ndarray, SumTable]: ...
    def fine(self) -> tuple[np.ndarray, SumTable]: ...
    def all(self) -> SumTable: ...
    def losses(self) -> np.ndarray: ...

coarse_bins: tuple[int, int]
fine_bins: tuple[int, int]
lowest_loss_bin: int

def isa() -> str: ...
def isas() -> list[str]: ...
def instruction_sets() -> dict[str, str | None]: ...
def missing_instructions(leaf1_ecx: int, leaf7_ebx: int, xcr0: int) -> tuple[str | None, str | None]: ...
def num_threads() -> int: ...
def set_num_threads(n: int) -> None: ...
