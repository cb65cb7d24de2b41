"""Retrace(lambda): errors of action values whose target is an off-policy return with clipped importance ratios.

Arguments are `[T, *B]`, time first, and `[T, *B, A]` where there is one value or probability per action. See `returns`
for what the steps, terminations and truncations are.
"""

from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp

from rlax_like import _sequences
from rlax_like.indexing import _pick
from rlax_like.off_policy import _actions, _but_last, _inputs_but_last, _of_action_values, _step_but_last
from rlax_like.recurrence import along_time, given

if TYPE_CHECKING:
    from jaxtyping import Array, ArrayLike, Bool, Float, Int, Real


def retrace(
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
    *,
    truncated_t: "Bool[ArrayLike, 'T *B'] | None" = None,
) -> "Float[Array, 'T *B']":
    """Returns the errors of Retrace(lambda): `G_t - q_tm1[a_tm1]`, G_t with `c_t = lambda_ min(1, pi_t[a_t] / mu_t)`.

    G_t is that of `general_off_policy_returns_from_action_values`. Munos et al. (2016), "Safe and efficient off-policy
    reinforcement learning", arXiv:1606.02647, eq. 3 and table 1.

    Args:
      q_tm1: Action values of the states left, `[T, *B, A]`.
      q_t: Action values of the states reached, `[T, *B, A]`.
      a_tm1: Actions taken in the states left, integers `[T, *B]`; one outside the `A` actions gives NaN.
      a_t: Actions taken in the states reached, integers `[T, *B]`.
      r_t: Rewards, `[T, *B]`.
      discount_t: Discounts, `[T, *B]` or a number.
      pi_t: The probability of each action in the states reached, under the policy that is judged, `[T, *B, A]`. An
        action of probability 0 does not count, even if its value is infinite.
      mu_t: The probability of `a_t` under the policy that took it, `[T, *B]`.
      lambda_: From 0, the expected next value alone, to 1: a number, `[T]` or `[T, *B]`.
      eps: What is added to `mu_t`, so that a probability of 0 is no division by it.
      stop_target_gradients: Whether gradients stop at the target.
      truncated_t: Booleans, `[T, *B]`: where an episode was cut after the step. None for nowhere.

    Returns:
      `[T, *B]`, in the dtype that the floating arguments promote to.

    Raises:
      TypeError: an action is not an integer, another argument not real, or `truncated_t` not boolean.
      ValueError: the shapes do not fit, or there is no step.

    Example:
      >>> import jax.numpy as jnp, rlax_like as rlax
      >>> q_tm1, q_t = jnp.array([[1.0, 2.0], [2.0, 3.0]]), jnp.array([[2.0, 4.0], [4.0, 8.0]])
      >>> actions, r_t, mu_t = jnp.array([1, 0]), jnp.array([1.0, 2.0]), jnp.array([1.0, 0.5])
      >>> pi_t = jnp.array([[0.5, 0.5], [0.0, 1.0]])
      >>> rlax.retrace(q_tm1, q_t, actions, actions, r_t, 0.5, pi_t, mu_t, lambda_=1.0)
      Array([1., 4.], dtype=float32)
    """
    name = "retrace"
    dtype, arrays = _sequences.reals(
        name, q_tm1=q_tm1, q_t=q_t, r_t=r_t, discount_t=discount_t, pi_t=pi_t, mu_t=mu_t, lambda_=lambda_, eps=eps
    )
    q_tm1, q_t, r_t, discount_t, pi_t, mu_t, lambda_, eps = arrays
    q_a_tm1 = _sequences.taken(name, r_t, q_tm1=q_tm1, a_tm1=a_tm1)
    steps = _coefficients(name, a_t, q_t, r_t, discount_t, pi_t, mu_t, lambda_, eps, truncated_t)
    return _sequences.errors(given, steps, q_a_tm1, stop_target_gradients).astype(dtype)


def retrace_continuous(
    q_tm1: "Real[ArrayLike, 'T *B']",
    q_t: "Real[ArrayLike, 'T-1 *B']",
    v_t: "Real[ArrayLike, 'T *B']",
    r_t: "Real[ArrayLike, 'T *B']",
    discount_t: "Real[ArrayLike, 'T *B']",
    log_rhos: "Real[ArrayLike, 'T-1 *B']",
    lambda_: "Real[ArrayLike, 'T *B']",
    stop_target_gradients: bool = True,
    *,
    truncated_t: "Bool[ArrayLike, 'T *B'] | None" = None,
) -> "Float[Array, 'T *B']":
    """Returns the errors of Retrace(lambda) for any actions: `G_t - q_tm1`, G_t with `c_t = lambda_ min(1, rho_t)`.

    G_t is that of `general_off_policy_returns_from_q_and_v`, and `log_rhos` the logarithms of the ratios of the two
    policies' densities. Munos et al. (2016), "Safe and efficient off-policy reinforcement learning", arXiv:1606.02647,
    eq. 3 and table 1.

    Args:
      q_tm1: Values of the actions taken in the states left, `[T, *B]`.
      q_t: Values of the actions taken in the states reached, but for the last one, `[T - 1, *B]`.
      v_t: Values of the states reached, `[T, *B]`.
      r_t: Rewards, `[T, *B]`.
      discount_t: Discounts, `[T, *B]` or a number.
      log_rhos: log(pi / mu) of the actions of `q_t`, `[T - 1, *B]`; -inf for one that the policy never takes.
      lambda_: From 0, the next value alone, to 1: a number, `[T - 1]` or `[T - 1, *B]`, or the same with T, of which
        the last does not count.
      stop_target_gradients: Whether gradients stop at the target.
      truncated_t: Booleans, `[T, *B]`: where an episode was cut after the step. None for nowhere.

    Returns:
      `[T, *B]`, in the dtype that the floating arguments promote to.

    Raises:
      TypeError: an argument is not real, or `truncated_t` not boolean.
      ValueError: the shapes do not fit, or there is no step.

    Example:
      >>> import jax.numpy as jnp, rlax_like as rlax
      >>> q_tm1, q_t, v_t = jnp.array([2.0, 2.0]), jnp.array([4.0]), jnp.array([3.0, 8.0])
      >>> rlax.retrace_continuous(q_tm1, q_t, v_t, jnp.array([1.0, 2.0]), 0.5, jnp.log(jnp.array([0.5])), lambda_=1.0)
      Array([1., 4.], dtype=float32)
    """
    name = "retrace_continuous"
    dtype, arrays = _sequences.reals(
        name, q_tm1=q_tm1, q_t=q_t, v_t=v_t, r_t=r_t, discount_t=discount_t, log_rhos=log_rhos, lambda_=lambda_
    )
    q_tm1, q_t, v_t, r_t, discount_t, log_rhos, lambda_ = arrays
    (truncated_t,) = _sequences.booleans(name, truncated_t=truncated_t)
    _sequences.fit(
        name,
        r_t=(r_t, "T *B"),
        q_tm1=(q_tm1, "T *B"),
        v_t=(v_t, "T *B"),
        discount_t=(discount_t, "T *B|"),
        truncated_t=(truncated_t, "T *B"),
    )
    q_t, log_rhos = _but_last(name, r_t, q_t=q_t), _but_last(name, r_t, log_rhos=log_rhos)
    lambda_ = lambda_[:-1] if lambda_.shape in (r_t.shape[:1], r_t.shape) else lambda_
    lambda_ = _but_last(name, r_t, broadcast=True, lambda_=lambda_)
    # The exponential of the minimum, not the other way round, so that a large ratio does not overflow.
    c_t = lambda_ * jnp.exp(jnp.minimum(0, log_rhos))
    inputs = _inputs_but_last(r_t, discount_t, v_t, q_t, c_t, truncated_t)
    return _sequences.errors(_step_but_last, inputs, q_tm1, stop_target_gradients).astype(dtype)


def _coefficients(
    name: str,
    a_t: "Int[ArrayLike, 'T *B']",
    q_t: jax.Array,
    r_t: jax.Array,
    discount_t: jax.Array,
    pi_t: jax.Array,
    mu_t: jax.Array,
    lambda_: jax.Array,
    eps: jax.Array,
    truncated_t: "Bool[ArrayLike, 'T *B'] | None",
) -> tuple[jax.Array, jax.Array]:
    """The coefficients of the recurrence, given arrays that are arguments of the function of this name."""
    (truncated_t,) = _sequences.booleans(name, truncated_t=truncated_t)
    a_t = _actions(name, a_t, q_t, r_t, discount_t, pi_t, truncated_t)
    _sequences.fit(name, r_t=(r_t, "T *B"), mu_t=(mu_t, "T *B"), lambda_=(lambda_, "T *B|T|"), eps=(eps, ""))
    c_t = along_time(lambda_, r_t.ndim) * jnp.minimum(1, _pick(pi_t, a_t) / (mu_t + eps))
    return _of_action_values(r_t, discount_t, q_t, a_t, c_t, pi_t, truncated_t)
