"""Temporal-difference errors whose target is a lambda-return: TD(lambda), SARSA(lambda), Q(lambda).

Arguments are `[T, *B]`, time first, and `[T, *B, A]` where there is one value per action. See `returns` for what the
steps, terminations and truncations are.
"""

from typing import TYPE_CHECKING

import jax.numpy as jnp

from rlax_like import _sequences
from rlax_like.returns import _lambda_errors

if TYPE_CHECKING:
    from jaxtyping import Array, ArrayLike, Bool, Float, Int, Real


def td_lambda(
    v_tm1: "Real[ArrayLike, 'T *B']",
    r_t: "Real[ArrayLike, 'T *B']",
    discount_t: "Real[ArrayLike, 'T *B']",
    v_t: "Real[ArrayLike, 'T *B']",
    lambda_: "Real[ArrayLike, 'T *B']",
    stop_target_gradients: bool = True,
    *,
    truncated_t: "Bool[ArrayLike, 'T *B'] | None" = None,
) -> "Float[Array, 'T *B']":
    """Returns the TD(lambda) errors of state values: `G_t - v_tm1`, with G_t the lambda-return.

    Sutton (1988), "Learning to predict by the methods of temporal differences"; Sutton and Barto (2018), eq. 12.4.

    Args:
      v_tm1: Values of the states left, `[T, *B]`.
      r_t: Rewards, `[T, *B]`.
      discount_t: Discounts, `[T, *B]` or a number.
      v_t: Values of the states reached, `[T, *B]`.
      lambda_: As in `lambda_returns`: a number, `[T]` or `[T, *B]`.
      stop_target_gradients: Whether gradients stop at the target.
      truncated_t: Booleans, `[T, *B]`: where an episode was cut after the step. None for nowhere.

    Returns:
      `[T, *B]`, in the dtype that the floating arguments promote to.

    Raises:
      TypeError: an argument is not real, or `truncated_t` not boolean.
      ValueError: the shapes do not fit, or there is no step.

    Example:
      >>> import jax.numpy as jnp, rlax_like as rlax
      >>> v_tm1, r_t, v_t = jnp.array([2.0, 4.0]), jnp.array([1.0, 2.0]), jnp.array([4.0, 8.0])
      >>> rlax.td_lambda(v_tm1, r_t, 0.5, v_t, lambda_=0.5)
      Array([1.5, 2. ], dtype=float32)
    """
    name = "td_lambda"
    dtype, arrays = _sequences.narrow_reals(name, v_tm1=v_tm1, r_t=r_t, discount_t=discount_t, v_t=v_t, lambda_=lambda_)
    v_tm1, r_t, discount_t, v_t, lambda_ = arrays
    _sequences.fit(name, r_t=(r_t, "T *B"), v_tm1=(v_tm1, "T *B"))
    errors = _lambda_errors(name, v_tm1, r_t, discount_t, v_t, lambda_, truncated_t, stop_target_gradients)
    return errors.astype(dtype)


def sarsa_lambda(
    q_tm1: "Real[ArrayLike, 'T *B A']",
    a_tm1: "Int[ArrayLike, 'T *B']",
    r_t: "Real[ArrayLike, 'T *B']",
    discount_t: "Real[ArrayLike, 'T *B']",
    q_t: "Real[ArrayLike, 'T *B A']",
    a_t: "Int[ArrayLike, 'T *B']",
    lambda_: "Real[ArrayLike, 'T *B']",
    stop_target_gradients: bool = True,
    *,
    truncated_t: "Bool[ArrayLike, 'T *B'] | None" = None,
) -> "Float[Array, 'T *B']":
    """Returns the SARSA(lambda) errors: `G_t - q_tm1[a_tm1]`, with G_t the lambda-return of the values `q_t[a_t]`.

    Rummery and Niranjan (1994), "On-line Q-learning using connectionist systems"; Sutton and Barto (2018), section
    12.7.

    Args:
      q_tm1: Action values of the states left, `[T, *B, A]`.
      a_tm1: Actions taken there, integers `[T, *B]`; one outside the `A` actions gives NaN.
      r_t: Rewards, `[T, *B]`.
      discount_t: Discounts, `[T, *B]` or a number.
      q_t: Action values of the states reached, `[T, *B, A]`.
      a_t: Actions taken there, integers `[T, *B]`.
      lambda_: As in `lambda_returns`: a number, `[T]` or `[T, *B]`.
      stop_target_gradients: Whether gradients stop at the target.
      truncated_t: Booleans, `[T, *B]`: where an episode was cut after the step. None for nowhere.

    Returns:
      `[T, *B]`, in the dtype that the floating arguments promote to.

    Raises:
      TypeError: an action is not an integer, another argument not real, or `truncated_t` not boolean.
      ValueError: the shapes do not fit, or there is no step.

    Example:
      >>> import jax.numpy as jnp, rlax_like as rlax
      >>> q_tm1, q_t = jnp.array([[2.0, 0.0], [4.0, 0.0]]), jnp.array([[0.0, 4.0], [0.0, 8.0]])
      >>> rlax.sarsa_lambda(q_tm1, jnp.array([0, 0]), jnp.array([1.0, 2.0]), 0.5, q_t, jnp.array([1, 1]), lambda_=0.5)
      Array([1.5, 2. ], dtype=float32)
    """
    name = "sarsa_lambda"
    dtype, arrays = _sequences.reals(name, q_tm1=q_tm1, r_t=r_t, discount_t=discount_t, q_t=q_t, lambda_=lambda_)
    q_tm1, r_t, discount_t, q_t, lambda_ = arrays
    q_a_tm1 = _sequences.taken(name, r_t, q_tm1=q_tm1, a_tm1=a_tm1)
    q_a_t = _sequences.taken(name, r_t, q_t=q_t, a_t=a_t)
    errors = _lambda_errors(name, q_a_tm1, r_t, discount_t, q_a_t, lambda_, truncated_t, stop_target_gradients)
    return errors.astype(dtype)


def q_lambda(
    q_tm1: "Real[ArrayLike, 'T *B A']",
    a_tm1: "Int[ArrayLike, 'T *B']",
    r_t: "Real[ArrayLike, 'T *B']",
    discount_t: "Real[ArrayLike, 'T *B']",
    q_t: "Real[ArrayLike, 'T *B A']",
    lambda_: "Real[ArrayLike, 'T *B']",
    stop_target_gradients: bool = True,
    *,
    truncated_t: "Bool[ArrayLike, 'T *B'] | None" = None,
) -> "Float[Array, 'T *B']":
    """Returns the errors of Peng's Q(lambda): `G_t - q_tm1[a_tm1]`, with G_t the lambda-return of `max_a q_t[a]`.

    The trace does not end where the action taken was not the best one; for that, let `lambda_` be 0 there. Peng and
    Williams (1994), "Incremental multi-step Q-learning"; Sutton and Barto (2018), section 12.10.

    Args:
      q_tm1: Action values of the states left, `[T, *B, A]`.
      a_tm1: Actions taken there, integers `[T, *B]`; one outside the `A` actions gives NaN.
      r_t: Rewards, `[T, *B]`.
      discount_t: Discounts, `[T, *B]` or a number.
      q_t: Action values of the states reached, `[T, *B, A]`.
      lambda_: As in `lambda_returns`: a number, `[T]` or `[T, *B]`.
      stop_target_gradients: Whether gradients stop at the target.
      truncated_t: Booleans, `[T, *B]`: where an episode was cut after the step. None for nowhere.

    Returns:
      `[T, *B]`, in the dtype that the floating arguments promote to.

    Raises:
      TypeError: an action is not an integer, another argument not real, or `truncated_t` not boolean.
      ValueError: the shapes do not fit, or there is no step.

    Example:
      >>> import jax.numpy as jnp, rlax_like as rlax
      >>> q_tm1, q_t = jnp.array([[2.0, 0.0], [4.0, 0.0]]), jnp.array([[0.0, 4.0], [0.0, 8.0]])
      >>> rlax.q_lambda(q_tm1, jnp.array([0, 0]), jnp.array([1.0, 2.0]), 0.5, q_t, lambda_=0.5)
      Array([1.5, 2. ], dtype=float32)
    """
    name = "q_lambda"
    dtype, arrays = _sequences.reals(name, q_tm1=q_tm1, r_t=r_t, discount_t=discount_t, q_t=q_t, lambda_=lambda_)
    q_tm1, r_t, discount_t, q_t, lambda_ = arrays
    q_a_tm1 = _sequences.taken(name, r_t, q_tm1=q_tm1, a_tm1=a_tm1)
    _sequences.fit(name, r_t=(r_t, "T *B"), q_t=(q_t, "T *B A"))
    v_t = jnp.max(q_t, axis=-1)
    errors = _lambda_errors(name, q_a_tm1, r_t, discount_t, v_t, lambda_, truncated_t, stop_target_gradients)
    return errors.astype(dtype)
