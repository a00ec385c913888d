"""Which adapter an array goes to: asked of its type alone, so that no framework is imported to find out."""

import sys

import numpy as np
import pytest

import logitloss
from logitloss import _dispatch


def kind(module, *bases, **attributes):
    return type("Array", bases, {"__module__": module, **attributes})


@pytest.mark.parametrize(
    ("array", "adapter"),
    [
        (kind("torch"), "torch"),
        (kind("torch.nn.parameter"), "torch"),
        (kind("mine", kind("torch")), "torch"),  # a subclass from elsewhere
        (kind("jaxlib._jax"), "jax"),
        (kind("jax._src.interpreters.partial_eval"), "jax"),
        (kind("tensorflow.python.framework.ops"), "tensorflow"),
        (kind("cupy", __array_ufunc__=None), "_array_api"),
        (kind("dask.array.core", __array_ufunc__=None), "dask"),
        (kind("strict", __array_namespace__=None), "_array_api"),
        (kind("lazy", __array_namespace__=None, __array_ufunc__=None), "_numpy"),  # takes the ufuncs themselves
        (kind("torchlike"), "_numpy"),
        (kind("mine", np.ndarray), "_numpy"),
        (np.ndarray, "_numpy"),
        (np.float32, "_numpy"),
        (list, "_numpy"),
        (float, "_numpy"),
        (type(None), "_numpy"),
    ],
)
def test_the_adapter_of_a_type(array, adapter):
    assert _dispatch._adapter_of(array) == adapter


CALLS = {
    "sigmoid_cross_entropy_with_logits": {"name": "n"},
    "sigmoid_cross_entropy_value_and_grad": {},
    "sigmoid_cross_entropy_grad_and_hess": {},
    "sigmoid_cross_entropy_mean_and_grad": {"out": "o"},
    "sigmoid_cross_entropy_total": {},
    "weighted_cross_entropy_with_logits": {"pos_weight": 3, "name": "n"},
    "softmax_cross_entropy_with_logits": {"axis": 1, "name": "n"},
    "softmax_cross_entropy_value_and_grad": {"axis": 1},
    "softmax_cross_entropy_mean_and_grad": {"axis": 1, "out": "o"},
    "sparse_softmax_cross_entropy_with_logits": {"name": "n"},
    "sparse_softmax_cross_entropy_value_and_grad": {},
    "sparse_softmax_cross_entropy_mean_and_grad": {"out": "o"},
}


def test_every_loss_is_called():
    assert set(CALLS) == {name for name in logitloss.__all__ if "cross_entropy" in name}


@pytest.mark.parametrize("name", CALLS)
def test_a_call_goes_to_the_function_of_its_name(name, monkeypatch):
    class Adapter:
        """Returns what it was asked."""

        def __getattr__(self, function):
            return lambda **arguments: (function, arguments)

    monkeypatch.setitem(sys.modules, "logitloss.torch", Adapter())
    logits = kind("torch")()
    arguments = {"labels": [1], "logits": logits, **CALLS[name]}
    assert getattr(logitloss, name)(**arguments) == (name, arguments)
