"""A function for one batch axis, applied to several."""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from haiku_like import _checks


class BatchApply:
    """Joins the leading axes of its arguments into one, calls `f`, and parts that axis of the results again.

    So a module for `[batch, ...]`, such as a convolution, may be called with `[time, batch, ...]`.

    Args:
      f: A function or module of any arrays, nested in any pytrees.
      num_dims: How many leading axes to join. A negative number counts those to leave, from the end: -1 joins all
        but the last.

    Raises:
      TypeError: `f` is not callable.
      ValueError: `num_dims` is no integer or 0.

    Example:
      >>> import haiku_like as hk, jax, jax.numpy as jnp
      >>> flat = hk.BatchApply(lambda x: x.reshape(x.shape[0], -1))
      >>> flat(jnp.ones([5, 2, 28, 28])).shape
      (5, 2, 784)
    """

    def __init__(self, f: Callable[..., Any], num_dims: int = 2):
        _checks.function("BatchApply", "f", f, "hk.Linear(3)")
        if not isinstance(num_dims, (int, np.integer)) or num_dims == 0:
            raise ValueError(
                f"BatchApply: num_dims is {num_dims!r}, expected an integer other than 0: how many axes to join, 2 for "
                f"[time, batch, ...]."
            )
        self._f = f
        self.num_dims = num_dims

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Returns what `f` returns, with the leading axes as they were.

        Args:
          *args: Arrays of shape `[*leading, ...]` in any pytrees. All have the same leading axes, except that they
            may all be 1. Arrays with fewer axes, numbers and whatever else is no array reach `f` as they are.
          **kwargs: The same.

        Raises:
          ValueError: no argument has enough axes; their leading axes differ; or a result of `f` does not start with
            the axis that they were joined to.
        """
        leading = self._leading_axes(args, kwargs)
        size = math.prod(leading)

        def part(out: Any) -> jax.Array:
            shape = np.shape(out)
            if shape[:1] != (size,):
                raise ValueError(
                    f"BatchApply: f returned an array of shape {shape}, expected [{size}, ...], where the first axis "
                    f"holds the leading axes {leading} of the arguments. f must keep that axis."
                )
            return jnp.reshape(out, leading + shape[1:])

        args, kwargs = jax.tree.map(self._join, (args, kwargs))
        return jax.tree.map(part, self._f(*args, **kwargs))

    def _joins(self, x: Any) -> bool:
        ndim = getattr(x, "ndim", 0)
        return ndim >= self.num_dims if self.num_dims > 0 else ndim + self.num_dims > 0

    def _join(self, x: Any) -> Any:
        if not self._joins(x):
            return x
        return x.reshape((math.prod(x.shape[: self.num_dims]), *x.shape[self.num_dims :]))

    def _leading_axes(self, args: Any, kwargs: Any) -> tuple[int, ...]:
        leaves = jax.tree.leaves((args, kwargs))
        found = {x.shape[: self.num_dims] for x in leaves if self._joins(x)}
        if not found:
            shapes = [np.shape(x) for x in leaves]
            wanted = self.num_dims if self.num_dims > 0 else 1 - self.num_dims
            raise ValueError(
                f"BatchApply: num_dims is {self.num_dims} and the arguments have shapes {shapes}, expected at least "
                f"one with {wanted} axes or more. Choose a smaller num_dims or add the axes that are missing."
            )
        sizes = {axes for axes in found if math.prod(axes) != 1} or found
        if len(sizes) > 1:
            raise ValueError(
                f"BatchApply: the arguments have leading axes {' and '.join(map(str, sorted(sizes)))}, the first "
                f"num_dims={self.num_dims} of each, expected the same for all. Pass what has no such axes by a "
                f"closure: BatchApply(lambda x: f(x, other))."
            )
        return sizes.pop()
