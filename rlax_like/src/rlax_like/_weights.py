"""Products with weights of which some are 0 for what cannot happen."""

from typing import Any

import jax
import jax.numpy as jnp

from rlax_like._short_axis import total


@jax.custom_jvp
def weighted(weights: jax.Array, values: jax.Array) -> jax.Array:
    """Returns `weights * values`, where any value of weight 0, such as log 0, counts 0.

    Its derivative in the weight is the value, but for an infinite value of weight 0, which has none.
    """
    return jnp.where(weights == 0, 0, weights * values)


@weighted.defjvp
def _weighted_jvp(primals: Any, tangents: Any) -> tuple[jax.Array, jax.Array]:
    weights, values = primals
    of_weights, of_values = tangents
    slope = jnp.where((weights == 0) & jnp.isinf(values), 0, values)
    return weighted(weights, values), of_weights * slope + weights * of_values


def weighted_sum(weights: jax.Array, values: jax.Array, axis: int = -1) -> jax.Array:
    """Returns `Σ weights * values` over an axis, where any value of weight 0 counts 0."""
    products = weighted(weights, values)
    return total(products) if axis == -1 else jnp.sum(products, axis=axis)
