"""The plain recurrent network."""

from typing import TYPE_CHECKING

import jax

from haiku_like import _checks
from haiku_like.layers.linear import Linear
from haiku_like.layers.recurrent.core import RNNCore, checked_inputs, checked_state, zeros

if TYPE_CHECKING:
    from jaxtyping import Array, Float


class VanillaRNN(RNNCore):
    """The plain recurrent network with rectified units: `h' = relu(W_i x + b_i + W_h h + b_h)`.

    The output is `h'`. From Elman (1990), "Finding structure in time", there with a logistic function.

    Parameters: `w` and `b` of the modules `linear`, for the inputs, and `linear_1`, for the state.

    Args:
      hidden_size: The size of the state.
      double_bias: Whether there is a `b_h`; it adds nothing to `b_i`, but is what many checkpoints hold.
      name: The module's name.

    Raises:
      TypeError: `hidden_size` is no integer.
      ValueError: `hidden_size` is negative.

    Example:
      >>> import haiku_like as hk, jax, jax.numpy as jnp
      >>> def forward(x):
      ...     core = hk.VanillaRNN(4)
      ...     return core(x, core.initial_state(x.shape[0]))
      >>> x = jnp.ones([2, 3])
      >>> params = hk.transform(forward).init(jax.random.key(0), x)
      >>> output, state = hk.transform(forward).apply(params, x)
      >>> output.shape, state.shape
      ((2, 4), (2, 4))
    """

    def __init__(self, hidden_size: int, double_bias: bool = True, name: str | None = None):
        super().__init__(name=name)
        self.hidden_size = _checks.size("VanillaRNN", "hidden_size", hidden_size)
        self.double_bias = double_bias

    def __call__(
        self, inputs: "Float[Array, '*batch inputs']", prev_state: "Float[Array, '*batch hidden']"
    ) -> "tuple[Float[Array, '*batch hidden'], Float[Array, '*batch hidden']]":
        """Takes one step; the output is the next state.

        Args:
          inputs: Of shape `[*batch, inputs]`.
          prev_state: Of shape `[*batch, hidden_size]`.

        Raises:
          TypeError: `inputs` or `prev_state` is no array of numbers.
          ValueError: `inputs` is a scalar, or `prev_state` has another shape.
        """
        inputs = checked_inputs(self, inputs, 1, None, "[*batch, inputs] with at least one axis")
        shape = (*inputs.shape[:-1], self.hidden_size)
        prev_state = checked_state(self, "prev_state", prev_state, shape, "[*batch, hidden_size]")
        from_inputs = Linear(self.hidden_size)(inputs)
        from_state = Linear(self.hidden_size, with_bias=self.double_bias)(prev_state)
        state = jax.nn.relu(from_inputs + from_state)
        return state, state

    def initial_state(self, batch_size: int | None) -> "Float[Array, '*batch hidden']":
        """Returns zeros of shape `[batch_size, hidden_size]`, or `[hidden_size]` if `batch_size` is None."""
        return zeros(self, batch_size, [self.hidden_size])
