"""What a recurrent core is, and the checks of inputs and states that all cores share."""

import abc
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from haiku_like import _checks
from haiku_like._core.module import Module


class RNNCore(Module):  # The metaclass of Module is an ABCMeta.
    """The base of recurrent cores: modules that take one step in time, `output, next_state = core(inputs, state)`.

    A subclass defines the step and the state to start from. A state is any pytree of arrays; the next state has the
    structure, shapes and dtypes of the one before, so that `hk.dynamic_unroll` can carry it.

    Args:
      name: The module's name.

    Raises:
      TypeError: built itself, or from a subclass that lacks one of the two methods.

    Example:
      >>> import haiku_like as hk, jax, jax.numpy as jnp
      >>> class RunningSum(hk.RNNCore):
      ...     def __call__(self, inputs, prev_state):
      ...         total = prev_state + inputs
      ...         return total, total
      ...     def initial_state(self, batch_size):
      ...         return jnp.zeros(() if batch_size is None else batch_size)
      >>> def forward(x):
      ...     core = RunningSum()
      ...     return hk.dynamic_unroll(core, x, core.initial_state(None))
      >>> outputs, final_state = hk.transform(forward).apply({}, jnp.arange(4.0))
      >>> outputs
      Array([0., 1., 3., 6.], dtype=float32)
    """

    @abc.abstractmethod
    def __call__(self, inputs: Any, prev_state: Any) -> tuple[Any, Any]:
        """Takes one step.

        Args:
          inputs: The inputs of one step, of shape `[batch, inputs]`, or `[inputs]` without batch.
          prev_state: The state that the step before returned, or `initial_state`.

        Returns:
          The output and the next state.
        """

    @abc.abstractmethod
    def initial_state(self, batch_size: int | None) -> Any:
        """Returns the state to start from, with a leading batch axis; without it if `batch_size` is None."""


def zeros(core: RNNCore, batch_size: int | None, shape: Sequence[int]) -> jax.Array:
    """Returns zeros in float32 of shape `[batch_size, *shape]`, or of `shape` if `batch_size` is None."""
    where = f"{type(core).__name__}.initial_state"
    batch = () if batch_size is None else (_checks.size(where, "batch_size", batch_size),)
    return jnp.zeros((*batch, *shape))


def checked_inputs(core: RNNCore, inputs: Any, min_ndim: int, max_ndim: int | None, layout: str) -> jax.Array:
    """Returns the inputs of a step as an array; raises unless they have a right number of axes."""
    where = type(core).__name__
    inputs = _checks.numbers(where, f"inputs of module {core.module_name!r}", inputs)
    if inputs.ndim < min_ndim or (max_ndim is not None and inputs.ndim > max_ndim):
        raise ValueError(
            f"{where}: inputs of module {core.module_name!r} has shape {inputs.shape}, expected {layout}. A core takes "
            f"one step in time: for a sequence use hk.dynamic_unroll, for more batch axes jax.vmap."
        )
    return inputs


def checked_state(core: RNNCore, name: str, state: Any, shape: tuple[int, ...], layout: str) -> jax.Array:
    """Returns an array of the state; raises unless it has just this shape."""
    where = type(core).__name__
    state = _checks.numbers(where, f"{name} of module {core.module_name!r}", state)
    if state.shape != shape:
        raise ValueError(
            f"{where}: {name} of module {core.module_name!r} has shape {state.shape}, expected {shape} for these "
            f"inputs: {layout}. Start from initial_state({shape[0] if len(shape) > 1 else None})."
        )
    return state
