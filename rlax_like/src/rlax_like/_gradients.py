"""The helpers through which every flag that stops a gradient goes."""

from typing import TYPE_CHECKING, Any

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


def stop_at_targets_if(stop: "ArrayLike", errors: jax.Array, predictions: jax.Array) -> jax.Array:
    """Returns `errors`, targets less predictions, with the gradients of the predictions alone where `stop` is true.

    For errors that are not formed as that difference: to add the predictions and to take them away again would round.
    """
    predictions = _zero_that_falls_with(predictions)
    return stop_gradient_if(stop, errors - predictions) + predictions


@jax.custom_jvp
def _zero_that_falls_with(x: jax.Array) -> jax.Array:
    """Returns 0 with the derivative -1: what a program need not compute, and what no infinite value makes NaN."""
    return jnp.zeros_like(x)


@_zero_that_falls_with.defjvp
def _zero_that_falls_with_jvp(primals: Any, tangents: Any) -> tuple[jax.Array, jax.Array]:
    return _zero_that_falls_with(*primals), -tangents[0]
