"""V-trace: state values of one policy from the actions of another, with importance ratios that are clipped.

Arguments are `[T, *B]`, time first. See `returns` for what the steps, terminations and truncations are. `rho_tm1` is
the ratio pi / mu of the probabilities of the action that the step takes, under the policy that is judged and under the
one that acted. A ratio enters in two places: clipped at `clip_rho_threshold`, it weighs the step's own error; clipped
at 1 and times `lambda_`, it says how much of what follows the step counts.
"""

from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp

from rlax_like import _sequences
from rlax_like._gradients import stop_at_targets_if, stop_gradient_if
from rlax_like._sequences import cut
from rlax_like.recurrence import along_time, solve

if TYPE_CHECKING:
    from jaxtyping import Array, ArrayLike, Bool, Float, Real


class VTraceOutput(NamedTuple):
    """What an actor-critic learns from, each `[T, *B]`.

    Attributes:
      errors: The targets of the values, less the values: for the loss of the critic.
      pg_advantage: `q_estimate` less the value, times the clipped ratio: for the policy gradient.
      q_estimate: What the action taken turned out to be worth.
    """

    errors: "Float[Array, 'T *B']"
    pg_advantage: "Float[Array, 'T *B']"
    q_estimate: "Float[Array, 'T *B']"


def vtrace(
    v_tm1: "Real[ArrayLike, 'T *B']",
    v_t: "Real[ArrayLike, 'T *B']",
    r_t: "Real[ArrayLike, 'T *B']",
    discount_t: "Real[ArrayLike, 'T *B']",
    rho_tm1: "Real[ArrayLike, 'T *B']",
    lambda_: "Real[ArrayLike, 'T *B']" = 1.0,
    clip_rho_threshold: "Real[ArrayLike, 'T *B']" = 1.0,
    stop_target_gradients: bool = True,
    sample_mask: "Bool[ArrayLike, 'T *B'] | None" = None,
    *,
    truncated_t: "Bool[ArrayLike, 'T *B'] | None" = None,
) -> "Float[Array, 'T *B']":
    """Returns the errors `e_t = min(clip, rho) d_t + discount_t lambda_ min(1, rho) e_{t+1}` of V-trace.

    With `d_t = r_t + discount_t v_t - v_tm1`, and no e_{t+1} at the end. Espeholt et al. (2018), "IMPALA",
    arXiv:1802.01561, eq. 1 and remark 1.

    Args:
      v_tm1: Values of the states left, `[T, *B]`.
      v_t: Values of the states reached, `[T, *B]`.
      r_t: Rewards, `[T, *B]`.
      discount_t: Discounts, `[T, *B]` or a number.
      rho_tm1: Importance ratios of the actions taken, `[T, *B]`.
      lambda_: From 0, the step's own error, to 1: a number, `[T]` or `[T, *B]`.
      clip_rho_threshold: What ratios are clipped at: a number, `[T]` or `[T, *B]`. With 1, the values are those of the
        policy that is nearest to the one judged among those no likelier than mu to take any action.
      stop_target_gradients: Whether gradients stop at the targets `e_t + v_tm1`.
      sample_mask: Booleans, `[T, *B]`: false for steps that are passed over, so that e_t = e_{t+1}. None for no such.
      truncated_t: Booleans, `[T, *B]`: where an episode was cut after the step. None for nowhere.

    Returns:
      `[T, *B]`, in the dtype that the floating arguments promote to.

    Raises:
      TypeError: an argument is not real, or `sample_mask` or `truncated_t` not boolean.
      ValueError: the shapes do not fit, or there is no step.

    Example:
      >>> import jax.numpy as jnp, rlax_like as rlax
      >>> v_tm1, v_t, r_t = jnp.array([2.0, 4.0]), jnp.array([4.0, 8.0]), jnp.array([1.0, 2.0])
      >>> rlax.vtrace(v_tm1, v_t, r_t, 0.5, rho_tm1=jnp.array([2.0, 0.5]))
      Array([1.5, 1. ], dtype=float32)
    """
    dtype, rollout = _rollout(
        "vtrace",
        sample_mask,
        truncated_t,
        v_tm1=v_tm1,
        v_t=v_t,
        r_t=r_t,
        discount_t=discount_t,
        rho_tm1=rho_tm1,
        lambda_=lambda_,
        clip_rho_threshold=clip_rho_threshold,
    )
    return stop_at_targets_if(stop_target_gradients, _errors(rollout), rollout.v_tm1).astype(dtype)


def leaky_vtrace(
    v_tm1: "Real[ArrayLike, 'T *B']",
    v_t: "Real[ArrayLike, 'T *B']",
    r_t: "Real[ArrayLike, 'T *B']",
    discount_t: "Real[ArrayLike, 'T *B']",
    rho_tm1: "Real[ArrayLike, 'T *B']",
    alpha_: "Real[ArrayLike, 'T *B']" = 1.0,
    lambda_: "Real[ArrayLike, 'T *B']" = 1.0,
    clip_rho_threshold: "Real[ArrayLike, 'T *B']" = 1.0,
    stop_target_gradients: bool = True,
    sample_mask: "Bool[ArrayLike, 'T *B'] | None" = None,
    *,
    truncated_t: "Bool[ArrayLike, 'T *B'] | None" = None,
) -> "Float[Array, 'T *B']":
    """Returns the errors of `vtrace` with ratios of which a part leaks: `alpha_ min(clip, rho) + (1 - alpha_) rho`.

    From 0, importance sampling, to 1, V-trace; both where the ratio weighs the error and where it weighs what follows.
    Zahavy et al. (2020), "A self-tuning actor-critic algorithm", arXiv:2002.12928.

    Args:
      v_tm1: Values of the states left, `[T, *B]`.
      v_t: Values of the states reached, `[T, *B]`.
      r_t: Rewards, `[T, *B]`.
      discount_t: Discounts, `[T, *B]` or a number.
      rho_tm1: Importance ratios of the actions taken, `[T, *B]`.
      alpha_: The share of the clipped ratio: a number, `[T]` or `[T, *B]`.
      lambda_: As in `vtrace`: a number, `[T]` or `[T, *B]`.
      clip_rho_threshold: As in `vtrace`: a number, `[T]` or `[T, *B]`.
      stop_target_gradients: Whether gradients stop at the targets `e_t + v_tm1`.
      sample_mask: Booleans, `[T, *B]`: false for steps that are passed over, so that e_t = e_{t+1}. None for no such.
      truncated_t: Booleans, `[T, *B]`: where an episode was cut after the step. None for nowhere.

    Returns:
      `[T, *B]`, in the dtype that the floating arguments promote to.

    Raises:
      TypeError: an argument is not real, or `sample_mask` or `truncated_t` not boolean.
      ValueError: the shapes do not fit, or there is no step.

    Example:
      >>> import jax.numpy as jnp, rlax_like as rlax
      >>> v_tm1, v_t, r_t = jnp.array([2.0, 4.0]), jnp.array([4.0, 8.0]), jnp.array([1.0, 2.0])
      >>> rlax.leaky_vtrace(v_tm1, v_t, r_t, 0.5, rho_tm1=jnp.array([2.0, 0.5]), alpha_=0.5)
      Array([2.25, 1.  ], dtype=float32)
    """
    dtype, rollout = _rollout(
        "leaky_vtrace",
        sample_mask,
        truncated_t,
        v_tm1=v_tm1,
        v_t=v_t,
        r_t=r_t,
        discount_t=discount_t,
        rho_tm1=rho_tm1,
        alpha_=alpha_,
        lambda_=lambda_,
        clip_rho_threshold=clip_rho_threshold,
    )
    return stop_at_targets_if(stop_target_gradients, _errors(rollout), rollout.v_tm1).astype(dtype)


def vtrace_td_error_and_advantage(
    v_tm1: "Real[ArrayLike, 'T *B']",
    v_t: "Real[ArrayLike, 'T *B']",
    r_t: "Real[ArrayLike, 'T *B']",
    discount_t: "Real[ArrayLike, 'T *B']",
    rho_tm1: "Real[ArrayLike, 'T *B']",
    lambda_: "Real[ArrayLike, 'T *B']" = 1.0,
    clip_rho_threshold: "Real[ArrayLike, 'T *B']" = 1.0,
    clip_pg_rho_threshold: "Real[ArrayLike, 'T *B']" = 1.0,
    stop_target_gradients: bool = True,
    sample_mask: "Bool[ArrayLike, 'T *B'] | None" = None,
    *,
    truncated_t: "Bool[ArrayLike, 'T *B'] | None" = None,
) -> VTraceOutput:
    """Returns the errors `e_t` of `vtrace`, and the advantages `min(clip_pg, rho) (q_t - v_tm1)` for the policy.

    With the estimates `q_t = r_t + discount_t (v_t + lambda_ e_{t+1})` of the actions taken. Espeholt et al. (2018),
    "IMPALA", arXiv:1802.01561, section 4.2.

    Args:
      v_tm1: Values of the states left, `[T, *B]`.
      v_t: Values of the states reached, `[T, *B]`.
      r_t: Rewards, `[T, *B]`.
      discount_t: Discounts, `[T, *B]` or a number.
      rho_tm1: Importance ratios of the actions taken, `[T, *B]`.
      lambda_: As in `vtrace`: a number, `[T]` or `[T, *B]`.
      clip_rho_threshold: As in `vtrace`: a number, `[T]` or `[T, *B]`.
      clip_pg_rho_threshold: What ratios are clipped at in the advantages: a number, `[T]` or `[T, *B]`.
      stop_target_gradients: Whether gradients stop at the targets `e_t + v_tm1`, the advantages and the estimates.
      sample_mask: Booleans, `[T, *B]`: false for steps that are passed over, so that e_t = e_{t+1}. None for no such.
      truncated_t: Booleans, `[T, *B]`: where an episode was cut after the step. None for nowhere.

    Returns:
      `errors`, `pg_advantage` and `q_estimate`, each `[T, *B]`, in the dtype that the floating arguments promote to.

    Raises:
      TypeError: an argument is not real, or `sample_mask` or `truncated_t` not boolean.
      ValueError: the shapes do not fit, or there is no step.

    Example:
      >>> import jax.numpy as jnp, rlax_like as rlax
      >>> v_tm1, v_t, r_t = jnp.array([2.0, 4.0]), jnp.array([4.0, 8.0]), jnp.array([1.0, 2.0])
      >>> out = rlax.vtrace_td_error_and_advantage(v_tm1, v_t, r_t, 0.5, rho_tm1=jnp.array([2.0, 0.5]))
      >>> out.q_estimate
      Array([3.5, 6. ], dtype=float32)
      >>> out.pg_advantage
      Array([1.5, 1. ], dtype=float32)
    """
    dtype, rollout = _rollout(
        "vtrace_td_error_and_advantage",
        sample_mask,
        truncated_t,
        v_tm1=v_tm1,
        v_t=v_t,
        r_t=r_t,
        discount_t=discount_t,
        rho_tm1=rho_tm1,
        lambda_=lambda_,
        clip_rho_threshold=clip_rho_threshold,
        clip_pg_rho_threshold=clip_pg_rho_threshold,
    )
    return _errors_and_advantages(rollout, stop_target_gradients, dtype)


def leaky_vtrace_td_error_and_advantage(
    v_tm1: "Real[ArrayLike, 'T *B']",
    v_t: "Real[ArrayLike, 'T *B']",
    r_t: "Real[ArrayLike, 'T *B']",
    discount_t: "Real[ArrayLike, 'T *B']",
    rho_tm1: "Real[ArrayLike, 'T *B']",
    alpha: "Real[ArrayLike, 'T *B']" = 1.0,
    lambda_: "Real[ArrayLike, 'T *B']" = 1.0,
    clip_rho_threshold: "Real[ArrayLike, 'T *B']" = 1.0,
    clip_pg_rho_threshold: "Real[ArrayLike, 'T *B']" = 1.0,
    stop_target_gradients: bool = True,
    sample_mask: "Bool[ArrayLike, 'T *B'] | None" = None,
    *,
    truncated_t: "Bool[ArrayLike, 'T *B'] | None" = None,
) -> VTraceOutput:
    """Returns `vtrace_td_error_and_advantage` with the ratios of `leaky_vtrace`, in the advantages too.

    Zahavy et al. (2020), "A self-tuning actor-critic algorithm", arXiv:2002.12928.

    Args:
      v_tm1: Values of the states left, `[T, *B]`.
      v_t: Values of the states reached, `[T, *B]`.
      r_t: Rewards, `[T, *B]`.
      discount_t: Discounts, `[T, *B]` or a number.
      rho_tm1: Importance ratios of the actions taken, `[T, *B]`.
      alpha: The share of the clipped ratio: a number, `[T]` or `[T, *B]`.
      lambda_: As in `vtrace`: a number, `[T]` or `[T, *B]`.
      clip_rho_threshold: As in `vtrace`: a number, `[T]` or `[T, *B]`.
      clip_pg_rho_threshold: What ratios are clipped at in the advantages: a number, `[T]` or `[T, *B]`.
      stop_target_gradients: Whether gradients stop at the targets `e_t + v_tm1`, the advantages and the estimates.
      sample_mask: Booleans, `[T, *B]`: false for steps that are passed over, so that e_t = e_{t+1}. None for no such.
      truncated_t: Booleans, `[T, *B]`: where an episode was cut after the step. None for nowhere.

    Returns:
      `errors`, `pg_advantage` and `q_estimate`, each `[T, *B]`, in the dtype that the floating arguments promote to.

    Raises:
      TypeError: an argument is not real, or `sample_mask` or `truncated_t` not boolean.
      ValueError: the shapes do not fit, or there is no step.

    Example:
      >>> import jax.numpy as jnp, rlax_like as rlax
      >>> v_tm1, v_t, r_t = jnp.array([2.0, 4.0]), jnp.array([4.0, 8.0]), jnp.array([1.0, 2.0])
      >>> out = rlax.leaky_vtrace_td_error_and_advantage(v_tm1, v_t, r_t, 0.5, jnp.array([2.0, 0.5]), alpha=0.5)
      >>> out.pg_advantage
      Array([2.25, 1.  ], dtype=float32)
    """
    dtype, rollout = _rollout(
        "leaky_vtrace_td_error_and_advantage",
        sample_mask,
        truncated_t,
        v_tm1=v_tm1,
        v_t=v_t,
        r_t=r_t,
        discount_t=discount_t,
        rho_tm1=rho_tm1,
        alpha=alpha,
        lambda_=lambda_,
        clip_rho_threshold=clip_rho_threshold,
        clip_pg_rho_threshold=clip_pg_rho_threshold,
    )
    return _errors_and_advantages(rollout, stop_target_gradients, dtype)


class _Rollout(NamedTuple):
    """The arguments as arrays that broadcast against `[T, *B]`, or those of one step. Without alpha, nothing leaks."""

    v_tm1: jax.Array
    v_t: jax.Array
    r_t: jax.Array
    discount_t: jax.Array
    rho_tm1: jax.Array
    lambda_: jax.Array
    clip_rho_threshold: jax.Array
    clip_pg_rho_threshold: Any = None  # An array, or None where advantages are not asked for.
    alpha: jax.Array | None = None
    sample_mask: jax.Array | None = None
    truncated_t: jax.Array | None = None


def _rollout(name: str, sample_mask: Any, truncated_t: Any, **arguments: Any) -> tuple[Any, _Rollout]:
    """Returns the dtype of the result, and the checked arguments of the function of this name."""
    dtype, arrays = _sequences.narrow_reals(name, **arguments)
    reals: dict[str, Any] = dict(zip(arguments, arrays, strict=True))
    mask, truncated = _sequences.booleans(name, sample_mask=sample_mask, truncated_t=truncated_t)
    flags: dict[str, Any] = {"sample_mask": mask, "truncated_t": truncated}
    r_t = reals["r_t"]
    pattern = dict.fromkeys(("r_t", "v_tm1", "v_t", "rho_tm1", *flags), "T *B") | {"discount_t": "T *B|"}
    shapes = {n: (x, pattern.get(n, "T *B|T|")) for n, x in ({"r_t": r_t} | reals | flags).items()}
    _sequences.fit(name, **shapes)
    reals = {"alpha" if n == "alpha_" else n: along_time(x, r_t.ndim) for n, x in reals.items()}
    return dtype, _Rollout(**reals, **flags)


def _errors(rollout: _Rollout) -> jax.Array:
    return solve(_error_step, (rollout._replace(clip_pg_rho_threshold=None),))


def _error_step(step: _Rollout) -> tuple[jax.Array, jax.Array]:
    error = _ratio(step, step.clip_rho_threshold) * (step.r_t + step.discount_t * step.v_t - step.v_tm1)
    trace = step.discount_t * step.lambda_ * _ratio(step, 1)
    if step.sample_mask is not None:
        error = jnp.where(step.sample_mask, error, 0)
        # A step that is passed over still ends its episode.
        trace = jnp.where(step.sample_mask, trace, jnp.where(step.discount_t == 0, 0, 1))
    return cut(trace, step.truncated_t), error


def _ratio(step: _Rollout, threshold: "ArrayLike") -> jax.Array:
    clipped = jnp.minimum(threshold, step.rho_tm1)
    return clipped if step.alpha is None else step.alpha * clipped + (1 - step.alpha) * step.rho_tm1


def _errors_and_advantages(rollout: _Rollout, stop_target_gradients: bool, dtype: Any) -> VTraceOutput:
    inputs = (rollout._replace(clip_pg_rho_threshold=None),)
    errors, advantage, q_estimate = solve(_error_step, inputs, emit=_error_and_advantage, emit_inputs=(rollout,))
    return VTraceOutput(
        errors=stop_at_targets_if(stop_target_gradients, errors, rollout.v_tm1).astype(dtype),
        pg_advantage=stop_gradient_if(stop_target_gradients, advantage).astype(dtype),
        q_estimate=stop_gradient_if(stop_target_gradients, q_estimate).astype(dtype),
    )


def _error_and_advantage(error: jax.Array, error_t: jax.Array, step: _Rollout) -> tuple[jax.Array, ...]:
    q_estimate = step.r_t + step.discount_t * (step.v_t + cut(step.lambda_, step.truncated_t) * error_t)
    return error, _ratio(step, step.clip_pg_rho_threshold) * (q_estimate - step.v_tm1), q_estimate
