"""Right and wrong uses of the functions with arrays of JAX, for type checkers: never run."""

import jax
import jax.numpy as jnp
import numpy as np
from typing_extensions import assert_type

import logitloss as ll

x, rows = jnp.zeros(3), jnp.zeros((3, 2))

assert_type(ll.sigmoid_cross_entropy_with_logits(labels=x, logits=x), jax.Array)
assert_type(ll.sigmoid_cross_entropy_with_logits(labels=np.zeros(3, bool), logits=x), jax.Array)
assert_type(ll.sigmoid_cross_entropy_with_logits(labels=[0, 1, 1], logits=x), jax.Array)
assert_type(ll.sigmoid_cross_entropy_value_and_grad(labels=x, logits=x), tuple[jax.Array, jax.Array])
assert_type(ll.sigmoid_cross_entropy_mean_and_grad(labels=x, logits=x), tuple[jax.Array, jax.Array])
assert_type(ll.sigmoid_cross_entropy_total(labels=x, logits=x), ll.ExactSum)
assert_type(ll.weighted_cross_entropy_with_logits(labels=x, logits=x, pos_weight=x), jax.Array)
assert_type(ll.softmax_cross_entropy_with_logits(labels=rows, logits=rows, axis=0), jax.Array)
assert_type(ll.sparse_softmax_cross_entropy_value_and_grad(labels=x, logits=rows), tuple[jax.Array, jax.Array])

ll.sigmoid_cross_entropy_with_logits(x, x)  # error
ll.sigmoid_cross_entropy_with_logits(logits=x)  # error
ll.sigmoid_cross_entropy_with_logits(labels=["a", "b", "c"], logits=x)  # error
losses: np.ndarray = ll.sigmoid_cross_entropy_with_logits(labels=x, logits=x)  # error
