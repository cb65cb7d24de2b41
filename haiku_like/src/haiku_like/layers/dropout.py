"""Dropout."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

if TYPE_CHECKING:
    from jaxtyping import ArrayLike

    from haiku_like.typing import PRNGKey


def dropout(rng: "PRNGKey", rate: "ArrayLike", x: jax.Array, broadcast_dims: Sequence[int] = ()) -> jax.Array:
    """Sets each element to zero with probability `rate`, and divides the others by `1 - rate`.

    From Srivastava et al. (2014), "Dropout: a simple way to prevent neural networks from overfitting", with the
    scaling at training time, so that evaluation just leaves it out.

    Args:
      rng: A random key.
      rate: The probability of a zero, in [0, 1). A traced rate is not checked: 1 gives NaN.
      x: Any array.
      broadcast_dims: Axes along which all elements share one draw.

    Returns:
      An array of the shape of `x`.

    Raises:
      ValueError: `rate` is outside [0, 1), or an axis is not one of `x`.

    Example:
      >>> import haiku_like as hk, jax, jax.numpy as jnp
      >>> out = hk.dropout(jax.random.key(0), 0.5, jnp.ones([4]))
      >>> bool(jnp.all((out == 0) | (out == 2)))
      True
    """
    if not isinstance(rate, Tracer):
        if not np.all((np.asarray(rate) >= 0) & (np.asarray(rate) < 1)):
            raise ValueError(f"dropout: rate is {rate}, expected 0 <= rate < 1: the share of elements set to zero.")
        if np.ndim(rate) == 0 and rate == 0:
            return x
    ndim = jnp.ndim(x)
    for axis in broadcast_dims:
        if not -ndim <= axis < ndim:
            raise ValueError(f"dropout: broadcast_dims has axis {axis}, expected an axis of x of shape {jnp.shape(x)}.")
    shared = {axis % ndim for axis in broadcast_dims}
    mask_shape = [1 if i in shared else size for i, size in enumerate(jnp.shape(x))]
    keep_rate = 1.0 - rate
    keep = jax.random.bernoulli(rng, keep_rate, mask_shape)
    return jnp.where(keep, x / keep_rate, 0)
