"""Cross entropy from logits: correctly rounded, the same bits everywhere, in one pass over memory."""

try:
    from ._core import version as __version__
except ImportError as error:
    from ._environment import exit_command

    exit_command(error)
    raise

from . import ufuncs
from ._exact import ExactSum
from ._sigmoid import (
    sigmoid_cross_entropy_grad_and_hess,
    sigmoid_cross_entropy_mean_and_grad,
    sigmoid_cross_entropy_total,
    sigmoid_cross_entropy_value_and_grad,
    sigmoid_cross_entropy_with_logits,
    weighted_cross_entropy_with_logits,
)
from ._softmax import (
    softmax_cross_entropy_mean_and_grad,
    softmax_cross_entropy_value_and_grad,
    softmax_cross_entropy_with_logits,
    sparse_softmax_cross_entropy_mean_and_grad,
    sparse_softmax_cross_entropy_value_and_grad,
    sparse_softmax_cross_entropy_with_logits,
)
from ._threads import get_num_threads, set_num_threads

__all__ = [
    "ExactSum",
    "__version__",
    "get_num_threads",
    "set_num_threads",
    "sigmoid_cross_entropy_grad_and_hess",
    "sigmoid_cross_entropy_mean_and_grad",
    "sigmoid_cross_entropy_total",
    "sigmoid_cross_entropy_value_and_grad",
    "sigmoid_cross_entropy_with_logits",
    "softmax_cross_entropy_mean_and_grad",
    "softmax_cross_entropy_value_and_grad",
    "softmax_cross_entropy_with_logits",
    "sparse_softmax_cross_entropy_mean_and_grad",
    "sparse_softmax_cross_entropy_value_and_grad",
    "sparse_softmax_cross_entropy_with_logits",
    "ufuncs",
    "weighted_cross_entropy_with_logits",
]


def __dir__() -> list[str]:
    """Return the public names, and the modules for frameworks that are imported already."""
    return sorted(name for name in globals() if name.startswith("__") or not name.startswith("_"))
