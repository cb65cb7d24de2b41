"""Sums that reach over the devices of a mapped axis."""

from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp

if TYPE_CHECKING:
    from jaxtyping import Array, ArrayLike, Shaped


class AllSum:
    """A sum over axes of an array and, if `axis_name` is given, over the axis of that name of `jax.vmap` or `jax.pmap`.

    Args:
      axis_name: The name of the mapped axis, or None for none.

    Example:
      >>> import jax, jax.numpy as jnp, rlax_like as rlax
      >>> rlax.AllSum()(jnp.array([[1.0, 2.0], [3.0, 4.0]]), axis=0)
      Array([4., 6.], dtype=float32)
      >>> jax.vmap(rlax.AllSum("i"), axis_name="i")(jnp.array([1.0, 2.0]))
      Array([3., 3.], dtype=float32)
    """

    def __init__(self, axis_name: str | None = None):
        self._axis_name = axis_name

    def __call__(
        self, x: "Shaped[ArrayLike, '*S']", axis: int | tuple[int, ...] | None = None
    ) -> "Shaped[Array, '*R']":
        """Returns the sum of `x` over `axis`, all axes if it is None, and over the mapped axis."""
        total = jnp.sum(jnp.asarray(x), axis=axis)
        return total if self._axis_name is None else jax.lax.psum(total, self._axis_name)
