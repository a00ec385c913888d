"""Fixtures of the tests for PyTorch."""

import pytest


@pytest.fixture
def counted_as_gpu(monkeypatch):
    """Tensors of the test count as those of a GPU; the names of the kernels that are called are returned as a list."""
    kernels = pytest.importorskip("logitloss.torch._triton")
    from logitloss.torch import _checks, _kernels, _reductions, _sigmoid, _softmax

    for module in (_kernels, _reductions, _sigmoid, _softmax):
        monkeypatch.setattr(module, "on_gpu", lambda x: True)
    for module in (_checks, _kernels, _reductions, _sigmoid, _softmax):
        monkeypatch.setattr(module, "has_kernel", lambda *tensors: False)
    calls = []
    for name in ("sigmoid", "sparse_softmax"):
        kernel = getattr(kernels, name)
        monkeypatch.setattr(
            kernels, name, lambda *a, _kernel=kernel, _name=name, **k: calls.append(_name) or _kernel(*a, **k)
        )
    return calls
