"""Cores and other layers stacked to one core."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from haiku_like import _checks
from haiku_like.layers.recurrent.core import RNNCore


class _DeepRNN(RNNCore):
    """Cores, and maybe other layers, one after the other, with or without skip connections."""

    def __init__(self, layers: Sequence[Any], skip_connections: bool, name: str | None):
        super().__init__(name=name)
        self._where = where = "deep_rnn_with_skip_connections" if skip_connections else "DeepRNN"
        self.layers = _checks.sequence(where, "layers", layers, "[hk.LSTM(8), hk.GRU(4)]")
        self.skip_connections = skip_connections
        if not self.layers:
            raise ValueError(
                f"{where}: layers is empty, expected at least one. For a core that does nothing use hk.IdentityCore()."
            )
        for i, layer in enumerate(self.layers):
            if not skip_connections:
                _checks.function(where, f"layers[{i}]", layer, "hk.LSTM(8) or jax.nn.relu")
            elif not isinstance(layer, RNNCore):
                raise ValueError(
                    f"{where}: layers[{i}] is {layer!r} of type {type(layer).__name__}, expected an hk.RNNCore. Wrap "
                    f"other layers together with a core in an hk.DeepRNN."
                )

    def __call__(self, inputs: Any, state: Sequence[Any]) -> tuple[Any, tuple[Any, ...]]:
        """Runs the layers one after the other.

        Args:
          inputs: The first layer's inputs.
          state: One state for each core among the layers.

        Returns:
          The output, and the next states in a tuple.

        Raises:
          ValueError: `state` is no tuple with one entry for each core.
        """
        cores = sum(isinstance(layer, RNNCore) for layer in self.layers)
        if not isinstance(state, (tuple, list)) or len(state) != cores:
            got = f"{len(state)} entries" if isinstance(state, (tuple, list)) else f"type {type(state).__name__}"
            raise ValueError(
                f"{self._where}: state of module {self.module_name!r} has {got}, expected a tuple of {cores}, one "
                f"state for each core. Start from initial_state."
            )
        previous = iter(state)
        next_states, outputs, out = [], [], inputs
        for layer in self.layers:
            if not isinstance(layer, RNNCore):
                out = layer(out)
                continue
            if self.skip_connections and outputs:
                out = _concatenated(inputs, out)
            out, next_state = layer(out, next(previous))
            outputs.append(out)
            next_states.append(next_state)
        if self.skip_connections:
            out = _concatenated(*outputs)
        return out, tuple(next_states)

    def initial_state(self, batch_size: int | None) -> tuple[Any, ...]:
        """Returns the initial states of the cores in a tuple."""
        return tuple(layer.initial_state(batch_size) for layer in self.layers if isinstance(layer, RNNCore))


class DeepRNN(_DeepRNN):
    """Stacks cores and other layers to one core: each gets what the one before returned.

    The state is a tuple with one state for each core; other layers, such as `hk.Linear` or `jax.nn.relu`, have none.

    Args:
      layers: The layers, cores and others in any order.
      name: The module's name.

    Raises:
      TypeError: `layers` is no sequence, or a layer is not callable.
      ValueError: there is no layer.

    Example:
      >>> import haiku_like as hk, jax, jax.numpy as jnp
      >>> def forward(x):
      ...     core = hk.DeepRNN([hk.LSTM(8), jnp.tanh, hk.GRU(4)])
      ...     return core(x, core.initial_state(x.shape[0]))
      >>> x = jnp.ones([2, 3])
      >>> params = hk.transform(forward).init(jax.random.key(0), x)
      >>> output, (lstm_state, gru_state) = hk.transform(forward).apply(params, x)
      >>> output.shape, lstm_state.cell.shape, gru_state.shape
      ((2, 4), (2, 8), (2, 4))
    """

    def __init__(self, layers: Sequence[Callable[..., Any]], name: str | None = None):
        super().__init__(layers, False, name)


def deep_rnn_with_skip_connections(layers: Sequence[RNNCore], name: str | None = None) -> RNNCore:
    """Stacks cores with connections that skip layers.

    Each core but the first gets the inputs of the whole and the output of the core before, side by side on the last
    axis; the output is that of all cores side by side. From Graves (2013), "Generating sequences with recurrent neural
    networks", section 2.

    Args:
      layers: The cores. Where inputs and outputs are pytrees, these must have the same structure.
      name: The module's name.

    Returns:
      A core whose state is a tuple with one state for each of `layers`.

    Raises:
      TypeError: `layers` is no sequence.
      ValueError: there is no layer, or one is no `hk.RNNCore`.

    Example:
      >>> import haiku_like as hk, jax, jax.numpy as jnp
      >>> def forward(x):
      ...     core = hk.deep_rnn_with_skip_connections([hk.LSTM(8), hk.LSTM(4)])
      ...     return core(x, core.initial_state(x.shape[0]))
      >>> x = jnp.ones([2, 3])
      >>> params = hk.transform(forward).init(jax.random.key(0), x)
      >>> output, states = hk.transform(forward).apply(params, x)
      >>> output.shape
      (2, 12)
    """
    return _DeepRNN(layers, True, name)


def _concatenated(*trees: Any) -> Any:
    structures = [jax.tree.structure(tree) for tree in trees]
    if len(set(structures)) > 1:
        raise ValueError(
            f"deep_rnn_with_skip_connections: inputs and outputs of the layers have structures {structures}, expected "
            f"the same for all, since they go side by side."
        )
    return jax.tree.map(lambda *xs: jnp.concatenate(xs, axis=-1), *trees)
