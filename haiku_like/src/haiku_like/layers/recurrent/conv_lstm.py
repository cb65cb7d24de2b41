"""Long short-term memory over images: every product is a convolution."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from haiku_like import _checks, _spatial
from haiku_like.layers.conv import ConvND
from haiku_like.layers.recurrent.core import RNNCore, checked_inputs, zeros
from haiku_like.layers.recurrent.lstm import LSTMState, checked_lstm_state, lstm_step

if TYPE_CHECKING:
    from jaxtyping import Array, Float


class _ConvNDLSTM(RNNCore):
    """Long short-term memory over any number of spatial axes.

    With `i, g, f, o` the four quarters of the channels of `W_x * x + b_x + W_h * h + b_h`, the rest is as for
    `hk.LSTM`.
    """

    def __init__(
        self,
        num_spatial_dims: int,
        input_shape: Sequence[int],
        output_channels: int,
        kernel_shape: int | Sequence[int],
        name: str | None,
    ):
        super().__init__(name=name)
        where = type(self).__name__
        sizes = _checks.sequence(where, "input_shape", input_shape, f"{[28] * num_spatial_dims}")
        if len(sizes) != num_spatial_dims:
            raise ValueError(
                f"{where}: input_shape is {input_shape!r}, expected {num_spatial_dims} sizes, one for each spatial "
                f"axis, without batch and channels."
            )
        self.num_spatial_dims = num_spatial_dims
        self.input_shape = tuple(_checks.size(where, "input_shape", size, minimum=1) for size in sizes)
        self.output_channels = _checks.size(where, "output_channels", output_channels)
        self.kernel_shape = _spatial.per_axis(where, "kernel_shape", kernel_shape, num_spatial_dims)

    def __call__(
        self, inputs: "Float[Array, '*batch_and_sizes channels']", state: LSTMState
    ) -> "tuple[Float[Array, '*batch_and_sizes output_channels'], LSTMState]":
        """Takes one step; the output is the next hidden state.

        Args:
          inputs: Of shape `[batch, *input_shape, channels]` or `[*input_shape, channels]`.
          state: Its arrays have shape `[batch, *input_shape, output_channels]`, or the same without batch.

        Raises:
          TypeError: `inputs` is no array of numbers, or `state` no `hk.LSTMState` of them.
          ValueError: `inputs` has another number of axes or other sizes than `input_shape`, or an array of the state
            has another shape.
        """
        n = self.num_spatial_dims
        sizes = ", ".join(map(str, self.input_shape))
        layout = f"[batch, {sizes}, channels] or [{sizes}, channels] after input_shape={self.input_shape}"
        inputs = checked_inputs(self, inputs, n + 1, n + 2, layout)
        if inputs.shape[-1 - n : -1] != self.input_shape:
            raise ValueError(
                f"{type(self).__name__}: inputs of module {self.module_name!r} has shape {inputs.shape}, expected "
                f"{layout}. Build the core with the sizes of its inputs."
            )
        shape = (*inputs.shape[:-1], self.output_channels)
        hidden, cell = checked_lstm_state(self, state, shape, "[batch, *input_shape, output_channels]")
        from_inputs = ConvND(n, 4 * self.output_channels, self.kernel_shape, name="input_to_hidden")(inputs)
        from_state = ConvND(n, 4 * self.output_channels, self.kernel_shape, name="hidden_to_hidden")(hidden)
        return lstm_step(from_inputs + from_state, cell)

    def initial_state(self, batch_size: int | None) -> LSTMState:
        """Returns zeros of shape `[batch_size, *input_shape, output_channels]`; without batch for None."""
        shape = [*self.input_shape, self.output_channels]
        return LSTMState(*(zeros(self, batch_size, shape) for _ in LSTMState._fields))


class Conv1DLSTM(_ConvNDLSTM):
    """Long short-term memory over one spatial axis, such as time in audio.

    With `i, g, f, o` the four quarters of the channels of `W_x * x + b_x + W_h * h + b_h`, where `*` is a
    convolution: `c' = sigmoid(f + 1) c + sigmoid(i) tanh(g)` and `h' = sigmoid(o) tanh(c')`. The output is `h'`. From
    Shi et al. (2015), "Convolutional LSTM network", equation 3, without the products of gates and cell there.

    Parameters: `w` and `b` of the modules `input_to_hidden` and `hidden_to_hidden`.

    Args:
      input_shape: The size along each spatial axis.
      output_channels: The number of channels of the hidden state and of the cell.
      kernel_shape: The size of the kernels along each spatial axis, or one for all.
      name: The module's name.

    Raises:
      TypeError: `input_shape` is no sequence, or a size no integer.
      ValueError: `input_shape` or `kernel_shape` has not one size, or a size is not positive.

    Example:
      >>> import haiku_like as hk, jax, jax.numpy as jnp
      >>> def forward(x):
      ...     core = hk.Conv1DLSTM([28], output_channels=8, kernel_shape=3)
      ...     return core(x, core.initial_state(x.shape[0]))
      >>> x = jnp.ones([2, 28, 3])
      >>> params = hk.transform(forward).init(jax.random.key(0), x)
      >>> output, state = hk.transform(forward).apply(params, x)
      >>> output.shape
      (2, 28, 8)
    """

    def __init__(
        self,
        input_shape: Sequence[int],
        output_channels: int,
        kernel_shape: int | Sequence[int],
        name: str | None = None,
    ):
        super().__init__(1, input_shape, output_channels, kernel_shape, name)


class Conv2DLSTM(_ConvNDLSTM):
    """Long short-term memory over two spatial axes, such as the frames of a video.

    With `i, g, f, o` the four quarters of the channels of `W_x * x + b_x + W_h * h + b_h`, where `*` is a
    convolution: `c' = sigmoid(f + 1) c + sigmoid(i) tanh(g)` and `h' = sigmoid(o) tanh(c')`. The output is `h'`. From
    Shi et al. (2015), "Convolutional LSTM network", equation 3, without the products of gates and cell there.

    Parameters: `w` and `b` of the modules `input_to_hidden` and `hidden_to_hidden`.

    Args:
      input_shape: The size along each spatial axis.
      output_channels: The number of channels of the hidden state and of the cell.
      kernel_shape: The size of the kernels along each spatial axis, or one for all.
      name: The module's name.

    Raises:
      TypeError: `input_shape` is no sequence, or a size no integer.
      ValueError: `input_shape` or `kernel_shape` has not two sizes, or a size is not positive.

    Example:
      >>> import haiku_like as hk, jax, jax.numpy as jnp
      >>> def forward(x):
      ...     core = hk.Conv2DLSTM([28, 28], output_channels=8, kernel_shape=3)
      ...     return core(x, core.initial_state(x.shape[0]))
      >>> x = jnp.ones([2, 28, 28, 3])
      >>> params = hk.transform(forward).init(jax.random.key(0), x)
      >>> output, state = hk.transform(forward).apply(params, x)
      >>> output.shape
      (2, 28, 28, 8)
    """

    def __init__(
        self,
        input_shape: Sequence[int],
        output_channels: int,
        kernel_shape: int | Sequence[int],
        name: str | None = None,
    ):
        super().__init__(2, input_shape, output_channels, kernel_shape, name)


class Conv3DLSTM(_ConvNDLSTM):
    """Long short-term memory over three spatial axes, such as volumes.

    With `i, g, f, o` the four quarters of the channels of `W_x * x + b_x + W_h * h + b_h`, where `*` is a
    convolution: `c' = sigmoid(f + 1) c + sigmoid(i) tanh(g)` and `h' = sigmoid(o) tanh(c')`. The output is `h'`. From
    Shi et al. (2015), "Convolutional LSTM network", equation 3, without the products of gates and cell there.

    Parameters: `w` and `b` of the modules `input_to_hidden` and `hidden_to_hidden`.

    Args:
      input_shape: The size along each spatial axis.
      output_channels: The number of channels of the hidden state and of the cell.
      kernel_shape: The size of the kernels along each spatial axis, or one for all.
      name: The module's name.

    Raises:
      TypeError: `input_shape` is no sequence, or a size no integer.
      ValueError: `input_shape` or `kernel_shape` has not three sizes, or a size is not positive.

    Example:
      >>> import haiku_like as hk, jax, jax.numpy as jnp
      >>> def forward(x):
      ...     core = hk.Conv3DLSTM([6, 6, 6], output_channels=8, kernel_shape=3)
      ...     return core(x, core.initial_state(x.shape[0]))
      >>> x = jnp.ones([2, 6, 6, 6, 3])
      >>> params = hk.transform(forward).init(jax.random.key(0), x)
      >>> output, state = hk.transform(forward).apply(params, x)
      >>> output.shape
      (2, 6, 6, 6, 8)
    """

    def __init__(
        self,
        input_shape: Sequence[int],
        output_channels: int,
        kernel_shape: int | Sequence[int],
        name: str | None = None,
    ):
        super().__init__(3, input_shape, output_channels, kernel_shape, name)
