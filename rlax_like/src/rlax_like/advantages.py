"""Generalized advantage estimation: by how much the actions that were taken turned out better than expected."""

from typing import TYPE_CHECKING

import jax

from rlax_like import _sequences
from rlax_like._gradients import stop_gradient_if
from rlax_like._sequences import cut
from rlax_like.recurrence import Shifted, along_time, solve

if TYPE_CHECKING:
    from jaxtyping import Array, ArrayLike, Bool, Float, Real


def generalized_advantage_estimation(
    r_t: "Real[ArrayLike, 'T *B']",
    discount_t: "Real[ArrayLike, 'T *B']",
    v_tm1: "Real[ArrayLike, 'T *B']",
    v_t: "Real[ArrayLike, 'T *B']",
    lambda_: "Real[ArrayLike, 'T *B']" = 1.0,
    *,
    truncated_t: "Bool[ArrayLike, 'T *B'] | None" = None,
    stop_target_gradients: bool = True,
) -> "Float[Array, 'T *B']":
    """Returns the advantages `A_t = d_t + discount_t lambda_ A_{t+1}` of errors `d_t = r_t + discount_t v_t - v_tm1`.

    With `lambda_ = 1`, the discounted return less `v_tm1`. The value of the state that a step reaches is given apart
    from that of the state that the next step leaves, so that episodes may follow each other: where one was cut, `v_t`
    is the value of the last state that was seen of it, and `v_tm1` of the next step that of a first state. Schulman et
    al. (2016), "High-dimensional continuous control using generalized advantage estimation", arXiv:1506.02438, eq. 16.

    Args:
      r_t: Rewards, `[T, *B]`.
      discount_t: Discounts, `[T, *B]` or a number.
      v_tm1: Values of the states left, `[T, *B]`.
      v_t: Values of the states reached, `[T, *B]`.
      lambda_: From 0, the one-step error, to 1, all the rewards: a number, `[T]` or `[T, *B]`.
      truncated_t: Booleans, `[T, *B]`: where an episode was cut after the step. None for nowhere.
      stop_target_gradients: Whether gradients stop at the advantages.

    Returns:
      `[T, *B]`, in the dtype that the floating arguments promote to.

    Raises:
      TypeError: an argument is not real, or `truncated_t` not boolean.
      ValueError: the shapes do not fit, or there is no step.

    Example:
      >>> import jax.numpy as jnp, rlax_like as rlax
      >>> r_t, v_tm1, v_t = jnp.array([1.0, 2.0]), jnp.array([2.0, 4.0]), jnp.array([4.0, 8.0])
      >>> rlax.generalized_advantage_estimation(r_t, 0.5, v_tm1, v_t, lambda_=0.5)
      Array([1.5, 2. ], dtype=float32)
    """
    name = "generalized_advantage_estimation"
    dtype, arrays = _sequences.narrow_reals(name, r_t=r_t, discount_t=discount_t, v_tm1=v_tm1, v_t=v_t, lambda_=lambda_)
    r_t, discount_t, v_tm1, v_t, lambda_ = arrays
    (truncated_t,) = _sequences.booleans(name, truncated_t=truncated_t)
    _sequences.fit(
        name,
        r_t=(r_t, "T *B"),
        discount_t=(discount_t, "T *B|"),
        v_tm1=(v_tm1, "T *B"),
        v_t=(v_t, "T *B"),
        lambda_=(lambda_, "T *B|T|"),
        truncated_t=(truncated_t, "T *B"),
    )
    advantages = solve(_step, (r_t, discount_t, v_tm1, v_t, along_time(lambda_, r_t.ndim), truncated_t))
    return stop_gradient_if(stop_target_gradients, advantages).astype(dtype)


def truncated_generalized_advantage_estimation(
    r_t: "Real[ArrayLike, 'T *B']",
    discount_t: "Real[ArrayLike, 'T *B']",
    lambda_: "Real[ArrayLike, 'T *B']",
    values: "Real[ArrayLike, 'T+1 *B']",
    stop_target_gradients: bool = False,
    *,
    truncated_t: "Bool[ArrayLike, 'T *B'] | None" = None,
) -> "Float[Array, 'T *B']":
    """Returns `generalized_advantage_estimation` of one sequence of states, whose values are in one array.

    That is, with `v_tm1 = values[:-1]` and `v_t = values[1:]`. "Truncated" is the sum over the steps of the sequence,
    not an episode. Schulman et al. (2017), "Proximal policy optimization algorithms", arXiv:1707.06347, eq. 11.

    Args:
      r_t: Rewards, `[T, *B]`.
      discount_t: Discounts, `[T, *B]` or a number.
      lambda_: From 0, the one-step error, to 1, all the rewards: a number, `[T]` or `[T, *B]`.
      values: Values of all states, those that steps leave and the last one, `[T + 1, *B]`.
      stop_target_gradients: Whether gradients stop at the advantages.
      truncated_t: Booleans, `[T, *B]`: where an episode was cut after the step; the step still bootstraps from the next
        one of `values`. None for nowhere.

    Returns:
      `[T, *B]`, in the dtype that the floating arguments promote to.

    Raises:
      TypeError: an argument is not real, or `truncated_t` not boolean.
      ValueError: the shapes do not fit, or there is no step.

    Example:
      >>> import jax.numpy as jnp, rlax_like as rlax
      >>> r_t, values = jnp.array([1.0, 2.0]), jnp.array([2.0, 4.0, 8.0])
      >>> rlax.truncated_generalized_advantage_estimation(r_t, 0.5, 0.5, values)
      Array([1.5, 2. ], dtype=float32)
    """
    name = "truncated_generalized_advantage_estimation"
    dtype, arrays = _sequences.narrow_reals(name, r_t=r_t, discount_t=discount_t, lambda_=lambda_, values=values)
    r_t, discount_t, lambda_, values = arrays
    (truncated_t,) = _sequences.booleans(name, truncated_t=truncated_t)
    _sequences.fit(
        name,
        r_t=(r_t, "T *B"),
        discount_t=(discount_t, "T *B|"),
        lambda_=(lambda_, "T *B|T|"),
        truncated_t=(truncated_t, "T *B"),
    )
    expected = (len(r_t) + 1, *r_t.shape[1:])
    if values.shape != expected:
        raise ValueError(
            f"{name}: values has shape {values.shape}, expected {expected}, one step more than r_t. The last one is "
            f"the value of the state that the last step reaches."
        )
    v_tm1, v_t = Shifted(values), Shifted(values, 1)
    advantages = solve(_step, (r_t, discount_t, v_tm1, v_t, along_time(lambda_, r_t.ndim), truncated_t))
    return stop_gradient_if(stop_target_gradients, advantages).astype(dtype)


def _step(
    r_t: jax.Array,
    discount_t: jax.Array,
    v_tm1: jax.Array,
    v_t: jax.Array,
    lambda_: jax.Array,
    truncated_t: jax.Array | None,
) -> tuple[jax.Array, jax.Array]:
    return discount_t * cut(lambda_, truncated_t), r_t + discount_t * v_t - v_tm1
