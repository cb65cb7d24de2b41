"""A function for batches, applied to a single example."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from haiku_like import _checks


def expand_apply(f: Callable[..., Any], axis: int = 0) -> Callable[..., Any]:
    """Returns a function that adds an axis of size 1 to its arguments, calls `f`, and takes it from the results.

    So a function that wants a batch may be called with one example.

    Args:
      f: A function or module of any arrays, nested in any pytrees.
      axis: Where the axis goes: 0 for first, -1 for last.

    Returns:
      A function of the same arguments; numbers among them become arrays of shape `[1]`.

    Raises:
      TypeError: `f` is not callable.
      ValueError: `axis` is neither 0 nor -1; or (by the function returned) the axis of a result has another size
        than 1.

    Example:
      >>> import haiku_like as hk, jax, jax.numpy as jnp
      >>> forward = hk.transform(lambda image: hk.expand_apply(hk.Flatten())(image))
      >>> forward.apply({}, jnp.ones([28, 28])).shape
      (784,)
    """
    _checks.function("expand_apply", "f", f, "hk.Linear(3)")
    if axis not in (0, -1):
        raise ValueError(f"expand_apply: axis is {axis!r}, expected 0, for the first axis, or -1, for the last.")

    def squeeze(out: Any) -> jax.Array:
        shape = np.shape(out)
        if not shape or shape[axis] != 1:
            raise ValueError(
                f"expand_apply: f returned an array of shape {shape}, expected size 1 along axis {axis}, as the "
                f"arguments have there. f must keep that axis."
            )
        return jnp.squeeze(jnp.asarray(out), axis)

    @functools.wraps(f, updated=())
    def expanded(*args: Any, **kwargs: Any) -> Any:
        args, kwargs = jax.tree.map(lambda x: jnp.expand_dims(x, axis), (args, kwargs))
        return jax.tree.map(squeeze, f(*args, **kwargs))

    return expanded
