"""Sums over a last axis that is short: actions, bins, quantiles."""

import functools
import operator
from typing import Any

import jax
import jax.numpy as jnp

# So few are added one by one.
_FEW = 8


@jax.custom_jvp
def total(x: jax.Array) -> jax.Array:
    """Returns the sum over the last axis.

    XLA's own reduction is slow on CPU where the axis that goes is the short one: there, slices that are added take a
    third of its time, and a product with ones half.
    """
    size = x.shape[-1]
    if 1 <= size <= _FEW:
        return functools.reduce(operator.add, (x[..., i] for i in range(size)))
    return jax.lax.platform_dependent(x, cpu=_by_product, default=_by_reduction)


@total.defjvp
def _total_jvp(primals: Any, tangents: Any) -> tuple[jax.Array, jax.Array]:
    """As the sum that it is, whose transpose XLA fuses, where that of slices pads each of them."""
    return total(*primals), jnp.sum(tangents[0], axis=-1)


def _by_product(x: jax.Array) -> jax.Array:
    return jnp.dot(x, jnp.ones(x.shape[-1], x.dtype), precision=jax.lax.Precision.HIGHEST)


def _by_reduction(x: jax.Array) -> jax.Array:
    return jnp.sum(x, axis=-1)
