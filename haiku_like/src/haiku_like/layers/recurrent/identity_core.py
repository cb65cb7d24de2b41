"""The core that does nothing."""

from typing import Any

from haiku_like.layers.recurrent.core import RNNCore


class IdentityCore(RNNCore):
    """A core that returns its inputs and has no state: a stand-in where a model may go without memory.

    Args:
      name: The module's name.

    Example:
      >>> import haiku_like as hk, jax.numpy as jnp
      >>> hk.transform(lambda x: hk.IdentityCore()(x, ())).apply({}, 3)
      (3, ())
    """

    def __call__(self, inputs: Any, state: Any) -> tuple[Any, Any]:
        """Returns the inputs and the state as they are."""
        return inputs, state

    def initial_state(self, batch_size: int | None) -> tuple[()]:
        """Returns an empty tuple."""
        return ()
