"""PopArt: values that a network predicts in normalised form, while the statistics that normalise them move.

Van Hasselt et al. (2016), "Learning values across many orders of magnitude", arXiv:1602.07714; Hessel et al. (2019),
"Multi-task deep reinforcement learning with PopArt", arXiv:1809.04474. `indices` say which of the `N` outputs, for
example which task, each value belongs to.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rlax_like import _checks
from rlax_like._precision import wide_reals, widen
from rlax_like._shapes import fit
from rlax_like.collectives import AllSum
from rlax_like.indexing import _pick

if TYPE_CHECKING:
    from jaxtyping import Array, ArrayLike, Float, Int, Real


class PopArtState(NamedTuple):
    """The statistics of the values of each output.

    Attributes:
      shift: The mean, `[N]`.
      scale: The standard deviation, within its limits, `[N]`.
      second_moment: The mean of the square, `[N]`.
    """

    shift: "Float[Array, 'N']"
    scale: "Float[Array, 'N']"
    second_moment: "Float[Array, 'N']"


class PopArtOutput(NamedTuple):
    """A value in both forms.

    Attributes:
      normalized: What the network predicts, `[*B]`.
      unnormalized: The value, `[*B]`.
    """

    normalized: "Float[Array, '*B']"
    unnormalized: "Float[Array, '*B']"


def normalize(
    state: PopArtState, unnormalized: "Real[ArrayLike, '*B']", indices: "Int[ArrayLike, '*B']"
) -> "Float[Array, '*B']":
    """Returns values in normalised form: `(unnormalized - shift[indices]) / scale[indices]`.

    Van Hasselt et al. (2016), arXiv:1602.07714, section 2.

    Args:
      state: The statistics, `[N]` each.
      unnormalized: Values, `[*B]`.
      indices: The output of each, integers `[*B]`; one outside the `N` outputs gives NaN.

    Returns:
      `[*B]`, in the dtype that state and values promote to.

    Raises:
      TypeError: an index is not an integer, or another argument not real.
      ValueError: the shapes do not fit.

    Example:
      >>> import jax.numpy as jnp, rlax_like as rlax
      >>> state = rlax.PopArtState(jnp.array([0.0, 1.0]), jnp.array([1.0, 2.0]), jnp.array([1.0, 5.0]))
      >>> rlax.normalize(state, jnp.array([3.0, 3.0]), jnp.array([0, 1]))
      Array([3., 1.], dtype=float32)
    """
    dtype, values, shift, scale = _at("normalize", state, indices, unnormalized=unnormalized)
    return ((values - shift) / scale).astype(dtype)


def unnormalize(
    state: PopArtState, normalized: "Real[ArrayLike, '*B']", indices: "Int[ArrayLike, '*B']"
) -> "Float[Array, '*B']":
    """Returns values from their normalised form: `scale[indices] normalized + shift[indices]`.

    Van Hasselt et al. (2016), arXiv:1602.07714, eq. 1.

    Args:
      state: The statistics, `[N]` each.
      normalized: Values in normalised form, `[*B]`.
      indices: The output of each, integers `[*B]`; one outside the `N` outputs gives NaN.

    Returns:
      `[*B]`, in the dtype that state and values promote to.

    Raises:
      TypeError: an index is not an integer, or another argument not real.
      ValueError: the shapes do not fit.

    Example:
      >>> import jax.numpy as jnp, rlax_like as rlax
      >>> state = rlax.PopArtState(jnp.array([0.0, 1.0]), jnp.array([1.0, 2.0]), jnp.array([1.0, 5.0]))
      >>> rlax.unnormalize(state, jnp.array([3.0, 1.0]), jnp.array([0, 1]))
      Array([3., 3.], dtype=float32)
    """
    dtype, values, shift, scale = _at("unnormalize", state, indices, normalized=normalized)
    return (scale * values + shift).astype(dtype)


def unnormalize_linear(
    state: PopArtState, inputs: "Real[ArrayLike, '*B N']", indices: "Int[ArrayLike, '*B']"
) -> PopArtOutput:
    """Returns one output of a layer with an output for each index, in both forms.

    Van Hasselt et al. (2016), arXiv:1602.07714, eq. 1; with several outputs, Hessel et al. (2019), arXiv:1809.04474.

    Args:
      state: The statistics, `[N]` each.
      inputs: Normalised values for each output, `[*B, N]`, such as a linear layer gives.
      indices: Which output counts, integers `[*B]`; one outside the `N` outputs gives NaN.

    Returns:
      `normalized`, in the dtype of the inputs, and `unnormalized`, in the dtype that state and inputs promote to, each
      `[*B]`.

    Raises:
      TypeError: an index is not an integer, or another argument not real.
      ValueError: the shapes do not fit.

    Example:
      >>> import jax.numpy as jnp, rlax_like as rlax
      >>> state = rlax.PopArtState(jnp.array([0.0, 1.0]), jnp.array([1.0, 2.0]), jnp.array([1.0, 5.0]))
      >>> rlax.unnormalize_linear(state, jnp.array([3.0, 4.0]), 1)
      PopArtOutput(normalized=Array(4., dtype=float32), unnormalized=Array(9., dtype=float32))
    """
    name = "unnormalize_linear"
    (inputs,) = _checks.reals(name, inputs=inputs)
    (index,) = _checks.integers(name, indices=indices)
    fit(name, inputs=(inputs, "*B N"), indices=(index, "*B"), **{"state.shift": (jnp.asarray(state.shift), "N")})
    normalized = _pick(inputs, index)
    dtype, values, shift, scale = _at(name, state, indices, inputs=normalized)
    return PopArtOutput(normalized, (scale * values + shift).astype(dtype))


def art(
    state: PopArtState,
    targets: "Real[ArrayLike, '*B']",
    indices: "Int[ArrayLike, '*B']",
    step_size: "Real[ArrayLike, '']",
    scale_lb: "Real[ArrayLike, '']",
    scale_ub: "Real[ArrayLike, '']",
    axis_name: str | None = None,
) -> PopArtState:
    """Returns the statistics after a step towards those of new values, for the outputs that occur among them.

    For each index, `shift` and `second_moment` move by `step_size` of the way to the mean of its values and of their
    squares, and `scale` is the deviation that follows, cut to its limits. The step is the same for one value and for a
    thousand. Van Hasselt et al. (2016), arXiv:1602.07714, eqs. 4 and 5.

    Args:
      state: The statistics, `[N]` each.
      targets: New values, `[*B]`.
      indices: The output of each, integers `[*B]`; one outside the `N` outputs is left out.
      step_size: In [0, 1], a number. A traced one is not checked.
      scale_lb: The least scale, a positive number. A traced one is not checked.
      scale_ub: The largest scale, a number.
      axis_name: The name of an axis of `jax.vmap` or `jax.pmap` over which the values are split, or None.

    Returns:
      The new statistics, in the dtypes of the old ones. No gradient flows through them.

    Raises:
      TypeError: an index is not an integer, or another argument not real.
      ValueError: the shapes do not fit, `step_size` is outside [0, 1], or `0 < scale_lb <= scale_ub` does not hold.

    Example:
      >>> import jax.numpy as jnp, rlax_like as rlax
      >>> init, _ = rlax.popart(num_outputs=2, step_size=0.5, scale_lb=0.1, scale_ub=10.0)
      >>> rlax.art(init(), jnp.array([2.0, 4.0]), jnp.array([1, 1]), 0.5, 0.1, 10.0).shift
      Array([0. , 1.5], dtype=float32)
    """
    name = "art"
    _check_settings(name, step_size, scale_lb, scale_ub)
    _, (targets, step, lowest, highest) = wide_reals(
        name, targets=targets, step_size=step_size, scale_lb=scale_lb, scale_ub=scale_ub
    )
    (indices,) = _checks.integers(name, indices=indices)
    shift, scale, second_moment = _statistics(name, state)
    fit(name, targets=(targets, "*B"), indices=(indices, "*B"))
    fit(name, step_size=(step, ""), scale_lb=(lowest, ""), scale_ub=(highest, ""))
    targets = targets.reshape(-1, 1)
    belongs = indices.reshape(-1, 1) == jnp.arange(shift.size)[None]
    all_sum = AllSum(axis_name)
    count = all_sum(belongs, axis=0)

    def mean(values: jax.Array) -> jax.Array:
        return all_sum(jnp.where(belongs, values, 0), axis=0) / jnp.maximum(count, 1)

    step = jnp.where(count > 0, step, 0)
    # From the distances to the old mean rather than from the values, so that nothing cancels where the mean is large.
    distance = targets - shift[None]
    distance_mean, distance_square = mean(distance), mean(jnp.square(distance))
    spread = distance_square - step * jnp.square(distance_mean)
    variance = (1 - step) * _variance(shift, scale, second_moment) + step * spread
    new = PopArtState(
        shift + step * distance_mean,
        jnp.sqrt(jnp.clip(variance, jnp.square(lowest), jnp.square(highest))),
        second_moment + step * (mean(jnp.square(targets)) - second_moment),
    )
    return jax.lax.stop_gradient(
        PopArtState(*(x.astype(jnp.result_type(old)) for x, old in zip(new, state, strict=True)))
    )


def pop(
    params: "Mapping[str, Real[ArrayLike, '...']]", old: PopArtState, new: PopArtState
) -> "dict[str, Float[Array, '...']]":
    """Returns the parameters of a linear layer whose unnormalised outputs are the same with the new statistics.

    `w scale / scale'` and `(scale b + shift - shift') / scale'`, with a dash for the new ones. Van Hasselt et al.
    (2016), arXiv:1602.07714, eq. 2.

    Args:
      params: `w` of shape `[*I, N]` and `b` of shape `[N]`, those of the layer that gives the `N` normalised outputs.
        Other entries stay as they are.
      old: The statistics that the parameters fit.
      new: Those that they shall fit.

    Returns:
      The parameters, in their dtypes.

    Raises:
      TypeError: an argument is not real.
      ValueError: the shapes do not fit, or `w` or `b` is missing.

    Example:
      >>> import jax.numpy as jnp, rlax_like as rlax
      >>> init, _ = rlax.popart(num_outputs=1, step_size=0.5, scale_lb=0.1, scale_ub=10.0)
      >>> old, new = init(), init()._replace(scale=jnp.array([2.0]))
      >>> rlax.pop({"w": jnp.ones([3, 1]), "b": jnp.ones(1)}, old, new)["w"].ravel()
      Array([0.5, 0.5, 0.5], dtype=float32)
    """
    name = "pop"
    missing = [f"params[{key!r}]" for key in ("w", "b") if key not in params]
    if missing:
        raise ValueError(
            f"{name}: {' and '.join(missing)} missing, expected the weights w and the bias b of one linear layer, got "
            f"the entries {list(params)}."
        )
    w, b = (_checks.reals(name, **{f"params[{key!r}]": params[key]})[0] for key in ("w", "b"))
    shift, scale, _ = _statistics(name, old)
    new_shift, new_scale, _ = _statistics(name, new)
    fit(
        name,
        **{"old.shift": (shift, "N"), "new.shift": (new_shift, "N")},
        **{"params['w']": (w, "*I N"), "params['b']": (b, "N")},
    )
    ratio = jnp.broadcast_to(scale / new_scale, w.shape)
    new_b = (scale * widen(b) + shift - new_shift) / new_scale
    rest: dict[str, Any] = dict(params)
    return {**rest, "w": (widen(w) * ratio).astype(w.dtype), "b": new_b.astype(b.dtype)}


def popart(
    num_outputs: int,
    step_size: "Real[ArrayLike, '']",
    scale_lb: "Real[ArrayLike, '']",
    scale_ub: "Real[ArrayLike, '']",
    axis_name: str | None = None,
) -> tuple[Callable[[], PopArtState], Callable[..., tuple[Any, PopArtState]]]:
    """Returns `init`, which gives the first statistics, and `update`, which does `art` and then `pop`.

    Van Hasselt et al. (2016), arXiv:1602.07714, algorithm 1.

    Args:
      num_outputs: The number `N` of outputs, 1 or more.
      step_size: As for `art`, as are the others.
      scale_lb: The least scale.
      scale_ub: The largest scale.
      axis_name: The name of an axis of `jax.vmap` or `jax.pmap` over which the values are split, or None.

    Returns:
      `init()` gives the statistics of values with mean 0 and deviation 1. `update(params, state, targets, indices)`
      gives the parameters of the layer and the statistics, after a step towards the targets.

    Raises:
      ValueError: `num_outputs` is less than 1, `step_size` is outside [0, 1], or `0 < scale_lb <= scale_ub` does not
        hold.

    Example:
      >>> import jax.numpy as jnp, rlax_like as rlax
      >>> init, update = rlax.popart(num_outputs=1, step_size=0.5, scale_lb=0.1, scale_ub=10.0)
      >>> params = {"w": jnp.ones([3, 1]), "b": jnp.zeros(1)}
      >>> params, state = update(params, init(), targets=jnp.array([1.0, 3.0]), indices=jnp.array([0, 0]))
      >>> state.shift
      Array([1.], dtype=float32)
    """
    name = "popart"
    if num_outputs < 1:
        raise ValueError(f"{name}: num_outputs is {num_outputs}, expected 1 or more.")
    _check_settings(name, step_size, scale_lb, scale_ub)

    def init() -> PopArtState:
        return PopArtState(jnp.zeros(num_outputs), jnp.ones(num_outputs), jnp.ones(num_outputs))

    def update(
        params: Mapping[str, Any], state: PopArtState, targets: "ArrayLike", indices: "ArrayLike"
    ) -> tuple[Any, PopArtState]:
        new = art(state, targets, indices, step_size, scale_lb, scale_ub, axis_name)
        return pop(params, state, new), new

    return init, update


def _at(name: str, state: PopArtState, indices: Any, **values: Any) -> tuple[Any, jax.Array, jax.Array, jax.Array]:
    """The dtype of the result, the values, and the shift and scale of each."""
    ((argument, _),) = values.items()
    dtype, (array, _, _) = wide_reals(name, **values, **{"state.shift": state.shift, "state.scale": state.scale})
    (indices,) = _checks.integers(name, indices=indices)
    fit(name, **{argument: (array, "*B")}, indices=(indices, "*B"))
    shift, scale, _ = _statistics(name, state)
    shift, scale = (x.at[indices].get(mode="fill", fill_value=jnp.nan) for x in (shift, scale))
    return dtype, array, shift, scale


def _statistics(name: str, state: PopArtState) -> tuple[jax.Array, ...]:
    named = {f"state.{field}": value for field, value in zip(PopArtState._fields, state, strict=True)}
    _, statistics = wide_reals(name, **named)
    fit(name, **{field: (x, "N") for field, x in zip(named, statistics, strict=True)})
    return statistics


def _variance(shift: jax.Array, scale: jax.Array, second_moment: jax.Array) -> jax.Array:
    """The variance before its limits, from the scale where that is not cut, and otherwise from the moments.

    The difference of the moments is a matter of rounding where the mean is large.
    """
    variance = second_moment - jnp.square(shift)
    rounding = 8 * jnp.finfo(variance.dtype).eps * jnp.abs(second_moment)
    return jnp.where(jnp.abs(jnp.square(scale) - variance) <= rounding, jnp.square(scale), variance)


def _check_settings(name: str, step_size: Any, scale_lb: Any, scale_ub: Any) -> None:
    _checks.share(name, step_size=step_size)
    _checks.within(name, lambda low: low > 0, "a positive number", scale_lb=scale_lb)
    if not _checks.is_traced(scale_lb):
        expected = f"at least scale_lb = {scale_lb}"
        _checks.within(name, lambda high: high >= np.asarray(scale_lb), expected, scale_ub=scale_ub)
