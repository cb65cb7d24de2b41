"""What is measured: a case is a set of contestants that do the same work."""

import functools
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
      steps: How many steps of environments a call takes, where that is what matters.
    """

    name: str
    ours: str
    contestants: Mapping[str, Callable[[], Any]]
    group: str = ""
    limit: str | None = None
    once: bool = False
    prepare: Callable[[], None] = lambda: None
    steps: int | None = None


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


class Compiled:
    """The call of a function that is compiled when it is first needed, on arguments that are not constants to it.

    Attributes:
      function: The function.
      arguments: Returns its arguments.
    """

    def __init__(self, function: Callable[..., Any], arguments: Callable[[], tuple[Any, ...]]):
        self.function = function
        self.arguments = functools.cache(arguments)

    def __call__(self) -> Any:
        """Returns the function's results."""
        return self._compiled(*self.arguments())

    def cost(self) -> dict[str, Any]:
        """Returns what the compiler tells of a call, in operations and bytes.

        `flops` and `bytes_accessed` count the body of a loop once, however often it runs; `loops` is whether there is
        one. `bytes_in_and_out` are those of arguments and results, which any program has to move.
        """
        analysis, memory = self._compiled.cost_analysis(), self._compiled.memory_analysis()
        return {
            "flops": analysis.get("flops", 0.0),
            "bytes_accessed": analysis.get("bytes accessed", 0.0),
            "bytes_in_and_out": memory.argument_size_in_bytes + memory.output_size_in_bytes,
            "loops": " while(" in self._compiled.as_text(),
        }

    @functools.cached_property
    def _compiled(self) -> Any:
        return jax.jit(self.function).lower(*self.arguments()).compile()


def bound(function: Callable[..., Any], *args: Any) -> Compiled:
    """Returns the compiled call of a function on some arguments, which are not constants to the compiler."""
    return Compiled(function, lambda: args)


def check_alike(results: Mapping[str, Any], tolerance: float) -> None:
    """Raises unless all contestants gave the same numbers."""
    (first, expected), *others = results.items()
    for name, result in others:
        for a, b in zip(jax.tree.leaves(expected), jax.tree.leaves(result), strict=True):
            message = f"{name} differs from {first}"
            np.testing.assert_allclose(
                np.float64(b).reshape(np.shape(a)), np.float64(a), tolerance, tolerance, err_msg=message
            )
