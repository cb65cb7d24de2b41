"""Limits of a gradient on its way back."""

from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np

from rlax_like import _checks
from rlax_like._shapes import fit

if TYPE_CHECKING:
    from jaxtyping import Array, ArrayLike, Float, Real


def clip_gradient(
    x: "Float[ArrayLike, '*B']", gradient_min: "Real[ArrayLike, '']", gradient_max: "Real[ArrayLike, '']"
) -> "Float[Array, '*B']":
    """Returns `x`, and cuts the gradient that flows back through it to a range, element by element.

    Args:
      x: Any array.
      gradient_min: The least element of the gradient, a number; it gets no gradient itself.
      gradient_max: The largest, likewise.

    Returns:
      `x`.

    Raises:
      TypeError: an argument is not real.
      ValueError: a limit is not a number, or `gradient_min` is larger than `gradient_max`, if both are known.

    Example:
      >>> import jax, rlax_like as rlax
      >>> float(jax.grad(lambda x: 3.0 * rlax.clip_gradient(x, -1.0, 1.0))(5.0))
      1.0
    """
    name = "clip_gradient"
    (x,) = _checks.reals(name, x=x)
    low, high = _checks.reals(name, gradient_min=gradient_min, gradient_max=gradient_max)
    fit(name, gradient_min=(low, ""), gradient_max=(high, ""))
    known = not (_checks.is_traced(gradient_min) or _checks.is_traced(gradient_max))
    if known and np.any(np.greater(gradient_min, gradient_max)):  # By NumPy, since under jit JAX would trace it.
        raise ValueError(f"{name}: gradient_min is {gradient_min}, expected at most gradient_max = {gradient_max}.")
    return _clip_gradient(x, low, high)


@jax.custom_vjp
def _clip_gradient(x: jax.Array, low: jax.Array, high: jax.Array) -> jax.Array:
    return x


def _forward(x: jax.Array, low: jax.Array, high: jax.Array) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    return x, (low, high)


def _backward(limits: tuple[jax.Array, jax.Array], gradient: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    low, high = limits
    clipped = jnp.clip(gradient, low.astype(gradient.dtype), high.astype(gradient.dtype))
    return clipped, jnp.zeros_like(low), jnp.zeros_like(high)


_clip_gradient.defvjp(_forward, _backward)
