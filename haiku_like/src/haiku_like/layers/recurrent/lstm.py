"""Long short-term memory."""

from typing import TYPE_CHECKING, NamedTuple

import jax
import jax.numpy as jnp

from haiku_like import _checks
from haiku_like._traced_once import traced_once
from haiku_like.layers.linear import Linear
from haiku_like.layers.recurrent.core import RNNCore, checked_inputs, checked_state, zeros

if TYPE_CHECKING:
    from jaxtyping import Array, Float


class LSTMState(NamedTuple):
    """The state of an LSTM.

    Attributes:
      hidden: The last output, `[*batch, hidden_size]`; for images `[*batch, *sizes, channels]`.
      cell: The memory, of the same shape.
    """

    hidden: jax.Array
    cell: jax.Array


class LSTM(RNNCore):
    """Long short-term memory: a core with a memory cell that gates protect.

    With `i, g, f, o` the four quarters of `W [x, h] + b`:
    `c' = sigmoid(f + 1) c + sigmoid(i) tanh(g)` and `h' = sigmoid(o) tanh(c')`. The output is `h'`.

    The equations are those of Zaremba, Sutskever & Vinyals (2014), "Recurrent neural network regularization",
    equation 4. The 1 that keeps the memory at first is from Jozefowicz, Zaremba & Sutskever (2015), "An empirical
    exploration of recurrent network architectures"; checkpoints do not hold it.

    Parameters: `w` of shape `[inputs + hidden_size, 4 * hidden_size]` and `b` of the module `linear`.

    Args:
      hidden_size: The size of the hidden state and of the cell.
      name: The module's name.

    Raises:
      TypeError: `hidden_size` is no integer.
      ValueError: `hidden_size` is negative.

    Example:
      >>> import haiku_like as hk, jax, jax.numpy as jnp
      >>> def forward(x):
      ...     core = hk.LSTM(4)
      ...     return hk.dynamic_unroll(core, x, core.initial_state(x.shape[1]))
      >>> x = jnp.ones([7, 2, 3])
      >>> params = hk.transform(forward).init(jax.random.key(0), x)
      >>> outputs, state = hk.transform(forward).apply(params, x)
      >>> outputs.shape, state.hidden.shape, state.cell.shape
      ((7, 2, 4), (2, 4), (2, 4))
    """

    def __init__(self, hidden_size: int, name: str | None = None):
        super().__init__(name=name)
        self.hidden_size = _checks.size("LSTM", "hidden_size", hidden_size)

    def __call__(
        self, inputs: "Float[Array, '*batch inputs']", prev_state: LSTMState
    ) -> "tuple[Float[Array, '*batch hidden'], LSTMState]":
        """Takes one step; the output is the next hidden state.

        Args:
          inputs: Of shape `[batch, inputs]` or `[inputs]`.
          prev_state: Its arrays have shape `[batch, hidden_size]` or `[hidden_size]`.

        Raises:
          TypeError: `inputs` is no array of numbers, or `prev_state` no `LSTMState` of them.
          ValueError: `inputs` has no axis or more than two, or an array of `prev_state` has another shape.
        """
        inputs = checked_inputs(self, inputs, 1, 2, "[inputs] or [batch, inputs]")
        shape = (*inputs.shape[:-1], self.hidden_size)
        hidden, cell = checked_lstm_state(self, prev_state, shape, "[batch, hidden_size] or [hidden_size]")
        return lstm_step(Linear(4 * self.hidden_size)(jnp.concatenate([inputs, hidden], axis=-1)), cell)

    def initial_state(self, batch_size: int | None) -> LSTMState:
        """Returns zeros of shape `[batch_size, hidden_size]`, or `[hidden_size]` if `batch_size` is None."""
        return LSTMState(*(zeros(self, batch_size, [self.hidden_size]) for _ in LSTMState._fields))


def checked_lstm_state(core: RNNCore, state: LSTMState, shape: tuple[int, ...], layout: str) -> LSTMState:
    """Returns the state before a step; raises unless it is an `LSTMState` of arrays of `shape`."""
    if not isinstance(state, LSTMState):
        raise TypeError(
            f"{type(core).__name__}: prev_state of module {core.module_name!r} is of type {type(state).__name__}, "
            f"expected an hk.LSTMState. Start from initial_state, or build hk.LSTMState(hidden, cell)."
        )
    return LSTMState(
        *(
            checked_state(core, f"prev_state.{name}", value, shape, layout)
            for name, value in zip(state._fields, state, strict=True)
        )
    )


@traced_once()
def lstm_step(gates: jax.Array, cell: jax.Array) -> tuple[jax.Array, LSTMState]:
    """Returns the output and the next state for gates before their nonlinearity, side by side on the last axis."""
    input_gate, candidate, forget_gate, output_gate = jnp.split(gates, 4, axis=-1)
    kept = jax.nn.sigmoid(forget_gate + 1) * cell
    cell = kept + jax.nn.sigmoid(input_gate) * jnp.tanh(candidate)
    hidden = jax.nn.sigmoid(output_gate) * jnp.tanh(cell)
    return hidden, LSTMState(hidden, cell)
