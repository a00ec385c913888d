"""The losses for JAX under its transformations: vmap, checkpoint, scan, shard_map, named scopes, export."""

import functools
import math

import numpy as np
import pytest

import xent
from jax_host import export, jax, jnp, run, same, xj

inf, nan = math.inf, math.nan


# --- transformations -------------------------------------------------------------------------------------------------


def test_vmap():
    x, z = jnp.linspace(-20, 20, 24).reshape(2, 3, 4), jnp.linspace(0, 1, 24).reshape(2, 3, 4)
    f = xj.sigmoid_binary_cross_entropy
    want = f(x, z)
    same(jax.vmap(f)(x, z), want)
    same(jax.vmap(f, in_axes=(2, 2), out_axes=2)(x, z), want)
    same(jax.vmap(jax.vmap(f), in_axes=(0, None))(x, z[0]), f(x, jnp.broadcast_to(z[0], x.shape)))
    y = jnp.array([[0, 1, 2], [3, 0, 1]])
    s = xj.softmax_cross_entropy_with_integer_labels
    same(jax.vmap(s)(x, y), s(x, y))
    same(jax.vmap(jax.vmap(s))(x, y), s(x, y))
    same(jax.vmap(s, in_axes=(None, 0))(x[0, 0], y.reshape(-1)), s(jnp.broadcast_to(x[0, 0], (6, 4)), y.reshape(-1)))
    same(jax.vmap(jax.grad(s))(x[0], y[0]), jax.grad(lambda x: s(x, y[0]).sum())(x[0]))


def test_remat_and_scan():
    x, z = jnp.linspace(-9, 9, 8), jnp.linspace(0, 1, 8)
    f = lambda x: xj.sigmoid_binary_cross_entropy(jnp.sin(x), z).sum()  # noqa: E731
    same(jax.grad(jax.checkpoint(f))(x), jax.grad(f)(x))
    total, each_one = jax.lax.scan(lambda t, row: (t + f(row), f(row)), 0.0, jnp.stack([x, -x]))
    same(each_one, jnp.stack([f(x), f(-x)]))
    assert total == each_one.sum()


def test_infinite_logits_under_a_mask():
    """The gradient with respect to the labels is infinite there, and is not asked for."""
    x = jnp.array([inf, 1.0, nan])

    def f(x):
        return jnp.where(jnp.array([True, True, False]), xj.sigmoid_binary_cross_entropy(x, jnp.ones(3)), 0).sum()

    np.testing.assert_allclose(jax.jit(jax.grad(f))(x)[:2], [0, -0.26894143], rtol=1e-6)


SHARDED = """
import jax, jax.numpy as jnp
from jax.sharding import NamedSharding, PartitionSpec as P
import xent.jax as xj

mesh = jax.make_mesh((2,), ("i",), axis_types=(jax.sharding.AxisType.Auto,))
x, z = jnp.linspace(-20, 20, 8).reshape(4, 2), jnp.linspace(0, 1, 8).reshape(4, 2)
y = jnp.array([0, 1, 1, 0])
f, s = xj.sigmoid_binary_cross_entropy, xj.softmax_cross_entropy_with_integer_labels

def mean(loss, x, z):
    local = jax.shard_map(lambda x, z: jax.lax.pmean(loss(x, z).mean(), "i"), mesh=mesh, in_specs=P("i"), out_specs=P())
    return local(x, z)

for loss, labels in (f, z), (s, y):
    assert (jax.shard_map(loss, mesh=mesh, in_specs=P("i"), out_specs=P("i"))(x, labels) == loss(x, labels)).all()
    got = jax.jit(jax.grad(mean, argnums=1), static_argnums=0)(loss, x, labels)
    assert (abs(got - jax.grad(lambda x: loss(x, labels).mean())(x)) <= 1e-7 * abs(got)).all()
    # Labels that are the same on both devices.
    got = jax.shard_map(loss, mesh=mesh, in_specs=(P("i"), P()), out_specs=P("i"))(x, labels[:2])
    assert (got == loss(x, jnp.concatenate([labels[:2]] * 2))).all()
    # Without shard_map the arrays are gathered.
    put = lambda a: jax.device_put(a, NamedSharding(mesh, P("i")))
    assert (jax.jit(loss)(put(x), put(labels)) == loss(x, labels)).all()
print(len(jax.devices()), "devices")
"""


def test_shard_map_over_two_devices():
    assert run(SHARDED, XLA_FLAGS="--xla_force_host_platform_device_count=2") == "2 devices\n"


def test_named_scopes():
    x = jnp.ones(3)
    for name, want in ((None, "sigmoid_cross_entropy_with_logits"), ("my loss", "my loss")):
        f = functools.partial(xent.sigmoid_cross_entropy_with_logits, name=name)
        text = jax.jit(lambda x, f=f: f(labels=x, logits=x)).lower(x).as_text(debug_info=True)
        assert f"{want}/" in text


def test_the_compiled_program_is_one_call():
    text = jax.jit(xj.sigmoid_binary_cross_entropy).lower(jnp.ones(3), jnp.ones(3)).compile().as_text()
    assert text.count("custom-call(") == 1
    assert " select(" not in text
    assert "exponential" not in text


def test_programs_for_other_platforms_are_exported():
    x = jnp.ones(3)
    exported = functools.partial(export.export, jax.jit(xj.sigmoid_binary_cross_entropy))
    with pytest.raises(ValueError, match="xent_sigmoid_cross_entropy"):
        exported(platforms=["cpu"])(x, x)
    assert exported(platforms=["cuda"])(x, x).platforms == ("cuda",)
