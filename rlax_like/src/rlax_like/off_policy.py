"""Returns of one policy from the actions of another: traces `c_t` say how far to trust what the other one did.

Arguments are `[T, *B]`, time first, and `[T, *B, A]` where there is one value or probability per action. See `returns`
for what the steps, terminations and truncations are. The step `t` reaches a state in which `a_t` is the action taken
next: `c_t` weighs what that action led to.
"""

from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from rlax_like import _checks, _sequences
from rlax_like._gradients import stop_gradient_if
from rlax_like._sequences import cut
from rlax_like._weights import expectation, weighted
from rlax_like.indexing import _pick
from rlax_like.recurrence import Shifted, along_time, given, solve

if TYPE_CHECKING:
    from jaxtyping import Array, ArrayLike, Bool, Float, Int, Real


def general_off_policy_returns_from_action_values(
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
    """Returns `G_t = r_t + discount_t (Σ_a pi_t[a] q_t[a] + c_t (G_{t+1} - q_t[a_t]))`, of which the last has no trace.

    The choice of `c_t` makes it importance sampling, Q(lambda), tree backup or Retrace. Munos et al. (2016), "Safe and
    efficient off-policy reinforcement learning", arXiv:1606.02647, eq. 3.

    Args:
      q_t: Action values of the states reached, `[T, *B, A]`.
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
      >>> q_t, pi_t = jnp.array([[2.0, 4.0], [4.0, 8.0]]), jnp.array([[0.5, 0.5], [0.0, 1.0]])
      >>> a_t, r_t, c_t = jnp.array([1, 0]), jnp.array([1.0, 2.0]), jnp.array([0.5, 1.0])
      >>> rlax.general_off_policy_returns_from_action_values(q_t, a_t, r_t, 0.5, c_t, pi_t)
      Array([3., 6.], dtype=float32)
    """
    name = "general_off_policy_returns_from_action_values"
    dtype, arrays = _sequences.reals(name, q_t=q_t, r_t=r_t, discount_t=discount_t, c_t=c_t, pi_t=pi_t)
    returns = _returns_from_action_values(name, a_t, *arrays, truncated_t=truncated_t)
    return stop_gradient_if(stop_target_gradients, returns).astype(dtype)


def general_off_policy_returns_from_q_and_v(
    q_t: "Real[ArrayLike, 'T-1 *B']",
    v_t: "Real[ArrayLike, 'T *B']",
    r_t: "Real[ArrayLike, 'T *B']",
    discount_t: "Real[ArrayLike, 'T *B']",
    c_t: "Real[ArrayLike, 'T-1 *B']",
    stop_target_gradients: bool = False,
    *,
    truncated_t: "Bool[ArrayLike, 'T *B'] | None" = None,
) -> "Float[Array, 'T *B']":
    """Returns `G_t = r_t + discount_t (v_t + c_t (G_{t+1} - q_t))`, of which the last has no trace.

    Munos et al. (2016), "Safe and efficient off-policy reinforcement learning", arXiv:1606.02647, eq. 3.

    Args:
      q_t: Values of the actions taken in the states reached, but for the last one, `[T - 1, *B]`.
      v_t: Values of the states reached, `[T, *B]`.
      r_t: Rewards, `[T, *B]`.
      discount_t: Discounts, `[T, *B]` or a number.
      c_t: Traces, a number, `[T - 1]` or `[T - 1, *B]`.
      stop_target_gradients: Whether gradients stop at the returns.
      truncated_t: Booleans, `[T, *B]`: where an episode was cut after the step. None for nowhere.

    Returns:
      `[T, *B]`, in the dtype that the floating arguments promote to.

    Raises:
      TypeError: an argument is not real, or `truncated_t` not boolean.
      ValueError: the shapes do not fit, or there is no step.

    Example:
      >>> import jax.numpy as jnp, rlax_like as rlax
      >>> q_t, v_t, r_t = jnp.array([4.0]), jnp.array([3.0, 8.0]), jnp.array([1.0, 2.0])
      >>> rlax.general_off_policy_returns_from_q_and_v(q_t, v_t, r_t, 0.5, jnp.array([0.5]))
      Array([3., 6.], dtype=float32)
    """
    name = "general_off_policy_returns_from_q_and_v"
    dtype, arrays = _sequences.reals(name, q_t=q_t, v_t=v_t, r_t=r_t, discount_t=discount_t, c_t=c_t)
    q_t, v_t, r_t, discount_t, c_t = arrays
    (truncated_t,) = _sequences.booleans(name, truncated_t=truncated_t)
    _sequences.fit(
        name, r_t=(r_t, "T *B"), discount_t=(discount_t, "T *B|"), v_t=(v_t, "T *B"), truncated_t=(truncated_t, "T *B")
    )
    q_t, c_t = _but_last(name, r_t, q_t=q_t), _but_last(name, r_t, broadcast=True, c_t=c_t)
    returns = solve(_step_but_last, _inputs_but_last(r_t, discount_t, v_t, q_t, c_t, truncated_t))
    return stop_gradient_if(stop_target_gradients, returns).astype(dtype)


def _returns_from_action_values(
    name: str,
    a_t: "Int[ArrayLike, 'T *B']",
    q_t: jax.Array,
    r_t: jax.Array,
    discount_t: jax.Array,
    c_t: jax.Array,
    pi_t: jax.Array,
    truncated_t: "Bool[ArrayLike, 'T *B'] | None",
) -> jax.Array:
    """The returns, given arrays that are arguments of the function of this name."""
    (truncated_t,) = _sequences.booleans(name, truncated_t=truncated_t)
    a_t = _actions(name, a_t, q_t, r_t, discount_t, pi_t, truncated_t)
    _sequences.fit(name, r_t=(r_t, "T *B"), c_t=(c_t, "T *B|T|"))
    return solve(given, _of_action_values(r_t, discount_t, q_t, a_t, along_time(c_t, r_t.ndim), pi_t, truncated_t))


def _actions(
    name: str,
    a_t: "Int[ArrayLike, 'T *B']",
    q_t: jax.Array,
    r_t: jax.Array,
    discount_t: jax.Array,
    pi_t: jax.Array,
    truncated_t: jax.Array | None,
) -> jax.Array:
    """The actions as an array, once the shapes are checked."""
    (a_t,) = _checks.integers(name, a_t=a_t)
    _sequences.fit(
        name,
        r_t=(r_t, "T *B"),
        discount_t=(discount_t, "T *B|"),
        q_t=(q_t, "T *B A"),
        pi_t=(pi_t, "T *B A"),
        a_t=(a_t, "T *B"),
        truncated_t=(truncated_t, "T *B"),
    )
    return a_t


def _but_last(function: str, r_t: jax.Array, *, broadcast: bool = False, **argument: jax.Array) -> jax.Array:
    """Returns the one argument, which has a step less than `r_t`, once its shape is checked.

    With `broadcast`, the argument may be a number, or the same for all of the batch.
    """
    ((name, array),) = argument.items()
    expected = (len(r_t) - 1, *r_t.shape[1:])
    if array.shape != expected and not (broadcast and array.shape in ((), expected[:1])):
        raise ValueError(
            f"{function}: {name} has shape {array.shape}, expected {expected}, one step less than r_t. Leave out "
            f"the last step, after which no action is known."
        )
    return along_time(array, r_t.ndim)


def _step(
    r_t: jax.Array,
    discount_t: jax.Array,
    v_t: jax.Array,
    q_t: jax.Array,
    c_t: jax.Array,
    truncated_t: jax.Array | None,
) -> tuple[jax.Array, jax.Array]:
    c_t = cut(c_t, truncated_t)
    return discount_t * c_t, r_t + discount_t * (v_t - weighted(c_t, q_t))


def _of_action_values(
    r_t: jax.Array,
    discount_t: jax.Array,
    q_t: jax.Array,
    a_t: jax.Array,
    c_t: jax.Array,
    pi_t: jax.Array,
    truncated_t: jax.Array | None,
) -> tuple[jax.Array, jax.Array]:
    """The coefficients of all steps, before the loop: so XLA reads the values of all actions once for what is done."""
    return _step_but_last(r_t, discount_t, expectation(pi_t, q_t), _pick(q_t, a_t), c_t, truncated_t, _is_last(r_t))


def _inputs_but_last(
    r_t: jax.Array,
    discount_t: jax.Array,
    v_t: jax.Array,
    q_t: jax.Array,
    c_t: jax.Array,
    truncated_t: jax.Array | None,
) -> tuple[Any, ...]:
    """The inputs of `_step_but_last`, where `q_t` and `c_t` have a step less, for which any element will do."""

    def shifted(x: jax.Array) -> Shifted:
        return Shifted(x if len(x) else jnp.zeros((1, *x.shape[1:]), x.dtype))

    return r_t, discount_t, v_t, shifted(q_t), shifted(c_t) if c_t.ndim else c_t, truncated_t, _is_last(r_t)


def _step_but_last(
    r_t: jax.Array,
    discount_t: jax.Array,
    v_t: jax.Array,
    q_t: jax.Array,
    c_t: jax.Array,
    truncated_t: jax.Array | None,
    is_last: Any,  # NumPy's, before the loop, or an array of JAX.
) -> tuple[jax.Array, jax.Array]:
    """`_step` with no trace after the last one."""
    return _step(r_t, discount_t, v_t, q_t, cut(c_t, is_last), truncated_t)


def _is_last(r_t: jax.Array) -> np.ndarray:
    return np.reshape(np.arange(len(r_t)) == len(r_t) - 1, (-1, *[1] * (r_t.ndim - 1)))
