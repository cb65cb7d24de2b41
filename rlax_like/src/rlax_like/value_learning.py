"""Temporal-difference errors of state values and action values, one step at a time.

Each function returns the error `target - prediction` of each transition, for any leading batch axes `*B`. The
gradient of `l2_loss(error)` with respect to the prediction is the update of the textbook, as long as no gradient
flows through the target, which `stop_target_gradients` sees to.

Suffixes: `_tm1` is the time step t - 1 that the action leaves, `_t` the step that it reaches. `r_t` is the reward on
the way, `discount_t` is gamma, and 0 where the episode ended.
"""

from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp

from rlax_like import _checks
from rlax_like._gradients import stop_gradient_if
from rlax_like._precision import wide_reals
from rlax_like._weights import expectation, weighted
from rlax_like.indexing import _pick

if TYPE_CHECKING:
    from jaxtyping import Array, ArrayLike, Float, Int, Real


def td_learning(
    v_tm1: "Real[ArrayLike, '*B']",
    r_t: "Real[ArrayLike, '*B']",
    discount_t: "Real[ArrayLike, '*B']",
    v_t: "Real[ArrayLike, '*B']",
    stop_target_gradients: bool = True,
) -> "Float[Array, '*B']":
    """Returns the TD(0) error of state values: `r_t + discount_t v_t - v_tm1`.

    Sutton (1988), "Learning to predict by the methods of temporal differences"; Sutton and Barto (2018), eq. 6.5.

    Args:
      v_tm1: State values, `[*B]`.
      r_t: Rewards, `[*B]`.
      discount_t: Discounts, `[*B]` or a number.
      v_t: Values of the next states, `[*B]`.
      stop_target_gradients: Whether gradients stop at `r_t + discount_t v_t`.

    Returns:
      `[*B]`, in the dtype that the floating arguments promote to.

    Raises:
      TypeError: an argument is not real.
      ValueError: the shapes do not fit.

    Example:
      >>> import jax.numpy as jnp, rlax_like as rlax
      >>> rlax.td_learning(jnp.array([1.0, 2.0]), jnp.array([0.5, 1.0]), 0.5, jnp.array([3.0, 4.0]))
      Array([1., 1.], dtype=float32)
    """
    name = "td_learning"
    dtype, (v_tm1, r_t, discount_t, v_t) = wide_reals(name, v_tm1=v_tm1, r_t=r_t, discount_t=discount_t, v_t=v_t)
    _checks.same_shape(name, v_tm1.shape, "v_tm1", r_t=r_t.shape, v_t=v_t.shape)
    _checks.same_shape(name, v_tm1.shape, "v_tm1", scalars=True, discount_t=discount_t.shape)
    return _error(v_tm1, r_t, discount_t, v_t, stop_target_gradients).astype(dtype)


def sarsa(
    q_tm1: "Real[ArrayLike, '*B A']",
    a_tm1: "Int[ArrayLike, '*B']",
    r_t: "Real[ArrayLike, '*B']",
    discount_t: "Real[ArrayLike, '*B']",
    q_t: "Real[ArrayLike, '*B A']",
    a_t: "Int[ArrayLike, '*B']",
    stop_target_gradients: bool = True,
) -> "Float[Array, '*B']":
    """Returns the SARSA error: `r_t + discount_t q_t[a_t] - q_tm1[a_tm1]`.

    Rummery and Niranjan (1994), "On-line Q-learning using connectionist systems"; Sutton and Barto (2018), eq. 6.7.

    Args:
      q_tm1: Action values, `[*B, A]`.
      a_tm1: Actions taken, integers `[*B]`; one outside the `A` actions gives NaN.
      r_t: Rewards, `[*B]`.
      discount_t: Discounts, `[*B]` or a number.
      q_t: Action values of the next states, `[*B, A]`.
      a_t: Actions taken there, integers `[*B]`.
      stop_target_gradients: Whether gradients stop at the target.

    Returns:
      `[*B]`, in the dtype that the floating arguments promote to.

    Raises:
      TypeError: an action is not an integer, or another argument not real.
      ValueError: the shapes do not fit.

    Example:
      >>> import jax.numpy as jnp, rlax_like as rlax
      >>> q_tm1, q_t = jnp.array([1.0, 2.0]), jnp.array([3.0, 4.0])
      >>> rlax.sarsa(q_tm1, 0, 1.0, 0.5, q_t, 1)
      Array(2., dtype=float32)
    """
    name = "sarsa"
    dtype, (q_tm1, r_t, discount_t, q_t) = wide_reals(name, q_tm1=q_tm1, r_t=r_t, discount_t=discount_t, q_t=q_t)
    a_tm1, a_t = _checks.integers(name, a_tm1=a_tm1, a_t=a_t)
    _check_shapes(name, q_tm1, a_tm1, r_t, discount_t, q_t=q_t)
    _checks.same_shape(name, q_tm1.shape[:-1], "the batch of q_tm1", a_t=a_t.shape)
    return _error(_pick(q_tm1, a_tm1), r_t, discount_t, _pick(q_t, a_t), stop_target_gradients).astype(dtype)


def expected_sarsa(
    q_tm1: "Real[ArrayLike, '*B A']",
    a_tm1: "Int[ArrayLike, '*B']",
    r_t: "Real[ArrayLike, '*B']",
    discount_t: "Real[ArrayLike, '*B']",
    q_t: "Real[ArrayLike, '*B A']",
    probs_a_t: "Real[ArrayLike, '*B A']",
    stop_target_gradients: bool = True,
) -> "Float[Array, '*B']":
    """Returns the expected SARSA error: `r_t + discount_t Σ_a probs_a_t[a] q_t[a] - q_tm1[a_tm1]`.

    Van Seijen et al. (2009), "A theoretical and empirical analysis of expected Sarsa"; Sutton and Barto (2018),
    eq. 6.9.

    Args:
      q_tm1: Action values, `[*B, A]`.
      a_tm1: Actions taken, integers `[*B]`; one outside the `A` actions gives NaN.
      r_t: Rewards, `[*B]`.
      discount_t: Discounts, `[*B]` or a number.
      q_t: Action values of the next states, `[*B, A]`.
      probs_a_t: The probability of each action there, `[*B, A]`, of the same shape as `q_t`. An action of
        probability 0 does not count, even if its value is infinite.
      stop_target_gradients: Whether gradients stop at the target.

    Returns:
      `[*B]`, in the dtype that the floating arguments promote to.

    Raises:
      TypeError: an action is not an integer, or another argument not real.
      ValueError: the shapes do not fit.

    Example:
      >>> import jax.numpy as jnp, rlax_like as rlax
      >>> q_tm1, q_t = jnp.array([1.0, 2.0]), jnp.array([3.0, 5.0])
      >>> rlax.expected_sarsa(q_tm1, 0, 1.0, 0.5, q_t, jnp.array([0.5, 0.5]))
      Array(2., dtype=float32)
    """
    name = "expected_sarsa"
    dtype, (q_tm1, r_t, discount_t, q_t, probs_a_t) = wide_reals(
        name, q_tm1=q_tm1, r_t=r_t, discount_t=discount_t, q_t=q_t, probs_a_t=probs_a_t
    )
    (a_tm1,) = _checks.integers(name, a_tm1=a_tm1)
    _check_shapes(name, q_tm1, a_tm1, r_t, discount_t, q_t=q_t)
    _checks.same_shape(name, q_t.shape, "q_t", probs_a_t=probs_a_t.shape)
    v_t = expectation(probs_a_t, q_t)
    return _error(_pick(q_tm1, a_tm1), r_t, discount_t, v_t, stop_target_gradients).astype(dtype)


def q_learning(
    q_tm1: "Real[ArrayLike, '*B A']",
    a_tm1: "Int[ArrayLike, '*B']",
    r_t: "Real[ArrayLike, '*B']",
    discount_t: "Real[ArrayLike, '*B']",
    q_t: "Real[ArrayLike, '*B A']",
    stop_target_gradients: bool = True,
) -> "Float[Array, '*B']":
    """Returns the Q-learning error: `r_t + discount_t max_a q_t[a] - q_tm1[a_tm1]`.

    Watkins (1989), "Learning from delayed rewards"; Sutton and Barto (2018), eq. 6.8.

    Args:
      q_tm1: Action values, `[*B, A]`.
      a_tm1: Actions taken, integers `[*B]`; one outside the `A` actions gives NaN.
      r_t: Rewards, `[*B]`.
      discount_t: Discounts, `[*B]` or a number.
      q_t: Action values of the next states, `[*B, A]`.
      stop_target_gradients: Whether gradients stop at the target.

    Returns:
      `[*B]`, in the dtype that the floating arguments promote to.

    Raises:
      TypeError: an action is not an integer, or another argument not real.
      ValueError: the shapes do not fit.

    Example:
      >>> import jax.numpy as jnp, rlax_like as rlax
      >>> q_tm1, q_t = jnp.array([1.0, 2.0]), jnp.array([3.0, 4.0])
      >>> rlax.q_learning(q_tm1, 0, 1.0, 0.5, q_t)
      Array(2., dtype=float32)
    """
    name = "q_learning"
    dtype, (q_tm1, r_t, discount_t, q_t) = wide_reals(name, q_tm1=q_tm1, r_t=r_t, discount_t=discount_t, q_t=q_t)
    (a_tm1,) = _checks.integers(name, a_tm1=a_tm1)
    _check_shapes(name, q_tm1, a_tm1, r_t, discount_t, q_t=q_t)
    return _error(_pick(q_tm1, a_tm1), r_t, discount_t, jnp.max(q_t, axis=-1), stop_target_gradients).astype(dtype)


def double_q_learning(
    q_tm1: "Real[ArrayLike, '*B A']",
    a_tm1: "Int[ArrayLike, '*B']",
    r_t: "Real[ArrayLike, '*B']",
    discount_t: "Real[ArrayLike, '*B']",
    q_t_value: "Real[ArrayLike, '*B A']",
    q_t_selector: "Real[ArrayLike, '*B A']",
    stop_target_gradients: bool = True,
) -> "Float[Array, '*B']":
    """Returns the double Q-learning error: `r_t + discount_t q_t_value[argmax_a q_t_selector[a]] - q_tm1[a_tm1]`.

    One estimate picks the action, the other values it, so that noise does not raise the target. Van Hasselt (2010),
    "Double Q-learning"; van Hasselt et al. (2016), arXiv:1509.06461, eq. 4.

    Args:
      q_tm1: Action values, `[*B, A]`.
      a_tm1: Actions taken, integers `[*B]`; one outside the `A` actions gives NaN.
      r_t: Rewards, `[*B]`.
      discount_t: Discounts, `[*B]` or a number.
      q_t_value: Action values of the next states that the target takes its value from, `[*B, A]`.
      q_t_selector: Action values of the next states that pick the action, of the same shape.
      stop_target_gradients: Whether gradients stop at the target.

    Returns:
      `[*B]`, in the dtype that the floating arguments promote to.

    Raises:
      TypeError: an action is not an integer, or another argument not real.
      ValueError: the shapes do not fit.

    Example:
      >>> import jax.numpy as jnp, rlax_like as rlax
      >>> q_tm1, online, target = jnp.array([1.0, 2.0]), jnp.array([3.0, 4.0]), jnp.array([5.0, 2.0])
      >>> rlax.double_q_learning(q_tm1, 0, 1.0, 0.5, target, online)
      Array(1., dtype=float32)
    """
    name = "double_q_learning"
    dtype, (q_tm1, r_t, discount_t, q_t_value, q_t_selector) = wide_reals(
        name, q_tm1=q_tm1, r_t=r_t, discount_t=discount_t, q_t_value=q_t_value, q_t_selector=q_t_selector
    )
    (a_tm1,) = _checks.integers(name, a_tm1=a_tm1)
    _check_shapes(name, q_tm1, a_tm1, r_t, discount_t, q_t_value=q_t_value, q_t_selector=q_t_selector)
    _checks.same_shape(name, q_t_value.shape, "q_t_value", q_t_selector=q_t_selector.shape)
    v_t = _pick(q_t_value, jnp.argmax(q_t_selector, axis=-1))
    return _error(_pick(q_tm1, a_tm1), r_t, discount_t, v_t, stop_target_gradients).astype(dtype)


def persistent_q_learning(
    q_tm1: "Real[ArrayLike, '*B A']",
    a_tm1: "Int[ArrayLike, '*B']",
    r_t: "Real[ArrayLike, '*B']",
    discount_t: "Real[ArrayLike, '*B']",
    q_t: "Real[ArrayLike, '*B A']",
    action_gap_scale: "Real[ArrayLike, '*B']",
    stop_target_gradients: bool = True,
) -> "Float[Array, '*B']":
    """Returns the error of Q-learning in which the action is repeated with probability `c = action_gap_scale`.

    The target is `r_t + discount_t ((1 - c) max_a q_t[a] + c q_t[a_tm1])`. To count on repeating the action widens the
    gap between the best action and the others and leaves the best one best. Bellemare et al. (2016), "Increasing the
    action gap", arXiv:1512.04860, section 4.

    Args:
      q_tm1: Action values, `[*B, A]`.
      a_tm1: Actions taken, integers `[*B]`; one outside the `A` actions gives NaN.
      r_t: Rewards, `[*B]`.
      discount_t: Discounts, `[*B]` or a number.
      q_t: Action values of the next states, of the same shape as `q_tm1`.
      action_gap_scale: The share of repeating, in [0, 1], `[*B]` or a number; 0 is Q-learning. A traced one is not
        checked.
      stop_target_gradients: Whether gradients stop at the target.

    Returns:
      `[*B]`, in the dtype that the floating arguments promote to.

    Raises:
      TypeError: an action is not an integer, or another argument not real.
      ValueError: the shapes do not fit, or `action_gap_scale` is outside [0, 1].

    Example:
      >>> import jax.numpy as jnp, rlax_like as rlax
      >>> q_tm1, q_t = jnp.array([1.0, 2.0]), jnp.array([2.0, 4.0])
      >>> rlax.persistent_q_learning(q_tm1, 0, 1.0, 0.5, q_t, 0.5)
      Array(1.5, dtype=float32)
    """
    name = "persistent_q_learning"
    _checks.share(name, action_gap_scale=action_gap_scale)
    dtype, (q_tm1, r_t, discount_t, q_t, scale) = wide_reals(
        name, q_tm1=q_tm1, r_t=r_t, discount_t=discount_t, q_t=q_t, action_gap_scale=action_gap_scale
    )
    (a_tm1,) = _checks.integers(name, a_tm1=a_tm1)
    _check_shapes(name, q_tm1, a_tm1, r_t, discount_t, q_t=q_t)
    _checks.same_shape(name, q_tm1.shape, "q_tm1", q_t=q_t.shape)
    batch, like = q_tm1.shape[:-1], "the batch of q_tm1"
    _checks.same_shape(name, batch, like, scalars=True, action_gap_scale=scale.shape)
    v_t = (1 - scale) * jnp.max(q_t, axis=-1) + weighted(scale, _pick(q_t, a_tm1))
    return _error(_pick(q_tm1, a_tm1), r_t, discount_t, v_t, stop_target_gradients).astype(dtype)


def _error(
    prediction: jax.Array, r_t: jax.Array, discount_t: jax.Array, v_t: jax.Array, stop_target_gradients: bool
) -> jax.Array:
    return stop_gradient_if(stop_target_gradients, r_t + discount_t * v_t) - prediction


def _check_shapes(
    name: str, q_tm1: jax.Array, a_tm1: jax.Array, r_t: jax.Array, discount_t: jax.Array, **next_values: jax.Array
) -> None:
    """Checks what all functions of action values have in common: q `[*B, A]`, the rest `[*B]`."""
    _checks.per_action(name, q_tm1=q_tm1)
    batch, like = q_tm1.shape[:-1], "the batch of q_tm1"
    _checks.same_shape(name, batch, like, a_tm1=a_tm1.shape, r_t=r_t.shape)
    _checks.same_shape(name, batch, like, scalars=True, discount_t=discount_t.shape)
    _checks.per_action(name, batch, "q_tm1", **next_values)
