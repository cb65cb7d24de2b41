"""Products with weights of which some are 0 for what cannot happen."""

import jax
import jax.numpy as jnp


def weighted(weights: jax.Array, values: jax.Array) -> jax.Array:
    """Returns `weights * values`, where an infinite value of weight 0, such as log 0, counts 0 and gets no gradient."""
    return weights * jnp.where((weights == 0) & jnp.isinf(values), 0, values)


def weighted_sum(weights: jax.Array, values: jax.Array, axis: int = -1) -> jax.Array:
    """Returns `Σ weights * values` over an axis, where an infinite value of weight 0 counts 0."""
    return jnp.sum(weighted(weights, values), axis=axis)
