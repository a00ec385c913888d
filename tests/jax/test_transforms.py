"""The losses for JAX under its transformations: vmap, checkpoint, scan, shard_map, named scopes, export."""

import functools
import math

import numpy as np
import pytest

import logitloss

from .support import export, jax, jnp, run, same, xj

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
import logitloss, logitloss.jax as xj

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
# What is summed by the processor goes back to where the logits are.
for place in NamedSharding(mesh, P("i")), jax.devices()[1]:
    logits = jax.device_put(x, place)
    mean, slope = logitloss.sigmoid_cross_entropy_mean_and_grad(labels=z, logits=logits)
    assert slope.sharding == logits.sharding and (slope == jnp.asarray(jax.grad(lambda x: f(x, z).mean())(x))).all()
print(len(jax.devices()), "devices")
"""


def test_shard_map_over_two_devices():
    assert run(SHARDED, XLA_FLAGS="--xla_force_host_platform_device_count=2") == "2 devices\n"


EXPLICIT = """
import jax, jax.numpy as jnp
from jax.sharding import NamedSharding, PartitionSpec as P
import logitloss, logitloss.jax as xj

mesh = jax.make_mesh((2,), ("i",), axis_types=(jax.sharding.AxisType.Explicit,))
x, z = jnp.linspace(-20, 20, 8).reshape(4, 2), jnp.linspace(0, 1, 8).reshape(4, 2)
y, mask = jnp.array([0, 1, 1, 0]), jnp.array([True, False, True, True])
f, s, sparse = xj.sigmoid_binary_cross_entropy, xj.softmax_cross_entropy, xj.softmax_cross_entropy_with_integer_labels

def weighted(x, z):
    return logitloss.weighted_cross_entropy_with_logits(labels=z, logits=x, pos_weight=3.0)

def masked(x, z):
    return s(x, z, where=mask)

def gradient(loss):
    return jax.grad(lambda x, labels: loss(x, labels).sum())

def curvature(loss):
    return jax.grad(lambda x, labels: (gradient(loss)(x, labels) * jnp.arange(2.0)).sum())

specs = P("i"), P(None, "i")
cases = [(loss, z, spec) for loss in (f, s, weighted, masked) for spec in specs] + [(sparse, y, P("i"))]
with jax.set_mesh(mesh):
    for loss, labels, spec in cases:
        put = lambda a: jax.device_put(a, NamedSharding(mesh, P(*spec[:a.ndim])))
        for g in (loss, gradient(loss), curvature(loss)):
            want = g(x, labels)
            for given in [put(labels)] if loss is masked else [put(labels), labels]:
                for got in g(put(x), given), jax.jit(g)(put(x), given):
                    assert (abs(got - want) <= 1e-4 * abs(want)).all(), (loss, g, got, want)
                    assert jax.typeof(got).sharding.spec[:1] == spec[:1], (loss, g, jax.typeof(got))
put = lambda a: jax.device_put(a, NamedSharding(mesh, P("i")))
assert (f(put(x), put(z)) == f(x, z)).all()
print(len(jax.devices()), "devices")
"""


def test_meshes_of_explicit_axes():
    """What jax.make_mesh makes unless asked for others, since JAX 0.9: the shardings belong to the types."""
    assert run(EXPLICIT, XLA_FLAGS="--xla_force_host_platform_device_count=2") == "2 devices\n"


X, Z, Y = [[1.0, -3.0, 0.5], [0.0, 2.0, 40.0]], [[0.0, 1.0, 0.0], [0.5, 0.25, 0.25]], [1, 2]
CASES = {
    "sigmoid": (xj.sigmoid_binary_cross_entropy, Z),
    "weighted": (lambda x, z: logitloss.weighted_cross_entropy_with_logits(labels=z, logits=x, pos_weight=2.0), Z),
    "softmax": (xj.softmax_cross_entropy, Z),
    "sparse": (xj.softmax_cross_entropy_with_integer_labels, Y),
    "gradient": (lambda x, z: logitloss.softmax_cross_entropy_value_and_grad(labels=z, logits=x)[1], Z),
    "rows": (lambda x, z: xj.softmax_cross_entropy(x, z, where=jnp.array([True, False])), Z),
    "classes": (lambda x, y: xj.softmax_cross_entropy_with_integer_labels(x, y, where=jnp.array(Z) > 0), Y),
}


def first_three(name, x):
    """The losses, their gradient and hessian, traced and not."""
    loss, labels = CASES[name]

    def total(x):
        return loss(x, jnp.array(labels)).sum()

    for wrap in (lambda f: f, jax.jit):
        yield from (wrap(f)(jnp.array(x)) for f in (total, jax.grad(total), jax.hessian(total)))


@pytest.mark.parametrize("name", CASES)
def test_rank_promotion_is_the_callers_to_forbid(name):
    want = list(first_three(name, X))
    jax.clear_caches()
    with jax.numpy_rank_promotion("raise"):
        for got, one in zip(first_three(name, X), want, strict=True):
            same(got, one)


@pytest.mark.parametrize("name", CASES)
def test_there_is_no_nan_to_find_where_there_is_none(name):
    """At infinite logits, and in rows of which all is masked."""
    with jax.debug_nans(True):
        assert all(jnp.isfinite(got).all() for got in first_three(name, [[-inf, inf, -inf], [0.0, 2.0, 40.0]]))


def test_named_scopes():
    x = jnp.ones(3)
    for name, want in ((None, "sigmoid_cross_entropy_with_logits"), ("my loss", "my loss")):
        f = functools.partial(logitloss.sigmoid_cross_entropy_with_logits, name=name)
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
    with pytest.raises(ValueError, match="logitloss_sigmoid_cross_entropy"):
        exported(platforms=["cpu"])(x, x)
    assert exported(platforms=["cuda"])(x, x).platforms == ("cuda",)
    allowed = [export.DisabledSafetyCheck.custom_call("logitloss_sigmoid_cross_entropy")]
    shape = jax.ShapeDtypeStruct(export.symbolic_shape("n, 3"), x.dtype)
    program = exported(platforms=["cpu", "cuda"], disabled_checks=allowed)(shape, shape)
    rows = jnp.linspace(-90, 90, 6).reshape(2, 3)
    same(program.call(rows, rows), xj.sigmoid_binary_cross_entropy(rows, rows))
