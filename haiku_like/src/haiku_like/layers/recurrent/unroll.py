"""What runs a core over a sequence."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from haiku_like import _checks
from haiku_like._core.frame import ambient
from haiku_like.control_flow import scan
from haiku_like.layers.recurrent.core import RNNCore

Core = RNNCore | Callable[[Any, Any], tuple[Any, Any]]


def static_unroll(core: Core, input_sequence: Any, initial_state: Any, time_major: bool = True) -> tuple[Any, Any]:
    """Runs a core over a sequence with a Python loop: `y_t, s_t = core(x_t, s_{t-1})`.

    Every step is traced and compiled anew: good for short sequences, and for a state whose shape changes. For others
    see `hk.dynamic_unroll`, which gives the same numbers.

    Args:
      core: An `hk.RNNCore`, or any function of inputs and state that returns output and next state.
      input_sequence: The inputs, an array or a pytree of arrays of shape `[time, batch, ...]`, or `[time, ...]`.
      initial_state: The state before the first step.
      time_major: False for inputs and outputs of shape `[batch, time, ...]`.

    Returns:
      The outputs, stacked along time, and the state after the last step.

    Raises:
      TypeError: `core` is not callable or returns no pair.
      ValueError: `input_sequence` holds no array or no step, or arrays of different lengths; or an output has no batch
        axis and `time_major` is false.

    Example:
      >>> import haiku_like as hk, jax.numpy as jnp
      >>> running_sum = lambda x, total: (x + total, x + total)
      >>> hk.static_unroll(running_sum, jnp.arange(4.0), 0.0)
      (Array([0., 1., 3., 6.], dtype=float32), Array(6., dtype=float32))
    """
    axis, length = _time_axis("static_unroll", core, input_sequence, time_major)
    if length == 0:
        raise ValueError(
            "static_unroll: input_sequence has length 0, expected at least one step, as the outputs of none have no "
            "shape. Use hk.dynamic_unroll, or skip what is empty."
        )
    state, outputs = initial_state, []
    for t in range(length):
        inputs = jax.tree.map(lambda x, t=t: x[t] if axis == 0 else x[:, t], input_sequence)
        output, state = _step("static_unroll", core, inputs, state)
        _check_batch_axis("static_unroll", "an output of core", output, axis)
        outputs.append(output)
    return jax.tree.map(lambda *xs: jnp.stack(xs, axis), *outputs), state


def dynamic_unroll(
    core: Core,
    input_sequence: Any,
    initial_state: Any,
    time_major: bool = True,
    reverse: bool = False,
    return_all_states: bool = False,
    unroll: int | bool = 1,
) -> tuple[Any, Any]:
    """Runs a core over a sequence with `hk.scan`: `y_t, s_t = core(x_t, s_{t-1})`.

    One step is compiled for all times, so that long sequences compile as fast as short ones. The state must keep its
    structure, shapes and dtypes; for one that does not see `hk.static_unroll`.

    Args:
      core: An `hk.RNNCore`, or any function of inputs and state that returns output and next state.
      input_sequence: The inputs, an array or a pytree of arrays of shape `[time, batch, ...]`, or `[time, ...]`. Of
        no step come outputs of length 0 and the initial state.
      initial_state: The state before the first step, or with `reverse` after the last.
      time_major: False for inputs and outputs of shape `[batch, time, ...]`.
      reverse: Whether to run from the last input to the first; the outputs stay at the places of their inputs.
      return_all_states: Whether to return the states after all steps, stacked like the outputs.
      unroll: How many steps to write out in each iteration of the loop, or True for all: more compile slower, and may
        run faster.

    Returns:
      The outputs, stacked along time, and the state after the last step run, or all states.

    Raises:
      TypeError: `core` is not callable or returns no pair, or `unroll` is no integer.
      ValueError: `input_sequence` holds no array, or arrays of different lengths; the state changes its structure,
        shapes or dtypes; an output or a state to return has no batch axis and `time_major` is false; or `unroll` is
        less than 1.

    Example:
      >>> import haiku_like as hk, jax, jax.numpy as jnp
      >>> def forward(x):
      ...     core = hk.DeepRNN([hk.LSTM(8), jnp.tanh, hk.GRU(4)])
      ...     return hk.dynamic_unroll(core, x, core.initial_state(x.shape[0]), time_major=False)
      >>> x = jnp.ones([2, 100, 3])
      >>> params = hk.transform(forward).init(jax.random.key(0), x)
      >>> outputs, (lstm_state, gru_state) = hk.transform(forward).apply(params, x)
      >>> outputs.shape, lstm_state.hidden.shape, gru_state.shape
      ((2, 100, 4), (2, 8), (2, 4))
    """
    axis, _ = _time_axis("dynamic_unroll", core, input_sequence, time_major)
    all_states = _checks.flag("dynamic_unroll", "return_all_states", return_all_states)
    reverse = _checks.flag("dynamic_unroll", "reverse", reverse)
    if not isinstance(unroll, bool):
        unroll = _checks.size("dynamic_unroll", "unroll", unroll, minimum=1)

    def swapped(tree: Any) -> Any:
        return jax.tree.map(lambda x: jnp.swapaxes(x, 0, 1), tree) if axis else tree

    def step(state: Any, inputs: Any) -> tuple[Any, Any]:
        output, next_state = _step("dynamic_unroll", core, inputs, state)
        _check_carried(state, next_state)
        _check_batch_axis("dynamic_unroll", "an output of core", output, axis)
        if all_states:
            _check_batch_axis("dynamic_unroll", "a part of the state", next_state, axis)
        return next_state, (output, next_state if all_states else None)

    # A plain function may be unrolled outside a transform too.
    run = jax.lax.scan if ambient.frame is None else scan
    state, (outputs, states) = run(step, initial_state, swapped(input_sequence), reverse=reverse, unroll=unroll)
    return swapped(outputs), swapped(states) if all_states else state


def _time_axis(function: str, core: Any, input_sequence: Any, time_major: Any) -> tuple[int, int]:
    """Returns the axis of time and its length."""
    _checks.function(function, "core", core, "hk.LSTM(8)")
    axis = 0 if _checks.flag(function, "time_major", time_major) else 1
    layout = "[batch, time, ...]" if axis else "[time, batch, ...]"
    shapes = [np.shape(x) for x in jax.tree.leaves(input_sequence)]
    if not shapes:
        raise ValueError(
            f"{function}: input_sequence is {input_sequence!r} and holds no array, expected {layout}. For a core "
            f"without inputs pass the times, jnp.arange(length)."
        )
    for shape in shapes:
        if len(shape) <= axis:
            raise ValueError(
                f"{function}: input_sequence has an array of shape {shape}, expected {layout} with "
                f"time_major={not axis}. Turn a list into an array with jnp.asarray."
            )
    lengths = {shape[axis] for shape in shapes}
    if len(lengths) > 1:
        raise ValueError(
            f"{function}: input_sequence has arrays of shapes {shapes}, expected the same length along axis {axis}, "
            f"which is time: {layout}."
        )
    return axis, lengths.pop()


def _step(function: str, core: Core, inputs: Any, state: Any) -> tuple[Any, Any]:
    pair = core(inputs, state)
    if not isinstance(pair, (tuple, list)) or len(pair) != 2:
        raise TypeError(
            f"{function}: core returned a {type(pair).__name__}, expected a pair (output, next_state). Use an "
            f"hk.RNNCore, or a function of inputs and state that returns both."
        )
    return pair[0], pair[1]


def _check_batch_axis(function: str, what: str, tree: Any, axis: int) -> None:
    if axis and any(np.ndim(x) < 1 for x in jax.tree.leaves(tree)):
        raise ValueError(
            f"{function}: {what} is a number, expected [batch, ...] with time_major=False, since time goes after the "
            f"batch. Use time_major=True."
        )


def _check_carried(state: Any, next_state: Any) -> None:
    before, after = jax.tree.structure(state), jax.tree.structure(next_state)
    if before != after:
        raise ValueError(
            f"dynamic_unroll: core returned a state of structure {after}, expected {before} like the state before. "
            f"Give the state its final structure from the start, or use hk.static_unroll."
        )
    for old, new in zip(jax.tree.leaves(state), jax.tree.leaves(next_state), strict=True):
        # A number without a dtype of its own takes that of the next state.
        weak = getattr(old, "weak_type", not hasattr(old, "dtype"))
        if np.shape(old) != np.shape(new) or not (weak or old.dtype == jnp.asarray(new).dtype):
            raise ValueError(
                f"dynamic_unroll: core returned a state with an array {_described(new)}, expected {_described(old)} "
                f"like the state before. Cast or shape the initial state as the core returns it, for example with "
                f"jax.tree.map(lambda x: x.astype(inputs.dtype), state), or use hk.static_unroll."
            )


def _described(x: Any) -> str:
    return f"{jnp.asarray(x).dtype}{list(np.shape(x))}"
