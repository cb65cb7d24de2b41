"""The core that starts anew where an episode ends."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from haiku_like import _checks
from haiku_like.layers.recurrent.core import RNNCore


class ResetCore(RNNCore):
    """Wraps a core and puts its state back to the initial one before a step, for the elements that say so.

    The inputs are a pair `(inputs, should_reset)`. So one unroll may run over joined episodes: `should_reset` is true
    where an episode begins.

    Args:
      core: The core to wrap.
      name: The module's name.

    Raises:
      TypeError: `core` cannot be called or has no initial state.

    Example:
      >>> import haiku_like as hk, jax, jax.numpy as jnp
      >>> def forward(x, first):
      ...     core = hk.ResetCore(hk.LSTM(4))
      ...     return hk.dynamic_unroll(core, (x, first), core.initial_state(x.shape[1]))
      >>> x = jnp.ones([4, 1, 3])
      >>> first = jnp.array([[True], [False], [True], [False]])
      >>> params = hk.transform(forward).init(jax.random.key(0), x, first)
      >>> outputs, state = hk.transform(forward).apply(params, x, first)
      >>> bool((outputs[:2] == outputs[2:]).all()), bool((outputs[0] == outputs[1]).all())
      (True, False)
    """

    def __init__(self, core: RNNCore, name: str | None = None):
        super().__init__(name=name)
        if not callable(core) or not hasattr(core, "initial_state"):
            raise TypeError(
                f"ResetCore: core is {core!r} of type {type(core).__name__}, expected an hk.RNNCore, such as "
                f"hk.LSTM(4)."
            )
        self.core = core

    def __call__(self, inputs: tuple[Any, Any], state: Any) -> tuple[Any, Any]:
        """Resets the state where asked for, then takes a step of the wrapped core.

        Args:
          inputs: A pair of the wrapped core's inputs and `should_reset`: booleans, or numbers that are true unless 0,
            whose shape equals the leading axes of each array of the state, `[batch]` as a rule and `[]` without
            batch; or a pytree of them with the structure of the state.
          state: The wrapped core's state.

        Raises:
          TypeError: `inputs` is no pair.
          ValueError: the state has another structure than the wrapped core's, or `should_reset` another shape than
            the state's leading axes or a structure that is not the state's.
        """
        if not isinstance(inputs, (tuple, list)) or len(inputs) != 2:
            raise TypeError(
                f"ResetCore: inputs of module {self.module_name!r} is of type {type(inputs).__name__}"
                f"{f' with {len(inputs)} entries' if isinstance(inputs, (tuple, list)) else ''}, expected a pair "
                f"(inputs, should_reset)."
            )
        inputs, should_reset = inputs
        structure = jax.tree.structure(state)
        if jax.tree.structure(should_reset) != structure:
            flag = self._one_flag(should_reset, structure)
            should_reset = jax.tree.unflatten(structure, [flag] * structure.num_leaves)
        fresh = self._fresh_state(state)
        return self.core(inputs, jax.tree.map(self._reset, should_reset, fresh, state))

    def initial_state(self, batch_size: int | None) -> Any:
        """Returns the wrapped core's initial state."""
        return self.core.initial_state(batch_size)

    def _one_flag(self, should_reset: Any, structure: Any) -> Any:
        leaves = jax.tree.leaves(should_reset)
        if len(leaves) != 1 or should_reset is not leaves[0]:
            raise ValueError(
                f"ResetCore: should_reset of module {self.module_name!r} has structure "
                f"{jax.tree.structure(should_reset)}, expected one array for the whole state, or the structure of the "
                f"state, {structure}. Turn a list into an array with jnp.asarray."
            )
        return should_reset

    def _fresh_state(self, state: Any) -> Any:
        # The initial state for a batch of one shows which arrays have a batch axis.
        example = self.core.initial_state(1)
        if jax.tree.structure(example) != jax.tree.structure(state):
            raise ValueError(
                f"ResetCore: state of module {self.module_name!r} has structure {jax.tree.structure(state)}, expected "
                f"that of the wrapped core, {jax.tree.structure(example)}. Start from initial_state."
            )
        shapes = [np.shape(x) for x in jax.tree.leaves(state)]
        of_example = [np.shape(x) for x in jax.tree.leaves(example)]
        batch_sizes = [a[0] for a, b in zip(shapes, of_example, strict=True) if a and b[:1] == (1,)]
        is_batch = batch_sizes and [len(shape) for shape in shapes] == [len(shape) for shape in of_example]
        return self.core.initial_state(batch_sizes[0] if is_batch else None)

    def _reset(self, should_reset: Any, fresh: Any, state: Any) -> jax.Array:
        should_reset, fresh, state = jnp.asarray(should_reset), jnp.asarray(fresh), jnp.asarray(state)
        shape, ndim = state.shape, should_reset.ndim
        if should_reset.shape != shape[:ndim]:
            raise ValueError(
                f"ResetCore: should_reset of module {self.module_name!r} has shape {should_reset.shape}, expected the "
                f"leading axes of the state, which has an array of shape {shape}: {shape[:1]} for a batch."
            )
        if not _checks.broadcasts(fresh.shape, shape):
            raise ValueError(
                f"ResetCore: state of module {self.module_name!r} has an array of shape {shape}, expected "
                f"{fresh.shape} as in the wrapped core's initial state. Start from initial_state."
            )
        flags = should_reset.astype(bool).reshape(should_reset.shape + (1,) * (len(shape) - ndim))
        return jnp.where(flags, jnp.broadcast_to(fresh, shape).astype(state.dtype), state)
