"""What is measured: a case is a set of contestants that do the same work."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import numpy as np

HAND = "hand-written"


class Case(NamedTuple):
    """Some functions that do the same work.

    Attributes:
      name: What is measured.
      ours: The name of our contestant.
      contestants: Functions without arguments, by name.
      group: What the case belongs to in summaries, such as `operators`.
      limit: The name of a contestant that is no peer but what the device can do at most, or None.
      once: Whether each call starts anew, as a compilation does, so that runs to warm up would be lost.
      prepare: Called before it is measured; raises if the results are wrong.
    """

    name: str
    ours: str
    contestants: Mapping[str, Callable[[], Any]]
    group: str = ""
    limit: str | None = None
    once: bool = False
    prepare: Callable[[], None] = lambda: None


class Numbers:
    """Draws the inputs: the same in each run."""

    def __init__(self, seed: int = 0):
        self._random = np.random.default_rng(seed)

    def normal(self, *shape: int) -> jax.Array:
        """Returns standard normal numbers in single precision."""
        return jax.numpy.asarray(self._random.normal(size=shape), np.float32)

    def uniform(self, *shape: int) -> jax.Array:
        """Returns numbers from 0.1 to 0.9."""
        return jax.numpy.asarray(self._random.uniform(0.1, 0.9, size=shape), np.float32)

    def integers(self, below: int, *shape: int) -> jax.Array:
        """Returns integers from 0 to `below`, without it."""
        return jax.numpy.asarray(self._random.integers(below, size=shape), np.int32)

    def probs(self, *shape: int) -> jax.Array:
        """Returns distributions along the last axis."""
        return jax.nn.softmax(self.normal(*shape))


def bound(function: Callable[..., Any], *args: Any) -> Callable[[], Any]:
    """Returns the compiled call of a function on some arguments, which are not constants to the compiler."""
    compiled = jax.jit(function)
    return lambda: compiled(*args)


def check_alike(results: Mapping[str, Any], tolerance: float) -> None:
    """Raises unless all contestants gave the same numbers."""
    (first, expected), *others = results.items()
    for name, result in others:
        for a, b in zip(jax.tree.leaves(expected), jax.tree.leaves(result), strict=True):
            message = f"{name} differs from {first}"
            np.testing.assert_allclose(
                np.float64(b).reshape(np.shape(a)), np.float64(a), tolerance, tolerance, err_msg=message
            )
