"""The gated recurrent unit."""

from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp

from haiku_like import _checks
from haiku_like._core.variables import get_parameter
from haiku_like._traced_once import traced_once
from haiku_like.initializers import VarianceScaling
from haiku_like.layers.recurrent.core import RNNCore, checked_inputs, checked_state, zeros

if TYPE_CHECKING:
    from jaxtyping import Array, Float

    from haiku_like.typing import Initializer


class GRU(RNNCore):
    """The gated recurrent unit: a core whose state moves only as far as a gate lets it.

    `z = sigmoid(W_iz x + W_hz h + b_z)`, `r = sigmoid(W_ir x + W_hr h + b_r)`,
    `a = tanh(W_ia x + W_ha (r h) + b_a)`, and `h' = (1 - z) h + z a`. The output is `h'`. From Chung et al. (2014),
    "Empirical evaluation of gated recurrent neural networks on sequence modeling", section 3.2.

    Parameters: `w_i` of shape `[inputs, 3 * hidden_size]`, `w_h` of shape `[hidden_size, 3 * hidden_size]` and `b` of
    shape `[3 * hidden_size]`, each with the parts `z`, `r`, `a` side by side.

    Args:
      hidden_size: The size of the state.
      w_i_init: Makes `w_i`; a `VarianceScaling` by default.
      w_h_init: Makes `w_h`; a `VarianceScaling` by default.
      b_init: Makes `b`; zeros by default.
      name: The module's name.

    Raises:
      TypeError: `hidden_size` is no integer.
      ValueError: `hidden_size` is negative.

    Example:
      >>> import haiku_like as hk, jax, jax.numpy as jnp
      >>> def forward(x):
      ...     core = hk.GRU(4)
      ...     return hk.dynamic_unroll(core, x, core.initial_state(x.shape[1]))
      >>> x = jnp.ones([7, 2, 3])
      >>> params = hk.transform(forward).init(jax.random.key(0), x)
      >>> outputs, state = hk.transform(forward).apply(params, x)
      >>> outputs.shape, state.shape
      ((7, 2, 4), (2, 4))
    """

    def __init__(
        self,
        hidden_size: int,
        w_i_init: "Initializer | None" = None,
        w_h_init: "Initializer | None" = None,
        b_init: "Initializer | None" = None,
        name: str | None = None,
    ):
        super().__init__(name=name)
        self.hidden_size = _checks.size("GRU", "hidden_size", hidden_size)
        self.w_i_init = w_i_init or VarianceScaling()
        self.w_h_init = w_h_init or VarianceScaling()
        self.b_init = b_init or jnp.zeros

    def __call__(
        self, inputs: "Float[Array, '*batch inputs']", state: "Float[Array, '*batch hidden']"
    ) -> "tuple[Float[Array, '*batch hidden'], Float[Array, '*batch hidden']]":
        """Takes one step; the output is the next state.

        Args:
          inputs: Of shape `[batch, inputs]` or `[inputs]`; the parameters are created in their dtype.
          state: Of shape `[batch, hidden_size]` or `[hidden_size]`.

        Raises:
          TypeError: `inputs` or `state` is no array of numbers.
          ValueError: `inputs` has no axis or more than two, or `state` has another shape.
        """
        inputs = checked_inputs(self, inputs, 1, 2, "[inputs] or [batch, inputs]")
        size = self.hidden_size
        shape = (*inputs.shape[:-1], size)
        state = checked_state(self, "state", state, shape, "[batch, hidden_size] or [hidden_size]")
        w_i = get_parameter("w_i", [inputs.shape[-1], 3 * size], inputs.dtype, init=self.w_i_init)
        w_h = get_parameter("w_h", [size, 3 * size], inputs.dtype, init=self.w_h_init)
        b = get_parameter("b", [3 * size], inputs.dtype, init=self.b_init)
        next_state = _step(inputs, state, w_i, w_h, b)
        return next_state, next_state

    def initial_state(self, batch_size: int | None) -> "Float[Array, '*batch hidden']":
        """Returns zeros of shape `[batch_size, hidden_size]`, or `[hidden_size]` if `batch_size` is None."""
        return zeros(self, batch_size, [self.hidden_size])


@traced_once()
def _step(inputs: jax.Array, state: jax.Array, w_i: jax.Array, w_h: jax.Array, b: jax.Array) -> jax.Array:
    size = state.shape[-1]
    gates_of_inputs, candidate_of_inputs = jnp.split(inputs @ w_i, [2 * size], axis=-1)
    b_gates, b_candidate = jnp.split(b, [2 * size])
    gates = gates_of_inputs + state @ w_h[:, : 2 * size] + jnp.broadcast_to(b_gates, gates_of_inputs.shape)
    update, reset = jnp.split(jax.nn.sigmoid(gates), 2, axis=-1)
    candidate = candidate_of_inputs + (reset * state) @ w_h[:, 2 * size :] + jnp.broadcast_to(b_candidate, state.shape)
    return (1 - update) * state + update * jnp.tanh(candidate)
