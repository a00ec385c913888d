"""The losses for JAX: the bits of the kernels, exact means, the formulas of other platforms, the documents."""

import contextlib
import doctest
import functools
import importlib
import io
import re

import numpy as np
import pytest

import logitloss
from logitloss import _formulas

from .. import ROOT
from ..bounds import FLOATS, assert_sigmoid_bounds, assert_softmax_bounds
from ..inputs import interesting_labels, interesting_logits
from ..oracle import BFLOAT16
from . import support as jax_host
from .support import jax, jnp, run, same, softmax_batches, xj

dtype = jax_host.dtype


# --- values: the bits of the kernels ---------------------------------------------------------------------------------


def test_values_are_those_of_the_kernels(dtype):
    rng = np.random.default_rng(5)
    x = interesting_logits(dtype, rng, 2000)
    z = interesting_labels(x, dtype, rng)
    want = logitloss.ufuncs.sigmoid_cross_entropy_value_and_grad(x, z)
    gradient_and_hessian = logitloss.ufuncs.sigmoid_cross_entropy_grad_and_hess(x, z)
    logits, labels = jnp.asarray(x), jnp.asarray(z)
    for wrap in (lambda f: f, jax.jit):
        same(wrap(xj.sigmoid_binary_cross_entropy)(logits, labels), want[0])
        same(
            wrap(lambda x, z: logitloss.sigmoid_cross_entropy_with_logits(labels=z, logits=x))(logits, labels), want[0]
        )
        got = wrap(lambda x, z: logitloss.sigmoid_cross_entropy_value_and_grad(labels=z, logits=x))(logits, labels)
        for one, other in zip(got, want, strict=True):
            same(one, other)
        got = wrap(lambda x, z: logitloss.sigmoid_cross_entropy_grad_and_hess(labels=z, logits=x))(logits, labels)
        for one, other in zip(got, gradient_and_hessian, strict=True):
            same(one, other)


KINDS = ["bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"]
KINDS += ["float16", "bfloat16", "float32", "float64"]


@pytest.mark.parametrize("kind", KINDS)
def test_labels_count_at_their_full_precision(kind):
    with jax.enable_x64(kind.endswith("64")):
        z = np.array([0.0, 1.0, 1.0, 0.3]).astype(BFLOAT16 if kind == "bfloat16" else kind)
        x = np.float32([-3, 17, 40, 0.125])
        want = logitloss.sigmoid_cross_entropy_value_and_grad(labels=z, logits=x)
        got = logitloss.sigmoid_cross_entropy_value_and_grad(labels=jnp.asarray(z), logits=jnp.asarray(x))
        for one, other in zip(got, want, strict=True):
            same(one, other)
        same(jax.grad(lambda x: xj.sigmoid_binary_cross_entropy(x, z).sum())(jnp.asarray(x)), want[1])


def test_softmax_values_are_those_of_the_kernels(dtype):
    for x, z, y in softmax_batches(dtype):
        want = logitloss.softmax_cross_entropy_value_and_grad(labels=z, logits=x)
        sparse = logitloss.sparse_softmax_cross_entropy_value_and_grad(labels=y, logits=x)
        logits = jnp.asarray(x)
        for wrap in (lambda f: f, jax.jit):
            same(wrap(xj.softmax_cross_entropy)(logits, z), want[0])
            same(wrap(xj.softmax_cross_entropy_with_integer_labels)(logits, y), sparse[0])
            got = wrap(lambda x, z: logitloss.softmax_cross_entropy_value_and_grad(labels=z, logits=x))(logits, z)
            for one, other in zip(got, want, strict=True):
                same(one, other)
            got = wrap(lambda x, y: logitloss.sparse_softmax_cross_entropy_value_and_grad(labels=y, logits=x))(
                logits, y
            )
            for one, other in zip(got, sparse, strict=True):
                same(one, other)
        same(logitloss.softmax_cross_entropy_with_logits(labels=z.T, logits=logits.T, axis=0), want[0])
        got = logitloss.softmax_cross_entropy_value_and_grad(labels=z.T, logits=logits.T, axis=0)
        same(got[1], want[1].T)
        same(logitloss.sparse_softmax_cross_entropy_with_logits(labels=y.astype(np.uint16), logits=logits), sparse[0])


@pytest.mark.parametrize(("shape", "classes"), [((0,), None), ((), None), ((2, 0, 3), None), ((0,), 3), ((2, 0), 1)])
def test_no_elements_and_scalars(shape, classes):
    x = jnp.ones((*shape, classes) if classes else shape)
    if classes:
        assert xj.softmax_cross_entropy(x, x).shape == shape
        assert jax.grad(lambda x: xj.softmax_cross_entropy(x, x).sum())(x).shape == x.shape
    else:
        assert xj.sigmoid_binary_cross_entropy(x, x).shape == shape
        assert jax.grad(lambda x: xj.sigmoid_binary_cross_entropy(x, x).sum())(x).shape == shape


def test_large_arrays_use_threads():
    x = np.linspace(-9, 9, 300_000, dtype=np.float32)
    same(
        jax.jit(xj.sigmoid_binary_cross_entropy)(x, x > 0),
        logitloss.sigmoid_cross_entropy_with_logits(labels=x > 0, logits=x),
    )


# --- other platforms -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("function", "labels"),
    [
        (xj.sigmoid_binary_cross_entropy, 1.0),
        (xj.softmax_cross_entropy, 1.0),
        (xj.softmax_cross_entropy_with_integer_labels, 1),
    ],
)
def test_other_platforms_compute_the_formulas(function, labels):
    x = jnp.ones((2, 3))
    z = jnp.full(x.shape if labels == 1.0 and isinstance(labels, float) else (2,), labels)
    program = jax.jit(jax.grad(lambda x: function(x, z).sum())).trace(x)
    text = program.lower(lowering_platforms=("cuda",)).as_text()
    assert "logitloss_" not in text
    assert "stablehlo.exponential" in text
    assert "logitloss_" in program.lower(lowering_platforms=("cpu",)).as_text()


def with_xla(formula, *arrays):
    return np.asarray(compiled(formula)(*arrays))


@functools.cache
def compiled(formula):
    return jax.jit(functools.partial(formula, jnp))


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_bounds_of_the_formulas_compiled_by_xla(dtype):
    with jax.enable_x64(dtype == np.float64):
        assert_sigmoid_bounds(with_xla, dtype, flushed=True)
        assert_softmax_bounds(with_xla, dtype, flushed=True)


@pytest.mark.parametrize("name", ["loss", "gradient", "hessian"])
def test_xla_flushes_subnormals_on_the_processor(name):
    """The reason for the exemption above: what it is stated for still happens."""
    x = np.float32([-100])
    arrays = (x,) if name == "hessian" else (x, np.float32([0]))
    assert with_xla(getattr(_formulas, name), *arrays) == 0


# --- sums ------------------------------------------------------------------------------------------------------------


def test_known_values_have_an_exact_mean():
    x, z = np.linspace(-100, 100, 1001, dtype=np.float32), np.linspace(0, 1, 1001, dtype=np.float32)
    want = logitloss.sigmoid_cross_entropy_mean_and_grad(labels=z, logits=x)
    got = logitloss.sigmoid_cross_entropy_mean_and_grad(labels=z, logits=jnp.asarray(x))
    assert isinstance(got[1], jax.Array)
    assert got[0] == want[0]
    same(got[1], want[1])
    total = logitloss.sigmoid_cross_entropy_total(labels=jnp.asarray(z), logits=jnp.asarray(x))
    assert total == logitloss.sigmoid_cross_entropy_total(labels=z, logits=x)
    mean, slope = jax.jit(lambda x: logitloss.sigmoid_cross_entropy_mean_and_grad(labels=z, logits=x))(x)
    np.testing.assert_allclose(mean, want[0], rtol=1e-6)
    np.testing.assert_allclose(slope, want[1], rtol=1e-6, atol=1e-37)


@pytest.mark.parametrize("dtype", [np.float16, BFLOAT16])
def test_traced_means_of_more_elements_than_a_half_counts(dtype):
    x, z = jnp.full(100_001, -3, dtype), jnp.ones(100_001, dtype)
    mean, slope = jax.jit(lambda x, z: logitloss.sigmoid_cross_entropy_mean_and_grad(labels=z, logits=x))(x, z)
    want = logitloss.sigmoid_cross_entropy_mean_and_grad(labels=z, logits=x)
    assert mean == np.asarray(want[0], dtype)
    np.testing.assert_allclose(np.float64(slope), np.float64(want[1]), rtol=2.0**-7)


def test_softmax_means():
    x, z, y = np.float32([[1, 2, 40], [0, 0, 1]]), np.float32([[0.5, 0, 0.5], [0, 1, 0]]), np.array([2, 0])
    dense, sparse = logitloss.softmax_cross_entropy_mean_and_grad, logitloss.sparse_softmax_cross_entropy_mean_and_grad
    for f, labels in (
        (dense, z),
        (sparse, y),
        (lambda *, labels, logits: dense(labels=labels, logits=logits, axis=0), z),
    ):
        want = f(labels=labels, logits=x)
        got = f(labels=jnp.asarray(labels), logits=jnp.asarray(x))
        assert got[0] == want[0]
        same(got[1], want[1])
        got = jax.jit(lambda x, labels, f=f: f(labels=labels, logits=x))(x, labels)
        np.testing.assert_allclose(got[0], want[0], rtol=1e-6)
        np.testing.assert_allclose(got[1], want[1], rtol=1e-6)


# --- documents -------------------------------------------------------------------------------------------------------


def test_docstrings():
    failures, tried = doctest.testmod(importlib.import_module("logitloss.jax.optax"))
    assert (failures, tried > 0) == (0, True)


def test_the_page():
    page = (ROOT / "docs" / "frameworks" / "jax.md").read_text()
    blocks = re.findall(r"^```(\w*)\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        for language, code in blocks:
            if language == "python":
                exec(compile(code, "jax.md", "exec"), {})
    assert printed.getvalue() == "".join(text for language, text in blocks if not language)


# --- imports ---------------------------------------------------------------------------------------------------------


def test_no_other_framework_is_imported():
    code = "import sys, jax, logitloss; {}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    before = set(run(code.format("pass")).split())
    call = "logitloss.sigmoid_cross_entropy_with_logits(labels=[1.0], logits=jax.numpy.ones(1))"
    added = set(run(code.format(call)).split()) - before
    assert not added & {"torch", "tensorflow", "keras", "optax", "flax", "sklearn"}
    assert "logitloss.jax" not in run("import sys, jax, logitloss; print(*sys.modules)").split()
