"""Returns of values that are learned under a transform, by the transformed Bellman operator.

What is given as a value, and what is returned, is `tx_pair.apply` of the value. Rewards are as they are: the values are
brought back by `tx_pair.apply_inv`, the return is formed, and transformed. Van Hasselt et al. (2019), "General
non-linear Bellman equations", arXiv:1907.03687; Pohlen et al. (2018), "Observe and look further: achieving consistent
performance on Atari", arXiv:1805.11593.

Arguments are `[T, *B]`, time first, and `[T, *B, A]` where there is one value per action. See `returns` for what the
steps, terminations and truncations are.
"""

from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp

from rlax_like import _sequences
from rlax_like._gradients import stop_gradient_if
from rlax_like.off_policy import _returns_from_action_values
from rlax_like.recurrence import given, solve
from rlax_like.retrace_td import _coefficients
from rlax_like.returns import _lambda_returns, _n_step_returns
from rlax_like.tx_pairs import _ASCENDING, IDENTITY_PAIR, TxPair

if TYPE_CHECKING:
    from jaxtyping import Array, ArrayLike, Bool, Float, Int, Real


def transformed_lambda_returns(
    tx_pair: TxPair,
    r_t: "Real[ArrayLike, 'T *B']",
    discount_t: "Real[ArrayLike, 'T *B']",
    v_t: "Real[ArrayLike, 'T *B']",
    lambda_: "Real[ArrayLike, 'T *B']" = 1.0,
    stop_target_gradients: bool = False,
    *,
    truncated_t: "Bool[ArrayLike, 'T *B'] | None" = None,
) -> "Float[Array, 'T *B']":
    """Returns `apply(G_t)`, with G_t the `lambda_returns` of the values `apply_inv(v_t)`.

    Args:
      tx_pair: The transform. One that makes distributions of values adds an axis to `v_t` and to the result.
      r_t: Rewards, `[T, *B]`.
      discount_t: Discounts, `[T, *B]` or a number.
      v_t: Transformed values of the states reached, `[T, *B]`.
      lambda_: As in `lambda_returns`: a number, `[T]` or `[T, *B]`.
      stop_target_gradients: Whether gradients stop at the returns.
      truncated_t: Booleans, `[T, *B]`: where an episode was cut after the step. None for nowhere.

    Returns:
      `[T, *B]`, in the dtype that the floating arguments promote to.

    Raises:
      TypeError: an argument is not real, or `truncated_t` not boolean.
      ValueError: the shapes do not fit, or there is no step.

    Example:
      >>> import jax.numpy as jnp, rlax_like as rlax
      >>> pair = rlax.TxPair(jnp.sqrt, jnp.square)
      >>> rlax.transformed_lambda_returns(pair, jnp.array([1.0, 2.0]), 0.5, jnp.array([2.0, 4.0]), 0.0)
      Array([1.7320508, 3.1622777], dtype=float32)
    """
    name = "transformed_lambda_returns"
    dtype, (r_t, discount_t, v_t, lambda_) = _sequences.reals(
        name, r_t=r_t, discount_t=discount_t, v_t=v_t, lambda_=lambda_
    )
    returns = _lambda_returns(name, r_t, discount_t, tx_pair.apply_inv(v_t), lambda_, truncated_t)
    return stop_gradient_if(stop_target_gradients, tx_pair.apply(returns)).astype(dtype)


def transformed_n_step_returns(
    tx_pair: TxPair,
    r_t: "Real[ArrayLike, 'T *B']",
    discount_t: "Real[ArrayLike, 'T *B']",
    v_t: "Real[ArrayLike, 'T *B']",
    n: int,
    lambda_t: "Real[ArrayLike, 'T *B']" = 1.0,
    stop_target_gradients: bool = False,
    *,
    truncated_t: "Bool[ArrayLike, 'T *B'] | None" = None,
) -> "Float[Array, 'T *B']":
    """Returns `apply(G_t)`, with G_t the `n_step_bootstrapped_returns` of the values `apply_inv(v_t)`.

    Args:
      tx_pair: The transform. One that makes distributions of values adds an axis to `v_t` and to the result.
      r_t: Rewards, `[T, *B]`.
      discount_t: Discounts, `[T, *B]` or a number.
      v_t: Transformed values of the states reached, `[T, *B]`.
      n: The number of steps, at least 1.
      lambda_t: As in `lambda_returns`: a number, `[T]` or `[T, *B]`.
      stop_target_gradients: Whether gradients stop at the returns.
      truncated_t: Booleans, `[T, *B]`: where an episode was cut after the step. None for nowhere.

    Returns:
      `[T, *B]`, in the dtype that the floating arguments promote to.

    Raises:
      TypeError: an argument is not real, or `truncated_t` not boolean, or `n` not an integer.
      ValueError: the shapes do not fit, there is no step, or `n` is less than 1.

    Example:
      >>> import jax.numpy as jnp, rlax_like as rlax
      >>> pair = rlax.TxPair(jnp.sqrt, jnp.square)
      >>> rlax.transformed_n_step_returns(pair, jnp.array([1.0, 2.0]), 0.5, jnp.array([2.0, 4.0]), n=2)
      Array([2.4494898, 3.1622777], dtype=float32)
    """
    name = "transformed_n_step_returns"
    dtype, arrays = _sequences.reals(name, r_t=r_t, discount_t=discount_t, v_t=v_t, lambda_t=lambda_t)
    r_t, discount_t, v_t, lambda_t = arrays
    returns = _n_step_returns(name, r_t, discount_t, tx_pair.apply_inv(v_t), n, lambda_t, truncated_t)
    return stop_gradient_if(stop_target_gradients, tx_pair.apply(returns)).astype(dtype)


def transformed_general_off_policy_returns_from_action_values(
    tx_pair: TxPair,
    q_t: "Real[ArrayLike, 'T *B A']",
    a_t: "Int[ArrayLike, 'T *B']",
    r_t: "Real[ArrayLike, 'T *B']",
    discount_t: "Real[ArrayLike, 'T *B']",
    c_t: "Real[ArrayLike, 'T *B']",
    pi_t: "Real[ArrayLike, 'T *B A']",
    stop_target_gradients: bool = False,
    *,
    truncated_t: "Bool[ArrayLike, 'T *B'] | None" = None,
) -> "Float[Array, 'T *B']":
    """Returns `apply(G_t)`, G_t the `general_off_policy_returns_from_action_values` of the values `apply_inv(q_t)`.

    Args:
      tx_pair: The transform. One that makes distributions of values adds an axis to `q_t` and to the result.
      q_t: Transformed action values of the states reached, `[T, *B, A]`.
      a_t: Actions taken there, integers `[T, *B]`; one outside the `A` actions gives NaN.
      r_t: Rewards, `[T, *B]`.
      discount_t: Discounts, `[T, *B]` or a number.
      c_t: Traces, a number, `[T]` or `[T, *B]`; the last one does not count.
      pi_t: The probability of each action in the states reached, under the policy that is judged, `[T, *B, A]`. An
        action of probability 0 does not count, even if its value is infinite.
      stop_target_gradients: Whether gradients stop at the returns.
      truncated_t: Booleans, `[T, *B]`: where an episode was cut after the step. None for nowhere.

    Returns:
      `[T, *B]`, in the dtype that the floating arguments promote to.

    Raises:
      TypeError: an action is not an integer, another argument not real, or `truncated_t` not boolean.
      ValueError: the shapes do not fit, or there is no step.

    Example:
      >>> import jax.numpy as jnp, rlax_like as rlax
      >>> pair = rlax.TxPair(jnp.sqrt, jnp.square)
      >>> q_t, pi_t = jnp.array([[2.0, 4.0]]), jnp.array([[0.5, 0.5]])
      >>> rlax.transformed_general_off_policy_returns_from_action_values(
      ...     pair, q_t, jnp.array([0]), jnp.array([4.0]), 0.5, 1.0, pi_t
      ... )
      Array([3.], dtype=float32)
    """
    name = "transformed_general_off_policy_returns_from_action_values"
    dtype, arrays = _sequences.reals(name, q_t=q_t, r_t=r_t, discount_t=discount_t, c_t=c_t, pi_t=pi_t)
    q_t, r_t, discount_t, c_t, pi_t = arrays
    values = tx_pair.apply_inv(q_t)
    returns = _returns_from_action_values(name, a_t, values, r_t, discount_t, c_t, pi_t, truncated_t)
    return stop_gradient_if(stop_target_gradients, tx_pair.apply(returns)).astype(dtype)


def transformed_n_step_q_learning(
    q_tm1: "Real[ArrayLike, 'T *B A']",
    a_tm1: "Int[ArrayLike, 'T *B']",
    target_q_t: "Real[ArrayLike, 'T *B A']",
    a_t: "Int[ArrayLike, 'T *B']",
    r_t: "Real[ArrayLike, 'T *B']",
    discount_t: "Real[ArrayLike, 'T *B']",
    n: int,
    stop_target_gradients: bool = True,
    tx_pair: TxPair = IDENTITY_PAIR,
    *,
    truncated_t: "Bool[ArrayLike, 'T *B'] | None" = None,
) -> "Float[Array, 'T *B']":
    """Returns the errors `apply(G_t) - q_tm1[a_tm1]`, with G_t the n-step returns of `apply_inv(target_q_t[a_t])`.

    Double Q-learning, if `a_t` are the best actions by the values that are learned, and `target_q_t` are those of a
    target network. Kapturowski et al. (2019), "Recurrent experience replay in distributed reinforcement learning",
    section 2.3.

    Args:
      q_tm1: Transformed action values of the states left, `[T, *B, A]`.
      a_tm1: Actions taken there, integers `[T, *B]`; one outside the `A` actions gives NaN.
      target_q_t: Transformed action values of the states reached, `[T, *B, A]`.
      a_t: Actions whose values count there, integers `[T, *B]`.
      r_t: Rewards, `[T, *B]`.
      discount_t: Discounts, `[T, *B]` or a number.
      n: The number of steps, at least 1.
      stop_target_gradients: Whether gradients stop at the target.
      tx_pair: The transform, which keeps the shape.
      truncated_t: Booleans, `[T, *B]`: where an episode was cut after the step. None for nowhere.

    Returns:
      `[T, *B]`, in the dtype that the floating arguments promote to.

    Raises:
      TypeError: an action is not an integer, another argument not real, or `truncated_t` not boolean.
      ValueError: the shapes do not fit, there is no step, `n` is less than 1, or the transform adds an axis.

    Example:
      >>> import jax.numpy as jnp, rlax_like as rlax
      >>> pair = rlax.TxPair(jnp.sqrt, jnp.square)
      >>> q, a = jnp.array([[2.0, 4.0], [4.0, 2.0]]), jnp.array([1, 0])
      >>> rlax.transformed_n_step_q_learning(q, a, q, a, jnp.array([1.0, 8.0]), 0.5, n=2, tx_pair=pair)
      Array([-1., 0.], dtype=float32)
    """
    name = "transformed_n_step_q_learning"
    dtype, arrays = _sequences.reals(name, q_tm1=q_tm1, target_q_t=target_q_t, r_t=r_t, discount_t=discount_t)
    q_tm1, target_q_t, r_t, discount_t = arrays
    q_a_tm1 = _sequences.taken(name, r_t, q_tm1=q_tm1, a_tm1=a_tm1)
    v_t = tx_pair.apply_inv(_sequences.taken(name, r_t, target_q_t=target_q_t, a_t=a_t))
    returns = _n_step_returns(name, r_t, discount_t, v_t, n, jnp.ones((), r_t.dtype), truncated_t)
    return _errors(name, tx_pair, returns, q_a_tm1, stop_target_gradients).astype(dtype)


def transformed_q_lambda(
    q_tm1: "Real[ArrayLike, 'T *B A']",
    a_tm1: "Int[ArrayLike, 'T *B']",
    r_t: "Real[ArrayLike, 'T *B']",
    discount_t: "Real[ArrayLike, 'T *B']",
    q_t: "Real[ArrayLike, 'T *B A']",
    lambda_: "Real[ArrayLike, 'T *B']",
    stop_target_gradients: bool = True,
    tx_pair: TxPair = IDENTITY_PAIR,
    *,
    truncated_t: "Bool[ArrayLike, 'T *B'] | None" = None,
) -> "Float[Array, 'T *B']":
    """Returns the errors `apply(G_t) - q_tm1[a_tm1]`, with G_t the lambda-returns of `max_a apply_inv(q_t[a])`.

    Args:
      q_tm1: Transformed action values of the states left, `[T, *B, A]`.
      a_tm1: Actions taken there, integers `[T, *B]`; one outside the `A` actions gives NaN.
      r_t: Rewards, `[T, *B]`.
      discount_t: Discounts, `[T, *B]` or a number.
      q_t: Transformed action values of the states reached, `[T, *B, A]`.
      lambda_: As in `lambda_returns`: a number, `[T]` or `[T, *B]`.
      stop_target_gradients: Whether gradients stop at the target.
      tx_pair: The transform, which keeps the shape.
      truncated_t: Booleans, `[T, *B]`: where an episode was cut after the step. None for nowhere.

    Returns:
      `[T, *B]`, in the dtype that the floating arguments promote to.

    Raises:
      TypeError: an action is not an integer, another argument not real, or `truncated_t` not boolean.
      ValueError: the shapes do not fit, there is no step, or the transform adds an axis.

    Example:
      >>> import jax.numpy as jnp, rlax_like as rlax
      >>> pair = rlax.TxPair(jnp.sqrt, jnp.square)
      >>> q, a = jnp.array([[2.0, 4.0]]), jnp.array([0])
      >>> rlax.transformed_q_lambda(q, a, jnp.array([1.0]), 0.5, q, lambda_=0.5, tx_pair=pair)
      Array([1.], dtype=float32)
    """
    name = "transformed_q_lambda"
    dtype, arrays = _sequences.reals(name, q_tm1=q_tm1, r_t=r_t, discount_t=discount_t, q_t=q_t, lambda_=lambda_)
    q_tm1, r_t, discount_t, q_t, lambda_ = arrays
    q_a_tm1 = _sequences.taken(name, r_t, q_tm1=q_tm1, a_tm1=a_tm1)
    _sequences.fit(name, r_t=(r_t, "T *B"), q_t=(q_t, "T *B A"))
    if tx_pair in _ASCENDING:  # One inverse instead of one per action.
        v_t = tx_pair.apply_inv(jnp.max(q_t, axis=-1))
    else:
        v_t = jnp.max(tx_pair.apply_inv(q_t), axis=-1)
    returns = _lambda_returns(name, r_t, discount_t, v_t, lambda_, truncated_t)
    return _errors(name, tx_pair, returns, q_a_tm1, stop_target_gradients).astype(dtype)


def transformed_retrace(
    q_tm1: "Real[ArrayLike, 'T *B A']",
    q_t: "Real[ArrayLike, 'T *B A']",
    a_tm1: "Int[ArrayLike, 'T *B']",
    a_t: "Int[ArrayLike, 'T *B']",
    r_t: "Real[ArrayLike, 'T *B']",
    discount_t: "Real[ArrayLike, 'T *B']",
    pi_t: "Real[ArrayLike, 'T *B A']",
    mu_t: "Real[ArrayLike, 'T *B']",
    lambda_: "Real[ArrayLike, 'T *B']",
    eps: "Real[ArrayLike, '']" = 1e-8,
    stop_target_gradients: bool = True,
    tx_pair: TxPair = IDENTITY_PAIR,
    *,
    truncated_t: "Bool[ArrayLike, 'T *B'] | None" = None,
) -> "Float[Array, 'T *B']":
    """Returns the errors `apply(G_t) - q_tm1[a_tm1]`, with G_t the targets of `retrace` for `apply_inv(q_t)`.

    Args:
      q_tm1: Transformed action values of the states left, `[T, *B, A]`.
      q_t: Transformed action values of the states reached, `[T, *B, A]`.
      a_tm1: Actions taken in the states left, integers `[T, *B]`; one outside the `A` actions gives NaN.
      a_t: Actions taken in the states reached, integers `[T, *B]`.
      r_t: Rewards, `[T, *B]`.
      discount_t: Discounts, `[T, *B]` or a number.
      pi_t: The probability of each action in the states reached, under the policy that is judged, `[T, *B, A]`. An
        action of probability 0 does not count, even if its value is infinite.
      mu_t: The probability of `a_t` under the policy that took it, `[T, *B]`.
      lambda_: As in `retrace`: a number, `[T]` or `[T, *B]`.
      eps: What is added to `mu_t`, so that a probability of 0 is no division by it.
      stop_target_gradients: Whether gradients stop at the target.
      tx_pair: The transform, which keeps the shape.
      truncated_t: Booleans, `[T, *B]`: where an episode was cut after the step. None for nowhere.

    Returns:
      `[T, *B]`, in the dtype that the floating arguments promote to.

    Raises:
      TypeError: an action is not an integer, another argument not real, or `truncated_t` not boolean.
      ValueError: the shapes do not fit, there is no step, or the transform adds an axis.

    Example:
      >>> import jax.numpy as jnp, rlax_like as rlax
      >>> pair = rlax.TxPair(jnp.sqrt, jnp.square)
      >>> q, a, pi_t = jnp.array([[2.0, 4.0]]), jnp.array([0]), jnp.array([[0.5, 0.5]])
      >>> rlax.transformed_retrace(q, q, a, a, jnp.array([4.0]), 0.5, pi_t, jnp.array([1.0]), 1.0, tx_pair=pair)
      Array([1.], dtype=float32)
    """
    name = "transformed_retrace"
    dtype, arrays = _sequences.reals(
        name, q_tm1=q_tm1, q_t=q_t, r_t=r_t, discount_t=discount_t, pi_t=pi_t, mu_t=mu_t, lambda_=lambda_, eps=eps
    )
    q_tm1, q_t, r_t, discount_t, pi_t, mu_t, lambda_, eps = arrays
    q_a_tm1 = _sequences.taken(name, r_t, q_tm1=q_tm1, a_tm1=a_tm1)
    values = tx_pair.apply_inv(q_t)
    steps = _coefficients(name, a_t, values, r_t, discount_t, pi_t, mu_t, lambda_, eps, truncated_t)
    return _errors(name, tx_pair, solve(given, steps), q_a_tm1, stop_target_gradients).astype(dtype)


def _errors(
    name: str, tx_pair: TxPair, returns: jax.Array, predictions: jax.Array, stop_target_gradients: bool
) -> jax.Array:
    targets = tx_pair.apply(returns)
    if targets.shape != predictions.shape:
        raise ValueError(
            f"{name}: tx_pair makes targets of shape {targets.shape}, expected {predictions.shape} like the "
            f"predictions. For distributions over bins, take transformed_lambda_returns and a cross-entropy."
        )
    return stop_gradient_if(stop_target_gradients, targets) - predictions
