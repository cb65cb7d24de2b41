"""The one helper through which every flag that stops a gradient goes."""

from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp

from rlax_like._checks import is_traced

if TYPE_CHECKING:
    from jaxtyping import ArrayLike


def stop_gradient_if(stop: "ArrayLike", x: jax.Array) -> jax.Array:
    """Returns `x`, through which no gradient flows where `stop` is true. `stop` is a bool and may be traced."""
    if is_traced(stop):
        return jnp.where(stop, jax.lax.stop_gradient(x), x)
    return jax.lax.stop_gradient(x) if stop else x
