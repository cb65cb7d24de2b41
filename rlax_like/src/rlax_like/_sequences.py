"""What operators over time share: time comes first, `[T, *B]`, and a step may be the last of its episode."""

from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp

from rlax_like import _checks, _shapes
from rlax_like._gradients import stop_at_targets_if
from rlax_like._precision import widen
from rlax_like.indexing import _pick
from rlax_like.recurrence import Coefficients, solve

if TYPE_CHECKING:
    from jaxtyping import ArrayLike


def reals(function: str, **arguments: Any) -> tuple[Any, tuple[jax.Array, ...]]:
    """Returns what `wide_reals` does, but numbers such as 0.99 with the digits that half precision does not have."""
    dtype, arrays = narrow_reals(function, **arguments)
    return dtype, tuple(map(widen, arrays))


def narrow_reals(function: str, **arguments: Any) -> tuple[Any, tuple[jax.Array, ...]]:
    """Returns what `reals` does, but arrays that may be of half precision, for nothing but `recurrence.solve`."""
    arrays = _checks.reals(function, **arguments)
    wide = jnp.promote_types(arrays[0].dtype, jnp.float32)
    return arrays[0].dtype, tuple(
        jnp.asarray(value, wide) if isinstance(value, (int, float)) else array
        for value, array in zip(arguments.values(), arrays, strict=True)
    )


def booleans(function: str, **arguments: Any) -> tuple[jax.Array | None, ...]:
    """Returns the arguments, each booleans or None, as arrays or None."""
    for name, value in arguments.items():
        if value is not None and _checks._dtype(function, name, value) != jnp.bool_:
            raise TypeError(
                f"{function}: {name} must be a boolean array, got {_checks._describe(value)}. Compare, for example "
                f"{name} > 0."
            )
    return tuple(None if value is None else jnp.asarray(value) for value in arguments.values())


def fit(function: str, **arguments: tuple[jax.Array | None, str]) -> None:
    """Raises unless the shapes fit, as in `_shapes.fit` but for None, and the first argument has at least one step."""
    given = {name: (array, pattern) for name, (array, pattern) in arguments.items() if array is not None}
    name, (array, _) = next(iter(given.items()))
    _shapes.fit(function, **given)
    if not len(array):
        raise ValueError(f"{function}: {name} has shape {array.shape}, expected at least one step. Time comes first.")


def taken(function: str, r_t: jax.Array, **values_and_actions: Any) -> jax.Array:
    """Returns the values of the actions taken; the keywords are the action values and the actions, by their names."""
    (values_name, values), (actions_name, actions) = values_and_actions.items()
    (actions,) = _checks.integers(function, **{actions_name: actions})
    shapes = {values_name: (values, "T *B A"), actions_name: (actions, "T *B")}
    fit(function, r_t=(r_t, "T *B"), **shapes)
    return _pick(values, actions)


def cut(trace: jax.Array, truncated_t: jax.Array | None) -> jax.Array:
    """Returns the weight of what comes after a step: 0 where the episode was cut, so that its own `v_t` counts."""
    return trace if truncated_t is None else jnp.where(truncated_t, 0, trace)


def errors(
    coefficients: Coefficients,
    inputs: tuple[Any, ...],
    predictions: jax.Array,
    stop_target_gradients: "ArrayLike",
    init: "ArrayLike" = 0.0,
) -> jax.Array:
    """Returns the targets that `recurrence.solve` finds, less the predictions, in one loop."""
    less = solve(coefficients, inputs, init, emit=_target_less_prediction, emit_inputs=(predictions,))
    return stop_at_targets_if(stop_target_gradients, less, predictions)


def _target_less_prediction(target: jax.Array, _: jax.Array, prediction: jax.Array) -> jax.Array:
    return target - prediction
