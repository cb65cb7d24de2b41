"""Errors of the QV family, which learns state values and action values side by side, one step at a time."""

from typing import TYPE_CHECKING

import jax.numpy as jnp

from rlax_like import _checks
from rlax_like._precision import wide_reals
from rlax_like.indexing import _pick
from rlax_like.value_learning import _check_shapes, _error

if TYPE_CHECKING:
    from jaxtyping import Array, ArrayLike, Float, Int, Real


def qv_learning(
    q_tm1: "Real[ArrayLike, '*B A']",
    a_tm1: "Int[ArrayLike, '*B']",
    r_t: "Real[ArrayLike, '*B']",
    discount_t: "Real[ArrayLike, '*B']",
    v_t: "Real[ArrayLike, '*B']",
    stop_target_gradients: bool = True,
) -> "Float[Array, '*B']":
    """Returns the error of action values that bootstrap from state values: `r_t + discount_t v_t - q_tm1[a_tm1]`.

    Wiering (2005), "QV(lambda)-learning: a new on-policy reinforcement learning algorithm"; Wiering and van Hasselt
    (2009), "The QV family compared to other reinforcement learning algorithms".

    Args:
      q_tm1: Action values, `[*B, A]`.
      a_tm1: Actions taken, integers `[*B]`; one outside the `A` actions gives NaN.
      r_t: Rewards, `[*B]`.
      discount_t: Discounts, `[*B]` or a number.
      v_t: Values of the next states, `[*B]`.
      stop_target_gradients: Whether gradients stop at the target.

    Returns:
      `[*B]`, in the dtype that the floating arguments promote to.

    Raises:
      TypeError: an action is not an integer, or another argument not real.
      ValueError: the shapes do not fit.

    Example:
      >>> import jax.numpy as jnp, rlax_like as rlax
      >>> rlax.qv_learning(jnp.array([1.0, 2.0]), 0, 1.0, 0.5, 3.0)
      Array(1.5, dtype=float32)
    """
    name = "qv_learning"
    dtype, (q_tm1, r_t, discount_t, v_t) = wide_reals(name, q_tm1=q_tm1, r_t=r_t, discount_t=discount_t, v_t=v_t)
    (a_tm1,) = _checks.integers(name, a_tm1=a_tm1)
    _check_shapes(name, q_tm1, a_tm1, r_t, discount_t)
    _checks.same_shape(name, q_tm1.shape[:-1], "the batch of q_tm1", v_t=v_t.shape)
    return _error(_pick(q_tm1, a_tm1), r_t, discount_t, v_t, stop_target_gradients).astype(dtype)


def qv_max(
    v_tm1: "Real[ArrayLike, '*B']",
    r_t: "Real[ArrayLike, '*B']",
    discount_t: "Real[ArrayLike, '*B']",
    q_t: "Real[ArrayLike, '*B A']",
    stop_target_gradients: bool = True,
) -> "Float[Array, '*B']":
    """Returns the error of state values that bootstrap from the best action: `r_t + discount_t max_a q_t[a] - v_tm1`.

    Wiering and van Hasselt (2009), "The QV family compared to other reinforcement learning algorithms".

    Args:
      v_tm1: State values, `[*B]`.
      r_t: Rewards, `[*B]`.
      discount_t: Discounts, `[*B]` or a number.
      q_t: Action values of the next states, `[*B, A]`.
      stop_target_gradients: Whether gradients stop at the target.

    Returns:
      `[*B]`, in the dtype that the floating arguments promote to.

    Raises:
      TypeError: an argument is not real.
      ValueError: the shapes do not fit.

    Example:
      >>> import jax.numpy as jnp, rlax_like as rlax
      >>> rlax.qv_max(1.0, 1.0, 0.5, jnp.array([3.0, 4.0]))
      Array(2., dtype=float32)
    """
    name = "qv_max"
    dtype, (v_tm1, r_t, discount_t, q_t) = wide_reals(name, v_tm1=v_tm1, r_t=r_t, discount_t=discount_t, q_t=q_t)
    _checks.same_shape(name, v_tm1.shape, "v_tm1", r_t=r_t.shape)
    _checks.same_shape(name, v_tm1.shape, "v_tm1", scalars=True, discount_t=discount_t.shape)
    _checks.per_action(name, v_tm1.shape, "v_tm1", q_t=q_t)
    return _error(v_tm1, r_t, discount_t, jnp.max(q_t, axis=-1), stop_target_gradients).astype(dtype)
