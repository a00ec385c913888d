"""The losses of the frameworks. Tensors are made before the clock starts, and a call returns when all is done."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from logitloss.bench.cases import Case


class Prepared(NamedTuple):
    """A call to time."""

    run: Callable[[], Any]
    fetch: Callable[[Any], tuple[Any, ...]] = tuple
    """Turns what it returns into NumPy arrays, one for each output; not timed."""


Prepare = Callable[[Case, np.ndarray, np.ndarray], "Prepared | None"]
"""Takes a case, logits and labels; returns what to time, or None where it has no such function or dtype."""


def torch(threads: int, compiled: bool, losses: Any = "torch.nn.functional", device: str = "cpu") -> Prepare:
    """PyTorch, eager or compiled for the shape at hand; ``losses`` is a module with functions of torch's names."""
    torch, functional = importlib.import_module("torch"), losses
    if isinstance(losses, str):
        functional = importlib.import_module(losses)
    torch.set_num_threads(threads)
    own = functional is not torch.nn.functional

    def graph(function: Callable[..., Any]) -> Callable[..., Any]:
        return torch.compile(function, dynamic=False) if compiled else function

    def loss(x: Any, z: Any, reduction: str = "mean") -> Any:
        return functional.binary_cross_entropy_with_logits(x, z.to(x.dtype), reduction=reduction)

    def sparse(x: Any, y: Any, reduction: str = "mean") -> Any:
        return functional.cross_entropy(x, y, reduction=reduction)

    def formula(*, logits: Any, labels: Any) -> tuple[Any, Any]:
        s = torch.sigmoid(logits)
        return s - labels, s * (1 - s)

    hessian = getattr(functional, "sigmoid_cross_entropy_grad_and_hess", formula)

    def gradient(function: Callable[..., Any]) -> Callable[..., tuple[Any, Any]]:
        if compiled and not (own and function is sparse):  # one graph for both: faster than a compiled loss's backward
            grad_and_value = torch.func.grad_and_value(function)
            return graph(lambda x, z: grad_and_value(x, z)[::-1])
        function = graph(function)

        def both(x: Any, z: Any) -> tuple[Any, Any]:
            x.grad = None
            value = function(x.requires_grad_(), z)
            value.backward()
            return value, x.grad

        return both

    functions = {
        "forward": graph(lambda x, z: loss(x, z, "none")),
        "call": graph(lambda x, z: loss(x, z, "none")),
        "mean": graph(loss),
        "mean_and_grad": gradient(loss),
        "grad_and_hess": graph(lambda x, z: hessian(logits=x, labels=z)),
        "sparse_forward": graph(lambda x, y: sparse(x, y, "none")),
        "sparse_mean_and_grad": gradient(sparse),
    }

    def tensor(array: np.ndarray) -> Any:
        if array.dtype.name != "bfloat16":
            return torch.from_numpy(array).to(device)
        return torch.from_numpy(array.view(np.int16)).view(torch.bfloat16).to(device)

    def fetch(result: Any) -> tuple[np.ndarray, ...]:
        outputs = result if isinstance(result, tuple) else (result,)
        return tuple(output.detach().cpu().to(torch.float64).numpy() for output in outputs)

    def prepare(case: Case, logits: np.ndarray, labels: np.ndarray) -> Prepared | None:
        if compiled and device == "cpu" and (own or case.op.startswith("sparse")) and not case.only:
            return None  # compiling takes long: only where it is asked for
        if compiled:
            torch._dynamo.reset()
        function, x, z = functions[case.op], tensor(logits), tensor(labels)
        return Prepared(lambda: function(x, z), fetch)

    return prepare


def jax(threads: int, losses: str) -> Prepare:
    """JAX with the losses of optax or of logitloss.jax; its threads are the processors that the process may use."""
    jax, module = importlib.import_module("jax"), importlib.import_module(losses)
    loss, sparse = module.sigmoid_binary_cross_entropy, module.softmax_cross_entropy_with_integer_labels

    def formula(*, logits: Any, labels: Any) -> tuple[Any, Any]:
        s = jax.nn.sigmoid(logits)
        return s - labels, s * (1 - s)

    hessian = getattr(module, "sigmoid_cross_entropy_grad_and_hess", formula)
    functions = {
        "forward": loss,
        "call": loss,
        "mean": lambda x, z: loss(x, z).mean(),
        "mean_and_grad": jax.value_and_grad(lambda x, z: loss(x, z).mean()),
        "grad_and_hess": lambda x, z: hessian(logits=x, labels=z),
        "sparse_forward": sparse,
        "sparse_mean_and_grad": jax.value_and_grad(lambda x, y: sparse(x, y).mean()),
    }

    def fetch(result: Any) -> tuple[np.ndarray, ...]:
        return tuple(np.asarray(output) for output in (result if isinstance(result, tuple) else (result,)))

    def prepare(case: Case, logits: np.ndarray, labels: np.ndarray) -> Prepared:
        function = jax.jit(functions[case.op])
        x, z = jax.numpy.asarray(logits), jax.numpy.asarray(labels)
        return Prepared(lambda: jax.block_until_ready(function(x, z)), fetch)

    return prepare


def tensorflow(threads: int, mode: str, own: bool = False) -> Prepare:
    """TensorFlow with the losses of tf.nn or of logitloss.tensorflow: eager, traced, or compiled by XLA."""
    tf = importlib.import_module("tensorflow")
    losses = importlib.import_module("logitloss.tensorflow") if own else tf.nn
    if tf.config.threading.get_intra_op_parallelism_threads() != threads:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(1)

    def loss(x: Any, z: Any) -> Any:
        return losses.sigmoid_cross_entropy_with_logits(labels=z if own else tf.cast(z, x.dtype), logits=x)

    def sparse(x: Any, y: Any) -> Any:
        return losses.sparse_softmax_cross_entropy_with_logits(labels=y, logits=x)

    def gradient(function: Callable[..., Any]) -> Callable[..., tuple[Any, Any]]:
        def both(x: Any, z: Any) -> tuple[Any, Any]:
            with tf.GradientTape() as tape:
                tape.watch(x)
                value = tf.reduce_mean(function(x, z))
            return value, tape.gradient(value, x)

        return both

    def hessian(x: Any, z: Any) -> tuple[Any, Any]:
        if own:
            return losses.sigmoid_cross_entropy_grad_and_hess(labels=z, logits=x)
        s = tf.sigmoid(x)
        return s - tf.cast(z, x.dtype), s * (1 - s)

    functions = {
        "forward": loss,
        "call": loss,
        "mean": lambda x, z: tf.reduce_mean(loss(x, z)),
        "mean_and_grad": gradient(loss),
        "grad_and_hess": hessian,
        "sparse_forward": sparse,
        "sparse_mean_and_grad": gradient(sparse),
    }

    def fetch(result: Any) -> tuple[np.ndarray, ...]:
        return tuple(output.numpy() for output in (result if isinstance(result, tuple) else (result,)))

    def prepare(case: Case, logits: np.ndarray, labels: np.ndarray) -> Prepared:
        function = functions[case.op]
        if mode != "eager":
            function = tf.function(function, jit_compile=mode == "XLA", autograph=False)
        x, z = tf.convert_to_tensor(logits), tf.convert_to_tensor(labels)
        return Prepared(lambda: function(x, z), fetch)

    return prepare
